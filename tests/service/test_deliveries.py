"""Telling people: one message each, retried by the schedule, and never ending silently."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select

from errors import AccessDenied
from extensions import db
from models import (
    AccountLink,
    CheckState,
    Delivery,
    DeliveryState,
    Integration,
    IntegrationStatus,
    LinkState,
    MembershipState,
    Role,
    TimelineEntry,
)
from platforms.errors import (
    AnswerLost,
    AnswerNotUnderstood,
    CredentialInvalid,
    NetworkFailed,
    PlatformBusy,
    RateLimited,
    RecipientUnreachable,
)
from services import checks, deliveries, failures, incidents, notifications, setup, trial_cards
from services.policy_levels import UNIFIED, Personal
from services.wording import say
from tests.factories import make_link, make_member
from tests.service.messaging import Office


def test_a_person_gets_one_card_and_the_record_says_so(office: Office):
    delivery = office.tell()
    assert delivery.state is DeliveryState.SENT
    assert delivery.platform_message_id == "message-1"
    assert [attempt.outcome for attempt in delivery.attempts] == ["sent"]
    assert [message.to for message in office.platform.messages] == ["lin"]
    assert office.integration.last_send_at == office.now()
    check = checks.get(office.integration, "message")
    assert check is not None
    assert check.state is CheckState.PASSED


def test_the_decision_to_tell_is_on_the_timeline(office: Office):
    notification = office.notify(level=0, policy_name="夜间")
    entry = db.session.scalars(select(TimelineEntry).where(TimelineEntry.type == "notify")).one()
    assert entry.detail["notification_id"] == notification.id
    assert notifications.of_incident(office.incident) == [notification]


def test_a_message_that_arrived_is_sent_though_its_connection_was_deleted_meanwhile(office: Office):
    def delete_the_connection() -> None:
        setup.remove(db.session.get_one(Integration, office.ids[3]), typed_name=office.integration.name, by=boss)
        db.session.commit()

    boss = make_member("boss", Role.ADMIN)
    office.platform.while_sending = delete_the_connection
    delivery = office.tell()
    assert (delivery.state, delivery.platform_message_id) == (DeliveryState.SENT, "message-1")
    assert [attempt.outcome for attempt in delivery.attempts] == ["sent"]
    assert delivery.integration_id is None
    assert office.pending("deliver") == office.pending("update_card") == []


def test_somebody_named_twice_is_told_once(office: Office):
    office.tell(office.lin, office.lin)
    assert len(office.platform.messages) == 1


def test_an_unlinked_person_fails_at_once_without_a_call(office: Office):
    wu = make_member("wu")
    (delivery,) = office.deliveries(office.notify(wu))
    assert delivery.state is DeliveryState.FAILED
    assert delivery.failure_code == "app_not_linked"
    label = failures.label(delivery)
    assert label is not None
    assert say(label) == "未关联应用"
    office.work()
    assert office.platform.calls == 0


def test_of_several_people_each_has_a_fate_of_its_own(office: Office):
    wu = make_member("wu")
    make_link(office.integration, make_member("zhou"))
    office.platform.errors.append(RecipientUnreachable("gone"))
    notification = office.notify(office.lin, wu, make_member("zhou"))
    office.work()
    found = {one.recipient_name: (one.state, one.failure_code) for one in office.deliveries(notification)}
    assert found == {
        "林晓": (DeliveryState.FAILED, "out_of_visible_range"),
        "吴凡": (DeliveryState.FAILED, "app_not_linked"),
        "周宁": (DeliveryState.SENT, None),
    }


@pytest.mark.parametrize(
    ("state", "code"),
    [(MembershipState.UNDER_REVIEW, "link_pending"), (MembershipState.LEFT, "member_inactive")],
)
def test_who_is_no_active_member_is_not_told(office: Office, state: MembershipState, code: str):
    wu = make_member("wu", state=state)
    make_link(office.integration, wu)
    assert office.tell(wu).failure_code == code


def test_a_pending_link_delivers_nothing(office: Office):
    wu = make_member("wu")
    make_link(office.integration, wu, state=LinkState.PENDING)
    assert office.tell(wu).failure_code == "link_pending"


def test_a_disabled_integration_is_named_as_the_reason(office: Office):
    office.integration.status = IntegrationStatus.DISABLED
    assert office.tell().failure_code == "integration_disabled"


def test_without_any_chosen_channel_the_record_says_so(office: Office):
    office.lin.preferences = {"Critical": []}
    assert office.tell().failure_code == "no_channel"


def test_a_level_may_choose_the_channels_for_everybody(office: Office):
    office.lin.preferences = {"Critical": []}
    assert office.tell(personal=Personal(UNIFIED, {"Critical": ("wecom_app",)})).state is DeliveryState.SENT
    skipped = office.tell(personal=Personal(UNIFIED, {"Info": ("wecom_app",)}))
    assert (skipped.state, skipped.failure_code) == (DeliveryState.SKIPPED, "severity_filtered")


def test_a_busy_platform_is_tried_again_by_the_schedule(office: Office):
    office.platform.errors.extend([PlatformBusy("busy")] * 3)
    delivery = office.tell()
    assert delivery.state is DeliveryState.RETRYING
    for seconds in (1.3, 6.5, 19):
        assert delivery.next_attempt_at is not None
        office.pass_time(seconds=seconds)
    assert delivery.state is DeliveryState.SENT
    assert [attempt.outcome for attempt in delivery.attempts] == ["platform_busy"] * 3 + ["sent"]


@pytest.mark.parametrize("error", [CredentialInvalid("40001"), RecipientUnreachable("81013")])
def test_what_will_never_work_is_tried_once(office: Office, error):
    office.platform.errors.append(error)
    delivery = office.tell()
    office.pass_time(hours=1)
    assert (delivery.state, office.platform.calls) == (DeliveryState.FAILED, 1)
    assert failures.hint(delivery) is not None


def test_an_account_that_is_gone_breaks_the_link_and_a_message_that_arrives_mends_it(office: Office):
    office.platform.errors.append(RecipientUnreachable("81013"))
    office.tell()
    found = db.session.execute(select(AccountLink).filter_by(user_id=office.lin.user_id)).scalar_one()
    assert found.state is LinkState.BROKEN
    assert office.tell().state is DeliveryState.SENT
    db.session.refresh(found)
    assert found.state is LinkState.ACTIVE


@pytest.mark.parametrize("error", [AnswerLost("timeout"), AnswerNotUnderstood("cut")])
def test_a_lost_answer_never_makes_a_second_message(office: Office, error):
    office.platform.lost = True
    office.platform.errors.append(error)
    delivery = office.tell()
    assert delivery.state is DeliveryState.RETRYING
    office.pass_time(seconds=2)
    assert delivery.state is DeliveryState.SENT
    assert len(office.platform.messages) == 1
    assert delivery.attempts[-1].outcome == "repeat"


@pytest.mark.parametrize("between", [RateLimited("45009"), NetworkFailed("down")])
def test_a_lost_answer_is_remembered_over_other_failures(office: Office, between):
    office.platform.lost = True
    office.platform.errors.append(AnswerLost("timeout"))
    delivery = office.tell()
    office.platform.lost = False
    office.platform.errors.append(between)
    office.pass_time(seconds=2)
    assert (delivery.state, delivery.failure_code) == (DeliveryState.RETRYING, between.failure)
    office.pass_time(seconds=90)
    assert delivery.state is DeliveryState.SENT
    assert len(office.platform.messages) == 1


def test_the_platforms_own_time_is_kept_by_the_whole_application(office: Office):
    wu = make_member("wu")
    make_link(office.integration, wu)
    office.platform.errors.append(RateLimited("45009", retry_after=timedelta(seconds=30)))
    office.tell()
    office.notify(wu)
    office.pass_time(seconds=29)
    assert office.platform.calls == 1
    office.pass_time(seconds=2)
    assert len(office.platform.messages) == 2


def test_one_message_that_gets_through_ends_the_waiting_of_the_others(office: Office):
    people = [make_member(f"person{number}") for number in range(4)]
    for person in people:
        make_link(office.integration, person)
    office.platform.errors.extend([NetworkFailed("down")] * 500)
    notification = office.notify(*people)
    office.work()
    for _ in range(25):
        office.pass_time(seconds=1)
    office.platform.errors.clear()
    for _ in range(20):
        office.pass_time(seconds=1)
    assert {one.state for one in office.deliveries(notification)} == {DeliveryState.SENT}
    assert max(len(one.attempts) for one in office.deliveries(notification)) <= 10
    assert office.platform.calls <= 20


def test_a_day_of_failures_is_the_end(office: Office):
    office.platform.errors.extend([PlatformBusy("busy")] * 500)
    delivery = office.tell()
    for _ in range(110):
        office.pass_time(minutes=15)
    assert (delivery.state, delivery.failure_code) == (DeliveryState.FAILED, "platform_busy")
    assert not office.pending("deliver")


def test_what_nobody_got_to_for_an_hour_is_left_to_an_administrator(office: Office):
    """No worker was there, or a backup was restored: it may be over by now, and may have arrived."""
    (delivery,) = office.deliveries(office.notify())
    office.pass_time(minutes=61)
    assert (delivery.state, delivery.failure_code, office.platform.calls) == (DeliveryState.FAILED, "held", 0)
    again = deliveries.resend(delivery, by=office.lin, now=office.now())
    office.work()
    assert (again.state, office.platform.calls) == (DeliveryState.SENT, 1)


def test_an_outage_of_hours_is_not_held_against_what_waited_for_its_end(office: Office):
    office.platform.errors.extend([PlatformBusy("busy")] * 20)
    delivery = office.tell()
    for _ in range(20):
        office.pass_time(minutes=15)
    assert delivery.state is DeliveryState.SENT


def test_closing_cancels_what_has_not_left(office: Office):
    office.platform.errors.append(PlatformBusy("busy"))
    delivery = office.tell()
    office.change(incidents.close)
    office.pass_time(minutes=5)
    assert (delivery.state, delivery.failure_code) == (DeliveryState.CANCELLED, "closed")
    assert office.platform.calls == 1


def test_a_snoozed_incident_sends_nothing(office: Office):
    notification = office.notify()
    office.change(incidents.snooze, minutes=60)
    office.work()
    (delivery,) = office.deliveries(notification)
    assert (delivery.state, delivery.failure_code) == (DeliveryState.SKIPPED, "snoozed")


def test_a_close_while_the_message_was_on_its_way_reaches_its_card(office: Office):
    office.platform.while_sending = lambda: office.change(incidents.close)
    delivery = office.tell()
    office.pass_time(seconds=3)
    assert delivery.state is DeliveryState.SENT
    assert "已关闭" in office.platform.by_reference(delivery.reference).shown.subtitle


def test_a_person_is_never_sent_more_than_the_platform_shows(office: Office):
    for _ in range(33):
        trial_cards.send(office.integration, user_ids=[office.lin.user_id], by=office.lin, now=office.now())
    office.work()
    assert len(office.platform.messages) == 30
    office.pass_time(seconds=59)
    assert len(office.platform.messages) == 30
    office.pass_time(seconds=2)
    assert len(office.platform.messages) == 33
    assert not any(one.attempts[1:] for one in db.session.scalars(select(Delivery)))


def test_messages_that_are_on_their_way_count_for_what_the_platform_shows(office: Office):
    for _ in range(33):
        trial_cards.send(office.integration, user_ids=[office.lin.user_id], by=office.lin, now=office.now())

    def send_the_next_one() -> None:
        office.runner.run_next()

    office.platform.while_sending = send_the_next_one
    office.work()
    assert len(office.platform.messages) == 30


def test_a_fault_of_ours_ends_visibly_and_others_are_sent(office: Office, monkeypatch: pytest.MonkeyPatch):
    from services import card_contents

    settle = card_contents.of
    wu = make_member("wu")
    make_link(office.integration, wu)
    poisoned = wu.user_id

    def break_for_wu(incident, message, *others, **values):
        if message.user_id == poisoned:
            raise ValueError("cannot be drawn")
        return settle(incident, message, *others, **values)

    monkeypatch.setattr(card_contents, "of", break_for_wu)
    notification = office.notify(wu, office.lin)
    office.work()
    for _ in range(8):
        office.pass_time(minutes=10)
    assert [(one.state, one.failure_code) for one in office.deliveries(notification)] == [
        (DeliveryState.FAILED, "internal"),
        (DeliveryState.SENT, None),
    ]


def test_linking_offers_what_was_missed_and_resending_brings_it(office: Office):
    wu = make_member("wu")
    missed = office.tell(wu)
    make_link(office.integration, wu)
    assert deliveries.resendable_after_link(wu.user, office.integration) == [missed]
    (again,) = deliveries.resend_after_link(wu, office.integration, now=office.now())
    office.work()
    assert (again.state, again.source, again.notification_id) == (DeliveryState.SENT, "resend", missed.notification_id)
    assert deliveries.resendable_after_link(wu.user, office.integration) == []


def test_what_is_over_is_not_offered_again(office: Office):
    wu = make_member("wu")
    missed = office.tell(wu)
    make_link(office.integration, wu)
    office.change(incidents.close)
    assert deliveries.resendable_after_link(wu.user, office.integration) == []
    with pytest.raises(deliveries.NotResendable):
        deliveries.resend(missed, by=office.lin, now=office.now())


def test_resending_twice_sends_once(office: Office):
    office.platform.errors.append(CredentialInvalid("40001"))
    failed = office.tell()
    deliveries.resend(failed, by=office.lin, now=office.now())
    with pytest.raises(deliveries.NotResendable):
        deliveries.resend(failed, by=office.lin, now=office.now())
    office.work()
    assert len(office.platform.messages) == 1
    assert deliveries.resend(failed, by=office.lin, now=office.now()).source == "resend"


def test_a_message_on_its_way_cannot_be_sent_again_and_a_viewer_cannot_resend(office: Office):
    (queued,) = office.deliveries(office.notify())
    with pytest.raises(deliveries.NotResendable):
        deliveries.resend(queued, by=office.lin, now=office.now())
    with pytest.raises(AccessDenied):
        deliveries.resend(queued, by=make_member("viewer", Role.VIEWER), now=office.now())


def test_a_test_card_works_from_a_draft_and_to_somebody_unlinked(office: Office):
    office.integration.status = IntegrationStatus.DRAFT
    admin = make_member("admin", Role.ADMIN)
    sent = trial_cards.send(office.integration, external_user_ids=["ZhouNing"], by=admin, now=office.now())
    office.work()
    assert sent[0].state is DeliveryState.SENT
    assert office.platform.messages[0].to == "zhouning"


def test_a_responder_may_send_a_test_card_to_nobody_else(office: Office):
    (mine,) = trial_cards.send(office.integration, user_ids=[office.lin.user_id], by=office.lin, now=office.now())
    office.work()
    assert mine.state is DeliveryState.SENT
    with pytest.raises(AccessDenied):
        trial_cards.send(office.integration, external_user_ids=["wu"], by=office.lin, now=office.now())
