"""The overview: on fire, undelivered, unhealthy, left to set up, and the last days as a picture."""

from __future__ import annotations

from datetime import date, timedelta

from blueprints.overview import chart
from extensions import db
from models import CheckState, Delivery, DeliveryState, IntegrationCheck, IntegrationStatus, Job, JobState, Severity
from services import integrations, notifications
from services.clock import utcnow
from tests.factories import (
    make_channel,
    make_incident,
    make_integration,
    make_link,
    make_member,
    make_policy,
    make_source,
    make_tenant,
)


def test_an_empty_instance_says_what_to_do_next(admin_client):
    page = admin_client.get("/").text
    for words in ("没有未关闭的故障", "还没有接入即时消息", "还有什么要设置", "0 / 6 已完成"):
        assert words in page
    for address in ("/members/new", "/channels/new", "/integrations/alerts/new"):
        assert f'href="{address}"' in page
    order = [
        page.index(title) for title in ("有故障吗", "有消息没送到吗", "集成正常吗", "还有什么要设置", "最近 14 天")
    ]
    assert order == sorted(order)


def test_who_may_not_set_up_is_not_sent_there(client, responder):
    assert client.sign_in(responder).status_code == 303
    page = client.get("/").text
    assert "还有什么要设置" in page
    assert 'href="/channels/new"' not in page


def test_all_set_up(admin_client, admin):
    lin, channel = make_member("lin"), make_channel()
    make_policy(channel, lin)
    make_source(channel)
    make_link(make_integration(), admin)
    assert "还有什么要设置" not in admin_client.get("/").text


def test_what_burns_is_said_first(admin_client):
    make_incident(make_channel(), title="磁盘将满")
    page = admin_client.get("/").text
    assert "磁盘将满" in page
    assert "figure-bad" in page


def test_what_was_not_delivered(admin_client):
    lin = make_member("lin")
    make_integration()
    incident = make_incident()
    notifications.notify(incident, cause="assign", user_ids=[lin.user_id], now=utcnow())
    db.session.add(
        Job(tenant_id=0, kind="deliver", subject_id=1, state=JobState.DEAD, due_at=utcnow(), created_at=utcnow())
    )
    page = admin_client.get("/").text
    assert "发送失败" in page
    assert "未关联应用" in page
    assert "放弃的后台任务" in page
    delivery = db.session.scalars(db.select(Delivery)).one()
    delivery.created_at = utcnow() - timedelta(days=2)
    delivery.state = DeliveryState.FAILED
    db.session.query(Job).delete()
    assert "最近 24 小时没有发送失败" in admin_client.get("/").text


def test_what_is_unhealthy(admin_client):
    make_integration(name="草稿里的", status=IntegrationStatus.DRAFT)
    broken = make_integration(name="坏掉的")
    check = {"tenant_id": 0, "name": "ip", "state": CheckState.FAILED, "since": utcnow(), "detail": {}}
    db.session.add(IntegrationCheck(integration_id=broken.id, **check))
    page = admin_client.get("/").text
    assert "1 项检查未通过" in page
    assert "草稿，尚未完成接入" in page


def test_connections_that_nobody_has_named_are_called_in_the_readers_language(admin_client):
    make_integration(name="企业微信")
    page = admin_client.get("/", headers={"Accept-Language": "en"}).text
    assert "<strong>WeCom</strong>" in page


def test_other_organisations_do_not_show(admin_client):
    tenant = make_tenant("别家")
    make_incident(make_channel(tenant=tenant), title="别家的事")
    make_integration(tenant=tenant, name="别家的集成")
    page = admin_client.get("/").text
    assert "别家" not in page
    assert "没有未关闭的故障" in page


def test_empty_pages_lead_on_to_what_fills_them(admin_client):
    page = admin_client.get("/integrations/alerts/new").text
    assert 'href="/channels/new"' in page
    assert 'name="channel_id"' not in page
    for scope in ("open", "all"):
        page = admin_client.get(f"/incidents?scope={scope}").text
        assert 'href="/integrations/alerts/new"' in page
        assert page.count('href="/incidents/new"') == 2
    assert "同步通讯录" in admin_client.get("/departments").text


def test_ones_own_links_show_where_each_application_is_opened(admin_client):
    connection = make_integration()
    db.session.commit()
    page = admin_client.get("/me/links").text
    assert integrations.app_url(connection) in page
    assert 'class="qr"' in page


def test_the_open_page_is_answered_304(admin_client):
    make_incident(title="磁盘将满")
    etag = admin_client.get("/").text.split('If-None-Match": "\\"')[1].split("\\")[0]
    again = {"HX-Request": "true", "If-None-Match": f'"{etag}"'}
    assert admin_client.get("/", headers=again).status_code == 304
    make_incident(title="又一个")
    answer = admin_client.get("/", headers=again)
    assert "又一个" in answer.text
    assert "<!doctype" not in answer.text


def test_the_picture_has_words_beside_it(admin_client):
    now = utcnow()
    incident = make_incident(started_at=now, changed_at=now)
    incident.acknowledged_at = now + timedelta(minutes=12)
    page = admin_client.get("/").text
    assert "每天的故障数" in page
    assert f"{now + timedelta(hours=8):%m-%d}: 1" in page
    assert "12分钟" in page


def test_bars_stand_on_one_line():
    days = [(date(2026, 3, day), count) for day, count in ((1, 0), (2, 4), (3, 2))]
    drawn = chart.bars(days)
    assert [bar.y + bar.height for bar in drawn] == [chart.HEIGHT - chart.BOTTOM] * 3
    assert drawn[1].height == 2 * drawn[2].height
    assert drawn[0].height == 1


def test_the_worst_that_nobody_has_taken_on_comes_first(admin_client, admin):
    make_incident(title="轻微的", severity=Severity.INFO, changed_at=utcnow())
    make_incident(title="有人在处理的", acknowledged_by=admin)
    make_incident(title="没人处理的", changed_at=utcnow() - timedelta(days=1))
    for number in range(4):
        make_incident(title=f"次要的 {number}", severity=Severity.WARNING, changed_at=utcnow())
    page = admin_client.get("/").text
    places = [page.index(title) for title in ("没人处理的", "有人在处理的", "次要的")]
    assert places == sorted(places)
    assert "轻微的" not in page
    assert "查看全部 7 个未关闭的故障" in page


def test_what_did_not_reach_one_person_for_one_reason_is_one_line(admin_client):
    make_integration()
    lin, wu = make_member("lin"), make_member("wu")
    for number in range(3):
        people = [lin.user_id, wu.user_id] if number == 0 else [lin.user_id]
        notifications.notify(make_incident(), cause="assign", user_ids=people, now=utcnow())
    page = admin_client.get("/").text
    place = page[page.index("undelivered-title") : page.index("health-title")]
    assert place.count("林晓") == 1
    assert "3 条" in place
    assert place.count("<li>") == 2


def test_a_connection_with_a_problem_comes_before_those_that_are_well(admin_client):
    make_integration(name="正常的")
    make_integration(name="停用的", status=IntegrationStatus.DISABLED)
    page = admin_client.get("/").text
    assert page.index("停用的") < page.index("正常的")


def test_a_connection_named_as_its_platform_is_called_once(admin_client, admin):
    make_link(make_integration(platform="dingtalk", name="钉钉"), admin)
    make_link(make_integration(platform="feishu", name="海外"), admin)
    page = admin_client.get("/me/links").text
    assert "钉钉 · 钉钉" not in page
    assert "飞书 · 海外" in page
