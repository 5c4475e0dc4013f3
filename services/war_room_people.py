"""Who is to be in a war room, and why somebody is not."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from extensions import db
from models import Incident, Integration, LinkState, Membership, MembershipState, WarRoom, WarRoomMember
from platforms.errors import PlatformError, remember
from services import failures, linking, responders
from services.responders import current
from texts import Text

_OTHER = failures.FAILURES["content_refused"]
PENDING, JOINED, FAILED = "pending", "joined", "failed"
RESPONDER, CHOSEN, OBSERVER = "responder", "chosen", "observer"


def wanted(incident: Incident, user_ids: Sequence[int], *, with_observers: bool) -> list[tuple[Membership, str]]:
    """Members and as what they come: the chosen ones first, one of whom may have to own the group."""
    chosen = [(member, CHOSEN) for member in members_of(incident.tenant_id, user_ids)]
    now_responding = [responder.user_id for responder in current(incident)]
    found = chosen + [(member, RESPONDER) for member in members_of(incident.tenant_id, now_responding)]
    if with_observers:
        earlier = [responder.user_id for responder in incident.responders if not responder.is_current]
        found += [(member, OBSERVER) for member in members_of(incident.tenant_id, earlier)]
    return list({member.user_id: (member, source) for member, source in reversed(found)}.values())[::-1]


def members_of(tenant_id: int, user_ids: Sequence[int]) -> list[Membership]:
    """Those of these people who belong to the organisation, in whatever state."""
    return responders.known(tenant_id, user_ids)


def add(room: WarRoom, user_id: int, source: str) -> bool:
    """Have somebody in the room, unless they are already meant to be."""
    if any(member.user_id == user_id for member in room.members):
        return False
    room.members.append(WarRoomMember(tenant_id=room.tenant_id, user_id=user_id, source=source, state=PENDING))
    db.session.flush()
    return True


def try_again(room: WarRoom) -> None:
    """Let those be tried once more who could not be put into it."""
    for member in room.members:
        if member.state == FAILED:
            member.state, member.reason, member.failure = PENDING, None, {}


def hindrance(integration: Integration, member: Membership) -> str | None:
    """Why somebody cannot be put into a group there, as a code of failures.FAILURES; a broken link is tried."""
    if member.state is MembershipState.UNDER_REVIEW:
        return "link_pending"
    if member.state is not MembershipState.ACTIVE or member.user.is_disabled:
        return "member_inactive"
    link = linking.find_for_user(integration, member.user_id)
    if link is None:
        return "app_not_linked"
    return "link_pending" if link.state is LinkState.PENDING else None


def settle(room: WarRoom, integration: Integration) -> dict[str, WarRoomMember]:
    """Stage who cannot come and why; return those to be put into the group now, by their ids on the platform."""
    pending = [member for member in room.members if member.state == PENDING]
    books = {one.user_id: one for one in members_of(room.tenant_id, [member.user_id for member in pending])}
    ready = {}
    for member in pending:
        membership = books.get(member.user_id)
        reason = hindrance(integration, membership) if membership else "member_inactive"
        link = linking.find_for_user(integration, member.user_id)
        if reason or link is None:
            member.state, member.reason = FAILED, reason or "app_not_linked"
        else:
            ready[link.external_user_id] = member
    return ready


def joined(members: Sequence[WarRoomMember], *, now: datetime) -> None:
    for member in members:
        member.state, member.reason, member.failure, member.joined_at = JOINED, None, {}, now


def refused(member: WarRoomMember, error: PlatformError) -> None:
    """The platform would not put somebody into the group."""
    member.state, member.reason, member.failure = FAILED, error.failure, remember(error)


def label(reason: str) -> Text:
    """A reason in words, without the places that only a delivery can fill."""
    known = failures.FAILURES.get(reason, _OTHER)
    return Text((_OTHER if "%(" in known.label else known).label)
