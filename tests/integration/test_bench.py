"""The smallest run of the benchmark: the product, the yardstick and the fake platforms, side by side."""

from __future__ import annotations

import pytest

from bench import company, delivery, press
from bench.platforms import PLATFORMS
from bench.product import Shape
from bench.stage import Stage

CHANNELS = 9
"""As many as the most applications of one platform, so that each of them is tried."""


@pytest.fixture(scope="module")
def stage():
    with pytest.MonkeyPatch.context() as patch, Stage(Shape()) as stage:
        patch.setattr(company, "CHANNELS", CHANNELS)
        yield stage


def test_presses_of_every_platform_are_measured_beside_a_bare_commit(stage):
    rows = press.measure_ratios(stage, press.Size(runs=1, rounds=4, warm_up=1))
    ratios = [row for row in rows if row.name == "press ÷ bare durable commit"]
    assert [row.platform for row in ratios] == list(PLATFORMS)
    assert {(row.part, row.unit, row.bar) for row in ratios} == {("press", "×", 2.0)}
    assert all(row.value > 0 for row in rows if row.unit == "×")  # processor time is counted in hundredths of a second


def test_cards_of_every_platform_arrive_through_every_application(stage):
    with stage.product(company.company) as product:
        for platform, organisation in company.Company.of(product.home).by_platform.items():
            stage.fake.reset()
            _, arrivals = delivery.push_burst(stage.fake, product, organisation, CHANNELS * 5)
            assert len(arrivals) == CHANNELS * 5
            assert len({application for _, application, *_ in arrivals}) == len(organisation.applications)
            assert {user for _, _, user, _ in arrivals} == {
                PLATFORMS[platform].person(name) for name in organisation.people
            }
            assert set(stage.fake.tokens().values()) <= {1}  # or none, where a list was asked for before


def test_everybody_of_the_company_can_be_reached(stage):
    product = stage.prepare(company.company)
    for known in company.Company.of(product.home).by_platform.values():
        buttons = company.deliver_cards(product, known, 10)
        assert len(known.people) == CHANNELS * 5 == len(set(known.people))
        assert len(known.prometheus) == len(known.standard) == CHANNELS
        assert len({button.user_id for button in buttons}) == 5
        assert len({button.reference for button in buttons}) == 10
