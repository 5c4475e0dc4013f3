"""Memory is tidied between tests instead of during them: each leaves an application with all its routes behind.

The interpreter looks for garbage among everything that lives, also the thousands of modules and collected tests,
whenever a quarter more has come; that took every fifth second of the processor. Here it looks only among what is new
since it looked last, when a test has ended and has left enough; a test that goes on for long is interrupted, too.
"""

from __future__ import annotations

import gc

import pytest

ENOUGH = 20_000
"""New objects that are worth a look after a test; about as many as one application is made of."""
TOO_MANY = 500_000
"""New objects at which a test is interrupted: some 50 MB."""


def pytest_collection_finish(session: pytest.Session) -> None:
    _tidy()
    gc.set_threshold(TOO_MANY)


def pytest_runtest_logfinish(nodeid: str) -> None:
    """After a test's fixtures have gone, too."""
    if gc.get_count()[0] > ENOUGH:
        _tidy()


def _tidy() -> None:
    """Take away what nobody refers to, and never look at the rest again: what is left now will stay."""
    gc.collect()
    gc.freeze()
