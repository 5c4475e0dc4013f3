"""The machine that a run took place on, and what else was on it: without that nobody can compare two runs."""

from __future__ import annotations

import os
import platform
import tempfile
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from bench.results import Meanwhile, median

SYNCS = 20
SYNCED_BYTES = b"x" * 4096
LOOK_SECONDS = 5.0
NAMED = 3
LEAST_NAMED = 0.02
"""Of a core: programs that used less are not named."""


def machine_facts(database: str) -> dict[str, Any]:
    """What a reader needs to compare two runs; nothing that tells whose machine it was.

    disk         the file system under the databases ("tmpfs": commits cost nothing, so ratios say little)
    sync_ms      how long writing 4 KB durably takes there
    load_before  runnable processes over one minute, before we began: above half the cores, doubt the figures
    """
    folder = Path(tempfile.gettempdir())
    return {
        "cores": os.cpu_count() or 0,
        "memory_gb": round(psutil.virtual_memory().total / 2**30),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "database": database,
        "disk": file_system(folder),
        "sync_ms": round(sync_ms(folder), 2),
        "load_before": round(os.getloadavg()[0], 2),
    }


def file_system(folder: Path) -> str:
    """The type of the file system that a folder is on: "ext4"."""
    places = {one.mountpoint: one.fstype for one in psutil.disk_partitions(all=True)}
    found = next((str(one) for one in (folder.resolve(), *folder.resolve().parents) if str(one) in places), "")
    return places.get(found, "unknown")


def sync_ms(folder: Path) -> float:
    """Milliseconds, the median of some, until 4 KB are on the disk."""
    taken = []
    with tempfile.TemporaryFile(dir=folder) as file:
        for _ in range(SYNCS):
            began = time.perf_counter()
            file.write(SYNCED_BYTES)
            file.flush()
            os.fsync(file.fileno())
            taken.append((time.perf_counter() - began) * 1000)
    return median(taken)


@dataclass(frozen=True)
class Reading:
    """Processor time so far, in seconds.

    busy  of all processors, whoever used them, other machines on the same hardware included
    own   of this process and of all its children that have ended
    """

    at: float
    busy: float
    own: float
    load: float

    @classmethod
    def now(cls) -> Reading:
        times = psutil.cpu_times()
        idle = times.idle + getattr(times, "iowait", 0.0)
        counted_twice = getattr(times, "guest", 0.0) + getattr(times, "guest_nice", 0.0)
        return cls(time.monotonic(), sum(times) - idle - counted_twice, sum(os.times()[:4]), os.getloadavg()[0])


Identity = tuple[int, float]
"""A process for good: its id, and when it began, since ids come again."""


class Watch:
    """Looks every few seconds at what runs beside us, from the start to the end of the block.

    `with Watch() as watch: …` and then watch.meanwhile(); no program of ours may run when the block begins or ends.
    """

    def __init__(self, every: float = LOOK_SECONDS) -> None:
        self._every = every
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._look_on, daemon=True)
        self._names: dict[Identity, str] = {}
        self._first: dict[Identity, float] = {}
        self._last: dict[Identity, float] = {}

    def __enter__(self) -> Watch:
        self.look(is_first=True)
        self._before = Reading.now()
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._end.set()
        self._thread.join()
        self._after = Reading.now()
        self.look()

    def meanwhile(self) -> Meanwhile:
        return summary(self._before, self._after, self._used())

    def _look_on(self) -> None:
        while not self._end.wait(self._every):
            self.look()

    def look(self, *, is_first: bool = False) -> None:
        """Note what each process has used. One that began later has used all of it meanwhile."""
        found = {one.pid: one.info for one in psutil.process_iter(["ppid", "name", "cpu_times", "create_time"])}
        ours = {os.getpid()}
        for pid, info in sorted(found.items(), key=lambda one: one[1]["create_time"] or 0.0):
            if pid in ours or info["ppid"] in ours:
                ours.add(pid)
            elif info["cpu_times"] is not None:
                which, used = (pid, info["create_time"]), info["cpu_times"].user + info["cpu_times"].system
                self._names[which] = info["name"]
                self._first.setdefault(which, used if is_first else 0.0)
                self._last[which] = used

    def _used(self) -> dict[str, float]:
        """Seconds by program name."""
        used: dict[str, float] = {}
        for which, name in self._names.items():
            used[name] = used.get(name, 0.0) + self._last[which] - self._first[which]
        return used


def summary(before: Reading, after: Reading, used: Mapping[str, float]) -> Meanwhile:
    """What went on between two readings. used: seconds of other programs by their names, as far as they were seen."""
    seconds = max(after.at - before.at, 1e-9)
    others = max(0.0, (after.busy - before.busy) - (after.own - before.own)) / seconds
    most = sorted(used.items(), key=lambda one: one[1], reverse=True)[:NAMED]
    named = tuple(f"{name} {taken / seconds:.2f}" for name, taken in most if taken / seconds >= LEAST_NAMED)
    return Meanwhile(seconds, before.load, after.load, others, os.cpu_count() or 1, named)
