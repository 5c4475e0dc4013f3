"""What the platforms' lists of departments have in common once they are read."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import timedelta
from typing import TypeVar

from platforms.base import Department
from platforms.errors import RateLimited

ASKED_AGAIN = 10
PAUSE, LONGEST_PAUSE = timedelta(seconds=1), timedelta(seconds=60)

Given = TypeVar("Given")


def patiently(ask: Callable[[], Given]) -> Given:
    """Ask; where too many questions came at once, wait as the platform says, else a second, and ask again.

    Raises RateLimited when that does not help, or when it is told to wait for longer than a worker should.
    """
    for _ in range(ASKED_AGAIN):
        try:
            return ask()
        except RateLimited as error:
            pause = error.retry_after or PAUSE
            if pause > LONGEST_PAUSE:
                raise
        time.sleep(pause.total_seconds())
    return ask()


def as_tree(listed: Iterable[Department]) -> list[Department]:
    """Each department once, a parent before its children, siblings in their order.

    Where the parent is not among them, or is a department below it, its parent_id becomes "".
    """
    known = {one.external_id: one for one in listed}
    below: dict[str, list[Department]] = defaultdict(list)
    for one in known.values():
        parent = one.parent_id if one.parent_id in known and one.parent_id != one.external_id else ""
        below[parent].append(replace(one, parent_id=parent))
    found: dict[str, Department] = {}
    _walk(below, "", found)
    for one in known.values():  # what is left stands in a circle
        if one.external_id not in found:
            found[one.external_id] = replace(one, parent_id="")
            _walk(below, one.external_id, found)
    return list(found.values())


def _walk(below: dict[str, list[Department]], root: str, found: dict[str, Department]) -> None:
    waiting = [root]
    while waiting:
        for one in sorted(below[waiting.pop()], key=lambda each: each.order):
            if one.external_id not in found:
                found[one.external_id] = one
                waiting.append(one.external_id)
