"""Messages to groups: who decides on them, how they leave, and the cards that everybody in a group sees."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from flask import Flask
from sqlalchemy import select, text

from errors import AccessDenied, InvalidInput
from extensions import db
from jobs.engine import Worker
from models import (
    AuditEntry,
    CardNotice,
    CardState,
    Delivery,
    DeliveryState,
    GroupChat,
    GroupState,
    Incident,
    Integration,
    IntegrationStatus,
    Membership,
    Progress,
    Role,
)
from platforms import PLATFORMS
from platforms.base import Capabilities, Group, IncidentCard
from platforms.errors import CardTooOld, ContentRefused, GroupGone, NetworkFailed
from platforms.quotas import calls_a_month
from services import (
    calls,
    card_contents,
    deliveries,
    dispatch,
    failures,
    groups,
    held_cards,
    incidents,
    openings,
    pacing,
    policies,
    trial_cards,
)
from services.card_contents import Content
from services.clock import utcnow
from services.pacing import LONGEST, MINUTE, Pace, Peers, Rate, Share
from services.wording import say
from tests.factories import (
    NOW,
    make_channel,
    make_incident,
    make_integration,
    make_level,
    make_link,
    make_member,
    make_policy,
    make_source,
    make_tenant,
)
from tests.fakes import FakePlatform, GroupPlatform
from tests.service.messaging import Office

CID = "cidTESTGROUP0001=="
Limit = Callable[..., None]


@pytest.fixture
def office(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Iterator[Office]:
    platform = GroupPlatform()
    monkeypatch.setitem(PLATFORMS, "chat", GroupPlatform)
    monkeypatch.setattr("services.integrations.platform_for", lambda integration: platform)
    with time_machine.travel(NOW, tick=False) as clock:
        lin = make_member("lin")
        integration = make_integration(platform="chat", name="值班")
        make_link(integration, lin)
        incident = make_incident(make_channel(), responders=(lin,))
        yield Office(app, platform, clock, integration, incident, lin)


@pytest.fixture
def chat(office: Office) -> GroupChat:
    found = groups.note_seen(
        office.integration, Group(CID, "生产告警群", {"app_code": "A-1"}), origin="bot_added", now=utcnow()
    )
    db.session.commit()
    return found


@pytest.fixture
def limit(monkeypatch: pytest.MonkeyPatch) -> Limit:
    def change(**values: Any) -> None:
        changed: Capabilities = replace(GroupPlatform.capabilities, **values)
        monkeypatch.setattr(GroupPlatform, "capabilities", changed)

    return change


def told(office: Office, chat: GroupChat, *people: Membership) -> Delivery:
    """A message to the group that has left; to these people as well."""
    notification = office.notify(*people, user_ids=[one.user_id for one in people], group_ids=[chat.id])
    office.work()
    return next(one for one in office.deliveries(notification) if one.group_chat_id)


def shown(office: Office, delivery: Delivery) -> IncidentCard:
    return office.platform.by_reference(delivery.reference).shown


def buttons(card: IncidentCard) -> list[str]:
    return [button.text for button in card.buttons]


# --- who is told ----------------------------------------------------------------------------------------------------


def test_a_group_gets_one_card_with_what_the_platform_wants_to_be_told(office, chat):
    sent = told(office, chat, office.lin)

    assert (sent.state, sent.recipient_name, sent.channel_kind) == (DeliveryState.SENT, "生产告警群", "chat_app")
    to = {one.external_id: one for one in office.platform.recipients}
    assert (to[CID].is_group, to[CID].details) == (True, {"app_code": "A-1"})
    assert not to["lin"].is_group
    card = office.card(sent)
    assert (card.group_chat_id, card.user_id, card.external_user_id) == (chat.id, None, CID)


@pytest.mark.parametrize("state", [GroupState.REMOVED, GroupState.DISBANDED])
def test_a_group_that_is_gone_is_not_asked_and_the_reason_shows(office, chat, state):
    chat.state = state
    sent = told(office, chat)

    assert (sent.state, sent.failure_code) == (DeliveryState.FAILED, "chat_gone")
    assert say(failures.label(sent) or "") == "群聊不存在、已解散或已移除应用"
    assert office.platform.calls == 0


def test_a_group_that_goes_before_the_message_leaves(office, chat):
    notification = office.notify(user_ids=[], group_ids=[chat.id])
    groups.note_gone(chat, tried_at=utcnow())
    office.work()

    (sent,) = office.deliveries(notification)
    assert (sent.failure_code, office.platform.calls) == ("chat_gone", 0)


def test_what_the_platform_says_of_a_group_is_believed(office, chat):
    office.platform.errors.append(GroupGone("disbanded"))
    sent = told(office, chat)

    assert (sent.state, sent.failure_code) == (DeliveryState.FAILED, "chat_gone")
    assert chat.state is GroupState.REMOVED


def test_a_connection_that_is_switched_off_sends_to_no_group(office, chat):
    office.integration.status = IntegrationStatus.DISABLED
    assert told(office, chat).failure_code == "integration_disabled"


def test_a_group_whose_connection_was_deleted_is_told_of_all_the_same(office, chat):
    notification = office.notify(user_ids=[], group_ids=[chat.id, 999])
    assert [one.recipient_name for one in office.deliveries(notification)] == ["生产告警群", "#999"]
    assert office.deliveries(notification)[1].failure_code == "chat_gone"


def test_a_message_to_a_group_can_be_sent_again(office, chat):
    office.platform.errors.append(ContentRefused("no"))
    failed = told(office, chat)
    admin = make_member("admin", Role.ADMIN)

    again = deliveries.resend(failed, by=admin, now=utcnow())
    db.session.commit()
    office.work()
    assert (again.state, again.group_chat_id, again.source) == (DeliveryState.SENT, chat.id, "resend")


# --- levels ---------------------------------------------------------------------------------------------------------


def test_a_level_of_groups_alone_is_dispatched(office, chat):
    channel = office.incident.channel
    make_policy(channel, levels=[make_level(group_ids=[chat.id])])
    incident = make_incident(channel)
    dispatch.begin(incident, kind="assign", now=utcnow())
    office.work()

    (sent,) = db.session.scalars(select(Delivery).where(Delivery.incident_id == incident.id))
    assert (sent.group_chat_id, sent.state) == (chat.id, DeliveryState.SENT)


def test_pushed_alerts_reach_groups_too(office, chat):
    channel = make_channel("网络")
    make_policy(channel, office.lin, levels=[make_level(office.lin, group_ids=[chat.id])])
    source = make_source(channel)
    alert = {"tenant_id": source.tenant_id, "source_id": source.id, "channel_id": channel.id, "alert_key": "k"}
    severity = office.incident.severity
    facts = {"title": "t", "description": "", "severity": severity, "status": severity, "labels": {}, "images": []}
    times = {"started_at": utcnow(), "last_event_at": utcnow(), "event_count": 1}
    (opening,) = openings.open_all([alert | facts | times | {"state": "firing"}], source, now=utcnow())
    office.work()

    sent = db.session.scalars(select(Delivery).where(Delivery.incident_id == opening.incident_id)).all()
    assert {(one.recipient_name, one.state) for one in sent} == {
        ("林晓", DeliveryState.SENT),
        ("生产告警群", DeliveryState.SENT),
    }


def boss():
    return make_member("boss", Role.ADMIN)


def test_a_policy_takes_groups_of_its_own_organisation_only(office, chat):
    other = make_tenant("别家")
    foreign = make_channel("别家的空间", tenant=other)
    draft = policies.draft(name="群", levels=[make_level(group_ids=[chat.id])])

    with pytest.raises(InvalidInput):
        policies.create(foreign, draft, by=make_member("zhou", Role.ADMIN, tenant=other), now=utcnow())
    policy = policies.create(office.incident.channel, draft, by=boss(), now=utcnow())
    assert policies.levels_of(policy)[0].group_ids == (chat.id,)


def test_a_policy_keeps_a_group_that_is_gone_with_its_connection(office, chat):
    level = make_level(group_ids=[chat.id])
    policy = policies.create(
        office.incident.channel, policies.draft(name="群", levels=[level]), by=boss(), now=utcnow()
    )
    db.session.delete(chat)
    db.session.flush()

    policies.update(policy, policies.draft(name="群 2", levels=[level]), by=boss(), now=utcnow())
    assert policies.levels_of(policy)[0].group_ids == (level["group_ids"][0],)
    with pytest.raises(InvalidInput):
        policies.create(policy.channel, policies.draft(name="群 3", levels=[level]), by=boss(), now=utcnow())


# --- cards ----------------------------------------------------------------------------------------------------------


def test_anybody_linked_may_press_and_acts_as_themself(office, chat):
    wu = make_member("wu")
    make_link(office.integration, wu)
    sent = told(office, chat)
    assert buttons(shown(office, sent)) == ["开始处理", "直接关闭", "屏蔽 2 小时"]

    result = office.press(shown(office, sent), "开始处理", by="wu")
    office.work()

    assert result.answer.text == "已开始处理"
    assert office.incident.progress is Progress.PROCESSING
    card = shown(office, sent)
    assert card.footer == "吴凡 已于 09:31 开始处理"
    assert buttons(card) == ["直接关闭", "屏蔽 2 小时"]


def test_who_may_not_is_told_in_the_answer_and_nothing_happens(office, chat):
    sent = told(office, chat)
    make_link(office.integration, make_member("zhou", Role.VIEWER))

    unlinked = office.press(shown(office, sent), "开始处理", by="nobody")
    viewer = office.press(shown(office, sent), "直接关闭", by="zhou")

    assert unlinked.answer.text.startswith("未关联应用")
    assert unlinked.answer.is_refusal
    assert viewer.answer.text.startswith("您没有处理该故障的权限（当前以")
    assert (office.pending("tell"), office.incident.progress) == ([], Progress.TRIGGERED)


def test_the_card_of_a_group_and_that_of_a_person_show_the_same(office, chat):
    sent = told(office, chat, office.lin)
    mine = next(one for one in office.platform.messages if one.to == "lin")

    office.press(shown(office, sent), "屏蔽 2 小时")
    office.pass_time(seconds=2)

    for card in (shown(office, sent), mine.shown):
        assert card.footer == "屏蔽至 11:31 (林晓)"
        assert buttons(card) == ["取消屏蔽", "直接关闭"]


def test_an_answer_that_others_do_not_see_is_not_the_group_s_card(office, chat, limit):
    """The presser's card is in the answer; the group's is updated all the same."""
    limit(answers_in_reply=True, reply_reaches_all=False)
    sent = told(office, chat)
    result = office.press(shown(office, sent), "开始处理")
    assert result.card is not None
    assert not result.is_urgent  # the answer is to leave first
    office.work()
    assert office.platform.by_reference(sent.reference).updates == []
    office.pass_time(seconds=1)
    assert len(office.platform.by_reference(sent.reference).updates) == 1


def test_an_answer_that_everybody_sees_saves_the_call(office, chat, limit):
    limit(answers_in_reply=True, reply_reaches_all=True)
    sent = told(office, chat)
    assert office.press(shown(office, sent), "开始处理").card is not None
    office.work()
    assert office.platform.by_reference(sent.reference).updates == []


def test_markup_that_may_be_refused_is_no_answer_but_an_update(office, chat, limit, monkeypatch):
    settle = card_contents.of

    def of(*args: Any, **values: Any) -> Content:
        return replace(settle(*args, **values), is_markup=True)

    sent = told(office, chat)
    monkeypatch.setattr(card_contents, "of", of)
    limit(answers_in_reply=True, reply_reaches_all=True, refuses_markup=True)
    result = office.press(shown(office, sent), "开始处理")
    assert (result.card, result.answer.text, result.is_urgent) == (None, "已开始处理", False)
    office.pass_time(seconds=1)
    assert shown(office, sent).footer == "林晓 已于 09:31 开始处理"


# --- notices of single viewers ------------------------------------------------------------------------------------


@pytest.fixture
def noticing(office, chat, limit) -> Delivery:
    """A group's card that shows a refusal to whoever pressed, and takes two of these away with an update."""
    limit(answers_in_reply=True, reply_reaches_all=False, notices_per_update=2)
    return told(office, chat, office.lin)


