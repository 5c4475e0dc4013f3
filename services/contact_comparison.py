"""The comparison as an administrator works on it (M4 to M7): two columns by pages, pairs taken apart and made.

Nothing outside of the draft is written. Each person there has a version, so of two administrators who change the same
one the second is told; the comparison as a whole has one too, which the confirmation asks for.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import and_, func, or_, select, update
from sqlalchemy.exc import IntegrityError

from errors import InvalidInput, NotFound
from extensions import db
from models import (
    AccountLink,
    ContactSync,
    ContactSyncState,
    Membership,
    MembershipState,
    Pairing,
    SyncPerson,
    User,
)
from services import audit, contact_matching, rights, throttling
from services.contact_syncs import ComparisonChanged, NotComparing
from texts import N_
from whole_numbers import LARGEST_BIG, whole

PAGE = 50
OFFERED = 20
FREE = (Pairing.NONE, Pairing.NAMESAKE)


@dataclass(frozen=True)
class Account:
    """The left column: an account of this organisation, with the person there that it is paired with."""

    user: User
    person: SyncPerson | None
    is_namesake: bool = False


@dataclass(frozen=True)
class Page:
    """A part of a column. after: the cursor to ask for to go on, "" at the end."""

    items: list[Any]
    after: str = ""


def accounts(sync: ContactSync, *, text: str = "", after: str = "", limit: int = PAGE) -> Page:
    """Active members without link, by user name from the cursor on, those whose name contains `text`."""
    linked = and_(AccountLink.user_id == User.id, AccountLink.integration_id == sync.integration_id)
    paired = and_(SyncPerson.user_id == User.id, SyncPerson.sync_id == sync.id)
    wanted = (
        select(User, SyncPerson)
        .join(Membership, and_(Membership.user_id == User.id, Membership.tenant_id == sync.tenant_id))
        .outerjoin(AccountLink, linked)
        .outerjoin(SyncPerson, paired)
        .where(Membership.state == MembershipState.ACTIVE, AccountLink.id.is_(None))
    )
    if text.strip():
        part = text.strip()
        wanted = wanted.where(
            or_(User.username.icontains(part, autoescape=True), User.real_name.icontains(part, autoescape=True))
        )
    if after:
        wanted = wanted.where(User.username_folded > after)
    rows = db.session.execute(wanted.order_by(User.username_folded).limit(limit + 1)).all()
    names = _namesakes(sync, [user.real_name for user, person in rows if person is None])
    items = [Account(user, person, contact_matching.name_key(user.real_name) in names) for user, person in rows[:limit]]
    return Page(items, items[-1].user.username_folded if len(rows) > limit else "")


def _namesakes(sync: ContactSync, names: Iterable[str]) -> set[str]:
    """Which of these names, as they are compared, belong to somebody there who has one of several."""
    keys = {contact_matching.name_key(name) for name in names} - {""}
    if not keys:
        return set()
    there = select(SyncPerson.name).where(SyncPerson.sync_id == sync.id, SyncPerson.pairing == Pairing.NAMESAKE)
    return keys & {contact_matching.name_key(name) for name in db.session.scalars(there)}


def people(sync: ContactSync, *, text: str = "", after: str = "", limit: int = PAGE) -> Page:
    """The right column: who is paired with no account here, or with one from outside."""
    wanted = _right(sync, text).where(SyncPerson.id > (whole(after, LARGEST_BIG) or 0))
    rows = list(db.session.scalars(wanted.order_by(SyncPerson.id).limit(limit + 1)))
    return Page(rows[:limit], str(rows[limit - 1].id) if len(rows) > limit else "")


def _right(sync: ContactSync, text: str) -> Any:
    shown = (*FREE, Pairing.OUTSIDE)
    wanted = select(SyncPerson).where(SyncPerson.sync_id == sync.id, SyncPerson.tenant_id == sync.tenant_id)
    return _containing(wanted.where(SyncPerson.pairing.in_(shown)), text)


def _containing(wanted: Any, text: str) -> Any:
    if not text.strip():
        return wanted
    part = text.strip()
    return wanted.where(
        or_(SyncPerson.name.icontains(part, autoescape=True), SyncPerson.shown_id.icontains(part, autoescape=True))
    )


def offered(sync: ContactSync, user: User, *, text: str = "") -> list[SyncPerson]:
    """Whom an account may be paired with: those of the same name first, nobody who was chosen elsewhere."""
    wanted = select(SyncPerson).where(SyncPerson.sync_id == sync.id, SyncPerson.tenant_id == sync.tenant_id)
    wanted = wanted.where(SyncPerson.pairing.in_(FREE))
    if text.strip():
        return list(db.session.scalars(_containing(wanted, text).order_by(SyncPerson.id).limit(OFFERED)))
    name = user.real_name.strip()
    same = db.session.scalars(_containing(wanted, name).order_by(SyncPerson.id).limit(OFFERED)) if name else ()
    found = list(same)
    if len(found) < OFFERED:
        rest = wanted.where(SyncPerson.id.not_in([one.id for one in found])).order_by(SyncPerson.id)
        found += db.session.scalars(rest.limit(OFFERED - len(found)))
    return found


def paired_users(sync: ContactSync, shown: Iterable[SyncPerson]) -> dict[int, User]:
    """The accounts of people who are paired, by their id."""
    ids = [one.user_id for one in shown if one.user_id is not None]
    return {user.id: user for user in db.session.scalars(select(User).where(User.id.in_(ids)))} if ids else {}


def withholds_names(sync: ContactSync) -> bool:
    """Whether the platform told no name at all, so that nothing could be matched."""
    rows = db.session.execute(
        select(SyncPerson.name, SyncPerson.shown_id)
        .where(SyncPerson.sync_id == sync.id)
        .order_by(SyncPerson.id)
        .limit(OFFERED)
    ).all()
    return bool(rows) and all(contact_matching.is_withheld(name, shown_id) for name, shown_id in rows)


def department_names(sync: ContactSync) -> dict[str, str]:
    return {row["id"]: row["name"] for row in sync.departments}


# --- changing it --------------------------------------------------------------------------------------------------


def take_apart(sync: ContactSync, person_id: int, *, seen: int, by: Membership) -> None:
    """M4, 移出: both sides of a pair are free again. Raises ComparisonChanged, NotComparing."""
    person = _person(sync, person_id, by)
    if person.pairing not in {Pairing.BY_NAME, Pairing.BY_HAND, Pairing.OUTSIDE}:
        raise ComparisonChanged
    _change(sync, person, seen, by, "apart", pairing=Pairing.NONE, user_id=None)


def pair(sync: ContactSync, person_id: int, user_id: int, *, seen: int, by: Membership) -> None:
    """M5: this account is that person, says the administrator.

    Raises ComparisonChanged (also when either was chosen elsewhere meanwhile), NotComparing, NotFound for an account
    that cannot be paired.
    """
    person = _person(sync, person_id, by)
    if person.pairing not in FREE:
        raise ComparisonChanged
    place = db.session.scalar(
        select(Membership).where(Membership.tenant_id == sync.tenant_id, Membership.user_id == user_id)
    )
    if place is None or place.state is not MembershipState.ACTIVE or _is_linked(sync, user_id):
        raise NotFound
    _change(sync, person, seen, by, "paired", pairing=Pairing.BY_HAND, user_id=user_id)


def pair_outside(sync: ContactSync, person_id: int, typed: str, *, seen: int, by: Membership) -> None:
    """M6: this person has an account outside of the organisation, found by exact user name or e-mail address.

    Raises InvalidInput, ComparisonChanged, NotComparing.
    """
    person = _person(sync, person_id, by)
    if person.pairing not in FREE:
        raise ComparisonChanged
    text = typed.strip()
    same = or_(User.username_folded == throttling.fold(text), func.lower(User.email) == text.lower())
    user = db.session.scalar(select(User).where(same)) if text else None
    if user is None or user.is_disabled:
        raise InvalidInput("account", N_("没有找到这个账号，请输入完整的用户名或邮箱"))
    place = db.session.scalar(
        select(Membership).where(Membership.tenant_id == sync.tenant_id, Membership.user_id == user.id)
    )
    if place is not None and place.state is MembershipState.ACTIVE:
        raise InvalidInput("account", N_("该账号已是本组织的成员，请在左侧选择"))
    if _is_linked(sync, user.id):
        raise InvalidInput("account", N_("该账号已关联另一个用户"))
    _change(sync, person, seen, by, "paired_outside", pairing=Pairing.OUTSIDE, user_id=user.id)


def include(sync: ContactSync, person_id: int, is_included: bool, *, seen: int, by: Membership) -> None:
    """M7: leave a person out of this run, or take them in again."""
    what = "included" if is_included else "excluded"
    _change(sync, _person(sync, person_id, by), seen, by, what, is_included=is_included)


def _person(sync: ContactSync, person_id: int, by: Membership) -> SyncPerson:
    rights.require(by, "member.edit")
    wanted = select(SyncPerson).where(SyncPerson.tenant_id == by.tenant_id, SyncPerson.sync_id == sync.id)
    person = db.session.scalar(wanted.where(SyncPerson.id == person_id))
    if person is None:
        raise NotFound
    return person


def _is_linked(sync: ContactSync, user_id: int) -> bool:
    wanted = select(AccountLink.id).where(AccountLink.tenant_id == sync.tenant_id, AccountLink.user_id == user_id)
    return db.session.scalar(wanted.where(AccountLink.integration_id == sync.integration_id)) is not None


def _change(sync: ContactSync, person: SyncPerson, seen: int, by: Membership, what: str, **values: Any) -> None:
    """Stage a change of a person that nobody else changed since `seen`, while the comparison is open."""
    is_open = (ContactSync.id == sync.id, ContactSync.state == ContactSyncState.COMPARING)
    counted = update(ContactSync).where(*is_open).values(version=ContactSync.version + 1).returning(ContactSync.id)
    if not db.session.execute(counted).all():
        raise NotComparing
    mine = (SyncPerson.id == person.id, SyncPerson.version == seen)
    changed = update(SyncPerson).where(*mine).values(values | {"version": SyncPerson.version + 1})
    try:
        with db.session.begin_nested():
            won = db.session.execute(changed.returning(SyncPerson.id)).all()
    except IntegrityError as error:  # the account was paired with somebody else meanwhile
        raise ComparisonChanged from error
    if not won:
        raise ComparisonChanged
    db.session.refresh(sync, ["version"])
    db.session.refresh(person)
    account = db.session.get(User, values["user_id"]) if values.get("user_id") else None
    about: dict[str, Any] = {"sync": sync.id, "account": account.username if account else ""}
    audit.record("contact_sync.compared", by=by, target=f"{person.name} ({person.shown_id})", what=what, **about)
