"""What monitoring systems send, and what strangers send."""

from __future__ import annotations

import io
import json
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import pytest
from limits import RateLimitItemPerMinute, RateLimitItemPerSecond
from sqlalchemy import func, select
from sqlalchemy.exc import OperationalError

from blueprints.intake import crowd, rates, storing
from extensions import db
from jobs.handlers import HANDLERS
from jobs.runner import Runner
from models import Alert, AlertSource, Incident, Progress, Role, TenantStatus
from services import alert_sources, stored_pushes
from tests.factories import NOW, make_channel, make_member

FIXTURES = Path(__file__).parents[1] / "fixtures"
STANDARD = "/event/push/alert/standard"
PROMETHEUS = "/event/push/alert/prometheus"
EVENT = {"title_rule": "CPU", "event_status": "Critical", "alert_key": "k1"}


def make_source(type):
    return alert_sources.create(
        make_channel(f"空间 {type}").id, type, f"来源 {type}", by=make_member("admin", Role.ADMIN), now=NOW
    )


@pytest.fixture
def source(app):
    return make_source("standard")


@pytest.fixture
def alertmanager(app):
    source = make_source("prometheus")
    db.session.commit()  # the journal is written on a connection of its own
    return source


@pytest.fixture
def push(client, source):
    """Push to the standard source; the body may be anything JSON, or bytes."""
    key = alert_sources.current_key(source)

    def push(body, **kwargs):
        data = body if isinstance(body, bytes) else json.dumps(body)
        options = {"query_string": {"integration_key": key}, "content_type": "application/json"} | kwargs
        return client.post(STANDARD, data=data, **options)

    return push


def refusal(answer):
    assert set(answer.json) == {"request_id", "error"}
    assert set(answer.json["error"]) == {"code", "message"}
    return answer.status_code, answer.json["error"]["code"], answer.json["error"]["message"]


def count(model):
    return db.session.scalar(select(func.count()).select_from(model))


def test_the_documented_example_works(push):
    trigger = json.loads((FIXTURES / "standard" / "trigger.json").read_text())
    answer = push(trigger)
    assert answer.status_code == 200
    assert answer.json.pop("request_id")
    assert answer.json["data"] == {"alert_key": "disk-full:db-03:/data", "result": "alert_created"}
    assert answer.json["warnings"] == []
    assert push(trigger).json["data"]["result"] == "duplicate"
    assert push(trigger | {"event_status": "Warning"}).json["data"]["result"] == "alert_updated"
    assert push(trigger | {"event_status": "Ok"}).json["data"]["result"] == "alert_recovered"
    assert push(trigger | {"event_status": "Ok"}).json["data"]["result"] == "recovery_without_alert"
    incident = db.session.scalars(select(Incident)).one()
    assert (incident.title, incident.progress) == ("db-03 / disk.used>95%", Progress.CLOSED)


def test_a_derived_key_is_answered(push):
    first = push({"title_rule": "CPU", "event_status": "Info"}).json["data"]
    assert push({"title_rule": "CPU", "event_status": "Info"}).json["data"] == {
        "alert_key": first["alert_key"],
        "result": "duplicate",
    }


def test_alertmanager_is_answered_in_its_shape(app, client, alertmanager):
    body = json.loads((FIXTURES / "alertmanager" / "group_of_three.json").read_text())
    key = alert_sources.current_key(alertmanager)
    answer = client.post(PROMETHEUS, json=body, headers={"Authorization": f"Bearer {key}"})
    assert answer.status_code == 200
    assert answer.json["data"] == {
        "accepted": 2,
        "rejected": [{"index": 1, "reason": "status must be firing or resolved, got 'on fire'"}],
    }
    db.session.rollback()
    assert count(Incident) == 0, "answered before anything is dispatched"
    db.session.rollback()
    Runner(app, HANDLERS, timedelta(seconds=60)).run_due()
    assert count(Incident) == 2
    stored = db.session.scalars(select(AlertSource).execution_options(populate_existing=True)).one()
    assert (stored.event_count, stored.rejected_count) == (2, 1)
    assert stored.last_error["message"].startswith("alerts[1]: status must be")


def test_a_key_of_a_journalled_source_ends_at_once(client, alertmanager):
    """The key is remembered for a second, and looked at once more when the push is stored."""
    body = json.loads((FIXTURES / "alertmanager" / "group_of_three.json").read_text())
    headers = {"X-Integration-Key": alert_sources.current_key(alertmanager)}
    db.session.rollback()
    assert client.post(PROMETHEUS, json=body, headers=headers).status_code == 200
    alertmanager.is_enabled = False
    db.session.commit()
    answer = client.post(PROMETHEUS, json=body, headers=headers)
    assert refusal(answer) == (403, "AccessDenied", "this alert source is disabled")
    db.session.delete(alertmanager)
    db.session.commit()
    assert client.post(PROMETHEUS, json=body, headers=headers).status_code == 401


