"""Incidents for programs: lists, one incident with all that happened to it, and every action of the console."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from flask import Blueprint, Response, jsonify, request

from blueprints.access import public
from blueprints.api.caller import acting_member, admit
from blueprints.api.fields import body_fields, limit_of, minutes_field, search_of, text_field
from blueprints.api.shapes import incident_detail, incident_summary
from blueprints.envelope import RefusedRequest, answer, answer_refusals
from extensions import db
from models import Incident, Membership
from services import incident_queries, incidents, notifications
from services.api_tokens import Scope
from services.clock import utcnow
from services.incidents import Outcome
from services.instance import current_settings
from services.wording import say
from web_extensions import csrf

METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]
VIA = "api"

bp = Blueprint("api", __name__, url_prefix="/api/v1")
csrf.exempt(bp)
answer_refusals(bp)


@bp.get("/incidents")
@public
def list_incidents() -> Response:
    viewer = _viewer()
    query = request.args.to_dict()
    page = incident_queries.page(viewer, search_of(query), cursor=query.get("cursor"), limit=limit_of(query))
    items = [incident_summary(incident) for incident in page.items]
    return answer({"items": items, "next_cursor": page.next_cursor, "prev_cursor": page.prev_cursor})


@bp.get("/incidents/<int:num>")
@public
def get_incident(num: int) -> Response:
    viewer = _viewer()
    incident = incidents.get(num, viewer=viewer)
    deliveries = [delivery for told in notifications.of_incident(incident) for delivery in told.deliveries]
    return answer(incident_detail(incident, deliveries))


@bp.post("/incidents/<int:num>/acknowledge")
@public
def acknowledge(num: int) -> Response:
    member, incident, _ = _handled(num)
    return _answer(incident, incidents.acknowledge(incident, by=member, via=VIA, now=utcnow()))


@bp.post("/incidents/<int:num>/unacknowledge")
@public
def unacknowledge(num: int) -> Response:
    member, incident, _ = _handled(num)
    return _answer(incident, incidents.unacknowledge(incident, by=member, via=VIA, now=utcnow()))


@bp.post("/incidents/<int:num>/close")
@public
def close(num: int) -> Response:
    member, incident, fields = _handled(num, "root_cause", "resolution")
    texts = {name: text_field(fields, name) for name in ("root_cause", "resolution")}
    return _answer(incident, incidents.close(incident, by=member, via=VIA, now=utcnow(), **texts))


@bp.post("/incidents/<int:num>/reopen")
@public
def reopen(num: int) -> Response:
    member, incident, fields = _handled(num, "reason")
    reason = text_field(fields, "reason", is_required=True)
    return _answer(incident, incidents.reopen(incident, by=member, via=VIA, now=utcnow(), reason=reason))


@bp.post("/incidents/<int:num>/snooze")
@public
def snooze(num: int) -> Response:
    member, incident, fields = _handled(num, "minutes")
    minutes = minutes_field(fields, "minutes")
    return _answer(incident, incidents.snooze(incident, by=member, via=VIA, now=utcnow(), minutes=minutes))


@bp.post("/incidents/<int:num>/wake")
@public
def wake(num: int) -> Response:
    member, incident, _ = _handled(num)
    return _answer(incident, incidents.wake(incident, by=member, via=VIA, now=utcnow()))


@bp.post("/incidents/<int:num>/comment")
@public
def comment(num: int) -> Response:
    member, incident, fields = _handled(num, "text")
    text = text_field(fields, "text", is_required=True)
    return _answer(incident, incidents.comment(incident, by=member, via=VIA, now=utcnow(), text=text))


@bp.get("/openapi.json")
@public
def openapi() -> Response:
    """This API as OpenAPI 3.1, for callers with any valid token."""
    _viewer()
    return jsonify(_document() | {"servers": [{"url": current_settings().public_url}]})


@bp.route("/", defaults={"path": ""}, methods=METHODS)
@bp.route("/<path:path>", methods=METHODS)
@public
def unknown_route(path: str) -> Response:
    raise RefusedRequest(404, "RouteNotFound", "no such address in this API; see /api/v1/openapi.json")


@cache
def _document() -> dict[str, Any]:
    document: dict[str, Any] = json.loads((Path(__file__).parent / "openapi.json").read_text())
    return document


def _viewer() -> Membership:
    admit(Scope.READ)
    return acting_member("incident.view")


def _handled(num: int, *allowed: str) -> tuple[Membership, Incident, dict[str, Any]]:
    """The caller, the incident that it wants to change, and the fields of the body; read before the transaction."""
    admit(Scope.HANDLE)
    fields = body_fields(*allowed)
    member = acting_member("incident.handle")
    return member, incidents.get(num, viewer=member), fields


def _answer(incident: Incident, outcome: Outcome) -> Response:
    """Commit, and say what happened; overtaken by somebody else is a success with `changed` false."""
    db.session.commit()
    data = {"changed": outcome.changed, "message": say(outcome.text), "incident": incident_summary(incident)}
    return answer(data)
