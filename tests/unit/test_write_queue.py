"""Who writes next, over threads and processes."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from write_queue import WriteQueue

ROOT = Path(__file__).resolve().parents[2]
HOLD = """
import sys
from write_queue import WriteQueue
queue = WriteQueue(sys.argv[1])
queue.enter(5)
print("in", flush=True)
sys.stdin.readline()
queue.leave()
print("out", flush=True)
sys.stdin.readline()
"""


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "queue")


@pytest.fixture
def other(path: str):
    """Another process that is writing until it is told something."""
    with _another(path) as process:
        assert process.stdout.readline() == "in\n"
        yield process


@contextmanager
def _another(path: str):
    """A process that writes as soon as it is let in."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, path], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield process
        process.kill()


def test_a_writer_of_another_process_is_waited_for_so_long_and_no_longer(path: str, other):
    queue = WriteQueue(path)
    with pytest.raises(TimeoutError):
        queue.enter(0.05)
    other.stdin.write("leave\n")
    other.stdin.flush()
    queue.enter(5)
    queue.leave()
    assert other.stdout.readline() == "out\n"


def test_a_killed_process_holds_nobody_up(path: str, other):
    other.kill()
    queue = WriteQueue(path)
    queue.enter(5)
    queue.leave()


def test_who_gave_up_is_not_waited_for(path: str, other):
    queue = WriteQueue(path)
    for _ in range(3):
        with pytest.raises(TimeoutError):
            queue.enter(0.01)
    other.kill()
    other.wait()
    queue.enter(5)
    queue.leave()


def test_without_a_place_for_the_file_a_process_still_queues(tmp_path: Path):
    queue = WriteQueue(str(tmp_path / "missing" / "queue"))
    queue.enter(1)
    with pytest.raises(TimeoutError):
        queue.enter(0.01)
    queue.leave()


def test_threads_enter_in_order_but_first_those_with_a_deadline():
    queue = WriteQueue(None)
    queue.enter(1)
    entered: list[str] = []
    threads = []
    for name in ("first", "second", "hurried"):
        threads.append(_waiting(queue, name, entered))
    queue.leave()
    for thread in threads:
        thread.join()
    assert entered == ["hurried", "first", "second"]


@pytest.mark.parametrize("name", ["patient", "hurried"])
def test_whoever_is_in_sees_that_another_thread_waits(name: str):
    queue = WriteQueue(None)
    queue.enter(1)
    assert not queue.has_line
    thread = _waiting(queue, name, [])
    assert queue.has_line
    queue.leave()
    thread.join()
    assert not queue.has_line


def test_a_crowd_with_a_deadline_goes_in_together_while_another_process_waits(
    path: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("write_queue.RUN_SECONDS", 60.0)
    queue = WriteQueue(path)
    queue.enter(1)
    with _another(path) as other:
        _until(queue.is_wanted)
        before_it: list[bool] = []
        names = ("hurried", "hurried", "patient")
        threads = [_waiting(queue, name, before_it, queue.is_wanted) for name in names]
        queue.leave()
        for thread in threads:
            thread.join()
        assert before_it == [True, True, True]
        assert other.stdout.readline() == "in\n"


@pytest.mark.parametrize(
    ("name", "run_seconds"), [("patient", 60.0), ("hurried", -1.0)], ids=["nobody has a deadline", "it took long"]
)
def test_another_process_has_its_turn_first(path: str, monkeypatch: pytest.MonkeyPatch, name: str, run_seconds: float):
    monkeypatch.setattr("write_queue.RUN_SECONDS", run_seconds)
    queue = WriteQueue(path)
    queue.enter(1, is_hurried=name == "hurried")
    with _another(path) as other:
        _until(queue.is_wanted)
        entered: list[str] = []
        thread = _waiting(queue, name, entered)
        queue.leave()
        assert other.stdout.readline() == "in\n"
        assert entered == []
        other.stdin.write("leave\n")
        other.stdin.flush()
        thread.join()
        assert entered == [name]


def _waiting(
    queue: WriteQueue, name: str, entered: list[Any], note: Callable[[], Any] | None = None
) -> threading.Thread:
    """A thread that has taken its place in the line. note: what it writes down inside; by default its name."""
    before = _in_line(queue)

    def write() -> None:
        queue.enter(5, is_hurried=name == "hurried")
        entered.append(note() if note else name)
        queue.leave()

    thread = threading.Thread(target=write)
    thread.start()
    _until(lambda: _in_line(queue) > before)
    return thread


def _in_line(queue: WriteQueue) -> int:
    return len(queue._hurried) + len(queue._patient)


def _until(condition: Callable[[], bool]) -> None:
    tick = threading.Event()
    for _ in range(5000):
        if condition():
            return
        tick.wait(0.001)
    raise AssertionError("it did not happen")