def test_a_locked_journal_is_503(client, alertmanager, monkeypatch):
    def locked(*_args, **_kwargs):
        raise OperationalError("INSERT", {}, Exception("database is locked"))

    headers = {"X-Integration-Key": alert_sources.current_key(alertmanager)}
    db.session.rollback()
    body = {"version": "4", "alerts": [{"status": "firing", "labels": {"alertname": "CPU"}}]}
    with monkeypatch.context() as broken:
        broken.setattr(stored_pushes, "insert_rows", locked)
        answer = client.post(PROMETHEUS, json=body, headers=headers)
    assert refusal(answer)[:2] == (503, "InternalError")
    assert int(answer.headers["Retry-After"]) >= 1
    assert client.post(PROMETHEUS, json=body, headers=headers).json["data"] == {"accepted": 1, "rejected": []}


def test_a_group_of_nothing_but_mistakes_is_not_sent_again(client, alertmanager):
    key = alert_sources.current_key(alertmanager)
    answer = client.post(PROMETHEUS, json={"version": "4", "alerts": [1]}, headers={"X-Integration-Key": key})
    assert (answer.status_code, answer.json["data"]["accepted"]) == (200, 0)


@pytest.mark.parametrize("where", ["address", "header", "bearer"])
def test_the_key_may_be_in_three_places(client, source, where):
    key = alert_sources.current_key(source)
    options = {
        "address": {"query_string": {"integration_key": key}},
        "header": {"headers": {"X-Integration-Key": key}},
        "bearer": {"headers": {"Authorization": f"Bearer {key}"}},
    }[where]
    assert client.post(STANDARD, json=EVENT, **options).status_code == 200


@pytest.mark.parametrize("key", ["", "k_wrong", "x" * 5000, "%00", "\u0000", "' OR 1=1 --", "Bearer "])
def test_a_wrong_key_is_unauthorized(client, source, key):
    answer = client.post(STANDARD, json=EVENT, query_string={"integration_key": key})
    assert refusal(answer) == (401, "Unauthorized", "integration_key is missing or unknown")
    assert client.post(STANDARD, json=EVENT).status_code == 401


def test_a_stranger_is_refused_before_the_body_is_read(client, source):
    answer = client.post(STANDARD, data=b"x" * 3_000_000, content_type="text/plain")
    assert refusal(answer)[:2] == (401, "Unauthorized")


def test_a_replaced_key_works_until_its_end(push, source, time_machine):
    from services.clock import utcnow

    alert_sources.rotate(source, by=make_member("admin", Role.ADMIN), now=utcnow())
    assert push(EVENT).status_code == 200
    time_machine.move_to(utcnow() + alert_sources.OVERLAP)
    assert push(EVENT).status_code == 401


def test_disabled_and_frozen_are_denied(push, source):
    source.is_enabled = False
    assert refusal(push(EVENT)) == (403, "AccessDenied", "this alert source is disabled")
    source.is_enabled = True
    tenant = make_member("admin").tenant
    tenant.status = TenantStatus.FROZEN
    assert refusal(push(EVENT)) == (403, "AccessDenied", "this organisation is frozen")
    assert count(Alert) == 0


def test_a_disabled_channel_is_answered_200(push, source):
    source.channel.is_enabled = False
    assert push(EVENT).json["data"] == {"alert_key": "k1", "result": "dropped", "reason": "channel_disabled"}


def test_the_address_must_fit_the_source(client, alertmanager):
    key = alert_sources.current_key(alertmanager)
    status, code, message = refusal(client.post(STANDARD, json=EVENT, query_string={"integration_key": key}))
    assert (status, code) == (400, "InvalidParameter")
    assert "push to /event/push/alert/prometheus" in message


def test_unknown_kinds_and_methods(client):
    assert refusal(client.post("/event/push/alert/zabbix", json={}))[:2] == (404, "RouteNotFound")
    assert client.get(STANDARD).status_code == 405


@pytest.mark.parametrize("content_type", ["", "text/plain", "application/x-www-form-urlencoded", "text/json"])
def test_only_json_by_its_header(push, content_type):
    assert refusal(push(EVENT, content_type=content_type))[:2] == (400, "InvalidContentType")


@pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", "application/vnd.api+json"])
def test_kinds_of_json(push, content_type):
    assert push(EVENT, content_type=content_type).status_code == 200


def test_compressed_bodies_are_named(push):
    assert refusal(push(b"\x1f\x8b", headers={"Content-Encoding": "gzip"}))[1] == "InvalidContentType"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"a": \n oops}', "line 2, column 2"),
        (b"", "line 1, column 1"),
        (b'{"a": NaN}', "NaN"),
        (b"[" * 100_000, "nested deeper than 32"),
        (b'{"event_time": 1e400}', "too large"),
        (b'{"title_rule": "x", "event_status": "Info", "event_time": ' + b"9" * 5000 + b"}", "digits"),
        (b"\xff\xfe", "UTF-8"),
        (b"[]", "JSON object, got an array"),
        (b'"text"', "got a string"),
        (b"null", "got null"),
    ],
)
def test_what_cannot_be_read_is_refused_and_noted(push, source, body, words):
    status, code, message = refusal(push(body))
    assert (status, code) == (400, "InvalidParameter")
    assert words in message
    stored = db.session.get(AlertSource, source.id)
    assert stored.rejected_count == 1
    assert stored.last_error["message"] == message


