"""The checker finds what it is there for: every kind of broken promise, made up, is named."""

from __future__ import annotations

import copy
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.faults.history import Answer, History, Press, Push, Snapshot, violations

NOW = datetime(2026, 3, 2, 1, 31, tzinfo=UTC)
OK = Answer(200, 0.1)
NO_ANSWER = Answer(0, 0.1)


def entry(number: int, type: str, *, actor: str | None = None, via: str = "event", **detail: Any) -> dict[str, Any]:
    at = NOW + timedelta(seconds=number)
    return {
        "id": number,
        "incident_id": 1,
        "type": type,
        "actor": actor,
        "via": "card_wecom" if actor else via,
        "at": at,
        "detail": detail,
    }


def a_good_day() -> tuple[History, Snapshot]:
    """One alert, told to p01, who took it on, silenced and closed it."""
    history = History(
        [Push("a1", "standard", "p01", [NO_ANSWER, OK])],
        presses=[Press("a1", "p01", action, [OK]) for action in ("acknowledge", "snooze", "close")],
    )
    until = (NOW + timedelta(hours=2)).isoformat()
    seen = Snapshot(
        taken_at=NOW + timedelta(minutes=1),
        alerts=[{"id": 1, "alert_key": "a1", "state": "closed", "incident_id": 1}],
        incidents=[{"id": 1, "progress": "Closed", "snoozed_until": None}],
        timeline=[
            entry(1, "new"),
            entry(2, "assign", kind="assign"),
            entry(3, "notify"),
            entry(4, "ack", actor="p01"),
            entry(5, "snooze", actor="p01", until=until),
            entry(6, "close", actor="p01"),
        ],
        notifications=[{"id": 1, "incident_id": 1, "cause": "assign", "level": 0, "times": 1}],
        deliveries=[
            {
                "id": 1,
                "notification_id": 1,
                "incident_id": 1,
                "person": "p01",
                "state": "sent",
                "reference": "r1",
                "platform_message_id": "m1",
                "failure_code": None,
                "summary_id": None,
            }
        ],
        jobs=[
            {"id": 1, "kind": "deliver", "subject_id": 1, "state": "done", "due_at": NOW, "attempts": 1, "error": None}
        ],
        arrivals=[{"id": "m1", "task_id": "r1", "to": "p01"}],
        references={"r1"},
    )
    return history, seen


def test_a_good_day_breaks_nothing():
    assert violations(*a_good_day()) == []


def add_stranger(history: History, seen: Snapshot) -> None:
    seen.alerts.append({"id": 2, "alert_key": "ghost", "state": "firing", "incident_id": 1})


def reopen_an_alert(history: History, seen: Snapshot) -> None:
    seen.alerts.append(dict(seen.alerts[0], id=2))


def merge_strangers(history: History, seen: Snapshot) -> None:
    history.pushes.append(Push("a2", "standard", "p01", [OK]))
    seen.alerts.append({"id": 2, "alert_key": "a2", "state": "firing", "incident_id": 1})


def second_incident(history: History, seen: Snapshot) -> None:
    seen.incidents.append({"id": 2, "progress": "Triggered", "snoozed_until": None})


def second_notification(history: History, seen: Snapshot) -> None:
    seen.notifications.append(dict(seen.notifications[0], id=2))
    seen.deliveries.append(dict(seen.deliveries[0], id=2, notification_id=2, reference="r2"))


def unpressed_ack(history: History, seen: Snapshot) -> None:
    seen.timeline.insert(4, entry(10, "ack", actor="p02"))
    seen.timeline[-1]["id"] = 11


def set_delivery(**values: Any) -> Callable[[History, Snapshot], None]:
    return lambda history, seen: seen.deliveries[0].update(values)


def recover_in_vain(history: History, seen: Snapshot) -> None:
    history.recoveries.append(Push("a1", "standard", "p01", [OK], is_recovery=True))
    seen.alerts[0]["state"] = "firing"


def recover_without_closing(history: History, seen: Snapshot) -> None:
    history.recoveries.append(Push("a1", "standard", "p01", [OK], is_recovery=True))
    seen.incidents[0]["progress"] = "Processing"


def drop(part: str, index: int = 0) -> Callable[[History, Snapshot], None]:
    return lambda history, seen: getattr(seen, part).pop(index)


def twice(type: str) -> Callable[[History, Snapshot], None]:
    def change(history: History, seen: Snapshot) -> None:
        (at,) = [index for index, row in enumerate(seen.timeline) if row["type"] == type]
        seen.timeline.insert(at + 1, dict(seen.timeline[at], id=seen.timeline[at]["id"] + 0.5))

    return change


def without(type: str) -> Callable[[History, Snapshot], None]:
    def change(history: History, seen: Snapshot) -> None:
        seen.timeline = [row for row in seen.timeline if row["type"] != type]

    return change


def move(type: str, to: float) -> Callable[[History, Snapshot], None]:
    def change(history: History, seen: Snapshot) -> None:
        next(row for row in seen.timeline if row["type"] == type)["id"] = to

    return change


def set_incident(**values: Any) -> Callable[[History, Snapshot], None]:
    return lambda history, seen: seen.incidents[0].update(values)


def set_job(**values: Any) -> Callable[[History, Snapshot], None]:
    return lambda history, seen: seen.jobs[0].update(values)


