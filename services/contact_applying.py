"""The second half of a synchronisation, in the worker: apply what an administrator confirmed, some people at a time.

Each batch is decided on what is there now and written in one short transaction together with its lines of the
report. A run that is cut off leaves whole batches; the next one goes on with those who have no line yet.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, exists, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from extensions import db, read_only, reading, writing
from models import (
    AccountLink,
    ContactSync,
    ContactSyncState,
    GeneratedAccount,
    Integration,
    Membership,
    MembershipState,
    Role,
    SyncPerson,
    Tenant,
    User,
)
from platforms import PLATFORMS
from services import audit, contact_decisions, contact_departments, generated_accounts, throttling, vault
from services.clock import utcnow
from services.contact_decisions import Decision, Facts
from services.contact_facts import Row, Scope, facts_of

BATCH = 30
"""People of one transaction: some ten milliseconds of SQLite's write lock."""
MARKED = 200
SOURCE = "contact_sync"
CLAIMED = "claimed"

_PEOPLE: Any = SyncPerson.__table__
_LINE = (
    update(_PEOPLE)
    .where(_PEOPLE.c.id == bindparam("of_row"))
    .values(
        outcome=bindparam("said"),
        report=bindparam("words"),
        user_id=bindparam("whose"),
        password=bindparam("sealed"),
    )
)


class _TakenOver(Exception):
    """Somebody else works on these people, too."""


def run(sync_id: int, *, tenant_id: int, until: datetime) -> bool:
    """Apply until the time is over; whether nothing is left. Commits as it goes; safe to run again, also at once."""
    with read_only():
        sync = db.session.get(ContactSync, sync_id)
        if sync is None or sync.tenant_id != tenant_id or sync.state is not ContactSyncState.APPLYING:
            return True
        departments = None if "departments" in sync.counts else list(sync.departments)
        integration_id = sync.integration_id
    if departments is not None:
        contact_departments.take(departments, tenant_id=tenant_id, integration_id=integration_id, now=utcnow())
        _update(sync_id, counts={"departments": len(departments)})
    scope = _scope(sync_id)
    while rows := _next(sync_id):
        _apply(scope, rows)
        if utcnow() >= until:
            return False
    _finish(scope, now=utcnow())
    return True


def _scope(sync_id: int) -> Scope:
    with read_only():
        sync = db.session.get_one(ContactSync, sync_id)
        integration = db.session.get_one(Integration, sync.integration_id)
        tenant = db.session.get_one(Tenant, sync.tenant_id)
        values: dict[str, Any] = {
            "sync_id": sync.id,
            "tenant_id": tenant.id,
            "integration_id": integration.id,
            "platform_key": integration.platform_key or f"integration:{integration.id}",
            "platform": PLATFORMS[integration.platform].label,
            "house_number": tenant.house_number,
            "passwords": sync.initial_passwords,
        }
        has_departments = bool(sync.departments)
    places = contact_departments.mapped(values["tenant_id"], values["integration_id"]) if has_departments else {}
    return Scope(**values, places=places)


def _next(sync_id: int) -> Sequence[Row]:
    wanted = select(_PEOPLE).where(_PEOPLE.c.sync_id == sync_id, _PEOPLE.c.outcome.is_(None))
    with reading() as connection:
        return connection.execute(wanted.order_by(_PEOPLE.c.id).limit(BATCH)).mappings().all()


def _apply(scope: Scope, rows: Sequence[Row]) -> None:
    """Decide beside the write lock, then write; whatever stood in the way of the batch is found one by one."""
    with reading() as connection:
        facts = facts_of(connection, scope, rows)
    try:
        with writing() as connection:
            _write(connection, scope, rows, facts)
    except (IntegrityError, _TakenOver):
        for row in rows:
            _apply_alone(scope, row)


def _apply_alone(scope: Scope, row: Row) -> None:
    try:
        with writing() as connection:
            _write(connection, scope, [row], facts_of(connection, scope, [row]))
    except _TakenOver:
        return
    except IntegrityError:
        with writing() as connection:
            mine = (_PEOPLE.c.id == row["id"], _PEOPLE.c.outcome.is_(None))
            values = {"outcome": contact_decisions.CONFLICT, "report": {"name": row["name"] or row["shown_id"]}}
            connection.execute(update(_PEOPLE).where(*mine).values(values))


# --- what is written ----------------------------------------------------------------------------------------------


