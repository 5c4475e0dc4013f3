"""What a run found: rows with their bars, facts about the machine, and the files that keep both."""

from __future__ import annotations

import json
import math
import os
import platform
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

RESULTS = Path(__file__).resolve().parent / "results"
AT_MOST, AT_LEAST = "at_most", "at_least"
SIGNS = {AT_MOST: "≤", AT_LEAST: "≥"}


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


# --- the machine --------------------------------------------------------------------------------------------------


def machine_facts(database: str) -> dict[str, Any]:
    """What a reader needs to compare two runs; nothing that tells whose machine it was.

    load_before  runnable processes over one minute, before we began: above half the cores, doubt the figures
    """
    return {
        "cores": os.cpu_count() or 0,
        "memory_gb": round(psutil.virtual_memory().total / 2**30),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "database": database,
        "load_before": round(os.getloadavg()[0], 2),
    }


# --- files --------------------------------------------------------------------------------------------------------


@dataclass
class Report:
    """A whole run, as it is stored and shown. seconds: how long the run took."""

    facts: dict[str, Any]
    is_quick: bool
    parts: list[str]
    began_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    rows: list[Row] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def has_passed(self) -> bool:
        """Whether every bar was reached and every part came to its end."""
        return not self.failures and all(row.has_passed is not False for row in self.rows)

    def as_json(self) -> dict[str, Any]:
        rows = [asdict(row) | {"passed": row.has_passed, "reaches_aim": row.reaches_aim} for row in self.rows]
        return {
            "began_at": self.began_at.isoformat(timespec="seconds"),
            "seconds": round(self.seconds),
            "quick": self.is_quick,
            "parts": self.parts,
            "machine": self.facts,
            "passed": self.has_passed,
            "failures": self.failures,
            "rows": rows,
        }

    def as_markdown(self) -> str:
        facts = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in self.facts.items())
        began = self.began_at.strftime("%Y-%m-%d %H:%M UTC")
        lines = [f"# Benchmark of {began}", "", f"{facts}; {'quick' if self.is_quick else 'full'} run.", ""]
        lines += _side_by_side(self.rows)
        lines += ["| part | platform | figure | value | bar | aim | | made of |"]
        lines += ["| --- | --- | --- | ---: | ---: | ---: | --- | --- |"]
        lines += [_line(row) for row in self.rows if row.kind == "measure"]
        lines += [f"\n**{part} did not come to its end:** {why}" for part, why in self.failures.items()]
        costs = [row for row in self.rows if row.kind == "cost"]
        if costs:
            lines += ["", "## Unit costs", "", "| what | cost | made of |", "| --- | ---: | --- |"]
            lines += [f"| {row.name} | {shown(row.value)} {row.unit} | {row.note} |" for row in costs]
        return "\n".join(lines) + "\n"

    def save(self, folder: Path = RESULTS) -> Path:
        """Write `<time>-<parts>.json` and `.md`, and `latest.*`; returns the path of the table."""
        folder.mkdir(parents=True, exist_ok=True)
        shape = "postgresql" if "PostgreSQL" in str(self.facts.get("database")) else "sqlite"
        name = f"{self.began_at:%Y-%m-%dT%H%M%SZ}-{shape}-{'-'.join(self.parts)}"
        content = json.dumps(self.as_json(), ensure_ascii=False, indent=2) + "\n"
        for stem in (name, "latest"):
            (folder / f"{stem}.json").write_text(content, encoding="utf-8")
            (folder / f"{stem}.md").write_text(self.as_markdown(), encoding="utf-8")
        return folder / f"{name}.md"


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
