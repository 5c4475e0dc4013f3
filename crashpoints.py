"""Named places where a test may stop a process the hard way, to prove that nothing is lost there."""

from __future__ import annotations

import os
from pathlib import Path

CRASH_STATUS = 137
_ARMED = os.environ.get("DUTYBELL_CRASH_AT", "")


def crash_here(name: str) -> None:
    """End this process at once, as `kill -9` would, if the test's environment names this place. Else nothing.

    DUTYBELL_CRASH_AT holds a name, or the path of a file with one: then one process crashes there, once.
    """
    if _ARMED and _is_meant(name):
        os._exit(CRASH_STATUS)


def _is_meant(name: str) -> bool:
    if "/" not in _ARMED:
        return name == _ARMED
    armed = Path(_ARMED)
    try:
        if armed.read_text() != name:
            return False
        armed.unlink()  # of those who come here at once, one can
    except FileNotFoundError:
        return False
    return True
