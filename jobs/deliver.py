"""Sending one card to one person or group: decide, let go of the database, call, record.

Budget of a card that arrives: two transactions, some 6 ms of CPU. The first one claims the row, reads all that the
card shows and notes that it is being sent; the second one records what came of it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from flask import g
from sqlalchemy import bindparam, select, update

from crashpoints import crash_here
from extensions import db
from jobs import answering, outbox
from jobs.handling import Go, Settle
from jobs.outbox import Claim, Done, Later, Outcome
from jobs.runner import FROZEN_FOR
from models import Delivery, DeliveryState, GroupState, Incident, IntegrationStatus, LinkState, Severity, TenantStatus
from platforms.base import Capabilities, IncidentCard, Recipient, SentMessage
from platforms.errors import PlatformError
from services import (
    card_contents,
    circuits,
    delivery_outcomes,
    incident_cards,
    incidents,
    integrations,
    pacing,
    pictures,
    send_scenes,
    storms,
    text_messages,
    trial_cards,
)
from services.card_bodies import Wording
from services.card_contents import Content
from services.clock import utcnow
from services.delivery_outcomes import Try
from services.integrations import Connected
from services.outbox import IN_ORDER, OUTAGE, STALE_AFTER
from services.send_scenes import Scene, Way
from services.statements import Statement

DEDUPE_MARGIN = timedelta(minutes=5)
MADE_UNSEEN = "made_unseen"
"""In Delivery.rendered: the platform has the message, but nobody has got it. An unanswered try then tells nothing."""
BUSY_FOR = timedelta(milliseconds=20)
NEXT_IN_ORDER = timedelta(milliseconds=200)
LOOK_FOR_ORDER = timedelta(seconds=1)

_DELIVERIES: Any = Delivery.__table__
_NOTE_SENDING = Statement(
    update(_DELIVERIES)
    .where(_DELIVERIES.c.id == bindparam("of_id"))
    .values(
        state=DeliveryState.SENDING,
        next_attempt_at=None,
        external_user_id=bindparam("to"),
        rendered=bindparam("about_first_try"),
    )
)
_PUT_BACK = Statement(
    update(_DELIVERIES)
    .where(_DELIVERIES.c.id == bindparam("of_id"), _DELIVERIES.c.state == DeliveryState.SENDING)
    .values(
        state=bindparam("state_before"), next_attempt_at=bindparam("next_at"), rendered=bindparam("about_first_try")
    )
)


@dataclass(frozen=True)
class Drawn:
    """A card, or the words of a message that is a mere text. fingerprint: of what a card says that is kept true."""

    card: IncidentCard | str
    fingerprint: str = ""


@dataclass(frozen=True)
class Plan:
    """A message that is ready to be drawn and to leave.

    unanswered    an earlier try may have arrived
    first_shown   the incident's version that the first try showed; None for what shows no incident
    wording       the template that writes it, which knows afterwards whether it could
    """

    scene: Scene
    way: Way
    connected: Connected
    draw: Callable[[], Drawn]
    unanswered: bool
    first_shown: int | None
    wording: Wording | None

    @property
    def capabilities(self) -> Capabilities:
        return self.connected.platform.capabilities


def run(mine: Claim) -> Outcome | Go:
    """Handle a "deliver" row, whose claim is not committed yet."""
    now = utcnow()
    plan = _begin(mine, now)
    if not isinstance(plan, Plan):
        return plan
    return Go(lambda: _deliver(mine, plan, now), undo=lambda: _put_back(mine, plan.scene))


def hold(claims: list[Claim]) -> None:
    """Lock whom several messages of one connection go to."""
    ids = [mine.subject_id for mine in claims]
    send_scenes.hold_recipients(db.session.connection(), ids, tenant_id=claims[0].tenant_id)


def _put_back(mine: Claim, scene: Scene) -> None:
    """Stage that this try was never made: whether an earlier one arrived is as open as it was."""
    next_at = mine.due_at if scene.state is DeliveryState.RETRYING else None
    before = {"of_id": scene.id, "state_before": scene.state, "next_at": next_at, "about_first_try": scene.rendered}
    _PUT_BACK.run(db.session.connection(), before)


def _deliver(mine: Claim, plan: Plan, now: datetime) -> Settle:
    """Call the platform; now: when this try was decided on."""
    drawn = plan.draw()
    crash_here("worker.before_send")
    g.called_platform = True
    began = time.monotonic()
    result = _send(plan, drawn.card)
    crash_here("worker.after_send")
    made = Try(
        at=now,
        latency_ms=int((time.monotonic() - began) * 1000),
        error=result if isinstance(result, PlatformError) else None,
        was_repeat=isinstance(result, SentMessage) and result.was_repeat,
    )
    if isinstance(result, PlatformError):
        return Settle(lambda: _record_failure(mine, plan, made, result))
    incident = plan.scene.incident
    return Settle(
        lambda: _record_arrival(mine, plan, drawn, made, result),
        prepare=lambda: _note_answering(plan),
        shares=True,
        locks=incident.id if incident else 0,
    )


def gave_up(mine: Claim, error: str) -> None:
    """Show on the delivery that it cannot be sent because of a fault of ours."""
    delivery = _delivery(mine)
    if delivery is not None and not delivery.state.is_final:
        delivery_outcomes.failed(delivery, "internal")
        delivery.failure = {"internal": error[:200]}
        storms.ended(delivery)
        delivery_outcomes.let_the_next_go(delivery, utcnow())


def _delivery(mine: Claim) -> Delivery | None:
    return db.session.scalar(
        select(Delivery)
        .where(Delivery.tenant_id == mine.tenant_id, Delivery.id == mine.subject_id)
        .execution_options(populate_existing=True)
    )


# --- deciding -----------------------------------------------------------------------------------------------------


def _begin(mine: Claim, now: datetime) -> Plan | Outcome:
    """Decide on the present state whether, when and what to send; stage that it is being sent."""
    scene = send_scenes.read(db.session.connection(), mine.subject_id, tenant_id=mine.tenant_id, now=now)
    if scene is None:
        return Done() if _delivery(mine) is None else Later(now + BUSY_FOR, "being changed")
    if scene.state.is_final or scene.summary_id is not None:
        return Done()
    if scene.home.status is TenantStatus.FROZEN:
        return Later(now + FROZEN_FOR, "organisation frozen")
    ending = _ending(mine, scene, now)
    if ending or scene.way is None:
        delivery = db.session.get_one(Delivery, scene.id, populate_existing=True)
        delivery_outcomes.ended(delivery, *(ending or (DeliveryState.FAILED, "integration_disabled")))
        storms.ended(delivery)
        delivery_outcomes.let_the_next_go(delivery, now)
        return Done()
    try:
        return _turn(mine, scene, scene.way, now) or _plan(scene, scene.way, now)
    except PlatformError as error:  # the entered address of a private deployment may not be called
        delivery = db.session.get_one(Delivery, scene.id, populate_existing=True)
        delivery_outcomes.failed(delivery, error.failure, error)
        storms.ended(delivery)
        delivery_outcomes.let_the_next_go(delivery, now)
        return Done()


def _ending(mine: Claim, scene: Scene, now: datetime) -> tuple[DeliveryState, str] | None:
    """The state and reason to end with instead of sending."""
    incident = scene.incident
    if incident is not None and not incident.is_open:
        return DeliveryState.CANCELLED, "closed"
    if incident is not None and incident.is_snoozed(now) and scene.source == "incident":
        return DeliveryState.SKIPPED, "snoozed"
    failure = _failure(scene)
    if failure or scene.way is None:
        return DeliveryState.FAILED, failure or "integration_disabled"
    waiting_since = max(filter(None, (mine.due_at, circuits.blocked_at(scene.way))))
    if scene.source != "test" and now - waiting_since > STALE_AFTER:
        return DeliveryState.FAILED, "outcome_unknown" if _is_unanswered(scene) else "held"
    is_forgotten = now - _first_tried_at(scene, now) > _dedupe_window(scene.way)
    if _is_unanswered(scene) and (is_forgotten or scene.rendered.get(MADE_UNSEEN)):
        return DeliveryState.FAILED, "outcome_unknown"
    return None


def _failure(scene: Scene) -> str | None:
    """Why it cannot be sent; a link made or lost since the delivery was queued counts. A broken link is tried."""
    allowed = {IntegrationStatus.ACTIVE} | ({IntegrationStatus.DRAFT} if scene.source == "test" else set())
    if scene.way is None or scene.way.status not in allowed:
        return "integration_disabled"
    if scene.group is not None and scene.group.state is not GroupState.ACTIVE:
        return "chat_gone"
    if scene.user_id is None:
        return None
    if scene.link_state is None:
        return "app_not_linked"
    return "link_pending" if scene.link_state is LinkState.PENDING else None


def _turn(mine: Claim, scene: Scene, way: Way, now: datetime) -> Outcome | None:
    """Wait for the platform, for an earlier message, or for our own rate; none of it is a try. None: it is its turn."""
    if not mine.is_probe and (closed_until := circuits.closed_until(way, now)):
        return Later(closed_until, f"{OUTAGE}the platform is not called now")
    if scene.waits_for is not None:
        return Later(max(now + LOOK_FOR_ORDER, scene.waits_for + NEXT_IN_ORDER), f"{IN_ORDER}after another")
    capabilities = integrations.connected_as(way.id, way.version).platform.capabilities
    limits = storms.limits(capabilities, is_group=scene.group is not None)
    is_untried = scene.state is DeliveryState.QUEUED and scene.source in storms.MERGED_SOURCES
    if is_untried and storms.is_one(scene.sent, limits):
        delivery = db.session.get_one(Delivery, scene.id, populate_existing=True)
        storms.join(delivery, to=scene.to, now=now)
        return Done()
    if (free_at := storms.allowed_at(scene, limits, now)) > now:
        return Later(free_at, "as many as the platform shows")
    is_urgent = scene.incident is None or scene.incident.severity is Severity.CRITICAL
    paced_to = pacing.free_at(way.id, scene.to, capabilities, now, is_urgent=is_urgent)
    return Later(paced_to, "as fast as the platform takes them") if paced_to else None


def _is_unanswered(scene: Scene) -> bool:
    return scene.state is DeliveryState.SENDING or bool(scene.failure.get("unanswered"))


def _first_tried_at(scene: Scene, now: datetime) -> datetime:
    tried_at = scene.rendered.get("tried_at")
    return datetime.fromisoformat(tried_at) if tried_at else now


def _dedupe_window(way: Way) -> timedelta:
    """How long the platform knows the first try again, with a margin for clocks."""
    hours = integrations.connected_as(way.id, way.version).platform.capabilities.dedupe_hours
    return max(timedelta(hours=hours) - DEDUPE_MARGIN, timedelta())


def _plan(scene: Scene, way: Way, now: datetime) -> Plan | Outcome:
    connected = integrations.connected_as(way.id, way.version)
    wording = _wording(scene, connected)
    draw = _drawing(scene, connected, now, wording)
    if draw is None:
        return Done()
    unanswered = _is_unanswered(scene)
    version = scene.incident.version if scene.incident else None
    about: dict[str, Any] = {"tried_at": now.isoformat(), "version": version}
    if unanswered:
        about = {name: scene.rendered.get(name, known) for name, known in about.items()}
    about |= text_messages.words_kept(scene.rendered)
    about |= {name: True for name in (MADE_UNSEEN,) if scene.rendered.get(name)}
    sending = {"of_id": scene.id, "to": scene.to or None, "about_first_try": about}
    _NOTE_SENDING.run(db.session.connection(), sending)
    return Plan(scene, way, connected, draw, unanswered, about["version"], wording)


def _wording(scene: Scene, connected: Connected) -> Wording | None:
    if scene.incident is None:
        return None
    return card_contents.wording_of(db.session.connection(), scene.incident, scene.message, connected.integration)


def _drawing(scene: Scene, connected: Connected, now: datetime, wording: Wording | None) -> Callable[[], Drawn] | None:
    """What draws it, once the database was let go; None if there is nothing to tell any more."""
    integration, incident = connected.integration, scene.incident
    if incident is not None:
        return lambda: _drawn(card_contents.of(incident, scene.message, integration, scene.home, now, wording=wording))
    if scene.source in text_messages.SOURCES:
        return lambda: Drawn(text_messages.words_of(scene.rendered))
    delivery = db.session.get_one(Delivery, scene.id, populate_existing=True)
    if scene.source == storms.SOURCE:
        summary = storms.gather(delivery, now=now)
        if summary is None:
            delivery_outcomes.ended(delivery, DeliveryState.CANCELLED, "closed")
            return None
        is_group = scene.group is not None
        return lambda: Drawn(storms.draw(summary, integration, scene.home, now, is_group=is_group))
    drawn = Drawn(trial_cards.build(integration, delivery, now=now))
    return lambda: drawn


def _drawn(content: Content) -> Drawn:
    return Drawn(incident_cards.draw(content), content.fingerprint)


def _send(plan: Plan, card: IncidentCard | str) -> SentMessage | PlatformError:
    scene, group = plan.scene, plan.scene.group
    is_everybody = text_messages.is_to_everybody(scene, plan.capabilities)
    to = Recipient(scene.to, scene.recipient_name, group is not None, group.details if group else {}, is_everybody)
    try:
        if isinstance(card, str):
            return plan.connected.platform.send_text(to, card, reference=scene.message.reference)
        return plan.connected.platform.send_card(to, card, earlier_try_unanswered=plan.unanswered)
    except PlatformError as error:
        return error


# --- recording ----------------------------------------------------------------------------------------------------


def _record_arrival(mine: Claim, plan: Plan, drawn: Drawn, made: Try, message: SentMessage) -> Outcome:
    """Stage the outcome under the incident's lock, so that a change meanwhile is seen by one of the two."""
    incident = plan.scene.incident
    if incident is not None and pictures.are_missing(incident.images, plan.connected.integration):
        pictures.ask(incident.id, plan.connected.integration, now=utcnow())
    delivery_outcomes.sent(
        delivery_outcomes.Arrived(
            plan.scene,
            plan.connected.integration,
            message,
            made,
            shown=drawn.fingerprint,
            is_shown_truly=plan.first_shown == (incident.version if incident else None),
            code_hours=plan.capabilities.update_code_hours,
            wording=plan.wording.as_rendered() if plan.wording else {},
        ),
        now=utcnow(),
    )
    return Done()


