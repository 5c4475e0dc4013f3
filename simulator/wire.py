"""The wire log: every request and answer between the product and the simulator, newest 5000."""

from __future__ import annotations

import re
import threading
from collections import deque
from dataclasses import asdict, dataclass
from typing import Any

MAX_ENTRIES = 5000
MAX_BODY_CHARACTERS = 65536

# What a person reading the page does not need to see whole.
_NAME = r"\w*(?:token|secret|ticket)|(?:auth)?code"
_SECRET_IN_QUERY = re.compile(rf"\b({_NAME})=([^&\s\"']{{5}})[^&\s\"']*", re.IGNORECASE)
_SECRET_IN_JSON = re.compile(r'("\w*(?:token|secret|ticket)"\s*:\s*")([^"]{5})[^"]*', re.IGNORECASE)


@dataclass
class WireEntry:
    """One exchange.

    direction  "in" is the product calling the simulator, "out" the simulator calling the product.
    status     the HTTP status, or 0 when no answer was given.
    plaintext, plain_answer  the decrypted request and answer of a callback, else "".
    """

    index: int
    at: float
    platform: str
    direction: str
    method: str
    path: str
    query: str
    request: str
    status: int
    response: str
    ms: float
    note: str = ""
    plaintext: str = ""
    plain_answer: str = ""


class WireLog:
    """Entries in order; `index` only grows and survives a clear, so a reader can go on from where it was."""

    def __init__(self) -> None:
        self._entries: deque[WireEntry] = deque(maxlen=MAX_ENTRIES)
        self._lock = threading.Lock()
        self._last = 0

    def add(self, **fields: Any) -> WireEntry:
        """Record one exchange; the fields are those of WireEntry without index. Bodies are cut at 64 K characters."""
        for name in ("request", "response"):
            fields[name] = fields[name][:MAX_BODY_CHARACTERS]
        with self._lock:
            self._last += 1
            entry = WireEntry(index=self._last, **fields)
            self._entries.append(entry)
        return entry

    def since(self, index: int) -> list[WireEntry]:
        """Entries after this index, oldest first."""
        with self._lock:
            return [entry for entry in self._entries if entry.index > index]

    def clear(self) -> None:
        with self._lock:
            self._entries.clear()


def to_json(entry: WireEntry) -> dict[str, Any]:
    return asdict(entry)


def mask(text: str) -> str:
    """Shorten tokens and secrets for a page: the first five characters stay."""
    return _SECRET_IN_JSON.sub(r"\1\2…", _SECRET_IN_QUERY.sub(r"\1=\2…", text))
