"""R4, R35: a deploy in the middle of everything, and processes that are killed at random."""

from __future__ import annotations

from tests.faults.feeder import Feeder
from tests.faults.snapshot import Ledger


def test_quiet_load_keeps_the_promise(company, ledger: Ledger, feeder: Feeder):
    with feeder:
        pass

    ledger.check(feeder.history)
    assert feeder.history.accepted == {push.alert_key for push in feeder.history.pushes}
