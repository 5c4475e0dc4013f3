"""Group chats: what events and lists tell about them, whatever their order."""

from __future__ import annotations

import itertools
import threading
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
import time_machine
from flask import Flask
from sqlalchemy import select

from errors import AccessDenied, InvalidInput, NotFound
from extensions import db
from jobs.handlers import HANDLERS
from jobs.periodic import stage_due
from jobs.runner import Runner
from models import AuditEntry, CheckState, GroupChat, GroupState, Integration, IntegrationStatus, Role
from platforms import PLATFORMS
from platforms.base import Group, GroupEvent, GroupList, LostEvents
from platforms.errors import NetworkFailed, RateLimited
from platforms.quotas import calls_a_month
from services import calls, checks, group_lists, groups, outbox
from services.clock import utcnow
from services.wording import say
from tests.factories import NOW, make_integration, make_member, make_tenant
from tests.fakes import GroupPlatform

BLOCKED_SECONDS = 0.3
"""Long enough for another thread to come to where it waits."""
CID = "cidTESTGROUP0001=="

_keys = itertools.count(1)


@pytest.fixture
def platform(monkeypatch: pytest.MonkeyPatch) -> GroupPlatform:
    fake = GroupPlatform()
    monkeypatch.setitem(PLATFORMS, "chat", GroupPlatform)
    monkeypatch.setattr("services.integrations.platform_for", lambda integration: fake)
    return fake


@pytest.fixture
def integration(app: Flask, platform: GroupPlatform) -> Integration:
    found: Integration = make_integration(platform="chat")
    return found


def tell(integration: Integration, change: str, *, at: float = 0, key: str = "", **about: object) -> bool:
    """An event that happened `at` seconds after NOW. about: name, details, external_id."""
    group = Group(**({"external_id": CID} | about))  # type: ignore[arg-type]
    happened_at = NOW + timedelta(seconds=at)
    key = key or f"event-{next(_keys)}"
    event = GroupEvent("s", "n", NOW, event_key=key, change=change, group=group, happened_at=happened_at)
    taken = groups.take_event(integration, event, now=NOW)
    db.session.commit()
    return taken


def chat_of(integration: Integration, external_id: str = CID) -> GroupChat:
    (chat,) = [one for one in groups._all(integration) if one.external_id == external_id]
    return chat


def read(integration: Integration, *, minutes: float = 0, **wish: bool) -> int:
    """Have the groups read as the worker does; how many turns that took."""
    reading, turns = group_lists.Reading(**wish), 0
    while reading is not None:
        reading = group_lists.read(integration, reading, now=NOW + timedelta(minutes=minutes))  # type: ignore[assignment]
        turns += 1
    return turns


@pytest.fixture
def lists(monkeypatch: pytest.MonkeyPatch) -> None:
    """The platform lists its groups by itself, and grants so many calls a month."""
    changed = replace(GroupPlatform.capabilities, lists_groups=True, quota=calls_a_month(100))
    monkeypatch.setattr(GroupPlatform, "capabilities", changed)


def used(integration: Integration) -> int:
    use = calls.use(db.session, integration, now=NOW)
    assert use is not None
    return use.used


def work(app: Flask) -> None:
    db.session.commit()
    Runner(app, HANDLERS, timedelta(seconds=60)).run_due()
    db.session.expire_all()


def test_a_group_that_the_application_is_added_to_can_be_chosen(integration):
    tell(integration, "added", details={"app_code": "A-1"})

    (chat,) = groups.of_integration(integration)
    assert (chat.is_active, chat.origin, chat.details) == (True, "bot_added", {"app_code": "A-1"})
    assert groups.shown_name(chat) == "未命名群聊 (…0001==)"
    assert groups.last_event_at(integration) == NOW


def test_names_come_with_events_and_an_alias_comes_first(integration):
    admin = make_member("admin", Role.ADMIN)
    tell(integration, "added", name="生产 告警群")
    tell(integration, "renamed", at=5, name="生产值班群")

    chat = chat_of(integration)
    assert groups.shown_name(chat) == "生产值班群"
    groups.rename(chat, "  夜班 ", by=admin)
    assert groups.shown_name(chat) == "夜班"


@pytest.mark.parametrize("change, state", [("removed", GroupState.REMOVED), ("disbanded", GroupState.DISBANDED)])
def test_a_group_that_is_gone_stays_known(integration, change, state):
    tell(integration, "added", name="生产告警群")
    tell(integration, change, at=9)

    assert [(one.state, one.name) for one in groups.of_integration(integration)] == [(state, "生产告警群")]


