"""Which levels of policies tell a group chat, and adding it to one, as seen from the group."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlalchemy import select
from sqlalchemy.orm import joinedload

from errors import NotFound
from extensions import db
from models import Channel, DispatchPolicy, GroupChat, Membership
from services import audit, groups, ownership, policies, visibility

MOST = 200
"""Policies that are looked at: those of the channels that the reader may see."""


@dataclass(frozen=True)
class Place:
    """One level of a policy. level: 0-based; tells: whether the group is among those that it tells."""

    policy: DispatchPolicy
    level: int
    tells: bool

    @property
    def key(self) -> str:
        """ "12-0": how a form names it."""
        return f"{self.policy.id}-{self.level}"


def places(chat: GroupChat, *, viewer: Membership) -> Sequence[Place]:
    """All levels of the policies that the viewer may see, by channel and in the order in which they are tried."""
    mine = (
        select(DispatchPolicy)
        .join(Channel, Channel.id == DispatchPolicy.channel_id)
        .where(DispatchPolicy.tenant_id == viewer.tenant_id, visibility.visible_channels(viewer))
        .options(joinedload(DispatchPolicy.channel))
        .order_by(Channel.name, Channel.id, DispatchPolicy.priority, DispatchPolicy.id)
        .limit(MOST)
    )
    return [
        Place(policy, number, chat.id in level.group_ids)
        for policy in db.session.scalars(mine)
        for number, level in enumerate(policies.levels_of(policy))
    ]


def add(chat: GroupChat, key: str, *, by: Membership) -> Place:
    """Have a level tell the group, too; dispatches that run keep their snapshot. Raises AccessDenied, NotFound."""
    place = next((one for one in places(chat, viewer=by) if one.key == key), None)
    if place is None:
        raise NotFound(key)
    ownership.require(place.policy.channel, by)
    if not place.tells:
        levels = list(policies.levels_of(place.policy))
        changed = levels[place.level]
        levels[place.level] = replace(changed, group_ids=(*changed.group_ids, chat.id))
        place.policy.levels = [level.to_json() for level in levels]
        target, level = f"{place.policy.channel.name} / {place.policy.name}", place.level + 1
        audit.record("policy.group_added", by=by, target=target, level=level, group=groups.plain_name(chat))
        db.session.flush()
    return replace(place, tells=True)
