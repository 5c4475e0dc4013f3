"""Bytes from a stranger to JSON that both databases can keep, or a refusal that says where it is broken. Pure."""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

from sources.base import Refused

DEPTH = 32
DIGITS = 4000


def read_json(body: bytes) -> Any:
    """Decode a UTF-8 JSON body of bounded depth.

    NUL characters are removed and lone surrogates become U+FFFD: PostgreSQL can store neither.
    Raises Refused with line and column for broken JSON, and for NaN, endless numbers and deep nesting.
    """
    try:
        text = body.decode("utf-8-sig")
        value = json.loads(text, parse_constant=_no_constant, parse_int=_whole, parse_float=_fraction)
    except UnicodeDecodeError as error:
        raise Refused(f"body is not UTF-8 text (byte {error.start + 1})") from error
    except json.JSONDecodeError as error:
        raise Refused(f"body is not JSON: {error.msg} at line {error.lineno}, column {error.colno}") from error
    except RecursionError as error:
        raise Refused(f"body is nested deeper than {DEPTH} levels") from error
    if "\\u" not in text:  # nothing is spelt in a way that could hide what cannot be stored
        _check_depth(value, DEPTH)
        return value
    return _cleaned(value, DEPTH)


def _check_depth(value: Any, depth: int) -> None:
    if depth == 0:
        raise Refused(f"body is nested deeper than {DEPTH} levels")
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        if isinstance(item, (dict, list)):
            _check_depth(item, depth - 1)


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
