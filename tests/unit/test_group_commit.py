"""Threads that come together share a commit."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from group_commit import GroupCommit

PATIENCE = 10.0
Take = Callable[[], list[int]]


def test_who_is_alone_writes_alone() -> None:
    written: list[list[int]] = []
    together: GroupCommit[int] = GroupCommit(lambda take: written.append(take()))
    together.add(1)
    together.add(2)
    assert written == [[1], [2]]


def test_who_comes_while_one_writes_is_written_by_the_next() -> None:
    written: list[list[int]] = []
    is_writing, go_on = threading.Event(), threading.Event()

    def write(take: Take) -> None:
        group = take()
        is_writing.set()
        assert go_on.wait(PATIENCE)
        written.append(group)

    together: GroupCommit[int] = GroupCommit(write, most=3)
    threads = [threading.Thread(target=together.add, args=(0,))]
    threads[0].start()
    assert is_writing.wait(PATIENCE)
    threads += [threading.Thread(target=together.add, args=(number,)) for number in range(1, 6)]
    for thread in threads[1:]:
        thread.start()
    while len(together._waiting) < 5:
        threading.Event().wait(0.001)
    go_on.set()
    for thread in threads:
        thread.join(PATIENCE)
    assert [len(group) for group in written] == [1, 3, 2]
    assert sorted(number for group in written for number in group) == list(range(6))


def test_a_failure_is_told_to_the_whole_group_and_to_nobody_else() -> None:
    written: list[int] = []

    def write(take: Take) -> None:
        group = take()
        if 1 in group:
            raise OSError("disk full")
        written.extend(group)

    together: GroupCommit[int] = GroupCommit(write)
    with pytest.raises(OSError, match="disk full"):
        together.add(1)
    together.add(2)
    assert written == [2]


def test_a_failure_before_the_group_was_taken_is_told_too() -> None:
    def write(_take: Take) -> None:
        raise TimeoutError

    together: GroupCommit[int] = GroupCommit(write)
    for number in range(2):
        with pytest.raises(TimeoutError):
            together.add(number)