BAD_DAYS: dict[str, tuple[Callable[[History, Snapshot], Any], str]] = {
    "an accepted alert is not stored": (drop("alerts"), "a1 was answered 2xx and is stored 0 times"),
    "an alert is stored twice": (reopen_an_alert, "a1 was answered 2xx and is stored 2 times"),
    "an alert has no incident": (lambda _, seen: seen.alerts[0].update(incident_id=None), "a1 has no incident"),
    "an incident is gone": (drop("incidents"), "a1 has no incident"),
    "two alerts share an incident": (merge_strangers, "holds 2 alerts"),
    "a recovery is lost": (recover_in_vain, "a1 is over, which was answered 2xx, and it is still firing"),
    "a recovery closes nothing": (recover_without_closing, "a1 is over and its incident is open"),
    "an alert nobody sent": (add_stranger, "ghost is stored and nobody sent it"),
    "an incident of no alert": (second_incident, "incident 2 has no alert"),
    "a message of no delivery": (lambda _, seen: seen.references.clear(), "no delivery knows it"),
    "nobody was notified": (drop("notifications"), "notified 0 times"),
    "the policy ran twice": (second_notification, "notified 2 times"),
    "a delivery is missing": (drop("deliveries"), "on call is p01"),
    "the wrong person was told": (set_delivery(person="p02"), "deliveries to ['p02'], on call is p01"),
    "a card arrived twice": (
        lambda _, seen: seen.arrivals.append(dict(seen.arrivals[0], id="m2")),
        "arrived 2 times",
    ),
    "sent without arriving": (drop("arrivals"), "recorded as sent and did not arrive"),
    "an id that the platform does not know": (set_delivery(platform_message_id="m9"), "m9 which the platform does not"),
    "a delivery that never ended": (set_delivery(state="sending"), "did not end: sending"),
    "failed without a reason": (set_delivery(state="failed"), "failed without a reason"),
    "failed and arrived": (set_delivery(state="failed", failure_code="network"), "recorded as failed and arrived"),
    "skipped without a reason": (set_delivery(state="skipped"), "skipped without a reason"),
    "a press applied twice": (twice("ack"), "acknowledged twice by p01"),
    "a press recorded twice": (twice("ack"), "acknowledge of a1 by p01 is recorded 2 times"),
    "an answered press left no trace": (without("ack"), "was answered with success and is not recorded"),
    "a press that nobody made": (unpressed_ack, "ack by p02 and nobody pressed it"),
    "silenced more often than pressed": (twice("snooze"), "snooze of a1 by p01 is recorded 2 times"),
    "closed twice": (twice("close"), "closed twice"),
    "began twice": (twice("new"), "began twice"),
    "acknowledged after the end": (move("ack", 7), "ack on a closed incident"),
    "silenced after the end": (move("snooze", 8), "snooze on a closed incident"),
    "notified after the end": (move("notify", 9), "notify on a closed incident"),
    "no beginning": (without("new"), "before the incident began"),
    "a state that its record does not lead to": (set_incident(progress="Processing"), "its record says Closed"),
    "a silence that its record does not know": (set_incident(snoozed_until=NOW), "silenced until"),
    "work that nobody does": (set_job(state="pending"), "is due since"),
    "work that was given up": (set_job(state="dead", error="boom"), "was given up: boom"),
}


@pytest.mark.parametrize("name", BAD_DAYS)
def test_a_bad_day_is_named(name: str):
    history, seen = a_good_day()
    change, sentence = BAD_DAYS[name]
    change(history, seen)

    found = violations(history, seen)

    assert any(sentence in line for line in found), found


def test_what_was_never_answered_may_be_there_or_not():
    history, seen = a_good_day()
    history.pushes[0].answers = [NO_ANSWER]
    history.presses[0].answers = [NO_ANSWER]
    assert violations(history, seen) == []
    empty = Snapshot(taken_at=seen.taken_at)
    history.presses = []
    assert violations(history, empty) == []


def test_a_cancelled_delivery_needs_a_closed_incident():
    history, seen = a_good_day()
    seen.deliveries[0].update(state="cancelled", platform_message_id=None)
    seen.arrivals = []
    assert violations(history, seen) == []
    seen.timeline.pop()
    history.presses.pop()
    until = datetime.fromisoformat(seen.timeline[-1]["detail"]["until"])
    seen.incidents[0].update(progress="Processing", snoozed_until=until)
    assert violations(history, seen) == ["delivery 1 to p01 was cancelled though its incident is open"]


def test_a_summary_says_it_for_several():
    history, seen = a_good_day()
    summary = dict(seen.deliveries[0], id=9, notification_id=None, reference="s1")
    seen.deliveries[0].update(summary_id=9, platform_message_id=None)
    seen.deliveries.append(summary)
    seen.arrivals = [{"id": "m1", "task_id": "s1", "to": "p01"}]
    seen.references = {"r1", "s1"}
    assert violations(history, seen) == []
    seen.arrivals = []
    assert any("did not arrive" in line for line in violations(history, seen))


def test_a_press_overtaken_by_somebody_else_needs_no_line():
    history, seen = a_good_day()
    closer = copy.deepcopy(seen.timeline[-1])
    seen.timeline[-1]["actor"] = "p02"
    history.presses.append(Press("a1", "p02", "close", [OK]))
    assert violations(history, seen) == []
    seen.timeline[-1] = closer
    assert any("close of a1 by p02" in line for line in violations(history, seen)) is False


def test_work_that_is_due_later_may_wait():
    history, seen = a_good_day()
    seen.jobs[0].update(state="pending", due_at=seen.taken_at + timedelta(minutes=5))
    assert violations(history, seen) == []
