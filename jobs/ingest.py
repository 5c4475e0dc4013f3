"""Turning stored pushes of a source into alerts and incidents, in their order."""

from __future__ import annotations

import time

from crashpoints import crash_here
from extensions import db
from jobs.outbox import Claim, Done, Later, Outcome
from services import outbox, stored_pushes
from services.clock import utcnow

SLICE_SECONDS = 5.0
"""After so long other rows get their turn; well below a lease."""
YIELD = 1.0
"""Pause between two transactions, as a share of what the first took: on SQLite those who push wait meanwhile."""


def run(mine: Claim) -> Outcome:
    """Work off what waits, one short transaction after the other; what is begun is never left half done."""
    source_id, deadline = mine.subject_id, time.monotonic() + SLICE_SECONDS
    while True:
        began = time.monotonic()
        found = stored_pushes.drain(source_id, now=utcnow())
        if not found and _is_drained(mine):
            return Done()
        crash_here("drain.before_commit")
        db.session.commit()
        crash_here("drain.after_commit")
        if time.monotonic() > deadline:
            return Later(utcnow())
        time.sleep((time.monotonic() - began) * YIELD)


def _is_drained(mine: Claim) -> bool:
    """Whether this row may end: looked at behind its lock, so that a push stored now finds it ended, or is found."""
    outbox.hold(mine.id)
    return not stored_pushes.is_waiting(mine.subject_id)
