"""What was sent and answered, what is stored and what arrived; and the one checker of all faults.

`violations` compares the two and says in words where the promise is broken: an alert that was answered 2xx is in
exactly one incident, its people were told once or visibly not, a press that was answered has one line of record.
It knows nothing of how the product does it: it reads answers, tables and the simulated platform's messages.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

Row = dict[str, Any]
HTTP_OK = range(200, 300)
RECORDED_AS = {
    "acknowledge": "ack",
    "close": "close",
    "snooze": "snooze",
    "wake": "wake",
    "refresh": "card_refresh",
}
OVERTAKEN_BY = {
    "acknowledge": {"close", "ack"},
    "close": {"close"},
    "snooze": {"close"},
    "wake": {"close", "wake"},
    "refresh": set[str](),
}
"""Entries of somebody else after which a press changes nothing, and its answer says so."""
REPEATABLE = {"snooze", "refresh"}
"""Pressed again, these count again: a later end of the silence, another look."""
OPEN_ONLY = {"snooze", "notify", "add_responder"}
OUTBOX_GRACE = timedelta(seconds=2)


@dataclass(frozen=True)
class Answer:
    """One try. status: of HTTP, 0 when there was no answer; seconds that it took; text: what it said.

    at  when it was answered, in seconds since 1970
    """

    status: int
    seconds: float
    text: str = ""
    at: float = field(default_factory=time.time)
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def is_success(self) -> bool:
        return self.status in HTTP_OK


@dataclass
class Push:
    """An alert, or its recovery, that was pushed until it was answered. person: who is on call for it."""

    alert_key: str
    kind: str
    person: str
    answers: list[Answer] = field(default_factory=list)
    is_recovery: bool = False

    @property
    def is_accepted(self) -> bool:
        return any(answer.is_success for answer in self.answers)


@dataclass
class Press:
    """What a person wanted of an incident, and every press that was made for it. action: a key of RECORDED_AS."""

    alert_key: str
    person: str
    action: str
    answers: list[Answer] = field(default_factory=list)

    @property
    def is_accepted(self) -> bool:
        return any(answer.is_success for answer in self.answers)


@dataclass
class History:
    """Everything that was tried, in the order of its beginning."""

    pushes: list[Push] = field(default_factory=list)
    recoveries: list[Push] = field(default_factory=list)
    presses: list[Press] = field(default_factory=list)

    @classmethod
    def of(cls, parts: Iterable[History]) -> History:
        """Several histories of one fleet as one."""
        whole = cls()
        for part in parts:
            whole.pushes.extend(part.pushes)
            whole.recoveries.extend(part.recoveries)
            whole.presses.extend(part.presses)
        return whole

    @property
    def accepted(self) -> set[str]:
        return {push.alert_key for push in self.pushes if push.is_accepted}

    @property
    def answers(self) -> list[Answer]:
        return [*self.push_answers, *self.press_answers]

    @property
    def push_answers(self) -> list[Answer]:
        return [answer for push in [*self.pushes, *self.recoveries] for answer in push.answers]

    @property
    def press_answers(self) -> list[Answer]:
        return [answer for press in self.presses for answer in press.answers]


@dataclass
class Snapshot:
    """The rows that are there since the history began, and what reached the platform.

    alerts         id, alert_key, state, incident_id
    incidents      id, progress, snoozed_until
    timeline       id, incident_id, type, actor (username or None), via, at, detail
    notifications  id, incident_id, cause, level, times
    deliveries     id, notification_id, incident_id, person, state, reference, platform_message_id, failure_code,
                   summary_id: of the delivery that says it for this one, too
    jobs           id, kind, subject_id, state, due_at, attempts, error
    arrivals       id, task_id, to: messages as the platform shows them, one row a receiver
    references     of every delivery that was ever stored
    """

    taken_at: datetime
    alerts: list[Row] = field(default_factory=list)
    incidents: list[Row] = field(default_factory=list)
    timeline: list[Row] = field(default_factory=list)
    notifications: list[Row] = field(default_factory=list)
    deliveries: list[Row] = field(default_factory=list)
    jobs: list[Row] = field(default_factory=list)
    arrivals: list[Row] = field(default_factory=list)
    references: set[str] = field(default_factory=set)


def violations(history: History, seen: Snapshot, *, once: bool = True) -> list[str]:
    """Every broken promise, as a sentence.

    once  a message may not arrive twice: the platform knows its de-duplication key
    """
    return [
        *_alerts(history, seen),
        *_recoveries(history, seen),
        *_strangers(history, seen),
        *_notifications(history, seen),
        *_deliveries(seen, once=once),
        *_timelines(seen),
        *_presses(history, seen),
        *_outbox(seen),
    ]


# --- alerts and incidents -----------------------------------------------------------------------------------------


def _alerts(history: History, seen: Snapshot) -> Iterator[str]:
    """Accepted: stored, in exactly one incident that exists."""
    incidents = {incident["id"] for incident in seen.incidents}
    by_key = _grouped(seen.alerts, "alert_key")
    for key in sorted(history.accepted):
        rows = by_key.get(key, [])
        if len(rows) != 1:
            yield f"alert {key} was answered 2xx and is stored {len(rows)} times"
        for row in rows:
            if row["incident_id"] not in incidents:
                yield f"alert {key} has no incident"
    for incident_id, count in Counter(alert["incident_id"] for alert in seen.alerts).items():
        if incident_id is not None and count > 1:
            yield f"incident {incident_id} holds {count} alerts that do not belong together"


def _recoveries(history: History, seen: Snapshot) -> Iterator[str]:
    """Accepted: the alert is over, and with its only alert its incident."""
    alerts = {alert["alert_key"]: alert for alert in seen.alerts}
    progress = {incident["id"]: incident["progress"] for incident in seen.incidents}
    for recovery in history.recoveries:
        alert = alerts.get(recovery.alert_key)
        if not recovery.is_accepted or alert is None:
            continue
        if alert["state"] == "firing":
            yield f"alert {recovery.alert_key} is over, which was answered 2xx, and it is still firing"
        elif progress.get(alert["incident_id"]) != "Closed":
            yield f"alert {recovery.alert_key} is over and its incident is open"


def _strangers(history: History, seen: Snapshot) -> Iterator[str]:
    """Nothing is stored, and nothing arrived, that nobody sent."""
    sent = {push.alert_key for push in history.pushes}
    for alert in seen.alerts:
        if alert["alert_key"] not in sent:
            yield f"alert {alert['alert_key']} is stored and nobody sent it"
    with_alert = {alert["incident_id"] for alert in seen.alerts}
    for incident in seen.incidents:
        if incident["id"] not in with_alert:
            yield f"incident {incident['id']} has no alert"
    for arrival in seen.arrivals:
        if arrival["task_id"] and arrival["task_id"] not in seen.references:
            yield f"message {arrival['id']} arrived at {arrival['to']} and no delivery knows it"


# --- telling people -----------------------------------------------------------------------------------------------


def _notifications(history: History, seen: Snapshot) -> Iterator[str]:
    """The policy ran once for each incident, for the person who is on call."""
    persons = {push.alert_key: push.person for push in history.pushes}
    first = _grouped([row for row in seen.notifications if row["cause"] == "assign"], "incident_id")
    deliveries = _grouped(seen.deliveries, "notification_id")
    for alert in seen.alerts:
        rows = first.get(alert["incident_id"], [])
        if len(rows) != 1:
            yield f"alert {alert['alert_key']}: its people were notified {len(rows)} times"
        for row in rows:
            told = sorted(str(delivery["person"]) for delivery in deliveries.get(row["id"], []))
            if told != [persons.get(alert["alert_key"])]:
                yield f"alert {alert['alert_key']}: deliveries to {told}, on call is {persons.get(alert['alert_key'])}"


def _deliveries(seen: Snapshot, *, once: bool) -> Iterator[str]:
    """Each ended: arrived once and known by the platform's id, or not sent for a reason that is shown."""
    arrived = _grouped(seen.arrivals, "task_id")
    closed = {incident["id"] for incident in seen.incidents if incident["progress"] == "Closed"}
    tried = {job["subject_id"]: job["attempts"] for job in seen.jobs if job["kind"] == "deliver"}
    reference_of = {delivery["id"]: delivery["reference"] for delivery in seen.deliveries}
    for delivery in seen.deliveries:
        name, state = f"delivery {delivery['id']} to {delivery['person']}", delivery["state"]
        said_by = reference_of.get(delivery["summary_id"], delivery["reference"])
        messages = arrived.get(said_by, [])
        if once and len(messages) > 1:
            yield f"{name} arrived {len(messages)} times"
        if state == "sent":
            yield from _sent(name, delivery, messages, is_first_try=tried.get(delivery["id"]) == 1)
        elif state == "failed":
            if not delivery["failure_code"]:
                yield f"{name} failed without a reason"
            if messages and delivery["failure_code"] != "outcome_unknown":
                yield f"{name} is recorded as failed and arrived"
        elif state == "skipped":
            if not delivery["failure_code"]:
                yield f"{name} was skipped without a reason"
        elif state != "cancelled":
            yield f"{name} did not end: {state}"
        elif delivery["incident_id"] not in closed:
            yield f"{name} was cancelled though its incident is open"


