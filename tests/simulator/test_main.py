"""`python -m simulator`: prints where it listens, ends on a signal, keeps its state."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
import requests

ROOT = Path(__file__).parents[2]


@pytest.fixture
def run():
    """Start the simulator as a program; returns the process and its address."""
    running = []

    def start(*arguments):
        command = [sys.executable, "-m", "simulator", "--port", "0", *arguments]
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        running.append(process)
        assert process.stdout
        line = process.stdout.readline()
        assert line.startswith("simulator: listening on http://localhost:")
        return process, line.rpartition(" ")[2].strip().replace("localhost", "127.0.0.1")

    yield start
    for process in running:
        process.kill()
        process.communicate()


def test_a_second_start_continues_where_the_first_ended(run, tmp_path):
    state = str(tmp_path / "simulator.json")
    first, address = run("--state", state)
    requests.post(f"{address}/control/wecom/corps", json={"name": "甲", "corp_id": "wwkept"}, timeout=30)
    first.send_signal(signal.SIGTERM)
    assert first.wait(timeout=30) == 0
    _, address = run("--state", state)
    corps = requests.get(f"{address}/control/state", timeout=30).json()["wecom"]["corps"]
    assert [corp["corp_id"] for corp in corps] == ["wwkept"]


def test_a_taken_port_is_said_in_one_line(run):
    _, address = run()
    port = address.rpartition(":")[2]
    command = [sys.executable, "-m", "simulator", "--port", port]
    second = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert second.returncode == 1
    assert f"127.0.0.1:{port}" in second.stderr
    assert "Traceback" not in second.stderr
