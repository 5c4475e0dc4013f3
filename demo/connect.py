"""Connect the demo company to its applications, through the product's own services and the simulator's control."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from sqlalchemy import select

from config import Settings
from demo import record
from demo.company import CHANNELS, GROUP, PEOPLE
from demo.simulated.control import SECONDS, Control, SetupFailed, SimulatedApp
from extensions import db
from models import DispatchPolicy, GroupChat, Integration, Membership, Role, User
from platforms import PLATFORMS
from platforms.base import PlatformIdentity
from services import groups, integrations, linking, policies, setup
from services.clock import utcnow
from services.policy_levels import Level

POLL_SECONDS = 0.1


def connect(app: SimulatedApp, known: dict[str, Any], settings: Settings) -> None:
    """Connect the company to its application as an administrator would, value by value; safe to repeat.

    Each side proves the other: the product calls the platform, the platform the product's addresses.
    """
    mine = begin(app, known)
    record.write(settings, known)
    control, credentials = Control(settings), mine["credentials"]
    integration = db.session.get_one(Integration, mine["integration_id"])
    addresses = addresses_today(integration, settings)
    db.session.commit()
    mine["learned"] |= app.make(control, credentials, addresses)
    record.write(settings, known)
    save_values(app, mine, addresses)
    app.prove(control, credentials, addresses)
    if not mine["is_settled"]:
        settle(app, mine, control)
    mine["is_settled"] = True


def begin(app: SimulatedApp, known: dict[str, Any]) -> dict[str, Any]:
    """What the record holds of the application; begun if there is nothing, or the draft that was left."""
    if app.slug not in known["applications"]:
        integration = setup.begin(app.slug, app.mode, by=administrator(known["tenant_id"]), now=utcnow())
        begun = {"integration_id": integration.id, "credentials": app.invent(), "learned": {}, "is_settled": False}
        db.session.commit()
        known["applications"][app.slug] = begun
    mine: dict[str, Any] = known["applications"][app.slug]
    return mine


def save_values(app: SimulatedApp, mine: dict[str, Any], addresses: dict[str, str]) -> None:
    """Paste the values into the wizard. Secrets are pasted once: they are not shown, so nobody could compare them."""
    integration = db.session.get_one(Integration, mine["integration_id"], populate_existing=True)
    values = app.values(mine["credentials"], mine["learned"], addresses)
    if integration.secrets:
        secret = {field.name for field in setup.mode_of(integration).fields if field.is_secret}
        values = {name: value for name, value in values.items() if name not in secret}
    setup.save(integration, values, by=administrator(integration.tenant_id), now=utcnow())
    db.session.commit()


def addresses_today(integration: Integration, settings: Settings) -> dict[str, str]:
    """The generated addresses as they will be once the stored domain is today's."""
    stored = integrations.app_url(integration)
    now_at = f"{settings.public_url}/h5/{integration.platform}/{integration.public_key}"
    return {name: value.replace(stored, now_at) for name, value in integrations.addresses(integration).items()}


def settle(app: SimulatedApp, mine: dict[str, Any], control: Control) -> None:
    """People have opened the application once, a group of theirs has it, and the policies use both."""
    integration = db.session.get_one(Integration, mine["integration_id"])
    for person in PEOPLE:
        if person.is_linked:
            identity = PlatformIdentity(app.external_id(person.username, mine["learned"]), person.name)
            linking.link(
                integration, user_of(integration.tenant_id, person.username), identity, source="admin", now=utcnow()
            )
    db.session.commit()
    group_id = app.make_group(control, mine["credentials"], GROUP)
    chat = arrived_group(integration, group_id) if group_id else None
    extend_policies(integration, chat)
    db.session.commit()


def arrived_group(integration: Integration, external_id: str) -> GroupChat:
    """The group, once the platform's event about it has arrived and the worker has read a name that was not in it."""
    for _ in range(round(SECONDS / POLL_SECONDS)):
        db.session.rollback()
        chat = groups.find(integration, external_id)
        if chat is not None and chat.name:
            return chat
        time.sleep(POLL_SECONDS)
    raise SetupFailed(f"{integration.platform}: nobody told of the group {external_id} and its name.")


def extend_policies(integration: Integration, chat: GroupChat | None) -> None:
    """Every level reaches people through this platform as well, the first one its group, too."""
    kind = PLATFORMS[integration.platform].capabilities.channel_kind
    wanted = {(channel.name, channel.policy): channel.tells_groups for channel in CHANNELS}
    found = select(DispatchPolicy).where(DispatchPolicy.tenant_id == integration.tenant_id)
    for policy in db.session.scalars(found.order_by(DispatchPolicy.id)):
        key = (policy.channel.name, policy.name)
        if key in wanted:
            extend_policy(policy, kind, chat if wanted[key] else None)


def extend_policy(policy: DispatchPolicy, kind: str, chat: GroupChat | None) -> None:
    levels = [level.to_json() for level in policies.levels_of(policy)]
    for level in levels:
        chosen = level["personal"].get("unified") or {}
        level["personal"]["unified"] = {severity: _with(kinds, kind) for severity, kinds in chosen.items()}
    if chat is not None:
        levels[0]["group_ids"] = _with(levels[0]["group_ids"], chat.id)
    policy.levels = [Level.from_json(level).to_json() for level in levels]


def user_of(tenant_id: int, username: str) -> User:
    wanted = select(User).join(Membership, Membership.user_id == User.id).where(Membership.tenant_id == tenant_id)
    return db.session.scalars(wanted.where(User.username_folded == username)).one()


def administrator(tenant_id: int) -> Membership:
    wanted = select(Membership).where(Membership.tenant_id == tenant_id, Membership.role == Role.ADMIN)
    return db.session.scalars(wanted.order_by(Membership.id).limit(1)).one()


def _with(items: Sequence[Any], item: Any) -> list[Any]:
    return [*items, *({item} - set(items))]
