"""Rows of the outbox, from the worker's side: claim under a lease, record the outcome behind a fence.

A claim raises `attempts`; an outcome is only recorded while the row still shows the same number. So a worker that
was slower than its lease cannot overwrite what another one did since.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import Connection, Select, bindparam, exists, func, literal_column, select, update

from extensions import db
from models import EPOCH, Integration, Job, JobState
from services import leases
from services.clock import CLOCKS_DIFFER
from services.outbox import URGENCIES
from services.statements import Statement
from services.tenants import PARKED_FROM

ERROR_LENGTH = 500
ELSEWHERE = "elsewhere"
PROMISED = ("snooze_expiry", "auto_close")
"""Kinds that are due at a time that was promised to a reader; that of the others counts from when they were staged."""

_JOBS: Any = Job.__table__
PENDING = Job.state == literal_column("'pending'")
"""Spelt out, so that both databases see that the partial indexes serve."""


@dataclass(frozen=True)
class Claim:
    """A row that is ours until its lease ends. attempts: the fence.

    is_probe  its platform is down, and this one message may see whether it still is
    """

    id: int
    kind: str
    tenant_id: int
    subject_id: int
    payload: dict[str, Any]
    attempts: int
    due_at: datetime
    queue: int = 0
    is_probe: bool = False

    @property
    def lane(self) -> int:
        """The connection that will be called, 0 for our own work, -1 for calls of other hosts."""
        return self.queue // URGENCIES


@dataclass(frozen=True)
class DueQueue:
    """A queue in which something is due, and what is known of the connection behind it.

    platform  which the connection is to; "" for our own work, ELSEWHERE for what calls other hosts
    """

    number: int
    paused_until: datetime | None = None
    outage_count: int = 0
    probe_at: datetime | None = None
    platform: str = ""

    @property
    def lane(self) -> int:
        return self.number // URGENCIES

    @property
    def urgency(self) -> int:
        """0 is served first; our own work is."""
        return self.number % URGENCIES if self.lane else 0


@dataclass(frozen=True)
class Done:
    """Nothing is left to do."""


@dataclass(frozen=True)
class Later:
    """To be claimed again at `due_at`, with `payload` in place of the old one if given."""

    due_at: datetime
    error: str = ""
    payload: dict[str, Any] | None = None


@dataclass(frozen=True)
class Dead:
    """Given up; stays in the table, counted and visible."""

    error: str


Outcome = Done | Later | Dead


# --- finding and claiming -----------------------------------------------------------------------------------------

_NOW: Any = bindparam("now")
_FREE = (
    _JOBS.c.state == literal_column("'pending'"),
    _JOBS.c.due_at <= _NOW,
    leases.has_ended(_NOW),
)


def _due_queues() -> Any:
    """Which queues have something due: a jump through the index from one queue to the next, however long they are."""
    pending, queue, way = _FREE[0], _JOBS.c.queue, Integration.__table__.c
    numbers = select(func.min(queue).label("number")).where(pending).cte("numbers", recursive=True)
    following = select(func.min(queue)).where(pending, queue > numbers.c.number).scalar_subquery()
    numbers = numbers.union_all(select(following).where(numbers.c.number.is_not(None)))
    return (
        select(numbers.c.number, way.paused_until, way.outage_count, way.probe_at, way.platform)
        .select_from(numbers)
        .outerjoin(Integration.__table__, way.id == numbers.c.number // URGENCIES)
        .where(exists().where(queue == numbers.c.number, *_FREE))
    )


_DUE_QUEUES = Statement(_due_queues())
_ANYTHING = Statement(select(exists().where(*_FREE)))
_NEXT = Statement(
    select(_JOBS.c.due_at)
    .where(PENDING, leases.has_ended(_NOW))
    .where(_JOBS.c.due_at > _NOW, _JOBS.c.due_at <= bindparam("until"))
    .order_by(_JOBS.c.due_at)
    .limit(1)
)
_UNTIL = leases.until(bindparam("until"), bindparam("lease"))
_CLAIMED = ("id", "kind", "tenant_id", "subject_id", "payload", "attempts", "due_at", "queue")
_UNSYNCED: dict[str, Any] = {"synchronize_session": False}


def due_queues(on: Connection, now: datetime) -> list[DueQueue]:
    """The queues in which something could be claimed."""
    found = _DUE_QUEUES.rows(on, {"now": now})
    return [
        DueQueue(number, paused_until, count or 0, probe_at, platform or ("" if number >= 0 else ELSEWHERE))
        for number, paused_until, count, probe_at, platform in found
    ]


def is_due(on: Connection, now: datetime) -> bool:
    """Whether anything could be claimed."""
    ((found,),) = _ANYTHING.rows(on, {"now": now})
    return bool(found)


def next_due(on: Connection, now: datetime, until: datetime) -> datetime | None:
    """When something is due that is not yet; None if nothing is by then."""
    found = _NEXT.rows(on, {"now": now, "until": until})
    return found[0][0] if found else None


def last_probe(mine: Claim, probe_at: datetime | None) -> datetime | None:
    """`probe_at` if no other row of the same connection wants its turn by then: one of them must find the end of it."""
    if probe_at is None:
        return None
    first = mine.lane * URGENCIES
    other = exists().where(PENDING, Job.queue.between(first, first + URGENCIES - 1), Job.due_at <= probe_at)
    return None if db.session.scalar(select(other.where(Job.id != mine.id))) else probe_at


def claim(
    on: Connection,
    queue: int,
    now: datetime,
    lease: timedelta,
    *,
    holder: str = "",
    running_here: Collection[int] = (),
    at_most: int = 1,
) -> list[Claim]:
    """Stage taking the rows of a queue that are due for longest.

    running_here  rows that this process is working on: a clock that jumps forward ends their leases too early
    """
    values = {"of_queue": queue, "now": now, "by_holder": holder, "at_most": at_most} | _length(now, lease)
    places = _places(1 << max(len(running_here) - 1, 0).bit_length())
    running = dict.fromkeys(places, 0) | dict(zip(places, running_here, strict=False))
    rows = _claiming(places).rows(on, values | running)
    return sorted((Claim(*row) for row in rows), key=lambda mine: (mine.due_at, mine.id))


def _length(now: datetime, lease: timedelta) -> dict[str, Any]:
    """What _UNTIL asks for."""
    return {"until": now + lease, "lease": lease}


@cache
def _places(count: int) -> tuple[str, ...]:
    return tuple(f"running_{number}" for number in range(count))


@cache
def _claiming(places: tuple[str, ...]) -> Statement:
    """Claims but for the rows in these places. A list of any length would have to be rendered at each claim."""
    picked = (
        select(_JOBS.c.id)
        .where(*_FREE, _JOBS.c.queue == bindparam("of_queue"))
        .where(_JOBS.c.id.not_in([bindparam(name) for name in places]))
        .order_by(_JOBS.c.due_at, _JOBS.c.id)
        .limit(bindparam("at_most"))
        .with_for_update(skip_locked=True)
        .cte("picked")
    )
    return Statement(
        update(_JOBS)
        .where(_JOBS.c.id.in_(select(picked.c.id)))
        .values(lease_until=_UNTIL, holder=bindparam("by_holder"), attempts=_JOBS.c.attempts + 1)
        .returning(*(_JOBS.c[name] for name in _CLAIMED))
    )


def take_again(mine: Claim, now: datetime, lease: timedelta, holder: str) -> bool:
    """Stage a claim once more that was rolled back together with what failed; False if somebody else came first."""
    won = db.session.execute(
        update(Job)
        .where(Job.id == mine.id, PENDING, Job.attempts == mine.attempts - 1, leases.has_ended(now))
        .values(lease_until=leases.until(now + lease, lease), holder=holder, attempts=mine.attempts)
        .returning(Job.id),
        execution_options=_UNSYNCED,
    )
    return won.one_or_none() is not None


# --- recording ----------------------------------------------------------------------------------------------------

_OURS = (_JOBS.c.id == bindparam("of_id"), _JOBS.c.attempts == bindparam("fence"))
_MINE = update(_JOBS).where(*_OURS)
_AGAIN = {"lease_until": EPOCH, "due_at": bindparam("at"), "error": bindparam("said")}
_DONE = Statement(_MINE.values(lease_until=EPOCH, state=JobState.DONE, finished_at=bindparam("at")))
_DEAD = Statement(
    _MINE.values(lease_until=EPOCH, state=JobState.DEAD, finished_at=bindparam("at"), error=bindparam("said"))
)
_LATER = Statement(_MINE.values(_AGAIN))
_LATER_CHANGED = Statement(_MINE.values(_AGAIN | {"payload": bindparam("kept")}))
_NOTED = Statement(_MINE.values(payload=bindparam("kept")))
_AT_REST = select(_JOBS.c.id).where(*_OURS, PENDING, _JOBS.c.lease_until > EPOCH).with_for_update(skip_locked=True)
"""A row that is ours still, unless somebody is just writing it: who that is may wait for another of our rows."""
_KEPT = update(_JOBS).where(_JOBS.c.id.in_(_AT_REST.scalar_subquery()))
_LEASED, _FREED = Statement(_KEPT.values(lease_until=_UNTIL)), Statement(_KEPT.values(lease_until=EPOCH))


def finish(mine: Claim, outcome: Outcome, now: datetime) -> bool:
    """Stage the outcome; False if the row is no longer ours and nothing may be recorded.

    A row cancelled while it ran keeps what it did but is not tried again.
    """
    match outcome:
        case Done():
            return _is_mine(_DONE, mine, at=now)
        case Dead():
            return _is_mine(_DEAD, mine, at=now, said=outcome.error[:ERROR_LENGTH])
        case Later(payload=None):
            return _is_mine(_LATER, mine, at=outcome.due_at, said=outcome.error[:ERROR_LENGTH] or None)
        case Later():
            said = outcome.error[:ERROR_LENGTH] or None
            return _is_mine(_LATER_CHANGED, mine, at=outcome.due_at, said=said, kept=outcome.payload)


def note(mine: Claim, payload: dict[str, Any]) -> bool:
    """Stage a new payload while the row is ours: what a later claim must know if this one never ends."""
    return _is_mine(_NOTED, mine, kept=payload)


def noted(mine: Claim) -> dict[str, Any]:
    """The payload as it stands: what was noted while the row was worked on is more than the claim knows."""
    kept = db.session.scalar(select(Job.payload).where(Job.id == mine.id, Job.attempts == mine.attempts))
    return mine.payload if kept is None else kept


def _is_mine(statement: Statement, mine: Claim, **values: Any) -> bool:
    db.session.flush()  # what the work changed is staged before the row that it was done for
    known = {"of_id": mine.id, "fence": mine.attempts} | values
    return statement.run(db.session.connection(), known) == 1


# --- leases -------------------------------------------------------------------------------------------------------


def give_back(claims: Collection[Claim]) -> None:
    """Stage ending the leases of rows that we will not finish, so that nobody waits for them to run out."""
    for mine in claims:
        _FREED.run(db.session.connection(), {"of_id": mine.id, "fence": mine.attempts})


def renew(claims: Collection[Claim], now: datetime, lease: timedelta) -> None:
    """Stage new leases for rows that are still ours. One whose outcome is just being recorded needs none."""
    for mine in claims:
        _LEASED.run(db.session.connection(), {"of_id": mine.id, "fence": mine.attempts} | _length(now, lease))


def take_from_the_dead(is_dead: Callable[[str], bool], now: datetime) -> int:
    """Stage ending the leases of worker processes that are gone; return how many rows are free again."""
    leased = (PENDING, leases.is_running(now))
    holders = db.session.scalars(select(Job.holder).where(*leased, Job.holder.is_not(None)).distinct()).all()
    gone = [holder for holder in holders if holder and is_dead(holder)]
    if not gone:
        return 0
    freed = update(Job).where(*leased, Job.holder.in_(gone)).values(lease_until=EPOCH).returning(Job.id)
    return len(db.session.execute(freed, execution_options=_UNSYNCED).all())


def after_step_back(step: timedelta, now: datetime, lease: timedelta) -> None:
    """Stage what a clock that was set back by `step` asks for: nothing waits longer than it would have.

    Leases that would last too long end; rows whose time counts from when they were staged move back with the clock.
    Timers of a frozen organisation stand still: what was left of them is counted from a time that no clock shows.
    """
    longest = leases.until(now + lease, lease)
    too_long = update(Job).where(PENDING, Job.lease_until > longest).values(lease_until=longest)
    db.session.execute(too_long, execution_options=_UNSYNCED)
    for job_id, due_at, created_at in db.session.execute(_counted_from_staging(now).with_for_update()).all():
        times = {"due_at": due_at - step, "created_at": created_at - step if created_at > now else created_at}
        db.session.execute(update(Job).where(Job.id == job_id).values(**times), execution_options=_UNSYNCED)


def staged_ahead(on: Connection, now: datetime) -> list[int]:
    """Ids of rows that a clock which was ahead has staged, and that wait for it.

    Whoever did had begun before that clock was put right, or no worker was there when it was.
    """
    return list(on.execute(_staged_ahead(now).with_only_columns(Job.id)).scalars())


def count_anew(ids: Collection[int], now: datetime) -> None:
    """Stage that rows which were staged ahead count from now."""
    ahead = _staged_ahead(now).where(Job.id.in_(ids)).with_for_update(skip_locked=True)
    for job_id, due_at, created_at in db.session.execute(ahead).all():
        times = {"due_at": now + (due_at - created_at), "created_at": now}
        db.session.execute(update(Job).where(Job.id == job_id).values(**times), execution_options=_UNSYNCED)


def _staged_ahead(now: datetime) -> Select[int, datetime, datetime]:
    return _counted_from_staging(now).where(Job.created_at > now + CLOCKS_DIFFER, Job.due_at >= Job.created_at)


def _counted_from_staging(now: datetime) -> Select[int, datetime, datetime]:
    """Rows that are not due yet, and when they will be, which nobody was promised."""
    ahead = (Job.due_at > now, Job.due_at < PARKED_FROM)
    return select(Job.id, Job.due_at, Job.created_at).where(PENDING, Job.kind.not_in(PROMISED), *ahead)


def release(lane: int, why: str, now: datetime) -> int:
    """Stage that rows of a connection that wait for a reason (OUTAGE) are due now; return how many."""
    first = lane * URGENCIES
    waiting = (
        select(Job.id)
        .where(PENDING, Job.queue.between(first, first + URGENCIES - 1), Job.due_at > now, Job.error.startswith(why))
        .order_by(Job.id)
        .with_for_update(skip_locked=True)
        .cte("waiting")
    )
    moved = update(Job).where(Job.id.in_(select(waiting.c.id))).values(due_at=now).returning(Job.id)
    return len(db.session.execute(moved, execution_options=_UNSYNCED).all())
