"""A person pressed a button on a card: who is it, may they, what happens, and what are they answered.

Everything is in the caller's one transaction. Nobody is left without an answer: a refusal is told in a private
message where the platform has no place to say it.
"""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import bindparam, or_, select, update
from sqlalchemy.orm import joinedload

from errors import NotFound
from extensions import db
from models import (
    Card,
    CardState,
    CheckState,
    Delivery,
    DeliveryState,
    Incident,
    Integration,
    IntegrationStatus,
    LinkState,
    Membership,
    MembershipState,
)
from platforms import PLATFORMS
from platforms.base import CardButton, CardPress, Fact, IncidentCard
from services import (
    card_keys,
    cards,
    checks,
    incident_cards,
    incidents,
    linking,
    outbox,
    private_messages,
    receipts,
    rights,
    trial_cards,
)
from services.incidents import Outcome
from services.instance import current_settings
from services.notifications import DELIVER
from services.visibility import sees_incident
from texts import N_, Text

SNOOZES = {incident_cards.SNOOZE_MINUTES, *(minutes for minutes, _text in incident_cards.LONGER_SNOOZES)}
NOTED_EVERY = timedelta(seconds=10)
_PRESSED = (
    select(Delivery)
    .where(
        Delivery.tenant_id == bindparam("tenant_id"),
        Delivery.integration_id == bindparam("integration_id"),
        Delivery.reference == bindparam("reference"),
    )
    .options(joinedload(Delivery.notification))
)

INVALID = Text(N_("该卡片已失效"))
DISABLED = Text(N_("集成已停用，请联系管理员"))
NO_RIGHT = Text(N_("您没有处理该故障的权限"))

log = logging.getLogger(__name__)


class Refused(Exception):
    """The press does nothing; `text` is told to whoever pressed."""

    def __init__(self, text: Text) -> None:
        super().__init__(text.message)
        self.text = text


@dataclass(frozen=True)
class PressResult:
    """What the platform is answered: the presser's new card, if the answer can carry one; text: what happened."""

    card: IncidentCard | None
    text: Text | None = None


def handle(integration: Integration, press: CardPress, *, now: datetime) -> PressResult:
    """Stage what a verified press does. A repeat of the same event changes nothing and gets the same answer."""
    scope = f"{integration.platform}:{integration.id}"
    receipt, is_new = receipts.take(scope, press.event_key, tenant_id=integration.tenant_id, now=now)
    if not is_new:
        return PressResult(_remembered(receipt.answer))
    result = _answer(integration, press, now)
    receipt.answer = {"card": asdict(result.card)} if result.card else {}
    note_callback(integration, now)  # last: whoever records a sending holds the incident before the integration, too
    return result


def _answer(integration: Integration, press: CardPress, now: datetime) -> PressResult:
    try:
        delivery, action = _recognised(integration, press)
        if action == trial_cards.ACTION:
            return _trial(integration, delivery, press, now)
        return _act(integration, delivery, action, press, now)
    except Refused as refusal:
        log.info("A press was refused: %s", refusal.text.message)
        private_messages.tell(integration, press.external_user_id, refusal.text, now=now)
        return PressResult(None, refusal.text)


def _recognised(integration: Integration, press: CardPress) -> tuple[Delivery, str]:
    """The message that was pressed on, and the action that we drew there. Raises Refused."""
    message = {"integration_id": integration.id, "reference": press.reference}
    delivery = db.session.scalar(_PRESSED, {"tenant_id": integration.tenant_id} | message)
    action = card_keys.read(current_settings().secret_key, press.button_key, press.reference)
    if delivery is None or action is None:
        raise Refused(INVALID)
    if integration.status is IntegrationStatus.DISABLED:
        raise Refused(DISABLED)
    return delivery, action


def _act(integration: Integration, delivery: Delivery, action: str, press: CardPress, now: datetime) -> PressResult:
    try:
        incident = incidents.lock(delivery.incident_id or 0, integration.tenant_id)
    except NotFound:
        raise Refused(INVALID) from None
    member = _presser(integration, press)
    card = _pressed_card(integration, delivery, incident, press, now)
    _check_rights(member, incident, action)
    outcome = _do(action, incident, member, f"card_{integration.platform}", now)
    _mark_press_check(integration, now)
    return _show(integration, delivery, incident, card, Shown(action, outcome.text, now, press.update_code))


# --- who pressed --------------------------------------------------------------------------------------------------


def _presser(integration: Integration, press: CardPress) -> Membership:
    """The member behind the platform's account. Raises Refused with what stands in the way."""
    found = linking.find_member(integration, press.external_user_id)
    if found is None and linking.find(integration, press.external_user_id) is not None:
        raise Refused(NO_RIGHT)  # linked, but no longer a member
    if found is None or found[1] is LinkState.BROKEN:
        platform = Text(PLATFORMS[integration.platform].label)
        raise Refused(
            Text(
                N_("未关联应用：请在 %(workbench)s 打开「%(app)s」完成一次登录后再操作"),
                workbench=Text(N_("%(platform)s工作台"), platform=platform),
                app=integration.name,
            )
        )
    member, link_state = found
    if rights.is_in_force(member) and link_state is LinkState.ACTIVE:
        return member
    raise Refused(Text(N_("您的成员状态为 %(state)s，暂不能操作"), state=Text(_state_label(member))))


def _state_label(member: Membership) -> str:
    if member.user.is_disabled:
        return N_("已停用")
    if member.state is MembershipState.ACTIVE:  # the link waits, or the organisation is frozen
        return N_("审核中") if rights.is_in_force(member) else N_("组织已冻结")
    return member.state.label


