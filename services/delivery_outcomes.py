"""What became of a try to send: recorded on the delivery, its card, the link and the integration."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import exists, func, or_, select, update

from extensions import db
from models import (
    Delivery,
    DeliveryAttempt,
    DeliveryState,
    Integration,
    Job,
    JobState,
    LinkState,
)
from platforms.base import Capabilities, SentMessage
from platforms.errors import PlatformError, RateLimited, RecipientUnreachable
from services import failures, linking, retries
from services.notifications import DELIVER

MESSAGE_LENGTH = 500
PAUSE_WITHOUT_HINT = timedelta(seconds=60)
TEST_TRIES = 4
NOTED_EVERY = timedelta(seconds=5)
RELEASED_AT_ONCE = 500
RECORDED_WITHIN = timedelta(seconds=1)
"""When to look again if only messages on their way fill a limit."""


@dataclass(frozen=True)
class Try:
    """One call: when it began, how long it took, and the error it ended with, if any."""

    at: datetime
    latency_ms: int
    error: PlatformError | None = None
    was_repeat: bool = False


def note_try(delivery: Delivery, made: Try) -> int:
    """Stage the record of a call; return how many there have been for this delivery."""
    error = made.error
    outcome = error.failure if error else ("repeat" if made.was_repeat else "sent")
    message = ""
    if error is not None:
        message = error.platform_message or error.detail
    db.session.add(
        DeliveryAttempt(
            tenant_id=delivery.tenant_id,
            delivery_id=delivery.id,
            at=made.at,
            outcome=outcome,
            http_status=error.http_status if error else None,
            platform_code=error.platform_code if error else None,
            message=message[:MESSAGE_LENGTH],
            latency_ms=made.latency_ms,
        )
    )
    db.session.flush()
    counted = select(func.count()).select_from(DeliveryAttempt).where(DeliveryAttempt.delivery_id == delivery.id)
    return db.session.scalar(counted) or 0


def sent(delivery: Delivery, integration: Integration, message: SentMessage, *, now: datetime) -> None:
    """The platform accepted it. What waits because the platform was down need not wait any longer."""
    delivery.state = DeliveryState.SENT
    delivery.platform_message_id = message.message_id or delivery.platform_message_id
    delivery.rendered = {"truncated_lines": message.truncated_lines, "lacks_buttons": message.lacks_buttons}
    delivery.failure_code, delivery.failure, delivery.next_attempt_at = None, {}, None
    delivery.sent_at = now
    _mend_link(delivery, integration)
    _note_sent_at(integration, now)
    _release_waiting(integration, now)


def failed(delivery: Delivery, code: str, error: PlatformError | None = None) -> None:
    """It will not be tried again; the page says why and what to do."""
    delivery.state = DeliveryState.FAILED
    delivery.failure_code = code
    delivery.failure = failures.memo(error) if error else {}
    delivery.next_attempt_at = None


def dropped(delivery: Delivery, state: DeliveryState, reason: str) -> None:
    """It was decided not to send: skipped or cancelled; reason: a key of failures.SKIPS."""
    delivery.state, delivery.failure_code, delivery.next_attempt_at = state, reason, None


def refused(delivery: Delivery, integration: Integration, error: PlatformError) -> None:
    """The platform answered that it never will. An account that is gone breaks its link."""
    failed(delivery, error.failure, error)
    if isinstance(error, RecipientUnreachable) and delivery.user_id is not None:
        link = linking.find_for_user(integration, delivery.user_id)
        if link is not None and link.state is LinkState.ACTIVE:
            link.state = LinkState.BROKEN


def retry_at(
    delivery: Delivery,
    integration: Integration,
    error: PlatformError,
    *,
    tries: int,
    now: datetime,
    earlier_try_unanswered: bool = False,
) -> datetime | None:
    """Stage waiting for another try; None if it was given up and failed instead.

    One message of an integration that is down is tried more often than its schedule says, to find the end of it.
    earlier_try_unanswered  is remembered whatever this try ended with: the message may have arrived then
    """
    age = now - delivery.created_at
    wait = retries.delay(tries)
    if retries.is_over(age, wait) or (delivery.source == "test" and tries >= TEST_TRIES):
        failed(delivery, error.failure, error)
        return None
    if error.failure in failures.OUTAGES and not _is_probed(delivery, integration, now + retries.probe_delay(age)):
        wait = min(wait, retries.probe_delay(age))
    due_at = now + retries.with_jitter(wait)
    if isinstance(error, RateLimited) or error.retry_after is not None:
        due_at = max(due_at, pause(integration, error, now))
    delivery.state, delivery.next_attempt_at = DeliveryState.RETRYING, due_at
    memo = failures.memo(error)
    delivery.failure_code = error.failure
    delivery.failure = memo | {"unanswered": memo["unanswered"] or earlier_try_unanswered}
    return due_at


def pause(integration: Integration, error: PlatformError, now: datetime) -> datetime:
    """Stage that nothing of this application is sent before the platform allows it; return until when."""
    until = now + (error.retry_after or PAUSE_WITHOUT_HINT)
    db.session.execute(
        update(Integration)
        .where(Integration.id == integration.id)
        .where(or_(Integration.paused_until.is_(None), Integration.paused_until < until))
        .values(paused_until=until)
        .execution_options(synchronize_session=False)
    )
    return until


def allowed_at(delivery: Delivery, integration: Integration, capabilities: Capabilities, now: datetime) -> datetime:
    """When a message to this person may leave: more than the platform shows are dropped by it without a word.

    Hold the person's link, so that of two messages at once the second counts the first.
    """
    on_their_way = _on_their_way(delivery, integration)
    limits = (
        (timedelta(minutes=1), capabilities.sends_per_member_minute - on_their_way),
        (timedelta(hours=1), capabilities.sends_per_member_hour - on_their_way),
    )
    return max([now, *(_free_at(delivery, integration, window, most, now) for window, most in limits)])


def _on_their_way(delivery: Delivery, integration: Integration) -> int:
    """How many other messages to this person have left and were not recorded yet."""
    leaving = select(func.count()).where(
        Delivery.tenant_id == delivery.tenant_id,
        Delivery.integration_id == integration.id,
        Delivery.external_user_id == delivery.external_user_id,
        Delivery.sent_at.is_(None),
        Delivery.state == DeliveryState.SENDING,
        Delivery.id != delivery.id,
    )
    return db.session.scalar(leaving) or 0


def _free_at(delivery: Delivery, integration: Integration, window: timedelta, most: int, now: datetime) -> datetime:
    """When the message that is `most` back leaves the window; now if there are fewer in it."""
    if most <= 0:
        return now + RECORDED_WITHIN
    blocking = db.session.scalar(
        select(Delivery.sent_at)
        .where(
            Delivery.tenant_id == delivery.tenant_id,
            Delivery.integration_id == integration.id,
            Delivery.external_user_id == delivery.external_user_id,
            Delivery.sent_at > now - window,
        )
        .order_by(Delivery.sent_at.desc())
        .offset(most - 1)
        .limit(1)
    )
    return blocking + window if blocking else now


def _is_probed(delivery: Delivery, integration: Integration, before: datetime) -> bool:
    """Whether another message of this integration is tried again soon enough."""
    other = exists().where(
        Delivery.tenant_id == integration.tenant_id,
        Delivery.integration_id == integration.id,
        Delivery.state == DeliveryState.RETRYING,
        Delivery.next_attempt_at <= before,
        Delivery.id != delivery.id,
    )
    return bool(db.session.scalar(select(other)))


def _mend_link(delivery: Delivery, integration: Integration) -> None:
    if delivery.user_id is None:
        return
    link = linking.find_for_user(integration, delivery.user_id)
    if link is not None and link.state is LinkState.BROKEN:
        link.state = LinkState.ACTIVE


def _note_sent_at(integration: Integration, now: datetime) -> None:
    """Now and then only, and past the version column: many workers send for one integration at once."""
    db.session.execute(
        update(Integration)
        .where(Integration.id == integration.id)
        .where(or_(Integration.last_send_at.is_(None), Integration.last_send_at < now - NOTED_EVERY))
        .values(last_send_at=now)
        .execution_options(synchronize_session=False)
    )


def _release_waiting(integration: Integration, now: datetime) -> None:
    """Let messages that waited for the end of an outage go at once."""
    waiting = db.session.scalars(
        select(Delivery.id)
        .where(
            Delivery.tenant_id == integration.tenant_id,
            Delivery.integration_id == integration.id,
            Delivery.state == DeliveryState.RETRYING,
            Delivery.failure_code.in_(failures.OUTAGES),
            Delivery.next_attempt_at > now,
        )
        .limit(RELEASED_AT_ONCE)
    ).all()
    if not waiting:
        return
    db.session.execute(
        update(Job)
        .where(Job.kind == DELIVER, Job.subject_id.in_(waiting), Job.state == JobState.PENDING, Job.due_at > now)
        .values(due_at=now)
        .execution_options(synchronize_session=False)
    )
