"""The simulated books of licences: what may be bought, activated, renewed and handed on, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from simulator.counters import DAY
from simulator.wecom import licence_gate, suites, tokens
from simulator.wecom.errors import ApiError
from simulator.wecom.licence_book import Licences
from simulator.wecom.licences import CALLS, Books
from tests.simulator.conftest import CORP, Lab

NOW = 1_700_000_000.0


class Provider:
    """Calls as a provider does; it sees people with "wo-" before their ids."""

    def __init__(self) -> None:
        self.licences = Licences()
        self.now = NOW

    def call(self, name: str, **body: Any) -> Any:
        def plain(seen: str) -> str | None:
            return seen.removeprefix("wo-") if seen.startswith("wo-") else None

        return CALLS[name](Books(self.licences, body, self.now, plain, lambda userid: f"wo-{userid}"))

    def refused(self, name: str, **body: Any) -> int:
        with pytest.raises(ApiError) as error:
            self.call(name, **body)
        return error.value.code

    def buy(self, base: int = 1, days: int = 31) -> list[str]:
        """Order and pay; the codes."""
        counts, duration = {"base_count": base}, {"days": days}
        order_id = self.call("create_new_order", buyer_userid="b", account_count=counts, account_duration=duration)[
            "order_id"
        ]
        assert self.call("list_order_account", order_id=order_id)["account_list"] == []
        self.licences.pay(self.licences.orders[order_id])
        return [row["active_code"] for row in self.call("list_order_account", order_id=order_id)["account_list"]]

    def activate(self, code: str, userid: str = "wo-lin") -> Any:
        return self.call("active_account", active_code=code, userid=userid)


@pytest.fixture
def provider() -> Provider:
    return Provider()


def test_the_trial_lasts_ninety_days_from_the_first_installation(provider: Provider):
    provider.licences.begin_trial(NOW)
    provider.licences.begin_trial(NOW + 50 * DAY)
    info = provider.call("get_app_license_info", corpid="wp", suite_id="ww")
    assert info["license_status"] == 1
    assert info["trail_info"] == {"start_time": int(NOW), "end_time": int(NOW + 90 * DAY)}
    assert provider.licences.is_licensed("lin", NOW + 89 * DAY)
    assert not provider.licences.is_licensed("lin", NOW + 90 * DAY)


def test_a_corp_that_is_asked_for_no_licences_needs_none(provider: Provider):
    provider.licences.is_checked = False
    assert provider.call("get_app_license_info") == {"license_status": 0}
    assert provider.licences.is_licensed("lin", NOW)


def test_a_code_is_bought_activated_and_ends(provider: Provider):
    (code,) = provider.buy()
    assert provider.call("get_active_info_by_code", active_code=code)["active_info"]["status"] == 1
    provider.activate(code)
    info = provider.call("get_active_info_by_user", userid="wo-lin")
    assert info["active_status"] == 1
    assert info["active_info_list"] == [
        {
            "active_code": code,
            "type": 1,
            "userid": "wo-lin",
            "active_time": int(NOW),
            "expire_time": int(NOW + 31 * DAY),
        }
    ]
    assert provider.licences.is_licensed("LIN", NOW + 30 * DAY)
    provider.now = NOW + 31 * DAY
    assert provider.call("get_active_info_by_user", userid="wo-lin")["active_status"] == 0
    assert provider.call("get_active_info_by_code", active_code=code)["active_info"]["status"] == 3


def test_a_code_is_given_once(provider: Provider):
    (code,) = provider.buy()
    provider.activate(code)
    assert provider.refused("active_account", active_code=code, userid="wo-wu") == 40058
    assert provider.refused("active_account", active_code="no", userid="wo-wu") == 40058
    assert provider.refused("active_account", active_code=code, userid="stranger") == 60111


def test_a_renewal_waits_for_the_last_twenty_days_and_adds_up(provider: Provider):
    first, second = provider.buy(2)
    provider.activate(first)
    assert provider.refused("active_account", active_code=second, userid="wo-lin") == 701082
    provider.now = NOW + 12 * DAY
    provider.activate(second)
    (row,) = provider.call("list_actived_account")["account_list"]
    assert row["expire_time"] == int(NOW + 62 * DAY)


def test_no_licence_reaches_beyond_five_years(provider: Provider):
    first, second = (provider.buy(days=1860)[0] for _ in range(2))
    provider.activate(first)
    provider.now = NOW + 1841 * DAY
    assert provider.refused("active_account", active_code=second, userid="wo-lin") == 701030


def test_a_licence_is_handed_on_after_thirty_days(provider: Provider):
    (code,) = provider.buy(days=90)
    provider.activate(code)
    row = {"handover_userid": "wo-lin", "takeover_userid": "wo-wu"}
    assert provider.call("batch_transfer_license", transfer_list=[row])["transfer_result"][0]["errcode"] == 701017
    provider.now = NOW + 31 * DAY
    assert provider.call("batch_transfer_license", transfer_list=[row])["transfer_result"][0]["errcode"] == 0
    assert provider.licences.is_licensed("wu", provider.now)
    assert not provider.licences.is_licensed("lin", provider.now)
    assert provider.call("batch_transfer_license", transfer_list=[row])["transfer_result"][0]["errcode"] == 701016


def test_automatic_activation_needs_an_earlier_purchase(provider: Provider):
    assert provider.refused("set_auto_active_status", auto_active_status=1) == 701071
    provider.buy()
    provider.call("set_auto_active_status", auto_active_status=1)
    assert provider.call("get_auto_active_status") == {"auto_active_status": 1}
    found = provider.licences.activate_by_itself("lin", NOW)
    assert found is not None
    assert found[1] == 1
    assert provider.licences.activate_by_itself("wu", NOW) is None, "no code is left"


def test_activated_accounts_are_listed_by_page(provider: Provider):
    for number, code in enumerate(provider.buy(5)):
        provider.activate(code, f"wo-p{number}")
    seen, cursor = [], ""
    for _ in range(3):
        page = provider.call("list_actived_account", limit=2, cursor=cursor)
        seen += [row["userid"] for row in page["account_list"]]
        cursor = page["next_cursor"]
    assert sorted(seen) == [f"wo-p{number}" for number in range(5)]
    assert (page["has_more"], cursor) == (0, "")
    assert provider.refused("list_actived_account", limit=1001) == 40058


@pytest.mark.parametrize(
    ("count", "duration"),
    [({"base_count": 0}, {"days": 31}), ({"base_count": 1}, {"days": 30}), ({"base_count": 1_000_001}, {"days": 31})],
)
def test_what_cannot_be_ordered(provider: Provider, count: dict[str, int], duration: dict[str, int]):
    body = {"buyer_userid": "b", "account_count": count, "account_duration": duration}
    assert provider.refused("create_new_order", **body) == 40058


# --- messages, the console, scripts -------------------------------------------------------------------------------


@pytest.fixture
def installed(lab: Lab) -> Lab:
    """The laboratory's app as one that a provider installed: its trial is over."""
    lab.settle()
    wecom = lab.app.extensions["simulator"].platforms["wecom"].world
    suite = suites.create_suite(wecom, "值班铃")
    wecom.state.corps[CORP].apps[lab.agent_id].suite_id = suite.suite_id
    change(lab, trial_days_left=-1)
    return lab


