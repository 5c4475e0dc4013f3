"""Libraries that would only be loaded for uses that are not ours stay out, and can still be imported later."""

from __future__ import annotations

import subprocess
import sys

import pytest

from slim_imports import without
from tests.conftest import ROOT


def test_what_is_left_out_can_be_imported_afterwards():
    name = "wave"  # a module of the standard library that nothing here uses
    sys.modules.pop(name, None)
    with without(name):
        try:
            __import__(name)
        except ImportError:
            was_there = False
        else:
            was_there = True
    assert not was_there
    assert __import__(name)
    with without(name):
        assert __import__(name), "what was imported before stays"


@pytest.mark.parametrize("program", ["app", "worker"])
def test_a_process_starts_without_libraries_that_it_may_not_need(program: str):
    code = f"import {program}, sys; print(*{{name.partition('.')[0] for name in sys.modules}})"
    said = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    needless = {"psycopg", "authlib", "joserfc", "rich", "pygments", "greenlet", "cffi", "pycparser"}
    assert needless.isdisjoint(said.stdout.split())
