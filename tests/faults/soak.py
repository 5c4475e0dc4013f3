"""`make soak`: the faults large, with several seeds and for minutes, and a table of what was measured.

Every test of this folder runs with hundreds of alerts in flight (conftest.LARGE) once for each seed. The seed decides
what is pushed, pressed and killed when; SEED=… repeats a run. Nothing is written but temporary folders.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from tests.conftest import ROOT

SEEDS = 3
TEST_SECONDS = 900
"""A single test that takes longer hangs; the minutes of the random kills come on top."""
NAME_COLUMNS, FIGURES_COLUMNS = 74, 52


@dataclass(frozen=True)
class Outcome:
    """One test of one seed. figures: what it noted, by name."""

    name: str
    seconds: float
    figures: dict[str, str]
    verdict: str

    @property
    def is_good(self) -> bool:
        return self.verdict == "pass"


def main() -> int:
    """Run every seed; the status is 0 only if every promise was kept."""
    minutes, first = float(os.environ.get("MINUTES") or 2), int(os.environ.get("SEED") or 1)
    seeds = range(first, first + int(os.environ.get("SEEDS") or SEEDS))
    print(f"seeds {seeds.start}–{seeds.stop - 1}, random kills for {minutes:g} minutes each", flush=True)
    outcomes = []
    for seed in seeds:
        print(f"\nseed {seed}  (again: make soak SEED={seed} SEEDS=1 MINUTES={minutes:g})", flush=True)
        found = list(run(seed, minutes))
        show(found)
        outcomes += found
    broken = [outcome for outcome in outcomes if not outcome.is_good]
    print(f"\n{len(outcomes) - len(broken)} of {len(outcomes)} passed")
    return 1 if broken or not outcomes else 0


def run(seed: int, minutes: float) -> Iterator[Outcome]:
    """Every fault once; what the tests print goes through."""
    with tempfile.TemporaryDirectory(prefix="dutybell-soak-") as folder:
        report = Path(folder) / "report.xml"
        options = ["-q", "-p", "no:cacheprovider", "--show-capture=no", f"--basetemp={folder}/tests"]
        options += ["-o", f"timeout={TEST_SECONDS + minutes * 60:.0f}", f"--junitxml={report}", *sys.argv[1:]]
        env = os.environ | {"SOAK_SEED": str(seed), "SOAK_MINUTES": str(minutes), "CI": "true"}
        command = [sys.executable, "-m", "pytest", *options, "tests/faults", "tests/model"]
        subprocess.run(command, cwd=ROOT, env=env | {"PYTHONDONTWRITEBYTECODE": "1"})
        if report.exists():
            yield from (outcome_of(case) for case in ElementTree.parse(report).iter("testcase"))


def outcome_of(case: ElementTree.Element) -> Outcome:
    module = case.get("classname", "").rpartition(".")[2].removeprefix("test_")
    name = f"{module}: {case.get('name', '').removeprefix('test_').replace('_', ' ')}"
    figures = {p.get("name", ""): p.get("value", "") for p in case.iter("property")}
    bad = [kind for kind in ("failure", "error", "skipped") if case.find(kind) is not None]
    verdict = {"failure": "FAIL", "error": "FAIL", "skipped": "NOT TESTED"}[bad[0]] if bad else "pass"
    return Outcome(name, float(case.get("time") or 0), figures, verdict)


def show(outcomes: list[Outcome]) -> None:
    """fault → figures → verdict; the many small tests of the checker itself count as one line."""
    print(f"\n{padded('fault', NAME_COLUMNS)} {padded('figures', FIGURES_COLUMNS)} {'seconds':>8}  verdict")
    for outcome in summed(outcomes, "history:"):
        figures = "  ".join(f"{name.replace('_', ' ')} {value}" for name, value in outcome.figures.items())
        row = f"{padded(outcome.name, NAME_COLUMNS)} {padded(figures, FIGURES_COLUMNS)}"
        print(f"{row} {outcome.seconds:8.1f}  {outcome.verdict}", flush=True)


def summed(outcomes: list[Outcome], prefix: str) -> list[Outcome]:
    some = [outcome for outcome in outcomes if outcome.name.startswith(prefix)]
    rest = [outcome for outcome in outcomes if not outcome.name.startswith(prefix)]
    if not some:
        return rest
    worst = next((outcome.verdict for outcome in some if not outcome.is_good), "pass")
    whole = Outcome(f"{prefix} the checker names every bad day", sum(one.seconds for one in some), {}, worst)
    return [whole, *rest]


def padded(text: str, columns: int) -> str:
    """Cut or filled to so many columns of a terminal, where a Chinese character takes two."""
    shown, used = "", 0
    for character in text:
        width = 2 if unicodedata.east_asian_width(character) in "WF" else 1
        if used + width > columns:
            break
        shown, used = shown + character, used + width
    return shown + " " * (columns - used)


if __name__ == "__main__":
    sys.exit(main())
