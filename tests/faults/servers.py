"""A PostgreSQL and a Redis that tests may stop, kill and start again at the same address."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import psutil
import psycopg

from tests.conftest import _plain
from tests.private_servers import (
    RECORD,
    Server,
    SharedServer,
    end,
    free_port,
    make_cluster,
    start_cluster,
    start_redis,
)

# Commits survive PostgreSQL's own death, which is what is tried here; not a power cut.
POSTGRES_OPTIONS = ("fsync=off", "full_page_writes=off", "max_connections=200")
STOP_SECONDS = 10.0


class OwnServer:
    """A server of this test process alone, ended with it even if that is killed."""

    def __init__(self, meeting: Path, start: Callable[[], Server]) -> None:
        self._start = start
        self._record = meeting / RECORD
        self._shared = SharedServer(meeting, start)
        self.url = self._shared.url()

    def stop(self) -> None:
        """As an operator does; nothing is lost that was committed."""
        end(self._pid)

    def kill(self) -> None:
        """As the kernel does when memory is short."""
        try:
            server = psutil.Process(self._pid)
            family = [server, *server.children(recursive=True)]
            for process in family:
                process.send_signal(signal.SIGKILL)
            psutil.wait_procs(family[1:], timeout=STOP_SECONDS)
            end(self._pid)
        except psutil.NoSuchProcess:
            pass

    def start(self) -> None:
        """Start it again at its old address."""
        self._record.write_text(json.dumps(asdict(self._start())))

    @contextmanager
    def gone(self) -> Iterator[None]:
        self.kill()
        try:
            yield
        finally:
            self.start()

    @contextmanager
    def hanging(self) -> Iterator[None]:
        """It takes connections and what is sent, and says nothing: stopped by a debugger, or swapped out."""
        server = psutil.Process(self._pid)
        family = [server, *server.children(recursive=True)]
        for process in family:
            process.suspend()
        try:
            yield
        finally:
            for process in reversed(family):
                process.resume()

    def leave(self) -> None:
        self._shared.leave()

    @property
    def _pid(self) -> int:
        return int(json.loads(self._record.read_text())["pid"])


class OwnPostgres(OwnServer):
    """`url` has no database name."""

    def __init__(self, meeting: Path) -> None:
        folder, port = make_cluster(), free_port()
        super().__init__(meeting, lambda: start_cluster(folder, port, POSTGRES_OPTIONS))

    def create_database(self, name: str) -> str:
        """An empty database; returns its address."""
        with self._connect() as connection:
            connection.execute(f'CREATE DATABASE "{name}"')
        return f"{self.url}/{name}"

    def cut_connections(self, database: str, *, busy_only: bool = False) -> int:
        """End every session of a database, or those inside a transaction; return how many."""
        wanted = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()"
        if busy_only:
            wanted += " AND state <> 'idle'"
        with self._connect() as connection:
            return len(connection.execute(wanted, (database,)).fetchall())

    def _connect(self) -> psycopg.Connection[tuple[object, ...]]:
        return psycopg.connect(_plain(self.url) + "/postgres", autocommit=True)


class OwnRedis(OwnServer):
    """`url` has no database number."""

    def __init__(self, meeting: Path) -> None:
        port = free_port()
        super().__init__(meeting, lambda: start_redis(port))
