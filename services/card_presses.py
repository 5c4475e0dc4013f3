"""A person pressed a button on a card: who is it, may they, what happens, and what are they answered.

Everything is in one transaction, written by statements and without a unit of work: a press is to cost little more
than its commit (services/press_writing.py has the budget). Nobody is left without an answer: a refusal is told in a
private message where the platform has no place to say it.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

from sqlalchemy import Connection, select

import json_text
from crashpoints import crash_here
from extensions import begin_write, db, writing
from models import (
    CardState,
    Delivery,
    DeliveryState,
    Integration,
    IntegrationStatus,
)
from platforms import PLATFORMS
from platforms.base import Capabilities, CardPress, IncidentCard, PressAnswer
from services import (
    card_contents,
    card_keys,
    card_notices,
    cards,
    incidents,
    linking,
    outbox,
    press_answers,
    press_rules,
    press_scenes,
    press_writing,
    private_messages,
    seats,
    trial_cards,
)
from services.card_bodies import TakesLonger
from services.card_contents import Content
from services.incident_decisions import Decision
from services.incident_values import IncidentValues
from services.instance import current_settings
from services.late_answers import Answered
from services.notifications import DELIVER
from services.press_answers import PressResult
from services.press_rules import INVALID, Refused
from services.press_scenes import PressedCard, Presser, Scene
from services.wording import say, speaking
from texts import N_, Text

NOTED_EVERY = timedelta(seconds=10)
DIGEST_LENGTH = 16

DISABLED = Text(N_("集成已停用，请联系管理员"))
BUSY = Text(N_("系统繁忙，请再点一次"))

Reply = TypeVar("Reply")
Carried = Content | IncidentCard | None
"""What an answer carries: a card to be drawn, one that is drawn already, or none."""

log = logging.getLogger(__name__)


class Outdated(Exception):
    """The integration is gone or another one than the press was verified with."""


class Unrecorded(Exception):
    """The message was pressed on before the worker could note that it arrived."""

    def __init__(self, delivery_id: int) -> None:
        super().__init__(delivery_id)
        self.delivery_id = delivery_id


def apply(integration: Integration, press: CardPress, *, now: datetime, reply: Callable[[PressResult], Reply]) -> Reply:
    """Do what a verified press does, in a transaction of its own; the caller wakes the worker if it is urgent.

    A repeat of the same event changes nothing and gets the same answer. Another press under the key of one that was
    taken is asked for again: DingTalk's key is the card and a moment.
    integration  apart from the session (services/integrations.py, connected), as it was when the press was verified;
                 raises Outdated if it is not so any more
    reply        writes down what came of it, with the card drawn, as the platform is told; called while the disk is
                 waited for, so nothing of it may leave before this returns
    Raises StaleDataError or IntegrityError when it met another press: then once more from the start.
    """
    receipt = f"{integration.platform}:{integration.id}", press.event_key[: press_writing.KEY_LENGTH]
    who = linking.stored_id(integration, press.external_user_id)
    pressed = hashlib.sha256(json_text.written([who, press.button_key]).encode()).hexdigest()[:DIGEST_LENGTH]
    replies: list[Reply] = []

    def write_down() -> None:
        replies.append(reply(press_answers.drawn(result)))

    try:
        with writing(meanwhile=write_down) as on:
            scene = press_scenes.read(
                on, integration, receipt=receipt, reference=press.reference, external_user_id=who, now=now
            )
            if scene is None or scene.version != integration.version:
                raise Outdated
            moment = _Moment(on, integration, press, scene, now)
            result = moment.repeated(pressed) if scene.is_repeat else moment.answer(receipt, pressed)
            crash_here("callback.before_commit")
    except Unrecorded as early:
        _note_arrival(early.delivery_id, press, tenant_id=integration.tenant_id, now=now)
        return apply(integration, press, now=now, reply=reply)
    return replies[0]


def _note_arrival(delivery_id: int, press: CardPress, *, tenant_id: int, now: datetime) -> None:
    """Store that a message arrived: somebody pressed a button on it before the worker could record the sending."""
    begin_write()
    wanted = select(Delivery).where(Delivery.id == delivery_id, Delivery.tenant_id == tenant_id)
    delivery = db.session.scalars(wanted).one()
    incident = incidents.lock(delivery.incident_id or 0, tenant_id)
    db.session.refresh(delivery)
    if delivery.state is not DeliveryState.SENT:
        delivery.state, delivery.sent_at = DeliveryState.SENT, delivery.sent_at or now
        delivery.failure_code, delivery.failure, delivery.next_attempt_at = None, {}, None
        delivery.external_user_id = delivery.external_user_id or press.external_user_id
        delivery.platform_message_id = delivery.platform_message_id or press.message_id or None
        outbox.cancel(DELIVER, tenant_id=tenant_id, subject_id=delivery.id)
    cards.open_card(delivery, incident, message_id=press.message_id, fingerprint="", now=now)
    db.session.commit()


@dataclass
class _Moment:
    """One press being applied: what it is about, and the rows of the outbox that it leaves."""

    on: Connection
    integration: Integration
    press: CardPress
    scene: Scene
    now: datetime

    def __post_init__(self) -> None:
        self.jobs: list[dict[str, Any]] = []
        self.answered: Answered | None = None
        self.capabilities: Capabilities = PLATFORMS[self.integration.platform].capabilities

    def answer(self, receipt: tuple[str, str], pressed: str) -> PressResult:
        """Do it, and keep the answer. receipt: its key; pressed: a digest of who pressed what."""
        carried: Carried = None
        try:
            carried, text = self._act()
            answer = self._answer(carried if isinstance(carried, IncidentCard) else None, text)
        except Refused as refusal:
            log.info("A press was refused: %s", refusal.text.message)
            text = refusal.text
            answer = self._refusal(text)
        outbox.write(self.on, self.jobs)
        content = carried if isinstance(carried, Content) else None
        result = PressResult(answer, content, text, any(map(outbox.is_urgent, self.jobs)), self.answered)
        self._remember_notice(result.notice)
        kept = press_answers.kept(result) | {"pressed": pressed}
        press_writing.take_receipt(self.on, *receipt, tenant_id=self.integration.tenant_id, answer=kept, now=self.now)
        last = self.scene.last_callback_at
        if last is None or last < self.now - NOTED_EVERY:
            # last: whoever records a sending holds the incident before the integration, too
            press_writing.note_callback(self.on, self.integration, self.now)
        return result

    def repeated(self, pressed: str) -> PressResult:
        """What was answered before. pressed: as the receipt of the first one keeps it."""
        known = self.scene.answer or {}
        if self.capabilities.tells_in_reply and known.get("pressed", pressed) != pressed:
            answer = self._answer(None, BUSY, is_refusal=True)
            self._remember_notice(answer.notice)
            return PressResult(answer, text=BUSY)
        card, shown = self.scene.card, known.get("shown", "")
        answered = Answered(card.id, self.integration.tenant_id, shown, is_repeat=True) if card and shown else None
        return PressResult(*press_answers.remembered(known), answered=answered)

    def _answer(self, card: IncidentCard | None, text: Text, *, is_refusal: bool = False) -> PressAnswer:
        if not self.capabilities.tells_in_reply:
            return PressAnswer(card)
        with speaking(self.scene.tenant):
            return PressAnswer(card, say(text), is_refusal)

    def _refusal(self, text: Text) -> PressAnswer:
        """Told in the answer where it has a place for a sentence, else in a private message."""
        if not self.capabilities.tells_in_reply:
            tenant, to = self.scene.tenant, self.press.external_user_id
            told = private_messages.sending(self.integration, to, text, tenant=tenant, now=self.now)
            self.jobs.append(outbox.row(**told))
        return self._answer(None, text, is_refusal=True)

    def _remember_notice(self, notice: str) -> None:
        """A sentence on a group's card stays in the presser's view until an update takes it away."""
        card, stays = self.scene.card, self.scene.message.is_group and self.capabilities.notices_per_update
        if stays and card is not None and notice:
            told = self.press.external_user_id
            card_notices.leave(self.on, card.id, told, tenant_id=self.integration.tenant_id, now=self.now)

    def _act(self) -> tuple[Carried, Text]:
        scene = self.scene
        action = card_keys.read(current_settings().secret_key, self.press.button_key, self.press.reference)
        if scene.delivery_id is None or action is None:
            raise Refused(INVALID)
        if scene.status is IntegrationStatus.DISABLED:
            raise Refused(DISABLED)
        if action == trial_cards.ACTION:
            return self._trial(scene.delivery_id)
        if scene.incident is None:
            raise Refused(INVALID)
        member = press_rules.presser(self.on, self.integration, scene)
        if scene.card is None or not scene.is_recorded:
            raise Unrecorded(scene.delivery_id)
        try:
            press_rules.check_rights(member, scene.incident, action)
            self._check_seat(member)
            decision = press_rules.decide(action, scene.incident, member, f"card_{self.integration.platform}", self.now)
        except Refused:
            self._keep_right(scene.card)
            raise
        return self._do(decision, action, scene.incident, scene.card, member)

    def _check_seat(self, member: Presser) -> None:
        """Whoever handles needs a seat, where there is a number of them. Raises Refused."""
        home = self.scene.tenant
        about = {"tenant_id": home.id, "user_id": member.user_id}
        if not seats.take(self.on, **about, number=home.seats, since=home.seats_since, now=self.now):
            raise Refused(seats.none_free(self.on, tenant_id=home.id, number=home.seats))

    def _do(
        self, decision: Decision, action: str, incident: IncidentValues, card: PressedCard, member: Presser
    ) -> tuple[Carried, Text]:
        via = f"card_{self.integration.platform}"
        press_writing.apply(self.on, incident, decision, by=member, via=via, now=self.now)
        self._stage(decision, incident)
        if not self.scene.is_proven:
            press_writing.prove(self.on, self.integration, self.now)
        return self._show(card, incident, self.now if action == "refresh" else None), decision.text

    def _stage(self, decision: Decision, incident: IncidentValues) -> None:
        """The decision's timers, and one row for the cards of everybody else."""
        about: dict[str, Any] = {"tenant_id": incident.tenant_id, "subject_id": incident.id, "now": self.now}
        for timer in decision.timers:
            self.jobs.append(outbox.row(timer.kind, due_at=timer.due_at, payload=timer.payload, **about))
        if decision.is_change and self.scene.has_other_cards and not self.scene.others_follow:
            platform = self.integration.platform
            others = cards.refreshing(incident.id, tenant_id=incident.tenant_id, platform=platform, now=self.now)
            self.jobs.append(outbox.row(**others))

    def _show(self, card: PressedCard, incident: IncidentValues, refreshed_at: datetime | None) -> Content | None:
        """What the presser's card says now; None where the answer cannot carry it and it is updated instead.

        The answer spends the right to update that the press brought, so there is none to be kept. Others in a group
        may not see the answer: then the group's card is updated as well. A template's markup that the platform might
        refuse is no answer: there would be no telling, while an update is then made without it.
        """
        if self._is_frozen(card):
            return None
        if not answers_in_reply(self.integration):
            self._keep_right(card, refreshed_at, must_update=True)
            return None
        wording = card_contents.wording_of(self.on, incident, self.scene.message, self.integration)
        if wording is not None:
            wording.is_hurried = True
        try:
            content = card_contents.of(
                incident,
                self.scene.message,
                self.integration,
                self.scene.tenant,
                self.now,
                is_superseded=card.state is CardState.SUPERSEDED,
                refreshed_at=refreshed_at,
                wording=wording,
            )
        except TakesLonger:  # others wait for the database: the worker writes it, with nothing held
            self._keep_right(card, refreshed_at, must_update=True, after_answer=True)
            return None
        if content.is_markup and self.capabilities.refuses_markup:
            self._keep_right(card, refreshed_at, must_update=True, after_answer=True)
            return None
        self.answered = Answered(card.id, self.integration.tenant_id, content.fingerprint)
        if self._answer_is_seen_by_all:
            press_writing.shown(self.on, card, self.answered.fingerprint, self.now)
        else:
            self._keep_right(card, must_update=True, after_answer=True)
        return content

    def _is_frozen(self, card: PressedCard) -> bool:
        """Whether the platform does not let the card be changed any more; the worker notes it on the card."""
        days, sent_at = self.capabilities.update_days, self.scene.created_at or self.now
        return card.state is CardState.FROZEN or bool(days and self.now - sent_at > timedelta(days=days))

    @property
    def _answer_is_seen_by_all(self) -> bool:
        """Whether the card in an answer is seen by everybody who has the message, and not by the presser alone."""
        return self.capabilities.reply_reaches_all or not self.scene.message.is_group

    def _keep_right(
        self,
        card: PressedCard,
        refreshed_at: datetime | None = None,
        *,
        must_update: bool = False,
        after_answer: bool = False,
    ) -> None:
        """Keep the press's right to update; a card that had none and is out of date uses it.

        after_answer  it is updated a little later, so that the answer to the press does not undo it
        """
        self._add_code(card)
        if must_update or (card.state is CardState.STALE and self.press.update_code):
            about = {"tenant_id": self.integration.tenant_id, "integration_id": self.integration.id}
            waits_for = self.integration.platform if after_answer else ""
            updating = cards.updating(card.id, **about, now=self.now, refreshed_at=refreshed_at, waits_for=waits_for)
            self.jobs.append(outbox.row(**updating))

    def _add_code(self, card: PressedCard) -> None:
        if code := self.press.update_code:
            hours = self.capabilities.update_code_hours
            tenant_id = self.integration.tenant_id
            cards.add_code(self.on, card.id, code, tenant_id=tenant_id, origin="press", hours=hours, now=self.now)

    def _trial(self, delivery_id: int) -> tuple[IncidentCard | None, Text]:
        """A test card's button came back, whoever pressed it: that is the proof."""
        if not self.scene.is_proven:
            press_writing.prove(self.on, self.integration, self.now)
        text = Text(N_("[测试] 按钮回调正常"))
        if answers_in_reply(self.integration) and self._answer_is_seen_by_all:
            reference, sent_at = self.press.reference, self.scene.created_at or self.now
            times = {"sent_at": sent_at, "now": self.now, "pressed_at": self.now}
            return trial_cards.draw(self.integration, self.scene.tenant, reference, **times), text
        about = {"tenant_id": self.integration.tenant_id, "subject_id": delivery_id}
        payload = {"code": self.press.update_code, "at": self.now.isoformat()}
        queue = outbox.queue_of(self.integration.id)
        self.jobs.append(
            outbox.row("update_trial_card", **about, due_at=self.now, now=self.now, payload=payload, queue=queue)
        )
        return None, text


def answers_in_reply(integration: Integration) -> bool:
    """Whether the answer to a press carries the presser's card: the platform can, and the operator has not said no."""
    chosen = current_settings().press_replies.get(integration.platform, "passive")
    return PLATFORMS[integration.platform].capabilities.answers_in_reply and chosen == "passive"
