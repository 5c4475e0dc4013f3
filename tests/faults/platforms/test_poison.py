"""A row that cannot be handled: it fails and is shown, and everything behind it goes on."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from models import DeliveryState
from services import incident_cards
from tests.faults.platforms.kinds import once
from tests.faults.platforms.world import World, many

ALERTS = many(10)
GIVEN_UP_WITHIN = timedelta(hours=25)


@once
@pytest.mark.parametrize("poison", ["a template that raises", "a card that cannot be written"])
def test_a_poisoned_card_fails_and_is_shown_and_the_queue_goes_on(world: World, monkeypatch, poison):
    here = world.organisation()
    (first, *_others) = world.push(here, ALERTS)
    draw = incident_cards.draw

    def poisoned_draw(content):
        if content.title != first.alert_key:
            return draw(content)
        if poison == "a template that raises":
            raise ZeroDivisionError("in a template")
        return replace(draw(content), title=b"\xff")  # type: ignore[arg-type]

    monkeypatch.setattr(incident_cards, "draw", poisoned_draw)

    world.work()

    done = [d for d in world.deliveries() if d.incident_id != world.incident(first).id]
    assert {d.state for d in done} == {DeliveryState.SENT} and len(done) == ALERTS - 1
    world.settle(GIVEN_UP_WITHIN)
    (poisoned,) = [d for d in world.deliveries() if d.incident_id == world.incident(first).id]
    assert (poisoned.state, poisoned.failure_code) == (DeliveryState.FAILED, "internal")
