"""R4, R35: a deploy in the middle of everything, and processes that are killed at random."""

from __future__ import annotations

import random
import threading
import time

from tests.faults.conftest import Size
from tests.faults.feeder import Feeder
from tests.faults.fleet import Company
from tests.faults.snapshot import Ledger
from tests.servers import Process

END_SECONDS = 10.0
KILL_EVERY_SECONDS = 5.0
FEW_KILLS = 2
SLOW_MACHINE = 2


def test_undisturbed_load_keeps_the_promise(company: Company, ledger: Ledger, feeder: Feeder):
    with feeder:
        pass

    ledger.check(feeder.history)

    assert feeder.history.accepted == {push.alert_key for push in feeder.history.pushes}
    assert all(press.is_accepted for press in feeder.history.presses)


def test_a_deploy_under_load_loses_nothing_and_ends_in_time(
    company: Company, ledger: Ledger, feeder: Feeder, size: Size, figures
):
    """R4: SIGTERM for every web and worker while they are busy; each is started again at once."""
    took: list[float] = []
    with feeder:
        feeder.wait_for(feeder.load.alerts // 4)
        for process in (*company.fleet.webs, *company.fleet.workers):
            took.append(seconds_to_end(process))
            process.launch()
        company.fleet.heal()

    ledger.check(feeder.history)

    figures(longest_end=max(took))
    assert max(took) <= END_SECONDS * (1 if size.is_soak else SLOW_MACHINE)


def test_everything_killed_at_once_loses_nothing(company: Company, ledger: Ledger, feeder: Feeder):
    """A power switch for the processes, though not for the disk."""
    with feeder:
        feeder.wait_for(feeder.load.alerts // 3)
        killers = [threading.Thread(target=p.kill) for p in (*company.fleet.webs, *company.fleet.workers)]
        for killer in killers:
            killer.start()
        for killer in killers:
            killer.join()
        company.fleet.heal()

    ledger.check(feeder.history)


def test_random_kills_lose_nothing(company: Company, ledger: Ledger, size: Size, figures):
    """R35: kill -9 of one process after the other, each started again by its supervisor."""
    choice, kills, feeders = random.Random(size.seed), 0, list[Feeder]()
    deadline = time.monotonic() + size.minutes * 60
    with company.fleet.supervised():
        while kills < FEW_KILLS or time.monotonic() < deadline:
            if not feeders or not feeders[-1].is_working():
                feeders.append(Feeder(company, size.seed + kills, size.load))
                feeders[-1].start()
            feeders[-1].wait_for(feeders[-1].answered + 5)
            choice.choice((*company.fleet.webs, *company.fleet.workers)).kill()
            kills += 1
            pause_between_kills(size)
        for feeder in feeders:
            feeder.finish()
        history = Feeder.whole(feeders)
        ledger.check(history)
    figures(kills=kills, alerts=len(history.pushes), presses=len(history.presses))


def seconds_to_end(process: Process) -> float:
    began = time.monotonic()
    assert process.stop() == 0
    return time.monotonic() - began


def pause_between_kills(size: Size) -> None:
    if size.is_soak:
        time.sleep(KILL_EVERY_SECONDS)
