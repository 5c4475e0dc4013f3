"""`python -m tests.mutations [word]`: make each mistake in a copy of the tree, run the tests that must notice, say so.

Fails if a text is gone, if a test is red without the mistake, or if it stays green with it.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.mutations.catalogue import MUTATIONS, Mutation

ROOT = Path(__file__).parents[2]
LEFT_OUT = (".git", ".venv*", "var", "__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis")
GREEN, RED = 0, 1


def main(words: Sequence[str]) -> int:
    chosen = [one for one in MUTATIONS if all(word in one.name for word in words)]
    with tempfile.TemporaryDirectory(prefix="mutations-") as folder:
        tree = Path(folder) / "tree"
        shutil.copytree(ROOT, tree, ignore=shutil.ignore_patterns(*LEFT_OUT))
        problems = _before(tree, chosen)
        results = [(one, _try(tree, one)) for one in chosen] if not problems else []
    for one, (verdict, seconds) in results:
        print(f"{verdict:<14}{seconds:5.1f} s  {one.name}  ({one.path})")
    problems += [f"nobody noticed: {one.name}" for one, (verdict, _) in results if verdict != "noticed"]
    print("\n".join(problems) or f"all {len(chosen)} mistakes were noticed")
    return 1 if problems else 0


def _before(tree: Path, chosen: Sequence[Mutation]) -> list[str]:
    """What is wrong with the catalogue itself, or with the tests as they are."""
    gone = [one for one in chosen if (tree / one.path).read_text().count(one.old) != 1]
    if gone:
        return [f"{one.path} does not hold this text once: {one.old!r}" for one in gone]
    tests = sorted({test for one in chosen for test in one.tests})
    status, output = _run(tree, tests)
    return [] if status == GREEN else [f"red without any mistake:\n{output[-3000:]}"]


def _try(tree: Path, one: Mutation) -> tuple[str, float]:
    path, began = tree / one.path, time.monotonic()
    text = path.read_text()
    path.write_text(text.replace(one.old, one.new))
    try:
        statuses = [_run(tree, [test])[0] for test in one.tests]
    finally:
        path.write_text(text)
    return "noticed" if set(statuses) == {RED} else "NOT NOTICED", time.monotonic() - began


def _run(tree: Path, tests: Sequence[str]) -> tuple[int, str]:
    options = ["-x", "-q", "-p", "no:cacheprovider", "-o", "timeout=200", "--tb=short", "--show-capture=no"]
    done = subprocess.run(
        [sys.executable, "-B", "-m", "pytest", *options, *tests], cwd=tree, capture_output=True, text=True
    )
    return done.returncode, done.stdout + done.stderr


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
