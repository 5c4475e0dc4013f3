"""From the push of an alert to the card, on each platform: latency, bursts, the platform's pace, slow and dead ones.

Latency counts from the moment at which the push should have left. A card that never came counts as endless.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from bench.company import Company, Organisation, company
from bench.load import OpenLoop, Outcome, generate, spread
from bench.payloads import SHIFTS, Numbering, Reports, Webhooks, tag_of
from bench.platforms import PLATFORMS
from bench.platforms.base import CARD
from bench.processes import Arrival, Fake, wait_for
from bench.product import Product
from bench.results import Row, median, percentile
from bench.stage import Stage

PART = "delivery"
ARRIVAL_SECONDS = 60.0
BURST, SLOW_BURST = 400, 600
SLOW_SECONDS = 0.2
WARM_UP = 40
PACE_SECONDS = 4
"""As many cards as one application may send in so many seconds show whether it does."""
PACE_SHARE = 0.8
ALERTS_A_SECOND = 10
"""For each platform, while one of them is dead."""


def run(stage: Stage, *, quick: bool) -> list[Row]:
    rows: list[Row] = []
    for platform in PLATFORMS:
        found = [*_measure_latency(stage, platform, quick=quick), _burst(stage, platform)]
        found += [_slow_platform(stage, platform), *_one_application(stage, platform)]
        rows += [replace(row, platform=platform) for row in found]
    return rows + _dead_platform(stage, quick=quick)


Make = Callable[[int], bytes]


def _maker(organisation: Organisation, kind: str, name: Numbering) -> Make:
    if kind == "standard":
        return Reports(organisation.standard, name)
    return Webhooks(organisation.prometheus, name)


def _warm_up(fake: Fake, product: Product, organisation: Organisation) -> None:
    """A card to some people, so that tokens, connections and statements are there."""
    make = Reports(organisation.standard, Numbering.new())
    generate(OpenLoop(product.port, [(at, make(number)) for number, at in enumerate(spread(20, WARM_UP / 20))]))
    _wait_for_cards(fake, organisation.platform, WARM_UP)
    fake.reset()


# --- latency ------------------------------------------------------------------------------------------------------


def _measure_latency(stage: Stage, platform: str, *, quick: bool) -> list[Row]:
    """One alert at a time while nothing else happens, and a hundred a second."""
    seconds, rows = 5 if quick else 20, []
    with stage.product(company) as product:
        organisation = Company.of(product.home).by_platform[platform]
        _warm_up(stage.fake, product, organisation)
        for kind in ("standard", "prometheus"):
            for rate, how, bar in ((4, "idle", 50), (100, "100 alerts/s", 100)):
                latencies, note = _latencies(stage.fake, product, organisation, kind, rate=rate, seconds=seconds)
                rows.append(_latency_row(f"push ({kind}) to card, {how}, p50", latencies, bar, note))
    return rows


def _latency_row(name: str, latencies: list[float], bar: float, note: str) -> Row:
    missing = sum(math.isinf(one) for one in latencies)
    note = f"p99 {percentile(latencies, 99):.0f} ms, {len(latencies) - missing} of {len(latencies)} cards{note}"
    return Row(PART, name, percentile(latencies, 50), "ms", bar=bar, note=note)


def _latencies(
    fake: Fake, product: Product, organisation: Organisation, kind: str, *, rate: float, seconds: float
) -> tuple[list[float], str]:
    """Push at a rate, one alert a request; milliseconds to each card, endless for one that never came; and a doubt."""
    fake.reset()
    name = Numbering.new()
    make = _maker(organisation, kind, name)
    outcome = generate(OpenLoop(product.port, [(at, make(n)) for n, at in enumerate(spread(rate, seconds))]))[0]
    _wait_for_cards(fake, organisation.platform, len(outcome.numbers))
    return to_cards(fake.arrivals(), name, outcome), ", the generator was late" if outcome.is_bottleneck else ""


def to_cards(arrivals: Iterable[Arrival], name: Numbering, outcome: Outcome) -> list[float]:
    """Milliseconds from when each push should have left to its card's arrival."""
    arrived: dict[str, float] = {}
    for at, _application, _user, title in arrivals:
        arrived.setdefault(tag_of(title), at)
    return [
        (arrived.get(name.tag(number), math.inf) - sent_at) * 1000
        for number, sent_at in zip(outcome.numbers, outcome.sent_at, strict=True)
    ]


