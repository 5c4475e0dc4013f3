"""Wake-ups through Huey and Redis, to one of the workers wherever they run. For instances that have a Redis."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from slim_imports import without

if TYPE_CHECKING:
    from huey import Huey

BROKER_PAUSE_SECONDS = 5.0
LISTENERS = 1


class Broker:
    """Huey on Redis. After a failure nobody waits for it for a while."""

    def __init__(self, url: str) -> None:
        self.huey = _make_huey(url)
        self.silent_until = 0.0
        self._heard: Callable[[], None] = lambda: None
        self._task = self.huey.task(name="wake_up")(self._hear)

    def _hear(self) -> None:
        self._heard()

    def send(self) -> None:
        if time.monotonic() < self.silent_until:
            return
        try:
            self._task()
        except Exception:
            self.silent_until = time.monotonic() + BROKER_PAUSE_SECONDS
            raise

    def listen(self, heard: Callable[[], None], stopping: threading.Event) -> None:
        self._heard = heard
        consumer = self.huey.create_consumer(workers=LISTENERS, periodic=False, scheduler_interval=60)
        consumer.start()
        threading.Thread(
            target=lambda: (stopping.wait(), consumer.stop_flag.set()), name="broker-stop", daemon=True
        ).start()


def _make_huey(url: str) -> Huey:
    """Huey imports what its other storages use if it is there: 14 MB that a process does not need."""
    with without("psycopg"):
        from huey import RedisHuey  # noqa: PLC0415

    separator = "&" if "?" in url else "?"
    limited = f"{url}{separator}socket_connect_timeout=0.3&socket_timeout=3"
    return RedisHuey("dutybell", url=limited, results=False, read_timeout=1)
