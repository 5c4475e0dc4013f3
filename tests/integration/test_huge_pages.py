"""What a web process holds once it is ready lies in pages of 2 MB, where the system has them."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

import huge_pages

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 60
GATHERED = """
from pathlib import Path
from runpy import run_path
from types import SimpleNamespace

import huge_pages

held = [str(number) * 200 for number in range(20_000)]
made, gather = [], huge_pages.gather
huge_pages.gather = lambda: made.append(gather())
server = run_path("gunicorn.conf.py")
application = SimpleNamespace(extensions={"rehearse": lambda: made.append("rehearsed")})
server["post_worker_init"](SimpleNamespace(wsgi=application))
assert held == [str(number) * 200 for number in range(20_000)]
lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
print(*made, next(line.split()[1] for line in lines if line.startswith("AnonHugePages:")))
"""


def has_them() -> bool:
    if sys.platform != "linux" or not huge_pages._SWITCH.exists() or "[never]" in huge_pages._SWITCH.read_text():
        return False
    major, minor = platform.release().split(".")[:2]
    return (int(major), int("".join(filter(str.isdigit, minor)) or 0)) >= (6, 1)


@pytest.mark.skipif(not has_them(), reason="this system gathers no memory in huge pages")
def test_what_a_process_holds_once_it_is_ready_is_gathered() -> None:
    done = subprocess.run(
        [sys.executable, "-c", GATHERED], cwd=ROOT, env=os.environ, capture_output=True, text=True, timeout=SECONDS
    )
    assert not done.returncode, done.stderr
    rehearsed, pages, kilobytes = done.stdout.split()
    assert rehearsed == "rehearsed"
    assert 0 < 2048 * int(pages) <= int(kilobytes)


@pytest.mark.parametrize("other", ["system", "kernel", "wish"])
def test_who_has_or_wants_none_is_left_alone(other: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    switch = tmp_path / "enabled"
    if other != "kernel":
        switch.write_text("always madvise [never]\n" if other == "wish" else "always [madvise] never\n")
    monkeypatch.setattr(huge_pages, "_SWITCH", switch)
    monkeypatch.setattr(huge_pages, "_whole_pages", lambda: pytest.fail("it was looked for pages"))
    monkeypatch.setattr(sys, "platform", "darwin" if other == "system" else "linux")
    assert huge_pages.gather() == 0


def test_only_whole_pages_of_memory_of_its_own_are_gathered(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    mapped = tmp_path / "maps"
    mapped.write_text(
        "00200000-00600000 r-xp 00000000 fe:00 4711                       /usr/bin/python3\n"
        "00800000-00a00000 rw-p 00000000 00:00 0                          [heap]\n"
        "00b00000-01100000 rw-p 00000000 00:00 0 \n"
        "01300000-01500000 rw-p 00000000 00:00 0 \n"
        "01600000-01a00000 rw-p 00000000 00:00 0                          [stack]\n"
        "01c00000-02000000 ---p 00000000 00:00 0 \n"
    )
    monkeypatch.setattr(huge_pages, "_MAPPINGS", mapped)
    assert [hex(start) for start in huge_pages._whole_pages()] == ["0x800000", "0xc00000", "0xe00000"]
