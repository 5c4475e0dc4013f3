"""The editor of dispatch policies: an ordinary form that loses nothing, its list, and the order of policies."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from extensions import db
from models import DispatchPolicy, Severity
from services import policies
from services.clock import utcnow
from tests.factories import (
    make_alert,
    make_channel,
    make_integration,
    make_level,
    make_link,
    make_member,
    make_policy,
    make_source,
    make_tenant,
)


@pytest.fixture
def channel():
    return make_channel("支付核心")


@pytest.fixture
def path(channel):
    return f"/channels/{channel.id}/policies/new"


def level(*people, number=0, **fields):
    """What the form sends for one level."""
    defaults: dict[str, object] = {"mode": "follow_preference", "max": "0", "every": "10", "escalate_after": "30"}
    defaults |= {"condition": "not_closed_and_not_acked", "people": [str(person.user_id) for person in people]}
    return {f"levels-{number}-{name}": value for name, value in (defaults | fields).items()}


def basics(name="先找值班", **fields):
    return {"name": name, "description": "", "priority": "100", "delay_seconds": "0", "is_enabled": "1"} | fields


def condition(group=0, number=0, **fields):
    values = {"key": "severity", "label": "", "op": "IN", "vals": "Critical"} | fields
    return {f"groups-{group}-conditions-{number}-{name}": value for name, value in values.items()}


def only() -> DispatchPolicy:
    return db.session.scalars(db.select(DispatchPolicy)).one()


def order(channel) -> list[str]:
    return [policy.name for policy in policies.in_channel(channel)]


# --- writing ------------------------------------------------------------------------------------------------------


def test_create_a_whole_policy(admin_client, admin, channel, path):
    wu = make_member("wu")
    fields = basics(delay_seconds="60") | level(admin, wu, max="2", every="0.5")
    fields |= level(wu, number=1, mode="unified", escalate_after="0", condition="not_closed")
    fields |= {"levels-1-kinds-Critical": "wecom_app"}
    fields |= condition() | condition(number=1, key="labels", label="service", vals="orders\r\n\r\n pay-* ")
    fields |= {"windows-0-days": ["1", "7"], "windows-0-start": "22:00", "windows-0-end": "06:00"}
    page = admin_client.submit(path, fields, follow_redirects=True).text
    assert "分派策略「先找值班」已创建" in page
    assert "王芳、吴凡" in page
    stored = only()
    assert stored.delay_seconds == 60
    assert stored.filters == [
        [
            {"key": "severity", "op": "IN", "vals": ["Critical"]},
            {"key": "labels.service", "op": "IN", "vals": ["orders", "pay-*"]},
        ]
    ]
    assert stored.time_windows == [{"weekdays": [1, 7], "start": "22:00", "end": "06:00"}]
    first, second = policies.levels_of(stored)
    assert (first.repeat.max, first.repeat.every_minutes) == (2, 0.5)
    assert dict(second.personal.unified) == {"Critical": ("wecom_app",)}
    assert (second.escalate_after_minutes, second.condition) == (0, "not_closed")


@pytest.mark.parametrize(
    ("fields", "name", "words"),
    [
        ({"name": ""}, "name", "请填写策略名称"),
        ({"name": "长" * 40}, "name", "应为 1–39 个字符"),
        ({"priority": "many"}, "priority", "请填写整数"),
        ({"priority": "201"}, "priority", "应为 0–200"),
        ({"delay_seconds": "3601"}, "delay_seconds", "应为 0–3600 秒"),
        ({"levels-0-people": []}, "levels-0-people", "每个环节请至少选择一人"),
        ({"levels-0-max": "7"}, "levels-0-max", "次数应为 0–6"),
        ({"levels-0-every": "0.2"}, "levels-0-every", "间隔应为 0.5–120 分钟"),
        ({"levels-0-escalate_after": "721"}, "levels-0-escalate_after", "应为 0–720 分钟"),
        ({"levels-0-mode": "unified"}, "levels-0-personal", "请至少选择一种渠道"),
        (condition(vals="/(/"), "groups-0-conditions-0", "正则表达式写法不正确"),
        (condition(key="labels"), "groups-0-conditions-0", "不支持的字段"),
        ({"windows-0-start": "09:00", "windows-0-end": "18:00"}, "windows-0", "请至少选择一天"),
    ],
)
def test_a_mistake_stands_beside_its_field_and_nothing_is_lost(admin_client, admin, path, fields, name, words):
    answer = admin_client.submit(path, basics(description="写了很多") | level(admin) | fields)
    assert answer.status_code == 422
    beside = re.search(rf'id="{name}-messages".*?</div>', answer.text, re.DOTALL)
    assert beside and words in beside[0]
    assert "写了很多" in answer.text
    assert "有内容需要修改，尚未保存" in answer.text
    assert db.session.scalars(db.select(DispatchPolicy)).all() == []


def test_all_mistakes_are_said_at_once(admin_client, path):
    page = admin_client.submit(path, basics(name="") | level(max="9")).text
    assert "请填写策略名称" in page
    assert 'aria-invalid="true"' in page
    assert page.count('class="field-error"') >= 2


def test_the_mistakes_are_listed_with_their_fields_in_the_order_of_the_page(admin_client, admin, path):
    wrong = {"levels-0-every": "0.2", "priority": "many", "windows-0-start": "09:00", "windows-0-end": "18:00"}
    page = admin_client.submit(path, basics(name="") | level(admin, max="9") | condition(vals="") | wrong).text
    listed = re.findall(r'<li><a href="#([^"]+)">([^<]+)</a>：', page)
    assert listed == [
        ("name", "策略名称"),
        ("priority", "优先级"),
        ("groups-0-conditions-0", "条件组 1"),
        ("windows-0", "时段 1"),
        ("levels-0-every", "第 1 环节 · 循环间隔"),
    ]


@pytest.mark.parametrize(
    ("wish", "spot"),
    [
        ("add-condition:0", 'id="groups-0-conditions-1" data-focus="within"'),
        ("add-level", 'id="levels-1" data-focus="within"'),
        ("add-window", 'id="windows-0" data-focus="within"'),
        ("remove-group:0", r'<span data-focus="within">\s*<button[^>]*value="add-group"'),
        ("field:0:0", 'id="groups-0-conditions-0" data-focus="within"'),
        ("preview", r'<span data-focus="within">\s*<button[^>]*value="preview"'),
    ],
)
def test_the_focus_goes_on_where_a_row_came_or_went(admin_client, admin, path, wish, spot):
    page = admin_client.submit(path, basics() | level(admin) | condition() | {"change": wish}).text
    assert re.search(spot, page)
    assert page.count("data-focus") == 1


def test_the_neighbour_of_a_removed_row_has_the_focus(admin_client, admin, path):
    fields = basics() | level(admin) | condition() | condition(number=1) | {"change": "remove-condition:0:1"}
    assert 'id="groups-0-conditions-0" data-focus="within"' in admin_client.submit(path, fields).text


def test_severities_and_sources_are_ticked_and_a_label_is_asked_for_with_labels_alone(
    admin_client, admin, channel, path
):
    source = make_source(channel)
    page = admin_client.submit(path, basics() | condition(vals=["Critical", "Gone"]) | {"change": "preview"}).text
    assert re.search(r'name="groups-0-conditions-0-vals" value="Critical" checked', page)
    assert re.search(r'name="groups-0-conditions-0-vals" value="Warning" >', page)
    assert re.search(r'name="groups-0-conditions-0-vals" value="Gone" checked', page), "kept until somebody unticks it"
    assert "标签名" not in page
    other = condition(key="source_id", vals=["Critical"]) | {"groups-0-conditions-0-was": "severity"}
    page = admin_client.submit(path, basics() | other | {"change": "field:0:0"}).text
    assert re.search(rf'name="groups-0-conditions-0-vals" value="{source.id}" >', page)
    assert "Critical</label>" not in page
    assert "标签名" in admin_client.submit(path, basics() | condition(key="labels") | {"change": "field:0:0"}).text
    chosen = condition(key="source_id", vals=[str(source.id)]) | {"groups-0-conditions-0-was": "source_id"}
    admin_client.submit(path, basics() | level(admin) | chosen)
    assert only().filters == [[{"key": "source_id", "op": "IN", "vals": [str(source.id)]}]]


def test_a_name_is_used_once_in_a_channel(admin_client, admin, channel, path):
    make_policy(channel, admin, name="先找值班")
    answer = admin_client.submit(path, basics() | level(admin))
    assert answer.status_code == 422
    assert "该协作空间中已有同名策略" in answer.text


@pytest.mark.parametrize(
    ("wish", "has", "has_not"),
    [
        ("add-group", 'name="groups-1-conditions-0-key"', None),
        ("add-condition:0", 'name="groups-0-conditions-1-key"', None),
        ("remove-condition:0:0", "没有条件：匹配所有故障", 'name="groups-0-conditions-0-key"'),
        ("add-window", 'name="windows-0-days"', None),
        ("add-level", 'name="levels-1-mode"', None),
        ("remove-group:0", "没有条件：匹配所有故障", 'name="groups-0-conditions-0-key"'),
        ("remove-group:99", 'name="groups-0-conditions-0-key"', None),
        ("nonsense:x", 'name="groups-0-conditions-0-key"', None),
    ],
)
def test_rows_come_and_go_without_losing_what_is_typed(admin_client, admin, path, wish, has, has_not):
    fields = basics(name="没有写完的") | level(admin, escalate_after="随便") | condition() | {"change": wish}
    answer = admin_client.submit(path, fields)
    assert answer.status_code == 200
    assert has in answer.text
    assert has_not is None or has_not not in answer.text
    assert 'value="没有写完的"' in answer.text
    assert 'value="随便"' in answer.text
    assert "尚未保存" not in answer.text
    assert db.session.scalars(db.select(DispatchPolicy)).all() == []


def test_the_preview_counts_recent_alerts(admin_client, channel, path):
    source = make_source(channel)
    for number, severity in enumerate([Severity.CRITICAL, Severity.CRITICAL, Severity.INFO]):
        make_alert(source, severity=severity, last_event_at=utcnow() - timedelta(days=number))
    make_alert(source, last_event_at=utcnow() - timedelta(days=8))
    page = admin_client.submit(path, basics() | condition() | {"change": "preview"}).text
    assert "近 7 天的 3 条告警中有 2 条匹配" in page
    assert (
        "条件填写完整后显示预览"
        in admin_client.submit(path, basics() | condition(vals="") | {"change": "preview"}).text
    )


def test_who_cannot_be_reached_is_said(admin_client, path):
    lin, wu = make_member("lin"), make_member("wu")
    make_link(make_integration(), lin)
    page = admin_client.submit(path, basics() | level(lin, wu) | {"change": "preview"}).text
    assert "所选 2 人中有 1 人未关联企业微信：吴凡" in page
    assert "未关联应用" in page


# --- changing -----------------------------------------------------------------------------------------------------


def test_a_level_that_named_a_team_alone_has_to_name_somebody(admin_client, admin, channel):
    policy = make_policy(channel, name="旧名", levels=[make_level(team_ids=[1])])
    page = f"/policies/{policy.id}"
    fields = basics(name="新名", version=str(policy.version))
    assert "请至少选择一人或一个群聊" in admin_client.submit(page, fields | level(number=0)).text
    fields |= level(admin, number=0)
    assert "已保存" in admin_client.submit(page, fields, follow_redirects=True).text
    saved = only()
    assert saved.name == "新名"
    assert [one["user_ids"] for one in saved.levels] == [[admin.user_id]]


def test_a_stored_policy_comes_back_as_it_was_typed(admin_client, admin, channel):
    policy = make_policy(
        channel,
        levels=[make_level(admin, repeat=3, every=2.5)],
        filters=[[{"key": "labels.env", "op": "NOTIN", "vals": ["test", "dev"]}]],
        time_windows=[{"weekdays": [6, 7], "start": "00:00", "end": "23:59"}],
    )
    page = admin_client.get(f"/policies/{policy.id}").text
    for words in ('value="env"', "test\ndev", 'value="2.5"', 'value="23:59"', 'value="NOTIN" selected'):
        assert words in page


def test_two_editors_do_not_overwrite_each_other(admin_client, admin, channel):
    policy = make_policy(channel, admin, name="旧名")
    fields = basics(name="晚到的", version="99") | level(admin)
    answer = admin_client.submit(f"/policies/{policy.id}", fields)
    assert answer.status_code == 422
    assert "内容刚刚被其他人修改" in answer.text
    assert 'value="晚到的"' in answer.text
    assert only().name == "旧名"


def test_move_duplicate_switch(admin_client, admin, channel):
    first, second = make_policy(channel, admin, name="甲"), make_policy(channel, admin, name="乙")
    page = f"/channels/{channel.id}/policies"
    assert "顺序已调整" in admin_client.submit(f"/policies/{second.id}/up", page=page, follow_redirects=True).text
    assert order(channel) == ["乙", "甲"]
    assert (
        "已经在最前或最后" in admin_client.submit(f"/policies/{first.id}/down", page=page, follow_redirects=True).text
    )
    copied = admin_client.submit(f"/policies/{first.id}/duplicate", page=page, follow_redirects=True).text
    assert "已复制为「甲 副本」，目前停用" in copied
    admin_client.submit(f"/policies/{first.id}/duplicate", page=page)
    assert order(channel) == ["乙", "甲", "甲 副本", "甲 副本 2"]
    assert (
        "「乙」已停用" in admin_client.submit(f"/policies/{second.id}/disable", page=page, follow_redirects=True).text
    )
    assert not db.session.get_one(DispatchPolicy, second.id).is_enabled


def test_deleting_needs_the_typed_name(admin_client, admin, channel):
    policy = make_policy(channel, admin, name="先找值班")
    page = f"/policies/{policy.id}"
    refused = admin_client.submit(f"{page}/delete", {"confirm_name": "别的"}, page=page)
    assert refused.status_code == 422
    assert "与策略名称不一致" in refused.text
    done = admin_client.submit(f"{page}/delete", {"confirm_name": "先找值班"}, page=page, follow_redirects=True)
    assert "分派策略「先找值班」已删除" in done.text


def test_others_may_look_but_not_change(client, responder, channel):
    policy = make_policy(channel, responder, name="先找值班")
    assert client.sign_in(responder).status_code == 303
    page = client.get(f"/policies/{policy.id}").text
    assert "先找值班" in page
    assert "添加环节" not in page
    assert "删除分派策略" not in page
    for verb in ("", "/up", "/duplicate", "/disable", "/delete"):
        assert client.submit(f"/policies/{policy.id}{verb}", page="/me").status_code == 403


def test_policies_of_others_are_not_there(admin_client, admin):
    theirs = make_policy(make_channel(tenant=make_tenant("别家")), admin, name="别家的")
    assert admin_client.get(f"/policies/{theirs.id}").status_code == 404
    for verb in ("", "/up", "/duplicate", "/disable", "/delete"):
        fields = {"confirm_name": "别家的"}
        assert admin_client.submit(f"/policies/{theirs.id}{verb}", fields, page="/me").status_code == 404
    assert only().is_enabled
