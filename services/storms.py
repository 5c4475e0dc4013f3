"""More messages to one person or group than the platform shows, or people read: one summary stands for many.

Nothing is lost. Most of a recipient's room is for cards of single incidents. The rest is kept for summaries, which
leave every 20 s: a list of what there is, the worst first, with a way to all of it. Whatever it stands for ends as
it does.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, or_, select, update

from extensions import db
from models import Delivery, DeliveryState, Incident, Integration, Job, JobState, Progress, Severity
from platforms.base import Capabilities, Fact, IncidentCard
from services import integrations, leases, notifications, outbox
from services.clock import CLOCKS_DIFFER
from services.notifications import DELIVER
from services.send_scenes import Scene, Sent
from services.wording import Home, clock_time, say, speaking
from texts import N_, Text

SOURCE = "storm"
MERGED_SOURCES = ("incident", "resend")
KEPT_A_MINUTE, KEPT_AN_HOUR = 3, 200
"""Room that single cards leave to summaries: one every 20 s in a minute, and still one every 20 s of an hour."""
EVERY = timedelta(seconds=20)
COLLECTED_FOR = timedelta(seconds=2)
"""How long the first summary waits for what else comes with the same storm."""
LISTED = 6
RECORDED_WITHIN = timedelta(seconds=1)
"""When to look again if only messages on their way fill a limit."""


@dataclass(frozen=True)
class Limits:
    """How many messages one recipient gets at most in a minute and in an hour; 0: as many as there are."""

    in_minute: int
    in_hour: int


@dataclass(frozen=True)
class Item:
    """One incident of a summary."""

    num: int
    title: str
    severity: Severity


@dataclass(frozen=True)
class Summary:
    """What a summary says: how many incidents of each severity, and the worst of them. reference: of its message."""

    reference: str
    counts: dict[Severity, int]
    worst: tuple[Item, ...]

    @property
    def total(self) -> int:
        return sum(self.counts.values())


def limits(capabilities: Capabilities, *, is_group: bool) -> Limits:
    if is_group:
        return Limits(capabilities.sends_per_group_minute, 0)
    return Limits(capabilities.sends_per_member_minute, capabilities.sends_per_member_hour)


def is_one(sent: Sent, most: Limits) -> bool:
    """Whether another card of a single incident would take room that is kept for summaries."""
    windows = (sent.in_minute, most.in_minute, KEPT_A_MINUTE), (sent.in_hour, most.in_hour, KEPT_AN_HOUR)
    return any(room and count + sent.on_their_way >= room - kept for count, room, kept in windows)


def allowed_at(scene: Scene, most: Limits, now: datetime) -> datetime:
    """When a message to this recipient may leave at all: a platform drops more than it shows without a word."""
    sent = scene.sent
    windows = (
        (timedelta(minutes=1), sent.in_minute, most.in_minute),
        (timedelta(hours=1), sent.in_hour, most.in_hour),
    )
    full = [(window, room) for window, count, room in windows if room and count + sent.on_their_way >= room]
    return max([now, *(_free_at(scene, window, room - sent.on_their_way, now) for window, room in full)])


def _free_at(scene: Scene, window: timedelta, most: int, now: datetime) -> datetime:
    """When the message that is `most` back leaves the window."""
    if most <= 0 or scene.way is None:
        return now + RECORDED_WITHIN
    blocking = db.session.scalar(
        select(Delivery.sent_at)
        .where(Delivery.integration_id == scene.way.id, Delivery.external_user_id == scene.to)
        .where(Delivery.sent_at > now - window, Delivery.sent_at < now + CLOCKS_DIFFER, Delivery.summary_id.is_(None))
        .order_by(Delivery.sent_at.desc())
        .offset(most - 1)
        .limit(1)
    )
    return blocking + window if blocking else now


def join(delivery: Delivery, *, to: str, now: datetime) -> None:
    """Stage that a summary will tell it, one that is waiting or a new one."""
    summary = _waiting(delivery, to) or _new(delivery, to, now)
    delivery.summary_id, delivery.external_user_id = summary.id, to


def _of_recipient(delivery: Delivery, to: str) -> tuple[Any, ...]:
    return (
        Delivery.tenant_id == delivery.tenant_id,
        Delivery.integration_id == delivery.integration_id,
        Delivery.external_user_id == to,
    )


def _waiting(delivery: Delivery, to: str) -> Delivery | None:
    """A summary for this recipient that has not left; one that may have arrived says what it said."""
    open_ones = db.session.scalars(
        select(Delivery)
        .where(*_of_recipient(delivery, to), Delivery.source == SOURCE, Delivery.sent_at.is_(None))
        .where(Delivery.state.in_((DeliveryState.QUEUED, DeliveryState.RETRYING)))
        .order_by(Delivery.id.desc())
    )
    return next((one for one in open_ones if not one.failure.get("unanswered")), None)


def _new(delivery: Delivery, to: str, now: datetime) -> Delivery:
    last_at = db.session.scalar(
        select(func.max(Delivery.sent_at)).where(
            *_of_recipient(delivery, to),
            Delivery.source == SOURCE,
            Delivery.sent_at.between(now - EVERY, now + CLOCKS_DIFFER),
        )
    )
    due_at = max(now + COLLECTED_FOR, last_at + EVERY) if last_at else now + COLLECTED_FOR
    summary = Delivery(
        tenant_id=delivery.tenant_id,
        source=SOURCE,
        channel_kind=delivery.channel_kind,
        integration_id=delivery.integration_id,
        integration_name=delivery.integration_name,
        user_id=delivery.user_id,
        group_chat_id=delivery.group_chat_id,
        recipient_name=delivery.recipient_name,
        external_user_id=to,
        reference=notifications.new_reference(),
        created_at=now,
    )
    db.session.add(summary)
    db.session.flush()
    queue = outbox.queue_of(delivery.integration_id or 0, 0)
    outbox.enqueue(DELIVER, tenant_id=summary.tenant_id, subject_id=summary.id, due_at=due_at, now=now, queue=queue)
    return summary


def gather(summary: Delivery, *, now: datetime) -> Summary | None:
    """Stage that a summary stands for all that waits for its recipient; what it says, None for nothing.

    One that may have arrived stands for what it stood for.
    """
    if not (summary.state is DeliveryState.SENDING or summary.failure.get("unanswered")):
        _take_in(summary, now)
    rows = db.session.execute(
        select(Incident.num, Incident.title, Incident.severity)
        .join(Delivery, Delivery.incident_id == Incident.id)
        .where(Delivery.summary_id == summary.id, Delivery.state == DeliveryState.QUEUED)
        .distinct()
    )
    items = sorted((Item(*row) for row in rows), key=lambda item: (item.severity.rank, item.num))
    if not items:
        return None
    return Summary(summary.reference, dict(Counter(item.severity for item in items)), tuple(items[:LISTED]))


def _take_in(summary: Delivery, now: datetime) -> None:
    waiting = db.session.scalars(
        select(Delivery.id)
        .join(Incident, Incident.id == Delivery.incident_id)
        .where(*_of_recipient(summary, summary.external_user_id or ""), Delivery.sent_at.is_(None))
        .where(Delivery.state == DeliveryState.QUEUED, Delivery.source.in_(MERGED_SOURCES))
        .where(Delivery.summary_id.is_(None), Incident.progress != Progress.CLOSED)
        .where(or_(Incident.snoozed_until.is_(None), Incident.snoozed_until <= now))
        .order_by(Delivery.id)
        .with_for_update(of=Delivery, skip_locked=True)
    ).all()
    for start in range(0, len(waiting), 500):
        some = waiting[start : start + 500]
        unsynced = {"synchronize_session": False}
        db.session.execute(
            update(Delivery).where(Delivery.id.in_(some)).values(summary_id=summary.id), execution_options=unsynced
        )
        free = select(Job.id).where(Job.kind == DELIVER, Job.subject_id.in_(some), Job.state == JobState.PENDING)
        free = free.where(leases.has_ended(now)).with_for_update(skip_locked=True)  # who claims one waits for us
        rows = update(Job).where(Job.id.in_(free)).values(state=JobState.DONE, finished_at=now)
        db.session.execute(rows, execution_options=unsynced)


def ended(summary: Delivery) -> None:
    """Stage that what a summary stands for ended as it did. Nothing for a message of its own."""
    if summary.source != SOURCE or not summary.state.is_final:
        return
    values = {
        "state": summary.state,
        "sent_at": summary.sent_at,
        "failure_code": summary.failure_code,
        "failure": summary.failure,
        "platform_message_id": summary.platform_message_id,
    }
    db.session.execute(
        update(Delivery)
        .where(Delivery.tenant_id == summary.tenant_id, Delivery.summary_id == summary.id)
        .where(Delivery.state == DeliveryState.QUEUED)
        .values(**values)
        .execution_options(synchronize_session=False)
    )


def draw(summary: Summary, integration: Integration, home: Home, now: datetime, *, is_group: bool) -> IncidentCard:
    """The card of a summary: no buttons, and a click leads to the list, in a group to everybody's."""
    with speaking(home):
        why = N_("截至 %(at)s，短时间内发往本群的告警过多") if is_group else N_("截至 %(at)s，超过平台的单人发送上限")
        tone = "critical" if Severity.CRITICAL in summary.counts else "warning"
        return IncidentCard(
            reference=summary.reference,
            source=say(N_("值班铃")),
            tone=tone,
            title=say(Text(N_("[告警风暴] %(count)s 条告警合并通知"), count=summary.total)),
            subtitle=say(Text(why, at=clock_time(now, now))),
            elapsed="",
            facts=tuple(_facts(summary.counts)),
            body=tuple(_lines(summary)),
            footer="",
            url=f"{integrations.app_url(integration)}/incidents{'?filter=open' if is_group else ''}",
            buttons=(),
        )


def _facts(counts: dict[Severity, int]) -> Sequence[Fact]:
    worst_first = sorted(counts, key=lambda severity: severity.rank)
    return [Fact(say(severity.label), str(counts[severity])) for severity in worst_first]


def _lines(summary: Summary) -> Sequence[str]:
    lines = [f"#{item.num} [{say(item.severity.label)}] {item.title}" for item in summary.worst]
    if summary.total > len(summary.worst):
        lines.append(say(Text(N_("… 另有 %(count)s 条，点击查看列表"), count=summary.total - len(summary.worst))))
    return lines
