"""Named places where a test may stop a process the hard way, to prove that nothing is lost there."""

from __future__ import annotations

import os

CRASH_STATUS = 137


def crash_here(name: str) -> None:
    """End this process at once, as `kill -9` would, if the test's environment names this place. Else nothing."""
    if os.environ.get("DUTYBELL_CRASH_AT") == name:
        os._exit(CRASH_STATUS)
