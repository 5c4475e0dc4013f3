"""A call that another thread makes meanwhile."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from under_way import make_both

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 20
FORKED = """
import os
from under_way import make_both

def nothing():
    pass

make_both(nothing, nothing)
child = os.fork()
if not child:
    make_both(nothing, nothing)
    os._exit(0)
os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def nothing() -> None:
    pass


def fail() -> None:
    raise LookupError("the call")


def divide() -> None:
    raise ZeroDivisionError


def test_both_are_made_at_once():
    here, there = threading.Event(), threading.Event()
    waited: list[bool] = []

    def call() -> None:
        waited.append(here.wait(SECONDS))
        there.set()

    def meanwhile() -> None:
        here.set()
        waited.append(there.wait(SECONDS))

    make_both(call, meanwhile)
    assert waited == [True, True]


def test_it_is_over_when_the_call_has_returned():
    made: list[str] = []
    for number in (1, 2):
        make_both(lambda: made.append("call"), nothing)
        assert len(made) == number


def test_several_calls_at_once_have_a_thread_each():
    threads: set[int] = {threading.get_ident()}

    def call() -> None:
        threads.add(threading.get_ident())

    make_both(call, lambda: make_both(call, lambda: make_both(call, nothing)))
    assert len(threads) == 4


def test_what_the_call_raises_is_raised_and_the_next_call_is_made():
    made: list[str] = []
    with pytest.raises(LookupError):
        make_both(fail, lambda: made.append("meanwhile"))
    make_both(lambda: made.append("next"), nothing)
    assert made == ["meanwhile", "next"]


def test_what_fails_meanwhile_is_raised_once_the_call_has_returned():
    made: list[str] = []
    with pytest.raises(ZeroDivisionError):
        make_both(lambda: made.append("call"), divide)
    assert made == ["call"]


def test_of_both_the_call_counts():
    with pytest.raises(LookupError):
        make_both(fail, divide)


def test_nobody_waits_for_what_follows_the_call():
    gone_on, followed = threading.Event(), threading.Event()

    def afterwards() -> None:
        if gone_on.wait(SECONDS):
            followed.set()

    make_both(nothing, nothing, afterwards=afterwards)
    gone_on.set()
    assert followed.wait(SECONDS)


def test_nothing_follows_a_call_that_failed():
    made: list[str] = []
    with pytest.raises(LookupError):
        make_both(fail, nothing, afterwards=lambda: made.append("afterwards"))
    make_both(nothing, nothing)
    assert made == []


def test_what_follows_may_fail(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture):
    monkeypatch.setattr("under_way._idle", [])
    made: list[str] = []
    make_both(nothing, nothing, afterwards=divide)
    make_both(lambda: made.append("next"), nothing)
    assert made == ["next"]
    assert "ZeroDivisionError" in caplog.text


def test_where_the_system_has_no_thread_the_call_comes_first(monkeypatch: pytest.MonkeyPatch):
    def refuse(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr("under_way._idle", [])
    monkeypatch.setattr(threading.Thread, "start", refuse)
    made: list[str] = []
    make_both(
        lambda: made.append("call"), lambda: made.append("meanwhile"), afterwards=lambda: made.append("afterwards")
    )
    with pytest.raises(LookupError):
        make_both(fail, lambda: made.append("too much"), afterwards=lambda: made.append("too much"))
    assert made == ["call", "afterwards", "meanwhile"]


def test_a_forked_process_has_a_thread_of_its_own():
    assert subprocess.run([sys.executable, "-c", FORKED], cwd=ROOT, timeout=SECONDS).returncode == 0