def _check_rights(member: Membership, incident: Incident, action: str) -> None:
    """Whoever sees an incident may refresh its card; acting on it needs the right. Raises Refused."""
    if not sees_incident(incident, member):
        raise Refused(NO_RIGHT)
    if action != "refresh" and not rights.can(member, "incident.handle"):
        raise Refused(NO_RIGHT)


# --- what happens -------------------------------------------------------------------------------------------------


def _pressed_card(
    integration: Integration, delivery: Delivery, incident: Incident, press: CardPress, now: datetime
) -> Card:
    """The card, made now if the press came in before the worker could record the sending; with its new right."""
    if delivery.state is not DeliveryState.SENT:
        delivery.state, delivery.sent_at = DeliveryState.SENT, delivery.sent_at or now
        delivery.failure_code, delivery.failure, delivery.next_attempt_at = None, {}, None
        delivery.external_user_id = delivery.external_user_id or press.external_user_id
        outbox.cancel(DELIVER, tenant_id=delivery.tenant_id, subject_id=delivery.id)
    card = cards.open_card(delivery, incident, message_id="", fingerprint="", now=now)
    if press.update_code:
        hours = PLATFORMS[integration.platform].capabilities.update_code_hours
        cards.add_code(card, press.update_code, origin="press", hours=hours, now=now)
        if card.state is CardState.STALE:
            cards.schedule(card, now=now)
    return card


def _do(action: str, incident: Incident, member: Membership, via: str, now: datetime) -> Outcome:
    verb, _, argument = action.partition(":")
    if verb == "snooze" and argument.isdecimal() and int(argument) in SNOOZES:
        return incidents.snooze(incident, by=member, via=via, now=now, minutes=int(argument))
    if verb == "acknowledge":
        return incidents.acknowledge(incident, by=member, via=via, now=now)
    if verb == "close":
        return incidents.close(incident, by=member, via=via, now=now)
    if verb == "wake":
        return incidents.wake(incident, by=member, via=via, now=now)
    if verb == "refresh":
        return incidents.refresh(incident, by=member, via=via, now=now)
    raise Refused(INVALID)


@dataclass(frozen=True)
class Shown:
    """What the card is to show: the action just done, what it was answered, when; and the press's right to update."""

    action: str
    text: Text
    at: datetime
    update_code: str | None


def _show(integration: Integration, delivery: Delivery, incident: Incident, card: Card, what: Shown) -> PressResult:
    """Answer with the card as it is now, or have it updated where the answer cannot carry it."""
    now = what.at
    is_superseded = card.state is CardState.SUPERSEDED
    refreshed_at = now if what.action == "refresh" else None
    around: dict[str, Any] = {"integration": integration, "delivery": delivery, "now": now}
    drawn = incident_cards.build(incident, **around, is_superseded=is_superseded, refreshed_at=refreshed_at)
    if not answers_in_reply(integration):
        cards.schedule(card, now=now, refreshed_at=refreshed_at)
        return PressResult(None, what.text)
    if what.update_code:
        cards.spend(card, what.update_code, now=now)
    plain = drawn if refreshed_at is None else incident_cards.build(incident, **around, is_superseded=is_superseded)
    cards.shown(card, plain.fingerprint, now=now)
    return PressResult(drawn, what.text)


def answers_in_reply(integration: Integration) -> bool:
    """Whether the answer to a press carries the presser's card: the platform can, and the operator has not said no."""
    chosen = getattr(current_settings(), f"{integration.platform}_press_reply", "passive")
    return PLATFORMS[integration.platform].capabilities.answers_in_reply and chosen == "passive"


def _trial(integration: Integration, delivery: Delivery, press: CardPress, now: datetime) -> PressResult:
    """A test card's button came back, whoever pressed it: that is the proof."""
    _mark_press_check(integration, now)
    text = Text(N_("[测试] 按钮回调正常"))
    if answers_in_reply(integration):
        return PressResult(trial_cards.build(integration, delivery, now=now, pressed_at=now), text)
    payload = {"code": press.update_code, "at": now.isoformat()}
    outbox.enqueue(
        "update_trial_card",
        tenant_id=integration.tenant_id,
        subject_id=delivery.id,
        due_at=now,
        now=now,
        payload=payload,
        queue=outbox.queue_of(integration.id),
    )
    return PressResult(None, text)


# --- notes --------------------------------------------------------------------------------------------------------


def _mark_press_check(integration: Integration, now: datetime) -> None:
    """A first press proves the way back; later ones need not write it down again."""
    seen = checks.get(integration, "press")
    if seen is None or seen.state is not CheckState.PASSED:
        checks.passed(integration, "press", now=now)


def note_callback(integration: Integration, now: datetime) -> None:
    """Now and then only, and past the version column: presses must not wait for one another."""
    if integration.last_callback_at is not None and integration.last_callback_at >= now - NOTED_EVERY:
        return
    db.session.execute(
        update(Integration)
        .where(Integration.id == integration.id)
        .where(or_(Integration.last_callback_at.is_(None), Integration.last_callback_at < now - NOTED_EVERY))
        .values(last_callback_at=now)
        .execution_options(synchronize_session=False)
    )


def _remembered(answer: dict[str, Any] | None) -> IncidentCard | None:
    """The card of an answer that was given before."""
    stored = dict((answer or {}).get("card") or {})
    if not stored:
        return None
    buttons = {name: tuple(CardButton(**button) for button in stored[name]) for name in ("buttons", "menu")}
    facts = tuple(Fact(**fact) for fact in stored["facts"])
    return IncidentCard(**(stored | buttons | {"facts": facts, "body": tuple(stored["body"])}))
