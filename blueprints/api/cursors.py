"""Cursors of lists that are turned by id."""

from __future__ import annotations

from blueprints.api.schemas import words
from errors import InvalidInput
from texts import N_

CURSOR = words(20, about="next_cursor of an earlier answer")
MOST_DIGITS = 18


def id_of(cursor: str | None) -> int | None:
    """The id to go on at. Raises InvalidInput for what no answer held."""
    if cursor is None:
        return None
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) <= MOST_DIGITS):
        raise InvalidInput("cursor", N_("应为之前应答中的 next_cursor"))
    return int(cursor)
