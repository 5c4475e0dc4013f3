"""R8: the disk is full. Nothing is answered that is not stored, reading goes on, and room mends everything."""

from __future__ import annotations

import random
import resource
import sqlite3
from pathlib import Path

import psutil
import requests

from tests.faults.conftest import Size
from tests.faults.feeder import Feeder
from tests.faults.fleet import Company
from tests.faults.history import Push
from tests.faults.snapshot import Ledger
from tests.faults.test_databases import check_answers
from tests.servers import wait_until

ROOM_BYTES = 200_000


def test_a_full_disk_is_answered_503_and_recovers(embedded: Company, size: Size, figures):
    """No file of the product may grow any further: a limit of the kernel, which needs no rights and no small disk."""
    fleet = embedded.fleet
    ledger, feeder = Ledger.begin(fleet), Feeder(embedded, size.seed, size.load)
    database = fleet.home / "dutybell.sqlite"
    with feeder:
        feeder.wait_for(feeder.load.alerts // 3)
        limit_files(embedded, largest(database) + random.Random(size.seed).randrange(ROOM_BYTES))
        try:
            fill_up(embedded, feeder)
            assert requests.get(f"{fleet.base_url}/sign-in", timeout=60).status_code == 200
            listed = requests.get(f"{fleet.base_url}/api/v1/incidents", headers=bearer(embedded), timeout=60)
            assert listed.status_code == 200, listed.text
        finally:
            limit_files(embedded, resource.RLIM_INFINITY)

    ledger.check(feeder.history)

    refused = [answer for answer in feeder.history.push_answers if answer.status == 503]
    figures(refused=len(refused))
    check_answers(feeder.history, size)
    with sqlite3.connect(database) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def limit_files(company: Company, most: int) -> None:
    """No running process of the product can write a file beyond so many bytes from now on."""
    for process in (*company.fleet.webs, *company.fleet.workers):
        parent = psutil.Process(process.running.pid)
        for one in (parent, *parent.children(recursive=True)):
            _, hard = resource.prlimit(one.pid, resource.RLIMIT_FSIZE)
            resource.prlimit(one.pid, resource.RLIMIT_FSIZE, (most, hard))


def largest(database: Path) -> int:
    files = [database, database.with_name(database.name + "-wal")]
    return max(file.stat().st_size for file in files if file.exists())


def fill_up(company: Company, feeder: Feeder) -> None:
    """Push more alerts, once each and heavy ones, until one is refused."""
    ballast = {f"ballast_{number}": "x" * 2048 for number in range(40)}

    def is_refused() -> bool:
        if any(answer.status == 503 for answer in feeder.history.push_answers):
            return True
        filler = Push(f"{feeder.run}-filler-{len(feeder.history.pushes)}", "standard", company.next_person())
        feeder.history.pushes.append(filler)
        return feeder.push_once(requests.Session(), (filler,), more_labels=ballast).status == 503

    wait_until(is_refused, "a push is refused", seconds=90)


def bearer(company: Company) -> dict[str, str]:
    return {"Authorization": f"Bearer {company.info['api_token']}", "Accept": "application/json"}
