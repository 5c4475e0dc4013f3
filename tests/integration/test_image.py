"""The container image, as far as it can be tried without a container engine: what it holds, runs."""

from __future__ import annotations

import fnmatch
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from tests.conftest import ROOT
from tests.servers import KEPT_FROM_HERE


def is_left_out(path: str, patterns: list[str]) -> bool:
    """Whether .dockerignore keeps a path of the repository out of the image. The last pattern that fits decides."""
    left_out = False
    parts = path.split("/")
    for pattern in patterns:
        word, keeps = pattern.removeprefix("!"), pattern.startswith("!")
        anywhere = word.startswith("**/")
        tried = parts if anywhere else parts[:1]
        if any(fnmatch.fnmatchcase(part, word.removeprefix("**/")) for part in tried):
            left_out = not keeps
    return left_out


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files that `COPY . .` takes, and the compiled translations."""
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    patterns = [line for line in lines if line and not line.startswith("#")]
    folder = tmp_path_factory.mktemp("image")
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    compiled = [str(path.relative_to(ROOT)) for path in (ROOT / "translations").rglob("*.mo")]
    for name in [*listed.splitlines(), *compiled]:
        if not is_left_out(name, patterns) and (ROOT / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes((ROOT / name).read_bytes())
    return folder


def run(image: Path, home: Path, *command: str) -> subprocess.CompletedProcess[str]:
    env = {name: os.environ[name] for name in KEPT_FROM_HERE if name in os.environ}
    env |= {"DUTYBELL_HOME": str(home), "FLASK_APP": "app", "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run([sys.executable, *command], cwd=image, env=env, capture_output=True, text=True, check=False)


def test_its_commands_find_all_they_import(image: Path, tmp_path: Path):
    assert not (image / "tests").exists()
    assert not (image / "simulator").exists()
    migrated = run(image, tmp_path, "-m", "flask", "db", "upgrade")
    assert migrated.returncode == 0, migrated.stderr
    served = run(image, tmp_path, "-m", "gunicorn", "--check-config", "app:create_app()")
    assert served.returncode == 0, served.stderr
    helped = run(image, tmp_path, "-m", "flask", "worker", "--help")
    assert helped.returncode == 0, helped.stderr


def test_compose_names_only_settings_that_exist():
    services = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    given = {name for service in services.values() for name in service.get("environment", {})}
    given |= {line.split("=")[0] for line in (ROOT / "production.env.example").read_text().splitlines() if "=" in line}
    readers = [ROOT / name for name in ("config.py", "gunicorn.conf.py", "metrics.py")]
    known = "\n".join(path.read_text() for path in readers)
    ours = {name for name in given if not name.startswith(("POSTGRES_", "#"))}
    assert [name for name in sorted(ours) if f'"{name}"' not in known] == []


def test_the_health_check_of_a_worker_looks_at_its_heartbeat(tmp_path: Path):
    probe = [sys.executable, "scripts/probe.py", str(tmp_path / "heartbeat")]
    assert subprocess.run(probe, cwd=ROOT, capture_output=True, check=False).returncode == 1
    (tmp_path / "heartbeat").touch()
    assert subprocess.run(probe, cwd=ROOT, capture_output=True, check=False).returncode == 0
    long_ago = time.time() - 3600
    os.utime(tmp_path / "heartbeat", (long_ago, long_ago))
    assert subprocess.run(probe, cwd=ROOT, capture_output=True, check=False).returncode == 1
