"""R36: without the right keys nothing starts, and one line says why; nothing falls back to plain text."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.conftest import ROOT
from tests.faults.fleet import Company
from tests.private_servers import free_port

WORKER = ["-m", "flask", "--app", "app", "worker"]
WEB = ["-m", "gunicorn", "app:create_app()"]
OTHER_KEY = "k1:" + "B" * 43 + "="
START_SECONDS = 60

MISTAKES: dict[str, tuple[dict[str, str | None], str]] = {
    "no secret key": ({"SECRET_KEY": None}, "SECRET_KEY"),
    "no encryption keys": ({"ENCRYPTION_KEYS": None}, "ENCRYPTION_KEYS"),
    "another encryption key": ({"ENCRYPTION_KEYS": OTHER_KEY}, "k1"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_worker_without_the_right_keys_does_not_start(scaled: Company, name: str):
    changes, named = MISTAKES[name]
    check_refused(scaled, WORKER, changes, named)


def test_a_web_with_the_wrong_key_does_not_start(scaled: Company):
    check_refused(scaled, WEB, {"ENCRYPTION_KEYS": OTHER_KEY}, "k1")


def test_an_embedded_instance_with_the_wrong_key_does_not_start(embedded: Company):
    check_refused(embedded, WORKER, {"ENCRYPTION_KEYS": OTHER_KEY}, "k1")


def check_refused(company: Company, program: list[str], changes: dict[str, str | None], named: str) -> None:
    """It ends by itself with a status that is not 0, and one line for a person, without a traceback."""
    wanted = company.fleet.env | {"BIND": f"127.0.0.1:{free_port()}"} | changes
    env = {key: value for key, value in wanted.items() if value is not None}
    done = subprocess.run(
        [sys.executable, *program], cwd=ROOT, env=env, capture_output=True, text=True, timeout=START_SECONDS
    )

    said = [line for line in (done.stdout + done.stderr).splitlines() if "cannot start" in line]
    assert done.returncode != 0
    assert len(said) == 1 and named in said[0], done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    secret = changes.get("SECRET_KEY") or changes.get("ENCRYPTION_KEYS") or "-"
    assert secret not in said[0]
