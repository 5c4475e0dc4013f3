"""How long PostgreSQL is waited for: no longer than whoever asks waits (extensions.wait_at_most).

It ends by itself what waits for a lock or runs too long, while it is there to do so. When it hangs, or its machine or
the way there is lost, only this side can: the system would wait for a quarter of an hour for a word from there, and for
ever while the other system still acknowledges what it is sent.
"""

from __future__ import annotations

import time
from collections.abc import Generator
from typing import Any, TypeVar

import psycopg
from psycopg.pq import TransactionStatus

from extensions import seconds_left

AFTER_SECONDS = 0.1
"""PostgreSQL's own limits come first: they end a statement and keep the connection."""
LOOK_SECONDS = 0.1
DEFAULTS = {
    "connect_timeout": 5,
    "tcp_user_timeout": 10_000,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
}
"""Also for whom nobody waits; DATABASE_URL may say otherwise. That a machine is gone is noticed within 25 s."""

Result = TypeVar("Result")
Steps = Generator[Any, Any, Result]


class BriefConnection(psycopg.Connection[Any]):
    """One that is closed if there is no answer in time: nobody knows what became of its transaction."""

    def wait(self, gen: Steps[Result], interval: float = LOOK_SECONDS, timeout: float | None = None) -> Result:
        left = seconds_left()
        try:
            return super().wait(gen, interval, timeout if left is None else left + AFTER_SECONDS)
        except psycopg.OperationalError as error:
            if self.pgconn.transaction_status != TransactionStatus.ACTIVE:
                raise
            self.close()
            raise psycopg.OperationalError("PostgreSQL does not answer in time") from error

    @classmethod
    def _connect_gen(cls, conninfo: str = "") -> Steps[Any]:
        """psycopg's own limit is of whole seconds, at least two."""
        steps, left = super()._connect_gen(conninfo), seconds_left()
        return steps if left is None else _until(time.monotonic() + left, steps)


def _until(end: float, steps: Steps[Result]) -> Steps[Result]:
    """Whoever takes these steps looks in every LOOK_SECONDS at least, even if nothing has happened."""
    try:
        wanted = next(steps)
        while time.monotonic() < end:
            wanted = steps.send((yield wanted))
    except StopIteration as done:
        result: Result = done.value
        return result
    raise psycopg.OperationalError("PostgreSQL takes no connection in time")
