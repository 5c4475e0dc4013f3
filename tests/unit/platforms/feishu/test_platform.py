"""What becomes of a card of which Feishu refuses a part, and of lists that are none."""

from __future__ import annotations

import json
from collections import deque
from typing import Any

import pytest

from platforms.base import CardHandle, Group, Recipient
from platforms.errors import AnswerNotUnderstood
from platforms.feishu.errors import ContentReviewed
from platforms.feishu.platform import Feishu
from platforms.feishu.settings import FeishuSettings
from platforms.http import Answer, Transport
from tests.contract.conftest import make_card
from tests.tokens import MemoryTokens

TO = Recipient("ou_lin")
CARD = make_card()
MARKUP = make_card(body=("**96.4%**",), body_is_markup=True)
HANDLE = CardHandle(TO, CARD.reference, "om_1")
SENT = {"code": 0, "data": {"message_id": "om_1"}}


class Answers(Transport):
    """Gives the answers that a test lines up, and keeps the cards that were sent."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting: deque[dict[str, Any]] = deque()
        self.cards: list[str] = []

    def exchange(self, method: str, url: str, content: Any = None, params: Any = None, **more: Any) -> Answer:
        if url.endswith("/tenant_access_token/internal"):
            return answer({"code": 0, "tenant_access_token": "t", "expire": 7200})
        self.cards.append(str((content or {}).get("content")))
        return answer(self.waiting.popleft())


def answer(content: dict[str, Any]) -> Answer:
    return Answer(200 if content["code"] == 0 else 400, {}, json.dumps(content).encode())


def refused(code: int) -> dict[str, Any]:
    return {"code": code, "msg": "?"}


@pytest.fixture
def transport() -> Answers:
    return Answers()


@pytest.fixture
def platform(transport: Answers) -> Feishu:
    settings = FeishuSettings(app_id="cli_a", app_secret="s" * 32)
    return Feishu(settings, dict.fromkeys(Feishu.hosts, "https://feishu.example"), MemoryTokens(), transport)


@pytest.mark.parametrize("code", [230022, 230028])
def test_a_card_that_the_review_refuses_goes_out_without_the_alerts_words(
    platform: Feishu, transport: Answers, code: int
):
    transport.waiting.extend([refused(code), SENT])
    sent = platform.send_card(TO, CARD)
    assert (sent.message_id, sent.truncated_lines) == ("om_1", len(CARD.body))
    assert "96" in transport.cards[0] and "林值班" in transport.cards[0]
    assert "96" not in transport.cards[1] and "林值班" not in transport.cards[1]
    assert CARD.buttons[0].key in transport.cards[1]


@pytest.mark.parametrize("code", [230022, 230028])
def test_so_does_a_change(platform: Feishu, transport: Answers, code: int):
    transport.waiting.extend([refused(code), {"code": 0}])
    platform.update_card(HANDLE, CARD)
    assert "林值班" not in transport.cards[1]


def test_markup_that_cannot_be_drawn_may_be_refused_as_words_too(platform: Feishu, transport: Answers):
    transport.waiting.extend([refused(230099), refused(230028), SENT])
    assert platform.send_card(TO, MARKUP).truncated_lines == 1
    assert len(transport.cards) == 3


def test_a_refused_title_is_told(platform: Feishu, transport: Answers):
    transport.waiting.extend([refused(230028), refused(230028)])
    with pytest.raises(ContentReviewed):
        platform.send_card(TO, CARD)


@pytest.mark.parametrize("items", ["x", 1, {"chat_id": "oc_1"}, True])
def test_groups_that_are_no_list_are_not_understood(platform: Feishu, transport: Answers, items: Any):
    transport.waiting.append({"code": 0, "data": {"items": items}})
    with pytest.raises(AnswerNotUnderstood):
        platform.read_groups([])


def chats(*names: str, **more: Any) -> dict[str, Any]:
    return {"code": 0, "data": {"items": [{"chat_id": f"oc_{name}", "name": name} for name in names]} | more}


@pytest.mark.parametrize("more", [{"has_more": True}, {"has_more": True, "page_token": "a"}])
def test_a_list_that_breaks_off_is_not_whole(platform: Feishu, transport: Answers, more: dict[str, Any]):
    transport.waiting.extend([chats("1", has_more=True, page_token="a"), chats("2", **more)])
    counted = [Group(f"oc_{name}", name, member_count=3) for name in ("1", "2")]
    found = platform.read_groups(counted)
    assert [group.name for group in found.groups] == ["1", "2"]
    assert (found.calls, found.is_complete) == (2, False)
    transport.waiting.append(chats("1", has_more=False, page_token="a"))
    assert platform.read_groups(counted).is_complete


def test_contacts_that_break_off_are_not_taken_for_all_there_are(platform: Feishu, transport: Answers):
    transport.waiting.append({"code": 0, "data": {"department_ids": ["od_1"], "has_more": True}})
    with pytest.raises(AnswerNotUnderstood):
        platform.read_departments()
