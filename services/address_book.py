"""How people are reached: their memberships, the connections of their organisation, and their links in these.

Read as plain values by three statements, since every new incident asks. They have the names that the rows of the
session have (incident_values.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, select

from extensions import db
from models import AccountLink, Integration, IntegrationStatus, LinkState, Membership, MembershipState, User
from platforms import PLATFORMS
from services.incident_values import Account
from services.policy_levels import UNIFIED, Personal
from services.statements import Statement, among


@dataclass(slots=True)
class MemberValues:
    """A membership of any state. preferences: severity → channel kinds."""

    user_id: int
    state: MembershipState
    preferences: dict[str, list[str]]
    user: Account


@dataclass(slots=True)
class IntegrationValues:
    """A connection that is more than a draft."""

    id: int
    platform: str
    name: str
    status: IntegrationStatus


@dataclass(slots=True)
class LinkValues:
    """Who a person is on the platform."""

    integration_id: int
    user_id: int
    external_user_id: str
    state: LinkState


@dataclass(frozen=True)
class Route:
    """How a person is reached through one channel kind, or why not (a code of services.failures)."""

    channel_kind: str
    integration: Integration | IntegrationValues | None = None
    link: AccountLink | LinkValues | None = None
    failure: str | None = None
    skip: str | None = None


_MEMBERS = (
    select(
        Membership.user_id,
        Membership.state,
        Membership.preferences,
        User.id,
        User.real_name,
        User.username,
        User.is_disabled,
    )
    .join(User, User.id == Membership.user_id)
    .where(Membership.tenant_id == bindparam("tenant_id"))
)
_LINKS = select(AccountLink.integration_id, AccountLink.user_id, AccountLink.external_user_id, AccountLink.state).where(
    AccountLink.tenant_id == bindparam("tenant_id")
)
_IN_USE = Statement(
    select(Integration.id, Integration.platform, Integration.name, Integration.status)
    .where(Integration.tenant_id == bindparam("tenant_id"), Integration.status != IntegrationStatus.DRAFT)
    .order_by(Integration.id)
)
_ONE: Any = bindparam("user_id")
_MEMBER = Statement(_MEMBERS.where(Membership.user_id == _ONE))
_THESE_MEMBERS = Statement(_MEMBERS.where(among(Membership.user_id, "user_ids")))
_LINKS_OF_ONE = Statement(_LINKS.where(AccountLink.user_id == _ONE))
_LINKS_OF_THESE = Statement(_LINKS.where(among(AccountLink.user_id, "user_ids")))


class AddressBook:
    """How the given people of an organisation can be reached. Who has no membership in it is not in `members`.

    members  by user id, in the order given
    """

    def __init__(self, tenant_id: int, user_ids: Iterable[int]) -> None:
        db.session.flush()
        on, wanted = db.session.connection(), list(dict.fromkeys(user_ids))
        found = {
            user_id: MemberValues(user_id, state, preferences, Account(id, real_name or username, is_disabled))
            for user_id, state, preferences, id, real_name, username, is_disabled in _of_each(
                on, _MEMBER, _THESE_MEMBERS, tenant_id, wanted
            )
        }
        self.members = {user_id: found[user_id] for user_id in wanted if user_id in found}
        self.integrations = [IntegrationValues(*row) for row in _IN_USE.rows(on, {"tenant_id": tenant_id})]
        links = (LinkValues(*row) for row in _of_each(on, _LINKS_OF_ONE, _LINKS_OF_THESE, tenant_id, wanted))
        self.links = {(link.integration_id, link.user_id): link for link in links}

    def routes(self, user_id: int, severity: str, personal: Personal) -> list[Route]:
        """At least one: somebody who is not told is shown with the reason."""
        kinds = self._kinds(user_id, severity, personal)
        if kinds is None:
            return [Route("", skip="severity_filtered")]
        return [self.route(user_id, kind) for kind in kinds] or [Route("", failure=self._failure_of(user_id))]

    def route(self, user_id: int, kind: str) -> Route:
        """One person through one channel kind."""
        failure = self._member_failure(user_id)
        found = [one for one in self.integrations if kind_of(one) == kind]
        active = [one for one in found if one.status is IntegrationStatus.ACTIVE]
        if failure or not active:
            failure = failure or ("integration_disabled" if found else "no_channel")
            return Route(kind, next(iter(active or found), None), failure=failure)
        integration = next((one for one in active if (one.id, user_id) in self.links), active[0])
        link = self.links.get((integration.id, user_id))
        return Route(kind, integration, link, failure=link_failure(link))

    def _kinds(self, user_id: int, severity: str, personal: Personal) -> list[str] | None:
        """Channel kinds to use; None if the level tells nobody at this severity."""
        if personal.mode == UNIFIED:
            return list(personal.unified.get(severity, ())) or None
        member = self.members.get(user_id)
        chosen = member.preferences.get(severity) if member else None
        if chosen is not None:
            return list(dict.fromkeys(chosen))
        in_use = [one for one in self.integrations if one.status is IntegrationStatus.ACTIVE] or self.integrations
        return list(dict.fromkeys(kind_of(one) for one in in_use))

    def _failure_of(self, user_id: int) -> str:
        return self._member_failure(user_id) or "no_channel"

    def _member_failure(self, user_id: int) -> str | None:
        member = self.members.get(user_id)
        if member is not None and member.state is MembershipState.UNDER_REVIEW:
            return "link_pending"
        if member is None or member.state is not MembershipState.ACTIVE or member.user.is_disabled:
            return "member_inactive"
        return None


def kind_of(integration: Integration | IntegrationValues) -> str:
    """The personal channel that an integration is."""
    return PLATFORMS[integration.platform].capabilities.channel_kind


def link_failure(link: AccountLink | LinkValues | None) -> str | None:
    """Why nothing can be sent over a link. A broken one is tried: the platform may see the person again."""
    if link is None:
        return "app_not_linked"
    return "link_pending" if link.state is LinkState.PENDING else None


def _of_each(on: Connection, one: Statement, some: Statement, tenant_id: int, user_ids: Sequence[int]) -> list[Any]:
    """On SQLite asking once for each is quicker than putting a list together."""
    if on.dialect.name == "sqlite":
        return [row for user_id in user_ids for row in one.rows(on, {"tenant_id": tenant_id, "user_id": user_id})]
    return list(some.rows(on, {"tenant_id": tenant_id, "user_ids": list(user_ids)}))