def noticed() -> list[str]:
    return list(db.session.scalars(select(CardNotice.external_user_id).order_by(CardNotice.told_at, CardNotice.id)))


def test_whoever_was_refused_loses_the_notice_with_the_next_update(office, noticing):
    make_link(office.integration, make_member("zhou", Role.VIEWER))
    for number, name in enumerate(("Nobody", "zhou", "zhou")):
        office.press(shown(office, noticing), "直接关闭", by=name, event_key=f"press {number}")
    assert noticed() == ["Nobody", "zhou"], "once each, as the platform spells them"

    office.press(shown(office, noticing), "开始处理")
    assert noticed() == ["Nobody", "zhou"], "what is done costs nothing more"
    office.pass_time(seconds=2)

    assert sorted(office.platform.told) == [(), ("Nobody", "zhou")], "the person's own card is none of a group"
    assert noticed() == []
    office.press(shown(office, noticing), "直接关闭")
    office.pass_time(seconds=2)
    assert office.platform.told[-1] == ()


def test_an_update_takes_away_as_many_notices_as_the_platform_lets_it(office, noticing):
    for name in ("one", "two", "three"):
        office.clock.shift(timedelta(seconds=1))
        office.press(shown(office, noticing), "直接关闭", by=name)
    office.press(shown(office, noticing), "开始处理")
    office.pass_time(seconds=2)
    assert noticed() == ["three"], "the oldest first; the others with the update after this one"
    office.press(shown(office, noticing), "直接关闭")
    office.pass_time(seconds=2)
    assert noticed() == []


