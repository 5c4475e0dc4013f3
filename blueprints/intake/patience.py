"""How long a push waits for the database before it is answered 503: its sender waits for ten seconds at most."""

from __future__ import annotations

import arrival
from extensions import wait_at_most

LOCKED_SECONDS = 5.0
LEAST_SECONDS = 0.5


def be_patient() -> None:
    """Count the time from when the push came: once it is there, and again if it is to write for others as well."""
    wait_at_most(arrival.left_of(LOCKED_SECONDS, at_least=LEAST_SECONDS))
