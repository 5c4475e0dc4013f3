"""Wake-ups through Huey and Redis, to one of the workers wherever they run. For instances that have a Redis."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from redis.connection import ConnectionPool
from redis.exceptions import ConnectionError, RedisError, TimeoutError

from redis_pool import pool_of
from slim_imports import without

if TYPE_CHECKING:
    from huey import Huey

LISTENERS = 1
LISTEN_SECONDS = 1
CONNECT_SECONDS, ANSWER_SECONDS = 0.3, 3.0
"""Of who listens; an answer may take as long as Redis holds the question, and some more."""


class Broker:
    """Who sends does not wait for Redis (redis_pool.py); who listens does nothing else."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._heard: Callable[[], None] = lambda: None
        self._pool = pool_of(url)
        self._wake_up = self._task_of(_huey_on(self._pool))

    def _task_of(self, huey: Huey) -> Callable[[], object]:
        task: Callable[[], object] = huey.task(name="wake_up")(self._hear)
        return task

    def _hear(self) -> None:
        self._heard()

    def send(self) -> None:
        try:
            self._wake_up()
        except (ConnectionError, TimeoutError):
            pass  # the pool has said so
        except RedisError as error:  # its memory or its disk is full, or it is a copy of another
            self._pool.rest("takes nothing", error)

    def listen(self, heard: Callable[[], None], stopping: threading.Event) -> None:
        self._heard = heard
        patience = {"socket_connect_timeout": CONNECT_SECONDS, "socket_timeout": ANSWER_SECONDS}
        huey = _huey_on(ConnectionPool.from_url(self._url, **patience))
        self._task_of(huey)
        consumer = huey.create_consumer(workers=LISTENERS, periodic=False, scheduler_interval=60)
        consumer.start()
        threading.Thread(
            target=lambda: (stopping.wait(), consumer.stop_flag.set()), name="broker-stop", daemon=True
        ).start()


def _huey_on(pool: ConnectionPool) -> Huey:
    """Huey imports what its other storages use if it is there: 14 MB that a process does not need."""
    with without("psycopg"):
        from huey import RedisHuey  # noqa: PLC0415

    return RedisHuey("dutybell", connection_pool=pool, results=False, read_timeout=LISTEN_SECONDS)