def test_whoever_is_refused_again_during_the_update_keeps_it_until_the_next(office, noticing, monkeypatch):
    office.press(shown(office, noticing), "直接关闭", by="nobody")
    office.press(shown(office, noticing), "开始处理")
    update_card, seen = office.platform.update_card, shown(office, noticing)

    def meanwhile(handle, card):
        update_card(handle, card)
        if handle.told:
            office.clock.shift(timedelta(milliseconds=10))
            office.press(seen, "直接关闭", by="nobody", event_key="again")

    monkeypatch.setattr(office.platform, "update_card", meanwhile)
    office.pass_time(seconds=2)
    assert noticed() == ["nobody"]


def test_a_notice_stays_remembered_while_the_platform_takes_no_update(office, noticing):
    office.press(shown(office, noticing), "直接关闭", by="nobody")
    office.press(shown(office, noticing), "开始处理")
    office.platform.errors = deque([NetworkFailed("down")] * 2)
    office.pass_time(seconds=2)
    assert noticed() == ["nobody"]
    office.pass_time(minutes=5)
    assert ("nobody",) in office.platform.told
    assert noticed() == []


def test_nobody_is_remembered_where_nothing_stays_on_a_card(office, noticing, limit):
    office.press(office.platform.messages[-1].shown, "直接关闭", by="x" * 200)
    mine = next(one for one in office.platform.messages if one.to == "lin")
    office.press(mine.shown, "直接关闭", by="nobody")
    limit(notices_per_update=0)
    office.press(shown(office, noticing), "直接关闭", by="nobody")
    assert noticed() == []


