"""R22, R37: our clock is wrong, and is put right while work waits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.conftest import ROOT
from tests.faults.conftest import Size
from tests.faults.feeder import Feeder, Load
from tests.faults.fleet import Company
from tests.faults.history import Press, violations
from tests.faults.snapshot import Ledger
from tests.servers import wait_until

REFUSED = 403
OFFSETS = (3600, -3600, 600, -600)
HERE = Path(__file__).parent
ALERTS_ONLY = Load(alerts=16, pressed=0, senders=4, batch=3)


def test_a_wrong_clock_that_is_put_right_delays_and_doubles_nothing(embedded: Company, size: Size, figures):
    """Alerts go on as ever; presses are refused with a line in the log; then the clock jumps while work waits."""
    offsets = OFFSETS if size.is_soak else OFFSETS[:1]
    for seconds in offsets:
        live_with(seconds, embedded, Feeder(embedded, size.seed, ALERTS_ONLY))
    figures(clocks=len(offsets))


def live_with(seconds: int, embedded: Company, feeder: Feeder) -> None:
    ledger = Ledger.begin(embedded.fleet)
    with wrong_clock(embedded, seconds) as put_right:
        with feeder:
            feeder.wait_for(ALERTS_ONLY.alerts // 4)
            check_refused(embedded, feeder)
            put_right()
        wait_until(lambda: not violations(feeder.history, ledger.read()), "every promise kept", seconds=90)
        ledger.check(feeder.history)


@contextmanager
def wrong_clock(company: Company, seconds: int) -> Iterator[Callable[[], None]]:
    """Web and worker believe that it is so much later, until what this yields is called."""
    clock = company.fleet.home / "clock"
    clock.write_text(str(seconds))
    changes = {"PYTHONPATH": f"{HERE / 'wrong_clock'}:{ROOT}", "DUTYBELL_TEST_CLOCK": str(clock)}
    programs = (company.fleet.web, company.fleet.worker)
    for program in programs:
        program.stop()
    for program in programs:
        program.launch(**changes)
    try:
        for program in programs:
            program.wait_for_health()
        yield lambda: put_right(clock)
    finally:
        for program in programs:
            program.stop()


def put_right(clock: Path) -> None:
    draft = clock.with_suffix(".new")
    draft.write_text("0")
    draft.replace(clock)


def check_refused(company: Company, feeder: Feeder) -> None:
    """WeCom's events look too old or too new: refused, and not without a word."""
    push = next(push for push in feeder.history.pushes if push.is_accepted)
    press = Press(push.alert_key, push.person, "acknowledge")
    card = wait_until(lambda: feeder.find_card(press), "the card", seconds=60)
    assert card and feeder.press_once(press, card).status == REFUSED
    wait_until(lambda: "clock differs by" in company.fleet.web.tail(), "a line in the log")
