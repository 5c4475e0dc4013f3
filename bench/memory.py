"""Memory of web and worker after 20 000 alerts, and after 100 000: it must not grow with what went through.

Proportional share (PSS): what processes share counts once. Alerts of nobody's shift: incidents without cards.
"""

from __future__ import annotations

import time

from sqlalchemy import create_engine, text

from bench.company import Company, Organisation, company
from bench.load import ClosedLoop, Wire, generate, request
from bench.payloads import NOBODY, Numbering, Webhooks
from bench.press import signed_in
from bench.processes import Late, wait_for
from bench.product import Product
from bench.results import Row
from bench.stage import Stage

PART = "memory"
GROUP, CLIENTS, SOURCES = 50, 4, 20
DRAIN_SECONDS = 1200.0
VIEWS = 20
SETTLE_SECONDS = 3.0
MEGABYTE = 2**20


def run(stage: Stage, *, quick: bool) -> list[Row]:
    few, many = (1_000, 3_000) if quick else (20_000, 100_000)
    with stage.product(company) as product:
        organisation = Company.of(product.home).main
        fresh = product.pss_bytes()
        early = _after(product, organisation, few)
        late = _after(product, organisation, many - few)
    note = f"{fresh / MEGABYTE:.0f} MB at the start"
    more = f"{late / MEGABYTE:.0f} MB ÷ {early / MEGABYTE:.0f} MB"
    return [
        Row(PART, f"web and worker after {few} alerts", early / MEGABYTE, "MB", bar=200, note=note),
        Row(PART, f"after {many} alerts ÷ after {few}", late / early, "×", bar=1.1, note=more),
    ]


def _after(product: Product, organisation: Organisation, count: int) -> int:
    """Bytes once `count` more alerts are stored and somebody has looked at pages."""
    push(product, organisation, count)
    wire, cookie = Wire(product.port), signed_in(product, organisation.people[0])
    for path in ("/incidents", f"{organisation.home_path}/incidents", "/deliveries") * VIEWS:
        wire.exchange(request("GET", path, headers=(f"Cookie: {cookie}",)))
    wire.close()
    time.sleep(SETTLE_SECONDS)
    return product.pss_bytes()


def push(
    product: Product, organisation: Organisation, count: int, *, group: int = GROUP, seconds: float = DRAIN_SECONDS
) -> None:
    """Push `count` new alerts that nobody is told about and wait until the worker has stored them. Raises Late.

    What was refused is made up for by others.
    """
    make = Webhooks(organisation.prometheus[:SOURCES], Numbering.new(), group, shift=NOBODY)
    taken, first = 0, 0
    deadline = time.monotonic() + seconds
    while taken < count and time.monotonic() < deadline:
        last = first + -(-(count - taken) // group)
        outcome = generate(ClosedLoop(product.port, CLIENTS, seconds, make, first, last))[0]
        taken += outcome.counts[200] * group
        first = last
    if taken < count:
        raise Late(f"not within {seconds:g} s: {count} alerts taken, only {taken} were")
    engine = create_engine(product.settings.database_url)
    statement = text("SELECT count(*) FROM alerts WHERE alert_key LIKE :prefix")

    def stored() -> bool:
        with engine.connect() as connection:
            return int(connection.scalar(statement, {"prefix": f"{make.name.run}%"}) or 0) >= taken

    wait_for(stored, f"{taken} alerts stored", seconds=seconds, every=0.5)
    engine.dispose()