def test_the_same_event_again_changes_nothing(integration):
    assert tell(integration, "added", key="install-1")
    tell(integration, "removed", at=2)

    assert not tell(integration, "added", key="install-1")
    assert chat_of(integration).state is GroupState.REMOVED


def test_an_overtaken_event_does_not_undo_a_later_one(integration):
    tell(integration, "removed", at=10)
    tell(integration, "added", at=3)
    tell(integration, "renamed", at=8, name="新名字")
    tell(integration, "renamed", at=4, name="旧名字")

    chat = chat_of(integration)
    assert (chat.state, chat.name) == (GroupState.REMOVED, "新名字")
    assert chat.last_event_at == NOW + timedelta(seconds=10)


def test_a_rename_may_come_before_the_installation(integration):
    tell(integration, "renamed", at=4, name="生产告警群")
    assert groups.of_integration(integration) == []

    tell(integration, "added", at=3)
    assert [(one.is_active, one.name) for one in groups.of_integration(integration)] == [(True, "生产告警群")]


def test_a_dissolved_group_is_not_called_removed_afterwards(integration):
    tell(integration, "added")
    tell(integration, "disbanded", at=2)
    tell(integration, "removed", at=3)

    assert chat_of(integration).state is GroupState.DISBANDED


def test_the_list_adds_names_and_what_is_gone(integration, platform, lists):
    tell(integration, "added", details={"app_code": "A-1"})
    tell(integration, "added", external_id="cid-2", name="旧群")
    platform.groups = [Group(CID, "生产告警群"), Group("cid-3", "新群")]

    assert read(integration, minutes=1) == 1
    db.session.commit()
    assert used(integration) == 1
    found = groups.of_integration(integration)

    assert {one.external_id: (one.name, one.state, one.origin) for one in found} == {
        CID: ("生产告警群", GroupState.ACTIVE, "bot_added"),
        "cid-2": ("旧群", GroupState.REMOVED, "bot_added"),
        "cid-3": ("新群", GroupState.ACTIVE, "listed"),
    }
    assert Group(CID, "", {"app_code": "A-1"}) in platform.groups_asked
    assert chat_of(integration).details == {"app_code": "A-1"}


def test_members_are_counted_anew_on_an_administrators_wish_alone(integration, platform, lists):
    platform.groups = [Group(CID, "生产告警群", member_count=12)]
    read(integration)
    assert chat_of(integration).member_count == 12

    platform.groups = [Group(CID, "生产告警群")]
    read(integration, minutes=1)
    assert [one.member_count for one in platform.groups_asked] == [12]
    assert chat_of(integration).member_count == 12
    read(integration, minutes=2, counts_anew=True)
    assert [one.member_count for one in platform.groups_asked] == [None]


def test_an_event_during_the_listing_knows_better(integration, platform):
    platform.groups = [Group(CID, "生产告警群")]
    tell(integration, "added", at=-60)
    tell(integration, "removed", at=5)

    known = [groups.as_group(chat_of(integration))]
    groups.take_list(integration, GroupList(platform.groups), asked=known, asked_at=NOW, now=NOW + timedelta(seconds=9))

    assert chat_of(integration).state is GroupState.REMOVED


def test_a_group_that_becomes_known_during_the_listing_was_not_left_out(integration):
    tell(integration, "added", at=-1)
    groups.take_list(integration, GroupList(), asked=[], asked_at=NOW, now=NOW)
    assert chat_of(integration).is_active


def test_a_list_that_broke_off_removes_nothing(integration):
    tell(integration, "added", at=-60)
    found = GroupList([Group("cid-2", "新群")], is_complete=False)
    groups.take_list(integration, found, asked=[Group(CID)], asked_at=NOW, now=NOW)
    assert {one.external_id for one in groups.of_integration(integration) if one.is_active} == {CID, "cid-2"}


def test_a_failure_from_before_a_group_came_back_does_not_remove_it(integration):
    tell(integration, "added", at=10)
    groups.note_gone(chat_of(integration), tried_at=NOW + timedelta(seconds=5))
    assert chat_of(integration).is_active


