"""R33: a backup that was taken under load comes back whole, and nobody is told a second time what it holds."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from sqlalchemy import func, select

from models import Heartbeat
from services import backups
from services.clock import utcnow
from tests.conftest import ROOT
from tests.faults.feeder import Feeder, Load
from tests.faults.fleet import Company, Fleet
from tests.faults.history import History, Press, Push, violations
from tests.faults.snapshot import Ledger, reading
from tests.private_servers import postgresql_programs
from tests.servers import wait_until

FEW = Load(alerts=4, pressed=2, senders=2, pressers=2)
Tried = TypeVar("Tried", Push, Press)


def test_a_backup_taken_under_load_comes_back_whole(
    company: Company, ledger: Ledger, feeder: Feeder, tmp_path: Path, figures
):
    fleet, file = company.fleet, tmp_path / "night.backup"
    with feeder:
        feeder.wait_for(feeder.load.alerts // 2)
        began = time.time()
        operator(fleet, "backup", file)
    ledger.check(feeder.history)
    for process in (*fleet.webs, *fleet.workers):
        process.stop()
    wait_until(lambda: is_nobody_seen(fleet), "whom another test killed, and who could not say so, is forgotten")
    operator(fleet, "restore", "--yes", file)
    held = as_of(began, feeder.history)
    fleet.start()

    ledger.settle(held)
    seen = ledger.read()
    seen.arrivals = [message for message in seen.arrivals if message["task_id"] in seen.references]
    figures(alerts=len(held.accepted), told_after_the_backup=len(feeder.history.accepted) - len(seen.alerts))
    assert held.accepted
    assert violations(held, seen) == []

    afterwards, more = Ledger.begin(fleet), Feeder(company, feeder.seed + 1, FEW)
    with more:
        pass
    afterwards.check(more.history)


def operator(fleet: Fleet, *words: object) -> None:
    """Type a command of the product's; PostgreSQL's own programs can be found."""
    path = f"{postgresql_programs()}{os.pathsep}{fleet.env['PATH']}" if fleet.is_postgresql else fleet.env["PATH"]
    command = [sys.executable, "-m", "flask", "--app", "app", *map(str, words)]
    done = subprocess.run(command, cwd=ROOT, env=fleet.env | {"PATH": path}, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def is_nobody_seen(fleet: Fleet) -> bool:
    with reading(fleet) as engine, engine.connect() as on:
        last_at = on.scalar(select(func.max(Heartbeat.at)))
    return last_at is None or utcnow() - last_at > backups.WORKER_SEEN_WITHIN


def as_of(moment: float, history: History) -> History:
    """The same things tried, of which nothing was answered yet that was answered after `moment` (since 1970)."""
    pushes, recoveries = _as_of(moment, history.pushes), _as_of(moment, history.recoveries)
    return History(pushes, recoveries, _as_of(moment, history.presses))


def _as_of(moment: float, tried: Iterable[Tried]) -> list[Tried]:
    return [replace(one, answers=[answer for answer in one.answers if answer.at < moment]) for one in tried]
