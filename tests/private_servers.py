"""PostgreSQL and Redis servers of this test run alone: started by the first test that needs one, shared by every
worker process, ended when the last one has left or was killed. Nothing that runs on the machine already is touched.
"""

from __future__ import annotations

import fcntl
import json
import os
import pwd
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TextIO

import psutil
import psycopg

ROOT = Path(__file__).resolve().parent.parent
START_SECONDS = 60
END_SECONDS = 20
FIRST_PORT, PORTS_OF_A_WORKER, MOST_WORKERS = 15_000, 1_000, 16
_given: set[int] = set()
RECORD, USERS = "server.json", "users"
POSTGRES_FOLDERS = (  # Debian, Red Hat, Homebrew; the newest version wins
    "usr/lib/postgresql/*/bin",
    "usr/pgsql-*/bin",
    "opt/homebrew/opt/postgresql*/bin",
    "usr/local/opt/postgresql*/bin",
)
MEMORY = Path("/dev/shm")
ENOUGH_MEMORY_BYTES = 2 * 1024**3
# Tests need speed, not durability: these settings give up what a power cut would take.
POSTGRES_OPTIONS = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "max_connections=300")


class Unavailable(Exception):
    """The server's program is not installed; the message says how to get it."""


@dataclass(frozen=True)
class Server:
    """A running server: its address, its process, and the folder that goes when it ends."""

    url: str
    pid: int
    folder: str


class SharedServer:
    """A server that several test processes share.

    meeting  the folder where they meet: a lock, the users' lock, the server's address. A process keeps the users'
             lock shared for as long as it needs the server or lives; it is let go even by a process that is killed.
             A keeper waits to have it alone: then nobody is left, and it stops the server.
    """

    def __init__(self, meeting: Path, start: Callable[[], Server]) -> None:
        meeting.mkdir(parents=True, exist_ok=True)
        self._meeting = meeting
        self._start = start
        self._users: TextIO | None = None

    def url(self) -> str:
        """The server's address; starts it if nobody did. Raises Unavailable."""
        record = self._meeting / RECORD
        with self.lock():
            if self._users is None:
                self._users = (self._meeting / USERS).open("w")
                fcntl.flock(self._users, fcntl.LOCK_SH)
            if not record.exists():
                record.write_text(json.dumps(asdict(self._start())))
                keeper = [sys.executable, "-m", "tests.private_servers", str(self._meeting)]
                subprocess.Popen(keeper, cwd=ROOT, stdin=subprocess.DEVNULL, start_new_session=True)
            return str(json.loads(record.read_text())["url"])

    def leave(self) -> None:
        """Say that this process needs the server no more."""
        if self._users is not None:
            self._users.close()
            self._users = None

    def lock(self) -> TextIO:
        """Keep the other test processes waiting until the file that this returns is closed."""
        lock = (self._meeting / "lock").open("w")
        fcntl.flock(lock, fcntl.LOCK_EX)
        return lock


def keep(meeting: Path) -> None:
    """Wait until nobody uses the server that is recorded in `meeting`, then stop it and remove its folder."""
    with (meeting / USERS).open("w") as users:
        fcntl.flock(users, fcntl.LOCK_EX)
        server = Server(**json.loads((meeting / RECORD).read_text()))
        (meeting / RECORD).unlink()
        end(server.pid)
        shutil.rmtree(server.folder, ignore_errors=True)


def end(pid: int) -> None:
    """Stop a server by SIGINT, PostgreSQL's fast shutdown and Redis's ordinary one, or else by force; it is gone then.

    A dead child that nobody has waited for still counts: PostgreSQL would take it for a server that runs.
    """
    try:
        process = psutil.Process(pid)
        process.send_signal(signal.SIGINT)
        if not _is_gone(process):
            process.kill()
            _is_gone(process)
    except psutil.NoSuchProcess:
        pass


def _is_gone(process: psutil.Process) -> bool:
    """Wait until it has ended, and been waited for if it is ours; False if it takes too long."""
    deadline = time.monotonic() + END_SECONDS
    while time.monotonic() < deadline:
        try:
            if os.waitpid(process.pid, os.WNOHANG)[0]:
                return True
        except ChildProcessError:  # somebody else's, or waited for already
            if not process.is_running() or process.status() == psutil.STATUS_ZOMBIE:
                return True
        time.sleep(0.02)
    return False


def memory_folder() -> Path | None:
    """A folder in memory for databases that live as long as a test; None where there is none or little room."""
    has_room = MEMORY.is_dir() and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free >= ENOUGH_MEMORY_BYTES
    return MEMORY if has_room else None


