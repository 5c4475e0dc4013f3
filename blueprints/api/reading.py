"""Reading what a caller sent against the shapes that the description shows. Errors name the parameter."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from flask import request

from blueprints.api.schemas import Schema, resolved
from blueprints.envelope import RefusedRequest
from blueprints.json_bodies import read_body
from errors import AppError, InvalidInput
from sources import Refused, read_json
from texts import N_
from whole_numbers import whole

SHOWN_CHARS = 60
MOST = 10**12 - 1
TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
}
KINDS = {
    "string": N_("应为字符串"),
    "integer": N_("应为整数"),
    "number": N_("应为数字"),
    "boolean": N_("应为 true 或 false"),
    "array": N_("应为数组"),
    "object": N_("应为对象"),
}


class NotJson(AppError):
    code = "api.not_json"
    api_code = "InvalidContentType"
    message = N_("请求体须为 JSON：Content-Type 应为 application/json，且不压缩")
    status = 400


class TooLarge(AppError):
    code = "api.too_large"
    api_code = "EntityTooLarge"
    message = N_("请求体不能超过 1 MiB")
    status = 413


def body(schema: Schema | None) -> dict[str, Any]:
    """The JSON object of the request, {} for an empty body. Raises InvalidInput, NotJson, TooLarge."""
    if not request.content_length and "Transfer-Encoding" not in request.headers:
        value: Any = {}
    else:
        value = _json()
    return dict(checked(value, schema or {"type": "object", "properties": {}, "additionalProperties": False}, "body"))


def query(schema: Schema | None) -> dict[str, Any]:
    """The parameters of the address, each once. Unknown ones are refused: a misspelt filter must not show all."""
    described = schema or {"properties": {}}
    found: dict[str, Any] = {}
    for name, values in request.args.lists():
        if name not in described["properties"]:
            raise InvalidInput(name[:SHOWN_CHARS], N_("没有这个参数"))
        found[name] = _typed(name, values[-1].replace("\x00", ""), resolved(described["properties"][name]))
    return dict(checked(found, {"type": "object", **described}, "query"))


def checked(value: Any, schema: Schema, name: str) -> Any:
    """The value if it has the shape, times as datetimes. Raises InvalidInput naming the first part that has not."""
    schema = resolved(schema)
    if "anyOf" in schema:
        return None if value is None else checked(value, schema["anyOf"][0], name)
    kind: str = schema["type"]
    if not _is_a(kind, value):
        raise InvalidInput(name, KINDS[kind])
    if "enum" in schema and value not in schema["enum"]:
        raise InvalidInput(name, N_("应为 %(choices)s 之一"), choices=", ".join(schema["enum"]))
    if kind in {"integer", "number"}:
        _check_range(value, schema, name)
    elif kind == "string":
        return _text(value, schema, name)
    elif kind == "array":
        return _list(value, schema, name)
    elif kind == "object":
        return _object(value, schema, name)
    return value


def _is_a(kind: str, value: Any) -> bool:
    return isinstance(value, TYPES[kind]) and (not isinstance(value, bool) or kind == "boolean")


def _check_range(value: float, schema: Schema, name: str) -> None:
    low, high = schema.get("minimum"), schema.get("maximum")
    if (low is not None and value < low) or (high is not None and value > high):
        raise InvalidInput(name, N_("应为 %(low)s–%(high)s"), low=low, high=high)


def _text(value: str, schema: Schema, name: str) -> Any:
    if len(value) < schema.get("minLength", 0):
        raise InvalidInput(name, N_("不能为空"))
    if "maxLength" in schema and len(value) > schema["maxLength"]:
        raise InvalidInput(name, N_("不能超过 %(most)s 个字符"), most=schema["maxLength"])
    return _moment(value, name) if schema.get("format") == "date-time" else value


def _list(value: list[Any], schema: Schema, name: str) -> list[Any]:
    if "maxItems" in schema and len(value) > schema["maxItems"]:
        raise InvalidInput(name, N_("不能超过 %(most)s 项"), most=schema["maxItems"])
    if len(value) < schema.get("minItems", 0):
        raise InvalidInput(name, N_("不能为空"))
    return [checked(item, schema["items"], f"{name}[{place}]") for place, item in enumerate(value)]


def _object(value: Mapping[str, Any], schema: Schema, name: str) -> dict[str, Any]:
    members, others = schema.get("properties", {}), schema.get("additionalProperties", True)
    path = "" if name in {"body", "query"} else f"{name}."
    for missing in (each for each in schema.get("required", ()) if each not in value):
        raise InvalidInput(path + missing, N_("缺少这个参数"))
    if others is False and (unknown := next((each for each in value if each not in members), None)) is not None:
        raise InvalidInput(path + unknown[:SHOWN_CHARS], N_("没有这个参数"))
    inner = others if isinstance(others, dict) else None
    shapes = {each: members.get(each, inner) for each in value}
    return {
        each: item if (shape := shapes[each]) is None else checked(item, shape, path + each[:SHOWN_CHARS])
        for each, item in value.items()
    }


def _json() -> Any:
    try:
        return read_json(read_body(request))
    except RefusedRequest as error:
        if error.status == TooLarge.status:
            raise TooLarge from error
        raise (NotJson if error.code == NotJson.api_code else InvalidInput("body", N_("没有完整收到"))) from error
    except Refused as error:
        raise InvalidInput("body", N_("不是可用的 JSON（%(why)s）"), why=str(error)) from error


def _typed(name: str, text: str, schema: Schema) -> Any:
    """A parameter of the address as the value that it spells."""
    if schema["type"] == "integer":
        if whole(text.removeprefix("-"), MOST) is None:
            raise InvalidInput(name, KINDS["integer"])
        return int(text)
    if schema["type"] == "boolean":
        return {"true": True, "false": False}.get(text, text)
    return text


def _moment(text: str, name: str) -> datetime:
    try:
        found = datetime.fromisoformat(text.replace(" ", "+"))
        return found.replace(tzinfo=found.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise InvalidInput(name, N_("应为 ISO 8601 时间，例如 2026-03-02T01:14:05Z")) from error
