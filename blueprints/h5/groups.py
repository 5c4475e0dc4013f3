"""The quick entry of a group chat: what of the open incidents this group was told, and which policies tell it.

The address names the group, and anybody can write an address: so it only chooses among groups that the platform's
own events or lists told us of, or that the platform vouches for when asked; and the reader sees no incident here
that they could not see without it.
"""

from __future__ import annotations

import logging
from typing import Any

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from sqlalchemy.exc import DBAPIError

from blueprints.access import current_member
from blueprints.h5 import bp
from blueprints.h5.visit import visit
from errors import NotFound
from extensions import begin_write, db
from models import GroupChat
from services import group_lists, group_policies, groups, incident_queries, ownership
from services.clock import utcnow
from services.incident_queries import Search

log = logging.getLogger(__name__)


@bp.get("/group")
def group() -> ResponseReturnValue:
    """Open incidents told to the group that the address names; without a known group, how one becomes known."""
    external_id = request.args.get(_parameter(), "")
    chat = groups.find(visit().integration, external_id) or _learnt(external_id)
    if chat is None:
        return render_template("h5/group_unknown.html")
    if not chat.name:
        _ask_for_name(chat)
    member = current_member()
    search = Search(scope="open", told_chat_id=chat.id)
    page = incident_queries.page(member, search, limit=incident_queries.MAX_PAGE_SIZE)
    places = group_policies.places(chat, viewer=member)
    return render_template(
        "h5/group.html",
        chat=chat,
        name=groups.shown_name(chat),
        items=page.items,
        telling=[place for place in places if place.tells],
        addable=[place for place in places if not place.tells and ownership.may_edit(place.policy.channel, member)],
        here=_address(chat),
        now=utcnow(),
    )


@bp.post("/group")
def add_group() -> ResponseReturnValue:
    """Have a level of a policy tell this group, too."""
    chat = groups.find(visit().integration, request.args.get(_parameter(), ""))
    if chat is None:
        raise NotFound
    place = group_policies.add(chat, request.form.get("place", ""), by=current_member())
    db.session.commit()
    number = place.level + 1
    flash(_("「%(policy)s」第 %(number)s 环节会通知本群", policy=place.policy.name, number=number), "ok")
    return redirect(_address(chat), code=303)


def _parameter() -> str:
    parameter = visit().platform.capabilities.group_parameter
    if not parameter:
        raise NotFound
    return parameter


def _address(chat: GroupChat) -> str:
    query: dict[str, Any] = {_parameter(): chat.external_id}
    return url_for("h5.group", **query)


def _ask_for_name(chat: GroupChat) -> None:
    """Of a group that became known without one; a database that takes no work now leaves it so. Commits."""
    try:
        begin_write()
        groups.ask_for_name(chat, now=utcnow())
        db.session.commit()
    except DBAPIError as error:
        db.session.rollback()
        log.warning("The name of a group that somebody came from is not asked for: %s", type(error).__name__)


def _learnt(external_id: str) -> GroupChat | None:
    """A group whose own event never reached us; a database that takes no work now leaves it unknown. Commits."""
    try:
        begin_write()
        chat = group_lists.learn(visit().integration, external_id, now=utcnow())
        db.session.commit()
    except DBAPIError as error:
        db.session.rollback()
        log.warning("A group that somebody came from is not stored: %s", type(error).__name__)
        return None
    return chat
