"""R21: a callback that was captured is sent again: at once, after a restart, with another time, too late."""

from __future__ import annotations

import re
import time
from typing import Any

import requests

from tests.faults.conftest import Size
from tests.faults.feeder import Feeder, Load
from tests.faults.fleet import Company
from tests.faults.history import Press
from tests.faults.snapshot import Ledger
from tests.servers import wait_until

REFUSED, BUSY = 403, 503
TEN_MINUTES = 600


def test_captured_callbacks_change_nothing(company: Company, size: Size, figures):
    times = 100 if size.is_soak else 5
    ledger, feeder = Ledger.begin(company.fleet), Feeder(company, size.seed, Load(alerts=1, pressed=0, senders=1))
    with feeder:
        pass
    (push,) = feeder.history.pushes
    press = Press(push.alert_key, push.person, "snooze")  # applied again, it would be recorded again
    card = wait_until(lambda: feeder.find_card(press), "the card")
    feeder.history.presses.append(press)
    assert card and feeder.press_once(press, card).is_success
    captured = last_callback(company)

    again = [send(company, captured) for _ in range(times)]
    company.fleet.web.kill()
    company.fleet.heal()
    again += [send(company, captured) for _ in range(times)]
    newer = [send(company, captured, timestamp=str(int(time.time()) + number)) for number in range(times)]
    other = [send(company, captured, nonce=str(number)) for number in range(times)]
    late = [send_late(company, captured) for _ in range(times)]

    ledger.check(feeder.history)

    assert set(again) <= {200, REFUSED, BUSY}
    assert set(newer + other + late) == {REFUSED}
    figures(replays=5 * times)


def last_callback(company: Company) -> dict[str, Any]:
    """The exchange of the last press, as somebody on the wire sees it, and what was in it."""
    posts = [
        one for one in company.fleet.control("GET", "/wire") if (one["direction"], one["method"]) == ("out", "POST")
    ]
    return dict(posts[-1])


def send(company: Company, captured: dict[str, Any], **changes: str) -> int:
    """The captured bytes once more, with changed values in the address."""
    query = captured["query"]
    for name, value in changes.items():
        query = re.sub(rf"\b{name}=[^&]*", f"{name}={value}", query)
    path = captured["path"].removeprefix(company.fleet.base_url)
    url = f"{company.fleet.base_url}{path}?{query}"
    return requests.post(
        url, data=captured["request"].encode(), headers={"Content-Type": "text/xml"}, timeout=60
    ).status_code


def send_late(company: Company, captured: dict[str, Any]) -> int:
    """The same event, genuinely signed ten minutes ago."""
    event = {"xml_plaintext": captured["plaintext"], "timestamp": int(time.time()) - TEN_MINUTES}
    return int(company.fleet.control("POST", "/wecom/event", json=company.app | event)["http_status"])