def _sent(name: str, delivery: Row, messages: list[Row], *, is_first_try: bool) -> Iterator[str]:
    """It arrived, under the id that is stored; the platform answers a repeated try with a new id of nothing."""
    if not messages:
        yield f"{name} is recorded as sent and did not arrive"
    known = {message["id"] for message in messages}
    if is_first_try and messages and delivery["platform_message_id"] not in known | {None}:
        yield f"{name} names the message {delivery['platform_message_id']} which the platform does not know"


# --- what people did ----------------------------------------------------------------------------------------------


@dataclass
class _Replayed:
    """The state machine of an incident, run again over its record."""

    progress: str = ""
    acknowledged: dict[str | None, datetime] = field(default_factory=dict)
    snoozed_until: datetime | None = None
    is_certain: bool = True

    @property
    def is_open(self) -> bool:
        return self.progress in {"Triggered", "Processing"}

    def step(self, entry: Row) -> str:
        """Apply one entry; the reason why it may not stand there, or ""."""
        kind = entry["type"]
        if kind == "new":
            return self._begin()
        if not self.progress:
            return f"{kind} before the incident began"
        if kind in OPEN_ONLY and not self.is_open:
            return f"{kind} on a closed incident"
        verb = getattr(self, f"_{kind}", None)
        return verb(entry) if verb else ""

    def _begin(self) -> str:
        if self.progress:
            return "began twice"
        self.progress = "Triggered"
        return ""

    def _ack(self, entry: Row) -> str:
        if not self.is_open:
            return "ack on a closed incident"
        if entry["actor"] in self.acknowledged:
            return f"acknowledged twice by {entry['actor']}"
        self.acknowledged[entry["actor"]] = entry["at"]
        self.progress = "Processing"
        return ""

    def _unack(self, entry: Row) -> str:
        if not self.is_open or entry["actor"] not in self.acknowledged:
            return "an acknowledgement withdrawn that was not there"
        del self.acknowledged[entry["actor"]]
        if not self.acknowledged:
            self.progress = "Triggered"
        return ""

    def _close(self, _entry: Row) -> str:
        if not self.is_open:
            return "closed twice"
        self.progress, self.snoozed_until = "Closed", None
        return ""

    def _reopen(self, _entry: Row) -> str:
        if self.is_open:
            return "opened again while it was open"
        self.progress, self.acknowledged = "Triggered", {}
        return ""

    def _snooze(self, entry: Row) -> str:
        self.snoozed_until = datetime.fromisoformat(entry["detail"]["until"])
        return ""

    def _wake(self, entry: Row) -> str:
        until, self.snoozed_until = self.snoozed_until, None
        if until is None or not self.is_open:
            return "woken while it was not silenced"
        if entry["actor"] is None and not any(at >= until for at in self.acknowledged.values()):
            self.progress, self.acknowledged = "Triggered", {}
        return ""

    def _assign(self, entry: Row) -> str:
        if entry["detail"].get("kind") == "reassign":
            self.is_certain = False
        return "" if self.is_open else "assigned while it was closed"


