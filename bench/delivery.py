"""From the push of an alert to the card at the fake platform: latency, bursts, slow and dead platforms.

Latency counts from the moment at which the push should have left. A card that never came counts as endless.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable

from bench.company import CORP, DEAD_CORP, Company, Organisation, company
from bench.load import OpenLoop, Outcome, generate, spread
from bench.payloads import SHIFTS, Numbering, Reports, Webhooks, tag_of
from bench.processes import Fake, Product, Stage, wait_for
from bench.results import Row, percentile

PART = "delivery"
ARRIVAL_SECONDS = 60.0
BURST, SLOW_BURST = 400, 600
SLOW_SECONDS = 0.2
WARM_UP = 40


def run(stage: Stage, *, quick: bool) -> list[Row]:
    rows = []
    with stage.product(company) as product:
        organisation = Company.of(product.home).main
        _warm_up(stage.fake, product, organisation)
        for kind in ("standard", "prometheus"):
            rows.append(_idle(stage.fake, product, organisation, kind, quick=quick))
            rows.append(_steady(stage.fake, product, organisation, kind, quick=quick))
    rows.append(_burst(stage))
    rows.append(_slow_platform(stage))
    rows.append(_dead_platform(stage, quick=quick))
    return rows


Make = Callable[[int], bytes]


def _maker(organisation: Organisation, kind: str, name: Numbering) -> Make:
    if kind == "standard":
        return Reports(organisation.standard, name)
    return Webhooks(organisation.prometheus, name)


def _warm_up(fake: Fake, product: Product, organisation: Organisation) -> None:
    """A card to some people, so that tokens, connections and statements are there."""
    make = Reports(organisation.standard, Numbering.new())
    generate(OpenLoop(product.port, [(at, make(number)) for number, at in enumerate(spread(20, WARM_UP / 20))]))
    _wait_for_cards(fake, WARM_UP)
    fake.reset()


# --- latency ------------------------------------------------------------------------------------------------------


def _idle(fake: Fake, product: Product, organisation: Organisation, kind: str, *, quick: bool) -> Row:
    """One alert at a time, while nothing else happens."""
    latencies = _latencies(fake, product, organisation, kind, rate=4, seconds=5 if quick else 20)
    return _latency_row(f"push ({kind}) to card, idle, p50", latencies, 50)


def _steady(fake: Fake, product: Product, organisation: Organisation, kind: str, *, quick: bool) -> Row:
    latencies = _latencies(fake, product, organisation, kind, rate=100, seconds=5 if quick else 20)
    return _latency_row(f"push ({kind}) to card, 100 alerts/s, p50", latencies, 100)


def _latency_row(name: str, latencies: list[float], bar: float) -> Row:
    missing = sum(math.isinf(one) for one in latencies)
    note = f"p99 {percentile(latencies, 99):.0f} ms, {len(latencies) - missing} of {len(latencies)} cards"
    return Row(PART, name, percentile(latencies, 50), "ms", bar=bar, note=note)


def _latencies(
    fake: Fake, product: Product, organisation: Organisation, kind: str, *, rate: float, seconds: float
) -> list[float]:
    """Push at a rate, one alert a request; milliseconds to each card, endless for one that never came."""
    fake.reset()
    name = Numbering.new()
    make = _maker(organisation, kind, name)
    outcome = generate(OpenLoop(product.port, [(at, make(n)) for n, at in enumerate(spread(rate, seconds))]))[0]
    _wait_for_cards(fake, len(outcome.numbers))
    return to_cards(fake.arrivals(), name, outcome)


def to_cards(arrivals: Iterable[tuple[float, str, str, str, str]], name: Numbering, outcome: Outcome) -> list[float]:
    """Milliseconds from when each push should have left to its card's arrival."""
    arrived: dict[str, float] = {}
    for at, _corp, _user, title, _task in arrivals:
        arrived.setdefault(tag_of(title), at)
    return [
        (arrived.get(name.tag(number), math.inf) - sent_at) * 1000
        for number, sent_at in zip(outcome.numbers, outcome.sent_at, strict=True)
    ]


def _wait_for_cards(fake: Fake, count: int, *, seconds: float = ARRIVAL_SECONDS) -> None:
    """Until so many messages have arrived; after `seconds` go on with what there is."""
    try:
        wait_for(lambda: fake.counts().get("message/send", 0) >= count, f"{count} cards", seconds=seconds, every=0.1)
    except TimeoutError as error:
        print(error)


