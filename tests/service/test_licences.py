"""Licences of people: read from the platform, warned of in time, and what was refused sent once they are bought."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest
import time_machine
from flask import Flask
from sqlalchemy import select, update

from extensions import db
from jobs import licences as licence_jobs
from jobs.outbox import Claim
from models import Delivery, DeliveryState, InterfaceLicence, LicenceState, MemberLicence, Membership, Role
from platforms.errors import LicenceLacking, NetworkFailed, PlatformError
from platforms.licences import Licence, LicencePage, LicenceRules, LicenceTerms
from platforms.wecom.platform import WeCom
from services import incidents, licence_reading, licences
from services.clock import utcnow
from tests.factories import NOW, make_channel, make_incident, make_integration, make_link, make_member
from tests.fakes import FakePlatform
from tests.service.messaging import Office

RULES = LicenceRules("企微许可", "许可由服务商购买。", "改用自建应用则不需要许可。")
TRIAL_ENDS = NOW + timedelta(days=30)
RUNNING = LicenceTerms(True, NOW - timedelta(days=30), TRIAL_ENDS)
OVER = LicenceTerms(True, NOW - timedelta(days=90), NOW - timedelta(days=1))


@dataclass
class FakeDesk:
    """The platform's books: terms, licences in pages of two, and what it raises instead."""

    terms_now: LicenceTerms = RUNNING
    licences: list[Licence] = field(default_factory=list)
    error: PlatformError | None = None
    asked: list[str] = field(default_factory=list)

    def terms(self) -> LicenceTerms:
        if self.error:
            raise self.error
        return self.terms_now

    def page(self, cursor: str) -> LicencePage:
        self.asked.append(f"page:{cursor}")
        start = int(cursor or 0)
        more = str(start + 2) if start + 2 < len(self.licences) else ""
        return LicencePage(self.licences[start : start + 2], more)

    def of(self, external_user_id: str) -> Licence | None:
        self.asked.append(external_user_id)
        mine = [one for one in self.licences if one.external_user_id.lower() == external_user_id]
        return max(mine, key=lambda one: one.expires_at, default=None)

    def sell(self, name: str, days: int = 365) -> None:
        self.licences.append(Licence(name, utcnow(), utcnow() + timedelta(days=days)))


class LicensedPlatform(FakePlatform):
    """Refuses whoever has no licence once the trial is over."""

    licences: FakeDesk

    def send_card(self, to, card, *, earlier_try_unanswered=False):
        terms, now = self.licences.terms_now, utcnow()
        has_one = any(one.external_user_id.lower() == to.external_id for one in self.licences.licences)
        if not has_one and terms.is_required and (terms.trial_ends_at is None or terms.trial_ends_at <= now):
            raise LicenceLacking("unlicenseduser", platform_code="unlicenseduser", platform_message=to.external_id)
        return super().send_card(to, card, earlier_try_unanswered=earlier_try_unanswered)


@pytest.fixture
def desk() -> FakeDesk:
    return FakeDesk()


@pytest.fixture
def office(app: Flask, desk: FakeDesk, monkeypatch: pytest.MonkeyPatch) -> Iterator[Office]:
    platform = LicensedPlatform()
    platform.licences = desk
    mode = replace(WeCom.modes[0], slug="licensed", licences=RULES)
    monkeypatch.setattr(WeCom, "modes", (*WeCom.modes, mode))
    monkeypatch.setattr("services.integrations.platform_for", lambda integration: platform)
    with time_machine.travel(NOW, tick=False) as clock:
        lin = make_member("lin")
        integration = make_integration(mode="licensed")
        make_link(integration, lin)
        incident = make_incident(make_channel(), responders=(lin,))
        yield Office(app, platform, clock, integration, incident, lin)


@pytest.fixture
def admin(office: Office) -> Membership:
    """An administrator who is linked through a connection that needs no licences."""
    member = make_member("admin", Role.ADMIN, preferences={"Warning": ["feishu_app"]})
    make_link(make_integration(platform="feishu"), member)
    return member


