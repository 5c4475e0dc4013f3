"""Writing what was decided about some people of a synchronisation: one short transaction of few statements.

Whatever takes time and needs no lock, passwords above all, is planned before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, insert, update

from models import AccountLink, ContactSync, GeneratedAccount, Membership, MembershipState, Role, SyncPerson, User
from services import audit, contact_decisions, contact_departments, generated_accounts, throttling, vault
from services.clock import utcnow
from services.contact_decisions import Decision, Facts
from services.contact_facts import Row, Scope

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
_NEW_USERS = insert(User).returning(User.username_folded, User.id)
_NEW_PLACES = insert(Membership).returning(Membership.user_id, Membership.id)


class TakenOver(Exception):
    """Somebody else works on these people, too."""


@dataclass(frozen=True)
class Planned:
    """What becomes of one person.

    hashed, sealed  of a new account: its initial password's hash, and the password itself, encrypted, if it is random
    """

    row: Row
    known: Facts
    decision: Decision
    hashed: str = ""
    sealed: str | None = None

    @property
    def key(self) -> str:
        return self.known.external_user_id

    def user_of(self, made: Mapping[str, int]) -> int | None:
        """Whose account it is, of those that were there or are `made` now."""
        return self.decision.account.user_id if self.decision.account else made.get(self.key)


def plan(scope: Scope, rows: Sequence[Row], facts: Sequence[Facts]) -> list[Planned]:
    """Decide, and make the initial passwords of new accounts: half of all the work, and none of it in a transaction."""
    return [_planned(scope, row, known) for row, known in zip(rows, facts, strict=True)]


def _planned(scope: Scope, row: Row, known: Facts) -> Planned:
    decision = contact_decisions.decide(known)
    if not decision.creates:
        return Planned(row, known, decision)
    initial = generated_accounts.initial_password(scope.passwords, known.username)
    if scope.passwords != "random":
        return Planned(row, known, decision, initial.hashed)
    field = generated_accounts.field(scope.sync_id, known.external_user_id)
    return Planned(row, known, decision, initial.hashed, vault.seal(scope.tenant_id, field, initial.password))


def write(on: Connection, scope: Scope, planned: Sequence[Planned]) -> None:
    """Stage it all. Raises TakenOver, and IntegrityError when somebody else wrote the same a moment earlier."""
    now = utcnow()
    _claim(on, planned)
    made = _create_accounts(on, scope, planned, now)
    users = {one.key: one.user_of(made) for one in planned}
    _change_accounts(on, planned)
    new_places = _change_memberships(on, scope, planned, users, now)
    _change_links(on, scope, planned, users, now)
    if scope.places:
        _change_departments(on, scope, planned, users, new_places)
    _report(on, scope, planned, users)
    _audit(on, scope, planned, now)


def _audit(on: Connection, scope: Scope, planned: Sequence[Planned], now: datetime) -> None:
    """Who came, who is under review and who was linked, in the record of the organisation."""
    told = []
    for one in planned:
        decision, target = one.decision, f"{one.known.name} ({one.row['shown_id']})"
        about: dict[str, audit.Value] = {"source": SOURCE, "sync": scope.sync_id}
        if decision.creates:
            told.append(audit.Told("member.added", target, about | {"username": one.known.username}))
        elif decision.place is MembershipState.UNDER_REVIEW:
            told.append(audit.Told("member.asked", target, about))
        elif decision.link is not None and one.known.link_state is not decision.link:
            told.append(audit.Told("link.created", target, about))
    actor_id, actor_name = scope.by
    audit.write(on, told, tenant_id=scope.tenant_id, actor_id=actor_id, actor_name=actor_name, now=now)


def _claim(on: Connection, planned: Sequence[Planned]) -> None:
    """Make sure that nobody else has done these, and nobody does until the transaction ends."""
    ids = [one.row["id"] for one in planned]
    mine = update(_PEOPLE).where(_PEOPLE.c.id.in_(ids), _PEOPLE.c.outcome.is_(None)).values(outcome=CLAIMED)
    if on.execute(mine).rowcount != len(ids):
        raise TakenOver


def _create_accounts(on: Connection, scope: Scope, planned: Sequence[Planned], now: datetime) -> dict[str, int]:
    """P6: new accounts; their ids by the person's id there."""
    new = [one for one in planned if one.decision.creates]
    if not new:
        return {}
    values = [
        {
            "username": one.known.username,
            "username_folded": throttling.fold(one.known.username),
            "real_name": one.known.name[:64],
            "password_hash": one.hashed,
            "must_change_password": True,
            "created_at": now,
        }
        for one in new
    ]
    by_name = dict(on.execute(_NEW_USERS, values).all())
    made = {one.key: by_name[throttling.fold(one.known.username)] for one in new}
    about = {
        "tenant_id": scope.tenant_id,
        "platform_key": scope.platform_key,
        "password_kind": scope.passwords,
        "password_until": now + generated_accounts.LIFETIME,
        "created_at": now,
    }
    rows = [{"user_id": made[one.key], "external_user_id": one.key} | about for one in new]
    on.execute(insert(GeneratedAccount), rows)
    return made


