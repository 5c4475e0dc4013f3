"""Whether a text shows anything: a name made of characters without a picture is nothing that somebody can press."""

from __future__ import annotations

import unicodedata

FILLERS = frozenset("\u115f\u1160\u3164\uffa0")
"""Hangul fillers: letters to Unicode, blank on every screen."""
UNSEEN = frozenset({"Cc", "Cf"})


def is_visible(text: str) -> bool:
    """Whether a reader sees any of it; zero-width characters, marks of direction and fillers count as nothing."""
    return any(_shows(character) for character in text)


def _shows(character: str) -> bool:
    if character.isspace() or character in FILLERS:
        return False
    return unicodedata.category(character) not in UNSEEN