def _write(on: Connection, scope: Scope, rows: Sequence[Row], facts: Sequence[Facts]) -> None:
    now = utcnow()
    _claim(on, rows)
    decided = [(row, known, contact_decisions.decide(known)) for row, known in zip(rows, facts, strict=True)]
    made, passwords = _create_accounts(on, scope, decided, now)
    users = {known.external_user_id: _user_of(known, decision, made) for _, known, decision in decided}
    _change_accounts(on, decided)
    memberships = _change_memberships(on, scope, decided, users, now)
    _change_links(on, scope, decided, users, now)
    wanted = {
        memberships[user_id]: [scope.places[place] for place in row["department_ids"] if place in scope.places]
        for row, known, decision in decided
        if (user_id := users[known.external_user_id]) in memberships and decision.has_place
    }
    if scope.places:
        about = {"tenant_id": scope.tenant_id, "integration_id": scope.integration_id}
        contact_departments.place(on, wanted, **about)
    _report(on, scope, decided, users, passwords)


def _user_of(known: Facts, decision: Decision, made: dict[str, int]) -> int | None:
    return decision.account.user_id if decision.account else made.get(known.external_user_id)


def _claim(on: Connection, rows: Sequence[Row]) -> None:
    """Make sure that nobody else has done these, and nobody does until the transaction ends."""
    ids = [row["id"] for row in rows]
    mine = update(_PEOPLE).where(_PEOPLE.c.id.in_(ids), _PEOPLE.c.outcome.is_(None)).values(outcome=CLAIMED)
    if len(on.execute(mine.returning(_PEOPLE.c.id)).all()) != len(ids):
        raise _TakenOver


Decided = Sequence[tuple[Row, Facts, Decision]]


def _create_accounts(
    on: Connection, scope: Scope, decided: Decided, now: datetime
) -> tuple[dict[str, int], dict[str, str]]:
    """P6: new accounts; their ids, and their sealed random passwords, by the person's id there."""
    new = [known for _, known, decision in decided if decision.creates]
    if not new:
        return {}, {}
    initial = {one.external_user_id: generated_accounts.initial_password(scope.passwords, one.username) for one in new}
    values = [
        {
            "username": one.username,
            "username_folded": throttling.fold(one.username),
            "real_name": one.name[:64],
            "password_hash": initial[one.external_user_id].hashed,
            "must_change_password": True,
            "created_at": now,
        }
        for one in new
    ]
    inserted = on.execute(insert(User).returning(User.username_folded, User.id), values)
    by_name = dict(inserted.all())
    made = {one.external_user_id: by_name[throttling.fold(one.username)] for one in new}
    on.execute(
        insert(GeneratedAccount),
        [
            {
                "user_id": made[one.external_user_id],
                "tenant_id": scope.tenant_id,
                "platform_key": scope.platform_key,
                "external_user_id": one.external_user_id,
                "password_kind": scope.passwords,
                "password_until": now + generated_accounts.LIFETIME,
                "created_at": now,
            }
            for one in new
        ],
    )
    if scope.passwords != "random":
        return made, {}
    return made, {key: _sealed(scope, key, one.password) for key, one in initial.items()}


def _sealed(scope: Scope, key: str, password: str) -> str:
    return vault.seal(scope.tenant_id, generated_accounts.field(scope.sync_id, key), password)


def _change_accounts(on: Connection, decided: Decided) -> None:
    """P2: a name where there was none."""
    for _, known, decision in decided:
        if decision.fills_name and decision.account:
            nameless = (User.id == decision.account.user_id, User.real_name == "")
            on.execute(update(User).where(*nameless).values(real_name=known.name[:64]))


def _change_memberships(
    on: Connection, scope: Scope, decided: Decided, users: dict[str, int | None], now: datetime
) -> dict[int, int]:
    """New places and those to be reviewed; the membership ids of everybody concerned by user."""
    new, again = [], []
    for _, known, decision in decided:
        user_id = users[known.external_user_id]
        if decision.place is None or user_id is None:
            continue
        if decision.creates or (decision.account and decision.account.place is None):
            new.append({"user_id": user_id, "state": decision.place})
        else:
            again.append(user_id)
    about = {"tenant_id": scope.tenant_id, "role": Role.RESPONDER, "source": SOURCE, "created_at": now}
    if new:
        on.execute(insert(Membership), [one | about for one in new])
    mine = Membership.tenant_id == scope.tenant_id
    if again:
        left = (Membership.user_id.in_(again), Membership.state == MembershipState.LEFT)
        on.execute(update(Membership).where(mine, *left).values(state=MembershipState.UNDER_REVIEW))
    ids = [user_id for user_id in users.values() if user_id is not None]
    found = on.execute(select(Membership.user_id, Membership.id).where(mine, Membership.user_id.in_(ids)))
    return dict(found.all())


