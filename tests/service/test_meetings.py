"""Two transactions that meet: what one decides is seen by the other, and neither waits for the other in a circle."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from errors import InvalidInput
from extensions import db
from models import CheckState, DeliveryState, Department, Integration, IntegrationCheck, Membership, Role
from platforms.base import CardPress
from services import api_tokens, checks, circuits, departments, incidents, send_scenes
from services.clock import utcnow
from tests.factories import NOW, make_member
from tests.fakes import press_of
from tests.service.messaging import Office, apply_press

BLOCKED_SECONDS = 0.4
"""How long something that has to wait for us is given to show that it does not."""


@contextmanager
def meanwhile(app: Flask, act: Callable[[], object]) -> Iterator[None]:
    """Let `act` run, in a transaction of its own, beside the body of the with statement, and end after it."""
    failures: list[BaseException] = []

    def run() -> None:
        try:
            with app.app_context():
                act()
                db.session.commit()
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(BLOCKED_SECONDS)
    try:
        yield
    finally:
        thread.join()
    assert not failures, failures


def test_a_change_that_meets_a_beginning_update_still_reaches_the_card(app: Flask, office: Office):
    delivery = office.tell()
    office.change(incidents.edit, changes={"title": "first"})
    office.clock.shift(3)
    incident = incidents.lock(office.ids[0], office.ids[1])
    incidents.edit(incident, by=office.lin, via="console", now=utcnow(), changes={"title": "second"})
    with meanwhile(app, office.runner.run_due):
        db.session.commit()
    office.pass_time(seconds=3)
    assert office.platform.by_reference(delivery.reference).shown.title == "[严重] second"


def test_two_that_prove_the_same_check_for_the_first_time_both_go_on(app: Flask, office: Office):
    integration_id = office.ids[3]
    checks.passed(office.integration, "message", now=utcnow())
    db.session.flush()
    with meanwhile(
        app, lambda: checks.passed(db.session.get_one(Integration, integration_id), "message", now=utcnow())
    ):
        db.session.commit()
    db.session.expire_all()
    assert [check.state for check in db.session.scalars(select(IntegrationCheck))] == [CheckState.PASSED]


def test_of_two_departments_that_are_moved_below_each_other_one_is(app: Flask):
    boss = make_member("boss", Role.ADMIN)
    one, other = (departments.create(name, None, by=boss, now=NOW) for name in ("甲", "乙"))
    ids, boss_id = (one.id, other.id), boss.id
    db.session.commit()
    departments.edit(one, "甲", other.id, by=boss, now=NOW)

    def move_back() -> None:
        second = db.session.get_one(Department, ids[1])
        with pytest.raises(InvalidInput):
            departments.edit(second, "乙", ids[0], by=db.session.get_one(Membership, boss_id), now=NOW)

    with meanwhile(app, move_back):
        db.session.commit()


def test_of_two_tokens_that_are_made_at_once_the_last_one_allowed_is_made(app: Flask):
    lin = make_member("lin")
    for number in range(api_tokens.TOKENS_PER_USER - 1):
        api_tokens.create(f"令牌 {number}", ["read"], by=lin, now=NOW)
    lin_id = lin.id
    db.session.commit()
    api_tokens.create("最后一个", ["read"], by=lin, now=NOW)

    def make_another() -> None:
        with pytest.raises(api_tokens.TooManyTokens):
            api_tokens.create("又一个", ["read"], by=db.session.get_one(Membership, lin_id), now=NOW)

    with meanwhile(app, make_another):
        db.session.commit()


def test_a_press_and_the_record_of_a_sending_do_not_wait_for_each_other(app: Flask, office: Office):
    shown = office.platform.by_reference(office.tell().reference).shown
    press = CardPress("genuine", "nonce", utcnow(), **press_of(shown, "开始处理"))
    office.clock.shift(60)
    incidents.lock(office.ids[0], office.ids[1])
    integration = db.session.get_one(Integration, office.ids[3])

    with meanwhile(app, lambda: apply_press(office.ids[3], press)):
        circuits.note_sent_at(integration.id, utcnow())
        db.session.commit()


def test_closing_and_the_beginning_of_a_sending_do_not_wait_for_each_other(
    app: Flask, office: Office, monkeypatch: pytest.MonkeyPatch
):
    (delivery,) = office.deliveries(office.notify())
    noted = threading.Event()
    read = send_scenes.read

    def slow_read(*arguments: Any, **values: Any) -> send_scenes.Scene | None:
        scene = read(*arguments, **values)
        noted.set()
        closing.join(BLOCKED_SECONDS)
        return scene

    def close() -> None:
        noted.wait()
        with app.app_context():
            incident = incidents.lock(office.ids[0], office.ids[1])
            by = db.session.get_one(Membership, office.ids[2])
            incidents.close(incident, by=by, via="console", now=utcnow())
            db.session.commit()
            closed.set()

    monkeypatch.setattr(send_scenes, "read", slow_read)
    closed = threading.Event()
    closing = threading.Thread(target=close)
    closing.start()
    office.work()
    closing.join()
    assert closed.is_set()
    assert delivery.state is DeliveryState.SENT
    assert "已关闭" in office.platform.by_reference(delivery.reference).shown.subtitle or office.pending("update_card")
