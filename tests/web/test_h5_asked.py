"""Links on cards that ask for something, and pages that refuse: looking does nothing, and nobody is left alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from sqlalchemy import select

from extensions import db
from models import AuditEntry, Delivery, GroupChat, Incident, Integration, Job, Membership, Progress
from platforms.base import Group, GroupList
from platforms.wecom.platform import WeCom
from services import group_lists, groups
from services.clock import utcnow
from tests.factories import make_channel, make_incident, make_integration, make_level, make_policy
from tests.web.conftest import Browser


@pytest.fixture
def integration(admin: Membership) -> Integration:
    return make_integration(settings={"trusted_domain": "localhost"})


@pytest.fixture
def home(integration: Integration) -> str:
    return f"/h5/wecom/{integration.public_key}"


@pytest.mark.parametrize(
    ("wanted", "path"),
    [("acknowledge", "/acknowledge"), ("close", "/close"), ("snooze", "/snooze"), ("snooze:240", "/snooze")],
)
def test_a_link_on_a_card_asks_and_its_button_acts(
    client: Browser, home: str, responder: Membership, wanted: str, path: str
):
    client.sign_in(responder)
    incident = make_incident()
    page = client.get(f"{home}/incidents/{incident.num}?do={wanted}")
    assert page.status_code == 200
    assert f'action="{home}/incidents/{incident.num}{path}"' in page.text
    assert "点击下方按钮后才会执行" in page.text
    assert incident.progress is Progress.TRIGGERED and not incident.is_snoozed(utcnow())

    fields = {"minutes": 240 if ":" in wanted else 120} if path == "/snooze" else {}
    assert all(f'name="{name}" value="{value}"' in page.text for name, value in fields.items())
    client.submit(f"{home}/incidents/{incident.num}{path}", fields, page=f"{home}/incidents/{incident.num}?do={wanted}")

    was_done = {"/acknowledge": Progress.PROCESSING, "/close": Progress.CLOSED, "/snooze": Progress.TRIGGERED}
    assert incident.progress is was_done[path]
    assert incident.is_snoozed(utcnow()) is (path == "/snooze")


def test_waking_is_asked_for_while_it_is_snoozed(client: Browser, home: str, responder: Membership):
    client.sign_in(responder)
    incident = make_incident()
    link = f"{home}/incidents/{incident.num}?do=wake"
    assert "点击下方按钮" not in client.get(link).text
    incident.snoozed_until = utcnow() + timedelta(hours=1)
    assert "取消屏蔽 #" in client.get(link).text


@pytest.mark.parametrize("wanted", ["", "delete", "snooze:7"])
def test_what_nobody_knows_or_makes_no_sense_is_not_asked(
    client: Browser, home: str, responder: Membership, wanted: str
):
    client.sign_in(responder)
    for incident in (make_incident(), make_incident(progress=Progress.CLOSED)):
        asked = wanted if incident.is_open else "close"
        assert "点击下方按钮" not in client.get(f"{home}/incidents/{incident.num}?do={asked}").text


def test_whoever_may_only_look_is_asked_nothing_and_told_as_whom_they_came(
    client: Browser, home: str, viewer: Membership
):
    client.sign_in(viewer)
    page = client.get(f"{home}/incidents/{make_incident().num}?do=close").text
    assert "点击下方按钮" not in page
    assert "当前以 赵看 (zhao) 操作" in page
    assert f'href="{home}/account/switch"' in page


def test_a_page_that_is_not_theirs_says_as_whom_they_came(client: Browser, home: str, responder: Membership):
    client.sign_in(responder)
    hidden = make_incident(channel=make_channel("机密", is_private=True))
    answer = client.get(f"{home}/incidents/{hidden.num}")
    assert answer.status_code == 404
    assert "当前以 林晓 (lin) 操作" in answer.text
    assert f'href="{home}/account/switch"' in answer.text


def test_a_sign_in_that_failed_offers_another(client: Browser, home: str):
    answer = client.get(f"{home}/oauth?state=0&code=1")
    assert answer.status_code == 400
    assert f'href="{home}/"' in answer.text


def test_the_desktop_client_has_a_home_of_its_own(client: Browser, home: str, responder: Membership):
    client.sign_in(responder)
    assert client.get(f"{home}/pc").location == f"{home}/incidents"


# --- the quick entry of a group chat ------------------------------------------------------------------------------


@pytest.fixture
def in_group(integration: Integration, monkeypatch: pytest.MonkeyPatch) -> GroupChat:
    """A group whose quick entry says ?chat=cid1."""
    monkeypatch.setattr(WeCom, "capabilities", replace(WeCom.capabilities, group_parameter="chat"))
    return groups.note_seen(integration, Group("cid1/+=", "支付值班群"), origin="cool_app", now=utcnow())


def tell(chat: GroupChat, incident: Incident) -> None:
    values = {"tenant_id": incident.tenant_id, "incident_id": incident.id, "group_chat_id": chat.id}
    db.session.add(Delivery(**values, channel_kind="wecom_app", created_at=utcnow(), reference=f"told-{incident.id}"))


def test_a_groups_entry_shows_what_it_was_told_and_is_open(
    client: Browser, home: str, responder: Membership, in_group: GroupChat
):
    told, closed, untold = make_incident(), make_incident(progress=Progress.CLOSED), make_incident()
    hidden = make_incident(channel=make_channel("机密", is_private=True))
    for incident in (told, closed, hidden):
        tell(in_group, incident)
    client.sign_in(responder)
    page = client.get(f"{home}/group", query_string={"chat": "cid1/+="}).text
    assert "支付值班群" in page
    assert [incident.num for incident in (told, closed, untold, hidden) if f"/incidents/{incident.num}" in page] == [
        told.num
    ]


@pytest.mark.parametrize("named", ["$ENCCID$", "", "cid-of-somebody"])
def test_a_group_that_the_platform_never_told_of_is_not_learnt_from_an_address(
    client: Browser, home: str, responder: Membership, in_group: GroupChat, named: str
):
    client.sign_in(responder)
    assert "还不认识这个群聊" in client.get(f"{home}/group", query_string={"chat": named}).text
    assert db.session.scalars(select(GroupChat)).all() == [in_group]


def vouch(monkeypatch: pytest.MonkeyPatch, *found: Group) -> list[str]:
    """The platform says that the application is in these groups; returns which ones it is asked about."""
    asked: list[str] = []

    def read_groups(_self: WeCom, known: Sequence[Group]) -> GroupList:
        asked.extend(group.external_id for group in known)
        return GroupList([group for group in found if group.external_id in asked])

    monkeypatch.setattr(WeCom, "read_groups", read_groups)
    return asked


def test_a_group_whose_event_was_lost_is_learnt_when_somebody_comes_from_it(
    client: Browser, home: str, responder: Membership, in_group: GroupChat, monkeypatch: pytest.MonkeyPatch
):
    in_group.details = {"app_code": "A-1"}
    asked = vouch(monkeypatch, Group("cid2", "夜班群", {"app_code": "A-1"}))
    client.sign_in(responder)
    for _ in range(2):
        assert "夜班群" in client.get(f"{home}/group?chat=cid2").text
    assert asked == ["cid2"]
    learnt = db.session.scalars(select(GroupChat).where(GroupChat.external_id == "cid2")).one()
    assert (learnt.is_active, learnt.details) == (True, {"app_code": "A-1"})


def test_a_group_without_a_name_is_asked_for_it_once_when_somebody_comes_from_it(
    client: Browser, home: str, responder: Membership, in_group: GroupChat
):
    in_group.name = ""
    db.session.commit()
    client.sign_in(responder)
    for _ in range(2):
        assert client.get(f"{home}/group?chat={quote('cid1/+=', safe='')}").status_code == 200
    assert [job.subject_id for job in db.session.scalars(select(Job).where(Job.kind == groups.READ_NAME))] == [
        in_group.id
    ]


def test_a_group_that_came_back_unseen_can_be_posted_to_again(
    client: Browser, home: str, responder: Membership, in_group: GroupChat, monkeypatch: pytest.MonkeyPatch
):
    groups.note_gone(in_group, tried_at=utcnow())
    vouch(monkeypatch, Group("cid1/+=", "支付值班群"))
    client.sign_in(responder)
    assert "支付值班群" in client.get(f"{home}/group", query_string={"chat": "cid1/+="}).text
    assert in_group.is_active


def test_nobody_has_the_platform_asked_about_group_after_group(
    client: Browser, home: str, responder: Membership, in_group: GroupChat, monkeypatch: pytest.MonkeyPatch
):
    asked = vouch(monkeypatch)
    client.sign_in(responder)
    for number in (1, 1, *range(20)):
        client.get(f"{home}/group?chat=invented-{number}")
    assert len(asked) == group_lists.ASKED_MOST
    assert db.session.scalars(select(GroupChat)).all() == [in_group]


def test_an_administrator_has_a_level_tell_the_group_it_is_opened_from(
    client: Browser, home: str, admin: Membership, in_group: GroupChat
):
    policy = make_policy(make_channel(), name="默认策略", levels=[make_level(admin), make_level(admin)])
    entry = f"{home}/group?chat={quote('cid1/+=', safe='')}"
    client.sign_in(admin)
    page = client.get(entry).text
    assert "还没有分派策略通知本群" in page
    assert f'<option value="{policy.id}-1">支付核心 · 默认策略 · 第 2 环节</option>' in page

    assert client.submit(entry, {"place": f"{policy.id}-1"}).status_code == 303
    assert [level["group_ids"] for level in policy.levels] == [[], [in_group.id]]
    entry_made = db.session.scalars(select(AuditEntry).where(AuditEntry.event == "policy.group_added")).one()
    assert (entry_made.target, entry_made.detail) == ("支付核心 / 默认策略", {"level": 2, "group": "支付值班群"})
    page = client.get(entry).text
    assert "<li>支付核心 · 默认策略 · 第 2 环节</li>" in page
    assert f'value="{policy.id}-1"' not in page
    assert client.submit(entry, {"place": f"{policy.id}-7"}).status_code == 404


def test_who_may_not_edit_policies_sees_which_tell_the_group_and_adds_none(
    client: Browser, home: str, responder: Membership, in_group: GroupChat
):
    level = make_level(responder, group_ids=[in_group.id])
    open_one = make_policy(make_channel(), name="默认策略", levels=[level, make_level(responder)])
    make_policy(make_channel("机密", is_private=True), name="机密策略", levels=[level])
    entry = f"{home}/group?chat={quote('cid1/+=', safe='')}"
    client.sign_in(responder)
    page = client.get(entry).text
    assert "默认策略" in page and "机密" not in page
    assert 'name="place"' not in page
    assert client.submit(entry, {"place": f"{open_one.id}-1"}, page="/me").status_code == 403
    assert "group_ids" not in open_one.levels[1]


def test_a_group_entry_leads_back_after_the_sign_in(client: Browser, home: str, in_group: GroupChat):
    answer = client.get(f"{home}/group", query_string={"chat": "cid1/+="})
    assert parse_qs(urlsplit(answer.location).query)["next"] == [f"{home}/group?chat=cid1/%2B%3D"]


def test_a_platform_without_such_entries_has_no_page_for_them(client: Browser, home: str, responder: Membership):
    client.sign_in(responder)
    assert client.get(f"{home}/group").status_code == 404
