"""What becomes of a card when DingTalk refuses a part of the way: the news goes out, once, as far as it can."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from platforms.base import CardHandle, Group, Recipient
from platforms.dingtalk.errors import ContentReviewed, DeliveryUnknown
from platforms.dingtalk.platform import LINKS_PREFIX, DingTalk
from platforms.errors import AnswerLost, PlatformBusy, PlatformError
from platforms.http import Answer
from tests.contract.conftest import make_card
from tests.tokens import MemoryTokens
from tests.unit.platforms.dingtalk.test_client import HOSTS, LIN, SETTINGS, Answers, answer, delivered

TO = Recipient(LIN)
CARD = make_card()
REGISTERED = answer({"success": True, "result": {}})
EXISTS = answer({"code": "param.cardAlreadyExist", "message": "?"}, 400)
NAMED = answer({"success": True, "title": "值班群", "status": 1})
REVIEWED = answer({"code": "param.contentUnsafe", "message": "?"}, 400)
DONE = answer({"success": True, "result": True})
HANDLE = CardHandle(TO, CARD.reference, "carrier")


class Lossy(Answers):
    """Loses the answer where a test lines up None."""

    def exchange(self, method: str, url: str, content: Any = None, params: Any = None, **more: Any) -> Answer:
        given: Answer | None = super().exchange(method, url, content, params, **more)
        if given is None:
            raise AnswerLost("ReadTimeout")
        return given


@pytest.fixture
def transport() -> Lossy:
    return Lossy()


@pytest.fixture
def platform(transport: Lossy) -> DingTalk:
    settings = replace(SETTINGS, card_template_id="t.schema", card_callback_url="https://oncall.example.com/card")
    return DingTalk(settings, HOSTS, MemoryTokens(), transport)


def refused(code: str, status: int = 400) -> Answer:
    return answer({"code": code, "message": "?"}, status)


@pytest.mark.parametrize(
    "code", ["param.callbackRouteKeyExist", "system.updateCallbackFailed", "nobody.knows", "param.callbackUrlInvalid"]
)
def test_without_a_way_back_the_news_goes_out_with_links(platform: DingTalk, transport: Lossy, code: str):
    transport.waiting.extend([refused(code), answer({"processQueryKey": "k"})])
    assert platform.send_card(TO, CARD).message_id == f"{LINKS_PREFIX}k"


@pytest.mark.parametrize(
    "given",
    [
        refused("system.error", 500),
        refused("nobody.knows", 503),
        refused("qps.exceed.limit", 403),
        refused("60020", 403),
        refused("40096"),
        None,
    ],
)
def test_what_passes_or_concerns_everything_is_no_reason_for_links(platform: DingTalk, transport: Lossy, given: Any):
    transport.waiting.append(given)
    with pytest.raises(PlatformError):
        platform.send_card(TO, CARD)
    assert not any("/robot/" in asked[1] for asked in transport.asked)


@pytest.mark.parametrize("lost", [None, answer(b"{"), refused("88", 504)])
def test_a_card_that_nobody_got_yet_is_not_taken_to_have_arrived(platform: DingTalk, transport: Lossy, lost: Any):
    transport.waiting.extend([REGISTERED, EXISTS, lost])
    with pytest.raises(PlatformBusy) as failure:
        platform.send_card(TO, CARD)
    assert failure.value.retryable and not failure.value.uncertain


UNDELIVERED = delivered({"success": False, "errorMsg": "SYSTEM_BUSY"})


@pytest.mark.parametrize("lost", [None, answer(b"{"), refused("88", 504)])
def test_a_delivery_whose_answer_was_lost_is_for_a_person_to_judge(platform: DingTalk, transport: Lossy, lost: Any):
    transport.waiting.extend([REGISTERED, EXISTS, DONE, lost])
    with pytest.raises(DeliveryUnknown) as failure:
        platform.send_card(TO, CARD)
    assert failure.value.failure == "outcome_unknown"
    assert not failure.value.retryable and not failure.value.nothing_arrived


def test_a_card_that_was_only_made_now_tells_that_no_earlier_try_arrived(platform: DingTalk, transport: Lossy):
    transport.waiting.extend([REGISTERED, UNDELIVERED])
    with pytest.raises(PlatformError) as failure:
        platform.send_card(TO, CARD, earlier_try_unanswered=True)
    assert failure.value.retryable and failure.value.nothing_arrived and failure.value.is_made_unseen


def test_a_change_that_the_review_refuses_is_made_without_the_alerts_words(platform: DingTalk, transport: Lossy):
    transport.waiting.extend([REVIEWED, DONE])
    platform.update_card(HANDLE, CARD)
    shown = [asked[2]["cardData"]["cardParamMap"] for asked in transport.asked if asked[0] == "PUT"]
    assert shown[0]["body"] and shown[0]["facts"]
    assert (shown[1]["body"], shown[1]["facts"], shown[1]["title"]) == ("", "", shown[0]["title"])
    transport.waiting.extend([REVIEWED, REVIEWED])
    with pytest.raises(ContentReviewed):
        platform.update_card(HANDLE, CARD)


def test_a_card_that_the_review_refuses_goes_out_without_the_alerts_words(platform: DingTalk, transport: Lossy):
    transport.waiting.extend([REGISTERED, REVIEWED, delivered({"success": True, "carrierId": "c"})])
    sent = platform.send_card(TO, CARD)
    assert (sent.message_id, sent.truncated_lines) == ("c", len(CARD.body))


def test_a_group_with_a_wrong_cool_app_does_not_hide_the_others(platform: DingTalk, transport: Lossy):
    transport.waiting.extend([refused("coolAppUnexist"), NAMED, answer({"memberUserIds": ["a", "b"]})])
    listed = platform.read_groups([Group("cid1=="), Group("cid2==")])
    found = listed.groups
    assert [(group.external_id, group.name, group.member_count) for group in found] == [("cid2==", "值班群", 2)]
    assert listed.calls == 3


@pytest.mark.parametrize(
    "told", [refused("systemError"), answer({"memberUserIds": "ab"}), answer({"memberUserIds": [], "hasMore": True})]
)
def test_a_group_whose_members_are_not_told_is_a_group_all_the_same(platform: DingTalk, transport: Lossy, told: Any):
    transport.waiting.extend([NAMED, told])
    assert platform.read_groups([Group("cid2==")]).groups == [Group("cid2==", "值班群")]


def test_members_are_counted_once(platform: DingTalk, transport: Lossy):
    transport.waiting.append(NAMED)
    listed = platform.read_groups([Group("cid2==", member_count=7)])
    assert listed.groups == [Group("cid2==", "值班群", member_count=7)]
    assert listed.calls == 1
    assert not any("batchQuery" in asked[1] for asked in transport.asked)
