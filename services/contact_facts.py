"""What is known of some people of a synchronisation at the moment, read at once for all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, RowMapping, select

from models import AccountLink, GeneratedAccount, LinkState, Membership, Pairing, User
from services import generated_accounts, throttling
from services.contact_decisions import Account, Facts

Row = RowMapping


@dataclass(frozen=True)
class Scope:
    """What all people of a run have in common.

    places  the platform's departments by id → ours
    by      id and user name of the administrator who confirmed it
    """

    sync_id: int
    tenant_id: int
    integration_id: int
    platform_key: str
    platform: str
    house_number: str
    passwords: str
    places: dict[str, int]
    by: tuple[int | None, str] = (None, "")


def facts_of(on: Connection, scope: Scope, rows: Sequence[Row]) -> list[Facts]:
    """Of each row of sync_people, in their order."""
    ids = [row["external_user_id"] for row in rows]
    links = _links(on, scope, ids)
    generated = _generated(on, scope, ids)
    names = {row["external_user_id"]: generated_accounts.username(scope.house_number, row["shown_id"]) for row in rows}
    folded = [throttling.fold(name) for name in names.values()]
    taken = set(on.execute(select(User.username_folded).where(User.username_folded.in_(folded))).scalars())
    users = {row["user_id"] for row in rows} | {user for user, _ in links.values()} | set(generated.values())
    accounts = _accounts(on, scope, [user for user in users if user is not None])
    found = []
    for row in rows:
        key = row["external_user_id"]
        user_id, state = links.get(key, (None, None))
        is_paired = row["user_id"] is not None and row["pairing"] is not Pairing.BOUND
        found.append(
            Facts(
                external_user_id=key,
                name=row["name"] or row["shown_id"],
                pairing=row["pairing"],
                is_included=row["is_included"],
                username=names[key],
                is_taken=throttling.fold(names[key]) in taken,
                is_paired=is_paired,
                link=accounts.get(user_id) if user_id else None,
                link_state=state,
                paired=accounts.get(row["user_id"]) if is_paired else None,
                generated=accounts.get(generated[key]) if key in generated else None,
            )
        )
    return found


def _links(on: Connection, scope: Scope, ids: list[str]) -> dict[str, tuple[int, LinkState]]:
    mine = (AccountLink.tenant_id == scope.tenant_id, AccountLink.integration_id == scope.integration_id)
    wanted = select(AccountLink.external_user_id, AccountLink.user_id, AccountLink.state).where(*mine)
    found = on.execute(wanted.where(AccountLink.external_user_id.in_(ids)))
    return {key: (user_id, state) for key, user_id, state in found}


def _generated(on: Connection, scope: Scope, ids: list[str]) -> dict[str, int]:
    mine = (GeneratedAccount.tenant_id == scope.tenant_id, GeneratedAccount.platform_key == scope.platform_key)
    wanted = select(GeneratedAccount.external_user_id, GeneratedAccount.user_id).where(*mine)
    return dict(on.execute(wanted.where(GeneratedAccount.external_user_id.in_(ids))).all())


def _accounts(on: Connection, scope: Scope, ids: list[int]) -> dict[int, Account]:
    place = (Membership.user_id == User.id) & (Membership.tenant_id == scope.tenant_id)
    link = (AccountLink.user_id == User.id) & (AccountLink.integration_id == scope.integration_id)
    wanted = (
        select(User.id, User.username, User.real_name, Membership.state, AccountLink.external_user_id, Membership.id)
        .outerjoin(Membership, place)
        .outerjoin(AccountLink, link)
        .where(User.id.in_(ids))
    )
    return {row[0]: Account(*row) for row in on.execute(wanted)}
