"""Group chats of a connection: what the platform's events and lists tell about them, and how they are called here.

Events are repeated and overtake one another, so each is taken once (by its key) and holds only if nothing newer is
known: state and name have a time of their own, by the platform's clock.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, or_, select
from sqlalchemy.orm import joinedload

from errors import InvalidInput, NotFound
from extensions import db, insert_once
from models import EPOCH, GroupChat, GroupState, Integration, Membership, Receipt
from platforms import PLATFORMS
from platforms.base import Group, GroupEvent, GroupList
from services import audit, checks, outbox, rights
from services.wording import say
from texts import N_, Text

KEY_LENGTH, NAME_LENGTH, ALIAS_LENGTH = 200, 128, 40
CHECK = "groups"
"""Name of the check that is passed by the first group that is seen."""
LISTED = "listed"
"""Origin of what the platform listed when asked."""
ROOM = "war_room"
"""Origin of what the application made itself for one incident: nobody chooses such a group for anything else."""
READ_NAME = "read_group_name"
"""Kind of row: ask the platform for the name of a group that came without one."""
SEEN = "group_event_"
"""Begins the names under which a connection keeps when each kind of event was last seen."""
STATES = {"added": GroupState.ACTIVE, "removed": GroupState.REMOVED, "disbanded": GroupState.DISBANDED}
TAIL = 6


def take_event(integration: Integration, event: GroupEvent, *, now: datetime) -> bool:
    """Stage what an event says; False if the same one was taken before. One short transaction."""
    receipt = {"tenant_id": integration.tenant_id, "scope": f"{integration.platform}:{integration.id}", "at": now}
    key = event.event_key[:KEY_LENGTH]
    if insert_once(Receipt, receipt | {"key": key, "answer": None}, key=("scope", "key")) is None:
        return False
    origin = PLATFORMS[integration.platform].capabilities.group_origin
    chat = _locked(integration, event.group.external_id) or _new(integration, event.group, origin, now)
    chat.last_event_at = max(event.happened_at, chat.last_event_at or EPOCH)
    _set_name(chat, event.group.name, event.happened_at)
    if event.change in STATES:
        _set_state(chat, STATES[event.change], event.group, event.happened_at)
    checks.passed(integration, f"{SEEN}{event.change}", now=now)
    if event.change == "added":
        ask_for_name(chat, now=now)
        checks.passed(integration, CHECK, now=now, group=event.group.name)
    return True


def note_seen(integration: Integration, group: Group, *, origin: str, now: datetime) -> GroupChat:
    """Stage that the platform vouched for a group just now: it can be posted to. Mends what a lost event left."""
    chat = _locked(integration, group.external_id) or _new(integration, group, origin, now)
    _set_name(chat, group.name, now)
    _set_state(chat, GroupState.ACTIVE, group, now)
    return chat


def note_gone(chat: GroupChat, *, tried_at: datetime) -> None:
    """Stage that the platform would not take a message there any more. Who came back since is there."""
    _set_state(chat, GroupState.REMOVED, as_group(chat), tried_at)


def ask_for_name(chat: GroupChat, *, now: datetime) -> None:
    """Stage asking the platform how a group is called, unless that is known or asked already."""
    if chat.name or outbox.unfinished(READ_NAME, chat.id):
        return
    queue = outbox.queue_of(chat.integration_id)
    outbox.enqueue(READ_NAME, tenant_id=chat.tenant_id, subject_id=chat.id, due_at=now, now=now, queue=queue)


# --- lists --------------------------------------------------------------------------------------------------------


def take_list(
    integration: Integration, found: GroupList, *, asked: Iterable[Group], asked_at: datetime, now: datetime
) -> None:
    """Stage what the platform listed: what a whole list left out cannot be posted to. Later events know better.

    asked  the groups that were known when it was asked; one that became known meanwhile was not left out
    """
    left_out = {group.external_id for group in asked} if found.is_complete else set()
    named = left_out | {group.external_id for group in found.groups}
    locked = _mine(integration).where(GroupChat.external_id.in_(named)).with_for_update()
    chats = {chat.external_id: chat for chat in db.session.scalars(locked.execution_options(populate_existing=True))}
    for group in found.groups:
        chat = chats.pop(group.external_id, None) or _new(integration, group, LISTED, now)
        _set_name(chat, group.name, asked_at)
        _set_state(chat, GroupState.ACTIVE, group, asked_at)
    for chat in chats.values():
        if chat.is_active and chat.external_id in left_out:
            _set_state(chat, GroupState.REMOVED, as_group(chat), asked_at)


def of_integration(integration: Integration) -> list[GroupChat]:
    """The groups of a connection that can be posted to or could once, by name."""
    return sorted((chat for chat in _all(integration) if chat.state_at > EPOCH), key=_order)


def known_after(integration: Integration, chat_id: int, *, at_most: int | None) -> list[GroupChat]:
    """The groups that can be posted to or could once whose ids come after this one, in that order."""
    following = _chosen_from(integration).where(GroupChat.id > chat_id, GroupChat.state_at > EPOCH)
    return list(db.session.scalars(following.limit(at_most)))


def count(integration: Integration) -> int:
    """How many groups can be posted to or could once."""
    mine = select(func.count()).select_from(_chosen_from(integration).where(GroupChat.state_at > EPOCH).subquery())
    return db.session.scalar(mine) or 0


@dataclass(frozen=True)
class Offer:
    """The first groups by name; found: how many there are, with what was searched for."""

    chats: list[GroupChat]
    found: int


def offered(integration: Integration, *, find: str = "", at_most: int, with_gone: bool = False) -> Offer:
    """The groups that can be posted to, or could once, whose names or platform's ids hold what is searched for."""
    is_shown = GroupChat.state_at > EPOCH if with_gone else GroupChat.state == GroupState.ACTIVE
    mine = _chosen_from(integration).where(is_shown).order_by(None)
    if find:
        columns = (GroupChat.alias, GroupChat.name, GroupChat.external_id)
        mine = mine.where(or_(*(column.icontains(find, autoescape=True) for column in columns)))
    name = func.coalesce(func.nullif(GroupChat.alias, ""), func.nullif(GroupChat.name, ""), "\uffff")
    chats = db.session.scalars(mine.order_by(func.lower(name), GroupChat.id).limit(at_most)).all()
    return Offer(list(chats), db.session.scalar(select(func.count()).select_from(mine.subquery())) or 0)


