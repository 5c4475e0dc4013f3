"""A call that another thread makes meanwhile."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from under_way import under_way

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 20
FORKED = """
import os
from under_way import under_way

with under_way(lambda: None):
    pass
child = os.fork()
if not child:
    with under_way(lambda: None):
        pass
    os._exit(0)
os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_the_call_and_what_stands_within_wait_for_each_other():
    within, called = threading.Event(), threading.Event()
    waited: list[bool] = []

    def call() -> None:
        waited.append(within.wait(SECONDS))
        called.set()

    with under_way(call):
        within.set()
        waited.append(called.wait(SECONDS))

    assert waited == [True, True]


def test_it_is_over_when_the_call_has_returned():
    made: list[str] = []
    for number in (1, 2):
        with under_way(lambda: made.append("call")):
            pass
        assert len(made) == number


def test_several_calls_at_once_have_a_thread_each():
    threads: set[int] = {threading.get_ident()}

    def call() -> None:
        threads.add(threading.get_ident())

    with under_way(call), under_way(call), under_way(call):
        pass
    assert len(threads) == 4


def fail() -> None:
    raise LookupError("the call")


def test_what_the_call_raises_is_raised_and_the_next_call_is_made():
    made: list[str] = []
    with pytest.raises(LookupError), under_way(fail):
        made.append("within")
    with under_way(lambda: made.append("next")):
        pass
    assert made == ["within", "next"]


def test_what_fails_within_is_raised_once_the_call_has_returned():
    made: list[str] = []
    with pytest.raises(ZeroDivisionError), under_way(lambda: made.append("call")):
        raise ZeroDivisionError
    assert made == ["call"]


def test_of_both_the_call_counts():
    with pytest.raises(LookupError), under_way(fail):
        raise ZeroDivisionError


def test_where_the_system_has_no_thread_the_call_comes_first(monkeypatch: pytest.MonkeyPatch):
    def refuse(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr("under_way._idle", [])
    monkeypatch.setattr(threading.Thread, "start", refuse)
    made: list[str] = []
    with under_way(lambda: made.append("call")):
        made.append("within")
    with pytest.raises(LookupError), under_way(fail):
        made.append("too much")
    assert made == ["call", "within"]


def test_a_forked_process_has_a_thread_of_its_own():
    assert subprocess.run([sys.executable, "-c", FORKED], cwd=ROOT, timeout=SECONDS).returncode == 0
