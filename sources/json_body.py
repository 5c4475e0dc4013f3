"""Bytes from a stranger to JSON that both databases can keep, or a refusal that says where it is broken. Pure."""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

import orjson

from sources.base import Refused

DEPTH = 32
DIGITS = 4000
WHOLE = float(2**63)
"""From here on orjson may have made a fraction of a whole number."""
_SHORT = frozenset({str, int, bool, type(None)})


class _Unsure(Exception):
    """orjson may have read a number differently."""


def read_json(body: bytes) -> Any:
    """Decode a UTF-8 JSON body of bounded depth.

    NUL characters are removed and lone surrogates become U+FFFD: PostgreSQL can store neither.
    Raises Refused with line and column for broken JSON, and for NaN, endless numbers and deep nesting.
    """
    if b"\\u" in body:  # something is spelt in a way that may hide what cannot be stored
        return _cleaned(_decoded(body), DEPTH)
    try:
        value = orjson.loads(body)  # four times as quick, but it neither says all that must be said nor reads all
        _check(value, DEPTH)
        return value
    except (orjson.JSONDecodeError, _Unsure):
        value = _decoded(body)
        _check(value, DEPTH, is_sure=True)
        return value


def _decoded(body: bytes) -> Any:
    try:
        text = body.decode("utf-8-sig")
        return json.loads(text, parse_constant=_no_constant, parse_int=_whole, parse_float=_fraction)
    except UnicodeDecodeError as error:
        raise Refused(f"body is not UTF-8 text (byte {error.start + 1})") from error
    except json.JSONDecodeError as error:
        raise Refused(f"body is not JSON: {error.msg} at line {error.lineno}, column {error.colno}") from error
    except RecursionError as error:
        raise Refused(f"body is nested deeper than {DEPTH} levels") from error


def _check(value: Any, depth: int, *, is_sure: bool = False) -> None:
    """Raises Refused for what is nested too deep, and _Unsure for a number that was cut perhaps, unless is_sure."""
    kind = type(value)
    if kind is float:
        if not is_sure and not -WHOLE < value < WHOLE:
            raise _Unsure
    elif kind is dict or kind is list:
        if depth == 0:
            raise Refused(f"body is nested deeper than {DEPTH} levels")
        for item in value.values() if kind is dict else value:
            if type(item) not in _SHORT:
                _check(item, depth - 1, is_sure=is_sure)


def _no_constant(name: str) -> NoReturn:
    raise Refused(f"body is not JSON: {name} is not a JSON value")


def _whole(digits: str) -> int:
    if len(digits) > DIGITS:
        raise Refused(f"body holds a number of more than {DIGITS} digits")
    return int(digits)


def _fraction(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise Refused(f"body holds a number that is too large: {digits[:40]}")
    return number


def _cleaned(value: Any, depth: int) -> Any:
    if isinstance(value, str):
        return _storable(value)
    if depth == 0 and isinstance(value, (dict, list)):
        raise Refused(f"body is nested deeper than {DEPTH} levels")
    if isinstance(value, dict):
        return {_storable(key): _cleaned(item, depth - 1) for key, item in value.items()}
    if isinstance(value, list):
        return [_cleaned(item, depth - 1) for item in value]
    return value


def _storable(text: str) -> str:
    if text.isascii():
        return text.replace("\x00", "")
    try:
        text.encode()
    except UnicodeEncodeError:
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text.replace("\x00", "")
