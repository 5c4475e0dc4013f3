"""Runs in .venv-oracles: how the scripts beside it are asked, over a pipe."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from typing import Any


def serve(calls: Mapping[str, Callable[[dict[str, Any]], Any]]) -> None:
    """Answer one JSON line for each JSON line: {"call": name, …} with {"result"}, or {"error", "detail"}."""
    for line in sys.stdin:
        print(json.dumps(_answer(calls, json.loads(line))), flush=True)


def _answer(calls: Mapping[str, Callable[[dict[str, Any]], Any]], call: dict[str, Any]) -> dict[str, Any]:
    try:
        return {"result": calls[call.pop("call")](call)}
    except Exception as error:
        return {"error": type(error).__name__, "detail": str(error)}
