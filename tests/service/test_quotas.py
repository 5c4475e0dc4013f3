"""How many people a day an application told something, where each application may tell only so many."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select, update

from errors import AccessDenied, InvalidInput
from extensions import db
from jobs import retention
from jobs.outbox import Claim
from models import AuditEntry, CallCount, DeliveryState, Integration, LinkState, Role
from platforms import PLATFORMS
from platforms.errors import NetworkFailed
from platforms.quotas import calls_a_month
from platforms.wecom.errors import OF_MESSAGES, from_answer
from services import calls, failures, incidents, text_messages
from services.clock import utcnow
from services.wording import say
from tests.factories import make_integration, make_link, make_member, make_tenant
from tests.service.messaging import Office

BEFORE_MIDNIGHT = datetime(2026, 3, 5, 15, 59, 30, tzinfo=UTC)
"""23:59:30 in China, whose days the platform counts."""
SELF_BUILT = {"corp_id": "ww1", "agent_id": "1000002"}


def used(integration: Integration) -> calls.Use:
    found = calls.use(db.session, integration, now=utcnow())
    assert found is not None
    return found


def counters() -> int:
    return db.session.scalar(select(func.count()).select_from(CallCount)) or 0


def test_every_message_to_a_person_counts_and_no_update_of_a_card(office: Office):
    wu = make_member("wu")
    make_link(office.integration, wu)
    assert used(office.integration) == calls.Use(0, 0)
    office.tell(office.lin, wu)
    assert used(office.integration).used == 2
    office.change(incidents.acknowledge)
    office.pass_time(seconds=3)
    assert any(message.updates for message in office.platform.messages)
    assert used(office.integration).used == 2


def test_a_message_that_did_not_arrive_does_not_count_and_a_repeat_counts_once(office: Office):
    office.platform.errors.append(NetworkFailed("down"))
    notification = office.notify()
    office.work()
    assert used(office.integration).used == 0
    office.pass_time(seconds=20)
    assert office.deliveries(notification)[0].state is DeliveryState.SENT
    assert used(office.integration).used == 1


def test_plain_messages_count_one_to_everybody_by_the_members_that_are_linked(office: Office):
    boss = make_member("boss", Role.ADMIN)
    make_link(office.integration, boss)
    make_link(office.integration, make_member("zhou"), state=LinkState.PENDING)
    text_messages.send("wecom", ["lin"], "演练", by=boss, now=utcnow())
    office.work()
    assert used(office.integration).used == 1
    text_messages.send_to_everybody("wecom", "演练", by=boss, now=utcnow())
    office.work()
    assert [message.to for message in office.platform.messages] == ["lin", "@all"]
    assert used(office.integration).used == 1 + 2


def test_a_refusal_that_is_told_by_a_message_counts(office: Office):
    delivery = office.tell()
    shown = office.platform.by_reference(delivery.reference).shown
    make_link(office.integration, make_member("viewer", Role.VIEWER))
    office.press(shown, "开始处理", by="viewer")
    office.work()
    assert office.platform.messages[-1].to == "viewer"
    assert used(office.integration).used == 2


def test_a_press_itself_counts_nothing(office: Office):
    shown = office.platform.by_reference(office.tell().reference).shown
    before = counters(), used(office.integration)
    office.press(shown, "开始处理")
    assert not db.session.info.get(calls.NOTED)
    assert (counters(), used(office.integration)) == before


def test_a_day_ends_at_midnight_in_china(office: Office):
    office.clock.move_to(BEFORE_MIDNIGHT)
    office.tell()
    assert used(office.integration).used == 1
    office.clock.shift(timedelta(seconds=31))
    assert used(office.integration).used == 0
    office.tell(cause="repeat", times=2)
    assert used(office.integration).used == 1


def test_the_quota_follows_from_the_number_of_accounts_that_was_entered(office: Office):
    admin = make_member("admin", Role.ADMIN)
    assert used(office.integration).tone == "ok"
    calls.set_number(office.integration, "account_limit", 3, by=admin)
    db.session.commit()
    assert used(office.integration) == calls.Use(0, 600)
    calls.note(office.integration, utcnow(), people=480)
    db.session.commit()
    assert used(office.integration).tone == "warn"
    calls.note(office.integration, utcnow(), people=120)
    db.session.commit()
    assert used(office.integration).is_used_up
    (entry,) = db.session.scalars(select(AuditEntry).where(AuditEntry.event == "integration.account_limit_changed"))
    assert (entry.detail, entry.actor_name) == ({"before": None, "after": 3}, "admin")
    calls.set_number(office.integration, "account_limit", 0, by=admin)
    assert used(office.integration) == calls.Use(600, 0)


@pytest.mark.parametrize(("name", "number"), [("monthly_limit", 5), ("account_limit", -1), ("account_limit", 10**9)])
def test_what_the_platform_does_not_count_by_is_refused(office: Office, name: str, number: int):
    with pytest.raises(InvalidInput):
        calls.set_number(office.integration, name, number, by=make_member("admin", Role.ADMIN))
    with pytest.raises(AccessDenied):
        calls.set_number(office.integration, "account_limit", 5, by=make_member("wu"))
    assert "account_limit" not in office.integration.settings


def test_each_application_of_a_company_has_a_quota_of_its_own(app):
    first = make_integration(settings=SELF_BUILT)
    second = make_integration(settings=SELF_BUILT | {"agent_id": "1000003"})
    elsewhere = make_integration(tenant=make_tenant("elsewhere"), settings=SELF_BUILT)
    for integration, people in ((first, 2), (second, 3), (elsewhere, 5)):
        calls.note(integration, utcnow(), people=people)
    db.session.commit()
    assert [used(one).used for one in (first, second, elsewhere)] == [2, 3, 5]


def test_a_connection_that_changes_its_application_begins_anew_and_knows_the_old_one_again(app):
    integration = make_integration(settings=SELF_BUILT)
    for change in ({}, {"mode": "third_party"}, {"settings": SELF_BUILT | {"agent_id": "1000003"}}):
        for name, value in ({"mode": "self_built", "settings": SELF_BUILT} | change).items():
            setattr(integration, name, value)
        assert used(integration).used == 0
        calls.note(integration, utcnow(), people=4)
        db.session.commit()
        assert used(integration).used == 4
    integration.settings = SELF_BUILT
    assert used(integration).used == 4


def test_counts_of_days_and_months_that_are_over_go(office: Office, monkeypatch):
    monthly = replace(PLATFORMS["wecom"].capabilities, quota=calls_a_month(10))
    office.clock.move_to(BEFORE_MIDNIGHT)
    calls.note(office.integration, utcnow(), people=1)
    db.session.commit()
    with monkeypatch.context() as counting_calls:
        counting_calls.setattr(PLATFORMS["wecom"], "capabilities", monthly)
        calls.note(office.integration, utcnow())
        db.session.commit()
    left = []
    for days in (1, 2, 25, 3):
        office.clock.shift(timedelta(days=days))
        retention.purge(Claim(1, "purge", 0, 0, {}, 1, utcnow(), 0))
        db.session.commit()
        left.append(sorted(db.session.scalars(select(CallCount.period))))
    assert left == [["2026-03", "2026-03-05"], ["2026-03"], ["2026-03"], []]


def test_a_message_that_met_the_used_up_day_says_so_and_goes_out_once_there_is_a_new_one(office: Office):
    office.platform.errors.append(from_answer(45009, "api freq out of limit", meanings=OF_MESSAGES))
    office.clock.move_to(BEFORE_MIDNIGHT)
    notification = office.notify()
    office.work()
    (delivery,) = office.deliveries(notification)
    assert delivery.state is DeliveryState.RETRYING
    label, hint = failures.label(delivery), failures.hint(delivery)
    assert label is not None and hint is not None
    assert say(label) == "平台接口额度已用完"
    assert "账号上限数 × 200" in say(hint)
    db.session.execute(update(Integration).values(paused_until=None))
    office.pass_time(seconds=90)
    assert office.deliveries(notification)[0].state is DeliveryState.SENT
    assert used(office.integration).used == 1
