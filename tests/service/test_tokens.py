"""Access tokens: fetched by one at a time, kept encrypted, not asked for in vain."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import time_machine
from flask import Flask
from sqlalchemy import select, update

from extensions import db
from models import PlatformToken
from platforms.errors import NetworkFailed, PlatformBusy
from platforms.wecom.errors import SecretInvalid, TooFrequent, from_answer
from services import tokens
from services.clock import utcnow
from services.tokens import DatabaseTokenStore
from tests.factories import NOW, make_integration

KIND = "app:test"


@pytest.fixture
def store(app: Flask) -> DatabaseTokenStore:
    integration = make_integration()
    db.session.commit()
    return DatabaseTokenStore(integration.id, integration.tenant_id)


class Fetch:
    """Counts how often the platform is asked."""

    def __init__(self, lifetime: int = 7200, error: Exception | None = None) -> None:
        self.count, self.lifetime, self.error = 0, lifetime, error

    def __call__(self) -> tuple[str, int]:
        self.count += 1
        assert not db.session().in_transaction()
        if self.error:
            raise self.error
        return f"token-{self.count}", self.lifetime


def row() -> PlatformToken:
    db.session.rollback()
    found = db.session.execute(select(PlatformToken).execution_options(populate_existing=True)).scalar_one()
    db.session.rollback()
    return found


def change(**values: object) -> None:
    db.session.execute(update(PlatformToken).values(**values))
    db.session.commit()


def forget_memo(app: Flask) -> None:
    app.extensions["platform_token_memos"].clear()


def test_a_token_is_fetched_once_and_kept_encrypted(app, store):
    fetch = Fetch()
    assert {store.get(KIND, fetch) for _ in range(5)} == {"token-1"}
    forget_memo(app)
    assert store.get(KIND, fetch) == "token-1"
    assert fetch.count == 1
    assert "token-1" not in str(row().value)


def test_a_token_is_renewed_before_it_ends(app, store):
    fetch = Fetch()
    store.get(KIND, fetch)
    forget_memo(app)
    change(expires_at=utcnow() + timedelta(seconds=299))
    assert store.get(KIND, fetch) == "token-2"


def test_while_one_renews_the_others_use_the_old_token(app, store):
    fetch = Fetch()
    store.get(KIND, fetch)
    forget_memo(app)
    change(expires_at=utcnow() + timedelta(seconds=200), refreshing_until=utcnow() + timedelta(seconds=10))
    assert store.get(KIND, fetch) == "token-1"
    assert fetch.count == 1


def test_a_failed_renewal_does_not_stop_a_token_that_still_works(app, store):
    store.get(KIND, Fetch())
    forget_memo(app)
    change(expires_at=utcnow() + timedelta(seconds=200))
    failing = Fetch(error=NetworkFailed())
    assert store.get(KIND, failing) == "token-1"
    assert store.get(KIND, failing) == "token-1"
    assert failing.count == 1


def test_a_short_token_is_not_asked_for_every_time(store):
    fetch = Fetch(lifetime=120)
    assert {store.get(KIND, fetch) for _ in range(5)} == {"token-1"}
    assert fetch.count == 1


def test_a_dropped_token_is_fetched_anew(store):
    fetch = Fetch()
    store.drop(KIND, store.get(KIND, fetch))
    assert store.get(KIND, fetch) == "token-2"


def test_dropping_an_old_token_keeps_a_newer_one(store):
    fetch = Fetch()
    store.get(KIND, fetch)
    store.renew(KIND, fetch)
    store.drop(KIND, "token-1")
    assert store.get(KIND, fetch) == "token-2"
    assert fetch.count == 2


def test_trouble_is_not_repeated_within_seconds(store):
    failing = Fetch(error=NetworkFailed("no route"))
    for _ in range(5):
        with pytest.raises(NetworkFailed) as failure:
            store.get(KIND, failing)
    assert failing.count == 1
    assert failure.value.retry_after is not None
    assert failure.value.retry_after <= timedelta(seconds=5)


def test_trouble_is_over_after_its_pause_though_the_clock_was_set_back(store):
    with time_machine.travel(NOW, tick=False) as clock:
        with pytest.raises(NetworkFailed):
            store.get(KIND, Fetch(error=NetworkFailed("no route")))
        set_back(clock)
        clock.shift(tokens.RETRY)
        assert store.get(KIND, Fetch()) == "token-1"


def test_a_token_is_not_taken_for_younger_than_it_is_because_the_clock_was_set_back(app, store):
    with time_machine.travel(NOW, tick=False) as clock:
        fetch = Fetch()
        store.get(KIND, fetch)
        set_back(clock)
        clock.shift(timedelta(seconds=7000))
        forget_memo(app)
        assert store.get(KIND, fetch) == "token-2"


@pytest.mark.parametrize("settings", ["sqlite"], indirect=True)
def test_a_token_whose_fetching_was_cut_short_is_fetched_though_the_clock_was_set_back(store):
    def die() -> tuple[str, int]:
        raise KeyboardInterrupt

    with time_machine.travel(NOW, tick=False) as clock:
        with pytest.raises(KeyboardInterrupt):
            store.get(KIND, die)
        change(refreshing_until=utcnow() + tokens.LEASE)
        set_back(clock)
        clock.shift(tokens.LEASE)
        assert store.get(KIND, Fetch()) == "token-1"


def set_back(clock: time_machine.Traveller) -> None:
    clock.shift(timedelta(hours=-1))
    tokens.after_step_back(timedelta(hours=1), utcnow())
    db.session.commit()


def test_trouble_is_over_after_its_pause(store):
    with pytest.raises(PlatformBusy):
        store.get(KIND, Fetch(error=PlatformBusy()))
    change(retry_at=utcnow() - timedelta(seconds=1))
    assert store.get(KIND, Fetch()) == "token-1"
    assert row().error is None


def test_wrong_credentials_are_not_tried_again_and_again(store):
    refusing = Fetch(error=from_answer(40001, "invalid credential"))
    for _ in range(5):
        with pytest.raises(SecretInvalid) as failure:
            store.get(KIND, refusing)
    assert refusing.count == 1
    assert failure.value.failure == "credential_invalid"
    assert row().retry_at - utcnow() > timedelta(minutes=9)


def test_an_administrator_can_try_at_once(store):
    with pytest.raises(SecretInvalid):
        store.get(KIND, Fetch(error=from_answer(40001, "invalid credential")))
    assert store.renew(KIND, Fetch()) == "token-1"
    assert store.get(KIND, Fetch()) == "token-1"


def test_other_credentials_are_another_token(store):
    with pytest.raises(SecretInvalid):
        store.get("app:wrong", Fetch(error=from_answer(40001, "invalid credential")))
    assert store.get("app:right", Fetch()) == "token-1"


def test_the_platforms_own_pause_is_obeyed(store):
    with pytest.raises(TooFrequent):
        store.get(KIND, Fetch(error=from_answer(45009, "api freq out of limit")))
    assert row().retry_at - utcnow() > timedelta(seconds=50)


def test_forgetting_leaves_nothing(store):
    fetch = Fetch()
    store.get(KIND, fetch)
    tokens.forget(store.owner_id, store.tenant_id)
    db.session.commit()
    assert store.get(KIND, fetch) == "token-2"


def test_a_lease_that_was_left_behind_ends(store):
    store.get(KIND, Fetch())
    store.drop(KIND, "token-1")
    change(refreshing_until=utcnow() - timedelta(seconds=1))
    assert store.get(KIND, Fetch()) == "token-1"


def test_a_token_that_no_key_opens_is_fetched_anew(app, store):
    fetch = Fetch()
    store.get(KIND, fetch)
    forget_memo(app)
    change(value="gone:AAAA")
    assert store.get(KIND, fetch) == "token-2"


def test_a_token_is_not_fetched_inside_a_transaction(store):
    db.session.execute(select(PlatformToken.id))
    with pytest.raises(RuntimeError, match="commit"):
        store.get(KIND, Fetch())


def in_context(app: Flask, call: Callable[[], str]) -> Callable[[], str]:
    def run() -> str:
        with app.app_context():
            return call()

    return run


def test_of_many_at_once_one_asks_the_platform(app, store):
    """Whoever loses the race waits for the winner's token instead of fetching a second one."""
    asked, go_on = threading.Semaphore(0), threading.Event()
    count = []

    def fetch() -> tuple[str, int]:
        count.append(1)
        asked.release()
        assert go_on.wait(10)
        return "shared", 7200

    with ThreadPoolExecutor(8) as pool:
        waiting = [pool.submit(in_context(app, lambda: store.get(KIND, fetch))) for _ in range(8)]
        assert asked.acquire(timeout=10)
        go_on.set()
        assert {each.result(20) for each in waiting} == {"shared"}
    assert len(count) == 1
