"""A worker that dies, a database that is away, a clock that jumps: rows are free again soon, and done once."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
import time_machine
from flask import Flask
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from config import Settings
from extensions import db, wait_at_most
from jobs import outbox as claims
from jobs.engine import BUSY_SWEEP_SECONDS, SWEEP_SECONDS, Clock, Worker, is_gone
from jobs.handling import Go, Handler, Settle
from jobs.outbox import Claim, Done, Later, Outcome
from jobs.runner import Runner
from models import Job, JobState, PlatformToken
from services import circuits, outbox, tenants
from services.clock import utcnow
from tests.factories import NOW, default_tenant, make_integration, make_member
from tests.servers import wait_until

LEASE = timedelta(seconds=20)
NEARLY = timedelta(seconds=15)
"""The clock of these tests stands still; by the one that it is compared with, they take a while."""
ME = f"worker:here:{os.getpid()}:1234abcd"


def stage(kind: str = "deliver", subject_id: int = 1, *, seconds: float = 0) -> Job:
    now = utcnow()
    default_tenant()
    job = outbox.enqueue(kind, tenant_id=0, subject_id=subject_id, due_at=now + timedelta(seconds=seconds), now=now)
    db.session.commit()
    return job


def take(holder: str = "") -> list[Claim]:
    found = claims.claim(db.session.connection(), outbox.ONE_AT_A_TIME, utcnow(), LEASE, holder=holder)
    db.session.commit()
    return found


def fresh(job: Job) -> Job:
    db.session.refresh(job)
    db.session.commit()
    return job


def grow_older(job: Job, by: timedelta) -> None:
    """Let time pass for the lease of a row, whichever clock it is read by."""
    fresh(job).lease_until -= by
    db.session.commit()


def test_rows_of_a_worker_that_is_gone_are_free_at_once(app: Flask):
    stage()
    stage(subject_id=2)
    take("worker:here:1:dead")
    take("worker:elsewhere:1:alive")
    assert claims.take_from_the_dead(lambda holder: holder.endswith("dead"), utcnow()) == 1
    db.session.commit()
    assert [mine.subject_id for mine in take()] == [1]
    assert not take()


@pytest.mark.parametrize(
    ("holder", "gone"),
    [
        (f"worker:here:{os.getpid()}:9999ffff", True),
        (ME, False),
        (f"worker:here:{os.getppid()}:9999ffff", False),
        ("worker:here:4194399:9999ffff", True),
        ("worker:elsewhere:4194399:9999ffff", False),
        ("worker:here:4194399", False),
    ],
    ids=["our number, another start", "ourselves", "somebody who runs", "nobody", "another machine", "another form"],
)
def test_a_process_of_this_machine_is_gone_if_its_number_is_free_or_ours(holder: str, gone: bool):
    assert is_gone(holder, ME) is gone


def test_the_lease_of_a_running_row_is_renewed(app: Flask):
    job = stage()
    (mine,) = take()
    working = Runner(app, {}, LEASE, running={mine.id: mine})
    grow_older(job, LEASE / 2)
    working.keep()
    grow_older(job, LEASE / 2 + timedelta(seconds=5))
    assert not take()
    grow_older(job, LEASE)
    assert take()


def test_a_row_that_was_given_back_a_moment_ago_is_not_leased_again_by_whoever_renews(app: Flask):
    job, now = stage(), utcnow()
    (mine,) = take()
    assert claims.finish(mine, Later(now), now)
    db.session.commit()
    claims.renew([mine], now, LEASE)
    db.session.commit()
    assert fresh(job).lease_until < now
    assert [again.id for again in take()] == [job.id]


def test_who_renews_leases_waits_for_nobody_who_is_just_recording_an_outcome(app: Flask):
    """He may be waiting for another row that was renewed already. On SQLite there is one writer at a time."""
    jobs = stage(), stage(subject_id=2)
    mine, now = [*take(), *take()], utcnow()
    is_server = db.engine.dialect.name == "postgresql"
    with db.engine.connect() as recorder:
        if is_server:
            recorder.execute(text("SELECT id FROM jobs WHERE id = :id FOR UPDATE"), {"id": mine[0].id})
        wait_at_most(2)
        claims.renew(mine, now, 2 * LEASE)
        db.session.commit()
        assert [fresh(job).lease_until > now + 1.5 * LEASE for job in jobs] == [not is_server, True]


def test_a_clock_that_was_set_back_keeps_nobody_waiting(app: Flask):
    with time_machine.travel(NOW, tick=False) as clock:
        clock_seen = Clock()
        now_due, timer, promised = stage(), stage("policy_step", 2, seconds=1800), stage("snooze_expiry", 3, seconds=60)
        cards = stage("refresh_cards", 5, seconds=2)
        leased = stage(subject_id=4)
        leased.lease_until = NOW + LEASE
        db.session.commit()
        clock.shift(timedelta(hours=-1))
        step = clock_seen.set_back()
        assert abs(step - timedelta(hours=1)) < NEARLY
        claims.after_step_back(step, utcnow(), LEASE)
        db.session.commit()
        assert abs(fresh(now_due).due_at - utcnow()) < NEARLY
        assert abs(fresh(cards).due_at - utcnow() - timedelta(seconds=2)) < NEARLY
        assert abs(fresh(timer).due_at - utcnow() - timedelta(minutes=30)) < NEARLY
        assert fresh(promised).due_at == NOW + timedelta(seconds=60)
        has_own_clock = db.engine.dialect.name == "postgresql"  # which nobody has set back
        assert has_own_clock or fresh(leased).lease_until <= utcnow() + LEASE


def test_timers_of_a_frozen_organisation_outlast_a_clock_that_was_set_back(app: Flask):
    with time_machine.travel(NOW, tick=False) as clock:
        overdue, timer = stage("policy_step"), stage("policy_step", 2, seconds=1200)
        tenant, boss = default_tenant(), make_member("boss").user
        boss.is_superadmin = True
        tenants.freeze(tenant, by=boss, now=utcnow())
        db.session.commit()
        clock.shift(timedelta(hours=-1))
        claims.after_step_back(timedelta(hours=1), utcnow(), LEASE)
        db.session.commit()
        db.session.expire_all()  # it is thawed by another process
        clock.shift(timedelta(days=1))
        tenants.unfreeze(tenant, by=boss, now=utcnow())
        db.session.commit()
        assert fresh(overdue).due_at == utcnow()
        assert fresh(timer).due_at == utcnow() + timedelta(minutes=20)


def test_of_two_workers_that_see_a_clock_set_back_one_moves_what_waits(app: Flask):
    with time_machine.travel(NOW, tick=False) as clock:
        workers = [Worker(app), Worker(app)]
        for number, one in enumerate(workers):
            one.name = f"worker:here:{number}"
            one.runner.stopping.set()  # it looks after rows and works none off
            one.sweep()
        timer, connection = stage("policy_step", 2, seconds=1800), make_integration()
        connection.paused_until = NOW + timedelta(seconds=60)
        db.session.commit()
        clock.shift(timedelta(hours=-1))
        for one in workers:
            one.sweep()
        assert abs(fresh(timer).due_at - utcnow() - timedelta(minutes=30)) < NEARLY
        db.session.refresh(connection)
        assert abs(connection.paused_until - utcnow() - timedelta(seconds=60)) < NEARLY


def test_a_clock_set_back_before_a_worker_first_looks_keeps_nobody_waiting(app: Flask):
    """Nothing shows that it was there when the clock was wrong."""
    with time_machine.travel(NOW, tick=False) as clock:
        process = Worker(app)
        process.runner.stopping.set()
        timer = stage("policy_step", 2, seconds=1800)
        clock.shift(timedelta(hours=-1))
        process.sweep()
        assert abs(fresh(timer).due_at - utcnow() - timedelta(minutes=30)) < NEARLY


def test_a_clock_that_was_set_back_leaves_no_platform_without_a_token(app: Flask):
    with time_machine.travel(NOW, tick=False) as clock:
        process = Worker(app)
        process.runner.stopping.set()
        process.sweep()
        connection = make_integration()
        db.session.flush()
        token = PlatformToken(tenant_id=0, integration_id=connection.id, kind="a", retry_at=NOW + timedelta(seconds=5))
        db.session.add(token)
        db.session.commit()
        clock.shift(timedelta(hours=-1))
        process.sweep()
        db.session.refresh(token)
        assert abs(token.retry_at - utcnow() - timedelta(seconds=5)) < NEARLY


def test_rows_of_a_clock_that_was_put_right_before_the_worker_started_count_from_now(app: Flask):
    with time_machine.travel(NOW, tick=False) as clock:
        now_due, timer, promised = stage(), stage("policy_step", 2, seconds=1800), stage("snooze_expiry", 3, seconds=60)
        clock.shift(timedelta(hours=-1))
        kept = stage("policy_step", 4, seconds=1200)
        for _ in range(2):
            started = Worker(app)
            started.runner.stopping.set()
            started.sweep()
            assert fresh(now_due).due_at == utcnow()
            assert fresh(timer).due_at == utcnow() + timedelta(minutes=30)
            assert fresh(promised).due_at == NOW + timedelta(seconds=60)
            assert fresh(kept).due_at == utcnow() + timedelta(minutes=20)


def test_rows_of_who_began_before_the_clock_was_set_back_count_from_now(app: Flask, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("jobs.engine.HEARTBEAT_SECONDS", 0.0)
    with time_machine.travel(NOW, tick=False) as clock:
        process = Worker(app)
        process.runner.stopping.set()
        process.sweep()
        timer = stage("policy_step", 2, seconds=1800)
        clock.shift(timedelta(hours=-1))
        process.sweep()
        clock.shift(timedelta(hours=1))
        late = stage()
        clock.shift(timedelta(hours=-1))
        process.clock = Clock()  # which saw none of this
        process.sweep()
        assert fresh(late).due_at == utcnow()
        assert fresh(timer).due_at - utcnow() == pytest.approx(timedelta(minutes=30), abs=NEARLY)


@pytest.mark.parametrize("away_at", ["outbox", "circuits", "tokens"])
def test_a_clock_set_back_while_the_database_is_away_is_seen_to_afterwards(
    app: Flask, monkeypatch: pytest.MonkeyPatch, away_at: str
):
    with time_machine.travel(NOW, tick=False) as clock:
        process = Worker(app)
        process.runner.stopping.set()
        process.sweep()
        timer, connection = stage("policy_step", 2, seconds=1800), make_integration()
        connection.paused_until = NOW + timedelta(seconds=60)
        db.session.commit()
        clock.shift(timedelta(hours=-1))
        with monkeypatch.context() as away:
            away.setattr(f"jobs.engine.{away_at}.after_step_back", refuse)
            process.sweep()
        assert fresh(timer).due_at > utcnow() + timedelta(hours=1)
        process.sweep()
        assert abs(fresh(timer).due_at - utcnow() - timedelta(minutes=30)) < NEARLY
        db.session.refresh(connection)
        assert abs(connection.paused_until - utcnow() - timedelta(seconds=60)) < NEARLY


def refuse(*_about: object) -> None:
    raise OperationalError("UPDATE jobs", {}, Exception("the database is away"))


def test_a_clock_that_was_set_back_leaves_no_platform_alone_for_longer(app: Flask):
    with time_machine.travel(NOW, tick=False) as clock:
        integration = make_integration()
        integration.paused_until, integration.probe_at = NOW + timedelta(seconds=60), NOW - timedelta(hours=2)
        db.session.commit()
        clock.shift(timedelta(hours=-1))
        circuits.after_step_back(timedelta(hours=1), utcnow())
        db.session.refresh(integration)
        assert integration.paused_until == utcnow() + timedelta(seconds=60)
        assert integration.probe_at == NOW - timedelta(hours=2)


def test_a_clock_that_goes_on_or_jumps_ahead_is_left_alone():
    with time_machine.travel(NOW, tick=False) as clock:
        seen = Clock()
        clock.shift(timedelta(hours=1))
        assert not seen.set_back()


def worker(app: Flask, run: Callable[[Claim], Outcome | Settle], *, joins_claim: bool = False) -> Runner:
    return Runner(app, {"deliver": Handler(run, joins_claim=joins_claim)}, LEASE)


def test_a_row_that_was_claimed_with_others_is_let_go_when_it_is_done(app: Flask):
    """Whichever of them are over at once: one that is to be tried again must be claimed again."""
    default_tenant()
    db.session.flush()
    jobs = [
        outbox.enqueue("deliver", tenant_id=0, subject_id=n, due_at=utcnow(), now=utcnow(), queue=4) for n in (1, 2)
    ]
    db.session.commit()

    def run(mine: Claim) -> Outcome | Go:
        return Done() if mine.subject_id == 1 else Go(lambda: Later(utcnow(), "once more"))

    working = Runner(app, {"deliver": Handler(run, joins_claim=True)}, LEASE)
    assert working.run_next()
    assert working.running == {}
    assert (fresh(jobs[0]).state, fresh(jobs[1]).attempts) == (JobState.DONE, 1)
    assert working.run_next()
    assert fresh(jobs[1]).attempts == 2


def test_a_row_that_was_claimed_with_others_is_done_though_no_thread_was_left_to_take_it(app: Flask):
    """It is not due for anybody, as its lease is renewed: nothing but the sweeper knows of it."""
    default_tenant()
    process = Worker(app)
    process.runner.handlers = {"deliver": Handler(lambda _mine: Go(Done), joins_claim=True)}
    try:
        process.sweep()  # what it stages and notes at first wakes the others
        process.drains.stop(10)
        jobs = [outbox.enqueue("deliver", tenant_id=0, subject_id=n, due_at=utcnow(), now=NOW, queue=4) for n in (1, 2)]
        db.session.commit()
        while not process.runner.begun:
            assert process.runner.run_next()
        assert [fresh(job).state for job in jobs] == [JobState.DONE, JobState.PENDING]
        process.drains.stopping.clear()
        process.sweep()
        wait_until(lambda: fresh(jobs[1]).state is JobState.DONE, "the second one done", seconds=10)
    finally:
        process.drains.stop(10)


def test_a_worker_looks_again_at_the_moment_at_which_the_next_row_is_due(app: Flask):
    """Nobody wakes it then: messages that wait for their platform's pace would be half a second late, each time."""
    default_tenant()
    process = Worker(app)
    process.drains.stop(10)
    process.sweep()
    assert process.sweep() == SWEEP_SECONDS
    stage(seconds=60)
    assert process.sweep() == SWEEP_SECONDS
    stage(subject_id=2, seconds=0.4)
    assert process.sweep() <= 0.4


