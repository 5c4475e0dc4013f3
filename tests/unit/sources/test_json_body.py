"""Bytes from strangers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sources import Refused, read_json


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "body is not JSON: Expecting value at line 1, column 1"),
        (b'{"a": 1,\n "b": }', "at line 2, column 7"),
        (b"{'a': 1}", "at line 1, column 2"),
        (b'{"a": NaN}', "NaN is not a JSON value"),
        (b'{"a": -Infinity}', "-Infinity is not a JSON value"),
        (b'{"a": 1e999}', "too large: 1e999"),
        (b'{"a": ' + b"9" * 5000 + b"}", "more than 4000 digits"),
        (b"[" * 33 + b"]" * 33, "deeper than 32 levels"),
        (b'{"a":' * 50_000 + b"1" + b"}" * 50_000, "deeper than 32 levels"),
        (b'{"a": "\xff"}', "not UTF-8 text (byte 8)"),
        ('{"a": 1}'.encode("utf-16"), "not UTF-8 text"),
    ],
)
def test_a_body_that_is_not_json_is_refused_with_the_place(body, message):
    with pytest.raises(Refused, match="body") as refusal:
        read_json(body)
    assert message in str(refusal.value)


def test_a_byte_order_mark_is_no_mistake():
    assert read_json(b'\xef\xbb\xbf{"a": 1}') == {"a": 1}


def test_what_postgresql_cannot_store_is_replaced():
    assert read_json(rb'{"a\u0000": ["x\u0000y", "\ud800", "\ud83d\ude00", "\udc00z"]}') == {
        "a": ["xy", "\ufffd", "😀", "\ufffdz"]
    }


def test_thirty_two_levels_are_fine():
    assert read_json(b"[" * 32 + b"]" * 32)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(body):
    try:
        read_json(body)
    except Refused as error:
        assert str(error)
