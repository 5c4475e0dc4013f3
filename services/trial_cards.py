"""Test messages: a small card with one button, whose press proves that the way back works."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select

from extensions import db
from models import AccountLink, Delivery, GroupChat, Integration, Membership, Tenant
from platforms.base import CardButton, Fact, IncidentCard
from services import audit, card_keys, groups, integrations, linking, notifications, rights
from services.address_book import AddressBook, Route, kind_of, link_failure
from services.instance import current_settings
from services.wording import Home, clock_time, say, speaking
from texts import N_, Text

ACTION = "test"
TOLD = 20
"""So many receivers are named in the audit record."""


def send(
    integration: Integration,
    *,
    user_ids: Sequence[int] = (),
    external_user_ids: Sequence[str] = (),
    group_ids: Sequence[int] = (),
    by: Membership,
    now: datetime,
) -> list[Delivery]:
    """Stage a test card to linked members, to ids on the platform where nobody is linked yet, or to groups.

    Works for drafts too. Anybody may send one to themselves; raises AccessDenied for others without the right.
    """
    if external_user_ids or group_ids or set(user_ids) != {by.user_id}:
        rights.require(by, "integration.edit")
    sent = [
        *_to_members(integration, user_ids, now),
        *(_to_id(integration, external_id, now) for external_id in dict.fromkeys(external_user_ids)),
        *(_to_group(chat, now) for chat in groups.known(integration.tenant_id, group_ids) if _is_of(chat, integration)),
    ]
    for delivery in sent:
        delivery.source = "test"
        notifications.hand_over(delivery, now=now)
    if sent:
        told = [delivery.recipient_name for delivery in sent[:TOLD]]
        audit.record("delivery.test_sent", by=by, target=integration.name, now=now, count=len(sent), receivers=told)
    return sent


def _to_members(integration: Integration, user_ids: Sequence[int], now: datetime) -> list[Delivery]:
    book = AddressBook(integration.tenant_id, user_ids)
    links = {
        link.user_id: link
        for link in db.session.scalars(
            select(AccountLink).where(
                AccountLink.tenant_id == integration.tenant_id,
                AccountLink.integration_id == integration.id,
                AccountLink.user_id.in_(list(user_ids)),
            )
        )
    }
    sent = []
    for user_id in dict.fromkeys(user_ids):
        link = links.get(user_id)
        route = _route(integration, link=link, failure=link_failure(link))
        member = book.members.get(user_id)
        sent.append(notifications.make_delivery(route, member, user_id, integration.tenant_id, now=now))
    return sent


def _to_id(integration: Integration, external_id: str, now: datetime) -> Delivery:
    delivery = notifications.make_delivery(_route(integration), None, None, integration.tenant_id, now=now)
    delivery.external_user_id, delivery.recipient_name = linking.stored_id(integration, external_id), external_id
    return delivery


def _to_group(chat: GroupChat, now: datetime) -> Delivery:
    route = _route(chat.integration, failure=None if chat.is_active else "chat_gone")
    delivery = notifications.make_delivery(route, None, None, chat.tenant_id, now=now)
    delivery.group_chat_id, delivery.external_user_id = chat.id, chat.external_id
    delivery.recipient_name = groups.plain_name(chat)
    return delivery


def _is_of(chat: GroupChat, integration: Integration) -> bool:
    return chat.integration_id == integration.id


def _route(integration: Integration, *, link: AccountLink | None = None, failure: str | None = None) -> Route:
    return Route(kind_of(integration), integration, link, failure=failure)


def build(
    integration: Integration, delivery: Delivery, *, now: datetime, pressed_at: datetime | None = None
) -> IncidentCard:
    """The test card, or what it turns into once its button came back."""
    tenant = db.session.get_one(Tenant, integration.tenant_id)
    return draw(integration, tenant, delivery.reference, sent_at=delivery.created_at, now=now, pressed_at=pressed_at)


def draw(
    integration: Integration,
    tenant: Home,
    reference: str,
    *,
    sent_at: datetime,
    now: datetime,
    pressed_at: datetime | None,
) -> IncidentCard:
    """The same from what was read already; asks no database."""
    with speaking(tenant):
        key = card_keys.make(current_settings().secret_key, ACTION, reference)
        back = pressed_at is not None
        return IncidentCard(
            reference=reference,
            source=say(N_("值班铃")),
            tone="ok" if back else "info",
            title=say(N_("[测试] 按钮回调正常")) if back else say(N_("[测试] 消息已送达")),
            subtitle=say(N_("已收到您的点击")) if back else say(N_("请点击下面的按钮，验证回调")),
            elapsed="",
            facts=(
                Fact(say(N_("集成名称")), integration.name),
                Fact(say(N_("发送时间")), clock_time(sent_at, now)),
            ),
            body=(),
            footer=say(Text(N_("更新于 %(at)s"), at=pressed_at)) if back else "",
            url=integrations.app_url(integration),
            buttons=(CardButton(key, say(N_("测试按钮")), "primary"),),
        )
