"""Other people's implementations, asked over a pipe. Without .venv-oracles (`make test-oracles`) tests are skipped."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.contract.conftest import receiver, simulator, started_simulator

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".venv-oracles/bin/python"

__all__ = ["receiver", "simulator", "started_simulator"]


class OracleRefused(Exception):
    """The oracle raised; the text names its exception."""


class Oracle:
    """One process of .venv-oracles that answers line by line."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def ask(self, call: str, **values: Any) -> Any:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps({"call": call} | values) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        if "error" in answer:
            raise OracleRefused(f"{answer['error']}: {answer['detail']}")
        return answer["result"]


@contextmanager
def running(script: str) -> Iterator[Oracle]:
    """A script of this folder under .venv-oracles."""
    if not PYTHON.exists():
        pytest.skip("no .venv-oracles: run `make test-oracles`")
    path = Path(__file__).with_name(script)
    with subprocess.Popen([PYTHON, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield Oracle(process)
        assert process.stdin
        process.stdin.close()


@pytest.fixture(scope="session")
def wechatpy() -> Iterator[Oracle]:
    with running("wechatpy_oracle.py") as oracle:
        yield oracle


@pytest.fixture(scope="session")
def dingtalk_sdk() -> Iterator[Oracle]:
    with running("dingtalk_oracle.py") as oracle:
        yield oracle


@pytest.fixture(scope="session")
def dingtalk_stream() -> Iterator[Oracle]:
    with running("dingtalk_stream_oracle.py") as oracle:
        yield oracle


@pytest.fixture(scope="session")
def lark() -> Iterator[Oracle]:
    """lark-oapi, one process for all tests: importing it takes some ten seconds."""
    with running("lark_oracle.py") as oracle:
        yield oracle
