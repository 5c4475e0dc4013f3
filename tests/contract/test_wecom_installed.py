"""What is a provider's application's own, proven against the simulator; the rest is in test_platforms.py."""

from __future__ import annotations

import pytest

from platforms.errors import NotAuthorised, RecipientUnreachable
from platforms.provider import CANCELLED, CHANGED, INSTALLED, Company
from platforms.wecom.errors import (
    AuthorizeAppFirst,
    DayUsedUp,
    InstallAgain,
    LicenceMissing,
    SecretInvalid,
    SuiteInvalid,
    SuiteTicketInvalid,
)
from platforms.wecom.suite import Suite
from tests.contract.wecom_installed import make_connection


@pytest.fixture
def connection(simulator, receiver):
    return make_connection(simulator, receiver)


def test_an_auth_code_is_redeemed_once(connection):
    with pytest.raises(InstallAgain) as refused:
        connection.suite.redeem(connection.told.events[-1].auth_code)
    assert refused.value.platform_code == "40078"


def test_a_company_is_found_by_the_id_that_its_administrator_knows(connection):
    own = connection.suite.own_id_of(connection.corp_id)
    assert own == connection.platform.settings.own_corp_id
    assert own != connection.corp_id


@pytest.mark.parametrize(("corp_id", "code"), [("ww0000000000000000", "40013"), (None, "48001")])
def test_a_company_that_has_not_authorised(connection, simulator, corp_id, code):
    if corp_id is None:
        corp_id = simulator.control("wecom/corps", {"name": "另一家企业"})["corp_id"]
    with pytest.raises(AuthorizeAppFirst) as refused:
        connection.suite.own_id_of(corp_id)
    assert (refused.value.platform_code, refused.value.message) == (code, "authorize app first")


def test_a_changed_range_is_told_and_read(connection):
    connection.show_alone("zhou")
    assert connection.told.events[-1].change == CHANGED
    settings = connection.platform.settings
    found = connection.suite.read_authorisation(Company(settings.own_corp_id, settings.secret, settings.agent_id))
    assert (found.visible["people"], found.visible["departments"], found.visible["whole_company"]) == (1, 1, False)


def test_a_cancelled_authorisation_ends_everything(connection, card):
    body = {"suite_id": connection.suite_id, "corp_id": connection.corp_id}
    connection.simulator.control("wecom/suites/cancel", body)
    event = connection.told.events[-1]
    assert (event.change, event.corp_id) == (CANCELLED, connection.platform.settings.own_corp_id)
    connection.tokens.values.clear()
    with pytest.raises(InstallAgain) as refused:
        connection.platform.send_card(connection.member("nobody"), card)
    assert refused.value.platform_code == "40084"
    assert refused.value.failure == "app_unauthorised"


def test_a_reset_code_is_told_with_one_to_redeem(connection):
    body = {"suite_id": connection.suite_id, "corp_id": connection.corp_id}
    assert connection.simulator.control("wecom/suites/reset", body)["problem"] == ""
    event = connection.told.events[-1]
    assert event.change == INSTALLED
    fresh = connection.suite.redeem(event.auth_code)
    assert fresh.permanent_code != connection.platform.settings.secret


def test_a_code_comes_back_by_link_without_an_event(connection):
    before = len(connection.told.events)
    body = {"suite_id": connection.suite_id, "corp_id": connection.corp_id, "by_link": True}
    made = connection.simulator.control("wecom/suites/install", body)
    assert connection.suite.redeem(made["auth_code"]).corp_id == connection.platform.settings.own_corp_id
    assert len(connection.told.events) == before
    assert "pre_auth_code=" in connection.suite.install_url("http://localhost:8000/install/wecom-suite/done", "s1")


def test_the_workbench_of_any_company_says_which_it_is(connection):
    assert connection.suite.company_of(connection.sign_in_code("lin")) == connection.platform.settings.own_corp_id


def test_a_member_of_another_company_is_not_signed_in(connection, simulator):
    other = simulator.control("wecom/corps", {"name": "另一家", "people": [{"userid": "eve", "name": "Eve"}]})
    body = {"suite_id": connection.suite_id, "corp_id": other["corp_id"]}
    simulator.control("wecom/suites/install", body)
    code = simulator.control("wecom/suites/sign_in", body | {"userid": "eve"})["code"]
    assert connection.platform.identify(code, in_client=True).external_user_id is None


def test_plain_ids_mean_nobody(connection, card):
    with pytest.raises(RecipientUnreachable) as refused:
        connection.platform.client.send_text("lin", "x")
    assert refused.value.failure == "out_of_visible_range"


def test_plain_ids_are_converted(connection):
    found = connection.platform.client.encrypt_user_ids(["lin", "nobody"])
    assert found == {"lin": connection.id_of("lin")}


def test_the_tokens_are_fetched_once(connection, card):
    connection.platform.send_card(connection.member("lin"), card)
    connection.platform.send_text(connection.member("lin"), "x")
    assert connection.tokens.fetches == 1


def test_a_dead_ticket_gives_no_token(connection, simulator):
    simulator.control("clock", {"offset_seconds": 3 * 3600})
    connection.told.ticket = "one-that-was-never-pushed"
    with pytest.raises(SuiteTicketInvalid):
        connection.suite.client.renew_suite_token()


def other_suite(connection, **changes: str) -> Suite:
    settings = vars(connection.suite.settings) | changes
    return Suite.build(
        settings,
        {},
        ticket=lambda: connection.told.ticket,
        tokens=type(connection.tokens)(),
        hosts=connection.suite.reached_at,
        transport=connection.suite._transport,
    )


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"suite_id": "ww0000000000000000"}, SuiteInvalid),
        ({"suite_secret": "wrong"}, SuiteInvalid),
    ],
)
def test_wrong_credentials_of_the_application(connection, changes, error):
    with pytest.raises(error):
        other_suite(connection, **changes).client.renew_suite_token()


def test_a_wrong_secret_of_the_provider(connection):
    with pytest.raises(SecretInvalid):
        other_suite(connection, provider_secret="wrong").client.renew_provider_token()


def test_after_the_trial_a_member_without_licence_is_not_reached(connection, simulator, card):
    simulator.control("wecom/licences", {"corp_id": connection.corp_id, "trial_days_left": 0})
    with pytest.raises(LicenceMissing) as refused:
        connection.platform.send_card(connection.member("lin"), card)
    assert refused.value.failure == "wecom_license_missing"
    simulator.control("wecom/licences", {"corp_id": connection.corp_id, "activate": ["lin"]})
    assert connection.platform.send_card(connection.member("lin"), card).message_id


def test_an_unauthorised_connection_asks_nothing(connection, card):
    platform = connection.suite.platform_for(Company(), {"corp_id": connection.corp_id}, tokens=connection.tokens)
    with pytest.raises(NotAuthorised):
        platform.send_card(connection.member("lin"), card)


def test_a_used_up_day_is_known_in_this_mode_too(connection, simulator, card):
    limits = simulator.control("wecom/limits", {})
    try:
        simulator.control("wecom/limits", {"account_limit": 0})
        with pytest.raises(DayUsedUp):
            connection.platform.send_card(connection.member("lin"), card)
    finally:
        simulator.control("wecom/limits", limits)
