"""The quick entry of a group chat: what of the open incidents this group was told.

The address names the group, and anybody can write an address: so it only chooses among groups that the platform's
own events or lists told us of, and the reader sees no incident here that they could not see without it.
"""

from __future__ import annotations

from flask import render_template, request
from flask.typing import ResponseReturnValue

from blueprints.access import current_member
from blueprints.h5 import bp
from blueprints.h5.visit import visit
from errors import NotFound
from services import groups, incident_queries
from services.clock import utcnow
from services.incident_queries import Search


@bp.get("/group")
def group() -> ResponseReturnValue:
    """Open incidents told to the group that the address names; without a known group, how one becomes known."""
    parameter = visit().platform.capabilities.group_parameter
    if not parameter:
        raise NotFound
    chat = groups.find(visit().integration, request.args.get(parameter, ""))
    if chat is None:
        return render_template("h5/group_unknown.html")
    search = Search(scope="open", told_chat_id=chat.id)
    page = incident_queries.page(current_member(), search, limit=incident_queries.MAX_PAGE_SIZE)
    return render_template("h5/group.html", name=groups.shown_name(chat), items=page.items, now=utcnow())
