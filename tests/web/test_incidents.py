"""The console's pages about incidents: the list, one incident, and everything that can be done to it."""

from __future__ import annotations

from datetime import timedelta
from html import unescape

import pytest

from blueprints import templating
from blueprints.incidents import views
from extensions import db
from models import Card, CardState, Delivery, DeliveryAttempt, DeliveryState, Incident, Progress, Severity
from platforms.dingtalk.errors import NotACard
from platforms.errors import remember
from services import incidents, notifications
from services.clock import utcnow
from tests.factories import (
    make_alert,
    make_channel,
    make_incident,
    make_integration,
    make_level,
    make_link,
    make_member,
    make_policy,
    make_source,
    make_tenant,
)

HTMX = {"HX-Request": "true"}


@pytest.fixture
def lin(client, responder):
    """A browser in which Lin is signed in."""
    assert client.sign_in(responder).status_code == 303
    return client


def press(client, incident, verb, headers=None, **fields):
    return client.submit(
        f"/incidents/{incident.num}/{verb}", fields, page="/me", headers=headers or {}, follow_redirects=True
    )


def fresh(incident) -> Incident:
    return db.session.get_one(Incident, incident.id)


def told(responder, *, state=DeliveryState.FAILED, code="app_not_linked", incident=None) -> Delivery:
    """A message about an incident that has come to this."""
    incident = incident or make_incident(make_channel("通知"))
    made = notifications.notify(incident, cause="assign", user_ids=[responder.user_id], now=utcnow())
    db.session.flush()
    delivery = db.session.scalars(db.select(Delivery).where(Delivery.notification_id == made.id)).one()
    delivery.state, delivery.failure_code = state, code
    db.session.commit()
    return delivery


# --- the list -----------------------------------------------------------------------------------------------------


def test_an_empty_list_says_what_will_come(lin):
    assert "没有未关闭的故障" in lin.get("/incidents").text
    assert "没有等您处理的故障" in lin.get("/incidents?scope=mine").text


def test_filters_are_in_the_address(lin, responder):
    pay, base = make_channel("支付核心"), make_channel("基础设施")
    make_incident(pay, title="支付超时", severity=Severity.CRITICAL, responders=(responder,))
    make_incident(base, title="磁盘将满", severity=Severity.WARNING, acknowledged_by=make_member("wu"))
    make_incident(base, title="昨天的事", progress=Progress.CLOSED)

    def titles(query):
        page = lin.get(f"/incidents?{query}").text
        return [title for title in ("支付超时", "磁盘将满", "昨天的事") if title in page]

    assert titles("") == ["支付超时", "磁盘将满"]
    assert titles("scope=all") == ["支付超时", "磁盘将满", "昨天的事"]
    assert titles("scope=closed") == ["昨天的事"]
    assert titles("scope=mine") == ["支付超时"]
    assert titles("severity=Critical") == ["支付超时"]
    assert titles("progress=Processing") == ["磁盘将满"]
    assert titles(f"channel={base.id}") == ["磁盘将满"]
    assert titles(f"responder={responder.user_id}") == ["支付超时"]
    assert titles("q=磁盘") == ["磁盘将满"]
    assert titles("since=2026-03-02&until=2026-03-02") == ["支付超时", "磁盘将满"]
    assert titles("since=2026-03-03") == []
    assert titles("severity=nonsense&channel=x&since=tomorrow&until=9999-12-31") == ["支付超时", "磁盘将满"]


def test_pages_by_key_keep_the_filters(lin):
    for number in range(21):
        make_incident(title=f"故障 {number:02}", changed_at=utcnow() - timedelta(minutes=number))
    first = lin.get("/incidents?severity=Critical").text
    assert "故障 19" in first
    assert "故障 20" not in first
    older = first.split('rel="next" href="')[1].split('"')[0].replace("&amp;", "&")
    assert "severity=Critical" in older
    second = lin.get(older).text
    assert "故障 20" in second
    assert "故障 19" not in second
    assert 'rel="prev"' in second