def test_two_mebibytes_are_too_large(push, source):
    body = b'{"title_rule": "' + b"x" * 2 * 1024 * 1024 + b'"}'
    assert refusal(push(body))[:2] == (413, "EntityTooLarge")
    stream = {"input_stream": io.BytesIO(body), "environ_overrides": {"wsgi.input_terminated": True}}
    assert refusal(push(b"", **stream))[:2] == (413, "EntityTooLarge")
    assert db.session.get(AlertSource, source.id).last_error["code"] == "EntityTooLarge"


def test_one_mebibyte_is_not(push):
    event = json.dumps(EVENT | {"padding": ""})
    body = json.dumps(EVENT | {"padding": "x" * (1024 * 1024 - len(event))}).encode()
    assert len(body) == 1024 * 1024
    assert push(body).status_code == 200
    chunked = {"input_stream": io.BytesIO(body), "environ_overrides": {"wsgi.input_terminated": True}}
    assert push(b"", **chunked).status_code == 200
    assert push(body + b" ").status_code == 413


def test_hostile_text_is_stored_as_it_is(push):
    odd = "<script>alert(1)</script> %s %(x)s {} {{7*7}} @all \u0000\ud800"
    answer = push({"title_rule": odd, "event_status": "Info", "alert_key": "%s{}", "labels": {odd: odd}})
    assert answer.status_code == 200
    incident = db.session.scalars(select(Incident)).one()
    stored = "<script>alert(1)</script> %s %(x)s {} {{7*7}} @all"
    assert incident.title == stored + " \ufffd"
    assert incident.labels == {stored + " \ufffd": stored + " \ufffd"}


def test_a_source_may_push_so_often(push, monkeypatch):
    monkeypatch.setattr(rates, "LIMITS", (RateLimitItemPerSecond(100), RateLimitItemPerMinute(3)))
    answers = [push(EVENT) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert refusal(answers[3])[1] == "RequestTooFrequently"
    assert 1 <= int(answers[3].headers["Retry-After"]) <= 120


def test_the_limits_are_those_of_the_documents():
    assert [str(limit) for limit in rates.LIMITS] == ["100 per 1 second", "1000 per 1 minute"]


def test_a_locked_database_is_503_and_not_a_false_answer(push, monkeypatch):
    def locked(*_args, **_kwargs):
        raise OperationalError("INSERT", {}, Exception("database is locked"))

    monkeypatch.setattr(storing.alerts, "ingest", locked)
    answer = push(EVENT)
    assert refusal(answer)[:2] == (503, "InternalError")
    assert int(answer.headers["Retry-After"]) >= 1
    monkeypatch.undo()
    assert count(Alert) == 0
    assert push(EVENT).json["data"]["result"] == "alert_created"


def drained(app):
    """Let the worker make alerts of what the journal holds."""
    db.session.commit()
    Runner(app, HANDLERS, lease=timedelta(minutes=1)).run_due()


def test_in_a_crowd_a_push_is_answered_once_it_is_on_disk(app, push):
    db.session.commit()
    with ExitStack() as others:
        for _ in range(crowd.FEW):
            others.enter_context(crowd.joined())
        answer = push(EVENT)
    assert answer.json["data"] == {"alert_key": "k1", "result": "accepted"}
    assert count(Alert) == 0
    drained(app)
    assert (count(Alert), count(Incident)) == (1, 1)


def test_nothing_overtakes_what_waits_in_the_journal(app, push):
    db.session.commit()
    with ExitStack() as others:
        for _ in range(crowd.FEW):
            others.enter_context(crowd.joined())
        push(EVENT)
    assert push(EVENT | {"event_status": "Ok"}).json["data"]["result"] == "accepted"
    drained(app)
    assert db.session.scalars(select(Incident)).one().progress is Progress.CLOSED
    assert push(EVENT).json["data"]["result"] == "alert_created"


def test_in_a_crowd_a_wrong_key_is_still_refused(app, client):
    with ExitStack() as others:
        for _ in range(crowd.FEW):
            others.enter_context(crowd.joined())
        assert client.post(STANDARD, json=EVENT).status_code == 401


def test_pushes_that_always_meet_end_in_503(push, monkeypatch):
    from sqlalchemy.orm.exc import StaleDataError

    def stale(*_args, **_kwargs):
        raise StaleDataError

    monkeypatch.setattr(storing.alerts, "ingest", stale)
    answer = push(EVENT)
    assert answer.status_code == 503
    assert answer.headers["Retry-After"]


def test_no_cookie_and_no_form_token_are_needed_or_given(push):
    answer = push(EVENT, headers={"Origin": "https://elsewhere.example.com"})
    assert answer.status_code == 200
    assert "Set-Cookie" not in answer.headers


def test_the_request_id_is_in_the_answer(push):
    assert push(EVENT, headers={"X-Request-Id": "abc-123-def"}).json["request_id"] == "abc-123-def"


def test_an_address_below_that_of_pushes_is_not_found(client):
    assert client.post("/event/push/alert/standard/more", json={}).status_code == 404
    assert client.get("/event/push/alert/standard/more").status_code == 404