def state_of(integration: Integration) -> tuple[Any, ...]:
    """Changes whenever a group comes, goes or gets another name from the platform; read without reading the groups."""
    is_active = GroupChat.state == GroupState.ACTIVE
    seen = (func.count().filter(is_active), *map(func.max, (GroupChat.id, GroupChat.state_at, GroupChat.named_at)))
    row = db.session.execute(_mine(integration).order_by(None).with_only_columns(*seen)).one()
    return tuple(row)


def known(tenant_id: int, ids: Iterable[int]) -> list[GroupChat]:
    """Those of these groups that are this organisation's, in the order given, whatever their state."""
    wanted = list(dict.fromkeys(ids))
    if not wanted:
        return []
    found = db.session.scalars(
        select(GroupChat)
        .where(GroupChat.tenant_id == tenant_id, GroupChat.id.in_(wanted))
        .options(joinedload(GroupChat.integration))
    )
    by_id = {chat.id: chat for chat in found}
    return [by_id[id] for id in wanted if id in by_id]


def find(integration: Integration, external_id: str) -> GroupChat | None:
    """The group that the platform calls so, if the platform told us of it and it can be posted to."""
    if not external_id:
        return None
    chat = db.session.scalar(_mine(integration).where(GroupChat.external_id == external_id))
    return chat if chat is not None and chat.is_active else None


def details_of_any(integration: Integration) -> dict[str, str]:
    """What the platform wants to be told with messages to the newest group; {}: there is none yet."""
    newest = (chat.details for chat in reversed(_all(integration)) if chat.details)
    return dict(next(newest, {}))


def get(chat_id: int, *, viewer: Membership) -> GroupChat:
    """Raises NotFound also for groups of other organisations."""
    wanted = select(GroupChat).where(GroupChat.tenant_id == viewer.tenant_id, GroupChat.id == chat_id)
    chat = db.session.scalar(wanted)
    if chat is None:
        raise NotFound(str(chat_id))
    return chat


def events_seen(integration: Integration) -> list[tuple[str, datetime | None]]:
    """What the console calls the events that are to be subscribed to, and when each last came; None: never."""
    known = checks.by_name(integration)
    wanted = PLATFORMS[integration.platform].capabilities.group_events
    seen = ((label, known.get(f"{SEEN}{change}")) for change, label in wanted)
    return [(label, check.at if check else None) for label, check in seen]


