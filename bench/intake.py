"""Alerts accepted a second, beside Alertmanager on the same machine; then whether each of them is in one incident.

Every alert is a new one, every measurement begins with fresh data, the two take turns. Afterwards the worker gets
time to finish, and the database is asked: the alerts that were answered with 2xx, each in exactly one incident.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, replace

from sqlalchemy import Engine, create_engine, text

from bench.company import Company, company
from bench.load import ClosedLoop, Outcome, generate, merged
from bench.payloads import AlertmanagerAlerts, Numbering, Webhooks
from bench.product import Product
from bench.results import Row, median
from bench.stage import Stage
from bench.yardsticks import BY_NAME, EACH_ALONE, alertmanager

PART = "intake"
CLIENTS, GENERATORS = 8, 2
NUMBERS = 10**8
"""So many requests has each generator numbers for."""
SOURCES = 40
"""A source may push 1000 times a minute: enough for 3800 requests a second in ten seconds."""
STALLED_SECONDS = 60.0
"""When the worker has stored nothing for so long, it is not waited for any more."""


@dataclass(frozen=True)
class Taken:
    """One measurement: alerts answered 2xx a second; how long the worker took after the last answer."""

    rate: float
    note: str
    is_bottleneck: bool
    drain_seconds: float = 0.0
    wrong: int = 0
    accepted: int = 0


def run(stage: Stage, *, quick: bool) -> list[Row]:
    seconds, runs = (4.0, 1) if quick else (10.0, 3)
    rows = []
    for group, bar, aim in ((1, 0.25, 0.4), (50, 1.0, 2.0)):
        pairs = [(_product(stage, group, seconds), _alertmanager(stage, group, seconds)) for _ in range(runs)]
        rows += _rows(group, pairs, bar, aim)
        rows.append(
            _grouped_row(group, median(ours.rate for ours, _ in pairs), _alertmanager(stage, group, seconds, BY_NAME))
        )
    return rows


def _rows(group: int, pairs: list[tuple[Taken, Taken]], bar: float, aim: float) -> list[Row]:
    ours, theirs = median(pair[0].rate for pair in pairs), median(pair[1].rate for pair in pairs)
    ratio = median(one.rate / other.rate for one, other in pairs)
    late = " (the generator may have been the bottleneck)" if any(one.is_bottleneck for p in pairs for one in p) else ""
    name = f"alerts/s, {group} a request, ÷ Alertmanager"
    note = f"{ours:.0f}/s ({pairs[-1][0].note}) ÷ {theirs:.0f}/s ({pairs[-1][1].note}){late}"
    drain = max(pair[0].drain_seconds for pair in pairs)
    accepted = sum(pair[0].accepted for pair in pairs)
    wrong = sum(pair[0].wrong for pair in pairs)
    return [
        Row(PART, name, ratio, "×", bar=bar, aim=aim, sense="at_least", note=note),
        Row(
            PART,
            f"accepted alerts not in exactly one incident ({group} a request)",
            wrong,
            "",
            bar=0,
            note=f"of {accepted}",
        ),
        Row(PART, f"worker done after the last answer ({group} a request)", drain, "s", note="the slowest run"),
    ]


def _product(stage: Stage, group: int, seconds: float) -> Taken:
    with stage.product(company) as product:
        organisation = Company.of(product.home).main
        make = Webhooks(organisation.prometheus[:SOURCES], Numbering.new(), group)
        _warm_up(product.port, make)
        outcome = _push(product.port, seconds, make)
        ended = time.monotonic()
        keys = accepted_keys(outcome, make.name, group)
        wrong = check_incidents(product, make.name, keys)
        return Taken(
            _rate(outcome, group), _note(outcome), outcome.is_bottleneck, time.monotonic() - ended, wrong, len(keys)
        )


def _grouped_row(group: int, ours: float, theirs: Taken) -> Row:
    """Beside an Alertmanager that sends one message for many alerts: it has less to do, so this has no bar."""
    name = f"alerts/s, {group} a request, ÷ Alertmanager that groups by name"
    return Row(PART, name, ours / theirs.rate, "×", note=f"{ours:.0f}/s ÷ {theirs.rate:.0f}/s ({theirs.note})")


def _alertmanager(stage: Stage, group: int, seconds: float, group_by: str = EACH_ALONE) -> Taken:
    with alertmanager(stage, group_by) as program:
        make = AlertmanagerAlerts(Numbering.new(), group)
        _warm_up(program.port or 0, make)
        outcome = _push(program.port or 0, seconds, make)
    stage.fake.reset()
    return Taken(_rate(outcome, group), _note(outcome), outcome.is_bottleneck)


def _warm_up(port: int, make: Webhooks | AlertmanagerAlerts) -> None:
    """The same for a moment, under other names."""
    _push(port, 0.5, replace(make, name=Numbering.new()))


def _push(port: int, seconds: float, make: Webhooks | AlertmanagerAlerts) -> Outcome:
    """Push for a while from all clients, from as many generators as keep out of each other's way."""
    clients = CLIENTS // GENERATORS
    jobs = [ClosedLoop(port, clients, seconds, make, number * NUMBERS) for number in range(GENERATORS)]
    return merged(generate(*jobs))