def test_the_list_is_sent_once(lin):
    make_incident()
    etag = lin.get("/incidents").text.split('If-None-Match": "\\"')[1].split("\\")[0]
    again = {**HTMX, "If-None-Match": f'"{etag}"'}
    assert lin.get("/incidents", headers=again).status_code == 304
    make_incident(title="新的故障")
    answer = lin.get("/incidents", headers=again)
    assert answer.status_code == 200
    assert "新的故障" in answer.text
    assert "<!doctype" not in answer.text


def test_counts_stop_at_a_thousand(lin, monkeypatch):
    for module in (views.incident_queries, templating):
        monkeypatch.setattr(module, "COUNT_CAP", 2)
    for _ in range(3):
        make_incident()
    assert "1+" in lin.get("/incidents").text


# --- rights and other organisations -------------------------------------------------------------------------------


def test_who_only_looks_gets_no_buttons(client, viewer):
    incident = make_incident(make_channel(), title="磁盘将满")
    assert client.sign_in(viewer).status_code == 303
    page = client.get(f"/incidents/{incident.num}").text
    assert incident.title in page
    for word in ("认领</span>", "屏蔽…", "重新分派…", "发表评论"):
        assert word not in page
    assert "新建故障" not in client.get("/incidents").text
    assert press(client, incident, "acknowledge").status_code == 403
    assert client.get("/incidents/new").status_code == 403
    assert fresh(incident).progress is Progress.TRIGGERED


def test_incidents_of_others_are_not_there(lin):
    stranger = make_tenant("别家")
    theirs = [make_incident(tenant=stranger) for _ in range(3)][-1]
    assert lin.get(f"/incidents/{theirs.num}").status_code == 404
    for verb in ("acknowledge", "close", "wake", "refresh"):
        assert press(lin, theirs, verb).status_code == 404
    assert press(lin, theirs, "snooze", minutes="10").status_code == 404
    assert press(lin, theirs, "comment", text="x").status_code == 404
    assert lin.get(f"/incidents/{theirs.num}/edit").status_code == 404
    results = lin.submit("/incidents/batch", {"num": [str(theirs.num)], "action": "close"}, page="/me").text
    assert "找不到您要的内容" in results
    assert fresh(theirs).progress is Progress.TRIGGERED


def test_a_form_without_its_token_changes_nothing(lin):
    incident = make_incident()
    assert lin.post(f"/incidents/{incident.num}/acknowledge").status_code == 400
    assert fresh(incident).progress is Progress.TRIGGERED


# --- one incident -------------------------------------------------------------------------------------------------


def test_the_page_tells_everything(lin, responder):
    channel = make_channel()
    make_policy(channel, responder, name="先找值班")
    source = make_source(channel, name="Prometheus 生产")
    alert = make_alert(source, title="磁盘将满", description="**很满** <script>alert(1)</script>")
    incident = incidents.open_from_alert(alert, source, now=utcnow())
    page = lin.get(f"/incidents/{incident.num}").text
    for words in ("磁盘将满", "支付核心", "先找值班", "Prometheus 生产", "resource=db-03", "林晓", "未认领", "告警中"):
        assert words in page
    assert "<strong>很满</strong>" in page
    assert "<script>alert" not in page
    assert "按分派策略「先找值班」分派" in page


def test_images_of_an_alert_are_links_and_loaded_from_nowhere(lin):
    images = [
        {"alt": "趋势图 <b>", "src": "https://img.example.com/1.png", "href": "https://grafana.example.com/d/disk"},
        {"alt": "", "src": "https://img.example.com/2.png", "href": ""},
    ]
    incident = make_incident(images=images)
    page = lin.get(f"/incidents/{incident.num}").text
    assert 'href="https://grafana.example.com/d/disk" target="_blank" rel="noopener noreferrer"' in page
    assert "趋势图 &lt;b&gt;" in page
    assert 'href="https://img.example.com/2.png"' in page and "图片 2" in page
    assert 'src="https://img.example.com' not in page


