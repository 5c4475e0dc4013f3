"""Callbacks that were captured and come again, and cards that are changed while their press is being answered."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterable, Mapping
from contextvars import Context
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select
from werkzeug.datastructures import EnvironHeaders
from werkzeug.test import TestResponse
from werkzeug.wsgi import ClosingIterator

from app import create_app
from extensions import db
from models import Card, Progress
from services import held_cards
from services.clock import utcnow
from tests.faults.platforms.test_cards import recorded, sent
from tests.faults.platforms.world import World, many

REPLAYS = many(3, 20)
TOO_LATE_SECONDS = 601
REFUSED = 403


@dataclass(frozen=True)
class Captured:
    """A request as somebody on the wire sees it."""

    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    def send(self, app: Flask) -> TestResponse:
        sending = app.test_client().post
        query, headers = dict(self.query), dict(self.headers)
        return Context().run(sending, self.path, query_string=query, headers=headers, data=self.body)

    def at(self, seconds: int) -> Captured:
        """With another time beside the old signature, wherever a time stands, in its own unit."""

        def changed(values: Mapping[str, str]) -> dict[str, str]:
            return {
                name: str(seconds)[:10].ljust(len(value), "0") if name.lower().endswith("timestamp") else value
                for name, value in values.items()
            }

        return replace(self, query=changed(self.query), headers=changed(self.headers))


@dataclass
class Wire:
    """Between the platform and us: keeps what comes in.

    before_answer  done while the answer has not left yet; has_left: once it has, and we have looked back at it
    """

    inner: Callable[..., Iterable[bytes]]
    requests: list[Captured] = field(default_factory=list)
    before_answer: Callable[[], None] = lambda: None
    has_left: threading.Event = field(default_factory=threading.Event)

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        body = environ["wsgi.input"].read()
        environ["wsgi.input"] = io.BytesIO(body)
        query = dict(pair.split("=", 1) for pair in environ["QUERY_STRING"].split("&") if pair)
        kept = Captured(environ["PATH_INFO"], query, dict(EnvironHeaders(environ)), body)
        answer = self.inner(environ, start_response)
        chunks = list(answer)
        if "/callback/" in kept.path:
            self.requests.append(kept)
            self.before_answer()
        return ClosingIterator(chunks, [answer.close, self.has_left.set])  # type: ignore[attr-defined]


@pytest.fixture
def wire(world: World) -> Wire:
    wire = Wire(world.flask.wsgi_app)
    world.flask.wsgi_app = wire  # type: ignore[method-assign]
    return wire


def test_a_captured_press_has_no_effect_again_nor_after_a_restart_nor_with_another_time(world: World, wire: Wire):
    _, push = sent(world)
    world.press(push, "acknowledge")
    captured = wire.requests[-1]
    db.session.commit()
    restarted = create_app(world.settings)

    again = [captured.send(app).status_code for app in (world.flask, restarted) for _ in range(REPLAYS)]
    world.clock.shift(TOO_LATE_SECONDS)
    newer = [captured.at(int(utcnow().timestamp()) + number).send(restarted).status_code for number in range(REPLAYS)]
    late = [captured.send(app).status_code for app in (world.flask, restarted) for _ in range(REPLAYS)]

    assert set(again) <= {200, REFUSED}
    assert set(newer + late) == {REFUSED}
    assert recorded(world, push).count("ack") == 1
    world.check()


def test_a_card_that_is_updated_while_its_press_is_answered_shows_both(world: World, wire: Wire):
    """R26: what a platform is told before our answer has left, it may take back; and the answer shows what was then."""
    here = world.organisation(people=2)
    (push,) = world.push(here, event_status="Warning")
    world.settle()
    card = world.card(push)

    def change_and_work() -> None:
        with world.flask.app_context():
            world.push_again(here, push, event_status="Critical")
            for _ in range(2):
                world.clock.shift(3)
                world.work()

    def meanwhile() -> None:
        wire.before_answer = lambda: None
        worker = threading.Thread(target=change_and_work)
        worker.start()
        worker.join()

    wire.before_answer = meanwhile
    wire.has_left.clear()
    world.press(push, "acknowledge", card=card)
    assert wire.has_left.wait(10)
    world.pass_time(seconds=30)

    assert world.incident(push).progress is Progress.PROCESSING
    assert world.calls(world.kind.update)
    if world.kind.capabilities().updates_need_codes:  # the last right is spent: that is said, and a press mends it
        assert held_cards.of_incident(world.incident(push)).stale_count == 1
        world.press(push, "refresh")
    shown = str(world.card(push)["card"])
    assert "[严重]" in shown and "处理中" in shown
    world.check()


def test_a_repeat_that_is_answered_as_before_leaves_the_newest_state_on_the_card(world: World, wire: Wire):
    here = world.organisation(people=2)
    (push,) = world.push(here, event_status="Warning")
    world.settle()
    world.press(push, "acknowledge")
    captured = wire.requests[-1]
    world.push_again(here, push, event_status="Critical")
    world.pass_time(seconds=5)
    card_id, shown = db.session.execute(select(Card.id, Card.shown_fingerprint)).one()
    assert shown and "[严重]" in str(world.card(push)["card"])

    db.session.rollback()

    with captured.send(world.flask) as repeated:
        assert repeated.status_code == 200
    assert db.session.get_one(Card, card_id).shown_fingerprint == "", "the repeat took it back"
    world.pass_time(seconds=5)
    db.session.rollback()
    is_mended = db.session.get_one(Card, card_id).shown_fingerprint == shown
    assert is_mended or held_cards.of_incident(world.incident(push)).stale_count == 1