def _change_links(on: Connection, scope: Scope, decided: Decided, users: dict[str, int | None], now: datetime) -> None:
    mine = (AccountLink.tenant_id == scope.tenant_id, AccountLink.integration_id == scope.integration_id)
    new = []
    for _, known, decision in decided:
        if decision.link is None:
            continue
        if known.link is not None:
            theirs = (*mine, AccountLink.external_user_id == known.external_user_id)
            on.execute(update(AccountLink).where(*theirs).values(state=decision.link))
            continue
        new.append(
            {
                "tenant_id": scope.tenant_id,
                "integration_id": scope.integration_id,
                "user_id": users[known.external_user_id],
                "external_user_id": known.external_user_id,
                "external_name": known.name,
                "state": decision.link,
                "source": SOURCE,
                "linked_at": now,
            }
        )
    if new:
        on.execute(insert(AccountLink), new)


def _report(
    on: Connection, scope: Scope, decided: Decided, users: dict[str, int | None], passwords: dict[str, str]
) -> None:
    lines = []
    for row, known, decision in decided:
        words = {"name": known.name, "real_name": known.name, "username": known.username, "platform": scope.platform}
        if decision.account:
            words |= {"username": decision.account.username, "real_name": decision.account.real_name or known.name}
        line = {"of_row": row["id"], "said": decision.outcome, "words": words}
        user_id = users[known.external_user_id] if decision.creates else row["user_id"]
        lines.append(line | {"whose": user_id, "sealed": passwords.get(known.external_user_id)})
    on.execute(_LINE, lines)
    done = ContactSync.step + len(decided)
    on.execute(update(ContactSync).where(ContactSync.id == scope.sync_id).values(step=done))


# --- the end ------------------------------------------------------------------------------------------------------


def _finish(scope: Scope, *, now: datetime) -> None:
    """Note who is no longer seen there, count, close. Nobody is unlinked or disabled."""
    outcome = select(_PEOPLE.c.outcome, func.count()).where(_PEOPLE.c.sync_id == scope.sync_id)
    with reading() as connection:
        counted: dict[str, int] = dict(connection.execute(outcome.group_by(_PEOPLE.c.outcome)).all())
        kept = connection.execute(select(ContactSync.counts).where(ContactSync.id == scope.sync_id)).scalar_one()
    counts = dict.fromkeys(("created", "updated", "review", "skipped", "failed"), 0)
    for name, number in counted.items():
        counts[contact_decisions.TOTALS.get(name, "failed")] += number
    _mark_missing(scope, now)
    sync = db.session.get_one(ContactSync, scope.sync_id, populate_existing=True, with_for_update=True)
    if sync.state is not ContactSyncState.APPLYING:
        db.session.rollback()
        return
    sync.state, sync.finished_at, sync.counts = ContactSyncState.DONE, now, kept | counts
    about: dict[str, Any] = {name: number for name, number in counts.items() if number}
    audit.record(
        "contact_sync.finished",
        user=sync.confirmed_by,
        tenant_id=sync.tenant_id,
        target=f"#{sync.id}",
        now=now,
        **about,
    )
    db.session.commit()


def _mark_missing(scope: Scope, now: datetime) -> None:
    """Links whose person the platform no longer names are marked; those that it names again no longer are."""
    mine = (AccountLink.tenant_id == scope.tenant_id, AccountLink.integration_id == scope.integration_id)
    named = exists().where(
        _PEOPLE.c.sync_id == scope.sync_id, _PEOPLE.c.external_user_id == AccountLink.external_user_id
    )
    with reading() as connection:
        missing = connection.execute(select(AccountLink.id).where(*mine, ~named, AccountLink.missing_since.is_(None)))
        gone = list(missing.scalars())
        found = connection.execute(select(AccountLink.id).where(*mine, named, AccountLink.missing_since.is_not(None)))
        back = list(found.scalars())
    for ids, since in ((gone, now), (back, None)):
        for start in range(0, len(ids), MARKED):
            with writing() as connection:
                some = AccountLink.id.in_(ids[start : start + MARKED])
                connection.execute(update(AccountLink).where(some).values(missing_since=since))


def _update(sync_id: int, **values: Any) -> None:
    with writing() as connection:
        connection.execute(update(ContactSync).where(ContactSync.id == sync_id).values(**values))
