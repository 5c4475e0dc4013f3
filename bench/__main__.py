"""python -m bench [part …] [--quick] [--postgres] [--list]

Without a part all of them, in three quarters of an hour. Prints every figure with its bar, and after each part what
else was on the machine; a full run is kept under bench/results/, a quick one under var/bench/, part by part. The exit
status is 1 if a bar was missed or a part did not come to its end.
"""

from __future__ import annotations

import argparse
import importlib
import logging
import signal
import sys
import traceback
from pathlib import Path

from bench.machine import Watch, machine_facts
from bench.product import Shape
from bench.results import RESULTS, Report, Row, table
from bench.stage import Stage

PARTS = {
    "press": "a press beside a bare durable commit, and while alerts come in",
    "intake": "alerts accepted beside Alertmanager, and that each is in one incident",
    "delivery": "from the push to the card: latency, bursts, slow and dead platforms",
    "tokens": "platform tokens asked for in a burst from an empty cache",
    "memory": "web and worker after 20 000 and 100 000 alerts",
    "costs": "processor time and bytes a piece, start-up, idling, pages",
    "large": "pages and cleaning up with a million incidents",
}
QUICK_RESULTS = Path(__file__).resolve().parent.parent / "var" / "bench"


def main(arguments: list[str]) -> int:
    options = parse(arguments)
    if options.list:
        print("\n".join(f"{name:10}{about}" for name, about in PARTS.items()))
        return 0
    shape = Shape(is_postgresql=options.postgres)
    report = Report(machine_facts(shape.label), options.quick, options.parts or list(PARTS))
    print(", ".join(f"{name.replace('_', ' ')} {value}" for name, value in report.facts.items()), flush=True)
    folder, is_latest = QUICK_RESULTS if options.quick else RESULTS, not options.parts
    for part in report.parts:
        run_part(part, shape, report)
        saved = report.save(folder, is_latest=is_latest)
    print(f"\n{saved}\n{verdict(report)}")
    return 0 if report.has_passed else 1


def verdict(report: Report) -> str:
    reached = "Every bar was reached." if report.has_passed else "NOT every bar was reached."
    if not report.busy_parts:
        return reached
    return f"{reached} Other programs ran beside {', '.join(report.busy_parts)}: repeat that on a quiet machine."


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], metavar="part", help=", ".join(PARTS))
    parser.add_argument("--quick", action="store_true", help="a minute a part; shows the order of things only")
    parser.add_argument(
        "--postgres", action="store_true", help="PostgreSQL and Redis, two web and two worker processes"
    )
    parser.add_argument("--list", action="store_true", help="what the parts are")
    return parser.parse_args(arguments)


def run_part(part: str, shape: Shape, report: Report) -> None:
    """Run one part on a stage of its own; a part that fails is told, and the others go on."""
    print(f"--- {part}: {PARTS[part]}", flush=True)
    try:
        with Watch() as watch:
            rows = measure(part, shape, quick=report.is_quick)
    except Exception as error:  # whatever a part may meet
        traceback.print_exc()
        report.failures[part] = f"{type(error).__name__}: {error}"[:500]
        return
    report.rows += rows
    report.meanwhile[part] = watch.meanwhile()
    print(table(rows), report.meanwhile[part].as_line(), sep="\n", flush=True)


def measure(part: str, shape: Shape, *, quick: bool) -> list[Row]:
    if part == "large":  # makes its databases itself, and needs no other program
        large = importlib.import_module("bench.large")
        size = {"incidents": 20_000, "runs": 10} if quick else {}
        return [comparison.as_row() for comparison in large.run(postgres=shape.is_postgresql, **size)]
    with Stage(shape) as stage:
        rows: list[Row] = importlib.import_module(f"bench.{part}").run(stage, quick=quick)
    return rows


if __name__ == "__main__":
    logging.disable(logging.WARNING)  # of the product, which is opened here to prepare and to look
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that whatever was started is stopped
    sys.exit(main(sys.argv[1:]))