# --- bursts -------------------------------------------------------------------------------------------------------


def push_burst(fake: Fake, product: Product, organisation: Organisation, count: int) -> tuple[float, list[float]]:
    """Push `count` alerts at once, a group of five to each source, one for each of its people.

    Returns when the first push left, and when the cards arrived; seconds of the monotonic clock.
    """
    make = Webhooks(organisation.prometheus, Numbering.new(), SHIFTS)
    outcome = generate(OpenLoop(product.port, [(0.0, make(number)) for number in range(count // SHIFTS)]))[0]
    refused = len(outcome.statuses) - outcome.counts[200]
    if refused:
        print(f"{refused} pushes of a burst were not taken: {dict(outcome.counts)}")
    _wait_for_cards(fake, count)
    return outcome.began_at, sorted(one[0] for one in fake.arrivals())


def _burst(stage: Stage) -> Row:
    """400 alerts for 400 people."""
    with stage.product(company) as product:
        organisation = Company.of(product.home).main
        _warm_up(stage.fake, product, organisation)
        began_at, arrived = push_burst(stage.fake, product, organisation, BURST)
    seconds = arrived[BURST - 1] - began_at if len(arrived) >= BURST else math.inf
    note = f"{len(arrived)} cards, half of them after {percentile(arrived, 50) - began_at:.1f} s"
    return Row(PART, f"burst of {BURST} alerts, all cards there", seconds, "s", bar=4.0, note=note)


def _slow_platform(stage: Stage) -> Row:
    """One worker, a platform that takes 200 ms for every call."""
    with stage.product(company, workers=1) as product:
        organisation = Company.of(product.home).main
        _warm_up(stage.fake, product, organisation)
        stage.fake.behave(CORP, delay_seconds=SLOW_SECONDS)
        _, arrived = push_burst(stage.fake, product, organisation, SLOW_BURST)
        stage.fake.behave(CORP)
    rate = (len(arrived) - 1) / (arrived[-1] - arrived[0]) if len(arrived) > 1 else 0.0
    note = f"{len(arrived)} cards of {SLOW_BURST}"
    return Row(PART, "cards/s of one worker, platform answers in 200 ms", rate, "/s", 50, sense="at_least", note=note)


# --- a dead platform ----------------------------------------------------------------------------------------------


def _dead_platform(stage: Stage, *, quick: bool) -> Row:
    """How much the p99 of one organisation's cards grows while another one's platform hangs."""
    healthy, beside = [], []
    for _ in range(1 if quick else 3):
        healthy.append(percentile(_with_other(stage, hangs=False, quick=quick), 99))
        beside.append(percentile(_with_other(stage, hangs=True, quick=quick), 99))
    ratio = percentile([one / other for one, other in zip(beside, healthy, strict=True)], 50)
    note = f"{beside[0]:.0f} ms ÷ {healthy[0]:.0f} ms in the first round"
    return Row(PART, "p99 of cards beside a dead platform ÷ a healthy one", ratio, "×", bar=1.5, note=note)


def _with_other(stage: Stage, *, hangs: bool, quick: bool) -> list[float]:
    """25 alerts a second for us and 5 for the other organisation, whose platform hangs or answers."""
    seconds = 6 if quick else 15
    with stage.product(company) as product:
        known = Company.of(product.home)
        _warm_up(stage.fake, product, known.main)
        stage.fake.behave(DEAD_CORP, hangs=hangs)
        name, other = Numbering.new(), Numbering.new()
        ours, theirs = Reports(known.main.standard, name), Reports(known.dead.standard, other)
        plan = [(at, ours(number)) for number, at in enumerate(spread(25, seconds, offset=2.0))]
        neighbour = [(at, theirs(number)) for number, at in enumerate(spread(5, seconds + 2.0))]
        outcome, _ = generate(OpenLoop(product.port, plan), OpenLoop(product.port, neighbour))
        _wait_for_ours(stage.fake, name, len(plan))
        stage.fake.behave(DEAD_CORP)
        return to_cards(stage.fake.arrivals(), name, outcome)


def _wait_for_ours(fake: Fake, name: Numbering, count: int) -> None:
    deadline = time.monotonic() + ARRIVAL_SECONDS
    while time.monotonic() < deadline:
        if sum(tag_of(one[3]).startswith(name.run) for one in fake.arrivals()) >= count:
            return
        time.sleep(0.3)
