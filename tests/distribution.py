"""Which worker process runs which tests: a file's stay together, as they share what is dear to start; the dear first.

A process that has nothing left takes the next file from one queue, so that the short ones at its end fill the gaps.
Tests of processes and browsers wait half of their time: there is one process more than cores.
"""

from __future__ import annotations

import os

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

FLEETS = "tests/faults/test_"
"""These share fleets, which take longest of all to start, and each fleet belongs to one process."""
DEAREST_FIRST = (
    FLEETS,
    "tests/e2e/test_accessibility.py",
    "tests/e2e/test_connect_",
    "tests/e2e/",
    "tests/integration/",
    "tests/security/",
    "tests/faults/",
    "tests/service/test_storms.py",
    "tests/service/test_tem",
)


class Distribution(LoadScopeScheduling):
    """One queue of files in the order of collection."""

    def _split_scope(self, nodeid: str) -> str:
        return FLEETS if nodeid.startswith(FLEETS) else nodeid.partition("::")[0]


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Distribution | None:
    """Unless another distribution is asked for."""
    if config.getoption("dist") != "loadfile":
        return None
    config.option.loadscopereorder = False
    return Distribution(config, log)


def pytest_xdist_auto_num_workers() -> int:
    return (os.cpu_count() or 1) + 1


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: _turn(item.nodeid))


def _turn(nodeid: str) -> int:
    """When it is this test's turn, among the others; those that nothing is said about come last, as collected."""
    return next((turn for turn, start in enumerate(DEAREST_FIRST) if nodeid.startswith(start)), len(DEAREST_FIRST))
