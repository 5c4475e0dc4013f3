"""Accounts that a synchronisation makes: what they are called, their initial passwords, and who has not come yet.

An initial password opens one page, which replaces it; it is worth nothing after its first use or after 72 hours.
Whoever comes through the platform's application needs none.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import exists, select, update

from errors import AppError
from extensions import db, reading, writing
from models import AccountLink, ContactSync, GeneratedAccount, Membership, SyncPerson, User
from services import audit, contact_syncs, passwords, rights, vault
from texts import N_

LIFETIME = timedelta(hours=72)
FORGOTTEN_WITHIN = timedelta(days=90)
"""So long the people of a synchronisation are kept at all."""
LONGEST_USERNAME = 128
NOT_IN_NAMES = re.compile(r"[^\w.@-]")
PAGE = 50
HANDED_OUT = 500
"""Passwords of one transaction: some milliseconds of SQLite's write lock."""


class InitialPasswordSpent(AppError):
    """The password was right, so the reader may know."""

    code = "sign_in.initial_password_spent"
    api_code = "Unauthorized"
    message = N_("初始密码已使用或已过期")
    hint = N_("请从企业应用中打开值班铃，或联系管理员重置密码。")
    status = 403


@dataclass(frozen=True)
class Initial:
    """An initial password in clear, once, and its hash."""

    password: str
    hashed: str


def username(house_number: str, shown_id: str) -> str:
    """What the account of a person there is called: house number and account, as documented."""
    return f"{house_number}{NOT_IN_NAMES.sub('-', shown_id)}"[:LONGEST_USERNAME]


def initial_password(kind: str, name: str) -> Initial:
    """kind: "random", or "account" for the account's own name, which everybody who knows that can guess."""
    password = name if kind == "account" else passwords.one_time_password()
    return Initial(password, passwords.hash_one_time(password))


def field(sync_id: int, external_user_id: str) -> str:
    """Under which an initial password is sealed until it is handed out."""
    return f"sync.{sync_id}.{external_user_id}"


def use_initial_password(user: User, *, now: datetime) -> None:
    """Stage that the initial password was used, if it still is what the account has.

    Raises InitialPasswordSpent when it was used before or is older than 72 hours.
    """
    if not user.must_change_password or not passwords.is_one_time(user.password_hash):
        return
    fresh = (GeneratedAccount.password_used_at.is_(None), GeneratedAccount.password_until > now)
    taken = update(GeneratedAccount).where(GeneratedAccount.user_id == user.id, *fresh).values(password_used_at=now)
    if db.session.execute(taken.returning(GeneratedAccount.user_id)).all():
        return
    known = select(exists().where(GeneratedAccount.user_id == user.id))
    if db.session.scalar(known):
        raise InitialPasswordSpent


@dataclass(frozen=True)
class Waiting:
    """An account whose person has not come yet, neither with a password nor through the application."""

    user: User
    account: GeneratedAccount


def not_signed_in(viewer: Membership, *, after: int = 0, limit: int = PAGE) -> tuple[list[Waiting], int]:
    """Whose generated accounts nobody has used so far, by id; the second value: where to go on, 0 at the end."""
    rights.require(viewer, "member.edit")
    came = exists().where(AccountLink.user_id == User.id, AccountLink.last_seen_at.is_not(None))
    wanted = (
        select(User, GeneratedAccount)
        .join(GeneratedAccount, GeneratedAccount.user_id == User.id)
        .where(GeneratedAccount.tenant_id == viewer.tenant_id, User.id > after)
        .where(User.last_sign_in_at.is_(None), ~came)
        .order_by(User.id)
    )
    rows = db.session.execute(wanted.limit(limit + 1)).all()
    items = [Waiting(user, account) for user, account in rows[:limit]]
    return items, items[-1].user.id if len(rows) > limit else 0


def has_passwords(sync: ContactSync) -> bool:
    """Whether random initial passwords wait to be handed out."""
    return bool(
        db.session.scalar(select(exists().where(SyncPerson.sync_id == sync.id, SyncPerson.password.is_not(None))))
    )


def hand_out(sync_id: int, *, by: Membership, now: datetime) -> list[tuple[str, str, str]]:
    """The random initial passwords, now and never again: (name, user name, password) of each. Commits some at a time.

    Opened beside the write lock, each given to whoever takes it first. Those that have expired are dropped without
    being shown. Raises AccessDenied.
    """
    rights.require(by, "member.edit")
    tenant_id, is_alive = by.tenant_id, _opens_still(sync_id, now)
    shown: list[tuple[str, str, str]] = []
    after = 0
    while rows := _held(tenant_id, sync_id, after):
        after = rows[-1].id
        opened = {
            row.id: (row.real_name or row.username, row.username, _opened(tenant_id, sync_id, row))
            for row in rows
            if is_alive
        }
        with writing() as on:
            mine = (SyncPerson.id.in_([row.id for row in rows]), SyncPerson.password.is_not(None))
            taken = on.execute(update(SyncPerson).where(*mine).values(password=None).returning(SyncPerson.id))
            shown += [opened[person_id] for person_id in sorted(taken.scalars()) if person_id in opened]
    target = contact_syncs.named(sync_id, tenant_id)
    audit.record("contact_sync.passwords_shown", by=by, target=target, count=len(shown), now=now)
    return shown


def _opens_still(sync_id: int, now: datetime) -> bool:
    with reading() as connection:
        ended = connection.execute(select(ContactSync.finished_at).where(ContactSync.id == sync_id)).scalar()
    return ended is None or now - ended < LIFETIME


def _held(tenant_id: int, sync_id: int, after: int) -> Sequence[Any]:
    mine = (SyncPerson.tenant_id == tenant_id, SyncPerson.sync_id == sync_id, SyncPerson.password.is_not(None))
    wanted = select(
        SyncPerson.id, SyncPerson.external_user_id, SyncPerson.password, User.username, User.real_name
    ).join(User, User.id == SyncPerson.user_id)
    with reading() as connection:
        return connection.execute(
            wanted.where(*mine, SyncPerson.id > after).order_by(SyncPerson.id).limit(HANDED_OUT)
        ).all()


def forget_passwords(*, now: datetime) -> None:
    """Stage that initial passwords which nobody asked for are gone once they open nothing any more."""
    ended = ContactSync.finished_at.between(now - FORGOTTEN_WITHIN, now - LIFETIME)
    held = (SyncPerson.sync_id.in_(select(ContactSync.id).where(ended)), SyncPerson.password.is_not(None))
    statement = update(SyncPerson).where(*held).values(password=None)
    db.session.execute(statement.execution_options(synchronize_session=False))


def _opened(tenant_id: int, sync_id: int, held: Any) -> str:
    return vault.unseal(tenant_id, field(sync_id, held.external_user_id), held.password)


def as_csv(header: list[str], rows: Iterable[tuple[str, ...]]) -> bytes:
    """A table for a spreadsheet program: UTF-8 with its mark; no cell is taken for a formula."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(header)
    writer.writerows([[_harmless(cell) for cell in row] for row in rows])
    return text.getvalue().encode("utf-8-sig")


def _harmless(cell: str) -> str:
    return f"'{cell}" if cell[:1] in {"=", "+", "-", "@", "\t", "\r"} else cell