# --- two at once --------------------------------------------------------------------------------------------------


def test_two_who_press_at_the_same_moment_do_not_get_one_anothers_answer(office, chat):
    """Where the key of a press is the card and the moment."""
    make_link(office.integration, make_member("wu"))
    sent = told(office, chat)
    first = office.press(shown(office, sent), "开始处理", event_key="same")
    other = office.press(shown(office, sent), "直接关闭", by="wu", event_key="same")
    again = office.press(shown(office, sent), "开始处理", event_key="same")

    assert (other.answer.text, other.answer.is_refusal) == ("系统繁忙，请再点一次", True)
    assert again.answer == first.answer
    assert office.incident.progress is Progress.PROCESSING


def test_a_closed_incident_leaves_no_buttons(office, chat):
    sent = told(office, chat)
    office.press(shown(office, sent), "直接关闭")
    office.work()
    assert buttons(shown(office, sent)) == []


def test_only_the_newest_card_of_a_group_is_kept_true(office, chat):
    first, second = told(office, chat), told(office, chat)
    office.change(incidents.acknowledge)
    office.pass_time(seconds=2)

    assert shown(office, first).footer == "请查看最新卡片"
    assert shown(office, second).footer == "林晓 已于 09:31 开始处理"
    assert office.card(first).state is CardState.SUPERSEDED


def test_a_failed_update_offers_a_refresh_that_goes_again(office, chat):
    sent = told(office, chat)
    office.platform.errors.append(ContentRefused("no"))
    office.change(incidents.acknowledge)
    office.pass_time(seconds=2)
    assert office.card(sent).state is CardState.STALE

    office.change(incidents.snooze, minutes=60)
    office.pass_time(seconds=2)
    assert buttons(shown(office, sent)) == ["取消屏蔽", "直接关闭", "状态刷新"]

    office.press(shown(office, sent), "状态刷新")
    office.work()
    assert buttons(shown(office, sent)) == ["取消屏蔽", "直接关闭"]
    assert office.card(sent).state is CardState.LIVE


