"""Authorisations, in the worker: what was told is taken whatever broke, and links are converted to the end."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from extensions import db
from jobs import authorisations as jobs
from jobs.handlers import HANDLERS
from jobs.handling import Settle
from jobs.outbox import Claim, Done, Outcome
from jobs.runner import Runner
from models import AccountLink, Integration, Job, LinkState
from platforms.provider import CANCELLED, AuthorisationEvent, Installation
from services import authorisations, integrations, modes, providers
from tests.factories import NOW, default_tenant, make_integration, make_link, make_member


def claim_of(job: Job, **payload: object) -> Claim:
    return Claim(job.id, job.kind, job.tenant_id, job.subject_id, {**job.payload, **payload}, 1, NOW)


def test_what_was_told_is_taken_after_a_try_that_broke(app: Flask) -> None:
    default_tenant()
    event = AuthorisationEvent("s", "n", NOW, event_key="key-1", change=CANCELLED, corp_id="wpUnknown")
    authorisations.take_event("wecom", event, now=NOW)
    db.session.commit()
    job = db.session.scalars(select(Job).where(Job.kind == authorisations.TAKE)).one()
    taken = jobs.take(claim_of(job, crashes=1, tries=1))
    assert isinstance(taken, Settle)
    assert taken.record() == Done()


def test_a_code_is_redeemed_once_though_the_database_could_not_take_it(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The platform gives the permanent code once: who loses it has to ask the company to install anew."""
    default_tenant()
    redeemed: list[str] = []
    tries: list[int] = []

    class Application:
        def redeem(self, code: str) -> Installation:
            redeemed.append(code)
            return Installation("wpCorp", "示例企业", "the-permanent-code")

    def install(*about: Any, **more: Any) -> None:
        tries.append(1)
        if len(tries) < 2:
            raise OperationalError("UPDATE", {}, Exception("database is locked"))
        real(*about, **more)

    real = authorisations._install
    monkeypatch.setattr(authorisations, "_install", install)
    monkeypatch.setattr(providers, "application", lambda platform: Application())
    authorisations.take_code("wecom", "the-code", now=NOW)
    db.session.commit()
    working = Runner(app, {authorisations.TAKE: HANDLERS[authorisations.TAKE]}, timedelta(seconds=60))
    working.run_next()
    auth = authorisations.find("wecom", "wpCorp")
    assert auth is not None
    assert (auth.is_in_force, redeemed, len(tries)) == (True, ["the-code"], 2)


class Converting:
    """A platform that knows everybody: "lin" is "wo-lin" there."""

    def own_ids_of(self, plain: list[str]) -> dict[str, str]:
        assert len(plain) <= modes.MOST_AT_ONCE
        return {name: f"wo-{name}" for name in plain}


@pytest.fixture
def switched(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Integration:
    """A connection of three people that was set up in another mode before."""
    monkeypatch.setattr(modes, "MOST_AT_ONCE", 2)
    monkeypatch.setattr(integrations, "installed_platform", lambda integration: Converting())
    integration = make_integration(mode="third_party")
    for name in ("lin", "wu", "zhou"):
        make_link(integration, make_member(name)).state = LinkState.BROKEN
    db.session.commit()
    return integration


def convert_all(integration: Integration) -> None:
    payload: dict[str, object] = {}
    while True:
        outcome: Outcome = jobs.convert(Claim(1, authorisations.CONVERT, 0, integration.id, payload, 1, NOW))
        db.session.commit()
        if isinstance(outcome, Done):
            return
        payload = getattr(outcome, "payload", {})


def states() -> dict[str, LinkState]:
    db.session.expire_all()
    return {link.external_user_id: link.state for link in db.session.scalars(select(AccountLink))}


def test_links_are_converted_however_many_there_are(switched: Integration) -> None:
    convert_all(switched)
    assert states() == dict.fromkeys(("wo-lin", "wo-wu", "wo-zhou"), LinkState.ACTIVE)


def test_an_id_that_means_somebody_else_by_now_keeps_only_its_own_link_from_being_mended(switched: Integration) -> None:
    make_link(switched, make_member("new"), external_user_id="wo-lin")
    db.session.commit()
    convert_all(switched)
    assert states() == {
        "lin": LinkState.BROKEN,
        "wo-lin": LinkState.ACTIVE,
        "wo-wu": LinkState.ACTIVE,
        "wo-zhou": LinkState.ACTIVE,
    }


def test_links_are_left_alone_once_the_connection_is_the_companys_own_again(switched: Integration) -> None:
    switched.mode = "self_built"
    db.session.commit()
    convert_all(switched)
    assert set(states()) == {"lin", "wu", "zhou"}
