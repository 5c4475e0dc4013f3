from __future__ import annotations

from datetime import timedelta

import pytest

from platforms import contacts
from platforms.base import Department
from platforms.contacts import as_tree, patiently
from platforms.errors import RateLimited


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


class Busy:
    """Refuses the first few questions."""

    def __init__(self, refusals: int, retry_after: timedelta | None = None) -> None:
        self.left, self.retry_after = refusals, retry_after

    def __call__(self) -> str:
        if self.left:
            self.left -= 1
            raise RateLimited("too many", retry_after=self.retry_after)
        return "answer"


@pytest.fixture
def pauses(monkeypatch):
    waited: list[float] = []
    monkeypatch.setattr(contacts.time, "sleep", waited.append)
    return waited


def test_too_many_questions_at_once_are_asked_again_after_a_pause(pauses):
    assert patiently(Busy(2)) == "answer"
    assert patiently(Busy(1, timedelta(seconds=3))) == "answer"
    assert pauses == [1.0, 1.0, 3.0]


def test_patience_has_an_end(pauses):
    with pytest.raises(RateLimited):
        patiently(Busy(99))
    assert len(pauses) == contacts.ASKED_AGAIN
    with pytest.raises(RateLimited):
        patiently(Busy(1, timedelta(hours=1)))
