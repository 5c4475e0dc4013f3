"""Programs that a run starts, each in a session of its own, and one of them: the fake platform."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import psutil

from bench.load import Wire, request
from processors import USABLE
from tests.private_servers import free_port, takes_connections

ROOT = Path(__file__).resolve().parent.parent
START_SECONDS = 90.0
STOP_SECONDS = 15.0
KEPT_FROM_HERE = ("PATH", "HOME", "TMPDIR", "LANG", "LC_ALL")

Found = TypeVar("Found")
Arrival = tuple[float, str, str, str]
"""A message at the fake platform: monotonic seconds, application, user id, title."""


class Late(TimeoutError):
    """Something did not happen in time; the message says what."""


def wait_for(
    condition: Callable[[], Found], what: str, *, seconds: float = START_SECONDS, every: float = 0.02
) -> Found:
    """Ask until the answer is true, and return it. Raises Late."""
    deadline = time.monotonic() + seconds
    while True:
        if found := condition():
            return found
        if time.monotonic() > deadline:
            raise Late(f"not within {seconds:g} s: {what}")
        time.sleep(every)


def clean_environment() -> dict[str, str]:
    """Nothing of the settings of whoever runs the benchmark."""
    kept = {name: os.environ[name] for name in KEPT_FROM_HERE if name in os.environ}
    return kept | {"PYTHONUNBUFFERED": "1", "PYTHONPATH": str(ROOT)}


@dataclass
class Program:
    """A program and what it started. port: where it listens once it is ready; its output goes to `log`."""

    name: str
    command: list[str]
    log: Path
    env: dict[str, str] = field(default_factory=clean_environment)
    port: int | None = None
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it listens."""
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                self.command,
                cwd=ROOT,
                env=self.env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        if self.port is not None:
            wait_for(self._is_ready, f"{self.name} listens")

    def _is_ready(self) -> bool:
        if self.process is None or self.process.poll() is not None:
            raise Late(f"{self.name} ended at its start: {self.log.read_text(errors='replace')[-2000:]}")
        return self.port is None or takes_connections(self.port)

    def stop(self) -> None:
        """End it as a deploy does; what is left after STOP_SECONDS the hard way."""
        if self.process is None:
            return
        with suppress(ProcessLookupError):
            self.process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(STOP_SECONDS)
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def __enter__(self) -> Program:
        self.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.stop()

    def tree(self) -> list[psutil.Process]:
        """The program and what it started, as far as it still runs."""
        assert self.process is not None  # noqa: S101 - narrows the type
        try:
            first = psutil.Process(self.process.pid)
            return [first, *first.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def stay_on(self, processor: int) -> None:
        """Keep it on one processor where the system knows such a thing; threads that it keeps apart on the others."""
        for process in self.tree() if hasattr(os, "sched_setaffinity") else ():
            own = os.sched_getaffinity(process.pid)
            for thread in process.threads():
                with suppress(OSError):  # ended meanwhile
                    is_apart = os.sched_getaffinity(thread.id).isdisjoint(own)
                    os.sched_setaffinity(thread.id, set(USABLE) - {processor} if is_apart else {processor})

    def cpu_seconds(self) -> float:
        """User and system time so far, of all its processes."""
        total = 0.0
        for process in self.tree():
            with suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                total += times.user + times.system
        return total

    def pss_bytes(self) -> int:
        """Memory by proportional share: what several processes share counts once."""
        total = 0
        for process in self.tree():
            with suppress(OSError):
                text = Path(f"/proc/{process.pid}/smaps_rollup").read_text()
                total += sum(int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith("Pss:"))
        return total


# --- the fake platform --------------------------------------------------------------------------------------------


class Fake:
    """The fake chat platform and its control interface."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        command = [sys.executable, "-m", "bench.fake_platform", str(self.port)]
        self.program = Program("fake platform", command, folder / "fake.log", port=self.port)

    def behave(self, platform: str, *, delay_seconds: float = 0.0, hangs: bool = False) -> None:
        """How a platform answers from now on: late, or not at all; without either at once."""
        self._control("POST", "behaviour", {"platform": platform, "delay_seconds": delay_seconds, "hangs": hangs})

    def reset(self) -> None:
        self._control("POST", "reset", {})

    def arrivals(self) -> list[Arrival]:
        """Messages, in the order of their arrival."""
        return [tuple(one) for one in self._control("GET", "arrivals")]

    def counts(self) -> dict[str, int]:
        """Calls by what they were: "wecom/card" → 400."""
        return dict(self._control("GET", "counts"))

    def tokens(self) -> dict[str, int]:
        """How often each application asked for a token."""
        return dict(self._control("GET", "tokens"))

    def _control(self, method: str, name: str, body: dict[str, Any] | None = None) -> Any:
        wire = Wire(self.port)
        try:
            data = json.dumps(body).encode() if body is not None else b""
            return json.loads(wire.exchange(request(method, f"/control/{name}", data))[1])
        finally:
            wire.close()
