"""A token store in memory, for tests that need a platform but no database."""

from __future__ import annotations

from collections.abc import Callable

Fetch = Callable[[], tuple[str, int]]


class MemoryTokens:
    """Keeps what was fetched. fetches: how often the platform was asked for a token, "route:…" (an address) apart."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}
        self.fetches = 0

    def get(self, kind: str, fetch: Fetch) -> str:
        return self.values[kind] if kind in self.values else self.renew(kind, fetch)

    def renew(self, kind: str, fetch: Fetch) -> str:
        self.fetches += not kind.startswith(("route:", "picture:"))
        self.values[kind] = fetch()[0]
        return self.values[kind]

    def drop(self, kind: str, value: str) -> None:
        if self.values.get(kind) == value:
            del self.values[kind]
