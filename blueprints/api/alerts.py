"""Alerts: what monitoring systems told, one for each alert key between trigger and recovery."""

from __future__ import annotations

from typing import Any

from blueprints.api.cursors import CURSOR, id_of, page_of_rows
from blueprints.api.incident_shapes import ALERT, alert_row
from blueprints.api.operations import Call, operation
from blueprints.api.schemas import page_of, record, row_id, whole
from services import incident_queries, incidents
from services.incident_queries import MAX_PAGE_SIZE, PAGE_SIZE


@operation(
    "GET",
    "/alerts",
    "The alerts of an incident, newest first",
    right="incident.view",
    query=record(
        {"incident": row_id("Its number")},
        {"cursor": CURSOR, "limit": whole(1, MAX_PAGE_SIZE, default=PAGE_SIZE)},
    ),
    answers=page_of(ALERT),
)
def list_alerts(call: Call) -> dict[str, Any]:
    incident, limit = incidents.get(call.query["incident"], viewer=call.member), call.query.get("limit", PAGE_SIZE)
    found = incident_queries.alerts_of(incident, before=id_of(call.query.get("cursor")), limit=limit + 1)
    return page_of_rows(found, limit, alert_row)


@operation("GET", "/alerts/<int:alert_id>", "One alert", right="incident.view", answers=ALERT)
def get_alert(call: Call, alert_id: int) -> dict[str, Any]:
    return alert_row(incident_queries.alert(alert_id, call.member))
