"""What the platforms' lists of departments have in common once they are read."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace

from platforms.base import Department


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
