"""Reading what a caller sent: the query of a list, the JSON body of an action. Errors name the parameter."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar

from flask import request

from blueprints.envelope import RefusedRequest
from blueprints.intake.body import read_body
from models import Progress, Severity
from services.incident_queries import MAX_PAGE_SIZE, PAGE_SIZE, Search
from sources import Refused, read_json
from sources.base import kind_of

SCOPES = ("mine", "open", "closed", "all")
QUERY = frozenset({"scope", "severity", "progress", "channel_id", "text", "since", "until", "cursor", "limit"})
Choice = TypeVar("Choice", bound=enum.StrEnum)


def search_of(query: Mapping[str, str]) -> Search:
    """The filters of a list. Raises RefusedRequest for unknown names too: a misspelt filter must not show all."""
    if unknown := sorted(set(query) - QUERY):
        raise invalid(f"unknown parameter {unknown[0][:40]!r}; known are {', '.join(sorted(QUERY))}")
    scope = query.get("scope", "open")
    if scope not in SCOPES:
        raise invalid(f"scope must be one of {', '.join(SCOPES)}")
    return Search(
        scope=scope,
        severity=_choice(query, "severity", Severity),
        progress=_choice(query, "progress", Progress),
        channel_id=_number(query, "channel_id", 1, 2**31 - 1),
        text=query.get("text", "").replace("\x00", "")[:200],
        since=_time(query, "since"),
        until=_time(query, "until"),
    )


def limit_of(query: Mapping[str, str]) -> int:
    return _number(query, "limit", 1, MAX_PAGE_SIZE) or PAGE_SIZE


def body_fields(*allowed: str) -> dict[str, Any]:
    """The JSON object of an action, {} for an empty body. Raises RefusedRequest for unknown fields."""
    if not request.content_length and "Transfer-Encoding" not in request.headers:
        return {}
    try:
        fields = read_json(read_body(request))
    except Refused as error:
        raise invalid(str(error)) from error
    if not isinstance(fields, dict):
        raise invalid(f"body must be a JSON object, got {kind_of(fields)}")
    if unknown := sorted(set(fields) - set(allowed)):
        raise invalid(f"unknown field {unknown[0][:40]!r}; known are {', '.join(allowed) or 'none'}")
    return fields


def text_field(fields: Mapping[str, Any], name: str, *, is_required: bool = False) -> str:
    value = fields.get(name, "")
    if not isinstance(value, str):
        raise invalid(f"{name} must be a string, got {kind_of(value)}")
    if is_required and not value.strip():
        raise invalid(f"{name} is required")
    return value


def minutes_field(fields: Mapping[str, Any], name: str) -> int:
    value = fields.get(name)
    if isinstance(value, bool) or not isinstance(value, int):
        raise invalid(f"{name} must be a whole number of minutes, got {kind_of(value)}")
    return value


def invalid(message: str) -> RefusedRequest:
    return RefusedRequest(400, "InvalidParameter", message)


def _choice(query: Mapping[str, str], name: str, kind: type[Choice]) -> Choice | None:
    if name not in query:
        return None
    try:
        return kind(query[name])
    except ValueError as error:
        raise invalid(f"{name} must be one of {', '.join(kind)}") from error


def _number(query: Mapping[str, str], name: str, low: int, high: int) -> int | None:
    text = query.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 10 and low <= int(text) <= high):
        raise invalid(f"{name} must be a whole number from {low} to {high}")
    return int(text)


def _time(query: Mapping[str, str], name: str) -> datetime | None:
    if name not in query:
        return None
    try:
        moment = datetime.fromisoformat(query[name].replace(" ", "+"))
        return moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise invalid(f"{name} must be an ISO 8601 time such as 2026-03-02T01:14:05Z") from error
