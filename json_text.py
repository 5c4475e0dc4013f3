"""JSON as short and as quickly as it can be written, for rows, log lines and digests: one is on every request's way."""

from __future__ import annotations

import json
from typing import Any

import orjson

_PLAIN = orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_DATACLASS


def written(value: Any) -> str:
    """The JSON text of plain values, without blanks.

    What strangers send is written, too: whole numbers of more than 64 bits, half a surrogate pair.
    Raises TypeError for what JSON has no form for.
    """
    try:
        return orjson.dumps(value, option=_PLAIN).decode()
    except TypeError:
        return json.dumps(value, separators=(",", ":"))


def in_order(value: Any) -> bytes:
    """The same in UTF-8 and with sorted names: equal values are equal bytes. Raises TypeError for half a pair."""
    return orjson.dumps(value, option=_PLAIN | orjson.OPT_SORT_KEYS)


def log_line(value: dict[str, Any]) -> str:
    """JSON of whatever it is: what has no form of its own is written as str() says it."""
    try:
        return orjson.dumps(value, default=str).decode()
    except TypeError:
        return json.dumps(value, default=str)
