"""What a request to the in-app pages carries: which integration, who, and what the session remembers."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from typing import Any

from flask import g, request, session

from blueprints.access import LINK_KEY
from errors import AppError, NotFound
from extensions import db
from models import AccountLink, Integration, IntegrationStatus, LinkState, User
from platforms import PLATFORMS
from platforms.base import Platform, PlatformIdentity
from services import integrations, linking
from texts import N_

STATES_KEY, BINDING_KEY, CANDIDATE_KEY = "h5_states", "h5_binding", "h5_candidate"
REMEMBERED_STATES = 5
BINDING_SECONDS = 600


class IntegrationDisabled(AppError):
    code = "integration.disabled"
    api_code = "AccessDenied"
    message = N_("集成已停用")
    hint = N_("请联系管理员重新启用。")
    status = 403


@dataclass(frozen=True)
class Visit:
    """The integration in the address, its platform's class, and whether the page runs inside the platform's client."""

    integration: Integration
    platform: type[Platform]
    in_client: bool

    @property
    def asks_client(self) -> bool:
        """Whether a script asks the client who this is; elsewhere the platform's own page does."""
        return self.in_client and bool(self.platform.capabilities.sign_in_scripts)


def load(platform: str, public_key: str) -> Visit:
    """Find the integration of an in-app address. Raises NotFound, IntegrationDisabled."""
    integration = integrations.find_by_public_key(platform, public_key)
    if integration is None:
        raise NotFound
    if integration.status is IntegrationStatus.DISABLED:
        raise IntegrationDisabled
    kind = PLATFORMS[platform]
    return Visit(integration, kind, is_client_of(kind))


def is_client_of(platform: type[Platform]) -> bool:
    """Whether the page is opened in the platform's own client."""
    return platform.capabilities.user_agent_mark.casefold() in request.user_agent.string.casefold()


def application_of(tenant_id: int, *, like: str = "") -> Integration | None:
    """The active connection of an organisation whose pages suit this client best: its own platform's, one `like` it."""
    connected = integrations.active_for(tenant_id)
    suits = {one.id: (is_client_of(PLATFORMS[one.platform]), one.platform == like) for one in connected}
    return max(connected, key=lambda one: suits[one.id], default=None)


def visit() -> Visit:
    """The visit of this request, loaded by the blueprint before every view."""
    found: Visit = g.visit
    return found


# --- what the session remembers -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Opened:
    """A sign-in that this session began. by_script: the code is asked of the client, not of the platform's page.

    opened_at  Unix seconds
    """

    next_path: str
    opened_at: float
    by_script: bool


def open_state(next_path: str, *, by_script: bool = False) -> str:
    """Make a sign-in state (128 bits, letters and digits as every platform allows) bound to this session.

    It also keeps how the code will come, so that the address of the way back cannot say otherwise.
    """
    states: dict[str, Any] = session.get(STATES_KEY, {})
    state = secrets.token_hex(16)
    newest = dict(list(states.items())[-(REMEMBERED_STATES - 1) :])
    session[STATES_KEY] = newest | {state: [visit().integration.id, next_path, time.time(), by_script]}
    return state


def take_state(state: str) -> Opened:
    """What was begun with a state that this session opened for this integration; the state is spent.

    Raises linking.SignInExpired for any other state: a stranger's link must not sign anybody in.
    """
    states: dict[str, Any] = dict(session.get(STATES_KEY, {}))
    found = states.pop(state, None)
    session[STATES_KEY] = states
    if found is None or found[0] != visit().integration.id:
        raise linking.SignInExpired("not opened by this session")
    return Opened(found[1], found[2], by_script=len(found) > 3 and bool(found[3]))


def remember_identity(identity: PlatformIdentity, next_path: str) -> None:
    """Keep who the platform says this is, until the person has proven who they are here.

    A password proven before was for whoever the platform named then, so it is asked for again.
    """
    forget_identity()
    session[BINDING_KEY] = {
        "integration": visit().integration.id,
        "external_user_id": identity.external_user_id,
        "name": identity.name,
        "union_id": identity.external_union_id,
        "next": next_path,
        "at": time.time(),
    }


def remembered_identity() -> tuple[PlatformIdentity, str] | None:
    found = session.get(BINDING_KEY)
    if not found or found["integration"] != visit().integration.id or time.time() - found["at"] > BINDING_SECONDS:
        return None
    return PlatformIdentity(found["external_user_id"], found["name"], found.get("union_id", "")), found["next"]


def forget_identity() -> None:
    """End a linking, done or given up."""
    for key in (BINDING_KEY, CANDIDATE_KEY):
        session.pop(key, None)


@dataclass(frozen=True)
class Candidate:
    """Whose account here was proven, by a password or by the organisation's identity provider."""

    user: User
    by_sso: bool


def remember_candidate(user: User, integration: Integration, *, by_sso: bool) -> None:
    """Keep who proved to be whom here, for this application alone: a provider speaks for its own organisation."""
    session[CANDIDATE_KEY] = {"user": user.id, "integration": integration.id, "by_sso": by_sso}


def candidate() -> Candidate | None:
    """Who was proven a moment ago in this session, for the application of this page."""
    found = session.get(CANDIDATE_KEY)
    if not isinstance(found, dict) or found["integration"] != visit().integration.id:
        return None
    user = db.session.get(User, found["user"])
    return Candidate(user, found["by_sso"]) if user is not None else None


def current_link() -> AccountLink | None:
    """The link that this session came in through, if it still stands."""
    remembered = session.get(LINK_KEY)
    if remembered is None:
        return None
    link = linking.get(remembered, tenant_id=visit().integration.tenant_id)
    if link is None or link.integration_id != visit().integration.id or link.state is LinkState.BROKEN:
        return None
    return link
