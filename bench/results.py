"""What a run found: rows with their bars, what else the machine did, and the files that keep both."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).resolve().parent / "results"
AT_MOST, AT_LEAST = "at_most", "at_least"
SIGNS = {AT_MOST: "≤", AT_LEAST: "≥"}
BUSY_SHARE = 0.15
"""Of the processors: when other programs used more, a figure says as much about them."""


@dataclass(frozen=True)
class Row:
    """One figure.

    part    which part measured it; name: what it is, in words; platform: on which chat platform, "" where that is one
    unit    "×" for a ratio, "ms", "MB", "/s" …
    bar     what a release must reach, aim what we are after; None: for information
    sense   AT_MOST: less is better; AT_LEAST: more is better
    note    what the figure was made of (our value and the yardstick's), or what to beware of
    kind    "measure", or "cost" for the table of unit costs
    """

    part: str
    name: str
    value: float
    unit: str
    bar: float | None = None
    aim: float | None = None
    sense: str = AT_MOST
    note: str = ""
    kind: str = "measure"
    platform: str = ""

    @property
    def has_passed(self) -> bool | None:
        """None if there is no bar; a value that is no number has not passed."""
        return None if self.bar is None else self._reaches(self.bar)

    @property
    def reaches_aim(self) -> bool | None:
        return None if self.aim is None else self._reaches(self.aim)

    def _reaches(self, limit: float) -> bool:
        return self.value <= limit if self.sense == AT_MOST else self.value >= limit


def cost(part: str, name: str, value: float, unit: str, note: str = "") -> Row:
    """A unit cost, for planning a machine."""
    return Row(part, name, value, unit, note=note, kind="cost")


@dataclass(frozen=True)
class Meanwhile:
    """What the machine did while a part ran.

    load_before, load_after  runnable processes over one minute
    others_cores             processors that other programs used on average, of `cores`
    named                    which of them used most; for the terminal alone: a file must not tell whose machine it was
    """

    seconds: float
    load_before: float
    load_after: float
    others_cores: float
    cores: int
    named: tuple[str, ...] = ()

    @property
    def is_busy(self) -> bool:
        return self.others_cores > BUSY_SHARE * self.cores

    def as_line(self) -> str:
        """For the terminal: "(212 s; load 0.4 → 2.1; others used 0.05 of 2 cores)"."""
        names = f": {', '.join(self.named)}" if self.named else ""
        doubt = " – TOO BUSY, doubt these figures" if self.is_busy else ""
        load = f"load {self.load_before:.1f} → {self.load_after:.1f}"
        return (
            f"({self.seconds:.0f} s; {load}; others used {self.others_cores:.2f} of {self.cores} cores{names}{doubt})"
        )


def percentile(values: Iterable[float], percent: float) -> float:
    """The smallest value that at least `percent` of them do not exceed (nearest rank); NaN of none."""
    ordered = sorted(values)
    if not ordered:
        return math.nan
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


def median(values: Iterable[float]) -> float:
    """NaN of none, so that a part that measured nothing fails its bar."""
    known = list(values)
    return statistics.median(known) if known else math.nan


# --- files --------------------------------------------------------------------------------------------------------


@dataclass
class Report:
    """A whole run, as it is stored and shown; of one that was interrupted, what there was by then.

    failures   parts that did not come to their end, and why; meanwhile: of those that did, what the machine did
    """

    facts: dict[str, Any]
    is_quick: bool
    parts: list[str]
    began_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    rows: list[Row] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)
    meanwhile: dict[str, Meanwhile] = field(default_factory=dict)

    @property
    def has_passed(self) -> bool:
        """Whether every bar was reached and every part came to its end."""
        return not self.unfinished and all(row.has_passed is not False for row in self.rows)

    @property
    def unfinished(self) -> dict[str, str]:
        """Parts without an end, and why."""
        return {part: self.failures.get(part, "not run") for part in self.parts if part not in self.meanwhile}

    @property
    def busy_parts(self) -> list[str]:
        """Parts whose figures other programs have had a hand in."""
        return [part for part, was in self.meanwhile.items() if was.is_busy]

    def as_json(self) -> dict[str, Any]:
        rows = [asdict(row) | {"passed": row.has_passed, "reaches_aim": row.reaches_aim} for row in self.rows]
        return {
            "began_at": self.began_at.isoformat(timespec="seconds"),
            "seconds": round(sum(was.seconds for was in self.meanwhile.values())),
            "quick": self.is_quick,
            "parts": self.parts,
            "machine": self.facts,
            "passed": self.has_passed,
            "unfinished": self.unfinished,
            "busy_parts": self.busy_parts,
            "meanwhile": {part: _without_names(was) for part, was in self.meanwhile.items()},
            "rows": rows,
        }

    def as_markdown(self) -> str:
        facts = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in self.facts.items())
        began = self.began_at.strftime("%Y-%m-%d %H:%M UTC")
        lines = [f"# Benchmark of {began}", "", f"{facts}; {'quick' if self.is_quick else 'full'} run.", ""]
        if self.busy_parts:
            lines += [f"**Other programs ran beside {', '.join(self.busy_parts)}: doubt what it says of them.**", ""]
        lines += _side_by_side(self.rows)
        lines += ["| part | platform | figure | value | bar | aim | | made of |"]
        lines += ["| --- | --- | --- | ---: | ---: | ---: | --- | --- |"]
        lines += [_line(row) for row in self.rows if row.kind == "measure"]
        lines += [f"\n**{part} did not come to its end:** {why}" for part, why in self.unfinished.items()]
        costs = [row for row in self.rows if row.kind == "cost"]
        if costs:
            lines += ["", "## Unit costs", "", "| what | cost | made of |", "| --- | ---: | --- |"]
            lines += [f"| {row.name} | {shown(row.value)} {row.unit} | {row.note} |" for row in costs]
        lines += _machine_meanwhile(self.meanwhile)
        return "\n".join(lines) + "\n"

    def save(self, folder: Path = RESULTS, *, is_latest: bool = False) -> Path:
        """Write `<time>-<shape>-<parts>.json` and `.md`; returns the path of the table.

        is_latest  all parts were run: the same as `latest-<shape>.*`, too
        """
        folder.mkdir(parents=True, exist_ok=True)
        shape = "postgresql" if "PostgreSQL" in str(self.facts.get("database")) else "sqlite"
        parts = "all" if is_latest else "-".join(self.parts)
        name = f"{self.began_at:%Y-%m-%dT%H%M%SZ}-{shape}-{parts}"
        content = json.dumps(self.as_json(), ensure_ascii=False, indent=2) + "\n"
        for stem in (name, f"latest-{shape}") if is_latest else (name,):
            (folder / f"{stem}.json").write_text(content, encoding="utf-8")
            (folder / f"{stem}.md").write_text(self.as_markdown(), encoding="utf-8")
        return folder / f"{name}.md"


def _without_names(was: Meanwhile) -> dict[str, Any]:
    kept = {name: value for name, value in asdict(was).items() if name != "named"}
    return {name: round(value, 2) for name, value in kept.items()} | {"is_busy": was.is_busy}


def _machine_meanwhile(known: dict[str, Meanwhile]) -> list[str]:
    if not known:
        return []
    lines = ["", "## The machine meanwhile", "", "| part | seconds | load before, after | cores that others used |"]
    lines.append("| --- | ---: | ---: | ---: |")
    for part, was in known.items():
        loads, others = f"{was.load_before:.1f}, {was.load_after:.1f}", f"{was.others_cores:.2f} of {was.cores}"
        lines.append(f"| {part} | {was.seconds:.0f} | {loads} | {others}{' **busy**' if was.is_busy else ''} |")
    return lines


def _line(row: Row) -> str:
    verdict = {True: "pass", False: "**FAIL**", None: ""}[row.has_passed]
    if row.reaches_aim:
        verdict += " (aim)"
    bar, aim = (f"{SIGNS[row.sense]} {shown(limit)}" if limit is not None else "" for limit in (row.bar, row.aim))
    cells = (row.part, row.platform, row.name, f"{shown(row.value)} {row.unit}", bar, aim, verdict, row.note)
    return f"| {' | '.join(cells)} |"


def _side_by_side(rows: Sequence[Row]) -> list[str]:
    """The figures that have a bar and were measured on several platforms: one line each, a column for each platform."""
    judged = [row for row in rows if row.platform and row.bar is not None]
    platforms = list(dict.fromkeys(row.platform for row in judged))
    if len(platforms) < 2:
        return []
    found: dict[tuple[str, str], dict[str, Row]] = {}
    for row in judged:
        found.setdefault((row.part, row.name), {})[row.platform] = row
    lines = ["## Platforms side by side", "", f"| part | figure | {' | '.join(platforms)} | bar |"]
    lines.append(f"| --- | --- | {'---: | ' * len(platforms)}---: |")
    for (part, name), by_platform in found.items():
        cells = [_cell(by_platform.get(platform)) for platform in platforms]
        lines.append(f"| {part} | {name} | {' | '.join(cells)} | {_bars(by_platform.values())} |")
    return [*lines, "", "## Every figure", ""]


def _cell(row: Row | None) -> str:
    if row is None:
        return "–"
    return f"{shown(row.value)} {row.unit}".strip() + ("" if row.has_passed else " **FAIL**")


def _bars(rows: Iterable[Row]) -> str:
    """The bar of a figure; all of them where platforms allow different things."""
    bars = dict.fromkeys(f"{SIGNS[row.sense]} {shown(row.bar)}" for row in rows if row.bar is not None)
    return ", ".join(bars)


def shown(value: float) -> str:
    """Three significant digits, without an exponent."""
    if not math.isfinite(value):
        return str(value)
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2 if abs(value) >= 0.1 else 3
    return f"{value:.{digits}f}"


def table(rows: Sequence[Row]) -> str:
    """The rows for a terminal."""
    lines = []
    for row in rows:
        verdict = {True: "pass", False: "FAIL", None: "    "}[row.has_passed]
        limit = f"{SIGNS[row.sense]} {shown(row.bar)}" if row.bar is not None else ""
        lines.append(
            f"{verdict}  {row.part:9} {row.platform:9} {row.name:58} {shown(row.value):>8} {row.unit:6} {limit:>8}"
            f"  {row.note}"
        )
    return "\n".join(lines)
