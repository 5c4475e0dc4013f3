"""Cards that cannot be changed any more, people who press late, twice, or both at once."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import select

from extensions import db
from models import Card, CardState, Job, JobState, Progress, TimelineEntry
from services import held_cards, incidents
from services.clock import utcnow
from tests.faults.history import RECORDED_AS, Push
from tests.faults.platforms.kinds import each, where
from tests.faults.platforms.world import Organisation, World, many

CREATED = re.compile("<CreateTime>.*?</CreateTime>")
RACES = many(6, 334)
UNCHANGEABLE = {CardState.STALE, CardState.FROZEN}


def sent(world: World, **channel):
    """One alert whose card arrived."""
    here = world.organisation(people=2, **channel)
    (push,) = world.push(here)
    world.settle()
    assert world.card(push)
    db.session.rollback()
    return here, push


def recorded(world: World, push) -> list[str]:
    entries = select(TimelineEntry.type).where(TimelineEntry.incident_id == world.incident(push).id)
    return list(db.session.scalars(entries.order_by(TimelineEntry.id)))


def card_of(world: World, push) -> Card:
    return db.session.scalars(select(Card).where(Card.incident_id == world.incident(push).id)).one()


def close_elsewhere(world: World, push) -> None:
    incident = world.incident(push)
    incidents.recover_all([incidents.lock(incident.id, incident.tenant_id)], now=utcnow())
    db.session.commit()


@each("refusal", lambda kind: [(fault,) for fault in kind.update_refusals])
def test_a_card_that_cannot_be_changed_is_tried_once_and_waits_for_its_person(world: World, refusal):
    _, push = sent(world)
    world.fault(refusal, path=world.kind.update)
    close_elsewhere(world, push)

    world.pass_time(minutes=30)

    assert len(world.calls(world.kind.update)) == 1
    assert card_of(world, push).state in UNCHANGEABLE
    assert sum(held_cards.of_incident(world.incident(push)).counts) == 1
    assert db.session.scalars(select(Job).where(Job.state == JobState.DEAD)).all() == []
    world.heal()
    press = world.press(push, "refresh" if world.kind.capabilities().has_refresh_button else "acknowledge")
    assert "故障已自动关闭" in press.answers[-1].text
    world.check()


def updatable_for(world: World) -> timedelta:
    capabilities = world.kind.capabilities()
    return timedelta(days=capabilities.update_days, hours=capabilities.update_code_hours)


@where(lambda capabilities: capabilities.update_code_hours or capabilities.update_days)
def test_a_card_that_is_too_old_to_be_changed_is_not_even_tried(world: World):
    _, push = sent(world)
    world.clock.shift(updatable_for(world) + timedelta(minutes=1))
    close_elsewhere(world, push)

    world.pass_time(minutes=30)

    assert world.calls(world.kind.update) == []
    assert card_of(world, push).state in UNCHANGEABLE
    world.check()


def test_an_update_is_not_lost_when_the_platform_is_down(world: World):
    _, push = sent(world)
    world.fault("http_502_html", path=world.kind.update)
    close_elsewhere(world, push)
    world.pass_time(seconds=25)

    world.heal()
    world.pass_time(minutes=2)

    assert world.card(push)["updates"] == 1
    assert card_of(world, push).state is CardState.LIVE
    world.check()


def test_a_press_on_a_card_two_states_old_does_nothing_and_shows_what_is(world: World):
    here, push = sent(world)
    old = world.card(push)
    world.press(push, "acknowledge")
    world.press(push, "close")
    later = world.card(push)
    has_refresh_button = world.kind.capabilities().has_refresh_button
    assert [button["text"] for button in later["buttons"]] == ["状态刷新"] * has_refresh_button

    answer = world.event(here, push, old, "acknowledge")

    assert answer.status == 200 and f"{push.person} 已于" in answer.text and "关闭" in answer.text
    assert world.incident(push).progress is Progress.CLOSED
    assert [entry for entry in recorded(world, push) if entry in RECORDED_AS.values()] == ["ack", "close"]
    world.check()


@where(lambda capabilities: not capabilities.has_groups)
def test_a_press_whose_answer_got_lost_counts_once_however_often_it_comes(world: World):
    _, push = sent(world)
    world.fault("callback_lost", count=2)

    world.press(push, "acknowledge")

    world.pass_time(seconds=10)
    assert recorded(world, push).count("ack") == 1
    world.check()


def at_once(*calls: Callable[[], Any]) -> list[Any]:
    """Make the calls from threads that start together; their results in order."""
    together = Barrier(len(calls))

    def run(call: Callable[[], Any]) -> Any:
        together.wait()
        return call()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


def one_after_the_other(world: World, here: Organisation, count: int) -> Iterator[Push]:
    """Alerts so far apart that each has a card of its own, however many there are."""
    for _ in range(count):
        world.pass_time(seconds=5)
        (push,) = world.push(here)
        world.work()
        yield push


@pytest.mark.parametrize("actions", [("acknowledge", "close"), ("snooze", "close"), ("acknowledge", "snooze")])
def test_of_two_people_who_press_at_once_one_is_first_and_the_other_is_told(world: World, actions):
    here = world.organisation(people=2)
    first, second = here.people
    for push in one_after_the_other(world, here, RACES):
        card = world.card(push)
        told = at_once(
            partial(world.event, here, push, card, actions[0], person=first),
            partial(world.event, here, push, card, actions[1], person=second),
        )
        entries = [entry for entry in recorded(world, push) if entry in RECORDED_AS.values()]
        names = [RECORDED_AS[action] for action in actions]
        assert entries in (names, names[::-1], ["close"])
        if entries == ["close"]:
            assert f"{second} 已于" in told[0].text and "关闭" in told[0].text
    world.pass_time(seconds=30)
    world.check()


def test_the_same_event_three_times_at_once_and_twice_later_is_one_press(world: World):
    here = world.organisation(people=2)
    for push in one_after_the_other(world, here, RACES):
        card = world.card(push)
        code = f"code-{push.alert_key}"
        once = partial(world.event, here, push, card, "acknowledge", code=code)
        answers = at_once(once, once, once)
        for _ in range(2):
            world.pass_time(seconds=5)
            answers.append(once())
        assert len({CREATED.sub("", answer.text) for answer in answers}) == 1 and "处理" in answers[0].text
        assert recorded(world, push).count("ack") == 1
    world.check()


def test_a_press_whose_time_has_gone_by_is_refused_and_a_wrong_signature_too(world: World):
    here, push = sent(world)
    card = world.card(push)
    late = int(utcnow().timestamp()) - 601
    for change in ({"timestamp": late}, *world.kind.forgeries):
        assert world.event(here, push, card, "close", **change).status == 403
    assert world.incident(push).progress is Progress.TRIGGERED