def _change_accounts(on: Connection, planned: Sequence[Planned]) -> None:
    """P2: a name where there was none."""
    for one in planned:
        if one.decision.fills_name and one.decision.account:
            nameless = (User.id == one.decision.account.user_id, User.real_name == "")
            on.execute(update(User).where(*nameless).values(real_name=one.known.name[:64]))


def _change_memberships(
    on: Connection, scope: Scope, planned: Sequence[Planned], users: Mapping[str, int | None], now: datetime
) -> dict[int, int]:
    """New places and those to be reviewed; the ids of the new memberships by user."""
    new, again = [], []
    for one in planned:
        decision, user_id = one.decision, users[one.key]
        if decision.place is None or user_id is None:
            continue
        if decision.creates or (decision.account and decision.account.place is None):
            new.append({"user_id": user_id, "state": decision.place})
        else:
            again.append(user_id)
    if again:
        left = (Membership.user_id.in_(again), Membership.state == MembershipState.LEFT)
        mine = Membership.tenant_id == scope.tenant_id
        on.execute(update(Membership).where(mine, *left).values(state=MembershipState.UNDER_REVIEW))
    if not new:
        return {}
    about = {"tenant_id": scope.tenant_id, "role": Role.RESPONDER, "source": SOURCE, "created_at": now}
    return dict(on.execute(_NEW_PLACES, [one | about for one in new]).all())


def _change_links(
    on: Connection, scope: Scope, planned: Sequence[Planned], users: Mapping[str, int | None], now: datetime
) -> None:
    mine = {"tenant_id": scope.tenant_id, "integration_id": scope.integration_id}
    new = []
    for one in planned:
        known, state = one.known, one.decision.link
        if state is None:
            continue
        if known.link is None:
            about = {"user_id": users[one.key], "external_user_id": one.key, "external_name": known.name}
            new.append(mine | about | {"state": state, "source": SOURCE, "linked_at": now})
        elif known.link_state is not state:
            theirs = [getattr(AccountLink, name) == value for name, value in mine.items()]
            theirs.append(AccountLink.external_user_id == one.key)
            on.execute(update(AccountLink).where(*theirs).values(state=state))
    if new:
        on.execute(insert(AccountLink), new)


def _change_departments(
    on: Connection,
    scope: Scope,
    planned: Sequence[Planned],
    users: Mapping[str, int | None],
    new_places: Mapping[int, int],
) -> None:
    """Who has a place here belongs to the departments that the platform told."""
    new, kept = {}, {}
    for one in planned:
        wanted = [scope.places[place] for place in one.row["department_ids"] if place in scope.places]
        account, user_id = one.decision.account, users[one.key]
        if user_id is not None and user_id in new_places:
            new[new_places[user_id]] = wanted
        elif account is not None and account.place_id is not None and one.decision.has_place:
            kept[account.place_id] = wanted
    about = {"tenant_id": scope.tenant_id, "integration_id": scope.integration_id}
    contact_departments.place(on, new, kept, **about)


def _report(on: Connection, scope: Scope, planned: Sequence[Planned], users: Mapping[str, int | None]) -> None:
    lines = []
    for one in planned:
        known, account = one.known, one.decision.account
        words = {"name": known.name, "real_name": known.name, "username": known.username, "platform": scope.platform}
        if account:
            words |= {"username": account.username, "real_name": account.real_name or known.name}
        line = {"of_row": one.row["id"], "said": one.decision.outcome, "words": words}
        user_id = users[one.key] if one.decision.creates else one.row["user_id"]
        lines.append(line | {"whose": user_id, "sealed": one.sealed})
    on.execute(_LINE, lines)
    done = ContactSync.step + len(planned)
    on.execute(update(ContactSync).where(ContactSync.id == scope.sync_id).values(step=done))
