"""The group chats that a level can be sent to, by connection, as the editor offers them.

A connection may have thousands, so each level shows those that it names and the first others by name; the rest is
found by searching, or a page at a time. While the editor is open, each of these lists asks whether groups have come or
gone, which reads no group; only then it has itself drawn anew, and sends along what is ticked in it.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from flask import render_template, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from sqlalchemy.exc import DBAPIError

from blueprints import live
from blueprints.access import current_member, requires
from blueprints.policies import bp
from blueprints.policies.sheet import Sheet
from blueprints.row_numbers import row_id
from errors import NotFound
from extensions import begin_write, db
from models import GroupChat, Integration, IntegrationStatus
from platforms import PLATFORMS
from platforms.base import Platform
from services import group_lists, groups, integrations
from services.clock import utcnow
from services.group_lists import Reading
from services.wording import say

REFRESH = "refresh-groups:"
PAGE, MOST = 60, 3000
"""Groups offered at first, and by each press on 显示更多; beyond, one searches."""
FIND_CHARACTERS = 60
LEVEL = re.compile(r"levels-\d{1,4}")
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Item:
    """A group as a box. gone: why nothing can be sent there; "" while something can. members: None if not known.

    source  id of the connection among whose groups it stands; 0: of none that is offered
    """

    id: str
    name: str
    gone: str = ""
    members: int | None = None
    source: int = 0


@dataclass(frozen=True)
class Picker:
    """The groups of one connection that are offered: `items`, of `found` that there are with the name looked for.

    failure  why they could not be listed the last time; reading: how far the worker is with listing them anew
    shown    how many are offered at most; etag: changes when groups came or went
    """

    integration: Integration
    platform: type[Platform]
    items: list[Item] = field(default_factory=list)
    found: int = 0
    shown: int = PAGE
    find: str = ""
    failure: str = ""
    reading: Reading | None = None
    last_event_at: datetime | None = None
    etag: str = ""
    events: list[tuple[str, datetime | None]] = field(default_factory=list)
    app_name: str = ""

    @property
    def has_more(self) -> bool:
        return self.found > self.shown and self.shown < MOST

    @property
    def next_shown(self) -> int:
        return self.shown + PAGE


def pickers(tenant_id: int) -> list[Picker]:
    return [_picker(integration) for integration in group_lists.connections(tenant_id)]


def named(sheet: Sheet, offered: Iterable[Picker], tenant_id: int) -> dict[str, Item]:
    """The groups that levels name, by id; also those of drafts, and those whose connection was deleted."""
    ids = sorted({id for level in sheet.levels for id in level.group_ids()})
    return _named(ids, {picker.integration.id: picker.integration for picker in offered}, tenant_id)


def ask_for_lists(tenant_id: int) -> None:
    """Have the worker list groups anew before somebody chooses; what it finds appears by itself. Commits.

    A database that takes no work now is no reason not to show the page.
    """
    now = utcnow()
    if not any(group_lists.is_due(one, now=now) for one in group_lists.connections(tenant_id)):
        return
    try:
        begin_write()
        for integration in group_lists.connections(tenant_id):
            if group_lists.is_due(integration, now=now):
                group_lists.ask(integration, now=now)
        db.session.commit()
    except DBAPIError as error:
        db.session.rollback()
        log.warning("Groups are not listed anew: %s", type(error).__name__)


def refresh(wish: str, tenant_id: int) -> None:
    """Have the worker list the groups of the connection that the button names. Commits."""
    integration = _integration(wish.removeprefix(REFRESH), tenant_id)
    if integration is not None:
        group_lists.ask(integration, now=utcnow(), counts_anew=True)
        db.session.commit()


@bp.get("/policies/groups/<int:integration_id>")
@requires("channel.view")
def group_news(integration_id: int) -> ResponseReturnValue:
    """Asked for by each list while the editor is open: 304 while no group came or went, else what draws it anew."""
    prefix, integration = _asked(integration_id)
    etag = _etag(integration, group_lists.under_way(integration))
    if live.unchanged(etag):
        return live.not_modified(etag)
    return render_template("policies/_group_news.html", integration_id=integration_id, prefix=prefix, shown=_shown())


@bp.post("/policies/groups/<int:integration_id>")
@requires("channel.view")
def group_offer(integration_id: int) -> ResponseReturnValue:
    """A level's list of one connection: what is ticked in it, and what has the name looked for."""
    prefix, integration = _asked(integration_id)
    find = " ".join(request.form.get(f"find-{integration_id}", "").split())[:FIND_CHARACTERS]
    chosen = [id for id in request.form.getlist(f"{prefix}-groups") if row_id(id) is not None]
    return render_template(
        "policies/_group_offer.html",
        prefix=prefix,
        picker=_picker(integration, find=find, shown=_shown()),
        chosen=chosen,
        named=_named([int(id) for id in chosen], {integration_id: integration}, integration.tenant_id),
    )


def _asked(integration_id: int) -> tuple[str, Integration]:
    """The field names' beginning of the level, and the connection. Raises NotFound for what the editor never asks."""
    prefix = request.args.get("level", "")
    integration = _integration(str(integration_id), current_member().tenant_id)
    if integration is None or not LEVEL.fullmatch(prefix):
        raise NotFound(str(integration_id))
    return prefix, integration


def _shown() -> int:
    wanted = row_id(request.args.get("shown", ""))
    return PAGE if wanted is None else min(wanted, MOST)


def _integration(id: str, tenant_id: int) -> Integration | None:
    return next((one for one in group_lists.connections(tenant_id) if str(one.id) == id), None)


def _picker(integration: Integration, *, find: str = "", shown: int = PAGE) -> Picker:
    failed, reading = group_lists.failure(integration), group_lists.under_way(integration)
    is_on = integration.status is not IntegrationStatus.DISABLED
    offer = groups.offered(integration, find=find, at_most=shown) if is_on else groups.Offer([], 0)
    return Picker(
        integration,
        PLATFORMS[integration.platform],
        [_item(chat, integration) for chat in offer.chats],
        offer.found,
        shown,
        find,
        say(failed) if failed else "",
        reading,
        groups.last_event_at(integration),
        _etag(integration, reading),
        groups.events_seen(integration),
        integrations.application_name(db.session.connection(), integration),
    )


def _etag(integration: Integration, reading: Reading | None) -> str:
    last = group_lists.last_asked(integration)
    about: tuple[Any, ...] = (integration.status, reading, last.state if last else None)
    return live.tag(integration.id, *groups.state_of(integration), *about)


def _named(ids: Sequence[int], offered: dict[int, Integration], tenant_id: int) -> dict[str, Item]:
    found = {chat.id: chat for chat in groups.known(tenant_id, ids)}
    return {str(id): _named_item(id, found.get(id), offered) for id in ids}


def _named_item(id: int, chat: GroupChat | None, offered: dict[int, Integration]) -> Item:
    if chat is None:
        return Item(str(id), _("群聊 %(id)s", id=id), _("集成已删除"))
    if chat.integration_id not in offered:
        return Item(str(id), groups.shown_name(chat), _("集成未启用"))
    return _item(chat, offered[chat.integration_id])


def _item(chat: GroupChat, integration: Integration) -> Item:
    gone = "" if chat.is_active else _(chat.state.label)
    if integration.status is IntegrationStatus.DISABLED:
        gone = _("集成已停用")
    return Item(str(chat.id), groups.shown_name(chat), gone, chat.member_count, integration.id)
