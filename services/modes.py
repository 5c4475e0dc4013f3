"""Changing how a connection is set up, a company's own application or a provider's: what can be kept is kept.

Nothing that was entered is forgotten, so that the way back is short. Links whose ids mean nobody in the new mode wait
to be made again, by the person or, where the platform can convert ids, by themselves.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import delete, select, update

from errors import Conflict, NotFound
from extensions import db
from models import (
    AccountLink,
    Card,
    CardState,
    CorpAuth,
    Integration,
    IntegrationCheck,
    IntegrationStatus,
    LinkState,
    Membership,
)
from platforms import PLATFORMS
from platforms.setup import SetupMode
from services import audit, authorisations, integrations, providers, rights, setup, tokens
from texts import N_

MOST_AT_ONCE = 1000


class SameMode(Conflict):
    code = "integration.same_mode"
    message = N_("该集成已经是这种接入方式")


def others(integration: Integration) -> list[SetupMode]:
    """Ways that it could be set up instead."""
    return [mode for mode in PLATFORMS[integration.platform].modes if mode.slug != integration.mode]


def switch(integration: Integration, slug: str, *, by: Membership, now: datetime) -> None:
    """Stage another mode; the connection is a draft until that is proven. Raises AccessDenied, NotFound, Conflict."""
    rights.require(by, "integration.edit")
    if slug == integration.mode:
        raise SameMode
    mode = next((mode for mode in others(integration) if mode.slug == slug), None)
    if mode is None:
        raise NotFound
    if mode.needs_provider:
        providers.require_configured(integration.platform)
    before = integrations.mode_of(integration)
    integration.mode, integration.current_step = mode.slug, None
    integration.settings = integration.settings | {setup.LEFT: []}
    integration.status = IntegrationStatus.DRAFT
    _forget_proofs(integration)
    if before.exact_ids != mode.exact_ids:
        _mark_links(integration)
    audit.record(
        "integration.mode_changed",
        by=by,
        target=f"{integration.name} #{integration.id}",
        now=now,
        before=before.slug,
        after=mode.slug,
    )
    db.session.flush()
    if mode.proven_by and integration.platform_key:
        authorisations.try_again(integration, now=now)


def _forget_proofs(integration: Integration) -> None:
    """Checks, tokens and the company's authorisation were the other application's; its cards stay as they are."""
    mine = IntegrationCheck.integration_id == integration.id
    db.session.execute(delete(IntegrationCheck).where(IntegrationCheck.tenant_id == integration.tenant_id, mine))
    tokens.forget(integration.id, integration.tenant_id)
    db.session.execute(update(CorpAuth).where(CorpAuth.integration_id == integration.id).values(integration_id=None))
    live = (Card.tenant_id == integration.tenant_id, Card.integration_id == integration.id)
    db.session.execute(update(Card).where(*live, Card.state == CardState.LIVE).values(state=CardState.FROZEN))


def _mark_links(integration: Integration) -> None:
    links = (AccountLink.tenant_id == integration.tenant_id, AccountLink.integration_id == integration.id)
    active = AccountLink.state == LinkState.ACTIVE
    db.session.execute(update(AccountLink).where(*links, active).values(state=LinkState.BROKEN))


def convert_links(integration_id: int, *, after: int = 0) -> int | None:
    """Ask the platform for the ids of people whose links were made in the other mode, and mend those links.

    after  the link to go on behind. Commits before it calls; returns the last link that was asked about if more may
    follow. A link whose new id means somebody else by now waits for the person. Raises PlatformError.
    """
    integration = db.session.get(Integration, integration_id)
    if integration is None or not integrations.mode_of(integration).needs_provider:
        return None
    mine = (AccountLink.tenant_id == integration.tenant_id, AccountLink.integration_id == integration_id)
    wanted = select(AccountLink.id, AccountLink.external_user_id).where(
        *mine, AccountLink.state == LinkState.BROKEN, AccountLink.id > after
    )
    asked = {row[0]: row[1] for row in db.session.execute(wanted.order_by(AccountLink.id).limit(MOST_AT_ONCE))}
    platform = integrations.installed_platform(integration)
    db.session.commit()
    found = platform.own_ids_of(list(asked.values())) if asked else {}
    if found:
        taken = set(db.session.scalars(select(AccountLink.external_user_id).where(*mine)))
        broken = select(AccountLink).where(*mine, AccountLink.state == LinkState.BROKEN, AccountLink.id.in_(asked))
        for link in db.session.scalars(broken):
            own_id = found.get(link.external_user_id)
            if own_id is not None and own_id not in taken:
                link.external_user_id, link.state = own_id, LinkState.ACTIVE
                taken.add(own_id)
        db.session.flush()
    return max(asked) if len(asked) == MOST_AT_ONCE else None
