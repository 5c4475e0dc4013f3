"""Cards stay true as long as there is a right to change them, and say so when there is none."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from flask import Flask
from sqlalchemy import select

from extensions import db
from models import CardCode, CardState, TimelineEntry
from platforms.base import IncidentCard
from platforms.errors import AnswerLost, ContentRefused, PlatformBusy, UpdateCodeSpent
from services import cards, held_cards, incidents
from tests.factories import NOW, make_channel, make_incident, make_integration, make_link, make_member
from tests.fakes import FakePlatform, Message
from tests.service.messaging import Office


@pytest.fixture
def office(app: Flask, monkeypatch: pytest.MonkeyPatch):
    platform = FakePlatform()
    monkeypatch.setattr("services.integrations.platform_for", lambda integration: platform)
    with time_machine.travel(NOW, tick=False) as clock:
        lin = make_member("lin")
        integration = make_integration()
        make_link(integration, lin)
        labels = {"resource": "db-03", "check": "disk.used>95%", "env": "prod", "other": "not shown"}
        incident = make_incident(make_channel(), responders=(lin,), labels=labels, alert_count=2)
        yield Office(app, platform, clock, integration, incident, lin)


def buttons(card: IncidentCard) -> list[str]:
    return [button.text for button in card.buttons]


def sent(office: Office, **values: object) -> Message:
    return office.platform.by_reference(office.tell(**values).reference)


def test_the_card_of_a_new_incident(office: Office):
    card = sent(office).shown
    assert card.source == "值班铃 · 支付核心"
    assert card.title == "[严重] db-03 / disk.used>95%"
    assert card.subtitle == f"#{office.incident.num} · 待处理 · 09:31 触发"
    assert card.elapsed == "持续 1 分钟"
    assert {fact.label: fact.value for fact in card.facts} == {
        "协作空间": "支付核心",
        "严重程度": "严重",
        "处理进度": "待处理",
        "触发时间": "09:31",
        "处理人员": "林晓",
        "关联告警": "2",
    }
    assert card.body == ("资源：db-03", "检查项：disk.used>95%", "环境：prod")
    assert buttons(card) == ["开始处理", "直接关闭", "屏蔽 2 小时", "状态刷新"]
    assert [button.text for button in card.menu] == ["屏蔽 4 小时", "屏蔽 12 小时", "屏蔽 24 小时"]
    assert card.url.endswith(f"/incidents/{office.incident.num}")
    assert card.footer == ""


@pytest.mark.parametrize(
    ("values", "prefix"),
    [
        ({"cause": "escalate"}, "[升级] [严重]"),
        ({"cause": "repeat", "times": 3}, "[再次通知 2] [严重]"),
        ({"cause": "reopen"}, "[重新打开] [严重]"),
        ({"cause": "snooze_expired"}, "[屏蔽到期] [严重]"),
    ],
)
def test_the_title_says_why_the_message_came(office: Office, values, prefix):
    assert sent(office, **values).shown.title.startswith(prefix)


def test_another_organisations_language_is_spoken_on_its_cards(office: Office):
    from models import Tenant

    db.session.get_one(Tenant, 0).locale = "en"
    card = sent(office).shown
    assert card.reference
    assert card.subtitle.startswith(f"#{office.incident.num} · ")


def test_taking_it_on_changes_the_cards_of_everybody(office: Office):
    wu = make_member("wu")
    make_link(office.integration, wu)
    notification = office.notify(office.lin, wu)
    office.work()
    office.change(incidents.acknowledge)
    office.pass_time(seconds=2.5)
    lins, wus = (office.platform.by_reference(one.reference).shown for one in office.deliveries(notification))
    assert lins.footer == wus.footer == "林晓 已于 09:31 开始处理"
    assert buttons(lins) == ["直接关闭", "屏蔽 2 小时", "状态刷新"]
    assert buttons(wus) == ["开始处理", "直接关闭", "屏蔽 2 小时", "状态刷新"]


def test_a_snoozed_card_says_until_when_and_by_whom(office: Office):
    message = sent(office)
    office.change(incidents.snooze, minutes=120)
    office.pass_time(seconds=2.5)
    assert message.shown.footer == "屏蔽至 11:31 (林晓)"
    assert message.shown.tone == "muted"
    assert buttons(message.shown) == ["取消屏蔽", "直接关闭", "状态刷新"]
    assert message.shown.menu == ()


def test_a_closed_card_keeps_the_refresh_alone(office: Office):
    message = sent(office)
    office.change(incidents.close)
    office.pass_time(seconds=2.5)
    assert message.shown.footer == "林晓 已于 09:31 关闭"
    assert buttons(message.shown) == ["状态刷新"]


def test_several_changes_at_once_spend_one_right_on_the_newest_state(office: Office):
    message = sent(office)
    office.change(incidents.acknowledge)
    office.change(incidents.snooze, minutes=60)
    office.change(incidents.close)
    assert len(office.pending("update_card")) == 1
    office.pass_time(seconds=2.5)
    assert len(message.updates) == 1
    assert "已关闭" in message.shown.subtitle


def test_a_change_that_does_not_show_spends_nothing(office: Office):
    message = sent(office)
    office.change(incidents.comment, text="正在看")
    office.change(incidents.snooze, minutes=60)
    office.change(incidents.wake)
    office.pass_time(seconds=2.5)
    assert message.updates == []


def test_without_a_right_the_card_is_stale_and_counted_and_nothing_is_sent(office: Office):
    message = sent(office)
    office.change(incidents.acknowledge)
    office.pass_time(seconds=2.5)
    office.change(incidents.close)
    calls = office.platform.calls
    office.pass_time(seconds=2.5)
    assert office.platform.calls == calls
    assert len(message.updates) == 1
    assert held_cards.of_incident(office.incident).stale_count == 1
    entry = db.session.scalars(select(TimelineEntry).where(TimelineEntry.type == "card_stale")).one()
    assert entry.detail == {"recipient": "林晓"}


def test_a_right_dies_after_72_hours(office: Office):
    sent(office)
    office.pass_time(hours=72, seconds=1)
    office.change(incidents.close)
    office.pass_time(seconds=2.5)
    assert held_cards.of_incident(office.incident).stale_count == 1


def test_a_press_brings_a_stale_card_up_to_date_and_a_new_right_is_kept(office: Office):
    message = sent(office)
    for verb in (incidents.acknowledge, incidents.close):
        office.change(verb)
        office.pass_time(seconds=2.5)
    assert held_cards.of_incident(office.incident).stale_count == 1
    result = office.press(message.shown, "状态刷新")
    assert result.card is not None
    assert "已关闭" in result.card.subtitle
    assert held_cards.of_incident(office.incident).stale_count == 0


def test_the_answer_to_a_press_spends_its_own_right_and_leaves_the_other(office: Office):
    delivery = office.tell()
    message = office.platform.by_reference(delivery.reference)
    office.press(message.shown, "开始处理")
    unused = db.session.scalars(select(CardCode.code).where(CardCode.used_at.is_(None))).all()
    assert unused == ["code-1"]
    office.pass_time(seconds=2.5)
    assert message.updates == []
    office.change(incidents.close)
    office.pass_time(seconds=2.5)
    assert "已关闭" in message.shown.subtitle


def test_a_newer_card_replaces_the_older_one_which_says_so_once(office: Office):
    first = office.tell()
    second = office.tell(cause="repeat", times=2)
    old, new = (office.platform.by_reference(one.reference) for one in (first, second))
    office.work()
    assert old.shown.footer == "请查看最新卡片"
    assert buttons(old.shown) == ["状态刷新"]
    office.change(incidents.close)
    office.pass_time(seconds=2.5)
    assert len(old.updates) == 1
    assert "已关闭" in new.shown.subtitle
    assert office.card(first).state is CardState.SUPERSEDED


def test_an_older_card_without_a_right_is_left_as_it_is(office: Office):
    first = office.tell()
    office.change(incidents.acknowledge)
    office.pass_time(seconds=2.5)
    office.tell(cause="add_responder")
    office.work()
    assert len(office.platform.by_reference(first.reference).updates) == 1
    assert held_cards.of_incident(office.incident).stale_count == 0


def test_a_dead_right_is_dropped_for_the_next_one(office: Office):
    delivery = office.tell()
    message = office.platform.by_reference(delivery.reference)
    card = office.card(delivery)
    about: dict[str, Any] = {"tenant_id": card.tenant_id, "origin": "press", "hours": 72}
    cards.add_code(db.session.connection(), card.id, "from a press", **about, now=office.now())
    office.platform.errors.append(UpdateCodeSpent("60140"))
    office.change(incidents.close)
    office.pass_time(seconds=2.5)
    assert "已关闭" in message.shown.subtitle
    assert all(code.used_at for code in office.card(delivery).codes)


def test_a_dead_last_right_makes_the_card_stale_after_one_try(office: Office):
    sent(office)
    office.platform.errors.append(UpdateCodeSpent("60140"))
    office.change(incidents.close)
    office.pass_time(seconds=2.5)
    office.pass_time(minutes=30)
    assert office.platform.calls == 2
    assert held_cards.of_incident(office.incident).stale_count == 1


def test_an_update_whose_answer_was_lost_counts_once_its_right_turns_out_spent(office: Office):
    message = sent(office)
    office.platform.lost = True
    office.platform.errors.append(AnswerLost("timeout"))
    office.change(incidents.close)
    office.pass_time(seconds=2.5)
    office.pass_time(seconds=2)
    assert len(message.updates) == 1
    assert held_cards.of_incident(office.incident).stale_count == 0


def test_a_lost_update_is_remembered_over_other_failures(office: Office):
    message = sent(office)
    office.platform.lost = True
    office.platform.errors.append(AnswerLost("timeout"))
    office.change(incidents.acknowledge)
    office.pass_time(seconds=2)
    office.platform.lost = False
    office.platform.errors.append(PlatformBusy("busy"))
    office.pass_time(seconds=2)
    office.pass_time(seconds=30)
    assert len(message.updates) == 1
    assert held_cards.of_incident(office.incident).stale_count == 0


def test_a_busy_platform_gets_the_update_later(office: Office):
    message = sent(office)
    office.platform.errors.extend([PlatformBusy("busy")] * 2)
    office.change(incidents.close)
    for _ in range(4):
        office.pass_time(seconds=4)
    assert "已关闭" in message.shown.subtitle


def test_an_update_that_the_platform_never_takes_is_visible(office: Office):
    delivery = office.tell()
    office.platform.errors.append(ContentRefused("40058"))
    office.change(incidents.close)
    office.pass_time(seconds=2.5)
    card = office.card(delivery)
    assert card.state is CardState.STALE
    assert card.last_error is not None
    assert card.last_error["code"] == "platform.content_refused"


def test_an_update_in_flight_is_not_overtaken_by_a_second_one(office: Office):
    delivery = office.tell()
    card = office.card(delivery)
    now = office.now()
    cards.schedule(card, now=now)
    cards.schedule(card, now=now)
    first, second = office.pending("update_card")
    first.lease_until = now + timedelta(days=36500)  # by whichever clock it is read
    db.session.commit()
    assert cards.is_turn_of(first.id, card.id, now)
    assert not cards.is_turn_of(second.id, card.id, now)


def test_a_disabled_integration_is_not_called_for_updates(office: Office):
    from models import IntegrationStatus

    sent(office)
    office.integration.status = IntegrationStatus.DISABLED
    db.session.commit()
    calls = office.platform.calls
    office.change(incidents.close)
    office.pass_time(seconds=2.5)
    assert office.platform.calls == calls
    assert held_cards.of_incident(office.incident).stale_count == 1