def _rate(outcome: Outcome, group: int) -> float:
    """Alerts answered 2xx by second, until the last answer."""
    return sum(200 <= status < 300 for status in outcome.statuses) * group / outcome.seconds


def _note(outcome: Outcome) -> str:
    return f"answers {dict(outcome.counts)}, generator {outcome.cpu_share:.0%} of a core"


# --- what became of them ------------------------------------------------------------------------------------------


def accepted_keys(outcome: Outcome, name: Numbering, group: int) -> set[str]:
    """The alert keys of every request that was answered with 2xx."""
    answered = zip(outcome.numbers, outcome.statuses, strict=True)
    taken = [number for number, status in answered if 200 <= status < 300]
    return {name.alert_key(number * group + place) for number in taken for place in range(group)}


def check_incidents(product: Product, name: Numbering, keys: set[str]) -> int:
    """How many of the accepted alerts are not in exactly one incident, once the worker has come to all of them.

    What it has not come to counts as wrong.
    """
    engine = create_engine(product.settings.database_url)
    _wait_until_stored(engine, name, len(keys))
    found = _incidents_of(engine, name)
    engine.dispose()
    return sum(1 for key in keys if found[key] != 1)


def _wait_until_stored(engine: Engine, name: Numbering, count: int) -> None:
    """As long as there are more from look to look; the looks are few, for each reads all that is stored."""
    stored, since = -1, time.monotonic()
    while (now_stored := _stored(engine, name)) < count:
        if now_stored > stored:
            stored, since = now_stored, time.monotonic()
        elif time.monotonic() - since > STALLED_SECONDS:
            print(f"of {count} alerts {stored} were stored, and no more for {STALLED_SECONDS:g} s")
            return
        time.sleep(0.2 + stored / 100_000)


def _stored(engine: Engine, name: Numbering) -> int:
    statement = text("SELECT count(*) FROM alerts WHERE alert_key LIKE :prefix")
    with engine.connect() as connection:
        return int(connection.scalar(statement, {"prefix": f"{name.run}%"}) or 0)


def _incidents_of(engine: Engine, name: Numbering) -> Counter[str]:
    """Alert key → rows that have an incident of their own."""
    statement = text(
        "SELECT alerts.alert_key FROM alerts JOIN incidents ON incidents.id = alerts.incident_id"
        " WHERE alerts.alert_key LIKE :prefix AND incidents.alert_count = 1"
    )
    with engine.connect() as connection:
        return Counter(connection.scalars(statement, {"prefix": f"{name.run}%"}))