def test_why_somebody_was_not_reached_and_what_to_do(lin, responder):
    make_integration()
    delivery = told(responder)
    page = lin.get(f"/incidents/{delivery.incident.num}").text
    assert "未关联应用" in page
    assert "请该成员打开一次应用，然后重新发送：登录企业微信客户端，进入「工作台」" in page
    assert "重新发送" in page


@pytest.mark.parametrize(
    ("kind", "way"),
    [
        ("dingtalk_app", "钉钉 > 工作台 > 搜索应用名称 > 打开应用"),
        ("feishu_app", "飞书 > 工作台 > 搜索应用名称 > 打开应用"),
    ],
)
def test_how_somebody_gets_linked_is_said_in_the_platforms_words(lin, responder, kind, way):
    delivery = told(responder)
    delivery.channel_kind = kind
    assert way in unescape(lin.get(f"/incidents/{delivery.incident.num}").text)


def test_whoever_is_not_linked_can_be_sent_the_applications_address(lin, responder):
    integration = make_integration()
    delivery = told(responder)
    address = f"/h5/wecom/{integration.public_key}</code>"
    page = lin.get(f"/incidents/{delivery.incident.num}").text
    assert address in page and "应用地址与二维码" in page and 'class="qr"><svg' in page
    delivery.failure_code = "out_of_visible_range"
    assert address not in lin.get(f"/incidents/{delivery.incident.num}").text


def test_attempts_with_the_platforms_own_words(lin, responder):
    make_link(make_integration(), responder)
    delivery = told(responder, state=DeliveryState.RETRYING, code="platform_busy")
    delivery.next_attempt_at = utcnow() + timedelta(minutes=5)
    attempt = DeliveryAttempt(tenant_id=0, delivery_id=delivery.id, at=utcnow(), outcome="platform_busy")
    attempt.platform_code, attempt.message, attempt.latency_ms = "-1", "system busy", 231
    db.session.add(attempt)
    db.session.commit()
    page = lin.get(f"/incidents/{delivery.incident.num}").text
    for words in ("平台繁忙", "1 次尝试", "<code>-1</code>", "system busy", "下次尝试"):
        assert words in page


def test_stale_cards_are_counted_and_explained(lin, responder):
    integration = make_integration()
    make_link(integration, responder)
    delivery = told(responder, state=DeliveryState.SENT, code=None)
    values = {"user_id": responder.user_id, "external_user_id": "lin", "reference": delivery.reference}
    card = Card(tenant_id=0, incident_id=delivery.incident_id, delivery_id=delivery.id, integration_id=integration.id)
    for name, value in (values | {"state": CardState.STALE, "created_at": utcnow(), "updated_at": utcnow()}).items():
        setattr(card, name, value)
    db.session.add(card)
    db.session.commit()
    page = lin.get(f"/incidents/{delivery.incident.num}").text
    assert "1 张卡片待刷新" in page
    assert "72 小时内只可更新一次" in page


def test_cards_that_stay_as_they_are_are_named_with_the_reason_and_a_way_out(client, responder, admin):
    delivery = told(responder, state=DeliveryState.SENT, code=None)
    integration = make_integration(platform="dingtalk", name="钉钉", secrets={})
    known = {"state": CardState.FROZEN, "external_user_id": "lin", "reference": "r", "user_id": responder.user_id}
    known |= {"last_error": remember(NotACard("message with links")), "created_at": utcnow(), "updated_at": utcnow()}
    db.session.add(
        Card(
            tenant_id=0,
            incident_id=delivery.incident_id,
            delivery_id=delivery.id,
            integration_id=integration.id,
            **known,
        )
    )
    client.sign_in(admin)
    page = client.get(f"/incidents/{delivery.incident.num}").text
    assert "1 张卡片不再更新" in page
    assert "该消息以链接形式发出，不能更新" in page
    assert "填写卡片模板 ID" in page
    assert f'action="/deliveries/{delivery.id}/resend"' in page
    assert "发送新卡片" in page