def _wait_for_cards(fake: Fake, platform: str, count: int, *, seconds: float = ARRIVAL_SECONDS) -> None:
    """Until so many messages have arrived; after `seconds` go on with what there is."""
    try:
        wait_for(
            lambda: fake.counts().get(f"{platform}/{CARD}", 0) >= count, f"{count} cards", seconds=seconds, every=0.1
        )
    except TimeoutError as error:
        print(error)


# --- bursts -------------------------------------------------------------------------------------------------------


def push_burst(
    fake: Fake, product: Product, organisation: Organisation, count: int, *, sources: Sequence[str] = ()
) -> tuple[float, list[Arrival]]:
    """Push `count` alerts at once, a group of five to each source, one for each of its people.

    sources  to push to, instead of all
    Returns when the first push left, by the monotonic clock, and the cards in the order of their arrival.
    """
    make = Webhooks(sources or organisation.prometheus, Numbering.new(), SHIFTS)
    outcome = generate(OpenLoop(product.port, [(0.0, make(number)) for number in range(count // SHIFTS)]))[0]
    refused = len(outcome.statuses) - outcome.counts[200]
    if refused:
        print(f"{refused} pushes of a burst were not taken: {dict(outcome.counts)}")
    _wait_for_cards(fake, organisation.platform, count)
    return outcome.began_at, sorted(fake.arrivals())


def rate_of(arrivals: Sequence[Arrival]) -> float:
    """Cards a second from the first to the last; 0 where there are not two."""
    return (len(arrivals) - 1) / (arrivals[-1][0] - arrivals[0][0]) if len(arrivals) > 1 else 0.0


def busiest_second(arrivals: Sequence[Arrival]) -> int:
    """The most cards of one application within any second. arrivals: in their order."""
    most, left = (
        0,
        {application: [at for at, one, *_ in arrivals if one == application] for _, application, *_ in arrivals},
    )
    for times in left.values():
        first = 0
        for last, at in enumerate(times):
            while times[first] <= at - 1.0:
                first += 1
            most = max(most, last - first + 1)
    return most


def _burst(stage: Stage, platform: str) -> Row:
    """400 alerts for 400 people."""
    with stage.product(company) as product:
        organisation = Company.of(product.home).by_platform[platform]
        _warm_up(stage.fake, product, organisation)
        began_at, arrivals = push_burst(stage.fake, product, organisation, BURST)
    times = [one[0] - began_at for one in arrivals]
    seconds = times[BURST - 1] if len(times) >= BURST else math.inf
    note = f"{len(times)} cards, half of them after {percentile(times, 50):.1f} s; {_applications(organisation)}"
    return Row(PART, f"burst of {BURST} alerts, all cards there", seconds, "s", bar=4.0, note=note)


def _applications(organisation: Organisation) -> str:
    count = len(organisation.applications)
    return f"{count} applications" if count > 1 else "1 application"


def _slow_platform(stage: Stage, platform: str) -> Row:
    """One worker, a platform that takes 200 ms for every call."""
    with stage.product(company, workers=1) as product:
        organisation = Company.of(product.home).by_platform[platform]
        _warm_up(stage.fake, product, organisation)
        stage.fake.behave(platform, delay_seconds=SLOW_SECONDS)
        _, arrivals = push_burst(stage.fake, product, organisation, SLOW_BURST)
        stage.fake.behave(platform)
    note = f"{len(arrivals)} cards of {SLOW_BURST}; {_applications(organisation)}"
    name = "cards/s of one worker, platform answers in 200 ms"
    return Row(PART, name, rate_of(arrivals), "/s", 50, sense="at_least", note=note)


def _one_application(stage: Stage, platform: str) -> list[Row]:
    """More than one application may send at once: it sends as many as the platform takes, and no more."""
    allowed = PLATFORMS[platform].sends_a_second
    if not allowed:
        return []
    count = allowed * PACE_SECONDS // SHIFTS * SHIFTS
    with stage.product(company, workers=1) as product:
        organisation = Company.of(product.home).by_platform[platform]
        _warm_up(stage.fake, product, organisation)
        sources = organisation.prometheus[:: len(organisation.applications)]
        _, arrivals = push_burst(stage.fake, product, organisation, count, sources=sources)
    note = f"{len(arrivals)} cards of {count}; {allowed}/s are allowed"
    most, rate = busiest_second(arrivals), rate_of(arrivals)
    return [
        Row(
            PART,
            "cards/s of one application with work waiting",
            rate,
            "/s",
            PACE_SHARE * allowed,
            sense="at_least",
            note=note,
        ),
        Row(PART, "most cards of one application in a second", most, "", allowed, note="one worker process"),
    ]


# --- a dead platform ----------------------------------------------------------------------------------------------


def _dead_platform(stage: Stage, *, quick: bool) -> list[Row]:
    """How much the p99 of two platforms' cards grows while the third one hangs; with each of them as the third.

    A round measures once while all answer and once with each of them hanging.
    """
    ratios: dict[str, list[float]] = {platform: [] for platform in PLATFORMS}
    notes: dict[str, str] = {}
    for _ in range(1 if quick else 3):
        healthy = _with_dead(stage, None, quick=quick)
        for dead, found in ratios.items():
            beside = _with_dead(stage, dead, quick=quick)
            alive = [platform for platform in PLATFORMS if platform != dead]
            late, usual = (percentile([ms for one in alive for ms in times[one]], 99) for times in (beside, healthy))
            found.append(late / usual)
            notes.setdefault(dead, f"{late:.0f} ms ÷ {usual:.0f} ms in the first round; cards of {' and '.join(alive)}")
    name = "p99 of the others' cards while it hangs ÷ while it answers"
    return [
        Row(PART, name, median(found), "×", bar=1.5, note=notes[dead], platform=dead) for dead, found in ratios.items()
    ]


def _with_dead(stage: Stage, dead: str | None, *, quick: bool) -> dict[str, list[float]]:
    """Platform → milliseconds to its cards, with alerts for all, of which `dead` hangs; it is pushed to first."""
    seconds = 6 if quick else 15
    with stage.product(company) as product:
        known = Company.of(product.home).by_platform
        for organisation in known.values():
            _warm_up(stage.fake, product, organisation)
        if dead:
            stage.fake.behave(dead, hangs=True)
        try:
            return _cards_of_all(stage.fake, product, known, dead, seconds)
        finally:
            if dead:
                stage.fake.behave(dead)


def _cards_of_all(
    fake: Fake, product: Product, known: dict[str, Organisation], dead: str | None, seconds: float
) -> dict[str, list[float]]:
    """The first two seconds, in which `dead` alone is pushed to, fill what it can fill."""
    names = {platform: Numbering.new() for platform in known}
    loops = []
    for platform, organisation in known.items():
        make = Reports(organisation.standard, names[platform])
        is_early = platform == dead
        planned = spread(ALERTS_A_SECOND, seconds + 2.0 if is_early else seconds, offset=0.0 if is_early else 2.0)
        loops.append(OpenLoop(product.port, [(at, make(number)) for number, at in enumerate(planned)]))
    outcomes = dict(zip(known, generate(*loops), strict=True))
    alive = [platform for platform in known if platform != dead]
    for platform in alive:
        _wait_for_ours(fake, names[platform], len(outcomes[platform].numbers))
    arrivals = fake.arrivals()
    return {platform: to_cards(arrivals, names[platform], outcomes[platform]) for platform in alive}


def _wait_for_ours(fake: Fake, name: Numbering, count: int) -> None:
    deadline = time.monotonic() + ARRIVAL_SECONDS
    while time.monotonic() < deadline:
        if sum(tag_of(one[3]).startswith(name.run) for one in fake.arrivals()) >= count:
            return
        time.sleep(0.3)
