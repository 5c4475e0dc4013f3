"""R1–R3: whatever process dies, and wherever: what was answered is kept, once, and people are told once.

A crash point ends its process as `kill -9` would, at a place that is named in the code. The sender pushes again until
it is answered, the platform repeats its callback, the worker is started again.
"""

from __future__ import annotations

import re

import pytest

from tests.conftest import ROOT
from tests.faults.conftest import Size
from tests.faults.feeder import Feeder, Load
from tests.faults.fleet import Company
from tests.faults.snapshot import Ledger
from tests.servers import wait_until

CRASH_POINT = re.compile(r"crash_here\(([^)]*)\)")
CODE = ("blueprints", "services", "jobs", "platforms", "sources")
FEW = Load(alerts=3, pressed=2, senders=2, pressers=2, batch=2)
MANY = Load(alerts=40, pressed=12, senders=8, pressers=6)


def crash_points(part: str = "") -> list[str]:
    """Every crash point in the code, or those of a part: a new one is tested without being listed."""
    sources = [path.read_text() for folder in CODE for path in sorted((ROOT / folder).rglob("*.py"))]
    names = {name.strip("\"' ") for name in CRASH_POINT.findall("\n".join(sources))}
    return sorted(name for name in names if name.startswith(part))


PARTS = sorted({name.partition(".")[0] + "." for name in crash_points()})


@pytest.mark.parametrize("part", PARTS)
def test_crashes_on_sqlite_lose_nothing_and_double_nothing(embedded: Company, size: Size, part: str):
    crash_at(crash_points(part), embedded, size)


@pytest.mark.parametrize("part", PARTS)
def test_crashes_on_postgresql_lose_nothing_and_double_nothing(scaled: Company, size: Size, part: str):
    """The small size tries what the database has just promised, the large one all."""
    crash_at([place for place in crash_points(part) if size.is_soak or place.endswith("after_commit")], scaled, size)


def crash_at(places: list[str], company: Company, size: Size) -> None:
    """Let somebody die at each place, one after the other, while alerts and presses go on; then look."""
    ledger, feeders = Ledger.begin(company.fleet), list[Feeder]()
    with company.fleet.supervised():
        for number, place in enumerate(places):
            company.forget_token()
            company.fleet.arm(place)
            feeders.append(Feeder(company, size.seed + number, MANY if size.is_soak else FEW))
            feeders[-1].start()
            wait_until(company.fleet.has_crashed, f"somebody came to {place}", seconds=120)
        for feeder in feeders:
            feeder.finish()
        history = Feeder.whole(feeders)
        ledger.check(history)
    assert history.accepted == {push.alert_key for push in history.pushes}


def test_there_are_crash_points_at_every_step():
    """A wrong pattern above would find none, and test none."""
    assert {*PARTS} >= {"intake.", "callback.", "worker."}
    assert len(crash_points()) >= 10
