"""R36: without the right keys nothing starts, and one line says why; nothing falls back to plain text."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.conftest import ROOT
from tests.faults.fleet import Company
from tests.private_servers import free_port

WORKER = ["-m", "worker"]
WEB = ["-m", "gunicorn", "app:create_app()"]
OTHER_KEY = "k1:" + "B" * 43 + "="
START_SECONDS = 60

MISTAKES: dict[str, tuple[dict[str, str | None], tuple[str, ...]]] = {
    "no keys": ({"SECRET_KEY": None, "ENCRYPTION_KEYS": None}, ("SECRET_KEY", "ENCRYPTION_KEYS")),
    "another key": ({"ENCRYPTION_KEYS": OTHER_KEY}, ("k1",)),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_worker_without_the_right_keys_does_not_start(scaled: Company, name: str):
    check_refused(scaled, WORKER, *MISTAKES[name])


def test_a_web_with_the_wrong_key_does_not_start(embedded: Company):
    check_refused(embedded, WEB, {"ENCRYPTION_KEYS": OTHER_KEY}, ("k1",))


def check_refused(company: Company, program: list[str], changes: dict[str, str | None], named: tuple[str, ...]) -> None:
    """It ends by itself with a status that is not 0, and one line for each mistake, without a traceback."""
    wanted = company.fleet.env | {"BIND": f"127.0.0.1:{free_port()}"} | changes
    env = {key: value for key, value in wanted.items() if value is not None}
    command = [sys.executable, *program]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=START_SECONDS)

    output = done.stdout + done.stderr
    said = [line for line in output.splitlines() if "cannot start" in line]
    assert done.returncode != 0
    assert len(said) == len(named), output
    assert all(name in line for name, line in zip(named, said, strict=True)), output
    assert "Traceback" not in output
    assert not any(value in output for value in changes.values() if value)