def look(office: Office) -> None:
    """What happens every few minutes."""
    office.work()
    licence_jobs.ask_all(Claim(0, "find_licences", 0, 0, {}, 1, utcnow()))
    office.work()


def stands(office: Office) -> licences.Standing:
    found = licences.standing(office.integration, now=utcnow())
    assert found is not None
    return found


# --- what is read -------------------------------------------------------------------------------------------------


def test_the_trial_is_as_the_platform_says_it_and_sixty_days_until_it_has(office: Office, desk: FakeDesk):
    before = stands(office)
    assert before.is_assumed
    assert before.trial_ends_at == office.integration.created_at + timedelta(days=60)
    look(office)
    after = stands(office)
    assert (after.is_assumed, after.trial_ends_at, after.days_left) == (False, TRIAL_ENDS, 30)
    assert after.read_at == NOW


def test_every_page_of_licences_is_read_and_whose_is_gone_is_forgotten(office: Office, desk: FakeDesk):
    for name in ("Lin", "b", "c", "d", "e"):
        desk.sell(name)
    look(office)
    assert [asked for asked in desk.asked if asked.startswith("page")] == ["page:", "page:2", "page:4"]
    ((lin, _licence, state),) = [
        (one.link.external_user_id, one.licence, one.state) for one in licences.members(office.integration, now=NOW)[0]
    ]
    assert (lin, state) == ("lin", LicenceState.ACTIVE)
    desk.licences = desk.licences[1:]
    office.pass_time(hours=1)
    look(office)
    (member,), _next = licences.members(office.integration, now=utcnow())
    assert member.state is LicenceState.TRIAL


@pytest.mark.parametrize(
    ("is_required", "trial_left", "licence_left", "state"),
    [
        (False, None, None, LicenceState.NOT_NEEDED),
        (True, 1, None, LicenceState.TRIAL),
        (True, 1, 1, LicenceState.ACTIVE),
        (True, -1, 1, LicenceState.ACTIVE),
        (True, -1, -1, LicenceState.EXPIRED),
        (True, -1, None, LicenceState.MISSING),
        (True, None, None, LicenceState.MISSING),
    ],
)
def test_how_somebody_stands(is_required: bool, trial_left, licence_left, state: LicenceState):
    def end(days):
        return None if days is None else NOW + timedelta(days=days)

    company = InterfaceLicence(is_required=is_required, trial_ends_at=end(trial_left))
    assert company.state_of(MemberLicence(expires_at=end(licence_left)), NOW) is state


def test_what_cannot_be_read_is_said_and_what_was_known_stays(office: Office, desk: FakeDesk):
    look(office)
    desk.error = NetworkFailed("refused")
    licence_reading.ask(office.integration, now=utcnow())
    office.work()
    for _ in range(3):
        office.pass_time(minutes=2)
    assert isinstance(stands(office).problem, NetworkFailed)
    assert stands(office).trial_ends_at == TRIAL_ENDS
    desk.error = None
    licence_reading.ask(office.integration, now=utcnow())
    office.work()
    assert stands(office).problem is None


def test_who_asks_while_nobody_has_begun_gets_the_same_reading(office: Office, desk: FakeDesk):
    for _ in range(3):
        licence_reading.ask(office.integration, now=NOW)
    assert len(office.pending(licence_reading.KIND)) == 1


# --- messages -----------------------------------------------------------------------------------------------------


def test_a_refused_message_says_so_and_is_sent_once_the_licence_is_bought(office: Office, desk: FakeDesk):
    desk.terms_now = OVER
    delivery = office.tell()
    assert (delivery.state, delivery.failure_code) == (DeliveryState.FAILED, "wecom_license_missing")
    assert stands(office).refused == 1
    look(office)
    assert office.platform.messages == []
    desk.sell("lin")
    office.pass_time(minutes=5)
    look(office)
    assert [message.to for message in office.platform.messages] == ["lin"]
    newest = db.session.scalars(select(Delivery).order_by(Delivery.id.desc())).first()
    assert newest is not None
    assert (newest.state, newest.source, newest.notification_id) == (
        DeliveryState.SENT,
        "resend",
        delivery.notification_id,
    )
    assert stands(office).refused == 0
    office.pass_time(hours=2)
    look(office)
    assert len(office.platform.messages) == 1


