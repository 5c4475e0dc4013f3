"""Who on a chat platform is whom here: one account there ↔ one account here, inside one integration.

The identity on the platform is proven by its silent sign-in, the one here by a password; a name or an
e-mail address never proves anything. Where the platform does not mind the case of its ids, they are stored folded.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Select, and_, delete, func, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import lazyload

from errors import AppError
from extensions import db
from models import (
    AccountLink,
    Department,
    DepartmentMember,
    Integration,
    LinkState,
    Membership,
    MembershipState,
    Receipt,
    User,
)
from platforms import PLATFORMS
from platforms.base import PlatformIdentity
from services import audit, integrations, private_messages
from texts import N_, Text

STATE_LIFETIME = timedelta(minutes=10)
SEEN_EVERY = timedelta(minutes=5)

log = logging.getLogger(__name__)


class SignInExpired(AppError):
    """The way back from the platform's sign-in is not one that we opened, was used before, or took too long."""

    code = "linking.sign_in_expired"
    api_code = "InvalidParameter"
    message = N_("登录链接已失效")
    hint = N_("请从工作台重新打开应用。")
    status = 400


class NotAMember(AppError):
    """The platform says that this person does not belong to the connected company."""

    code = "linking.not_a_member"
    api_code = "AccessDenied"
    message = N_("当前账号不是已接入企业的成员")
    hint = N_("请使用企业成员账号打开应用，或联系管理员确认应用的可见范围。")
    status = 403


class NoMembership(AppError):
    """The account here exists but does not belong to the organisation of this integration."""

    code = "linking.no_membership"
    api_code = "AccessDenied"
    message = N_("该账号不属于此应用所在的组织")
    hint = N_("请使用该组织的成员账号登录，或联系管理员邀请您加入。")
    status = 403


def use_state(state: str, *, tenant_id: int, opened_at: datetime, now: datetime) -> None:
    """Take a sign-in state once. Raises SignInExpired for a second use or after ten minutes."""
    if now - opened_at > STATE_LIFETIME:
        raise SignInExpired("too old")
    db.session.add(Receipt(tenant_id=tenant_id, scope="sign_in", key=state, at=now))
    try:
        db.session.flush()
    except IntegrityError as error:
        db.session.rollback()
        raise SignInExpired("used before") from error


def stored_id(integration: Integration, external_user_id: str) -> str:
    """A platform's id of a person as links hold it: folded where the platform does not mind the case."""
    folds = PLATFORMS[integration.platform].capabilities.folds_ids
    is_exact = not folds or integrations.mode_of(integration).exact_ids
    return external_user_id if is_exact else external_user_id.casefold()


def find(integration: Integration, external_user_id: str) -> AccountLink | None:
    return db.session.scalar(
        select(AccountLink).where(
            AccountLink.tenant_id == integration.tenant_id,
            AccountLink.integration_id == integration.id,
            AccountLink.external_user_id == stored_id(integration, external_user_id),
        )
    )


def find_for_user(integration: Integration, user_id: int) -> AccountLink | None:
    return db.session.scalar(
        select(AccountLink).where(
            AccountLink.tenant_id == integration.tenant_id,
            AccountLink.integration_id == integration.id,
            AccountLink.user_id == user_id,
        )
    )


def get(link_id: int, *, tenant_id: int) -> AccountLink | None:
    return db.session.scalar(select(AccountLink).where(AccountLink.id == link_id, AccountLink.tenant_id == tenant_id))


def membership(user: User, tenant_id: int) -> Membership:
    """The person's place in the organisation, whatever its state. Raises NoMembership."""
    found = place(user, tenant_id)
    if found is None or found.state is MembershipState.REFUSED:
        raise NoMembership(user.username)
    return found


def place(user: User, tenant_id: int) -> Membership | None:
    """The person's place in the organisation, whatever its state."""
    return db.session.scalar(select(Membership).where(Membership.user_id == user.id, Membership.tenant_id == tenant_id))


def seen(link: AccountLink, identity: PlatformIdentity, *, now: datetime) -> None:
    """Note a silent sign-in. It proves that the account is reachable: the link holds if the membership does."""
    if link.state is not LinkState.ACTIVE:
        link.state = _state_of(place(link.user, link.tenant_id))
    if identity.name and identity.name != link.external_name:
        link.external_name = identity.name
    if identity.external_union_id:
        link.external_union_id = identity.external_union_id
    if link.last_seen_at is None or now - link.last_seen_at > SEEN_EVERY:
        link.last_seen_at = now


