"""Alerts that fire and recover over and over: one incident stays open for them, instead of a new one each time.

The state changes of a key are the starts and the recoveries of its alerts. With CHANGES of them within WINDOW its
incident is marked. A marked incident outlives recoveries and takes in what fires next, until nothing has changed for
QUIET; so people get a card or two, however long it goes on. Where the channel says so, reminders rest for MUTED.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ARRAY, Text, and_, bindparam, func, literal_column, select, true

from extensions import db
from models import Alert, AlertState, Flapping, Incident
from services import incident_progress, outbox, timeline
from services.incident_changes import hold, show, stage_timers
from services.openings import AnySource
from services.statements import Statement
from services.timers import FLAPPING_END, Timer

CHANGES = 4
WINDOW = timedelta(minutes=60)
QUIET = timedelta(minutes=10)
MUTED = timedelta(minutes=120)
MOST_ALERTS = 5000
"""Of one incident; what flaps on after that gets a new one."""
LOOKED_AT = 4
"""The latest alerts of a key tell whether it flaps, also if some of them were closed by hand."""

_IS_MARKED = and_(
    Incident.id == Alert.incident_id,
    Incident.tenant_id == Alert.tenant_id,
    Incident.flapping_since.is_not(None),
    Incident.progress != literal_column("'Closed'"),
)
_LATEST = (
    select(Alert.alert_key, Alert.started_at, Alert.ended_at, Alert.state, Incident.id.label("incident_id"))
    .outerjoin(Incident, _IS_MARKED)
    .where(
        Alert.tenant_id == bindparam("of_tenant"),
        Alert.source_id == bindparam("of_source"),
        Alert.ended_at.is_not(None),
    )
    .order_by(Alert.ended_at.desc())
    .limit(LOOKED_AT)
)
_OF_KEY = Statement(_LATEST.where(Alert.alert_key == bindparam("key")))
_ASKED = func.unnest(bindparam("keys", type_=ARRAY(Text))).table_valued("key").render_derived()
_EACH = _LATEST.where(Alert.alert_key == _ASKED.c.key).lateral()
_OF_KEYS = Statement(select(_EACH).select_from(_ASKED.join(_EACH, true())))
"""The same for all keys of a push, where each statement has to travel."""


@dataclass
class Past:
    """The latest state changes of the keys of a push, kept up to date while it is taken.

    changes  their times by key, by the sender's clock
    marked   ids of the incidents that take in what fires next, by key
    """

    mode: Flapping
    changes: dict[str, list[datetime]] = field(default_factory=dict)
    marked: dict[str, int] = field(default_factory=dict)

    def note(self, key: str, started_at: datetime, recovered_at: datetime | None) -> None:
        """Count an alert that has ended; recovered_at: None if a person or a time limit closed it."""
        self.changes.setdefault(key, []).extend(at for at in (started_at, recovered_at) if at is not None)

    def recover(self, alert: Alert, incident: Incident, *, now: datetime) -> None:
        """An alert of an open incident has recovered: mark the incident if its key flaps."""
        if self.mode is Flapping.OFF or alert.ended_at is None:
            return
        self.note(alert.alert_key, alert.started_at, alert.ended_at)
        recent = [at for at in self.changes[alert.alert_key] if at > alert.ended_at - WINDOW]
        self.changes[alert.alert_key] = recent
        if len(recent) >= CHANGES:
            _mark(incident, self.mode, now)
            self.marked[alert.alert_key] = incident.id

    def incident_of(self, key: str, held: Mapping[int, Incident]) -> Incident | None:
        """The incident that a new alert of this key belongs to. held: incidents by id, as they are now."""
        incident = held.get(self.marked.get(key, 0))
        return incident if incident is not None and _takes_in(incident) else None


def past(source: AnySource, keys: Collection[str]) -> Past:
    """What is known of these keys of a source; nothing where the channel does not look for flapping."""
    known = Past(source.channel.flapping)
    if known.mode is not Flapping.OFF:
        for key, started_at, ended_at, state, incident_id in _latest(source, keys):
            known.note(key, started_at, ended_at if state is AlertState.RECOVERED else None)
            if incident_id is not None:
                known.marked.setdefault(key, incident_id)
    return known


def go_on(incident: Incident, *, now: datetime) -> None:
    """Another alert of a marked incident fires. Its cards say that it flaps; they do not follow each time."""
    incident.flapped_at = now


def end_if_quiet(incident: Incident, *, now: datetime) -> None:
    """Take the mark off an incident whose alerts have not changed for QUIET, and close it if they have recovered.

    Too early, look again when it may be so.
    """
    hold(incident)
    if not incident.is_open or incident.flapping_since is None or incident.flapped_at is None:
        return
    incident.flapped_at = min(incident.flapped_at, now)  # a clock that was set back
    if incident.flapped_at + QUIET > now:
        stage_timers(incident, [Timer(FLAPPING_END, incident.flapped_at + QUIET)], now)
        return
    incident.flapping_since = incident.flapped_at = None
    if incident.active_alert_count:
        show(incident, now)
    else:
        incident_progress.end_recovered([incident], now=now)


def _mark(incident: Incident, mode: Flapping, now: datetime) -> None:
    incident.flapped_at = now
    if incident.flapping_since is not None:
        return
    incident.flapping_since = now
    if mode is Flapping.MUTE:
        incident.reminders_muted_until = now + MUTED
    outbox.cancel(FLAPPING_END, tenant_id=incident.tenant_id, subject_id=incident.id)
    stage_timers(incident, [Timer(FLAPPING_END, now + QUIET)], now)
    quiet, muted = _minutes(QUIET), _minutes(MUTED)
    said: dict[str, Any] = {"mode": mode.value, "changes": CHANGES, "quiet": quiet, "minutes": muted}
    timeline.record(incident, "flapping_mute", via="event", at=now, **said)
    show(incident, now)


def _takes_in(incident: Incident) -> bool:
    return incident.is_flapping and incident.alert_count < MOST_ALERTS


def _latest(source: AnySource, keys: Collection[str]) -> Sequence[Sequence[Any]]:
    """Rows of key, start, end, state, and id of the incident if it is marked and open; a key's latest first.

    On SQLite asking once for each is quicker than putting a list together: 10 µs for a key that is new.
    """
    if not keys:
        return []
    on = db.session.connection()
    about = {"of_tenant": source.tenant_id, "of_source": source.id}
    if on.dialect.name != "sqlite":
        return _OF_KEYS.rows(on, about | {"keys": sorted(keys)})
    return [row for key in keys for row in _OF_KEY.rows(on, about | {"key": key})]


def _minutes(length: timedelta) -> int:
    return int(length.total_seconds() // 60)