def test_the_open_page_is_answered_304_until_something_happens(lin, monkeypatch):
    now = utcnow()
    monkeypatch.setattr(views, "utcnow", lambda: now)
    incident = make_incident()
    path = f"/incidents/{incident.num}"
    etag = lin.get(path, headers=HTMX).text.split('If-None-Match": "\\"')[1].split("\\")[0]
    again = {**HTMX, "If-None-Match": f'"{etag}"'}
    assert lin.get(path, headers=again).status_code == 304
    press(lin, incident, "comment", text="有新情况")
    assert "有新情况" in lin.get(path, headers=again).text


# --- actions ------------------------------------------------------------------------------------------------------


def test_acknowledge_and_withdraw(lin, responder):
    incident = make_incident()
    assert "已开始处理" in press(lin, incident, "acknowledge").text
    assert fresh(incident).progress is Progress.PROCESSING
    assert "林晓 开始处理" in lin.get(f"/incidents/{incident.num}").text
    assert "已取消认领" in press(lin, incident, "unacknowledge").text
    assert fresh(incident).progress is Progress.TRIGGERED


def test_htmx_gets_the_fragment_and_the_sentence(lin):
    incident = make_incident()
    answer = press(lin, incident, "acknowledge", headers=HTMX)
    assert 'id="incident-detail"' in answer.text
    assert 'hx-swap-oob="innerHTML"' in answer.text
    assert "已开始处理" in answer.text
    assert "<!doctype" not in answer.text


def test_to_be_overtaken_is_information(lin, admin):
    incident = make_incident()
    incidents.close(incident, by=admin, via="console", now=utcnow())
    page = press(lin, incident, "acknowledge").text
    said = page.split('id="notice"')[1].split("<header")[0]
    assert "王芳 已于" in said
    assert "notice-info" in said


def test_close_with_reasons_and_reopen(lin):
    incident = make_incident()
    page = press(lin, incident, "close", root_cause="索引失效", resolution="重建索引").text
    assert "已关闭" in page
    assert "索引失效" in page
    assert "重新打开…" in page
    assert "请填写原因" in press(lin, incident, "reopen", reason="").text
    assert "已重新打开" in press(lin, incident, "reopen", reason="又来了").text
    assert "重新打开了故障：又来了" in lin.get(f"/incidents/{incident.num}").text


def test_snooze_says_until_when_and_for_what(lin):
    incident = make_incident()
    page = lin.get(f"/incidents/{incident.num}").text
    assert "同一规则的新故障不受影响" in page
    assert "2小时 · 至" in page
    assert "已屏蔽至" in press(lin, incident, "snooze", minutes="90").text
    assert "已取消屏蔽" in press(lin, incident, "wake").text


def test_a_wrong_number_comes_back_with_its_error(lin):
    incident = make_incident()
    answer = press(lin, incident, "snooze", minutes="2000")
    assert answer.status_code == 422
    assert "请填写 1 到 1440 之间的分钟数" in answer.text
    assert 'value="2000"' in answer.text
    assert fresh(incident).snoozed_until is None


def test_escalate_to_the_next_or_a_chosen_level(lin, responder):
    channel, wu = make_channel(), make_member("wu")
    make_policy(channel, levels=[make_level(responder), make_level(wu)])
    incident = incidents.open_by_hand(
        channel, "升级试验", "", Severity.WARNING, [], by=responder, via="console", now=utcnow()
    )
    assert "下一环节" in lin.get(f"/incidents/{incident.num}").text
    assert "已升级到环节 2" in press(lin, incident, "escalate", level="-1").text
    assert "已升级到环节 1" in press(lin, incident, "escalate", level="0").text