def was_given_on(link: AccountLink, identity: PlatformIdentity) -> bool:
    """Whether the company has given the linked person's id to somebody else: what stays with a person differs."""
    known, told = link.external_union_id, identity.external_union_id
    return bool(known and told) and known != told


def end_given_on(link: AccountLink) -> None:
    """End a link whose account on the platform is another person's by now, like unlink(); nobody here did it."""
    target = f"{link.user.username}: {link.external_user_id}"
    log.warning("The account of a link belongs to somebody else now: %s", target)
    audit.record("link.ended", tenant_id=link.tenant_id, target=target)
    db.session.delete(link)
    db.session.flush()


def link(
    integration: Integration, user: User, identity: PlatformIdentity, *, source: str, now: datetime
) -> AccountLink:
    """Link a person, whose identity was proven on both sides, and undo what stood in the way.

    A link of either side to somebody else ends, and the platform account that loses it is told. The state follows
    the membership: under review, it is pending.
    Raises NotAMember, NoMembership.
    """
    if not identity.external_user_id:
        raise NotAMember
    member = membership(user, integration.tenant_id)
    external_id = stored_id(integration, identity.external_user_id)
    before = find_for_user(integration, user.id)
    replaced = before.external_user_id if before and before.external_user_id != external_id else None
    db.session.execute(
        delete(AccountLink).where(
            AccountLink.tenant_id == integration.tenant_id,
            AccountLink.integration_id == integration.id,
            (AccountLink.user_id == user.id) | (AccountLink.external_user_id == external_id),
        )
    )
    made = AccountLink(
        tenant_id=integration.tenant_id,
        integration_id=integration.id,
        user_id=user.id,
        external_user_id=external_id,
        external_union_id=identity.external_union_id,
        external_name=identity.name,
        state=_state_of(member),
        source=source,
        linked_at=now,
        last_seen_at=now,
    )
    db.session.add(made)
    db.session.flush()
    audit.record(
        "link.created",
        user=user,
        tenant_id=integration.tenant_id,
        target=f"{integration.name}: {external_id}",
        source=source,
        replaced=replaced or "",
        now=now,
    )
    if replaced is not None:
        moved = Text(N_("您的值班铃账号 %(user)s 已改为关联另一个账号，此账号不再收到消息"), user=user.username)
        private_messages.tell(integration, replaced, moved, now=now)
    return made


def _state_of(member: Membership | None) -> LinkState:
    return LinkState.ACTIVE if member and member.state is MembershipState.ACTIVE else LinkState.PENDING


def activate_pending(user_id: int, *, tenant_id: int) -> int:
    """Stage that the links of somebody who was let in work from now on; return how many there are."""
    return _pending(user_id, tenant_id, update(AccountLink).values(state=LinkState.ACTIVE))


def drop_pending(user_id: int, *, tenant_id: int) -> int:
    """Stage that the links of somebody who was refused go; return how many there were."""
    return _pending(user_id, tenant_id, delete(AccountLink))


def _pending(user_id: int, tenant_id: int, changing: Any) -> int:
    waiting = (AccountLink.tenant_id == tenant_id, AccountLink.user_id == user_id)
    found = changing.where(*waiting, AccountLink.state == LinkState.PENDING).returning(AccountLink.id)
    return len(db.session.execute(found).all())


def unlink(link: AccountLink, *, by: Membership | None = None) -> None:
    """End a link: messages stop, buttons stop, sessions that came through it end with the next request.

    by  who ended it; None: the person, out of a session that may stand in no organisation
    """
    audit.record(
        "link.ended",
        by=by,
        user=link.user,
        tenant_id=link.tenant_id,
        target=f"{link.user.username}: {link.external_user_id}",
    )
    db.session.delete(link)
    db.session.flush()


def links_of(user: User, *, tenant_id: int) -> list[tuple[AccountLink, Integration]]:
    rows = db.session.execute(
        select(AccountLink, Integration)
        .join(Integration, Integration.id == AccountLink.integration_id)
        .where(AccountLink.tenant_id == tenant_id, AccountLink.user_id == user.id)
        .order_by(AccountLink.id)
    )
    return [(row[0], row[1]) for row in rows]


