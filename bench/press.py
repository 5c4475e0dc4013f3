"""Presses of each platform: what one costs beside a bare durable commit, and how long they take while everything else
goes on.

Every press is a callback of its own on a card of its own: the same bytes again would measure the answer to a repeat.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from sqlalchemy import create_engine, text

from bench.company import PHRASE, Company, Organisation, company, deliver_cards
from bench.load import OpenLoop, Outcome, Wire, generate, request, spread
from bench.payloads import Numbering, Reports, Webhooks, sign_in
from bench.platforms import PLATFORMS
from bench.platforms.base import Button
from bench.processes import Program
from bench.product import Product
from bench.results import Row, median, percentile
from bench.stage import Stage
from bench.yardsticks import bare_flask
from processors import USABLE

PART = "press"
ROW = b"x" * 400
COMMIT, NOTHING = request("POST", "/commit", ROW), request("POST", "/nothing", ROW)
PRESSES_A_SECOND, ALERTS_A_SECOND = 50, 300
TAKEN_PERCENT = 99.0
"""Of the alerts: with fewer, presses would not have been measured beside what is said."""
SOURCES = 20
"""So that none pushes more than 1000 times a minute."""
SIGN_INS_AT_ONCE = 5
"""Every second so many people sign in at the same moment: two are looked at, the others wait."""
WRONG_GUESSES = 3
"""Of one account; the fifth within 15 minutes would be refused unread."""


@dataclass(frozen=True)
class Size:
    """So many runs of so many rounds in each place, after a few that do not count."""

    runs: int
    rounds: int
    warm_up: int


QUICK, FULL = Size(3, 30, 10), Size(5, 150, 25)
PLACES = list(itertools.permutations(USABLE[:2])) if len(USABLE) > 1 else [()]
"""The processors of the product and of its yardstick."""
Times = tuple[list[float], list[float]]
"""Milliseconds of one run: the product's and the yardstick's."""


def run(stage: Stage, *, quick: bool) -> list[Row]:
    rows = measure_ratios(stage, QUICK if quick else FULL)
    for platform in PLATFORMS:
        rows += measure_under_load(stage, platform, "prometheus", quick=quick, bar=150.0)
    return rows + measure_under_load(stage, next(iter(PLATFORMS)), "standard", quick=quick)


# --- beside a bare commit -----------------------------------------------------------------------------------------


@dataclass
class Presser:
    """An organisation whose cards are pressed, what of them is left, and how long it took."""

    organisation: Organisation
    buttons: list[Button]
    left: Iterator[Button] = field(init=False)
    pairs: list[Times] = field(default_factory=list)
    refusals: list[Times] = field(default_factory=list)
    cpu_seconds: float = 0.0

    def __post_init__(self) -> None:
        self.left = iter(self.buttons)

    def presses(self, count: int) -> Iterator[bytes]:
        """Each of a card that was not pressed before, made when it is asked for."""
        return (self.organisation.press(button) for button in itertools.islice(self.left, count))

    def forged(self, count: int) -> Iterator[bytes]:
        return (self.organisation.press(button, forged=True) for button in self.buttons[:count])

    def rows(self, rounds: int) -> list[Row]:
        used = self.cpu_seconds * 1000 / (rounds * len(self.pairs))
        rows = [
            ratio_row(PART, "press ÷ bare durable commit", self.pairs, bar=2.0, aim=1.7),
            quickest_row(PART, "press ÷ bare durable commit, the quickest tenth of each", self.pairs),
            Row(PART, "processor time of the web process for a press", used, "ms"),
            ratio_row(PART, "refusal of a forged press ÷ bare answer", self.refusals, bar=1.6),
            quickest_row(PART, "refusal ÷ bare answer, the quickest tenth of each", self.refusals),
        ]
        return [replace(row, platform=self.organisation.platform) for row in rows]


def measure_ratios(stage: Stage, size: Size) -> list[Row]:
    """Alternately one press and one bare commit, one at a time; then one forged press and one bare answer.

    The platforms take turns run by run, so that one's figures can be set beside another's. Each server has a processor:
    on the same one the yardstick would wait for what the product does after its answer, and be charged for it. Halfway
    through each run they change places: the disk interrupts one of the two, and who is there has its commit sooner.
    """
    product, bare = stage.prepare(company), bare_flask(stage)
    servers = product.web, bare
    count = 1 + len(PLACES) * (size.warm_up + size.runs * size.rounds)
    pressers = [
        Presser(organisation, deliver_cards(product, organisation, count))
        for organisation in Company.of(product.home).by_platform.values()
    ]
    with stage.running(product), bare:
        wires = Wire(product.port), Wire(bare.port or 0)
        for presser in pressers:
            _check_answer(wires[0], presser)
            for _ in _in_each_place(servers):
                compare(wires, presser.presses(size.warm_up), COMMIT)
        for _ in range(size.runs):
            for presser in pressers:
                before = product.web.cpu_seconds()
                halves = [compare(wires, presser.presses(size.rounds), COMMIT) for _ in _in_each_place(servers)]
                presser.pairs.append(_joined(halves))
                presser.cpu_seconds += product.web.cpu_seconds() - before
        for presser in pressers:
            _check_applied(product, presser)
        for _ in range(size.runs):
            for presser in pressers:
                halves = [
                    compare(wires, presser.forged(size.rounds), NOTHING, expected=403) for _ in _in_each_place(servers)
                ]
                presser.refusals.append(_joined(halves))
    return [row for presser in pressers for row in presser.rows(size.rounds * len(PLACES))]


def _in_each_place(servers: tuple[Program, Program]) -> Iterator[None]:
    """With the servers where they are to be, once for each of PLACES."""
    for place in PLACES:
        for server, processor in zip(servers, place, strict=False):
            server.stay_on(processor)
        yield


def _joined(halves: Iterable[Times]) -> Times:
    ours, floor = zip(*halves, strict=True)
    return list(itertools.chain(*ours)), list(itertools.chain(*floor))


def compare(wires: tuple[Wire, Wire], ours_sent: Iterable[bytes], bare: bytes, *, expected: int = 200) -> Times:
    """Send ours and the bare request in turn. expected: the status of ours."""
    product_wire, bare_wire = wires
    ours, floor = [], []
    for sent in ours_sent:
        ours.append(product_wire.timed(sent, expected=expected))
        floor.append(bare_wire.timed(bare))
    return ours, floor


def ratio_row(part: str, name: str, runs: list[Times], *, bar: float | None = None, aim: float | None = None) -> Row:
    """The median over the runs of the ratio of their medians."""
    pairs = [(median(ours), median(floor)) for ours, floor in runs]
    ours, floor = median(pair[0] for pair in pairs), median(pair[1] for pair in pairs)
    ratio = median(one / other for one, other in pairs)
    return Row(part, name, ratio, "×", bar=bar, aim=aim, note=f"{ours:.2f} ms ÷ {floor:.2f} ms")


def quickest_row(part: str, name: str, runs: list[Times]) -> Row:
    """What is left of the ratio when other programs disturb least: for work on a machine that is busy."""
    ours, floor = (percentile([one for run in runs for one in run[side]], 10) for side in (0, 1))
    return Row(part, name, ours / floor, "×", note=f"{ours:.2f} ms ÷ {floor:.2f} ms")


def _check_answer(wire: Wire, presser: Presser) -> None:
    """A press must be answered with the new card: an answer that leaves it to a later update would cost less."""
    button = next(presser.left)
    status, answer = wire.exchange(presser.organisation.press(button))
    if status != 200 or not presser.organisation.shows_card(button, answer):
        raise RuntimeError(f"a press was not answered with the new card: {status} {answer[:300]!r}")


def _check_applied(product: Product, presser: Presser) -> None:
    """Every press must have changed its incident, or what we measured was something else."""
    engine = create_engine(product.settings.database_url)
    changed = text("SELECT count(*) FROM incidents WHERE progress = 'Processing' AND tenant_id = :tenant_id")
    with engine.connect() as connection:
        done = connection.scalar(changed, {"tenant_id": presser.organisation.tenant_id})
    engine.dispose()
    if done != len(presser.buttons):
        raise RuntimeError(f"{len(presser.buttons)} presses were answered, but {done} incidents are in progress")


# --- while alerts come in and passwords are checked ---------------------------------------------------------------


def measure_under_load(stage: Stage, platform: str, kind: str, *, quick: bool, bar: float | None = None) -> list[Row]:
    """p99 of presses at 50 a second, while sources send: "prometheus" is stored in bulk, "standard" at once."""
    presses, alerts, sign_ins = _load(stage, platform, kind, 5 if quick else 30)
    return [replace(row, platform=platform) for row in _load_rows(kind, presses, alerts, sign_ins, bar)]


def _load(stage: Stage, platform: str, kind: str, seconds: float) -> list[Outcome]:
    product = stage.prepare(company)
    organisation = Company.of(product.home).by_platform[platform]
    buttons = deliver_cards(product, organisation, round(PRESSES_A_SECOND * seconds))
    with stage.running(product):
        _warm_up(product, organisation.prometheus, organisation.standard)
        make: Webhooks | Reports = Webhooks(organisation.prometheus[:SOURCES], Numbering.new())
        if kind == "standard":
            make = Reports(organisation.standard[:SOURCES], Numbering.new())
        alerts = [(at, make(number)) for number, at in enumerate(spread(ALERTS_A_SECOND, seconds))]
        return generate(
            OpenLoop(product.port, list(_presses(organisation, buttons, seconds))),
            OpenLoop(product.port, alerts),
            OpenLoop(product.port, list(_sign_ins(product, organisation.people, seconds))),
        )


def _warm_up(product: Product, prometheus: list[str], standard: list[str]) -> None:
    wire = Wire(product.port)
    for number in range(20):
        for make in (Webhooks(prometheus, Numbering.new()), Reports(standard, Numbering.new())):
            wire.timed(make(number))
    wire.close()


def _presses(organisation: Organisation, buttons: list[Button], seconds: float) -> Iterator[tuple[float, bytes]]:
    for at, button in zip(spread(PRESSES_A_SECOND, seconds), buttons, strict=False):
        yield at, organisation.press(button)


def _sign_ins(product: Product, people: list[str], seconds: float) -> Iterator[tuple[float, bytes]]:
    """Right and wrong passwords in turn, of many people at many addresses."""
    token, cookie = form_of(product)
    for number in range(round(seconds) * SIGN_INS_AT_ONCE):
        wrong = number % 2 == 1
        person = people[number // (2 * WRONG_GUESSES) if wrong else -1 - number]
        form = sign_in(
            person,
            "a wrong guess" if wrong else PHRASE,
            token=token,
            cookie=cookie,
            address=f"198.51.100.{number % 250}",
        )
        yield float(number // SIGN_INS_AT_ONCE), form


def form_of(product: Product) -> tuple[str, str]:
    """Token and cookie of a new sign-in page."""
    wire = Wire(product.port)
    wire.send(request("GET", "/sign-in"))
    head, body = wire.receive()
    wire.close()
    token = re.search(rb'name="csrf_token"[^>]*value="([^"]+)"', body)
    if not token:
        raise RuntimeError("the sign-in page has no form")
    return token.group(1).decode(), _cookie(head)


def signed_in(product: Product, person: str) -> str:
    """The cookie of somebody who has signed in."""
    token, cookie = form_of(product)
    wire = Wire(product.port)
    wire.send(sign_in(person, PHRASE, token=token, cookie=cookie, address="198.51.100.251"))
    head, _ = wire.receive()
    wire.close()
    return _cookie(head)


def _cookie(head: bytes) -> str:
    """The session that an answer sets. Raises RuntimeError if it sets none."""
    found = re.search(rb"set-cookie: ([^;\r]+)", head, re.IGNORECASE)
    if not found:
        raise RuntimeError(f"no session: {head[:200]!r}")
    return found.group(1).decode()


def _load_rows(kind: str, presses: Outcome, alerts: Outcome, sign_ins: Outcome, bar: float | None) -> list[Row]:
    taken = sum(1 for status in alerts.statuses if 200 <= status < 300)
    rate = taken / max(alerts.seconds, 1e-9)
    others = f"{rate:.0f} alerts/s taken {dict(alerts.counts)}, sign-ins {dict(sign_ins.counts)}"
    late = ", the generator was late" if presses.is_bottleneck else ""
    middle = f"p50 {percentile(presses.latencies_ms, 50):.0f}, max {max(presses.latencies_ms):.0f} ms"
    not_taken = len(presses.statuses) - presses.counts[200]
    name = f"p99 of a press at {PRESSES_A_SECOND}/s with {ALERTS_A_SECOND} {kind} alerts/s"
    return [
        Row(PART, name, percentile(presses.latencies_ms, 99), "ms", bar=bar, note=f"{middle}; {others}{late}"),
        Row(
            PART,
            f"presses not answered 200 ({kind})",
            not_taken,
            "",
            bar=None if bar is None else 0,
            note=str(dict(presses.counts)),
        ),
        Row(
            PART,
            f"{kind} alerts taken meanwhile, of those sent",
            100 * taken / len(alerts.statuses),
            "%",
            bar=None if bar is None else TAKEN_PERCENT,
            sense="at_least",
            note=str(dict(alerts.counts)),
        ),
    ]
