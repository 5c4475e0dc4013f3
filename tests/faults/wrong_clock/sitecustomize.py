"""Loaded by Python at its start when this folder is on its path: the product's clock goes wrong by what a file says.

The product asks one function for the present. libfaketime cannot be used: with it `time.sleep` fails in Python 3.11.
"""

import os
from datetime import datetime, timedelta
from pathlib import Path

import services.clock

_right = services.clock.utcnow
_offset = Path(os.environ["DUTYBELL_TEST_CLOCK"])


def _wrong() -> datetime:
    return _right() + timedelta(seconds=float(_offset.read_text()))


services.clock.utcnow = _wrong