def _timelines(seen: Snapshot) -> Iterator[str]:
    """Every step is one that the state machine knows, and the state is what they lead to."""
    entries = _grouped(seen.timeline, "incident_id")
    for incident in seen.incidents:
        replayed = _Replayed()
        for entry in sorted(entries.get(incident["id"], []), key=lambda entry: entry["id"]):
            if problem := replayed.step(entry):
                yield f"incident {incident['id']}: {problem} (entry {entry['id']})"
        if replayed.progress != incident["progress"] and replayed.is_certain:
            recorded = replayed.progress or "nothing"
            yield f"incident {incident['id']} is {incident['progress']}, its record says {recorded}"
        if replayed.snoozed_until != incident["snoozed_until"]:
            yield f"incident {incident['id']} is silenced until {incident['snoozed_until']}, not so its record"


def _presses(history: History, seen: Snapshot) -> Iterator[str]:
    """Answered: recorded once. Not answered: once or not at all."""
    incident_of = {alert["alert_key"]: alert["incident_id"] for alert in seen.alerts}
    entries = _grouped(seen.timeline, "incident_id")
    for press in history.presses:
        about = f"{press.action} of {press.alert_key} by {press.person}"
        mine, others = _entries_of(press, entries.get(incident_of.get(press.alert_key), []))
        most = max(1, len(press.answers)) if press.action in REPEATABLE else 1
        if mine > most:
            yield f"{about} is recorded {mine} times"
        if press.is_accepted and not mine and not OVERTAKEN_BY[press.action] & others:
            yield f"{about} was answered with success and is not recorded"
    pressed = {(incident_of.get(press.alert_key), press.person, RECORDED_AS[press.action]) for press in history.presses}
    for entry in seen.timeline:
        by_card = str(entry["via"]).startswith("card_") and entry["actor"] is not None
        if by_card and (entry["incident_id"], entry["actor"], entry["type"]) not in pressed:
            yield f"incident {entry['incident_id']}: {entry['type']} by {entry['actor']} and nobody pressed it"


def _entries_of(press: Press, entries: list[Row]) -> tuple[int, set[str]]:
    """How often the record holds the press, and what others did."""
    mine = [entry for entry in entries if entry["type"] == RECORDED_AS[press.action] and entry["actor"] == press.person]
    return len(mine), {entry["type"] for entry in entries if entry["actor"] != press.person}


# --- the outbox ---------------------------------------------------------------------------------------------------


def _outbox(seen: Snapshot) -> Iterator[str]:
    """Nothing waits that should have been done, and nothing was given up without anybody having asked for it."""
    for job in seen.jobs:
        name = f"job {job['id']} ({job['kind']} of {job['subject_id']})"
        if job["state"] == "pending" and job["due_at"] <= seen.taken_at - OUTBOX_GRACE:
            yield f"{name} is due since {job['due_at']} and not done"
        if job["state"] == "dead":
            yield f"{name} was given up: {job['error']}"


def _grouped(rows: list[Row], name: str) -> dict[Any, list[Row]]:
    groups: dict[Any, list[Row]] = defaultdict(list)
    for row in rows:
        groups[row[name]].append(row)
    return groups
