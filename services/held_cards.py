"""Cards that do not show how an incident stands, why, and what to do: for its page.

A stale card can be brought up to date by a press or a new right; a frozen one stays as it is, whatever is done.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import aliased

from extensions import db
from models import Card, CardState, Delivery, Incident, Integration, IntegrationStatus
from platforms import PLATFORMS
from platforms.errors import CardTooOld, PlatformError, recall
from texts import N_, Text

INTERNAL = Text(N_("系统无法生成或更新该卡片")), Text(N_("请把此记录的编号交给运维人员查看日志。"))
DISABLED = Text(N_("集成已停用")), Text(N_("请在集成中心启用该集成。"))
SPENT = Text(N_("没有可用的更新凭证"))


@dataclass(frozen=True)
class Held:
    """Cards of one platform that are held back for one reason. deliveries: the messages that they came with."""

    platform: str
    why: Text
    hint: Text
    deliveries: Sequence[Delivery]


@dataclass(frozen=True)
class HeldCards:
    """An incident's cards that are out of date, by reason."""

    stale: Sequence[Held] = ()
    frozen: Sequence[Held] = ()

    @property
    def stale_count(self) -> int:
        """How many people look at a card that is out of date: "n 张卡片待刷新"."""
        return sum(len(held.deliveries) for held in self.stale)

    @property
    def counts(self) -> tuple[int, int]:
        return self.stale_count, self.frozen_count

    @property
    def frozen_count(self) -> int:
        return sum(len(held.deliveries) for held in self.frozen)


def of_incident(incident: Incident) -> HeldCards:
    """The newest cards of people and groups that are stale or frozen; an older one says itself that it is."""
    found: dict[CardState, dict[tuple[Any, ...], Held]] = {CardState.STALE: {}, CardState.FROZEN: {}}
    for card, delivery, integration in db.session.execute(_newest(incident)):
        why, hint = _reason(card, integration)
        known = found[card.state].get((integration.platform, why.message, hint.message))
        earlier = known.deliveries if known else ()
        held = Held(PLATFORMS[integration.platform].label, why, hint, (*earlier, delivery))
        found[card.state][integration.platform, why.message, hint.message] = held
    return HeldCards(tuple(found[CardState.STALE].values()), tuple(found[CardState.FROZEN].values()))


def watching(incident: Incident) -> tuple[int, int]:
    """How many people and how many groups have a card of it that follows what is done: one query."""
    live = (Card.tenant_id == incident.tenant_id, Card.incident_id == incident.id, Card.state == CardState.LIVE)
    counted = select(func.count(Delivery.user_id.distinct()), func.count(Delivery.group_chat_id.distinct()))
    people, groups = db.session.execute(counted.join(Card, Card.delivery_id == Delivery.id).where(*live)).one()
    return people, groups


def _newest(incident: Incident) -> Any:
    newer = aliased(Card)
    has_newer = (
        select(newer.id)
        .where(newer.incident_id == Card.incident_id, newer.integration_id == Card.integration_id)
        .where(newer.external_user_id == Card.external_user_id, newer.id > Card.id)
        .exists()
    )
    return (
        select(Card, Delivery, Integration)
        .join(Delivery, Delivery.id == Card.delivery_id)
        .join(Integration, Integration.id == Card.integration_id)
        .where(Card.tenant_id == incident.tenant_id, Card.incident_id == incident.id)
        .where(Card.state.in_((CardState.STALE, CardState.FROZEN)), ~has_newer)
        .order_by(Card.id)
    )


def _reason(card: Card, integration: Integration) -> tuple[Text, Text]:
    capabilities = PLATFORMS[integration.platform].capabilities
    error = _error(card)
    if card.state is CardState.FROZEN:
        return _said(error or CardTooOld(""))
    if integration.status is not IntegrationStatus.ACTIVE:
        return DISABLED
    if capabilities.updates_need_codes:
        return SPENT, Text(capabilities.update_note)
    return _said(error) if error else INTERNAL


def _error(card: Card) -> PlatformError | None:
    memo = card.last_error
    return recall(memo) if memo and "code" in memo else None


def _said(error: PlatformError) -> tuple[Text, Text]:
    return Text(error.message, **error.params), Text(error.hint, **error.params)
