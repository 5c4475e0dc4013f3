"""Plain texts that a program, or this system itself, has people told: each person's is a delivery of its own.

A platform that reaches everybody by one call is asked once for all; elsewhere "everybody" is whoever is linked.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select

from errors import AppError
from extensions import db
from models import Delivery, Integration, IntegrationStatus, LinkState, Membership, Severity, User
from platforms import PLATFORMS
from platforms.base import Capabilities
from services import accounts, linking, notifications, responders, rights
from services.address_book import AddressBook, Route, kind_of
from services.policy_levels import Personal
from services.send_scenes import Scene
from services.throttling import fold
from texts import N_

SOURCE, NOTICE = "api", "notice"
SOURCES = (SOURCE, NOTICE)
TEXT_BYTES = 2048
MOST_RECEIVERS = 1000


class NotConnected(AppError):
    """The organisation has no such connection that is more than a draft."""

    code = "text_message.not_connected"
    api_code = "InvalidParameter"
    message = N_("%(platform)s尚未配置，请配置%(platform)s")
    status = 400


@dataclass(frozen=True)
class Receiver:
    """Somebody as the sender wrote the name. delivery_id None: nobody here is called so."""

    username: str
    delivery_id: int | None


def send(platform: str, usernames: Sequence[str], content: str, *, by: Membership, now: datetime) -> list[Receiver]:
    """Stage a text to members by their usernames, in the order given, each of them once.

    content  ≤ TEXT_BYTES of UTF-8. Whoever cannot be reached gets a delivery that says why, without a call.
    Raises AccessDenied, NotConnected.
    """
    rights.require(by, "message.send")
    _connections(platform, by.tenant_id)
    wanted: dict[str, str] = {}
    for name in usernames:
        wanted.setdefault(fold(name), name)
    members = _members(by.tenant_id, wanted)
    book = AddressBook(by.tenant_id, [member.user_id for member in members.values()])
    kind = PLATFORMS[platform].capabilities.channel_kind
    staged = {
        folded: _delivery(book.route(member.user_id, kind), member, content, now) for folded, member in members.items()
    }
    _hand_over(staged.values(), now)
    return [Receiver(name, staged[folded].id if folded in staged else None) for folded, name in wanted.items()]


def send_to_everybody(platform: str, content: str, *, by: Membership, now: datetime) -> list[Receiver]:
    """Stage a text to everybody in the application's visible range; as send(). Empty: nobody is linked."""
    rights.require(by, "message.send_all")
    connections = _connections(platform, by.tenant_id)
    everybody = PLATFORMS[platform].capabilities.everybody
    if everybody:
        staged = {everybody: _to_all(connections[0], everybody, by.tenant_id, content, now)}
    else:
        staged = {
            member.user.username: _delivery(route, member, content, now)
            for member, route in _linked(connections, by.tenant_id)
        }
    _hand_over(staged.values(), now)
    return [Receiver(name, delivery.id) for name, delivery in staged.items()]


def tell_administrators(tenant_id: int, content: str, *, now: datetime) -> list[Delivery]:
    """Stage a notice of this system to each administrator, through every channel of theirs that can be used.

    Somebody who has none gets a delivery that says why. content: ≤ TEXT_BYTES of UTF-8, in the organisation's language.
    """
    user_ids = [user.id for user in accounts.administrators(tenant_id)]
    book = AddressBook(tenant_id, user_ids)
    staged = []
    for user_id, member in book.members.items():
        routes = book.routes(user_id, Severity.WARNING.value, Personal())
        for route in [one for one in routes if not one.failure and not one.skip] or routes[:1]:
            made = notifications.make_delivery(route, member, user_id, tenant_id, now=now)
            staged.append(_with_words(made, content, NOTICE))
    _hand_over(staged, now)
    return staged


def outcomes(receivers: Iterable[Receiver], *, tenant_id: int) -> dict[int, Delivery]:
    """The deliveries by their ids, as they are now."""
    ids = [receiver.delivery_id for receiver in receivers if receiver.delivery_id is not None]
    wanted = select(Delivery).where(Delivery.tenant_id == tenant_id, Delivery.id.in_(ids))
    found = db.session.scalars(wanted.execution_options(populate_existing=True))
    return {delivery.id: delivery for delivery in found}


# --- for the worker -----------------------------------------------------------------------------------------------


def words_of(rendered: Mapping[str, Any]) -> str:
    """What a text says, out of its delivery."""
    return str(rendered.get("text", ""))


def words_kept(rendered: Mapping[str, Any]) -> dict[str, Any]:
    """The part of `rendered` that stays, whatever a try adds to it."""
    return {"text": rendered["text"]} if "text" in rendered else {}


def is_to_everybody(scene: Scene, capabilities: Capabilities) -> bool:
    """Whether a delivery is for the whole visible range: it names no person, and nobody but us could have made it."""
    is_of_nobody = scene.user_id is None and scene.group is None
    return scene.source == SOURCE and is_of_nobody and bool(scene.to) and scene.to == capabilities.everybody


# --- who and how --------------------------------------------------------------------------------------------------


def _connections(platform: str, tenant_id: int) -> list[Integration]:
    """What the organisation has connected, those in use first."""
    wanted = select(Integration).where(Integration.tenant_id == tenant_id, Integration.platform == platform)
    found = db.session.scalars(wanted.where(Integration.status != IntegrationStatus.DRAFT).order_by(Integration.id))
    connections = sorted(found, key=lambda one: one.status is not IntegrationStatus.ACTIVE)
    if not connections:
        raise NotConnected(platform=PLATFORMS[platform].label)
    return connections


def _members(tenant_id: int, folded: Iterable[str]) -> dict[str, Membership]:
    """Who is called so here, whatever the state; people of other organisations are unknown."""
    wanted = (
        select(Membership)
        .join(User, User.id == Membership.user_id)
        .where(Membership.tenant_id == tenant_id, User.username_folded.in_(list(folded)))
    )
    return {member.user.username_folded: member for member in db.session.scalars(wanted)}


def _linked(connections: Sequence[Integration], tenant_id: int) -> list[tuple[Membership, Route]]:
    """Active members with an active link, each through the first connection that they are linked in."""
    user_ids = [
        link.user_id
        for one in connections
        if one.status is IntegrationStatus.ACTIVE
        for link in linking.active_links(one)
    ]
    book = AddressBook(tenant_id, user_ids)
    kind = kind_of(connections[0])
    routes = ((member, book.route(member.user_id, kind)) for member in responders.known(tenant_id, user_ids))
    return [
        (member, route)
        for member, route in routes
        if route.failure is None and route.link is not None and route.link.state is LinkState.ACTIVE
    ]


def _to_all(integration: Integration, everybody: str, tenant_id: int, content: str, now: datetime) -> Delivery:
    is_in_use = integration.status is IntegrationStatus.ACTIVE
    route = Route(kind_of(integration), integration, failure=None if is_in_use else "integration_disabled")
    delivery = notifications.make_delivery(route, None, None, tenant_id, now=now)
    delivery.external_user_id = delivery.recipient_name = everybody
    return _with_words(delivery, content)


def _delivery(route: Route, member: Membership, content: str, now: datetime) -> Delivery:
    made = notifications.make_delivery(route, member, member.user_id, member.tenant_id, now=now)
    return _with_words(made, content)


def _with_words(delivery: Delivery, content: str, source: str = SOURCE) -> Delivery:
    delivery.source, delivery.rendered = source, {"text": content}
    return delivery


def _hand_over(deliveries: Iterable[Delivery], now: datetime) -> None:
    notifications.hand_over_all(list(deliveries), now=now, severity=Severity.WARNING)
