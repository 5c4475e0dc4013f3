"""The state machine: which action leads where, what it answers when it is repeated or overtaken."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask

from errors import InvalidInput
from extensions import db
from models import Incident, Membership, Progress, Severity
from services import incidents, outbox, timeline
from services.incidents import Outcome
from services.wording import say
from tests.factories import NOW, make_channel, make_incident, make_level, make_member, make_policy

LATER = NOW + timedelta(minutes=9)
TRIGGERED, PROCESSING, CLOSED = Progress.TRIGGERED, Progress.PROCESSING, Progress.CLOSED

ACTIONS: dict[str, dict[str, Any]] = {
    "acknowledge": {},
    "unacknowledge": {},
    "close": {},
    "reopen": {"reason": "未解决"},
    "snooze": {"minutes": 120},
    "wake": {},
    "escalate": {},
    "comment": {"text": "看一下"},
    "refresh": {},
}

LEGAL = [
    # action, from, to, changed; Lin acts, and is who took on what is in progress
    ("acknowledge", TRIGGERED, PROCESSING, True),
    ("acknowledge", PROCESSING, PROCESSING, False),
    ("acknowledge", CLOSED, CLOSED, False),
    ("unacknowledge", TRIGGERED, TRIGGERED, False),
    ("unacknowledge", PROCESSING, TRIGGERED, True),
    ("unacknowledge", CLOSED, CLOSED, False),
    ("close", TRIGGERED, CLOSED, True),
    ("close", PROCESSING, CLOSED, True),
    ("close", CLOSED, CLOSED, False),
    ("reopen", TRIGGERED, TRIGGERED, False),
    ("reopen", PROCESSING, PROCESSING, False),
    ("reopen", CLOSED, TRIGGERED, True),
    ("snooze", TRIGGERED, TRIGGERED, True),
    ("snooze", PROCESSING, PROCESSING, True),
    ("snooze", CLOSED, CLOSED, False),
    ("wake", TRIGGERED, TRIGGERED, False),
    ("wake", PROCESSING, PROCESSING, False),
    ("wake", CLOSED, CLOSED, False),
    ("escalate", TRIGGERED, TRIGGERED, False),
    ("escalate", PROCESSING, PROCESSING, False),
    ("escalate", CLOSED, CLOSED, False),
    ("comment", TRIGGERED, TRIGGERED, True),
    ("comment", PROCESSING, PROCESSING, True),
    ("comment", CLOSED, CLOSED, True),
    ("refresh", TRIGGERED, TRIGGERED, False),
    ("refresh", PROCESSING, PROCESSING, False),
    ("refresh", CLOSED, CLOSED, False),
]


def made(progress: Progress, by) -> Incident:
    incident = make_incident(acknowledged_by=by if progress is PROCESSING else None)
    if progress is CLOSED:
        incidents.close(incident, by=by, via="console", now=NOW)
    return incident


def act(action: str, incident: Incident, by, **values) -> Outcome:
    return getattr(incidents, action)(incident, by=by, via="console", now=LATER, **(ACTIONS[action] | values))


def spoken(outcome: Outcome) -> str:
    return say(outcome.text)


def types(incident: Incident) -> list[str]:
    return [entry.type for entry in timeline.entries(incident)]


@pytest.mark.parametrize(("action", "before", "after", "changed"), LEGAL)
def test_each_action_leads_where_the_table_says(app: Flask, action, before, after, changed):
    lin = make_member("lin")
    incident = made(before, lin)
    outcome = act(action, incident, lin)
    assert (incident.progress, outcome.changed) == (after, changed)
    assert spoken(outcome)


def test_the_table_is_complete():
    assert {(action, before) for action, before, _, _ in LEGAL} == {(a, p) for a in ACTIONS for p in Progress}


@pytest.mark.parametrize("action", ["acknowledge", "unacknowledge", "close", "reopen", "snooze", "wake"])
def test_repeating_an_action_is_recorded_once(app: Flask, action):
    lin = make_member("lin")
    incident = made({"reopen": CLOSED, "unacknowledge": PROCESSING}.get(action, TRIGGERED), lin)
    if action == "wake":
        act("snooze", incident, lin)
    act(action, incident, lin)
    entries = types(incident)
    assert not act(action, incident, lin).changed
    assert types(incident) == entries


def test_who_comes_second_is_told_who_was_first_and_joins(app: Flask):
    lin, wu = make_member("lin"), make_member("wu")
    incident = make_incident()
    assert spoken(act("acknowledge", incident, lin)) == "已开始处理"
    second = act("acknowledge", incident, wu)
    assert (second.changed, second.text.params["name"], second.text.params["at"]) == (True, "林晓", LATER)
    assert [r.source for r in incident.responders if r.acknowledged_at] == ["self", "self"]
    assert incident.acknowledged_at == LATER


def test_an_action_after_the_close_says_who_closed_and_when(app: Flask):
    lin, wu = make_member("lin"), make_member("wu")
    incident = make_incident()
    act("close", incident, lin)
    answer = act("acknowledge", incident, wu)
    assert answer.text.message == "%(name)s 已于 %(at)s 关闭"
    assert (answer.text.params["name"], answer.text.params["at"]) == ("林晓", LATER)


def test_the_incident_waits_again_only_when_the_last_acknowledgement_is_withdrawn(app: Flask):
    lin, wu = make_member("lin"), make_member("wu")
    incident = make_incident(acknowledged_by=lin)
    act("acknowledge", incident, wu)
    act("unacknowledge", incident, lin)
    assert incident.progress is PROCESSING
    act("unacknowledge", incident, wu)
    assert (incident.progress, incident.acknowledged_at) == (TRIGGERED, None)


def test_reopening_needs_a_reason_and_forgets_who_had_acknowledged(app: Flask):
    lin = make_member("lin")
    incident = make_incident(acknowledged_by=lin)
    act("close", incident, lin)
    with pytest.raises(InvalidInput):
        act("reopen", incident, lin, reason=" ")
    act("reopen", incident, lin)
    assert (incident.closed_at, incident.closed_by_id, incident.closed_via) == (None, None, None)
    assert all(responder.acknowledged_at is None for responder in incident.responders)


def test_reassigning_replaces_the_people_and_ends_the_policy(app: Flask):
    lin, wu, channel = make_member("lin"), make_member("wu"), make_channel()
    make_policy(channel, levels=[make_level(lin), make_level(wu)])
    incident = incidents.open_by_hand(channel, "支付失败", "", Severity.CRITICAL, [], by=lin, via="console", now=NOW)
    act("acknowledge", incident, lin)
    outcome = incidents.reassign(incident, by=lin, via="h5", now=LATER, user_ids=[wu.user_id])
    assert outcome.changed and spoken(outcome) == "已重新分派给 吴凡"
    assert incident.progress is TRIGGERED
    assert [r.user_id for r in incident.responders if r.is_current] == [wu.user_id]
    assert outbox.pending("policy_step", incident.id) is None
    assert not act("escalate", incident, lin).changed


def test_reassigning_to_somebody_who_had_acknowledged_keeps_it_in_progress(app: Flask):
    lin, wu = make_member("lin"), make_member("wu")
    incident = make_incident(acknowledged_by=wu, responders=(lin,))
    incidents.reassign(incident, by=lin, via="console", now=LATER, user_ids=[wu.user_id])
    assert incident.progress is PROCESSING


def test_people_are_added_once(app: Flask):
    lin, wu = make_member("lin"), make_member("wu")
    incident = make_incident(responders=(lin,))
    add: dict[str, Any] = {"by": lin, "via": "console", "now": LATER, "user_ids": [lin.user_id, wu.user_id]}
    assert spoken(incidents.add_responders(incident, **add)) == "已添加处理人员 吴凡"
    assert not incidents.add_responders(incident, **add).changed
    assert types(incident).count("add_responder") == 1


def test_edits_keep_old_and_new_value(app: Flask):
    lin = make_member("lin")
    incident = make_incident(title="旧标题")
    changes = {"title": "新标题", "severity": "Info", "impact": ""}
    assert incidents.edit(incident, by=lin, via="console", now=LATER, changes=changes).changed
    entries = timeline.entries(incident)
    assert [(entry.type, entry.detail["old"], entry.detail["new"]) for entry in entries] == [
        ("title", "旧标题", "新标题"),
        ("severity", "Critical", "Info"),
    ]
    assert say(timeline.describe(entries[1])) == "林晓 将严重程度由 严重 改为 轻微"
    assert not incidents.edit(incident, by=lin, via="console", now=LATER, changes=changes).changed


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"title": ""}, "title"),
        ({"title": "\u200b"}, "title"),
        ({"severity": "Ok"}, "severity"),
        ({"impact": "长" * 1025}, "impact"),
        ({"num": "7"}, "num"),
    ],
)
def test_an_edit_that_cannot_be_accepted_changes_nothing(app: Flask, changes, field):
    incident = make_incident(title="旧标题")
    with pytest.raises(InvalidInput) as refused:
        incidents.edit(incident, by=make_member(), via="console", now=LATER, changes={"root_cause": "磁盘"} | changes)
    assert refused.value.field == field
    assert (incident.title, incident.root_cause) == ("旧标题", "")


def test_every_entry_can_be_said(app: Flask):
    lin, wu = make_member("lin"), make_member("wu")
    incident = make_incident()
    for action in ("acknowledge", "snooze", "wake", "unacknowledge", "comment", "refresh", "close", "reopen"):
        act(action, incident, lin)
    incidents.add_responders(incident, by=lin, via="console", now=LATER, user_ids=[wu.user_id])
    incidents.edit(incident, by=lin, via="console", now=LATER, changes={"title": "磁盘 100%", "resolution": "扩容"})
    said = [say(timeline.describe(entry)) for entry in timeline.entries(incident)]
    assert "林晓 评论：看一下" in said
    assert "林晓 将标题由「db-03 / disk.used>95%」改为「磁盘 100%」" in said
    assert all(sentence and "%(" not in sentence for sentence in said)


def test_of_two_people_at_once_one_is_first_and_both_are_recorded(app: Flask):
    people = [make_member("lin").id, make_member("wu").id]
    incident_id, tenant_id = make_incident().id, 0
    db.session.remove()
    start, answers = threading.Barrier(2), []

    def press(member_id: int) -> None:
        with app.app_context():
            by = db.session.get_one(Membership, member_id)
            db.session.rollback()
            start.wait(timeout=20)
            incident = incidents.lock(incident_id, tenant_id)
            answers.append(incidents.acknowledge(incident, by=by, via="console", now=LATER).text.message)
            db.session.commit()

    threads = [threading.Thread(target=press, args=(member_id,)) for member_id in people]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert sorted(answers) == sorted(["已开始处理", "%(name)s 已于 %(at)s 开始处理"])
    incident = incidents.lock(incident_id, tenant_id)
    assert types(incident) == ["ack", "ack"]
    assert len([responder for responder in incident.responders if responder.acknowledged_at]) == 2


def test_a_press_on_what_was_read_before_a_close_finds_it_closed(app: Flask):
    lin, wu = make_member("lin").id, make_member("wu").id
    incident_id = make_incident().id
    db.session.remove()
    read, closed, answers = threading.Event(), threading.Event(), []

    def late() -> None:
        with app.app_context():
            by, incident = db.session.get_one(Membership, wu), db.session.get_one(Incident, incident_id)
            db.session.commit()
            read.set()
            closed.wait(timeout=20)
            answers.append(incidents.acknowledge(incident, by=by, via="console", now=LATER))
            db.session.commit()

    thread = threading.Thread(target=late)
    thread.start()
    assert read.wait(timeout=20)
    incident = incidents.lock(incident_id, 0)
    incidents.close(incident, by=db.session.get_one(Membership, lin), via="console", now=NOW)
    db.session.commit()
    closed.set()
    thread.join(timeout=60)
    assert [answer.changed for answer in answers] == [False]
    assert incidents.lock(incident_id, 0).progress is CLOSED