def test_a_heartbeat_that_cannot_be_shown_to_a_health_check_keeps_no_row_waiting(app: Flask, settings: Settings):
    app.config["SETTINGS"] = replace(settings, heartbeat_file=settings.home / "not a folder" / "heartbeat")
    process, asked = Worker(app), []
    process.drains.stop(10)
    stage()
    process.drains.wake = lambda: asked.append(1)  # type: ignore[method-assign]
    process.sweep()
    assert asked


def test_a_worker_outlasts_whatever_one_of_its_looks_meets(app: Flask, monkeypatch: pytest.MonkeyPatch):
    process, asked = Worker(app), []
    process.drains.stop(10)
    stage()
    process.drains.wake = lambda: asked.append(1)  # type: ignore[method-assign]
    with monkeypatch.context() as faulty:
        faulty.setattr("jobs.engine.periodic.is_staged", lambda *_about: 1 / 0)
        assert process.sweep() == SWEEP_SECONDS
    process.sweep()
    assert asked


def test_a_worker_that_has_just_worked_looks_again_soon(app: Flask):
    process = Worker(app)
    process.drains.stop(10)
    process.sweep()
    while process.runner.run_next():
        pass
    assert (process.sweep(), process.sweep()) == (BUSY_SWEEP_SECONDS, SWEEP_SECONDS)


def test_an_outcome_that_the_database_did_not_take_is_recorded_later_without_a_second_call(app: Flask):
    job, calls, records = stage(), [], []

    def record() -> Outcome:
        records.append(1)
        if len(records) < 3:
            raise OperationalError("UPDATE", {}, Exception("database is locked"))
        return Done()

    def call(mine: Claim) -> Settle:
        calls.append(mine.id)
        return Settle(record)

    worker(app, call).run_due()
    assert (len(calls), len(records)) == (1, 3)
    assert fresh(job).state is JobState.DONE


def test_a_claim_that_was_rolled_back_with_its_work_is_counted_all_the_same(app: Flask):
    job = stage()

    def break_down(mine: Claim) -> Outcome:
        raise ValueError("before anything was committed")

    worker(app, break_down, joins_claim=True).run_next()
    assert fresh(job).attempts == 1
    assert job.payload == {"crashes": 1}
    assert job.state is JobState.PENDING
