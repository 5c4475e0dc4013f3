"""The group chats of a connection on its page: listed, refreshed, called as one likes."""

from __future__ import annotations

from typing import Any

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from blueprints import live
from blueprints.access import current_member, requires
from blueprints.integrations import bp
from blueprints.row_numbers import row_id
from errors import InvalidInput, NotFound
from extensions import db
from models import Integration
from platforms import PLATFORMS
from services import group_lists, groups, integrations, setup
from services.clock import utcnow
from services.wording import say, say_error
from texts import N_

ORIGINS = {
    "cool_app": N_("安装酷应用"),
    "bot_added": N_("添加机器人"),
    "listed": N_("从平台读取"),
}
PAGE, MOST = 60, 3000
"""Groups listed at first, and by each press on 显示更多; beyond, one searches."""
FIND_CHARACTERS = 60


def groups_shown(integration: Integration) -> dict[str, Any]:
    """What the list shows; nothing for a platform without groups."""
    if not PLATFORMS[integration.platform].capabilities.has_groups:
        return {}
    find, most = _find(), _shown()
    offer = groups.offered(integration, find=find, at_most=most, with_gone=True)
    failed = group_lists.failure(integration)
    why = say(failed) if failed else ""
    last = groups.last_event_at(integration)
    reading, events = group_lists.under_way(integration), groups.events_seen(integration)
    return {
        "group_chats": [(chat, groups.shown_name(chat)) for chat in offer.chats],
        "groups_found": offer.found,
        "groups_find": find,
        "groups_shown": most,
        "groups_more": most + PAGE if offer.found > most and most < MOST else 0,
        "can_find_groups": bool(find) or offer.found > PAGE,
        "list_failure": why,
        "last_group_event_at": last,
        "groups_etag": live.tag(groups.state_of(integration), find, most, why, last, reading, events),
        "groups_reading": reading,
        "group_events": events,
        "app_name": integrations.application_name(db.session.connection(), integration),
    }


@bp.get("/<int:integration_id>/groups")
@requires("integration.view")
def group_list(integration_id: int) -> ResponseReturnValue:
    """The list alone, which an empty one asks for until there is a group."""
    integration = setup.get(integration_id, viewer=current_member())
    shown = groups_shown(integration)
    if not shown:
        raise NotFound(str(integration_id))
    if live.unchanged(shown["groups_etag"]):
        return live.not_modified(shown["groups_etag"])
    return render_template(
        "integrations/_group_list.html",
        integration=integration,
        platform=PLATFORMS[integration.platform],
        origins=ORIGINS,
        **shown,
    )


@bp.post("/<int:integration_id>/groups")
@requires("integration.edit")
def refresh_groups(integration_id: int) -> ResponseReturnValue:
    """Have the worker ask the platform; how far it is, and what it found, appears in the list."""
    integration = setup.get(integration_id, viewer=current_member())
    group_lists.ask(integration, now=utcnow(), counts_anew=True)
    db.session.commit()
    return _back(integration_id)


@bp.post("/<int:integration_id>/groups/<int:chat_id>/alias")
@requires("integration.edit")
def name_group(integration_id: int, chat_id: int) -> ResponseReturnValue:
    """Call a group otherwise here; empty: as the platform does."""
    setup.get(integration_id, viewer=current_member())
    chat = groups.get(chat_id, viewer=current_member())
    if chat.integration_id != integration_id:
        raise NotFound(str(chat_id))
    try:
        groups.rename(chat, request.form.get("alias", ""), by=current_member())
    except InvalidInput as error:
        flash(say_error(error)[0], "error")
        return _back(integration_id)
    db.session.commit()
    flash(_("群聊别名已保存"), "ok")
    return _back(integration_id)


def _find() -> str:
    return " ".join(request.args.get("group", "").split())[:FIND_CHARACTERS]


def _shown() -> int:
    wanted = row_id(request.args.get("groups_shown", ""))
    return PAGE if wanted is None else min(wanted, MOST)


def _back(integration_id: int) -> ResponseReturnValue:
    return redirect(url_for(".detail", integration_id=integration_id) + "#groups", code=303)
