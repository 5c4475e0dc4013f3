"""The shapes of requests and answers as JSON Schema: they check what comes in, and the description shows them."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from typing import Any

Schema = dict[str, Any]

COMPONENTS: dict[str, Schema] = {}
"""Named shapes: what `#/components/schemas/…` refers to."""
REFERENCE = "#/components/schemas/"
LARGEST_ID = 2**31 - 1


def component(name: str, schema: Schema) -> Schema:
    """Give a shape a name; returns the reference to it."""
    COMPONENTS[name] = schema
    return {"$ref": REFERENCE + name}


def resolved(schema: Schema) -> Schema:
    """The shape behind a reference, or the shape itself."""
    return COMPONENTS[schema["$ref"].removeprefix(REFERENCE)] if "$ref" in schema else schema


def words(longest: int | None = None, *, shortest: int = 0, about: str = "", **more: Any) -> Schema:
    limits = {"maxLength": longest} if longest is not None else {}
    return {"type": "string", **limits, **({"minLength": shortest} if shortest else {}), **said(about), **more}


def whole(low: int | None = None, high: int | None = None, *, about: str = "", **more: Any) -> Schema:
    limits = {"minimum": low} if low is not None else {}
    return {"type": "integer", **limits, **({"maximum": high} if high is not None else {}), **said(about), **more}


def row_id(about: str = "") -> Schema:
    return whole(1, LARGEST_ID, about=about)


def number(low: float, high: float, about: str = "") -> Schema:
    return {"type": "number", "minimum": low, "maximum": high, **said(about)}


def flag(about: str = "", **more: Any) -> Schema:
    return {"type": "boolean", **said(about), **more}


def one_of(choices: Iterable[str] | type[enum.StrEnum], about: str = "", **more: Any) -> Schema:
    return {"type": "string", "enum": [str(choice) for choice in choices], **said(about), **more}


def moment(about: str = "") -> Schema:
    return {"type": "string", "format": "date-time", **said(about)}


def maybe(schema: Schema) -> Schema:
    """The same, or null."""
    return {"anyOf": [schema, {"type": "null"}]}


def listed(items: Schema, *, most: int | None = None, least: int = 0, about: str = "") -> Schema:
    limits = {"maxItems": most} if most is not None else {}
    return {"type": "array", "items": items, **limits, **({"minItems": least} if least else {}), **said(about)}


def by_name(values: Schema, about: str = "") -> Schema:
    """An object whose names are data."""
    return {"type": "object", "additionalProperties": values, **said(about)}


def anything(about: str = "") -> Schema:
    return {"type": "object", **said(about)}


def record(required: Mapping[str, Schema], optional: Mapping[str, Schema] | None = None) -> Schema:
    """An object with these members and no others."""
    members = {**required, **(optional or {})}
    return {
        "type": "object",
        "properties": members,
        "additionalProperties": False,
        **({"required": list(required)} if required else {}),
    }


def page_of(items: Schema, *, goes_back: bool = False) -> Schema:
    """One page: go on by asking again with `cursor`."""
    members = {"items": listed(items), "next_cursor": maybe(words(about="null at the end"))}
    return record(members | ({"prev_cursor": maybe(words())} if goes_back else {}))


def list_of(items: Schema) -> Schema:
    """All there are."""
    return record({"items": listed(items)})


def said(about: str) -> Schema:
    return {"description": about} if about else {}
