from __future__ import annotations

from platforms.base import Department
from platforms.contacts import as_tree


def _shown(*rows: tuple[str, str, int]) -> list[tuple[str, str]]:
    listed = [Department(number, number.upper(), parent, order) for number, parent, order in rows]
    return [(one.external_id, one.parent_id) for one in as_tree(listed)]


def test_a_parent_comes_before_its_children():
    assert _shown(("c", "b", 0), ("b", "a", 0), ("a", "", 0)) == [("a", ""), ("b", "a"), ("c", "b")]


def test_a_department_whose_parent_is_not_seen_stands_at_the_top():
    assert _shown(("b", "hidden", 0), ("c", "b", 0)) == [("b", ""), ("c", "b")]


def test_siblings_keep_their_order():
    assert [number for number, _ in _shown(("x", "", 3), ("y", "", 1), ("z", "", 2))] == ["y", "z", "x"]


def test_a_circle_is_cut_once_and_nobody_is_lost():
    assert _shown(("a", "b", 0), ("b", "a", 0), ("c", "c", 0)) == [("c", ""), ("a", ""), ("b", "a")]


def test_a_department_told_twice_is_one():
    assert _shown(("a", "", 0), ("a", "", 0)) == [("a", "")]
