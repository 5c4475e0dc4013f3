"""The list of audit entries with its filters, and the same as a file."""

from __future__ import annotations

from collections.abc import Mapping

from flask import Blueprint, Response, render_template, request, stream_with_context
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from blueprints.access import current_member, requires
from blueprints.incident_actions import day_span, is_fragment, row_id
from blueprints.paging import page_url
from extensions import db
from services import audit_queries
from services.audit_events import EVENTS, say_event
from services.clock import utcnow

FILTERS = ("since", "until", "actor", "event", "target")

bp = Blueprint("audit", __name__, url_prefix="/audit")


@bp.get("")
@requires("audit.view")
def index() -> ResponseReturnValue:
    wanted = _wanted(request.args)
    page = audit_queries.page(current_member(), _search(wanted), before=row_id(request.args.get("before", "")))
    return render_template(
        "audit/_list.html" if is_fragment() else "audit/index.html",
        page=page,
        wanted=wanted,
        is_filtered=any(wanted.values()),
        events=[("", _("全部")), *sorted(((event, say_event(event)) for event in EVENTS), key=lambda each: each[1])],
        say_event=say_event,
        describe=audit_queries.describe,
        older_url=page_url(str(page.before) if page.before else None),
    )


@bp.post("/export")
@requires("audit.view")
def export() -> ResponseReturnValue:
    """The found entries as CSV. Taking them away is itself an entry, so this is no GET."""
    member, search, now = current_member(), _search(_wanted(request.form)), utcnow()
    audit_queries.begin_export(member, search, now=now)
    db.session.commit()
    name = f"audit-{member.tenant.house_number}-{now:%Y%m%d-%H%M}.csv"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    lines = stream_with_context(audit_queries.export(member, search))
    return Response(lines, mimetype="text/csv", headers=headers)


def _wanted(values: Mapping[str, str]) -> dict[str, str]:
    return {name: values.get(name, "")[:200] for name in FILTERS}


def _search(wanted: Mapping[str, str]) -> audit_queries.Search:
    since, until = day_span(wanted["since"], wanted["until"])
    return audit_queries.Search(since, until, wanted["actor"], wanted["event"], wanted["target"])