@pytest.mark.parametrize("error", [CardTooOld("14 days"), GroupGone("left")])
def test_a_card_that_may_not_be_changed_any_more_is_let_be(office, chat, error):
    sent = told(office, chat)
    office.platform.errors.append(error)
    office.change(incidents.acknowledge)
    office.pass_time(seconds=2)
    calls_made = office.platform.calls
    office.change(incidents.close)
    office.pass_time(seconds=2)

    assert office.card(sent).state is CardState.FROZEN
    assert office.platform.calls == calls_made
    (held,) = held_cards.of_incident(office.incident).frozen
    assert (held.platform, held.why.message, held.hint.message) == ("畅聊", error.message, error.hint)
    assert [one.id for one in held.deliveries] == [sent.id]


def test_a_new_card_takes_the_place_of_one_that_stays_as_it_is(office, chat):
    sent = told(office, chat)
    office.platform.errors.append(CardTooOld("14 days"))
    office.change(incidents.acknowledge)
    office.pass_time(seconds=2)
    assert held_cards.of_incident(office.incident).frozen_count == 1

    admin = make_member("admin", Role.ADMIN)
    again = deliveries.resend(sent, by=admin, now=utcnow())
    office.work()

    assert held_cards.of_incident(office.incident).frozen_count == 0
    assert "林晓" in shown(office, again).footer


def test_an_old_card_is_not_updated_but_its_buttons_work(office, chat, limit):
    limit(update_days=14)
    sent = told(office, chat)
    office.clock.shift(timedelta(days=15))

    result = office.press(shown(office, sent), "开始处理")
    assert (result.card, result.answer.text) == (None, "已开始处理")
    office.change(incidents.close)
    office.pass_time(seconds=2)
    assert office.card(sent).state is CardState.FROZEN
    assert office.platform.by_reference(sent.reference).updates == []
    (held,) = held_cards.of_incident(office.incident).frozen
    assert say(held.why) == "卡片已超过平台允许更新的时限"


# --- test cards -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("in_reply", [True, False], ids=["answers with the card", "answers with words"])
def test_a_groups_test_card_is_confirmed_for_everybody(office, chat, limit, in_reply):
    limit(answers_in_reply=in_reply)
    admin = make_member("admin", Role.ADMIN)
    office.integration.status = IntegrationStatus.DRAFT
    (sent,) = trial_cards.send(office.integration, group_ids=[chat.id], by=admin, now=utcnow())
    office.work()
    assert (sent.state, sent.recipient_name) == (DeliveryState.SENT, "生产告警群")
    assert office.platform.recipients[-1].is_group

    result = office.press(shown(office, sent), "测试按钮", by="somebody")
    office.work()
    assert result.answer.text == "[测试] 按钮回调正常"
    assert shown(office, sent).title == "[测试] 按钮回调正常"


def test_a_test_card_goes_to_no_other_connections_group_and_to_none_that_is_gone(office, chat):
    admin = make_member("admin", Role.ADMIN)
    other = make_integration(platform="chat", name="另一个")
    assert trial_cards.send(other, group_ids=[chat.id], by=admin, now=utcnow()) == []
    with pytest.raises(AccessDenied):
        trial_cards.send(office.integration, group_ids=[chat.id], by=office.lin, now=utcnow())

    groups.note_gone(chat, tried_at=utcnow() + timedelta(seconds=1))
    (sent,) = trial_cards.send(office.integration, group_ids=[chat.id], by=admin, now=utcnow())
    assert (sent.state, sent.failure_code) == (DeliveryState.FAILED, "chat_gone")


# --- how many, how fast ---------------------------------------------------------------------------------------------


def test_no_summaries_where_the_platform_sets_no_limit_for_a_person(office, chat):
    for _ in range(40):
        office.notify(office.lin)
    office.work()
    sent = db.session.scalars(select(Delivery.state)).all()
    assert set(sent) == {DeliveryState.SENT}


