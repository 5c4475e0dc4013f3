"""JSON that is written quickly says the same as the standard library's."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

import json_text

VALUES = [
    {"名称": "磁盘 > 95%", "n": [1, 2.5, True, None], "nested": {"a": {}}},
    {"whole": 2**80, "negative": -(2**70)},
    {"half a pair": "\ud83d"},
    {"数": "\u2028", "quote": '"\\'},
    [],
    "text",
]


@pytest.mark.parametrize("value", VALUES)
def test_what_is_written_reads_back_as_it_was(value: object) -> None:
    text = json_text.written(value)
    text.encode()
    assert json.loads(text) == value


@pytest.mark.parametrize("value", [datetime(2026, 1, 1, tzinfo=UTC), {"at": {1, 2}}, object()])
def test_what_json_cannot_say_is_refused(value: object) -> None:
    with pytest.raises(TypeError):
        json_text.written({"value": value})


def test_the_order_of_names_does_not_matter() -> None:
    assert json_text.in_order({"a": 1, "b": {"d": 2, "c": 3}}) == json_text.in_order({"b": {"c": 3, "d": 2}, "a": 1})
    assert json_text.in_order({"a": 1}) != json_text.in_order({"a": 2})


def test_a_log_line_says_everything_somehow() -> None:
    line = json.loads(json_text.log_line({"error": ValueError("no"), "whole": 2**90, "text": "\ud83d"}))
    assert line == {"error": "no", "whole": 2**90, "text": "\ud83d"}
