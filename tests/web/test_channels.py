"""Channels: made, changed, disabled and deleted on their pages."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from extensions import db
from models import AuditEntry, Channel, Flapping, Incident, Progress
from tests.factories import make_channel, make_incident, make_policy, make_source, make_tenant

SETTINGS = {"description": "", "closes_on_recovery": "y", "close_timeout_minutes": "0"}


def stored(channel) -> Channel:
    return db.session.get_one(Channel, channel.id)


def test_an_empty_list_leads_to_the_first_channel(admin_client):
    page = admin_client.get("/channels").text
    assert "还没有协作空间" in page
    assert 'href="/channels/new"' in page


def test_create_leads_on_to_policies(admin_client):
    page = admin_client.submit("/channels/new", SETTINGS | {"name": "支付核心"}, follow_redirects=True).text
    assert "协作空间「支付核心」已创建" in page
    assert "还没有分派策略" in page


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"name": ""}, "请填写名称"),
        ({"name": "长" * 60}, "名称不能超过 59 个字符"),
        ({"name": "已有的"}, "已有同名的协作空间"),
        ({"name": "新的", "close_timeout_minutes": "43201"}, "请填写 0 到 43200 之间的分钟数"),
    ],
)
def test_mistakes_stand_beside_their_field_and_nothing_is_lost(admin_client, fields, words):
    make_channel("已有的")
    answer = admin_client.submit("/channels/new", SETTINGS | {"description": "写了一些"} | fields)
    assert answer.status_code == 422
    assert f"<span>{words}</span>" in answer.text
    assert "写了一些" in answer.text


def test_tabs_show_what_belongs_to_it(admin_client, admin):
    channel, other = make_channel("支付核心"), make_channel("基础设施")
    make_incident(channel, title="支付超时")
    make_incident(other, title="磁盘将满")
    make_source(channel, name="自研监控")
    make_policy(channel, admin, name="先找值班")
    page = admin_client.get(f"/channels/{channel.id}").text
    assert "支付超时" in page
    assert "磁盘将满" not in page
    assert "自研监控" in admin_client.get(f"/channels/{channel.id}/sources").text
    assert "先找值班" in admin_client.get(f"/channels/{channel.id}/policies").text


def test_save_settings(admin_client):
    channel = make_channel("支付核心")
    path = f"/channels/{channel.id}/settings"
    fields = {"name": "支付", "is_private": "y", "close_timeout_minutes": "60", "version": str(channel.version)}
    fields |= {"flapping": "mute"}
    assert "已保存" in admin_client.submit(path, fields, follow_redirects=True).text
    saved = stored(channel)
    assert (saved.name, saved.is_private, saved.closes_on_recovery, saved.close_timeout_minutes) == (
        "支付",
        True,
        False,
        60,
    )
    assert saved.flapping is Flapping.MUTE
    assert '<option selected value="mute">' in admin_client.get(path).text
    entry = db.session.scalars(select(AuditEntry).where(AuditEntry.event == "channel.changed")).one()
    assert "flapping: mark → mute" in entry.detail["changed"]
    assert admin_client.submit(path, fields | {"flapping": "x", "version": str(saved.version)}).status_code == 422


def test_two_editors_do_not_overwrite_each_other(admin_client):
    channel = make_channel("支付核心")
    path = f"/channels/{channel.id}/settings"
    answer = admin_client.submit(path, SETTINGS | {"name": "晚到的名字", "version": str(channel.version + 1)})
    assert answer.status_code == 409
    assert "内容刚刚被其他人修改" in answer.text
    assert "晚到的名字" in answer.text
    assert stored(channel).name == "支付核心"


def test_disable_and_enable(admin_client):
    channel = make_channel()
    page = f"/channels/{channel.id}/settings"
    assert "已停用" in admin_client.submit(f"/channels/{channel.id}/disable", page=page, follow_redirects=True).text
    assert not stored(channel).is_enabled
    assert "已启用" in admin_client.submit(f"/channels/{channel.id}/enable", page=page, follow_redirects=True).text
    assert stored(channel).is_enabled


def test_deleting_needs_the_typed_name(admin_client):
    channel = make_channel("支付核心")
    incident = make_incident(channel)
    page = f"/channels/{channel.id}/settings"
    answer = admin_client.submit(f"/channels/{channel.id}/delete", {"confirm_name": "支付"}, page=page)
    assert answer.status_code == 422
    assert "与协作空间名称不一致" in answer.text
    typed = {"confirm_name": "支付核心"}
    done = admin_client.submit(f"/channels/{channel.id}/delete", typed, page=page, follow_redirects=True)
    assert "协作空间「支付核心」已删除，关闭了 1 个故障" in done.text
    assert db.session.get_one(Incident, incident.id).progress is Progress.CLOSED


def test_only_administrators_change_channels(client, responder):
    channel = make_channel()
    assert client.sign_in(responder).status_code == 303
    page = client.get(f"/channels/{channel.id}").text
    assert "设置</span>" not in page
    assert "新建协作空间" not in client.get("/channels").text
    assert client.get(f"/channels/{channel.id}/settings").status_code == 403
    for verb in ("disable", "delete", "settings"):
        assert client.submit(f"/channels/{channel.id}/{verb}", page="/me").status_code == 403
    assert stored(channel).is_enabled


def test_private_channels_are_hidden(client, responder):
    channel = make_channel("秘密项目", is_private=True)
    assert client.sign_in(responder).status_code == 303
    assert "秘密项目" not in client.get("/channels").text
    assert client.get(f"/channels/{channel.id}").status_code == 404


def test_channels_of_others_are_not_there(admin_client):
    theirs = make_channel(tenant=make_tenant("别家"))
    for path in ("", "/sources", "/settings", "/policies", "/policies/new"):
        assert admin_client.get(f"/channels/{theirs.id}{path}").status_code == 404
    for verb in ("settings", "disable", "delete", "policies/new"):
        assert admin_client.submit(f"/channels/{theirs.id}/{verb}", {"name": "x"}, page="/me").status_code == 404
    assert stored(theirs).is_enabled