def test_reassign_and_add_people(lin):
    incident, wu, chen = make_incident(), make_member("wu"), make_member("chen", real_name="陈晨")
    assert "请至少选择一人" in press(lin, incident, "reassign").text
    assert "已重新分派给 吴凡" in press(lin, incident, "reassign", **{"reassign-people": wu.user_id}).text
    assert "已添加处理人员 陈晨" in press(lin, incident, "add", **{"add-people": chen.user_id}).text


def test_comments_are_markdown_made_safe(lin):
    incident = make_incident()
    page = press(lin, incident, "comment", text="看 **这里** <img src=x onerror=alert(1)>").text
    assert "评论已添加" in page
    assert "<strong>这里</strong>" in page
    assert "<img src=x" not in page
    assert press(lin, incident, "comment", text="x" * 1025).status_code == 422


# --- writing ------------------------------------------------------------------------------------------------------


def test_create_by_hand(lin, responder):
    channel = make_channel()
    fields = {"title": "机房断电", "severity": "Critical", "channel_id": channel.id, "people": responder.user_id}
    page = lin.submit("/incidents/new", fields | {"description": "UPS **告警**"}, follow_redirects=True).text
    assert "故障 #1 已创建" in page
    assert "机房断电" in page
    assert "<strong>告警</strong>" in page
    assert "分派给 林晓" in page


def test_nothing_typed_is_lost_when_creating(lin):
    answer = lin.submit("/incidents/new", {"title": "", "severity": "Info", "channel_id": 0, "description": "写了很多"})
    assert answer.status_code == 422
    assert "请填写标题" in answer.text
    assert "写了很多" in answer.text


def test_edit_keeps_what_somebody_else_changed(lin, admin):
    incident = make_incident(title="旧标题", impact="")
    page = f"/incidents/{incident.num}/edit"
    seen = {f"was-{name}": "" for name in ("description", "impact", "root_cause", "resolution")}
    seen |= {"was-title": "旧标题", "was-severity": "Critical", "title": "旧标题", "severity": "Critical"}
    incidents.edit(incident, by=admin, via="console", now=utcnow(), changes={"title": "别人的标题"})
    answer = lin.submit(page, seen | {"impact": "下单失败"}, follow_redirects=True).text
    assert "已保存" in answer
    assert "下单失败" in answer
    assert "别人的标题" in answer
    assert fresh(incident).title == "别人的标题"


# --- many at once -------------------------------------------------------------------------------------------------


def test_many_at_once_each_with_its_answer(lin, admin):
    open_one, closed_one = make_incident(), make_incident()
    incidents.close(closed_one, by=admin, via="console", now=utcnow())
    chosen = {"num": [str(open_one.num), str(closed_one.num), "999"], "action": "close"}
    page = lin.submit("/incidents/batch", chosen, page="/me").text
    assert "1 个已完成，2 个没有变化。" in page
    assert "王芳 已于" in page
    assert "找不到您要的内容" in page
    assert fresh(open_one).progress is Progress.CLOSED


@pytest.mark.parametrize("nums", [[], [str(num) for num in range(1, 102)]])
def test_none_or_too_many_at_once(lin, nums):
    incident = make_incident()
    answer = lin.submit("/incidents/batch", {"num": nums, "action": "close"}, page="/me", follow_redirects=True)
    assert "每次最多 100 个" in answer.text
    assert fresh(incident).progress is Progress.TRIGGERED


def test_an_incident_that_flaps_says_so_everywhere_until_it_is_closed(lin):
    incident = make_incident(make_channel(), flapping_since=utcnow())
    pages = ("/incidents", f"/incidents/{incident.num}", f"/channels/{incident.channel_id}", "/")
    mark = 'class="tag prog prog-flapping"'
    assert [page for page in pages if mark not in lin.get(page).text] == []
    press(lin, incident, "close")
    assert mark not in lin.get(f"/incidents/{incident.num}").text


