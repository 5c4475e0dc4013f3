"""`make test` walks the same steps every time; a soak walks 10,000 others and prints the shortest that fail."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import time_machine
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.conftest import make_settings, running_app
from tests.factories import NOW
from tests.model.machine import Duty, Stage

ALWAYS: dict[str, Any] = {"deadline": None, "database": None, "suppress_health_check": list(HealthCheck)}
EVERY_TIME = settings(max_examples=60, stateful_step_count=30, derandomize=True, phases=[Phase.generate], **ALWAYS)
LONG = settings(max_examples=200, stateful_step_count=50, print_blob=True, **ALWAYS)


@pytest.fixture
def stage(data_folder: Path, sqlite_template: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    shutil.copy(sqlite_template, data_folder / "dutybell.sqlite")
    with time_machine.travel(NOW, tick=False) as clock, running_app(make_settings(data_folder)) as app:
        stage = Stage(app, clock)
        monkeypatch.setattr("services.integrations.platform_for", lambda integration: stage.platform)
        yield stage


def test_the_product_and_the_model_agree_whatever_happens_in_whatever_order(stage: Stage):
    is_soak = bool(os.environ.get("SOAK_MINUTES"))
    Duty.stage = stage
    run_state_machine_as_test(Duty, settings=LONG if is_soak else EVERY_TIME)