# --- PostgreSQL ---------------------------------------------------------------------------------------------------


def start_postgresql() -> Server:
    """A new cluster on a free port, as fast as it can be."""
    return start_cluster(make_cluster(), free_port(), POSTGRES_OPTIONS)


def make_cluster(parent: Path | None = None) -> Path:
    """A new cluster in a folder of its own, which is returned; in memory where there is room, unless in `parent`."""
    folder = Path(tempfile.mkdtemp(prefix="dutybell-postgresql-", dir=parent or memory_folder()))
    as_owner = _postgresql_owner()
    if as_owner:
        os.chown(folder, as_owner["user"], as_owner["group"])
    initdb: list[Any] = [
        postgresql_programs() / "initdb",
        "--no-sync",
        "--auth=trust",
        "--username=dutybell",
        "--encoding=UTF8",
        "--locale=C",
    ]
    subprocess.run([*initdb, "-D", folder / "data"], check=True, capture_output=True, cwd=folder, **as_owner)
    return folder


def start_cluster(folder: Path, port: int, options: tuple[str, ...]) -> Server:
    """Start a cluster that `make_cluster` made, for the first time or again."""
    chosen = (*options, f"unix_socket_directories={folder}")
    words = [word for option in chosen for word in ("-c", option)]
    command = [postgresql_programs() / "postgres", "-D", folder / "data", "-h", "127.0.0.1", "-p", str(port), *words]
    process = start_and_wait(command, lambda: postgresql_answers(port), folder, **_postgresql_owner())
    return Server(f"postgresql+psycopg://dutybell@127.0.0.1:{port}", process.pid, str(folder))


def _postgresql_owner() -> dict[str, Any]:
    """PostgreSQL refuses to run as root: then it runs as `postgres`. Options of subprocess."""
    if os.getuid() != 0:
        return {}
    account = pwd.getpwnam("postgres")
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


def postgresql_programs() -> Path:
    for pattern in POSTGRES_FOLDERS:
        for program in sorted(Path("/").glob(f"{pattern}/initdb"), key=version_of, reverse=True):
            return program.parent
    if found := shutil.which("initdb"):
        return Path(found).resolve().parent
    raise Unavailable("PostgreSQL is not installed: run scripts/system_packages.sh")


def postgresql_answers(port: int) -> bool:
    """Whether it takes sessions; a little after it takes connections."""
    try:
        psycopg.connect(f"postgresql://dutybell@127.0.0.1:{port}/postgres", connect_timeout=5).close()
    except psycopg.OperationalError:
        return False
    return True


def version_of(program: Path) -> int:
    return int("0" + "".join(filter(str.isdigit, str(program))))


# --- Redis --------------------------------------------------------------------------------------------------------


def start_redis(port: int | None = None) -> Server:
    """An empty Redis on a free port, or on one that it had before."""
    program = shutil.which("redis-server")
    if not program:
        raise Unavailable("Redis is not installed: run scripts/system_packages.sh")
    folder, port = Path(tempfile.mkdtemp(prefix="dutybell-redis-")), port or free_port()
    command = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
    process = start_and_wait(command, lambda: takes_connections(port), folder)
    return Server(f"redis://127.0.0.1:{port}", process.pid, str(folder))


# --- processes ----------------------------------------------------------------------------------------------------


def start_and_wait(
    command: list[Any], is_ready: Callable[[], bool], folder: Path, **options: Any
) -> subprocess.Popen[bytes]:
    """Start a server and wait until it is ready. Its output goes to a file in `folder`."""
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [str(word) for word in command], cwd=folder, stdout=log, stderr=log, start_new_session=True, **options
        )
    deadline = time.monotonic() + START_SECONDS
    while not is_ready():
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"{command[0]} did not start:\n{(folder / 'log').read_text(errors='replace')}")
        time.sleep(0.02)
    return process


def takes_connections(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def free_port() -> int:
    """A port that nobody listens on, outside the range from which the system gives ports to clients.

    Whoever asked for it may take a while to listen there, so nobody else of this run is given it: each worker process
    has ports of its own, and gives each away once.
    """
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % MOST_WORKERS
    first = FIRST_PORT + worker * PORTS_OF_A_WORKER
    while True:
        port = random.choice([port for port in range(first, first + PORTS_OF_A_WORKER) if port not in _given])
        _given.add(port)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def is_required() -> bool:
    """Whether a server that is not installed fails the tests (in CI) or skips them loudly (elsewhere)."""
    return os.environ.get("CI", "").lower() in {"1", "true"}


if __name__ == "__main__":
    keep(Path(sys.argv[1]))
