"""Make text fit a platform's limits, and keep alert text from being more than text."""

from __future__ import annotations

import re
import unicodedata

ELLIPSIS = "…"
JOINS = {"\u200d", "\ufe0f", "\ufe0e"}
BROADCAST = re.compile(r"@(?=\s*(?:all\b|everyone\b|here\b|所有人|全体成员))", re.IGNORECASE)
MARKUP = re.compile(r"<(?=[/!?a-zA-Z])")


def shorten(text: str, characters: int, octets: int | None = None) -> str:
    """Cut `text` to so many characters (and UTF-8 bytes), ending in … when something is missing.

    The cut falls between characters, never inside one that is made of several code points.
    """
    if len(text) <= characters and (octets is None or len(text.encode()) <= octets):
        return text
    kept = text[: max(characters - 1, 0)]
    if octets is not None:
        kept = kept.encode()[: max(octets - len(ELLIPSIS.encode()), 0)].decode("utf-8", "ignore")
    return _whole(text, len(kept)).rstrip() + ELLIPSIS


def shorten_to_width(text: str, columns: int) -> str:
    """Cut `text` to so many columns, two for a Chinese character and one for a Latin letter."""
    if 2 * len(text) <= columns or width(text) <= columns:
        return text
    end, left = 0, columns - width(ELLIPSIS)
    while left >= (wide := width(text[end])):
        end, left = end + 1, left - wide
    return _whole(text, end).rstrip() + ELLIPSIS


def width(text: str) -> int:
    """Columns that `text` takes, with no less than one for each of its code points."""
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)


def _whole(text: str, end: int) -> str:
    """text[:end], less a last character that goes on behind the cut."""
    while 0 < end < len(text) and (_continues(text[end]) or text[end - 1] == "\u200d"):
        end -= 1
    return text[:end]


def _continues(character: str) -> bool:
    return character in JOINS or unicodedata.combining(character) > 0 or "\U0001f3fb" <= character <= "\U0001f3ff"


def plain(text: str) -> str:
    """Alert text as mere text: one line, no control characters, no mention of everybody, no markup that links."""
    if text.isprintable() and "@" not in text and "<" not in text and "  " not in text and text == text.strip():
        return text
    line = "".join(c if c.isprintable() or c in JOINS else " " for c in text.encode("utf-8", "replace").decode())
    return MARKUP.sub("＜", BROADCAST.sub("＠", " ".join(line.split())))
