"""The simulator as a process of its own, driven through its control interface."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

ROOT = Path(__file__).parents[2]
STOP_SECONDS = 10


class Refused(Exception):
    """The control interface did not do it; the text says why."""


@dataclass(frozen=True)
class Simulator:
    """A running simulator. url: its address without a trailing slash."""

    url: str

    def control(self, path: str, body: Any = None, *, method: str = "") -> Any:
        """Call the control interface; with a body by POST unless told otherwise."""
        verb = method or ("GET" if body is None else "POST")
        answer = requests.request(verb, f"{self.url}/control/{path}", json=body, timeout=30)
        if not answer.ok:
            raise Refused(answer.text)
        return answer.json()

    def fault(self, name: str, **values: Any) -> None:
        self.control("faults", {"fault": name} | values)

    def calls(self, path: str) -> list[dict[str, Any]]:
        """What the product called whose path ends so, oldest first."""
        return [e for e in self.control("wire") if e["direction"] == "in" and e["path"].endswith(path)]


@contextmanager
def running_simulator() -> Iterator[Simulator]:
    """Start a simulator on a free port; it forgets everything when it ends."""
    process = subprocess.Popen(
        [sys.executable, "-m", "simulator", "--port", "0"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        found = re.search(r"http://\S+:(\d+)", line)
        assert found, f"the simulator did not start: {line!r}"
        yield Simulator(f"http://127.0.0.1:{found[1]}")
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
