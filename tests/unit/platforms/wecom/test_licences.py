"""What WeCom answers about interface licences, read as values."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from platforms.base import CallbackRequest, LicenceEvent
from platforms.crypto import CallbackCipher
from platforms.errors import AnswerNotUnderstood, CallbackRefused
from platforms.http import Transport
from platforms.licences import Licence, LicenceTerms
from platforms.wecom import callbacks
from platforms.wecom.licences import Desk
from platforms.wecom.platform import WeCom
from platforms.wecom.settings import WeComSettings
from platforms.wecom.suite import Suite
from tests.tokens import MemoryTokens

START, END = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC)


class Books:
    """Answers what it is told to, and remembers what it was asked."""

    def __init__(self, *answers: dict[str, Any]) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, dict[str, Any]]] = []

    def __call__(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        self.asked.append((path, body))
        return self.answers.pop(0)

    @property
    def desk(self) -> Desk:
        return Desk(self, suite_id="ww-suite", corp_id="wp-corp")


def seconds(at: datetime) -> int:
    return int(at.timestamp())


@pytest.mark.parametrize(
    ("answer", "terms"),
    [
        (
            {"license_status": 1, "trail_info": {"start_time": seconds(START), "end_time": seconds(END)}},
            LicenceTerms(True, START, END),
        ),
        ({"license_status": 1}, LicenceTerms(True)),
        ({"license_status": 1, "trail_info": {"start_time": 0, "end_time": 0}}, LicenceTerms(True)),
        ({"license_status": 0}, LicenceTerms(False)),
    ],
)
def test_the_companys_terms(answer: dict[str, Any], terms: LicenceTerms):
    books = Books(answer)
    assert books.desk.terms() == terms
    assert books.asked == [("license/get_app_license_info", {"corpid": "wp-corp", "suite_id": "ww-suite"})]


def test_pages_go_on_where_the_platform_says():
    row = {"userid": "woA", "type": 1, "active_time": seconds(START), "expire_time": seconds(END)}
    books = Books(
        {"account_list": [row], "next_cursor": "more", "has_more": 1},
        {"account_list": [], "next_cursor": "ignored", "has_more": 0},
    )
    first = books.desk.page("")
    assert (list(first.licences), first.next_cursor) == ([Licence("woA", START, END)], "more")
    assert books.desk.page("more").next_cursor == ""
    assert books.asked == [
        ("license/list_actived_account", {"corpid": "wp-corp", "limit": 1000}),
        ("license/list_actived_account", {"corpid": "wp-corp", "limit": 1000, "cursor": "more"}),
    ]


def test_a_members_licence_is_the_one_that_lasts_longest():
    rows = [
        {"type": kind, "active_time": seconds(START), "expire_time": end} for kind, end in ((1, 9), (2, seconds(END)))
    ]
    books = Books({"active_status": 1, "active_info_list": rows}, {"active_status": 0, "active_info_list": []})
    assert books.desk.of("woA") == Licence("woA", START, END)
    assert books.desk.of("woA") is None
    assert books.asked[0] == ("license/get_active_info_by_user", {"corpid": "wp-corp", "userid": "woA"})


@pytest.mark.parametrize(
    "answer",
    [
        {"account_list": "no"},
        {"account_list": [1]},
        {"account_list": [{"userid": "woA"}]},
        {"account_list": [{"expire_time": 5}]},
        {"account_list": [{"userid": "woA", "expire_time": 10**30}]},
    ],
)
def test_what_is_no_list_of_licences_is_not_understood(answer: dict[str, Any]):
    with pytest.raises(AnswerNotUnderstood):
        Books(answer).desk.page("")


# --- events -------------------------------------------------------------------------------------------------------

TOKEN, KEY = "oncallCallbackToken2024", "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefg"
PROVIDER, SUITE = "ww0000000000000abc", "wwsuite00000000001"
SUITE_SETTINGS = {"provider_corp_id": PROVIDER, "suite_id": SUITE}
NOW = datetime(2024, 6, 10, 7, tzinfo=UTC)


def posted(inner: str, receiver: str) -> CallbackRequest:
    cipher = CallbackCipher(TOKEN, KEY, receiver)
    encrypted = cipher.encrypt(f"<xml>{inner}</xml>".encode())
    stamp = str(int(NOW.timestamp()))
    query = {"msg_signature": cipher.sign(stamp, "n", encrypted), "timestamp": stamp, "nonce": "n"}
    body = f"<xml><ToUserName>{receiver}</ToUserName><Encrypt><![CDATA[{encrypted}]]></Encrypt></xml>"
    return CallbackRequest("POST", query, {}, body.encode(), NOW)


@pytest.fixture
def suite() -> Suite:
    return Suite.build(
        SUITE_SETTINGS,
        {"token": TOKEN, "encoding_aes_key": KEY},
        ticket=lambda: "",
        tokens=MemoryTokens(),
        hosts=WeCom.hosts,
        transport=Transport(),
    )


@pytest.mark.parametrize("kind", ["license_pay_success", "license_refund", "auto_activate"])
@pytest.mark.parametrize("receiver", [PROVIDER, SUITE])
def test_a_system_event_names_the_company_whose_licences_changed(suite: Suite, kind: str, receiver: str):
    inner = f"<ServiceCorpId>{PROVIDER}</ServiceCorpId><InfoType>{kind}</InfoType><AuthCorpId>wp-corp</AuthCorpId>"
    event = suite.read_command(posted(f"{inner}<OrderId>OI1</OrderId><TimeStamp>1</TimeStamp>", receiver))
    assert isinstance(event, LicenceEvent)
    assert (event.kind, event.corp_id) == (kind, "wp-corp")
    other = suite.read_command(posted(f"{inner}<OrderId>OI2</OrderId><TimeStamp>1</TimeStamp>", receiver))
    assert isinstance(other, LicenceEvent)
    assert other.event_key != event.event_key


@pytest.mark.parametrize("company", ["", "<ServiceCorpId>ww0000000000000xyz</ServiceCorpId>"])
def test_a_system_event_of_another_provider_is_refused(suite: Suite, company: str):
    with pytest.raises(CallbackRefused):
        suite.read_command(posted(f"{company}<InfoType>auto_activate</InfoType>", PROVIDER))


def test_a_member_who_was_stopped_has_the_licences_read():
    settings = WeComSettings(
        own_corp_id="wp-corp", agent_id="1000005", token=TOKEN, encoding_aes_key=KEY, suite_id=SUITE
    )
    inner = "<ToUserName>wp-corp</ToUserName><FromUserName>woA</FromUserName><CreateTime>1</CreateTime>"
    inner += "<MsgType>event</MsgType><Event>unlicensed_notify</Event><AgentID>1000005</AgentID>"
    assert isinstance(callbacks.read(settings, posted(inner, "wp-corp")), LicenceEvent)
