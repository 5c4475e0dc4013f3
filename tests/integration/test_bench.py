"""The smallest run of the benchmark: the product, the yardstick and the fake platform, side by side."""

from __future__ import annotations

import pytest

from bench import company, press
from bench.processes import Shape, Stage


@pytest.fixture(scope="module")
def stage():
    with Stage(Shape()) as stage:
        yield stage


def test_presses_are_measured_beside_a_bare_commit(stage):
    rows = press.measure_ratio(stage, press.Size(runs=1, rounds=4, warm_up=1))
    ratio = rows[0]
    assert (ratio.part, ratio.unit, ratio.bar) == ("press", "×", 2.0)
    assert all(row.value > 0 for row in rows)


def test_everybody_of_the_company_can_be_reached(stage):
    product = stage.prepare(company.company)
    known = company.Company.of(product.home)
    buttons = company.deliver_cards(product, known.main, 10)
    assert len(known.main.people) == company.CHANNELS * 5 == len(set(known.main.people))
    assert len(known.main.prometheus) == len(known.main.standard) == company.CHANNELS
    assert len({button.user_id for button in buttons}) == 5
    assert len({button.reference for button in buttons}) == 10
