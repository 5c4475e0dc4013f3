"""What a press on a card does, for whom, and what everybody else is told."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
import time_machine
from flask import Flask
from sqlalchemy import func, select

from extensions import db
from models import (
    CardCode,
    CheckState,
    DeliveryState,
    IntegrationStatus,
    LinkState,
    Membership,
    MembershipState,
    Progress,
    Role,
    TimelineEntry,
)
from platforms.base import CardButton, CardPress
from platforms.errors import AnswerLost
from services import checks, incidents, linking, seats, trial_cards
from services.clock import utcnow
from services.press_answers import PressResult
from services.wording import say
from tests.factories import (
    NOW,
    make_channel,
    make_incident,
    make_integration,
    make_link,
    make_member,
    make_tenant,
)
from tests.fakes import FakePlatform, press_of
from tests.service.messaging import Office, apply_press

NO_RIGHT = "您没有处理该故障的权限（当前以 %s 操作，可打开应用切换账户）"


@pytest.fixture
def office(app: Flask, monkeypatch: pytest.MonkeyPatch):
    platform = FakePlatform()
    monkeypatch.setattr("services.integrations.platform_for", lambda integration: platform)
    with time_machine.travel(NOW, tick=False) as clock:
        lin = make_member("lin")
        integration = make_integration(name="值班")
        make_link(integration, lin)
        incident = make_incident(make_channel(), responders=(lin,))
        yield Office(app, platform, clock, integration, incident, lin)


@pytest.fixture
def card(office: Office):
    return office.platform.by_reference(office.tell().reference).shown


def entries(kind: str) -> int:
    counted = select(func.count()).select_from(TimelineEntry).where(TimelineEntry.type == kind)
    return db.session.scalar(counted) or 0


def told(office: Office) -> list[str]:
    """Private texts, after the worker has sent them."""
    office.work()
    return [message.text for message in office.platform.messages if message.text]


def test_start_processing(office: Office, card):
    result = office.press(card, "开始处理")
    assert office.incident.progress is Progress.PROCESSING
    assert result.card is not None
    assert result.card.footer == "林晓 已于 09:31 开始处理"
    assert "开始处理" not in [button.text for button in result.card.buttons]
    entry = db.session.scalars(select(TimelineEntry).where(TimelineEntry.type == "ack")).one()
    assert (entry.via, entry.actor_name) == ("card_wecom", "林晓")


def test_without_a_free_seat_nothing_happens_and_the_presser_is_told(office: Office, card):
    boss = make_member("boss", Role.ADMIN)
    seats.set_number(1, by=boss, now=NOW)
    seats.give(boss, by=boss, now=NOW)
    db.session.commit()
    office.press(card, "开始处理")
    assert office.incident.progress is Progress.TRIGGERED
    assert told(office) == ["没有可用的 License，请联系管理员在 费用中心 分配（已用 1/1）"]
    assert seats.plan(boss, now=NOW).refused == 1
    seats.take_back(boss, by=boss, now=NOW)
    db.session.commit()
    office.press(card, "开始处理", event_key="another press")
    assert office.incident.progress is Progress.PROCESSING
    assert [seat.user_id for seat in seats.plan(boss, now=NOW).holders] == [office.lin.user_id]


def test_close(office: Office, card):
    result = office.press(card, "直接关闭")
    assert office.incident.progress is Progress.CLOSED
    assert result.card is not None
    assert [button.text for button in result.card.buttons] == ["状态刷新"]


@pytest.mark.parametrize(
    ("text", "until"),
    [("屏蔽 2 小时", "11:31"), ("屏蔽 4 小时", "13:31"), ("屏蔽 12 小时", "21:31"), ("屏蔽 24 小时", "03-03 09:31")],
)
def test_snooze(office: Office, card, text, until):
    result = office.press(card, text)
    assert result.card is not None
    assert result.card.footer == f"屏蔽至 {until} (林晓)"


def test_wake(office: Office, card):
    snoozed = office.press(card, "屏蔽 2 小时").card
    assert snoozed is not None
    office.press(snoozed, "取消屏蔽")
    assert office.incident.snoozed_until is None


def test_refresh_changes_nothing_but_shows_when(office: Office, card):
    result = office.press(card, "状态刷新")
    assert result.card is not None
    assert result.card.footer == "更新于 09:31"
    assert entries("card_refresh") == 1


def test_a_repeat_of_the_same_event_changes_nothing_and_gets_the_same_answer(office: Office, card):
    first = office.press(card, "开始处理")
    office.change(incidents.close)
    again = office.press(card, "开始处理")
    assert again.card == first.card
    assert entries("ack") == 1
    assert office.incident.progress is Progress.CLOSED


def test_a_press_on_a_card_two_states_old_shows_what_is(office: Office, card):
    office.change(incidents.close)
    result = office.press(card, "开始处理")
    assert result.card is not None
    assert result.card.footer == "林晓 已于 09:31 关闭"
    assert result.text is not None
    assert say(result.text) == "林晓 已于 09:31 关闭"
    assert office.incident.progress is Progress.CLOSED


def test_a_press_proves_that_the_way_back_works(office: Office, card):
    office.press(card, "状态刷新")
    check = checks.get(office.integration, "press")
    assert check is not None
    assert check.state is CheckState.PASSED


def test_a_press_before_the_sending_was_recorded_counts_and_the_message_is_sent_once(office: Office):
    office.platform.lost = True
    office.platform.errors.append(AnswerLost("timeout"))
    delivery = office.tell()
    assert delivery.state is DeliveryState.RETRYING
    office.press(office.platform.messages[0].shown, "开始处理")
    office.pass_time(seconds=5)
    assert delivery.state is DeliveryState.SENT
    assert len(office.platform.messages) == 1
    assert office.incident.progress is Progress.PROCESSING


def test_a_press_before_the_sending_was_recorded_leaves_the_card_its_message(office: Office):
    office.platform.lost = True
    office.platform.errors.append(AnswerLost("timeout"))
    delivery = office.tell()
    office.press(office.platform.messages[0].shown, "开始处理", message_id="om_1")
    assert office.card(delivery).message_id == delivery.platform_message_id == "om_1"


# --- refusals: always told, never silent --------------------------------------------------------------------------


def test_somebody_without_a_link_is_told_how_to_get_one(office: Office, card):
    office.press(card, "开始处理", by="stranger")
    assert office.incident.progress is Progress.TRIGGERED
    assert told(office) == ["未关联应用：请在 企业微信工作台 打开「值班」完成一次登录后再操作"]
    assert office.platform.messages[-1].to == "stranger"


@pytest.mark.parametrize(
    ("name", "told_by_platform", "shown"),
    [
        ("企业微信", "", "本应用"),
        ("企业微信 2", "", "本应用"),
        ("企业微信", "值班铃", "值班铃"),
        ("值班", "值班铃", "值班铃"),
    ],
)
def test_the_application_is_called_as_it_is_in_the_workbench(office: Office, card, name, told_by_platform, shown):
    office.integration.name = name
    if told_by_platform:
        checks.passed(office.integration, "credentials", now=NOW, app_name=told_by_platform)
    db.session.commit()
    office.press(card, "开始处理", by="stranger")
    assert f"打开「{shown}」完成一次登录" in told(office)[-1]


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda member, link: setattr(link, "state", LinkState.PENDING), "您的成员状态为 审核中，暂不能操作"),
        (
            lambda member, link: setattr(member, "state", MembershipState.UNDER_REVIEW),
            "您的成员状态为 审核中，暂不能操作",
        ),
        (lambda member, link: setattr(member, "state", MembershipState.LEFT), "您的成员状态为 已离职，暂不能操作"),
        (lambda member, link: setattr(member.user, "is_disabled", True), "您的成员状态为 已停用，暂不能操作"),
        (lambda member, link: setattr(member, "role", Role.VIEWER), NO_RIGHT % "林晓"),
    ],
)
def test_who_may_not_act_is_told_why(office: Office, card, change: Callable, text: str):
    link = linking.find(office.integration, "lin")
    change(office.lin, link)
    office.press(card, "直接关闭")
    assert office.incident.progress is Progress.TRIGGERED
    assert told(office) == [text]


def test_an_incident_of_a_private_channel_is_closed_to_who_does_not_see_it(office: Office, card):
    assert office.incident.channel is not None
    office.incident.channel.is_private = True
    make_link(office.integration, make_member("wu"))
    office.press(card, "直接关闭", by="wu")
    assert office.incident.progress is Progress.TRIGGERED
    assert told(office) == [NO_RIGHT % "吴凡"]


def test_a_viewer_may_refresh(office: Office, card):
    make_link(office.integration, make_member("wu", Role.VIEWER))
    assert office.press(card, "状态刷新", by="wu").card is not None


def test_a_key_that_we_did_not_draw_does_nothing(office: Office, card):
    forged = replace(card, buttons=(CardButton("close.AAAAAAAAAAAAAAAAAAAAAA", "直接关闭"),))
    office.press(forged, "直接关闭")
    assert office.incident.progress is Progress.TRIGGERED
    assert told(office) == ["该卡片已失效"]


def test_a_card_of_another_organisation_is_invalid_there(office: Office, card):
    other = make_tenant("别的组织")
    zhou = make_member("zhou", tenant=other)
    theirs = make_integration(tenant=other)
    make_link(theirs, zhou)
    apply_press(theirs.id, CardPress("genuine", "nonce", utcnow(), **press_of(card, "直接关闭", by="zhou")))
    assert office.incident.progress is Progress.TRIGGERED
    assert told(office) == ["该卡片已失效"]


def test_a_deleted_incident_leaves_invalid_cards(office: Office, card):
    db.session.delete(office.incident)
    office.press(card, "直接关闭")
    assert told(office) == ["该卡片已失效"]


def test_a_disabled_integration_says_so(office: Office, card):
    office.integration.status = IntegrationStatus.DISABLED
    office.press(card, "直接关闭")
    assert office.incident.progress is Progress.TRIGGERED
    assert told(office) == ["集成已停用，请联系管理员"]


def test_why_a_press_was_refused_is_told_when_the_platform_takes_messages_again(office: Office, card):
    office.integration.paused_until = utcnow() + timedelta(seconds=30)
    office.press(card, "直接关闭", by="nobody")
    assert told(office) == []
    office.pass_time(seconds=31)
    assert len(told(office)) == 1


def test_an_hour_later_nobody_waits_to_be_told_why_a_press_was_refused(office: Office, card):
    office.press(card, "直接关闭", by="nobody")
    office.clock.shift(timedelta(minutes=61))
    assert told(office) == []
    assert office.pending("tell") == []


# --- at once ------------------------------------------------------------------------------------------------------


def at_once(app: Flask, office: Office, presses: list[CardPress]) -> list[PressResult]:
    """Apply presses in threads of their own, each in its own transaction."""
    results: list[PressResult] = []
    ready = threading.Barrier(len(presses))
    integration_id = office.ids[-1]

    def apply(press: CardPress) -> None:
        with app.app_context():
            ready.wait()
            results.append(apply_press(integration_id, press))

    db.session.commit()
    threads = [threading.Thread(target=apply, args=(press,)) for press in presses]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    db.session.expire_all()
    return results


def test_the_same_event_three_times_at_once_has_one_effect_and_one_answer(app: Flask, office: Office, card):
    press = CardPress("genuine", "nonce", utcnow(), **press_of(card, "开始处理"))
    results = at_once(app, office, [press] * 3)
    assert len(results) == 3
    assert len({result.card for result in results}) == 1
    assert entries("ack") == 1


def test_two_people_pressing_different_buttons_at_once_both_get_a_true_answer(app: Flask, office: Office):
    wu = make_member("wu")
    make_link(office.integration, wu)
    notification = office.notify(office.lin, wu)
    office.work()
    lins, wus = (office.platform.by_reference(one.reference).shown for one in office.deliveries(notification))
    presses = [
        CardPress("genuine", "nonce", utcnow(), **press_of(lins, "开始处理")),
        CardPress("genuine", "nonce", utcnow(), **press_of(wus, "直接关闭", by="wu")),
    ]
    results = at_once(app, office, presses)
    assert len(results) == 2
    assert all(result.card for result in results)
    assert office.incident.progress is Progress.CLOSED
    assert entries("close") == 1
    closed = [result for result in results if result.card and "已关闭" in result.card.subtitle]
    assert len(closed) == (2 if entries("ack") == 0 else 1)


# --- the cards of the others --------------------------------------------------------------------------------------


def test_presses_stage_one_row_for_the_cards_of_everybody_else(office: Office):
    wu = make_member("wu")
    make_link(office.integration, wu)
    notification = office.notify(office.lin, wu)
    office.work()
    lins, wus = (office.platform.by_reference(one.reference) for one in office.deliveries(notification))
    office.press(lins.shown, "开始处理")
    office.press(lins.shown, "屏蔽 2 小时")
    assert len(office.pending("refresh_cards")) == 1
    office.pass_time(seconds=3)
    office.work()
    assert wus.shown.footer == "屏蔽至 11:31 (林晓)"


def test_who_is_alone_with_a_card_leaves_no_row(office: Office, card):
    office.press(card, "开始处理")
    assert office.pending("refresh_cards") == []


def test_somebody_unlinked_may_do_nothing_from_the_next_press_on(office: Office, card):
    office.press(card, "开始处理")
    link = linking.find(office.integration, "lin")
    assert link is not None
    linking.unlink(link)
    db.session.commit()
    office.press(card, "直接关闭")
    assert office.incident.progress is Progress.PROCESSING


# --- where the answer cannot carry a card -------------------------------------------------------------------------


def test_without_answers_that_carry_cards_the_card_is_updated_with_the_presss_right(app: Flask, office: Office, card):
    app.config["SETTINGS"] = replace(app.config["SETTINGS"], press_replies={"wecom": "update"})
    assert office.press(card, "直接关闭").card is None
    office.work()
    assert "已关闭" in office.platform.messages[0].shown.subtitle
    assert db.session.scalars(select(CardCode).where(CardCode.used_at.is_not(None))).all()


def test_a_refresh_is_answered_by_an_update_even_if_nothing_has_changed(app: Flask, office: Office, card):
    app.config["SETTINGS"] = replace(app.config["SETTINGS"], press_replies={"wecom": "update"})
    office.press(card, "状态刷新")
    office.work()
    assert office.platform.messages[0].shown.footer == "更新于 09:31"


# --- test cards ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reply", ["passive", "update"])
def test_the_button_of_a_test_card_proves_the_way_back_for_a_draft(app: Flask, office: Office, reply: str):
    app.config["SETTINGS"] = replace(app.config["SETTINGS"], press_replies={"wecom": reply})
    office.integration.status = IntegrationStatus.DRAFT
    admin: Membership = make_member("admin", Role.ADMIN)
    trial_cards.send(office.integration, external_user_ids=["zhou"], by=admin, now=utcnow())
    office.work()
    message = office.platform.messages[0]
    result = office.press(message.shown, "测试按钮", by="zhou")
    office.work()
    check = checks.get(office.integration, "press")
    assert check is not None
    assert check.state is CheckState.PASSED
    assert (result.card or message.shown).title == "[测试] 按钮回调正常"