def test_after_an_action_the_page_says_who_else_sees_it(lin, responder, viewer):
    incident = make_incident()
    integration = make_integration()
    for member in (responder, viewer):
        sent = told(member, state=DeliveryState.SENT, code="", incident=incident)
        card = Card(tenant_id=0, delivery_id=sent.id, incident_id=incident.id, integration_id=integration.id)
        card.user_id, card.external_user_id, card.state = member.user_id, member.user.username, CardState.LIVE
        card.reference, card.created_at, card.updated_at = sent.reference, utcnow(), utcnow()
        db.session.add(card)
    said = press(lin, incident, "acknowledge", HTMX).text
    assert "已开始处理 · 2 人的卡片正在更新" in said
    assert "的卡片正在更新" not in press(lin, incident, "acknowledge", HTMX).text


def test_a_search_that_finds_closed_ones_only_leads_there(lin):
    make_incident(title="pay-gateway 超时", progress=Progress.CLOSED, closed_at=utcnow())
    page = lin.get("/incidents?q=pay-gateway").text
    assert "已关闭的故障中有 1 个" in page
    assert "pay-gateway 超时" in lin.get("/incidents?scope=closed&q=pay-gateway").text
    assert "没有符合条件的故障" in lin.get("/incidents?q=nothing").text


def test_a_number_leads_straight_to_its_incident(lin):
    incident = make_incident(progress=Progress.CLOSED, closed_at=utcnow())
    assert lin.get(f"/incidents?q=%23{incident.num}").location == f"/incidents/{incident.num}"
    asked = lin.get(f"/incidents?q=%23{incident.num}", headers=HTMX)
    assert asked.headers["HX-Redirect"] == f"/incidents/{incident.num}"
    assert lin.get("/incidents?q=%23999").status_code == 200


def test_many_at_once_are_named_and_lead_back_to_where_they_were_chosen(lin):
    incident = make_incident(title="磁盘 <满>")
    place = "/incidents?scope=open&severity=Critical"
    assert f'name="next" value="{place.replace("&", "&amp;")}"' in lin.get(place).text
    chosen = {"num": [str(incident.num)], "action": "acknowledge", "next": place}
    page = lin.submit("/incidents/batch", chosen, page="/me").text
    assert "磁盘 &lt;满&gt;" in page
    assert page.count(f'href="{place.replace("&", "&amp;")}"') == 2
    stranger = chosen | {"next": "https://evil.example/"}
    assert "evil" not in lin.submit("/incidents/batch", stranger, page="/me").text


def test_who_was_not_reached_comes_first_and_many_who_were_are_folded(lin, responder, viewer, admin):
    incident = make_incident()
    for member in (responder, viewer, admin):
        told(member, state=DeliveryState.SENT, code="", incident=incident)
    few = lin.get(f"/incidents/{incident.num}").text
    assert "已送达 3" not in few
    people = [make_member(f"p{number}", real_name=f"同事{number}") for number in range(3)]
    told(people[0], state=DeliveryState.SENT, code="", incident=incident)
    told(people[1], state=DeliveryState.SENT, code="", incident=incident)
    told(people[2], incident=incident)
    page = lin.get(f"/incidents/{incident.num}").text
    place = page[page.index("told-title") : page.index("record-title")]
    assert "已送达 5" in place
    assert place.index("同事2") < place.index("told-fold") < place.index("林晓")


def test_a_closed_incident_that_nobody_was_told_of_offers_no_button_that_is_not_there(lin):
    incident = make_incident(progress=Progress.CLOSED, closed_at=utcnow())
    page = lin.get(f"/incidents/{incident.num}").text
    assert "可以在上面重新分派" not in page
    assert "没有匹配的分派策略" in page
