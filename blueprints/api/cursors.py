"""Cursors of lists that are turned by id."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from blueprints.api.schemas import words
from errors import InvalidInput
from texts import N_
from whole_numbers import LARGEST_BIG, whole

CURSOR = words(20, about="next_cursor of an earlier answer")


def id_of(cursor: str | None) -> int | None:
    """The id to go on at. Raises InvalidInput for what no answer held."""
    if cursor is None:
        return None
    found = whole(cursor, LARGEST_BIG)
    if found is None:
        raise InvalidInput("cursor", N_("应为之前应答中的 next_cursor"))
    return found


def page_of_rows(found: Sequence[Any], limit: int, row: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
    """A page of rows that are turned by id. found: one more than the limit, if there is one."""
    items = [row(one) for one in found[:limit]]
    return {"items": items, "next_cursor": str(found[limit - 1].id) if len(found) > limit else None}