def change(lab: Lab, **body: Any) -> Any:
    return lab.control("wecom/licences", {"corp_id": CORP} | body)


def seen(lab: Lab, userid: str) -> str:
    """As the provider of the app sees a member; a self-built app sees the plain id."""
    wecom = lab.app.extensions["simulator"].platforms["wecom"].world
    corp = wecom.state.corps[CORP]
    return str(wecom.shown_user(corp, corp.apps[lab.agent_id], userid))


def send(lab: Lab, *userids: str) -> Any:
    wecom = lab.app.extensions["simulator"].platforms["wecom"].world
    corp = wecom.state.corps[CORP]
    token = tokens.current(wecom, corp, corp.apps[lab.agent_id])["access_token"]
    body = {"touser": "|".join(seen(lab, userid) for userid in userids), "agentid": lab.agent_id}
    body |= {"msgtype": "text", "text": {"content": "x"}}
    return lab.http.post(f"/cgi-bin/message/send?access_token={token}", json=body).get_json()


def test_a_message_leaves_out_who_has_no_licence(installed: Lab):
    change(installed, activate=["zhangsan"])
    answer = send(installed, "zhangsan", "LiSi")
    assert (answer["errcode"], answer["unlicenseduser"]) == (0, seen(installed, "LiSi").lower())


def test_a_message_to_nobody_with_a_licence_is_refused(installed: Lab):
    answer = send(installed, "lisi")
    assert (answer["errcode"], answer["unlicenseduser"]) == (81013, seen(installed, "LiSi").lower())
    installed.control("wecom/pairings", {"all_unlicensed": 701099})
    assert send(installed, "lisi")["errcode"] == 701099
    change(installed, trial_days_left=3)
    assert send(installed, "lisi")["errcode"] == 0


def test_a_message_activates_a_licence_by_itself(installed: Lab):
    assert change(installed, buy=1, auto_activate=True)["free_codes"] == 1
    assert send(installed, "lisi")["errcode"] == 0
    assert change(installed)["licensed"] == ["LiSi"]
    assert send(installed, "zhangsan")["errcode"] == 81013


def test_a_self_built_app_needs_none(lab: Lab):
    lab.settle()
    change(lab, trial_days_left=-1)
    assert send(lab, "lisi")["errcode"] == 0


def test_opening_the_app_without_a_licence_shows_wecoms_own_page(installed: Lab):
    wecom = installed.app.extensions["simulator"].platforms["wecom"].world
    corp = wecom.state.corps[CORP]
    app = corp.apps[installed.agent_id]
    assert not licence_gate.admits(wecom, corp, app, "lisi")
    change(installed, activate=["lisi"])
    assert licence_gate.admits(wecom, corp, app, "lisi")
    assert licence_gate.admits(wecom, corp, app, "a guest"), "somebody else's page says so"


def test_licences_are_bought_and_activated_on_the_console(installed: Lab):
    url = f"/wecom/console/{CORP}/licences"
    page = installed.http.get(url).get_data(as_text=True)
    assert "已结束" in page
    token = page.split('name="csrf_token" value="')[1].split('"')[0]
    for form in ({"action": "buy", "count": "2", "days": "31"}, {"action": "activate", "userid": "lisi"}):
        assert installed.http.post(url, data=form | {"csrf_token": token}).status_code == 303
    assert change(installed)["licensed"] == ["LiSi"]
    assert change(installed)["free_codes"] == 1