def test_a_longer_trial_lets_what_was_refused_go(office: Office, desk: FakeDesk):
    desk.terms_now = OVER
    office.tell()
    look(office)
    desk.terms_now = LicenceTerms(True, NOW - timedelta(days=90), NOW + timedelta(days=30))
    office.pass_time(minutes=5)
    look(office)
    assert len(office.platform.messages) == 1


def test_nothing_is_sent_again_while_the_platform_says_nothing_new(office: Office, desk: FakeDesk):
    desk.sell("lin")
    look(office)

    def refuse(*_args, **_values):
        raise LicenceLacking("unlicenseduser", platform_code="unlicenseduser")

    office.platform.send_card = refuse  # type: ignore[method-assign]
    office.tell()
    for _ in range(3):
        office.pass_time(minutes=20)
        look(office)
    assert len(db.session.scalars(select(Delivery).where(Delivery.incident_id.is_not(None))).all()) == 1


def test_a_refusal_that_was_not_foretold_has_the_licences_read_at_once(office: Office, desk: FakeDesk):
    look(office)
    desk.terms_now = OVER
    office.clock.shift(timedelta(seconds=10))
    office.tell()
    assert stands(office).is_over
    asked = len(desk.asked)
    office.clock.shift(timedelta(seconds=10))
    office.tell()
    assert len(desk.asked) == asked, "one more refusal is no news"


def test_a_refusal_right_after_a_reading_has_them_read_again_a_moment_later(office: Office, desk: FakeDesk):
    look(office)
    desk.terms_now = OVER
    office.clock.shift(timedelta(seconds=1))
    office.tell()
    asked = len(desk.asked)
    assert not stands(office).is_over
    office.pass_time(seconds=5)
    assert stands(office).is_over
    assert len(desk.asked) > asked


@pytest.mark.parametrize("way", ["closed", "snoozed"])
def test_closed_and_snoozed_incidents_stay_quiet(office: Office, desk: FakeDesk, way: str):
    desk.terms_now = OVER
    office.tell()
    if way == "closed":
        office.change(incidents.close)
    else:
        office.change(incidents.snooze, minutes=120)
    desk.sell("lin")
    office.pass_time(minutes=5)
    look(office)
    assert office.platform.messages == []


def test_a_connection_that_needs_none_any_more_sends_what_was_missed(office: Office, desk: FakeDesk):
    desk.terms_now = OVER
    office.tell()
    look(office)
    office.integration.mode = "self_built"
    desk.terms_now = LicenceTerms(False)
    db.session.commit()
    office.pass_time(minutes=5)
    look(office)
    assert len(office.platform.messages) == 1
    assert licences.standing(office.integration, now=utcnow()) is None
    assert db.session.scalars(select(InterfaceLicence)).all() == []


# --- administrators -----------------------------------------------------------------------------------------------


def notices(office: Office) -> list[str]:
    return [message.text for message in office.platform.messages if message.to == "admin"]


def test_administrators_are_reminded_fifteen_seven_and_one_days_before(office: Office, desk: FakeDesk, admin):
    told_on, before = [], 0
    for days in (30, 16, 15, 14, 8, 7, 6, 2, 1, 0, -1):
        office.clock.move_to(TRIAL_ENDS - timedelta(days=days), tick=False)
        look(office)
        if len(notices(office)) > before:
            told_on.append(days)
        before = len(notices(office))
    assert told_on == [15, 7, 1, 0]
    assert "还剩 15 天" in notices(office)[0]
    assert "1 位未开通许可的成员" in notices(office)[0]
    assert "许可由服务商购买" in notices(office)[0]
    assert f"/integrations/im/{office.integration.id}/licences" in notices(office)[0]
    assert "已于" in notices(office)[-1]


def test_a_reminder_that_was_missed_is_given_once_with_the_days_that_are_left(office: Office, desk: FakeDesk, admin):
    for days in (16, 5, 4):
        office.clock.move_to(TRIAL_ENDS - timedelta(days=days), tick=False)
        look(office)
    (notice,) = notices(office)
    assert "还剩 5 天" in notice


