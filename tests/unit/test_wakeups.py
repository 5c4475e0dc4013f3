"""Wake-ups through a named pipe, and the threads that they wake."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from jobs.engine import Drains
from jobs.wakeups import Pipe

PATIENCE = 10.0


@pytest.fixture
def stopping():
    event = threading.Event()
    yield event
    event.set()


def test_a_byte_wakes_whoever_listens(tmp_path: Path, stopping: threading.Event) -> None:
    heard = threading.Event()
    Pipe(tmp_path / "wakeups").listen(heard.set, stopping)
    Pipe(tmp_path / "wakeups").send()
    assert heard.wait(PATIENCE)


def test_nobody_minds_that_no_worker_is_there(tmp_path: Path) -> None:
    Pipe(tmp_path / "wakeups").send()
    stopping = threading.Event()
    stopping.set()
    Pipe(tmp_path / "wakeups").listen(lambda: None, stopping)  # ends at once and leaves the pipe behind
    for _ in range(3):
        Pipe(tmp_path / "wakeups").send()


def test_a_full_pipe_does_not_keep_the_sender_waiting(tmp_path: Path, stopping: threading.Event) -> None:
    is_busy, calls = threading.Event(), threading.Semaphore(0)

    def heard() -> None:
        calls.release()
        is_busy.wait(PATIENCE)

    pipe = Pipe(tmp_path / "wakeups")
    pipe.listen(heard, stopping)
    for _ in range(70_000):  # more than it holds
        pipe.send()
    is_busy.set()
    assert calls.acquire(timeout=PATIENCE)


class Works:
    """Stands in for a runner: `left` rows, each of which takes until `go_on` is set."""

    def __init__(self, left: int) -> None:
        self.left = left
        self.stopping = threading.Event()
        self.lanes = SimpleNamespace(forget=lambda: None, is_short=False)
        self.go_on, self.lock = threading.Event(), threading.Lock()
        self.looks = 0
        self.begun, self.finished = threading.Semaphore(0), threading.Semaphore(0)

    def run_next(self, on_claim: Callable[[], None]) -> bool:
        with self.lock:
            self.looks += 1
            if self.left == 0:
                return False
            self.left -= 1
        on_claim()
        self.begun.release()
        self.go_on.wait(PATIENCE)
        self.finished.release()
        return True

    def return_begun(self) -> None: ...

    def give_back(self) -> None: ...


def drains_of(works: Any, most: int) -> Drains:
    return Drains(works, most)


def test_one_wake_up_brings_as_many_threads_as_there_are_rows() -> None:
    works = Works(5)
    drains = drains_of(works, 8)
    drains.wake()
    for _ in range(5):
        assert works.begun.acquire(timeout=PATIENCE)
    works.go_on.set()
    drains.stop(PATIENCE)
    assert works.left == 0


def test_more_rows_than_threads_are_done_by_the_first_that_is_free() -> None:
    works = Works(20)
    works.go_on.set()
    drains = drains_of(works, 2)
    drains.wake()
    for _ in range(20):
        assert works.finished.acquire(timeout=PATIENCE)
    drains.stop(PATIENCE)


def test_a_place_that_becomes_free_is_used() -> None:
    works = Works(1)
    works.lanes.is_short = True
    drains = drains_of(works, 4)
    drains.wake()
    assert works.begun.acquire(timeout=PATIENCE)
    with works.lock:
        works.left = 1  # it was there all along, and had no place
    works.go_on.set()
    assert works.begun.acquire(timeout=PATIENCE)
    works.lanes.is_short = False
    drains.stop(PATIENCE)


def test_a_thread_that_cannot_be_started_keeps_nobody_from_being_started_later(monkeypatch: pytest.MonkeyPatch) -> None:
    works = Works(1)
    drains = drains_of(works, 1)
    with monkeypatch.context() as short:
        short.setattr(threading.Thread, "start", refuse)
        drains.wake()
    drains.wake()
    assert works.begun.acquire(timeout=PATIENCE)
    works.go_on.set()
    drains.stop(PATIENCE)


def refuse(_thread: threading.Thread) -> None:
    raise RuntimeError("can't start new thread")
