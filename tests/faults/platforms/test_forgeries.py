"""A flood of callbacks that nobody signed: cheap, quiet, and without any effect. How fast it is, the bench tells."""

from __future__ import annotations

import json
import logging
import time
from contextvars import Context

import pytest
from sqlalchemy import event, func, select

from extensions import db
from models import AuditEntry, Incident, Job, Receipt, TimelineEntry
from platforms.feishu.crypto import EventCipher
from tests.faults.platforms.kinds import each
from tests.faults.platforms.world import World, many

FLOOD = many(300, 5000)
LINES_A_SECOND = 1
TABLES = (Receipt, Job, TimelineEntry, Incident, AuditEntry)


def counted() -> list[int]:
    db.session.rollback()
    return [db.session.scalar(select(func.count()).select_from(table)) or 0 for table in TABLES]


def test_a_flood_of_bad_signatures_writes_nothing_and_a_line_a_second(world: World, caplog: pytest.LogCaptureFixture):
    here = world.organisation(people=1)
    world.push(here)
    world.settle()
    before, began = counted(), []
    event.listen(db.engine, "before_cursor_execute", lambda c, cursor, text, *_: began.append(text), named=False)
    client = world.flask.test_client()
    db.session.commit()
    began.clear()
    began_at = time.monotonic()
    with caplog.at_level(logging.INFO):
        for number in range(FLOOD):
            forged = world.kind.unsigned(number)
            path, told = here.application.callback_path(forged.purpose), (forged.query, forged.headers)
            answer = Context().run(client.post, path, query_string=told[0], headers=told[1], data=forged.body)
            assert answer.status_code == 403 and answer.data == b""
    seconds = time.monotonic() - began_at

    lines = [record for record in caplog.records if record.name != "access"]
    assert len(lines) <= 1 + seconds * LINES_A_SECOND
    assert not any(text.startswith("BEGIN IMMEDIATE") for text in began)
    assert counted() == before


@each("", lambda kind: [()] if kind.slug == "feishu" else [])
def test_a_challenge_with_another_token_is_not_echoed(world: World):
    """Whether it is encrypted or not: only who has the Encrypt Key and the Verification Token learns anything."""
    here = world.organisation(people=1)
    challenge = {"challenge": "echo-me", "token": "another", "type": "url_verification"}
    sealed = {"encrypt": EventCipher(here.application.secrets["encrypt_key"]).encrypt(json.dumps(challenge).encode())}
    right = challenge | {"token": here.application.secrets["verification_token"]}
    client = world.flask.test_client()
    for purpose in world.kind.capabilities().callbacks:
        for body in (challenge, sealed, right):
            answer = Context().run(client.post, here.application.callback_path(purpose), json=body)
            assert (answer.status_code, answer.data) == (403, b"")
