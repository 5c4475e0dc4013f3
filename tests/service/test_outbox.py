"""The outbox: rows are written with their cause, claimed by one worker, recorded behind a fence."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import select, update

from extensions import db
from jobs import outbox as claims
from jobs.handling import Handler
from jobs.outbox import Claim, Done, Later, Outcome
from jobs.recording import CRASHES_BEFORE_DEAD
from jobs.runner import Runner
from models import Job, JobState, Role, StoredPush, TenantStatus
from services import outbox, stored_pushes
from services.clock import utcnow
from tests.factories import default_tenant, make_channel, make_member, make_source

LEASE = timedelta(seconds=60)


def stage(kind: str = "work", subject_id: int = 1, *, seconds: float = 0, **values: object) -> Job:
    now = utcnow()
    default_tenant()
    due_at = now + timedelta(seconds=seconds)
    return outbox.enqueue(kind, tenant_id=0, subject_id=subject_id, due_at=due_at, now=now, **values)  # type: ignore[arg-type]


def runner(app: Flask, run: Callable[[Claim], Outcome], **others: Callable[[Claim], Outcome]) -> Runner:
    handlers = {"work": Handler(run)} | {kind: Handler(other) for kind, other in others.items()}
    return Runner(app, handlers, LEASE)


def take(now: datetime, **values: object) -> Claim | None:
    """Claim one row of our own work."""
    found = claims.claim(db.session.connection(), outbox.ONE_AT_A_TIME, now, LEASE, **values)  # type: ignore[arg-type]
    return found[0] if found else None


def end_lease(job: Job) -> None:
    """Let so much time pass for a row that its lease is over, whichever clock it is read by."""
    db.session.refresh(job)
    job.lease_until -= LEASE + timedelta(seconds=1)
    db.session.commit()


def state_of(job: Job) -> JobState:
    db.session.rollback()
    db.session.refresh(job)
    db.session.rollback()
    return job.state


@pytest.fixture
def wakes(app: Flask) -> list[int]:
    woken: list[int] = []
    outbox.on_commit_wake(app, lambda: woken.append(1))
    return woken


def test_the_worker_is_woken_after_the_commit_and_not_before(wakes):
    stage()
    assert not wakes
    db.session.commit()
    assert len(wakes) == 1


def test_a_rolled_back_change_leaves_no_row_and_wakes_nobody(wakes):
    stage()
    db.session.rollback()
    db.session.commit()
    assert not wakes
    assert db.session.scalars(select(Job)).all() == []


def test_a_savepoint_does_not_swallow_the_wake_up(wakes):
    stage()
    with db.session.begin_nested():
        stage(subject_id=2)
    assert not wakes
    db.session.commit()
    assert len(wakes) == 1


def test_what_is_not_urgent_takes_no_wake_up_back(wakes, app: Flask):
    """Trying again what the worker takes already, beside work that is due now."""
    source, now = make_source(make_channel()), utcnow()
    row = {"source_id": source.id, "tenant_id": source.tenant_id, "received_at": now, "truncated": 0}
    stored_pushes.insert_rows(db.session.connection(), [row | {"events": [], "event_count": 1}], now=now)
    db.session.execute(update(StoredPush).values(error="broken"))
    stage()
    assert stored_pushes.try_again(source, by=make_member("boss", Role.ADMIN), now=now) == 1
    db.session.commit()
    assert len(wakes) == 1


def test_a_timer_of_later_wakes_nobody(wakes):
    stage(seconds=30)
    db.session.commit()
    assert not wakes


def test_a_broker_that_fails_never_fails_the_request(app: Flask):
    def broken() -> None:
        raise ConnectionError

    outbox.on_commit_wake(app, broken)
    job = stage()
    db.session.commit()
    assert state_of(job) is JobState.PENDING


def test_a_unique_key_makes_one_row_for_ever(app: Flask):
    first = stage(unique_key="purge:1")
    db.session.commit()
    assert stage(unique_key="purge:1").id == first.id


def test_every_row_is_claimed_by_exactly_one_of_many_workers(app: Flask):
    for number in range(40):
        stage(subject_id=number)
    db.session.commit()
    seen: Counter[int] = Counter()
    lock = threading.Lock()

    def work(mine: Claim) -> Outcome:
        with lock:
            seen[mine.subject_id] += 1
        return Done()

    threads = [threading.Thread(target=runner(app, work).run_due) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == Counter(range(40))


def test_an_outcome_is_not_recorded_once_another_worker_has_the_row(app: Flask):
    job = stage()
    db.session.commit()
    now = utcnow()
    slow = take(now)
    db.session.commit()
    end_lease(job)
    other = take(now)
    db.session.commit()
    assert slow is not None
    assert other is not None
    assert not claims.finish(slow, Done(), now)
    assert claims.finish(other, Done(), now)


def test_a_leased_row_is_left_alone_and_a_row_of_this_process_even_after_its_lease(app: Flask):
    job = stage()
    db.session.commit()
    now = utcnow()
    mine = take(now)
    db.session.commit()
    assert mine is not None
    assert take(now) is None
    end_lease(job)
    assert take(now, running_here=[mine.id]) is None
    assert take(now) is not None


@pytest.mark.parametrize("count", [0, 1, 2, 3, 5, 8])
def test_whatever_number_of_rows_runs_here_the_others_are_free(app: Flask, count: int):
    jobs = [stage(subject_id=number) for number in range(6)]
    db.session.commit()
    running = [job.id for job in jobs[:count]] + [1_000_000 + number for number in range(count - len(jobs))]

    on = db.session.connection()
    found = claims.claim(on, outbox.ONE_AT_A_TIME, utcnow(), LEASE, running_here=running, at_most=10)

    assert [mine.id for mine in found] == [job.id for job in jobs[count:]]
    assert all(mine.payload == {} and mine.attempts == 1 and mine.due_at.tzinfo for mine in found)


def test_a_row_given_back_is_free_at_once(app: Flask):
    stage()
    db.session.commit()
    mine = take(utcnow())
    assert mine is not None
    claims.give_back([mine])
    db.session.commit()
    assert take(utcnow()) is not None


def test_a_poison_row_ends_dead_and_the_queue_goes_on(app: Flask):
    poison = stage("poison")
    good = [stage(subject_id=number) for number in range(3)]
    db.session.commit()
    gave_up = []

    def break_down(mine: Claim) -> Outcome:
        raise ValueError("cannot be drawn")

    working = runner(app, lambda mine: Done())
    working.handlers["poison"] = Handler(break_down, lambda mine, error: gave_up.append(error))
    for _ in range(CRASHES_BEFORE_DEAD):
        working.run_due()
        assert all(state_of(job) is JobState.DONE for job in good)
        poison.due_at = utcnow()
        db.session.commit()
    assert state_of(poison) is JobState.DEAD
    assert gave_up == ["ValueError: cannot be drawn"]
    assert "cannot be drawn" in (poison.error or "")


def test_what_was_noted_before_a_crash_is_known_to_the_next_try(app: Flask):
    """That a call was made, say, whose answer nobody knows."""
    job = stage(payload={"tries": 1})
    db.session.commit()

    def work(mine: Claim) -> Outcome:
        claims.note(mine, mine.payload | {"saying": "hello"})
        db.session.commit()
        raise RuntimeError("after the call")

    runner(app, work).run_due()
    db.session.refresh(job)
    assert job.payload == {"tries": 1, "saying": "hello", "crashes": 1}


def test_a_row_of_a_kind_that_nobody_handles_is_dead_at_once(app: Flask):
    job = stage("unheard of")
    db.session.commit()
    runner(app, lambda mine: Done()).run_due()
    assert state_of(job) is JobState.DEAD


def test_a_row_cancelled_while_it_ran_is_not_tried_again(app: Flask):
    job = stage()
    db.session.commit()

    def fail_late(mine: Claim) -> Outcome:
        outbox.cancel("work", tenant_id=0, subject_id=1)
        db.session.commit()
        return Later(utcnow())

    assert runner(app, fail_late).run_due() == 1
    assert state_of(job) is JobState.CANCELLED


def test_timers_of_a_frozen_organisation_wait(app: Flask):
    job = stage()
    default_tenant().status = TenantStatus.FROZEN
    db.session.commit()
    ran: list[Claim] = []
    runner(app, lambda mine: ran.append(mine) or Done()).run_due()  # type: ignore[func-returns-value]
    assert not ran
    assert state_of(job) is JobState.PENDING
    assert job.due_at > utcnow()
