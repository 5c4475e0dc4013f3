"""Redis as all of this process asks it: briefly, and not again for a while once it did not answer.

Nothing depends on Redis but speed, so nobody may wait for it. One that is gone refuses at once; one that hangs, or a
network that swallows everything, would cost each request its whole patience. Here it costs the first ones theirs.
Whoever asks meanwhile is told so without a look at the network, by the error that redis-py itself raises.
"""

from __future__ import annotations

import logging
import sys
import time
from functools import cache
from typing import Any

from redis.connection import ConnectionPool
from redis.exceptions import ConnectionError

ANSWER_SECONDS = 0.2
SILENT_SECONDS = 5.0

log = logging.getLogger(__name__)


class BriefPool(ConnectionPool):
    """Connections that are not given out for a while after one of them failed."""

    silent_until = 0.0
    """By the monotonic clock."""

    def get_connection(self, *args: Any, **options: Any) -> Any:
        if time.monotonic() < self.silent_until:
            raise ConnectionError("Redis did not answer a moment ago and is not asked")
        return super().get_connection(*args, **options)

    def release(self, connection: Any) -> None:
        """redis-py closes a connection that could not be made, or on which a command failed, and gives it back."""
        if not connection.is_connected:
            self.rest("does not answer", sys.exception())
        super().release(connection)

    def rest(self, what: str, error: BaseException | None) -> None:
        """Ask nothing for a while. what: Redis does, for the log."""
        self.silent_until = time.monotonic() + SILENT_SECONDS
        log.warning("Redis %s and is asked again in %g s: %s", what, SILENT_SECONDS, error)


@cache
def pool_of(url: str) -> BriefPool:
    """The one of this process."""
    return BriefPool.from_url(url, socket_connect_timeout=ANSWER_SECONDS, socket_timeout=ANSWER_SECONDS)
