"""Trying a platform's setup checks: what is the same for all of them. Each folder's checks.py says what they do."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from platforms.errors import PlatformError, SettingsIncomplete, remember
from platforms.setup import CheckResult

C = TypeVar("C")
Owners = Sequence[tuple[type[PlatformError], tuple[str, ...]]]
"""Which checks turn red for a cause; the others wait until it is mended."""


def run(client: C, name: str, tries: Mapping[str, Callable[[C], dict[str, Any]]], owners: Owners) -> CheckResult:
    """Try the check called `name`; a failure is explained, not raised. Unknown names are a mistake of ours."""
    try:
        found = tries[name](client)
    except SettingsIncomplete as error:
        return CheckResult(False, explained(error), is_premature=True)
    except PlatformError as error:
        waits = any(isinstance(error, kind) and name not in names for kind, names in owners)
        return CheckResult(False, explained(error), is_premature=waits)
    return CheckResult(True, found, is_premature=found.get("confirmed") is False)


def explained(error: PlatformError) -> dict[str, Any]:
    """Everything that a page needs to explain a failure."""
    return remember(error) | {"message": error.message, "hint": error.hint}
