"""Libraries that would only be loaded for uses that are not ours stay out, and can still be imported later."""

from __future__ import annotations

import subprocess
import sys

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


def test_the_application_does_not_load_a_driver_that_it_may_not_need():
    code = "import app, sys; raise SystemExit('psycopg' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
