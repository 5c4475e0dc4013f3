"""Importing a library without what it would bring along for uses that are not ours: memory of every process."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without(name: str) -> Iterator[None]:
    """Inside, an optional module that has not been imported yet seems not to be installed."""
    if name in sys.modules:
        yield
        return
    sys.modules[name] = None  # type: ignore[assignment]  # how the import system spells "not there"
    try:
        yield
    finally:
        del sys.modules[name]
