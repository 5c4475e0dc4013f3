"""Whole numbers as somebody outside writes them: in addresses, forms, cursors, templates."""

from __future__ import annotations

LARGEST = 2**31 - 1
"""What an INTEGER column takes, and a BIGINT one."""
LARGEST_BIG = 2**63 - 1


def whole(text: str, most: int) -> int | None:
    """The number that these ASCII digits write; None for anything else, and for more than `most`.

    `most` bounds the length, too, zeros in front included: Python reads no number of thousands of digits, and raises.
    """
    if not (text.isascii() and text.isdecimal() and len(text) <= len(str(most))):
        return None
    number = int(text)
    return number if number <= most else None
