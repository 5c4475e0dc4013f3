"""R6, R7, R9: the database is locked, stopped, killed, its connections are cut; the broker is gone."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.faults.conftest import Size
from tests.faults.feeder import ANSWER_SECONDS, LOSING_SECONDS, Feeder, Load, asked
from tests.faults.fleet import Company
from tests.faults.history import Answer, History, Press, Push, Snapshot
from tests.faults.servers import OwnPostgres, OwnRedis
from tests.faults.snapshot import Ledger
from tests.servers import wait_until

SERVED_OR_BUSY = {200, 429, 503}
CALLBACK_SECONDS = 1.0
CALLS, CALL_SECONDS = 10, 2.0
PUSH_SECONDS = 6.0
AT_ONCE = 8
TRIES_OF_THE_PLATFORM = 3
CARD_SECONDS = 5.0
SLOW_MACHINE = 4
"""How many times slower than required the small size may be: it shares its processors with other tests."""
BUSY_MACHINE = 2
"""The same for answers, whose time is mostly a deadline of our own."""

LOCKER = """
import sqlite3, sys
database = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=60)
database.execute("BEGIN IMMEDIATE")
print("locked", flush=True)
sys.stdin.readline()
database.execute("ROLLBACK")
"""


@pytest.mark.parametrize(("seconds", "senders"), [(2, 4), (10, 4), (10, 40)])
def test_a_locked_sqlite_is_answered_503_in_time(embedded: Company, size: Size, figures, seconds: int, senders: int):
    """R6: another process holds the write lock: nobody waits longer than they would anyway, nothing is half done.

    With more senders than threads, presses find a thread all the same.
    """
    ledger, feeder = Ledger.begin(embedded.fleet), Feeder(embedded, size.seed, size.load)
    late = Feeder(embedded, size.seed + 1, Load(alerts=2 * senders, pressed=2, senders=senders, pressers=2))
    with feeder, late_starter(late):
        feeder.wait_for(1)
        with locked(embedded.fleet.home / "dutybell.sqlite"):
            late.start()
            time.sleep(seconds)
    history = Feeder.whole([feeder, late])

    ledger.check(history)

    figures(slowest_push=slowest(history.push_answers), slowest_press=slowest(history.press_answers))
    check_answers(history, size)
    assert slowest(history.press_answers) < CALLBACK_SECONDS * TRIES_OF_THE_PLATFORM * (
        1 if size.is_soak else BUSY_MACHINE
    )
    if seconds >= ANSWER_SECONDS:
        assert any(answer.status == 503 for answer in history.push_answers)


@contextmanager
def late_starter(feeder: Feeder) -> Iterator[None]:
    """A feeder that begins in the middle, and finishes with the others."""
    yield
    feeder.finish()


@contextmanager
def locked(database: Path) -> Iterator[None]:
    """Another process holds SQLite's write lock."""
    command = [sys.executable, "-c", LOCKER, str(database)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as locker:
        assert locker.stdout.readline() == "locked\n"
        yield
        locker.communicate("\n")


def test_postgresql_comes_and_goes(scaled: Company, own_postgres: OwnPostgres, size: Size, figures):
    """R7: stopped, started again; killed, started again: no process of ours is restarted, and soon all goes on."""
    ledger, feeder = Ledger.begin(scaled.fleet), Feeder(scaled, size.seed, size.load)
    before = process_ids(scaled)
    seconds_down, back = (30.0, []) if size.is_soak else (1.0, [])
    with feeder:
        for end in (own_postgres.stop, own_postgres.kill):
            feeder.wait_for(feeder.answered + feeder.load.alerts // 4)
            end()
            time.sleep(seconds_down)
            own_postgres.start()
            back.append(seconds_to_first_success(scaled))

    ledger.check(feeder.history)

    figures(first_success=max(back))
    check_answers(feeder.history, size)
    assert process_ids(scaled) == before
    assert max(back) <= CARD_SECONDS * (1 if size.is_soak else SLOW_MACHINE)


def test_connections_cut_in_the_middle_of_a_transaction(
    scaled: Company, own_postgres: OwnPostgres, size: Size, figures
):
    """R7: a failover, an idle timeout, an operator's pg_terminate_backend."""
    ledger, feeder = Ledger.begin(scaled.fleet), Feeder(scaled, size.seed, size.load)
    before, cut, choice = process_ids(scaled), 0, random.Random(size.seed)
    with feeder:
        while feeder.is_working():
            cut += own_postgres.cut_connections("faults", busy_only=choice.random() < 0.7)
            feeder.wait_for(feeder.answered + 2)

    ledger.check(feeder.history)

    figures(connections_cut=cut)
    check_answers(feeder.history, size)
    assert cut
    assert process_ids(scaled) == before


def test_a_postgresql_that_hangs_is_answered_503_in_time(
    scaled: Company, own_postgres: OwnPostgres, size: Size, figures
):
    """R7: it keeps its connections and says nothing: nobody waits longer than for a lock, and nothing is lost."""
    ledger, feeder = Ledger.begin(scaled.fleet), Feeder(scaled, size.seed, Load(alerts=AT_ONCE, pressed=0))
    before, history = process_ids(scaled), feeder.history
    with feeder:
        pass
    pressed = [(Press(push.alert_key, push.person, "acknowledge"), card_of(feeder, push)) for push in history.pushes]
    pushed = [Push(f"{feeder.run}-hangs-{number}", "standard", scaled.next_person()) for number in range(AT_ONCE)]
    history.presses += [press for press, _card in pressed]
    history.pushes += pushed
    with ThreadPoolExecutor(2 * AT_ONCE) as people, requests.Session() as session:
        with own_postgres.hanging():
            presses = [people.submit(feeder.press_once, press, card) for press, card in pressed]
            pushes = [people.submit(feeder.push_once, session, (push,)) for push in pushed]
            probe = asked(lambda: requests.get(f"{scaled.fleet.base_url}/readyz", timeout=LOSING_SECONDS))
            pressed_at, pushed_at = ([one.result() for one in answers] for answers in (presses, pushes))
        back = seconds_to_first_success(scaled)
        for push in pushed:
            wait_until(partial(is_taken, feeder, session, push), push.alert_key)
        for press, card in pressed:
            wait_until(partial(is_pressed, feeder, press, card), press.alert_key)

    ledger.check(history)

    figures(slowest_push=slowest(pushed_at), slowest_press=slowest(pressed_at), first_success=back)
    check_answers(history, size)
    assert {answer.status for answer in [probe, *pressed_at, *pushed_at]} == {503}
    strictness = 1 if size.is_soak else BUSY_MACHINE
    assert slowest(pressed_at) < CALLBACK_SECONDS * TRIES_OF_THE_PLATFORM * strictness
    assert slowest(pushed_at) < PUSH_SECONDS * strictness
    assert back <= CARD_SECONDS * (1 if size.is_soak else SLOW_MACHINE)
    assert process_ids(scaled) == before


def card_of(feeder: Feeder, push: Push) -> dict[str, Any]:
    found: dict[str, Any] | None = wait_until(lambda: feeder.find_card(push), f"the card of {push.alert_key}")
    assert found is not None
    return found


def is_taken(feeder: Feeder, session: requests.Session, push: Push) -> bool:
    return feeder.push_once(session, (push,)).is_success


def is_pressed(feeder: Feeder, press: Press, card: dict[str, Any]) -> bool:
    """Now, or the card shows that it was before."""
    return feeder.press_once(press, card).status in {0, 200}


@pytest.mark.parametrize("fault", ["gone", "hangs"])
def test_nothing_depends_on_redis_but_speed(scaled: Company, own_redis: OwnRedis, size: Size, figures, fault: str):
    """R9: the broker is gone or hangs, its polling sweepers take over; and back."""
    ledger, histories = Ledger.begin(scaled.fleet), []
    with own_redis.gone() if fault == "gone" else own_redis.hanging():
        feeder = Feeder(scaled, size.seed, size.load)
        with feeder:
            calls = [api_call(scaled) for _ in range(CALLS)]
        histories.append(feeder.history)
    with Feeder(scaled, size.seed + 1, Load(alerts=8, pressed=2, senders=2, pressers=1)) as feeder:
        pass
    histories.append(feeder.history)

    seen = ledger.check(History.of(histories))

    slow = late_cards(histories[0], seen)
    figures(card_p99=slow, slowest_press=slowest(histories[0].press_answers), slowest_call=slowest(calls))
    assert slow <= CARD_SECONDS * (1 if size.is_soak else SLOW_MACHINE)
    assert {answer.status for answer in [*histories[0].push_answers, *calls]} == {200}
    assert slowest(histories[0].press_answers) < CALLBACK_SECONDS * (1 if size.is_soak else BUSY_MACHINE)
    assert slowest(calls) < CALL_SECONDS * (1 if size.is_soak else BUSY_MACHINE)


def api_call(company: Company) -> Answer:
    """A program asks for the open incidents, as it may do sixty times a minute and more."""
    headers = {"Authorization": f"Bearer {company.info['api_token']}"}
    url = f"{company.fleet.base_url}/api/v1/incidents"
    return asked(lambda: requests.get(url, headers=headers, timeout=ANSWER_SECONDS))


def check_answers(history: History, size: Size) -> None:
    """Success or "try again": never an error, never silence."""
    assert {answer.status for answer in history.push_answers} <= SERVED_OR_BUSY, odd(history.push_answers)
    assert {answer.status for answer in history.press_answers} <= SERVED_OR_BUSY, odd(history.press_answers)
    for answer in history.push_answers:
        if answer.status != 200:
            assert int(answer.headers["Retry-After"]) > 0
    assert slowest(history.push_answers) < ANSWER_SECONDS * (1 if size.is_soak else BUSY_MACHINE)


def odd(answers: list[Answer]) -> list[Answer]:
    return [answer for answer in answers if answer.status not in SERVED_OR_BUSY]


def slowest(answers: list[Answer]) -> float:
    return max((answer.seconds for answer in answers), default=0.0)


def late_cards(history: History, seen: Snapshot) -> float:
    """Seconds from the answer to a push to its card in the chat, at the 99th percentile."""
    arrived = {arrival["task_id"]: arrival["at"] for arrival in seen.arrivals}
    reference_of = {delivery["incident_id"]: delivery["reference"] for delivery in seen.deliveries}
    incident_of = {alert["alert_key"]: alert["incident_id"] for alert in seen.alerts}
    waits = sorted(arrived[reference_of[incident_of[push.alert_key]]] - push.answers[-1].at for push in history.pushes)
    return max(0.0, waits[int(len(waits) * 0.99)])


def seconds_to_first_success(company: Company) -> float:
    """How long until a page that reads the database is served again."""
    began = time.monotonic()
    while True:
        try:
            if requests.get(f"{company.fleet.base_url}/readyz", timeout=ANSWER_SECONDS).ok:
                return time.monotonic() - began
        except requests.RequestException:
            pass
        assert time.monotonic() - began < 60, "the product does not come back"
        time.sleep(0.05)


def process_ids(company: Company) -> list[int]:
    """The processes and what they started: who is restarted gets another number."""
    import psutil

    mine = [psutil.Process(p.running.pid) for p in (*company.fleet.webs, *company.fleet.workers)]
    return sorted(p.pid for parent in mine for p in (parent, *parent.children(recursive=True)))
