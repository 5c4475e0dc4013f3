"""This API as OpenAPI 3.1, made of the declarations that route and check it."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from flask import Response, jsonify

from blueprints.access import public
from blueprints.api.operations import METHODS, OPERATIONS, PREFIX, Operation, bp
from blueprints.api.problems import STATUS
from blueprints.api.schemas import COMPONENTS, Schema, anything, component, one_of, record, resolved, whole, words
from blueprints.envelope import PROBLEM_MEDIA_TYPE
from errors import AppError
from services.api_tokens import Scope
from services.instance import current_settings
from texts import N_

PLACE = re.compile(r"<(?:(\w+)(?:\(([^)]*)\))?:)?(\w+)>")
PROBLEM = component(
    "Problem",
    record(
        {
            "type": words(),
            "title": words(about="What happened, in the reader's language (Accept-Language)"),
            "status": whole(),
            "detail": words(about="What to do about it"),
            "request_id": words(),
            "error": record({"code": one_of([*STATUS, "RequestTimeout"]), "message": words()}),
        },
        {"present": anything("With a Conflict: the thing as it is now, as GET tells of it")},
    ),
)
MEANINGS = {
    "400": "A parameter is missing or wrong, or the body is not JSON",
    "401": "No token, or one that is unknown or expired",
    "403": "The token's scope or its owner's rights do not allow it",
    "404": "No such address, or no such thing in this organisation",
    "409": "Somebody else changed the same thing a moment earlier; `present` is what it is now",
    "413": "The body is larger than 1 MiB",
    "429": "Too many requests; see Retry-After",
    "503": "The database cannot take work now; nothing was changed",
}
INTRODUCTION = (
    "Everything that the console does, for programs. Answers are `{request_id, data}`; errors are problem details "
    "(RFC 9457) that also carry `request_id` and `error: {code, message}`. Lists go on with `cursor`. A token acts "
    "with its owner's rights as the ceiling; it may do what its scopes say: " + ", ".join(Scope)
)


class RouteNotFound(AppError):
    code = "api.route_not_found"
    api_code = "RouteNotFound"
    message = N_("接口中没有这个地址，见 /api/v1/openapi.json")
    status = 404


@bp.get("/openapi.json")
@public
def openapi() -> Response:
    """For everybody: it tells of the product, not of this installation."""
    return jsonify(_document() | {"servers": [{"url": current_settings().public_url}]})


@bp.route("/", defaults={"path": ""}, methods=METHODS)
@bp.route("/<path:path>", methods=METHODS)
@public
def unknown_route(path: str) -> Response:
    raise RouteNotFound


@cache
def _document() -> dict[str, Any]:
    paths: dict[str, dict[str, Any]] = {}
    for described in OPERATIONS:
        place = paths.setdefault(PREFIX + PLACE.sub(r"{\3}", described.path), {})
        place[described.method.lower()] = _operation(described)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Dutybell API", "version": "1", "description": INTRODUCTION},
        "tags": [{"name": name} for name in dict.fromkeys(described.tag for described in OPERATIONS)],
        "paths": paths,
        "components": {
            "schemas": COMPONENTS,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(described: Operation) -> dict[str, Any]:
    first, *rest = described.name.split("_")
    made: dict[str, Any] = {
        "operationId": first + "".join(word.capitalize() for word in rest),
        "summary": described.summary,
        "description": f"Scope `{described.scope}`, right `{described.right}`.",
        "tags": [described.tag],
        "security": [{"token": []}],
        "parameters": [*_places(described.path), *_parameters(described.query)],
        "responses": _responses(described),
    }
    if described.body is not None:
        is_needed = bool(resolved(described.body).get("required"))
        made["requestBody"] = {"required": is_needed, "content": {"application/json": {"schema": described.body}}}
    return made


def _places(path: str) -> list[dict[str, Any]]:
    """The values in the address, as their converters take them."""
    found = []
    for kind, choices, name in PLACE.findall(path):
        known = one_of(each.strip() for each in choices.split(",")) if choices else words(64, shortest=1)
        schema = whole(0, 2**31 - 1) if kind == "int" else known
        found.append({"name": name, "in": "path", "required": True, "schema": schema})
    return found


def _parameters(query: Schema | None) -> list[dict[str, Any]]:
    if query is None:
        return []
    needed = query.get("required", ())
    return [
        {"name": name, "in": "query", "required": name in needed, "schema": schema}
        for name, schema in query["properties"].items()
    ]


def _responses(described: Operation) -> dict[str, Any]:
    answered = record({"request_id": words(), "data": described.answers})
    said: dict[str, Any] = {
        str(described.status): {"description": "Done", "content": {"application/json": {"schema": answered}}}
    }
    problems = {"content": {PROBLEM_MEDIA_TYPE: {"schema": PROBLEM}}}
    return said | {status: {"description": meaning} | problems for status, meaning in MEANINGS.items()}
