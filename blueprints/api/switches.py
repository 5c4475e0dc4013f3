"""Small shapes that several areas share: confirming, versions, what is left of a deleted thing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from blueprints.api.schemas import component, flag, record, whole, words
from errors import Conflict

CONFIRMED = record({"confirm_name": words(200, about="The thing's name, typed in full")})
VERSION = {"version": whole(1, 2**31 - 1, about="The version that was read; another one is a Conflict")}
DELETED = component("Deleted", record({"deleted": flag()}))


class Versioned(Protocol):
    @property
    def version(self) -> int: ...


def check_version(row: Versioned, sent: Mapping[str, Any]) -> None:
    """Raise Conflict if another version was read before. Whoever sends none overwrites."""
    if sent.get("version", row.version) != row.version:
        raise Conflict
