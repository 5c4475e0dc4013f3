"""The pages under 集成中心 › 告警源."""

from __future__ import annotations

import html
import re

import pytest
from sqlalchemy import select

from extensions import db
from models import AlertSource, StoredPush
from services import alert_sources
from tests.factories import NOW, make_channel

HOME = "/integrations/alerts"


@pytest.fixture
def channel(admin):
    return make_channel("订单服务")


@pytest.fixture
def source(admin, channel):
    source = alert_sources.create(channel.id, "prometheus", "订单 Prometheus", by=admin, now=NOW)
    db.session.commit()
    return source


def page_of(source):
    return f"{HOME}/{source.id}"


def test_an_empty_list_says_what_to_do(admin_client):
    assert "还没有告警源" in admin_client.get(HOME).text


def test_a_new_source_shows_how_to_connect(admin_client, channel):
    fields = {"type": "standard", "name": "脚本", "channel_id": channel.id, "title": "name"}
    answer = admin_client.submit(f"{HOME}/new", fields, follow_redirects=True)
    text = html.unescape(answer.text)
    source = db.session.scalars(select(AlertSource)).one()
    key = alert_sources.current_key(source)
    assert alert_sources.push_url(source) in text
    assert f"-H 'X-Integration-Key: {key}'" in text
    assert "等待第一个事件" in text
    assert "脚本" in admin_client.get(HOME).text


def test_alertmanager_gets_its_configuration(admin_client, source):
    text = html.unescape(admin_client.get(page_of(source)).text)
    assert "webhook_configs:" in text
    assert f"credentials: '{alert_sources.current_key(source)}'" in text
    assert "alert: InstanceDown" in text


def test_wrong_forms_come_back_with_what_was_typed(admin_client, source, channel):
    fields = {"type": "standard", "name": "", "channel_id": channel.id, "title": "name"}
    assert "请填写名称" in (answer := admin_client.submit(f"{HOME}/new", fields)).text
    assert answer.status_code == 422
    answer = admin_client.submit(f"{HOME}/new", fields | {"name": source.name})
    assert (answer.status_code, "已有同名的告警来源" in answer.text) == (422, True)
    assert admin_client.submit(f"{HOME}/new", fields | {"name": "x", "type": "zabbix"}).status_code == 422
    assert admin_client.submit(f"{HOME}/new", fields | {"name": "x", "channel_id": 999}).status_code == 422


def test_settings_are_saved(admin_client, source):
    other = make_channel("支付核心")
    fields = {"name": "订单 AM", "channel_id": other.id, "title": "summary"}
    answer = admin_client.submit(page_of(source), fields, follow_redirects=True)
    assert "订单 AM" in answer.text
    saved = db.session.get(AlertSource, source.id)
    assert (saved.name, saved.channel_id, saved.options) == ("订单 AM", other.id, {"title": "summary"})


def test_a_key_is_replaced_with_an_overlap(admin_client, source):
    old = alert_sources.current_key(source)
    page = page_of(source)
    answer = admin_client.submit(f"{page}/rotate", page=page, follow_redirects=True)
    assert old not in answer.text
    assert "旧密钥" in answer.text
    assert alert_sources.find_by_key(old, now=NOW) is not None
    admin_client.submit(f"{page}/end-old-keys", page=page)
    assert alert_sources.find_by_key(old, now=NOW) is None


def test_it_can_be_stopped_and_started(admin_client, source):
    page = page_of(source)
    assert "已停用" in admin_client.submit(f"{page}/disable", page=page, follow_redirects=True).text
    assert db.session.get(AlertSource, source.id).is_enabled is False
    admin_client.submit(f"{page}/enable", page=page)
    assert db.session.get(AlertSource, source.id).is_enabled is True


def test_deleting_needs_the_typed_name(admin_client, source):
    page = page_of(source)
    answer = admin_client.submit(f"{page}/delete", {"confirm_name": "订单"}, page=page)
    assert (answer.status_code, "请输入完整的名称以确认删除" in answer.text) == (422, True)
    answer = admin_client.submit(f"{page}/delete", {"confirm_name": source.name}, page=page, follow_redirects=True)
    assert "已删除" in answer.text
    assert admin_client.get(page).status_code == 404


def test_the_last_error_is_shown_and_harmless(admin_client, source):
    hostile = "<script>alert(1)</script> %s {{7*7}}"
    alert_sources.count_refusal(source.id, source.tenant_id, code="InvalidParameter", message=hostile, now=NOW)
    text = admin_client.get(page_of(source)).text
    assert "<script>alert(1)" not in text
    assert hostile in html.unescape(text)


def test_the_activity_asks_again_and_is_told_when_nothing_changed(admin_client, source):
    text = admin_client.get(page_of(source)).text
    [etag] = re.findall(r'If-None-Match": "\\"(\w+)', html.unescape(text))
    answer = admin_client.get(f"{page_of(source)}/activity", headers={"If-None-Match": f'"{etag}"'})
    assert answer.status_code == 304
    alert_sources.count_push(source, events=1, rejections=[], now=NOW)
    answer = admin_client.get(f"{page_of(source)}/activity", headers={"If-None-Match": f'"{etag}"'})
    assert (answer.status_code, "已收到事件" in answer.text) == (200, True)


@pytest.mark.parametrize("who", ["responder", "viewer"])
def test_others_see_no_key_and_change_nothing(request, client, source, who):
    client.sign_in(request.getfixturevalue(who))
    page = page_of(source)
    text = client.get(page).text
    assert source.name in text
    assert alert_sources.current_key(source) not in text
    assert client.get(f"{HOME}/new").status_code == 403
    token = client.token("/me")
    for action in ("", "/rotate", "/end-old-keys", "/disable", "/enable", "/delete"):
        answer = client.post(page + action, data={"csrf_token": token, "confirm_name": source.name})
        assert answer.status_code == 403, action
    assert db.session.get(AlertSource, source.id) is not None


def test_strangers_are_asked_to_sign_in(client, source):
    assert client.get(page_of(source)).status_code == 303
    assert client.get(HOME).status_code == 303


def test_the_pages_speak_english(admin_client, source):
    answer = admin_client.get(page_of(source), headers={"Accept-Language": "en"})
    assert answer.status_code == 200


def test_alerts_that_could_not_be_taken_can_be_tried_again(admin_client, source):
    assert "try-again" not in admin_client.get(page_of(source)).text
    stored = {"status": "Critical", "title": "x", "description": "", "alert_key": "k", "labels": {}, "images": []}
    row = stored | {"event_at": None, "raw": {}}
    values = {"source_id": source.id, "tenant_id": source.tenant_id, "received_at": NOW, "error": "ValueError: no"}
    db.session.add(StoredPush(events=[row], event_count=1, truncated=0, **values))
    db.session.commit()
    text = admin_client.get(page_of(source)).text
    assert "1 条告警已保存，但没有生成故障" in text
    assert f"{page_of(source)}/try-again" in text
    answer = admin_client.submit(f"{page_of(source)}/try-again", {}, follow_redirects=True)
    assert "正在重新处理 1 条告警" in answer.text
    assert "try-again" not in answer.text
