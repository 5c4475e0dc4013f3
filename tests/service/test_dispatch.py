"""Running a policy: who is told, when, how often, and what stops it. Timers are stepped by hand, never waited for."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import select

from errors import InvalidInput
from extensions import db
from models import Alert, Incident, Job, JobState, Membership, MembershipState, Notification, Progress, Role, Severity
from services import dispatch, incidents, outbox, policies, timeline
from services.policies import draft
from tests.factories import NOW, make_alert, make_channel, make_level, make_member, make_policy, make_source, report


def after(minutes: float) -> datetime:
    return NOW + timedelta(minutes=minutes)


@pytest.fixture
def lin(app: Flask) -> Membership:
    return make_member("lin")


@pytest.fixture
def wu(app: Flask) -> Membership:
    return make_member("wu")


def triggered(*levels, **policy_values) -> Incident:
    channel = make_channel()
    make_policy(channel, levels=list(levels), **policy_values)
    source = make_source(channel)
    return incidents.open_from_alert(make_alert(source), source, now=NOW)


def told(incident: Incident) -> list[tuple[str, int | None, int]]:
    rows = select(Notification).where(Notification.incident_id == incident.id).order_by(Notification.id)
    return [(row.cause, row.level, row.times) for row in db.session.scalars(rows)]


def timers(incident: Incident) -> dict[str, datetime]:
    rows = select(Job).where(Job.kind == dispatch.STEP, Job.subject_id == incident.id, Job.state == JobState.PENDING)
    live = [job for job in db.session.scalars(rows) if job.payload["run"] == incident.assignment["run"]]
    return {job.payload["step"]: job.due_at for job in live}


def let_time_pass(incident: Incident, until: datetime) -> None:
    """Do what a worker does: run the due timers in their order."""
    while True:
        job = outbox.pending(dispatch.STEP, incident.id)
        if job is None or job.due_at > until:
            return
        dispatch.policy_step(incident, job.payload, now=job.due_at)
        job.state = JobState.DONE
        db.session.commit()


# --- the first level ----------------------------------------------------------------------------------------------


def test_the_first_level_is_told_at_once(lin, wu):
    incident = triggered(make_level(lin, wu))
    assert told(incident) == [("assign", 0, 1)]
    assert [responder.source for responder in incident.responders] == ["policy", "policy"]


def test_the_delay_passes_first(lin):
    incident = triggered(make_level(lin), delay_seconds=90)
    assert (told(incident), incident.responders) == ([], [])
    let_time_pass(incident, after(1.4))
    assert told(incident) == []
    let_time_pass(incident, after(1.5))
    assert told(incident) == [("assign", 0, 1)]


def test_what_closes_within_the_delay_is_never_told(lin):
    incident = triggered(make_level(lin), delay_seconds=90)
    report(db.session.scalars(select(Alert)).one(), Severity.OK, now=after(1))
    let_time_pass(incident, after(600))
    assert told(incident) == []


def test_a_policy_that_changes_or_goes_does_not_touch_what_runs(lin, wu):
    incident = triggered(make_level(lin), make_level(wu))
    assert incident.channel is not None
    policy = policies.in_channel(incident.channel)[0]
    boss = make_member("boss", Role.ADMIN)
    policies.update(policy, draft(name="改名", levels=[make_level(wu)]), by=boss, now=NOW)
    policies.delete(policy, by=boss, now=NOW)
    let_time_pass(incident, after(30))
    assert told(incident)[-1] == ("escalate", 1, 1)
    assert incident.assignment["policy"]["name"] != "改名"


def test_somebody_who_left_is_passed_over_only_when_unknown_here(lin, wu):
    level = make_level(lin, wu)
    level["user_ids"].append(99999)
    wu.state = MembershipState.LEFT
    incident = triggered(level)
    assert [responder.user_id for responder in incident.responders] == [lin.user_id, wu.user_id]


# --- repeats and escalation ---------------------------------------------------------------------------------------


def test_a_level_is_told_again_so_many_times(lin):
    incident = triggered(make_level(lin, repeat=2, every=5))
    let_time_pass(incident, after(4.9))
    assert told(incident) == [("assign", 0, 1)]
    let_time_pass(incident, after(600))
    assert told(incident) == [("assign", 0, 1), ("repeat", 0, 2), ("repeat", 0, 3)]


def test_the_next_level_follows_after_its_time_and_ends_the_repeats_of_the_first(lin, wu):
    incident = triggered(make_level(lin, repeat=6, every=10, escalate_after_minutes=15), make_level(wu))
    let_time_pass(incident, after(600))
    assert told(incident) == [("assign", 0, 1), ("repeat", 0, 2), ("escalate", 1, 1)]
    assert [responder.user_id for responder in incident.responders] == [lin.user_id, wu.user_id]
    entry = next(entry for entry in timeline.entries(incident) if entry.detail.get("kind") == "escalate")
    assert timeline.describe(entry).message == "已自动升级到环节 %(level)s：%(people)s"


def test_each_level_counts_from_its_own_first_message(lin, wu):
    level = make_level(lin, escalate_after_minutes=10)
    incident = triggered(level, level, make_level(wu), delay_seconds=60)
    let_time_pass(incident, after(11))
    assert incident.assignment["level"] == 1
    assert timers(incident) == {"escalate": after(21)}


def test_zero_minutes_mean_that_a_level_never_escalates(lin, wu):
    incident = triggered(make_level(lin, escalate_after_minutes=0), make_level(wu))
    assert timers(incident) == {}


def test_taking_it_on_stops_repeats_and_escalation(lin, wu):
    incident = triggered(make_level(lin, repeat=3), make_level(wu))
    incidents.acknowledge(incident, by=lin, via="console", now=after(1))
    assert timers(incident) == {}
    let_time_pass(incident, after(600))
    assert told(incident) == [("assign", 0, 1)]


def test_a_level_that_goes_on_until_closing_escalates_though_taken_on(lin, wu):
    incident = triggered(make_level(lin, repeat=3, condition="not_closed"), make_level(wu, repeat=1))
    incidents.acknowledge(incident, by=lin, via="console", now=after(1))
    let_time_pass(incident, after(600))
    assert told(incident) == [("assign", 0, 1), ("escalate", 1, 1)]
    assert incident.progress is Progress.PROCESSING


def test_withdrawing_the_acknowledgement_restarts_the_levels_timers(lin, wu):
    incident = triggered(make_level(lin, repeat=1), make_level(wu))
    incidents.acknowledge(incident, by=lin, via="console", now=after(1))
    incidents.unacknowledge(incident, by=lin, via="console", now=after(10))
    assert timers(incident) == {"repeat": after(15), "escalate": after(40)}


def test_a_timer_of_an_earlier_run_does_nothing(lin, wu):
    incident = triggered(make_level(lin, repeat=1), make_level(wu))
    old = outbox.pending(dispatch.STEP, incident.id)
    assert old is not None
    incidents.acknowledge(incident, by=lin, via="console", now=after(1))
    incidents.unacknowledge(incident, by=lin, via="console", now=after(2))
    dispatch.policy_step(incident, old.payload, now=after(3))
    assert told(incident) == [("assign", 0, 1)]


def test_the_same_timer_twice_tells_once(lin):
    incident = triggered(make_level(lin), delay_seconds=60)
    job = outbox.pending(dispatch.STEP, incident.id)
    assert job is not None
    for _ in range(2):
        dispatch.policy_step(incident, job.payload, now=after(1))
    assert told(incident) == [("assign", 0, 1)]


def test_the_same_repeat_timer_twice_tells_once(lin):
    incident = triggered(make_level(lin, repeat=5))
    job = outbox.pending(dispatch.STEP, incident.id)
    assert job is not None and job.payload["step"] == "repeat"
    for _ in range(2):
        dispatch.policy_step(incident, job.payload, now=after(5))
    assert told(incident) == [("assign", 0, 1), ("repeat", 0, 2)]


def test_repeats_that_a_snooze_interrupted_go_on_counting(lin):
    incident = triggered(make_level(lin, repeat=2, every=5))
    let_time_pass(incident, after(5))
    incidents.snooze(incident, by=lin, via="h5", now=after(6), minutes=60)
    let_time_pass(incident, after(30))
    incidents.wake(incident, by=lin, via="h5", now=after(30))
    let_time_pass(incident, after(600))
    assert told(incident) == [("assign", 0, 1), ("repeat", 0, 2), ("repeat", 0, 3)]


def test_a_snooze_within_the_delay_holds_the_first_message_back(lin):
    incident = triggered(make_level(lin), delay_seconds=60)
    incidents.snooze(incident, by=lin, via="h5", now=NOW, minutes=60)
    let_time_pass(incident, after(30))
    assert told(incident) == []
    incidents.wake(incident, by=lin, via="h5", now=after(30))
    let_time_pass(incident, after(31))
    assert told(incident) == [("assign", 0, 1)]


# --- by hand ------------------------------------------------------------------------------------------------------


def test_escalating_by_hand_goes_to_the_next_or_a_chosen_level(lin, wu):
    incident = triggered(make_level(lin), make_level(wu), make_level(lin))
    outcome = incidents.escalate(incident, by=lin, via="console", now=after(1))
    assert outcome.text.params == {"level": 2}
    assert timers(incident) == {"escalate": after(31)}
    incidents.escalate(incident, by=lin, via="console", now=after(2), level=0)
    assert [(cause, level) for cause, level, _ in told(incident)] == [("assign", 0), ("escalate", 1), ("escalate", 0)]
    with pytest.raises(InvalidInput):
        incidents.escalate(incident, by=lin, via="console", now=after(3), level=3)


def test_after_the_last_level_there_is_none(lin):
    incident = triggered(make_level(lin))
    outcome = incidents.escalate(incident, by=lin, via="console", now=after(1))
    assert (outcome.changed, outcome.text.message) == (False, "已是最后一个环节")


def test_reopening_runs_the_policy_again_from_the_first_level(lin, wu):
    incident = triggered(make_level(lin), make_level(wu), delay_seconds=60)
    let_time_pass(incident, after(31))
    incidents.close(incident, by=lin, via="console", now=after(32))
    incidents.reopen(incident, by=lin, via="console", now=after(40), reason="又出现了")
    assert told(incident)[-1] == ("reopen", 0, 1)
    assert timers(incident) == {"escalate": after(70)}


def test_reopening_what_was_assigned_directly_tells_these_people_again(lin, wu):
    incident = triggered(make_level(lin))
    incidents.reassign(incident, by=lin, via="console", now=after(1), user_ids=[wu.user_id])
    incidents.close(incident, by=wu, via="console", now=after(2))
    incidents.reopen(incident, by=lin, via="console", now=after(3), reason="又出现了")
    assert told(incident)[-1] == ("reopen", None, 1)
    assert [r.user_id for r in incident.responders if r.is_current] == [wu.user_id]


def test_a_policy_also_takes_incidents_made_by_hand(lin):
    channel = make_channel()
    make_policy(channel, lin, filters=[[{"key": "severity", "op": "IN", "vals": ["Critical"]}]])
    by_hand = {"by": lin, "via": "console", "now": NOW}
    assert incidents.open_by_hand(channel, "支付失败", "", Severity.CRITICAL, [], **by_hand).responders
    assert not incidents.open_by_hand(channel, "小问题", "", Severity.INFO, [], **by_hand).responders