def _note_answering(plan: Plan) -> None:
    """Whatever waited for the end of an outage may leave; when something was sent is noted now and then."""
    now = utcnow()
    answering.answered(plan.way, now)
    delivery_outcomes.note_working(plan.connected.integration, now)


def _record_failure(mine: Claim, plan: Plan, made: Try, error: PlatformError) -> Outcome:
    """May be repeated: what is committed on the way only concerns the connection."""
    bounds = answering.failed(plan.way, error, utcnow())
    incident_id = plan.scene.incident.id if plan.scene.incident else None
    incident: Incident | None = incidents.lock(incident_id, mine.tenant_id) if incident_id else None
    delivery = _delivery(mine)
    if delivery is None:
        return Done()
    tries = 0 if error.unsent else delivery_outcomes.note_try(delivery, made)
    if delivery.state is DeliveryState.SENT:  # a press came in meanwhile and proved that it arrived
        return Done()
    if error.is_made_unseen:
        delivery.rendered = {**delivery.rendered, MADE_UNSEEN: True}
    due_at = None
    if incident is not None and not incident.is_open:
        delivery_outcomes.ended(delivery, DeliveryState.CANCELLED, "closed")
    elif not error.retryable:
        delivery_outcomes.refused(delivery, plan.connected.integration, error, tried_at=made.at)
    else:
        due_at = delivery_outcomes.retry_at(
            delivery,
            error,
            tries=tries,
            now=utcnow(),
            earlier_try_unanswered=plan.unanswered and not error.nothing_arrived,
            not_before=bounds.not_before,
            not_after=outbox.last_probe(mine, bounds.probe_at),
        )
    if due_at is not None:
        return Later(due_at, f"{OUTAGE if circuits.is_outage(error) else ''}{error.code}")
    storms.ended(delivery)
    delivery_outcomes.let_the_next_go(delivery, utcnow())
    return Done()
