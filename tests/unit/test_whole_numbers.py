"""What counts as a whole number that somebody wrote."""

from __future__ import annotations

import pytest

from whole_numbers import LARGEST, LARGEST_BIG, whole


@pytest.mark.parametrize(("text", "number"), [("0", 0), ("17", 17), ("007", 7), (str(LARGEST), LARGEST)])
def test_digits_are_a_number(text: str, number: int) -> None:
    assert whole(text, LARGEST) == number
    assert whole(text, LARGEST_BIG) == number


@pytest.mark.parametrize(
    "text", ["", "-1", "+1", " 1", "1_0", "1.0", "²", "１", "٣", str(LARGEST + 1), "0" * 5000, "9" * 5000]
)
def test_all_else_is_none(text: str) -> None:
    assert whole(text, LARGEST) is None
