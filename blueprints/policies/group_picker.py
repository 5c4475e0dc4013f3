"""The group chats that a level can be sent to, by connection, as the editor offers them."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from flask import Response, make_response, render_template, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from sqlalchemy.exc import DBAPIError

from blueprints.access import current_member, requires
from blueprints.policies import bp
from blueprints.policies.sheet import Sheet
from errors import NotFound
from extensions import begin_write, db
from models import GroupChat, Integration, IntegrationStatus
from platforms import PLATFORMS
from platforms.base import Platform
from services import group_lists, groups
from services.clock import utcnow
from services.wording import say

REFRESH = "refresh-groups:"
log = logging.getLogger(__name__)
LEVEL = re.compile(r"levels-\d{1,4}")


@dataclass(frozen=True)
class Item:
    """A group as a box. gone: why nothing can be sent there; "" while something can. members: None if not known."""

    id: str
    name: str
    gone: str = ""
    members: int | None = None


@dataclass(frozen=True)
class Picker:
    """The groups of one connection. failure: why they could not be listed the last time."""

    integration: Integration
    platform: type[Platform]
    items: list[Item] = field(default_factory=list)
    failure: str = ""
    last_event_at: datetime | None = None

    @property
    def choosable(self) -> list[Item]:
        return [item for item in self.items if not item.gone]

    @property
    def known(self) -> str:
        """Their ids, so that the page can ask for those it does not show yet."""
        return ",".join(item.id for item in self.choosable)


def pickers(tenant_id: int) -> list[Picker]:
    return [_picker(integration) for integration in group_lists.connections(tenant_id)]


def strays(sheet: Sheet, offered: Iterable[Picker], tenant_id: int) -> dict[str, Item]:
    """What levels name that no picker has: groups of drafts, and those whose connection was deleted."""
    named = {int(id) for level in sheet.levels for id in map(str, level.group_ids())}
    missing = named - {int(item.id) for picker in offered for item in picker.items}
    found = {chat.id: chat for chat in groups.known(tenant_id, missing)}
    return {str(id): _stray(id, found.get(id)) for id in sorted(missing)}


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
    """List the groups of the connection that the button names, now. What went wrong is shown beside it. Commits."""
    id = wish.removeprefix(REFRESH)
    for integration in group_lists.connections(tenant_id):
        if str(integration.id) == id:
            group_lists.refresh(integration, now=utcnow())
            db.session.commit()


@bp.get("/policies/groups/<int:integration_id>")
@requires("channel.view")
def group_news(integration_id: int) -> ResponseReturnValue:
    """Boxes for groups that a level's picker does not show yet: asked for while the editor is open. 204 for none."""
    level, shown = request.args.get("level", ""), set(request.args.get("known", "").split(","))
    found = [one for one in pickers(current_member().tenant_id) if one.integration.id == integration_id]
    if not found or not LEVEL.fullmatch(level):
        raise NotFound(str(integration_id))
    (picker,) = found
    new = [item for item in picker.choosable if item.id not in shown]
    if not new:
        return _nothing()
    return render_template("policies/_group_news.html", picker=picker, prefix=level, new=new)


def _nothing() -> Response:
    return make_response("", 204)


def _picker(integration: Integration) -> Picker:
    failed = group_lists.failure(integration)
    return Picker(
        integration,
        PLATFORMS[integration.platform],
        [_item(chat, integration) for chat in groups.of_integration(integration)],
        say(failed) if failed else "",
        groups.last_event_at(integration),
    )


def _item(chat: GroupChat, integration: Integration) -> Item:
    gone = "" if chat.is_active else _(chat.state.label)
    if integration.status is IntegrationStatus.DISABLED:
        gone = _("集成已停用")
    return Item(str(chat.id), groups.shown_name(chat), gone, chat.member_count)


def _stray(id: int, chat: GroupChat | None) -> Item:
    if chat is None:
        return Item(str(id), _("群聊 %(id)s", id=id), _("集成已删除"))
    return Item(str(id), groups.shown_name(chat), _("集成未启用"))