def test_more_than_a_group_takes_a_second_wait_and_no_try_is_counted(office, chat, limit):
    limit(sends_per_chat_second=2)
    incidents_told = [make_incident(office.incident.channel) for _ in range(4)]
    for incident in incidents_told:
        office.incident = incident
        office.notify(user_ids=[], group_ids=[chat.id])
    office.work()

    states = [one.state for one in db.session.scalars(select(Delivery).order_by(Delivery.id))]
    assert sorted(states) == [DeliveryState.QUEUED] * 2 + [DeliveryState.SENT] * 2
    assert [len(one.attempts) for one in db.session.scalars(select(Delivery).order_by(Delivery.state))] == [0, 0, 1, 1]


def test_a_pace_gives_those_who_wait_a_moment_each():
    pace = Pace()
    limits = {"app": Rate(4)}
    assert [pace.wait(limits, 10.0) for _ in range(4)] == [0.0] * 4
    assert [round(pace.wait(limits, 10.5), 2) for _ in range(3)] == [0.5, 0.75, 1.0]
    assert pace.wait(limits, 11.1) == 0.0
    assert pace.wait({"other": Rate(1)}, 11.1) == 0.0


def test_a_pace_by_the_minute_lets_go_at_once_and_spreads_the_rest():
    pace, limits = Pace(), {"app": Rate(6), "app's minute": Rate(9, MINUTE)}
    assert [pace.wait(limits, second) for second in (0.0, 1.1) for _ in range(6)].count(0.0) == 9
    assert pace.wait(limits, 20.0) == LONGEST, "and asks again then"
    assert pace.wait(limits, 59.0) == pytest.approx(1.0, abs=0.2)
    assert [pace.wait(limits, 61.2) for _ in range(9)].count(0.0) == 6


def test_sending_and_updating_have_a_minute_each(app: Flask):
    capabilities = replace(FakePlatform.capabilities, sends_per_minute=2)
    for is_update in (False, True):
        free = [
            pacing.free_at(1, "lin", capabilities, NOW, is_urgent=False, is_update=is_update) is None for _ in range(3)
        ]
        assert free == [True, True, False]


def test_what_is_urgent_is_not_put_behind_what_is_not():
    pace = Pace()
    limits = {"app": Rate(1)}
    assert pace.wait(limits, 10.0) == 0.0
    assert max(pace.wait(limits, 10.0) for _ in range(20)) == 20.0
    assert pace.wait(limits, 10.0, is_urgent=True) == 1.0


@pytest.mark.parametrize("limit", [1, 5, 18, 50])
@pytest.mark.parametrize("workers", [1, 2, 3, 7, 10])
def test_all_workers_together_send_as_much_as_the_platform_takes_and_no_more(limit: int, workers: int):
    paces = [Pace() for _ in range(workers)]
    for rank, pace in enumerate(paces):
        pace.share = Share(rank, workers)
    left = [moment for moment in arange(0.0, 20.0) for pace in paces if pace.wait({"app": Rate(limit)}, moment) == 0.0]
    for moment in range(20):
        assert sum(moment <= one < moment + 1.0 for one in left) <= max(limit, workers)
    assert limit * 20 - workers * limit <= len(left) <= limit * 20 + workers


