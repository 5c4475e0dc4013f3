"""Deliveries: what became of each message, and sending one again."""

from __future__ import annotations

from typing import Any

from blueprints.api.cursors import CURSOR, id_of
from blueprints.api.delivery_shapes import DELIVERY, delivery_row
from blueprints.api.operations import Call, operation
from blueprints.api.schemas import moment, one_of, page_of, record, row_id, whole, words
from models import DeliveryState
from services import deliveries, delivery_queries
from services.api_tokens import Scope
from services.delivery_queries import MAX_PAGE_SIZE, PAGE_SIZE, Search

ONE = "/deliveries/<int:delivery_id>"


@operation(
    "GET",
    "/deliveries",
    "Messages and their fate, newest first",
    right="delivery.view",
    query=record(
        {},
        {
            "state": one_of(DeliveryState),
            "failure_code": words(32),
            "user_id": row_id(),
            "integration_id": row_id(),
            "text": words(200, about="Part of the recipient's name or of the incident's title, or #1024"),
            "since": moment(),
            "until": moment(),
            "cursor": CURSOR,
            "limit": whole(1, MAX_PAGE_SIZE, default=PAGE_SIZE),
        },
    ),
    answers=page_of(DELIVERY),
)
def list_deliveries(call: Call) -> dict[str, Any]:
    asked = dict(call.query)
    before, limit = id_of(asked.pop("cursor", None)), asked.pop("limit", PAGE_SIZE)
    if "state" in asked:
        asked["state"] = DeliveryState(asked["state"])
    page = delivery_queries.page(call.member, Search(**asked), before=before, limit=limit)
    items = [delivery_row(delivery) for delivery in page.items]
    return {"items": items, "next_cursor": str(page.before) if page.before else None}


@operation("GET", ONE, "One delivery", right="delivery.view", answers=DELIVERY)
def get_delivery(call: Call, delivery_id: int) -> dict[str, Any]:
    return delivery_row(deliveries.get(delivery_id, viewer=call.member))


@operation(
    "POST",
    f"{ONE}/resend",
    "Send a message again, as a delivery of its own",
    right="delivery.resend",
    scope=Scope.HANDLE,
    answers=DELIVERY,
    status=202,
)
def resend_delivery(call: Call, delivery_id: int) -> dict[str, Any]:
    return delivery_row(deliveries.resend(deliveries.get(delivery_id, viewer=call.member), **call.by))


@operation(
    "POST",
    f"{ONE}/drop",
    "Give up a message that waits for a person's word",
    right="delivery.resend",
    scope=Scope.HANDLE,
    answers=DELIVERY,
)
def drop_delivery(call: Call, delivery_id: int) -> dict[str, Any]:
    found = deliveries.get(delivery_id, viewer=call.member)
    deliveries.drop(found, by=call.member)
    return delivery_row(found)