def test_groups_are_asked_about_a_few_at_a_time_where_each_takes_a_call(app, integration, platform, monkeypatch):
    monkeypatch.setattr(GroupPlatform, "capabilities", replace(GroupPlatform.capabilities, quota=calls_a_month(100)))
    for number in range(7):
        tell(integration, "added", external_id=f"cid-{number}", name="旧名", at=-60)
    platform.groups = [Group(f"cid-{number}", f"群 {number}") for number in range(6)]
    with time_machine.travel(NOW, tick=False) as clock:
        group_lists.ask(integration, now=utcnow())
        group_lists.ask(integration, now=utcnow())
        work(app)
        reading = group_lists.under_way(integration)
        assert reading is not None
        assert (reading.done, reading.of, used(integration)) == (5, 7, 5)
        clock.shift(timedelta(seconds=2))
        work(app)
        assert group_lists.under_way(integration) is None
        assert used(integration) == 7
        assert {one.external_id for one in groups.of_integration(integration) if one.is_active} == {
            one.external_id for one in platform.groups
        }
        group_lists.ask(integration, now=utcnow())
        db.session.commit()
        assert group_lists.under_way(integration) == group_lists.Reading()


def test_a_limit_in_the_middle_is_waited_for_and_the_rest_read(app, integration, platform):
    for number in range(7):
        tell(integration, "added", external_id=f"cid-{number}", name="旧名", at=-60)
    platform.groups = [Group(f"cid-{number}", f"群 {number}") for number in range(7)]
    with time_machine.travel(NOW, tick=False) as clock:
        group_lists.ask(integration, now=utcnow())
        work(app)
        found, platform.groups = platform.groups, RateLimited("slow down")
        clock.shift(timedelta(seconds=2))
        work(app)
        platform.groups = found
        clock.shift(timedelta(minutes=2))
        work(app)
    assert group_lists.under_way(integration) is None
    assert group_lists.failure(integration) is None
    assert sorted(one.name for one in groups.of_integration(integration)) == [f"群 {number}" for number in range(7)]


def test_a_list_that_broke_off_says_so(integration, platform, lists, monkeypatch):
    monkeypatch.setattr(platform, "read_groups", lambda known: GroupList([], is_complete=False), raising=False)
    read(integration)
    failed = group_lists.failure(integration)
    assert failed is not None
    assert say(failed) == "平台没有给出完整的列表，没有列出的群聊保持原样"


def test_two_that_make_the_same_group_at_once_get_one(integration, app):
    groups.note_seen(integration, Group(CID, "生产告警群"), origin="bot_added", now=NOW)
    integration_id = integration.id

    def another() -> None:
        with app.app_context():
            mine = db.session.get_one(Integration, integration_id)
            groups.take_list(mine, GroupList([Group(CID, "新名")]), asked=[], asked_at=NOW, now=NOW)
            db.session.commit()

    thread = threading.Thread(target=another)
    thread.start()
    thread.join(BLOCKED_SECONDS)
    db.session.commit()
    thread.join()
    assert [one.external_id for one in groups.of_integration(integration)] == [CID]


def test_thousands_of_groups_are_offered_by_name_a_page_at_a_time(integration):
    names = [Group(f"cid-{number}", f"群 {number:04}") for number in range(2000)]
    groups.take_list(integration, GroupList(names), asked=[], asked_at=NOW, now=NOW)
    db.session.commit()
    first = groups.offered(integration, at_most=60)
    assert ([one.name for one in first.chats][::59], first.found) == (["群 0000", "群 0059"], 2000)
    assert [one.name for one in groups.offered(integration, find="1999", at_most=60).chats] == ["群 1999"]
    assert groups.offered(integration, find="%", at_most=60).found == 0
    before = groups.state_of(integration)
    assert groups.state_of(integration) == before
    tell(integration, "removed", external_id="cid-7", at=5)
    assert groups.state_of(integration) != before


def test_a_list_that_cannot_be_read_changes_nothing(app, integration, platform):
    tell(integration, "added")
    platform.groups = NetworkFailed("down")
    group_lists.ask(integration, now=utcnow())
    work(app)
    assert group_lists.under_way(integration) is None
    assert chat_of(integration).is_active
    failed = group_lists.failure(integration)
    assert failed is not None
    assert say(failed) == "无法连接平台"


def test_the_name_of_a_nameless_group_is_asked_for(app, integration, platform):
    platform.groups = [Group("cid-other", "别的群"), Group(CID, "生产告警群")]
    tell(integration, "added")
    Runner(app, HANDLERS, timedelta(seconds=60)).run_due()
    db.session.expire_all()

    assert [(one.external_id, one.name) for one in groups.of_integration(integration)] == [(CID, "生产告警群")]
    assert platform.groups_asked == [Group(CID)]
    assert outbox.pending(groups.READ_NAME, chat_of(integration).id) is None


# --- what never reached us ------------------------------------------------------------------------------------------


@pytest.fixture
def keeping(platform, monkeypatch):
    """The platform keeps what was not answered."""
    monkeypatch.setattr(GroupPlatform, "capabilities", replace(GroupPlatform.capabilities, keeps_lost_events=True))
    return platform


