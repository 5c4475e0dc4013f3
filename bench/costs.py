"""What a piece costs, to plan a machine by: processor time of the product's processes, and bytes on disk.

Also how long a start takes, what an idle product uses, and what the list in the app costs beside a bare page.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import create_engine, text

from bench.company import Company, Organisation, company, deliver_cards
from bench.delivery import push_burst
from bench.load import ClosedLoop, Wire, generate, request
from bench.memory import push
from bench.payloads import NOBODY, Numbering, Reports
from bench.press import compare, quickest_row, ratio_row, signed_in
from bench.product import Product
from bench.results import Row, cost
from bench.stage import Stage
from bench.yardsticks import bare_flask

PART = "costs"
CARDS = 400


def run(stage: Stage, *, quick: bool) -> list[Row]:
    alerts, presses = (500, 60) if quick else (5_000, 400)
    product = stage.prepare(company)
    organisation = Company.of(product.home).main
    buttons = deliver_cards(product, organisation, presses)
    began = time.monotonic()
    with stage.running(product):
        started = time.monotonic() - began
        idle = _idle_share(product, 5 if quick else 20)
        rows = [
            Row(PART, "from the start of the programs to ready", started, "s"),
            Row(PART, "an idle product, of one core", idle * 100, "%"),
        ]
        rows += _pages(stage, product, organisation, quick=quick)
        rows += _alerts(product, organisation, alerts)
        rows += _cards(stage, product, organisation)
        wire = Wire(product.port)
        sent = [organisation.press(button) for button in buttons]
        used = _web_ms(product, lambda: [wire.timed(one) for one in sent])
        rows.append(cost(PART, "a press (web)", used / len(sent), "ms"))
    return rows


def _idle_share(product: Product, seconds: float) -> float:
    """Processor time of all programs while nothing happens, by time."""
    time.sleep(2.0)
    before = product.web.cpu_seconds() + product.worker_cpu_seconds()
    time.sleep(seconds)
    return (product.web.cpu_seconds() + product.worker_cpu_seconds() - before) / seconds


def _web_ms(product: Product, act: Callable[[], object]) -> float:
    """Milliseconds of processor time of the web processes while `act` runs."""
    before = product.web.cpu_seconds()
    act()
    return (product.web.cpu_seconds() - before) * 1000


def _alerts(product: Product, organisation: Organisation, count: int) -> list[Row]:
    """Accepting and storing, for groups and for single alerts; nobody is told. Bytes on disk from the groups."""
    rows = []
    for group in (50, 1):
        web, worker, size = product.web.cpu_seconds(), product.worker_cpu_seconds(), database_bytes(product)
        push(product, organisation, count, group=group)
        web, worker = product.web.cpu_seconds() - web, product.worker_cpu_seconds() - worker
        grown = (database_bytes(product) - size) / count
        rows.append(cost(PART, f"an alert accepted, {group} a request (web)", web * 1000 / count, "ms"))
        rows.append(cost(PART, f"an alert ingested, {group} a request (worker)", worker * 1000 / count, "ms"))
    rows.append(cost(PART, "an incident without a card", grown, "bytes", "database file, indexes included"))
    make = Reports(organisation.standard, Numbering.new(), NOBODY)
    used = _web_ms(product, lambda: generate(ClosedLoop(product.port, 4, 300, make, 0, count)))
    rows.append(cost(PART, "an alert of the standard source, stored (web)", used / count, "ms"))
    return rows


def _cards(stage: Stage, product: Product, organisation: Organisation) -> list[Row]:
    """From the alert to the recorded card: the worker's share holds the ingesting, too."""
    stage.fake.reset()
    worker, size = product.worker_cpu_seconds(), database_bytes(product)
    push_burst(stage.fake, product, organisation, CARDS)
    time.sleep(2.0)  # until the last outcomes are recorded
    worker = (product.worker_cpu_seconds() - worker) * 1000 / CARDS
    grown = (database_bytes(product) - size) / CARDS
    return [
        cost(PART, "an alert ingested and its card delivered (worker)", worker, "ms"),
        cost(PART, "an incident with a card", grown, "bytes", "database file, indexes included"),
    ]


def database_bytes(product: Product) -> int:
    """The database's size on disk, after what waits in a log has been moved into it."""
    engine = create_engine(product.settings.database_url)
    try:
        with engine.connect() as connection:
            if product.shape.is_postgresql:
                return int(connection.scalar(text("SELECT pg_database_size(current_database())")) or 0)
            connection.execute(text("PRAGMA wal_checkpoint(TRUNCATE)"))
        return Path(engine.url.database or "").stat().st_size
    finally:
        engine.dispose()


def _pages(stage: Stage, product: Product, organisation: Organisation, *, quick: bool) -> list[Row]:
    """The list in the app, for a person with incidents, beside a page from memory."""
    runs, rounds = (2, 40) if quick else (5, 200)
    cookie = signed_in(product, organisation.people[0])
    page = request("GET", f"{organisation.home_path}/incidents", headers=(f"Cookie: {cookie}",))
    with bare_flask(stage) as bare:
        wires = Wire(product.port), Wire(bare.port or 0)
        compare(wires, [page] * 10, request("GET", "/page"))
        times = [compare(wires, [page] * rounds, request("GET", "/page")) for _ in range(runs)]
    name = "H5 list ÷ bare page"
    return [ratio_row(PART, name, times), quickest_row(PART, f"{name}, the quickest tenth of each", times)]