def test_nobody_is_reminded_where_everybody_has_a_licence(office: Office, desk: FakeDesk, admin):
    desk.sell("lin")
    for days in (15, 1, 0):
        office.clock.move_to(TRIAL_ENDS - timedelta(days=days), tick=False)
        look(office)
    assert notices(office) == []


def test_reminders_wait_for_the_morning(office: Office, desk: FakeDesk, admin):
    desk.terms_now = LicenceTerms(True, NOW - timedelta(days=60), NOW + timedelta(days=15))
    office.clock.move_to(NOW - timedelta(hours=1))
    look(office)
    assert notices(office) == []
    office.pass_time(hours=1)
    look(office)
    assert len(notices(office)) == 1


def test_administrators_get_one_notice_a_day_however_many_messages_were_refused(office: Office, desk, admin):
    desk.terms_now = OVER
    people = [make_member(f"p{n}") for n in range(3)]
    for person in people:
        make_link(office.integration, person)
    office.notify(*people)
    look(office)
    office.notify(*people)
    office.pass_time(minutes=10)
    look(office)
    assert len(notices(office)) == 1
    office.pass_time(days=1)
    look(office)
    assert len(notices(office)) == 1, "nothing was refused on the next day"
    office.notify(*people)
    look(office)
    assert len(notices(office)) == 2
    assert "3 位成员的消息因未开通企微许可没有送达" in notices(office)[1]


def test_an_administrator_who_cannot_be_told_is_on_record(office: Office, desk: FakeDesk):
    make_member("admin", Role.ADMIN)
    desk.terms_now = OVER
    office.tell()
    look(office)
    notice = db.session.scalars(select(Delivery).where(Delivery.source == "notice")).one()
    assert (notice.state, notice.failure_code) == (DeliveryState.FAILED, "app_not_linked")


# --- the page -----------------------------------------------------------------------------------------------------


def test_people_are_listed_by_page_and_those_without_alone(office: Office, desk: FakeDesk):
    for n in range(4):
        make_link(office.integration, make_member(f"p{n}"))
    desk.sell("p1")
    look(office)
    first, after = licences.members(office.integration, now=NOW, limit=3)
    rest, end = licences.members(office.integration, now=NOW, after=after, limit=3)
    assert [one.link.external_user_id for one in first + rest] == ["lin", "p0", "p1", "p2", "p3"]
    assert end == 0
    lacking, _ = licences.members(office.integration, now=NOW, only_lacking=True)
    assert [one.link.external_user_id for one in lacking] == ["lin", "p0", "p2", "p3"]
    assert stands(office).lacking == 4


def test_a_warning_is_shown_for_the_last_fifteen_days(office: Office, desk: FakeDesk):
    look(office)
    assert licences.warnings([office.integration], now=utcnow()) == []
    office.clock.move_to(TRIAL_ENDS - timedelta(days=15))
    ((_one, warned),) = licences.warnings([office.integration], now=utcnow())
    assert (warned.is_ending, warned.days_left) == (True, 15)
    office.clock.move_to(TRIAL_ENDS)
    ((_one, warned),) = licences.warnings([office.integration], now=utcnow())
    assert (warned.is_over, warned.days_left) == (True, 0)


def test_two_readings_at_once_send_what_was_refused_once(office: Office, desk: FakeDesk, monkeypatch):
    """The second one has found the member before the first one was done."""
    desk.terms_now = OVER
    office.work()
    delivery = office.tell()
    assert delivery.failure_code == "wecom_license_missing"
    (member,) = db.session.scalars(select(MemberLicence).where(MemberLicence.refused_at.is_not(None))).all()
    with db.session.no_autoflush:
        cleared = update(MemberLicence).values(refused_at=None, refused_as="")
        db.session.execute(cleared.execution_options(synchronize_session=False))
    asked: list[str] = []
    monkeypatch.setattr("services.deliveries.resend_after_licence", lambda user, *_, **__: asked.append(user.name))
    licence_reading._send_missed(office.integration, member, utcnow())
    assert asked == []
