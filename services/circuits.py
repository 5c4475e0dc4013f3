"""A platform that is down: after a few calls in a row that failed nobody calls it but one message now and then.

What waits keeps its place; the first call that succeeds lets all of it go. Every step is a short transaction of its
own, outside of those that hold incidents. The state is in the database, so all workers know it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from sqlalchemy import or_, select, update

from extensions import db
from models import Integration
from platforms.errors import PlatformError, RateLimited, RecipientBusy
from services import failures
from texts import N_, Text

OPEN_AFTER = 3
"""Failed calls in a row."""
PAUSE_WITHOUT_HINT = timedelta(seconds=60)
SHORTEST, LONGEST, LONGEST_LATER = timedelta(seconds=2), timedelta(seconds=10), timedelta(seconds=60)
LATER = timedelta(minutes=5)
PROBE_SECONDS = 12
"""How long a probe may be on its way before another one leaves."""
NOTED_EVERY = timedelta(seconds=5)


def is_outage(error: PlatformError) -> bool:
    """Whether the platform as a whole did not work, so that other messages would fare no better."""
    return error.retryable and error.failure in failures.OUTAGES


def is_answer(error: PlatformError) -> bool:
    """Whether the platform worked, and said no."""
    return error.platform_code is not None and not error.unsent and not is_outage(error)


def is_open(outage_count: int) -> bool:
    return outage_count >= OPEN_AFTER


class Gate(Protocol):
    """What is known of a connection: its row, or what was read of it."""

    @property
    def paused_until(self) -> datetime | None: ...
    @property
    def outage_count(self) -> int: ...
    @property
    def probe_at(self) -> datetime | None: ...


def closed_until(gate: Gate, now: datetime) -> datetime | None:
    """Until when nothing may be called: a pause that the platform asked for, or it is down. None: calls may be made."""
    if gate.paused_until and gate.paused_until > now:
        return gate.paused_until
    if is_open(gate.outage_count) and gate.probe_at and gate.probe_at > now:
        return gate.probe_at
    return None


def blocked_at(gate: Gate) -> datetime | None:
    """When calls were last held up by the platform, as far as one of our workers was there to see it."""
    return max(filter(None, (gate.paused_until, gate.probe_at)), default=None)


def note(gate: Gate, now: datetime) -> Text | None:
    """What a page says of a connection that is not called now; None while calls are made."""
    if gate.paused_until and gate.paused_until > now:
        return Text(N_("平台要求暂停发送，%(at)s 之后自动继续"), at=gate.paused_until)
    if is_open(gate.outage_count):
        return Text(N_("平台暂时不可用，每隔数秒试探一次，恢复后自动补发"))
    return None


def probe_interval(age: timedelta) -> timedelta:
    """How long after a failed probe the next one leaves, by the length of the outage: 2 to 10 s, later up to 60 s."""
    if age < LATER:
        return min(max(age / 2, SHORTEST), LONGEST)
    return min(max(age / 30, LONGEST), LONGEST_LATER)


def asks_for_pause(error: PlatformError) -> bool:
    """Whether nothing at all may be called for a while; a limit of one person or group holds up nobody else."""
    if isinstance(error, RecipientBusy):
        return False
    return isinstance(error, RateLimited) or (error.retry_after is not None and not error.unsent)


def pause(integration_id: int, error: PlatformError, now: datetime) -> datetime:
    """Note that nothing is called before the platform allows it, and commit; return until when."""
    until = now + (error.retry_after or PAUSE_WITHOUT_HINT)
    db.session.execute(
        update(Integration)
        .where(Integration.id == integration_id)
        .where(or_(Integration.paused_until.is_(None), Integration.paused_until < until))
        .values(paused_until=until)
        .execution_options(synchronize_session=False)
    )
    db.session.commit()
    return until


@dataclass(frozen=True)
class Bounds:
    """When a failed call may be made again, as far as the platform decides it.

    not_before  it asked for a pause, of all calls or for this recipient, or nothing can be asked
    probe_at    it is down and will be tried then
    """

    not_before: datetime | None = None
    probe_at: datetime | None = None


def note_failure(integration_id: int, error: PlatformError, now: datetime) -> Bounds:
    """Note what a failed call says about the connection, and commit. Hold no incident."""
    not_before = pause(integration_id, error, now) if asks_for_pause(error) else None
    if isinstance(error, RecipientBusy) and error.retry_after:
        not_before = now + error.retry_after
    probe_at = failed(integration_id, error, now) if is_outage(error) else None
    return Bounds(probe_at if error.unsent else not_before, probe_at)


def failed(integration_id: int, error: PlatformError, now: datetime) -> datetime | None:
    """Count a call that met an outage, and commit; return when the next one may leave if it is down.

    Without an access token no call can be made at all, so two more need not prove it.
    """
    row = db.session.execute(
        select(Integration.outage_count, Integration.outage_since)
        .where(Integration.id == integration_id)
        .with_for_update()
    ).one_or_none()
    if row is None:
        db.session.rollback()
        return None
    count, since = row.outage_count + 1, row.outage_since or now
    count = max(count, OPEN_AFTER) if error.unsent else count
    probe_at = now + max(probe_interval(now - since), error.retry_after or timedelta()) if is_open(count) else None
    values = {"outage_count": count, "outage_since": since} | ({"probe_at": probe_at} if probe_at else {})
    db.session.execute(
        update(Integration)
        .where(Integration.id == integration_id)
        .values(**values)
        .execution_options(synchronize_session=False)
    )
    db.session.commit()
    return probe_at


def succeeded(integration_id: int) -> bool:
    """Note that the platform answers again, and commit; True if it was down. When it was, is kept in probe_at."""
    down = (
        update(Integration)
        .where(Integration.id == integration_id, Integration.outage_count > 0)
        .values(outage_count=0, outage_since=None)
        .returning(Integration.id)
    )
    was_down = db.session.execute(down.execution_options(synchronize_session=False)).one_or_none() is not None
    db.session.commit()
    return was_down


def take_probe(integration_id: int, seen: datetime | None, now: datetime) -> bool:
    """Stage being the one who tries a platform that is down; False if another worker is. seen: probe_at as read."""
    same = Integration.probe_at.is_(None) if seen is None else Integration.probe_at == seen
    taken = (
        update(Integration)
        .where(Integration.id == integration_id, same)
        .values(probe_at=now + timedelta(seconds=PROBE_SECONDS))
        .returning(Integration.id)
    )
    return db.session.execute(taken.execution_options(synchronize_session=False)).one_or_none() is not None


def return_probe(integration_id: int, now: datetime) -> None:
    """Let another message try, and commit: this one turned out not to need a call."""
    open_still = (Integration.id == integration_id, Integration.outage_count > 0)
    db.session.execute(
        update(Integration).where(*open_still).values(probe_at=now).execution_options(synchronize_session=False)
    )
    db.session.commit()


def after_step_back(step: timedelta, now: datetime) -> None:
    """Stage what a clock that was set back by `step` asks for: no platform is left alone for longer."""
    for known in (Integration.paused_until, Integration.probe_at):
        ahead = db.session.execute(select(Integration.id, known).where(known > now).with_for_update()).all()
        for integration_id, until in ahead:
            moved = update(Integration).where(Integration.id == integration_id).values({known: until and until - step})
            db.session.execute(moved.execution_options(synchronize_session=False))


def note_sent_at(integration_id: int, now: datetime) -> None:
    """Note when something was last sent, and commit. Past the version column: many send for one at once."""
    db.session.execute(
        update(Integration)
        .where(Integration.id == integration_id)
        .where(or_(Integration.last_send_at.is_(None), Integration.last_send_at < now - NOTED_EVERY))
        .values(last_send_at=now)
        .execution_options(synchronize_session=False)
    )
    db.session.commit()