def count_active(integration: Integration) -> int:
    """How many links messages can go through."""
    mine = (AccountLink.tenant_id == integration.tenant_id, AccountLink.integration_id == integration.id)
    return db.session.scalar(select(func.count()).where(*mine, AccountLink.state == LinkState.ACTIVE)) or 0


def active_links(integration: Integration, *, find: str = "", at_most: int | None = None) -> list[AccountLink]:
    """Links that messages can go through, by name; find: part of a person's name, at_most: the first so many."""
    wanted = (
        select(AccountLink)
        .join(User, User.id == AccountLink.user_id)
        .where(
            AccountLink.tenant_id == integration.tenant_id,
            AccountLink.integration_id == integration.id,
            AccountLink.state == LinkState.ACTIVE,
        )
        .order_by(User.real_name, User.username_folded)
    )
    if find:
        wanted = wanted.where(or_(*(name.icontains(find, autoescape=True) for name in (User.username, User.real_name))))
    return list(db.session.scalars(wanted.limit(at_most)))


def page(integration: Integration, *, text: str = "", after: int = 0, limit: int = 50) -> tuple[list[AccountLink], int]:
    """Links by id from `after` on, of people whose names contain `text`; where to go on, 0 at the end."""
    wanted = (
        select(AccountLink)
        .join(User, User.id == AccountLink.user_id)
        .where(AccountLink.tenant_id == integration.tenant_id, AccountLink.integration_id == integration.id)
    )
    if part := text.strip():
        columns = (User.username, User.real_name, AccountLink.external_user_id, AccountLink.external_name)
        wanted = wanted.where(or_(*(column.icontains(part, autoescape=True) for column in columns)))
    links = list(db.session.scalars(wanted.where(AccountLink.id > after).order_by(AccountLink.id).limit(limit + 1)))
    return links[:limit], links[limit - 1].id if len(links) > limit else 0


def departments_of(integration: Integration, links: list[AccountLink]) -> dict[int, list[str]]:
    """The names of the departments that linked people belong to, by the person's id."""
    rows = db.session.execute(
        select(Membership.user_id, Department.name)
        .join(DepartmentMember, DepartmentMember.membership_id == Membership.id)
        .join(Department, Department.id == DepartmentMember.department_id)
        .where(Membership.tenant_id == integration.tenant_id, Membership.user_id.in_([one.user_id for one in links]))
        .order_by(Department.name)
    )
    found: dict[int, list[str]] = {}
    for user_id, name in rows:
        found.setdefault(user_id, []).append(name)
    return found


def people(
    integration: Integration, *, state: str = "all", text: str = "", limit: int = 200
) -> list[tuple[Membership, AccountLink | None]]:
    """Active members with their link, if any. state: all | linked | unlinked; text: part of a name or an e-mail."""
    wanted = _people(integration, state, text)
    rows = db.session.execute(wanted.order_by(User.real_name, User.username_folded).limit(limit))
    return [(row[0], row[1]) for row in rows]


def people_page(
    integration: Integration, *, state: str = "all", text: str = "", after: str = "", limit: int = 200
) -> tuple[list[tuple[Membership, AccountLink | None]], str]:
    """The same by user name from `after` on; the second value: where to go on, "" at the end."""
    wanted = _people(integration, state, text).where(User.username_folded > after)
    rows = db.session.execute(wanted.order_by(User.username_folded).limit(limit + 1)).all()
    found: list[tuple[Membership, AccountLink | None]] = [(row[0], row[1]) for row in rows[:limit]]
    return found, found[-1][0].user.username_folded if len(rows) > limit else ""


def _people(integration: Integration, state: str, text: str) -> Select[Membership, AccountLink]:
    mine = and_(AccountLink.user_id == Membership.user_id, AccountLink.integration_id == integration.id)
    wanted = (
        select(Membership, AccountLink)
        .join(User, User.id == Membership.user_id)
        .outerjoin(AccountLink, mine)
        .options(lazyload(AccountLink.user))  # joined, it would leave out those without a link
        .where(Membership.tenant_id == integration.tenant_id, Membership.state == MembershipState.ACTIVE)
    )
    if state != "all":
        wanted = wanted.where(AccountLink.id.is_not(None) if state == "linked" else AccountLink.id.is_(None))
    if part := text.strip():
        found = [column.icontains(part, autoescape=True) for column in (User.username, User.real_name, User.email)]
        wanted = wanted.where(or_(*found))
    return wanted