def lost(*changes: str, has_more: bool = False) -> LostEvents:
    events = [
        GroupEvent("", "", NOW, event_key=f"lost-{change}", change=change, group=Group(CID), happened_at=NOW)
        for change in changes
    ]
    return LostEvents(events, has_more)


def test_lost_events_are_asked_for_until_there_are_no_more(app, integration, keeping):
    keeping.lost_events.extend([lost("added", has_more=True), lost("added", "renamed")])
    stage_due(utcnow(), set())
    db.session.commit()
    runner = Runner(app, HANDLERS, timedelta(seconds=60))
    while runner.run_due():
        pass
    db.session.expire_all()
    assert chat_of(integration).is_active
    assert not keeping.lost_events
    found = checks.get(integration, groups.CHECK)
    assert found is not None and found.state is CheckState.PASSED


def test_what_came_in_time_after_all_is_not_taken_twice(integration, keeping):
    tell(integration, "removed", at=9, key="lost-removed")
    keeping.lost_events.append(lost("added", "removed"))
    group_lists.take_lost(integration, now=utcnow())
    assert chat_of(integration).state is GroupState.REMOVED


def test_a_refresh_asks_for_lost_events_first(integration, keeping):
    keeping.lost_events.append(lost("added"))
    keeping.groups = [Group(CID, "生产告警群")]
    read(integration)
    assert [one.external_id for one in keeping.groups_asked] == [CID]
    assert chat_of(integration).name == "生产告警群"


def test_connections_that_are_off_or_keep_nothing_are_not_asked(app, integration, keeping):
    integration.status = IntegrationStatus.DISABLED
    keeping.lost_events.append(lost("added"))
    db.session.commit()
    stage_due(utcnow(), set())
    db.session.commit()
    Runner(app, HANDLERS, timedelta(seconds=60)).run_due()
    assert keeping.lost_events


def test_groups_of_others_are_not_found(integration):
    tell(integration, "added")
    other = make_integration(tenant=make_tenant("别家"), platform="chat")
    stranger = make_member("zhou", Role.ADMIN, tenant=make_tenant("第三家"))
    chat = chat_of(integration)

    with pytest.raises(NotFound):
        groups.get(chat.id, viewer=stranger)
    assert groups.known(other.tenant_id, [chat.id]) == []
    assert groups.known(integration.tenant_id, [chat.id, 999]) == [chat]


def test_only_administrators_name_groups(integration):
    tell(integration, "added")
    with pytest.raises(AccessDenied):
        groups.rename(chat_of(integration), "夜班", by=make_member("lin"))
    with pytest.raises(InvalidInput):
        groups.rename(chat_of(integration), "夜" * 41, by=make_member("admin", Role.ADMIN))


def test_who_called_a_group_otherwise_is_on_the_record(integration):
    tell(integration, "added", name="生产告警群")
    admin = make_member("admin", Role.ADMIN)
    for alias in ("夜班", "夜班", ""):
        groups.rename(chat_of(integration), alias, by=admin)
    entries = db.session.scalars(select(AuditEntry).where(AuditEntry.event == "group.renamed")).all()
    assert [(one.detail["before"], one.detail["after"]) for one in entries] == [("", "夜班"), ("夜班", "")]
    assert entries[0].target.startswith("生产告警群 #")


def test_times_are_the_platforms(integration):
    """A group that was added again after it had been left is there again."""
    moments: list[tuple[str, float]] = [("added", 0), ("removed", 10), ("added", 20)]
    for change, at in reversed(moments):
        tell(integration, change, at=at)

    chat = chat_of(integration)
    assert chat.is_active
    assert isinstance(chat.state_at, datetime)
    assert chat.state_at == NOW + timedelta(seconds=20)


def test_a_list_is_asked_for_when_somebody_is_about_to_choose(app, integration, platform, monkeypatch):
    assert not group_lists.is_due(integration, now=NOW), "the platform lists only what it is asked about"
    monkeypatch.setattr(GroupPlatform, "capabilities", replace(GroupPlatform.capabilities, lists_groups=True))
    platform.groups = [Group(CID, "生产告警群")]
    assert group_lists.is_due(integration, now=NOW)
    group_lists.ask(integration, now=NOW)
    db.session.commit()
    assert not group_lists.is_due(integration, now=NOW), "it is being read"
    db.session.commit()

    Runner(app, HANDLERS, timedelta(seconds=60)).run_due()
    db.session.expire_all()
    assert [one.name for one in groups.of_integration(integration)] == ["生产告警群"]
    assert not group_lists.is_due(integration, now=utcnow())