def test_what_arrives_later_than_it_left_does_not_meet_what_leaves_next(app: Flask, monkeypatch: pytest.MonkeyPatch):
    capabilities = replace(FakePlatform.capabilities, sends_per_second=19)
    arrived = []
    for moment in arange(0.0, 5.0):
        monkeypatch.setattr("services.pacing.time.monotonic", lambda now=moment: now)
        while pacing.free_at(1, "lin", capabilities, NOW, is_urgent=False) is None:
            arrived.append(moment + (len(arrived) // 19 % 2 == 0) * 0.049)  # every other batch takes its time
    assert len(arrived) >= 5 * 18 - 19
    assert all(sum(first <= one < first + 1.0 for one in arrived) <= 19 for first in arrived)


def arange(start: float, end: float) -> list[float]:
    return [start + step / 64 for step in range(int((end - start) * 64))]


def test_who_is_there_is_known_by_heartbeats_that_go_on_whatever_the_clocks_say():
    peers, minute = Peers("b"), timedelta(minutes=1)
    beats = {"a": NOW + minute / 2, "b": NOW, "long gone": NOW - 2 * minute}
    assert peers.share({"b": NOW}, now=NOW, at=0.0) == Share()
    assert peers.share(beats, now=NOW, at=3.0) == Share(1, 2)
    assert peers.share(beats, now=NOW, at=11.0) == Share(1, 2)
    assert peers.share(beats, now=NOW, at=12.0) == Share(), "its heart stands still"
    assert peers.share(beats | {"a": NOW + minute}, now=NOW, at=15.0) == Share(1, 2)
    assert peers.share({"b": NOW}, now=NOW, at=18.0) == Share(), "it took its leave"


def test_workers_learn_of_each_other_with_their_heartbeats(app: Flask, monkeypatch: pytest.MonkeyPatch):
    first, second = Worker(app), Worker(app)
    second.name = second.peers._own_name = f"{first.name}-2"
    first._beat()
    assert pacing.of_process().share == Share()
    second._beat()
    assert pacing.of_process().share == Share(1, 2)
    first._beat()
    assert pacing.of_process().share == Share(0, 2)
    second._leave()
    first._beat()
    assert pacing.of_process().share == Share()


def test_nobody_waits_long_for_those_who_may_never_come():
    pace = Pace()
    limits = {"app": Rate(1)}
    assert max(pace.wait(limits, 10.0) for _ in range(500)) == LONGEST


def test_calls_are_counted_by_the_month_where_the_platform_counts(office, chat, limit):
    assert calls.use(db.session, office.integration, now=utcnow()) is None
    limit(quota=calls_a_month(10))
    sent = told(office, chat)
    office.change(incidents.acknowledge)
    office.pass_time(seconds=2)
    office.platform.errors.append(NetworkFailed("down"))
    told(office, chat)

    integration = db.session.get_one(Integration, office.ids[-1])
    assert calls.use(db.session, integration, now=utcnow()) == calls.Use(2, 10)
    assert calls.use(db.session, integration, now=utcnow() + timedelta(days=31)) == calls.Use(0, 10)
    calls.set_number(integration, "monthly_limit", 2, by=make_member("admin", Role.ADMIN))
    assert calls.use(db.session, integration, now=utcnow()).tone == "bad"
    (entry,) = db.session.scalars(select(AuditEntry).where(AuditEntry.event == "integration.monthly_limit_changed"))
    assert (entry.detail, entry.actor_name) == ({"before": None, "after": 2}, "admin")
    assert db.session.get_one(Incident, sent.incident_id)


def test_a_companys_calls_are_counted_over_its_connections_and_measured_alike(office, limit):
    limit(quota=calls_a_month(10))
    first = db.session.get_one(Integration, office.ids[-1])
    first.settings = {"company": "acme"}
    second, other = (
        make_integration(platform=first.platform, name=name, settings={"company": name}, platform_key=name)
        for name in ("acme", "other")
    )
    for integration, made in ((first, 2), (second, 3), (other, 5)):
        calls.note(integration, utcnow(), made=made)
    db.session.commit()
    assert calls.use(db.session, first, now=utcnow()) == calls.Use(5, 10, 2)
    assert calls.use(db.session, second, now=utcnow()) == calls.Use(5, 10, 2)
    assert calls.use(db.session, other, now=utcnow()) == calls.Use(5, 10)

    calls.set_number(second, "monthly_limit", 4, by=make_member("admin", Role.ADMIN))
    db.session.commit()
    assert calls.use(db.session, first, now=utcnow()) == calls.Use(5, 4, 2)
    assert calls.use(db.session, other, now=utcnow()) == calls.Use(5, 10)


def test_who_counted_a_call_holds_up_nobody_until_the_commit(office, limit):
    limit(quota=calls_a_month(10))
    calls.note(office.integration, utcnow())
    db.session.commit()
    is_server = db.engine.dialect.name == "postgresql"
    with db.engine.connect() as other:
        calls.note(office.integration, utcnow(), made=3)
        incidents.lock(*office.ids[:2])  # what it waits for now may be waiting for the counter
        if is_server:
            other.execute(text("SET lock_timeout = '5s'"))
            other.execute(text("UPDATE call_counts SET calls = calls + 1"))
            other.commit()
        db.session.commit()
    assert calls.use(db.session, office.integration, now=utcnow()) == calls.Use(5 if is_server else 4, 10)


def test_calls_of_what_was_rolled_back_are_not_counted(office, limit):
    limit(quota=calls_a_month(10))
    calls.note(office.integration, utcnow())
    db.session.rollback()
    db.session.commit()
    assert calls.use(db.session, office.integration, now=utcnow()) == calls.Use(0, 10)
