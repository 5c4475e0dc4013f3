"""The scanners of `make check` can fail: a green step that cannot turn red proves nothing."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from scripts import check
from tests.conftest import ROOT

BIN = Path(sys.executable).parent
PLANTED = 'aws_secret = "' + "AKIA" + "IOSFODNN7EXAMPLF" + '"\n'
DANGEROUS = "import subprocess\nsubprocess.run(input(), shell=True)\n"


def run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    env = {"PATH": f"{BIN}:{os.environ['PATH']}", "HOME": str(folder), "PYTHONPATH": str(folder)}
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)


def test_a_planted_secret_is_found(tmp_path: Path) -> None:
    scripts = tmp_path / "scripts"
    scripts.mkdir()
    shutil.copy(ROOT / "scripts" / "check_secrets.py", scripts)
    (scripts / "secrets.baseline").write_text("[]")
    (tmp_path / "settings.py").write_text("hosts = 3\n")
    run(["git", "init", "--quiet"], tmp_path)
    run(["git", "add", "settings.py"], tmp_path)
    looking = [sys.executable, "scripts/check_secrets.py"]
    clean = run(looking, tmp_path)
    assert clean.returncode == 0, clean.stdout + clean.stderr
    (tmp_path / "settings.py").write_text(PLANTED)
    found = run(looking, tmp_path)
    assert found.returncode == 1, found.stdout + found.stderr
    assert "settings.py:1" in found.stdout


def test_a_dangerous_call_is_found(tmp_path: Path) -> None:
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    command = check.checks()["bandit"]
    options = command[1 : len(command) - len([name for name in check.PRODUCT if (ROOT / name).exists()])]
    (tmp_path / "app.py").write_text("answer = 42\n")
    bandit = [str(BIN / "bandit"), *options, "app.py"]
    assert run(bandit, tmp_path).returncode == 0
    (tmp_path / "app.py").write_text(DANGEROUS)
    found = run(bandit, tmp_path)
    assert found.returncode == 1, found.stdout + found.stderr


def test_a_check_that_fails_makes_the_whole_fail(monkeypatch, capsys) -> None:
    commands = {"good": [sys.executable, "-c", "pass"], "bad": [sys.executable, "-c", "raise SystemExit(1)"]}
    monkeypatch.setattr(check, "checks", lambda: commands)
    assert check.main([]) == 1
    assert check.main(["good"]) == 0


def test_the_product_is_looked_at_whole() -> None:
    """Every package and module of the product is in bandit's list."""
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    modules = {path.name for path in ROOT.glob("*.py")}
    left_out = {"tests", "simulator", "demo", "bench", "scripts"}
    assert (packages | modules) - left_out <= set(check.PRODUCT)
