"""The list of audit entries with its filters, and the same as a file: of one organisation, and of the instance."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from flask import Blueprint, Response, render_template, request, stream_with_context
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_login import current_user

from blueprints.access import current_member, requires, superadmin_only
from blueprints.days import day_span
from blueprints.live import is_fragment
from blueprints.paging import page_url
from blueprints.row_numbers import row_id
from extensions import db
from models import User
from services import audit_queries, audit_words
from services.audit_events import EVENTS, say_event
from services.audit_queries import Reader
from services.clock import utcnow

FILTERS = ("since", "until", "actor", "event", "target")

bp = Blueprint("audit", __name__, url_prefix="/audit")
instance = Blueprint("instance_audit", __name__, url_prefix="/instance/audit")


# --- of one's own organisation ------------------------------------------------------------------------------------


@bp.get("")
@requires("audit.view")
def index() -> ResponseReturnValue:
    return _page(audit_queries.inside(current_member()), _wanted(request.args), "audit")


@bp.post("/export")
@requires("audit.view")
def export() -> ResponseReturnValue:
    """The found entries as CSV. Taking them away is itself an entry, so this is no GET."""
    member, search, now = current_member(), _search(_wanted(request.form)), utcnow()
    reader = audit_queries.inside(member)
    audit_queries.begin_export(search, by=member, now=now)
    db.session.commit()
    return _file(reader, search, member.tenant.house_number, now)


# --- of the whole instance ----------------------------------------------------------------------------------------


@instance.get("")
@superadmin_only
def index_of_all() -> ResponseReturnValue:
    organisation = row_id(request.args.get("organisation", ""))
    wanted = _wanted(request.args) | {"organisation": "" if organisation is None else str(organisation)}
    names = audit_queries.organisation_names()
    return _page(audit_queries.above(_me(), organisation), wanted, "instance_audit", names)


@instance.post("/export")
@superadmin_only
def export_all() -> ResponseReturnValue:
    """The same as a file; that stands in the record of the instance."""
    search, now = _search(_wanted(request.form)), utcnow()
    organisation_id = row_id(request.form.get("organisation", ""))
    reader = audit_queries.above(_me(), organisation_id)
    audit_queries.begin_export(search, user=_me(), organisation_id=organisation_id, now=now)
    db.session.commit()
    return _file(reader, search, "instance", now)


def _page(
    reader: Reader, wanted: dict[str, str], blueprint: str, organisations: dict[int, str] | None = None
) -> ResponseReturnValue:
    page = audit_queries.page(reader, _search(wanted), before=row_id(request.args.get("before", "")))
    is_of_all = organisations is not None
    return render_template(
        "audit/_list.html" if is_fragment() else "audit/index.html",
        page=page,
        wanted=wanted,
        is_filtered=any(wanted.values()),
        is_of_all=is_of_all,
        endpoints={
            "index": f"{blueprint}.{'index_of_all' if is_of_all else 'index'}",
            "export": f"{blueprint}.{'export_all' if is_of_all else 'export'}",
        },
        organisations=[("", _("全部")), *((str(id), name or f"ID {id}") for id, name in (organisations or {}).items())],
        organisation_of=lambda entry: audit_queries.named(entry, organisations or {}),
        events=_events(is_of_all),
        say_event=say_event,
        describe=audit_words.describe,
        older_url=page_url(str(page.before) if page.before else None),
    )


def _events(is_of_all: bool) -> list[tuple[str, str]]:
    """What may be asked for, by its name."""
    shown = [event for event in EVENTS if not (is_of_all and event.startswith(audit_queries.INSIDE))]
    return [("", _("全部")), *sorted(((event, say_event(event)) for event in shown), key=lambda each: each[1])]


def _file(reader: Reader, search: audit_queries.Search, of: str, now: datetime) -> Response:
    headers = {"Content-Disposition": f'attachment; filename="audit-{of}-{now:%Y%m%d-%H%M}.csv"'}
    lines = stream_with_context(audit_queries.export(reader, search))
    return Response(lines, mimetype="text/csv", headers=headers)


def _wanted(values: Mapping[str, str]) -> dict[str, str]:
    return {name: values.get(name, "")[:200] for name in FILTERS}


def _search(wanted: Mapping[str, str]) -> audit_queries.Search:
    since, until = day_span(wanted["since"], wanted["until"])
    return audit_queries.Search(since, until, wanted["actor"], wanted["event"], wanted["target"])


def _me() -> User:
    user: User = current_user._get_current_object()
    return user