def last_event_at(integration: Integration) -> datetime | None:
    """When the platform last said something about any group."""
    last = _mine(integration).order_by(None).with_only_columns(func.max(GroupChat.last_event_at))
    found: datetime | None = db.session.scalar(last)
    return found


# --- names --------------------------------------------------------------------------------------------------------


def shown_name(chat: GroupChat) -> str:
    """How a group is called, to the reader: by us, by the platform, or by the end of its id."""
    return chat.alias or chat.name or say(Text(N_("未命名群聊 (…%(tail)s)"), tail=chat.external_id[-TAIL:]))


def plain_name(chat: GroupChat) -> str:
    """The same for what is stored, in no language."""
    return chat.alias or chat.name or f"…{chat.external_id[-TAIL:]}"


def rename(chat: GroupChat, alias: str, *, by: Membership) -> None:
    """Call a group as its administrators do; "" goes back to the platform's name. Raises AccessDenied, InvalidInput."""
    rights.require(by, "integration.edit")
    alias = " ".join(alias.split())
    if len(alias) > ALIAS_LENGTH:
        raise InvalidInput("alias", N_("不能超过 40 个字符"))
    if alias != chat.alias:
        target = f"{chat.name or chat.external_id} #{chat.id}"
        audit.record("group.renamed", by=by, target=target, before=chat.alias, after=alias)
    chat.alias = alias


def as_group(chat: GroupChat) -> Group:
    """The group as the platform knows it."""
    return Group(chat.external_id, chat.name, chat.details, chat.member_count)


# --- writing ------------------------------------------------------------------------------------------------------


def _mine(integration: Integration) -> Any:
    """The statement that finds a connection's groups."""
    of_it = (GroupChat.tenant_id == integration.tenant_id, GroupChat.integration_id == integration.id)
    return select(GroupChat).where(*of_it).order_by(GroupChat.id)


def _chosen_from(integration: Integration) -> Any:
    """The same without the groups that the application made for one incident."""
    return _mine(integration).where(GroupChat.origin != ROOM)


def _all(integration: Integration) -> Sequence[GroupChat]:
    found: Sequence[GroupChat] = db.session.scalars(_chosen_from(integration)).all()
    return found


def _locked(integration: Integration, external_id: str) -> GroupChat | None:
    one = _mine(integration).where(GroupChat.external_id == external_id).with_for_update()
    found: GroupChat | None = db.session.scalar(one.execution_options(populate_existing=True))
    return found


def _new(integration: Integration, group: Group, origin: str, now: datetime) -> GroupChat:
    """One of which nothing is known but that it exists: nobody can choose it before an event or list says so.

    Whoever made the same one at this moment is waited for, and theirs taken.
    """
    values = {
        "tenant_id": integration.tenant_id,
        "integration_id": integration.id,
        "external_id": group.external_id,
        "name": "",
        "alias": "",
        "origin": origin,
        "state": GroupState.REMOVED,
        "details": {},
        "state_at": EPOCH,
        "named_at": EPOCH,
        "first_seen_at": now,
    }
    made = insert_once(GroupChat, values, key=("integration_id", "external_id"))
    chat = made or _locked(integration, group.external_id)
    if chat is None:  # made and deleted again, with the connection
        raise NotFound(group.external_id)
    return chat


def _set_name(chat: GroupChat, name: str, at: datetime) -> None:
    name = " ".join(name.split())[:NAME_LENGTH]
    if name and at >= chat.named_at:
        chat.name, chat.named_at = name, at


def _set_state(chat: GroupChat, state: GroupState, group: Group, at: datetime) -> None:
    if at < chat.state_at:
        return
    was_dissolved = chat.state is GroupState.DISBANDED and state is GroupState.REMOVED
    chat.state, chat.state_at = (chat.state if was_dissolved else state), at
    if group.member_count is not None:
        chat.member_count = group.member_count
    details: Mapping[str, Any] = group.details
    if details:
        chat.details = dict(chat.details) | dict(details)


def _order(chat: GroupChat) -> tuple[bool, str, int]:
    """Those that can be posted to first, by name."""
    return not chat.is_active, (chat.alias or chat.name or "\uffff").casefold(), chat.id
