"""Interface licences of a company that installed a provider's application, against the simulator."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from platforms.base import Recipient
from platforms.errors import LicenceLacking
from platforms.http import Transport
from platforms.provider import Company
from platforms.wecom.errors import CorpIdInvalid
from platforms.wecom.platform import WeCom
from platforms.wecom.suite import Suite
from simulator.app import create_app
from simulator.server import start
from simulator.wecom import ids, licence_desk, setup, suites
from simulator.wecom.state import Person
from tests.tokens import MemoryTokens

PEOPLE = ("lin", "wu", "zhou")


@dataclass
class Installed:
    """A company that installed the application, the simulated one and ours. world: the simulated WeCom."""

    world: Any
    corp: Any
    suite: Any
    platform: WeCom

    def seen(self, userid: str) -> str:
        return ids.own_userid(self.suite, self.corp.corp_id, userid)

    def send(self, userid: str) -> None:
        self.platform.send_text(Recipient(self.seen(userid)), "告警")

    @property
    def desk(self) -> Any:
        return self.platform.licences


@pytest.fixture(scope="module")
def server() -> Iterator[Any]:
    app = create_app()
    running = start(app)
    yield app, running.url
    running.stop()


@pytest.fixture
def installed(server: Any) -> Installed:
    app, url = server
    world = app.extensions["simulator"].platforms["wecom"].world
    with world.store.lock:
        corp = setup.create_corp(world, "示例企业", f"ww{secrets.token_hex(8)}")
        for userid in PEOPLE:
            setup.save_person(world, corp, Person(userid, userid))
        suite = suites.create_suite(world, "值班铃")
        made, auth_code = suites.install(world, corp, suite, [], [1])
        suite.tickets["ticket"] = world.store.now()
    entered = {"suite_id": suite.suite_id, "provider_corp_id": suite.provider_corp_id}
    hidden = {"suite_secret": suite.secret, "provider_secret": suite.provider_secret}
    ours = Suite.build(
        entered,
        hidden,
        ticket=lambda: "ticket",
        tokens=MemoryTokens(),
        hosts=dict.fromkeys(WeCom.hosts, url),
        transport=Transport(),
    )
    granted = ours.redeem(auth_code)
    company = Company(granted.corp_id, granted.permanent_code, str(made.agent_id))
    return Installed(world, corp, suite, ours.platform_for(company, {}, tokens=MemoryTokens()))


def test_the_trial_is_read_as_wecom_counts_it(installed: Installed):
    terms = installed.desk.terms()
    assert terms.is_required
    assert terms.trial_ends_at - terms.trial_starts_at == timedelta(days=90)
    installed.corp.licences.is_checked = False
    assert not installed.desk.terms().is_required


def test_within_the_trial_everybody_is_reached(installed: Installed):
    installed.send("lin")


def test_afterwards_only_those_with_a_licence_are(installed: Installed):
    licence_desk.set_trial(installed.world, installed.corp, -1)
    with pytest.raises(LicenceLacking) as refused:
        installed.send("lin")
    assert refused.value.platform_code == "81013"
    licence_desk.activate(installed.world, installed.corp, "lin")
    installed.send("lin")
    installed.world.state.pairings["all_unlicensed"] = 701099
    try:
        with pytest.raises(LicenceLacking) as refused:
            installed.send("wu")
    finally:
        del installed.world.state.pairings["all_unlicensed"]
    assert refused.value.platform_code == "701099"


def test_every_licence_is_listed_and_asked_about(installed: Installed, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("platforms.wecom.licences.PAGE_SIZE", 2)
    for userid in PEOPLE:
        licence_desk.activate(installed.world, installed.corp, userid)
    first = installed.desk.page("")
    rest = installed.desk.page(first.next_cursor)
    found = {one.external_user_id: one for one in (*first.licences, *rest.licences)}
    assert set(found) == {installed.seen(userid) for userid in PEOPLE}
    assert (len(first.licences), rest.next_cursor) == (2, "")
    lin = installed.desk.of(installed.seen("lin"))
    assert lin == found[installed.seen("lin")]
    assert timedelta(days=364) < lin.expires_at - datetime.now(UTC) <= timedelta(days=365)


def test_who_has_none_has_none(installed: Installed):
    assert installed.desk.of(installed.seen("wu")) is None


def test_a_company_that_took_the_authorisation_back_is_not_asked_about(installed: Installed):
    suites.cancel(installed.world, installed.corp, installed.suite)
    with pytest.raises(CorpIdInvalid):
        installed.desk.terms()
