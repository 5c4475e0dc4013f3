"""The smallest requests that the API's declarations allow, for tests that walk through all of them."""

from __future__ import annotations

import re
from typing import Any

from blueprints.api.operations import OPERATIONS, Operation
from blueprints.api.schemas import Schema, resolved

BY_NAME = {described.name: described for described in OPERATIONS}


PLACE = re.compile(r"<(?:(\w+)(?:\(([^)]*)\))?:)?\w+>")


def path_of(described: Operation) -> str:
    """An address that the operation answers at; nothing needs to be there."""
    return "/api/v1" + PLACE.sub(lambda found: (found[2] or "1").partition(",")[0], described.path)


def body_of(described: Operation) -> Any:
    return smallest(described.body) if described.body is not None else None


def query_of(described: Operation) -> Any:
    return smallest(described.query) if described.query is not None else None


def smallest(schema: Schema) -> Any:
    """The smallest value of a shape: what is required, and no more of it than that."""
    schema = resolved(schema)
    if "anyOf" in schema:
        return None
    if "enum" in schema:
        return schema["enum"][0]
    kind = schema["type"]
    if kind == "object":
        return {name: smallest(schema["properties"][name]) for name in schema.get("required", ())}
    if kind == "array":
        return [smallest(schema["items"])] * schema.get("minItems", 0)
    return {
        "string": "x" * max(1, schema.get("minLength", 0)),
        "integer": schema.get("minimum", 1),
        "number": schema.get("minimum", 1),
        "boolean": True,
    }[kind]
