"""Deliveries: found by person, outcome, reason and time; explained; sent again."""

from __future__ import annotations

from datetime import timedelta

import pytest

from extensions import db
from models import Delivery, DeliveryAttempt, DeliveryState
from services import notifications
from services.clock import utcnow
from tests.factories import make_channel, make_incident, make_integration, make_link, make_member, make_tenant


@pytest.fixture
def lin(client, responder):
    assert client.sign_in(responder).status_code == 303
    return client


def deliver(member, *, state=DeliveryState.FAILED, code="app_not_linked", incident=None, **values) -> Delivery:
    incident = incident or make_incident(make_channel(f"空间 {utcnow().timestamp()}"), title="磁盘将满")
    made = notifications.notify(incident, cause="assign", user_ids=[member.user_id], now=utcnow())
    db.session.flush()
    found = db.session.scalars(db.select(Delivery).where(Delivery.notification_id == made.id)).one()
    for name, value in ({"state": state, "failure_code": code} | values).items():
        setattr(found, name, value)
    db.session.commit()
    return found


def count() -> int:
    return db.session.scalar(db.select(db.func.count()).select_from(Delivery))


def test_nothing_sent_yet(lin):
    assert "还没有发送过消息" in lin.get("/deliveries").text


def test_the_way_is_called_in_the_readers_language(lin, responder):
    make_integration(name="企业微信")
    deliver(responder)
    assert "企业微信" not in lin.get("/deliveries", headers={"Accept-Language": "en"}).text


def test_each_says_why_and_what_to_do(lin, responder):
    make_integration(name="企业微信（生产）")
    sent = deliver(responder)
    error = {
        "code": "wecom.ip_not_trusted",
        "detail": "",
        "platform_code": "60020",
        "platform_message": "not allow",
        "raw": "{raw}",
    }
    sent.failure = {"error": error | {"http_status": 200, "params": {"ip": "203.0.113.7"}}, "unanswered": False}
    sent.failure_code = "ip_not_allowed"
    attempt = DeliveryAttempt(tenant_id=0, delivery_id=sent.id, at=utcnow(), outcome="ip_not_allowed")
    attempt.platform_code, attempt.message = "60020", "not allow to access from your ip"
    db.session.add(attempt)
    db.session.commit()
    page = lin.get("/deliveries").text
    for words in (
        "林晓",
        "磁盘将满",
        "企业微信（生产）",
        "发送失败",
        "平台拒绝了服务器 IP 203.0.113.7",
        "60020",
        "{raw}",
    ):
        assert words in page
    assert "not allow to access from your ip" in page
    assert "企业可信IP" in page


def test_filters(lin, responder):
    wu, integration = make_member("wu"), make_integration()
    make_link(integration, wu)
    deliver(wu, state=DeliveryState.SENT, code=None, created_at=utcnow() - timedelta(days=3))
    deliver(responder)

    def shown(query):
        rows = lin.get(f"/deliveries?{query}").text.split("<tbody>")[-1]
        return [name for name in ("林晓", "吴凡") if name in rows]

    assert shown("") == ["林晓", "吴凡"]
    assert shown("state=failed") == ["林晓"]
    assert shown("reason=app_not_linked") == ["林晓"]
    assert shown(f"person={wu.user_id}") == ["吴凡"]
    assert shown("q=吴") == ["吴凡"]
    assert shown(f"since={utcnow() - timedelta(days=1):%Y-%m-%d}") == ["林晓"]
    assert shown(f"integration={integration.id}") == ["林晓", "吴凡"]
    assert "没有符合条件的发送记录" in lin.get("/deliveries?reason=chat_gone").text
    assert lin.get("/deliveries?state=x&person=y&before=z&since=today").status_code == 200


def test_pages_by_key_both_ways(lin, responder):
    make_integration()
    incident = make_incident(make_channel())
    ids = [deliver(responder, incident=incident).id for _ in range(21)]
    first = lin.get("/deliveries?state=failed").text
    older = first.split('rel="next" href="')[1].split('"')[0].replace("&amp;", "&")
    assert "state=failed" in older
    second = lin.get(older).text
    assert f"<code>{ids[0]}</code>" in second or second.count("<tr") == 2
    newer = second.split('rel="prev" href="')[1].split('"')[0].replace("&amp;", "&")
    assert lin.get(newer).text.count('class="top-aligned"') == 20


def test_send_again(lin, responder):
    integration = make_integration()
    sent = deliver(responder)
    make_link(integration, responder)
    page = f"/incidents/{sent.incident.num}"
    answer = lin.submit(f"/deliveries/{sent.id}/resend", {"next": page}, page="/deliveries", follow_redirects=True)
    assert "已重新发送" in answer.text
    assert answer.request.path == page
    again = db.session.scalars(db.select(Delivery).order_by(Delivery.id.desc())).first()
    assert (again.source, again.state) == ("resend", DeliveryState.QUEUED)


def test_what_is_on_its_way_is_not_sent_twice(lin, responder):
    make_integration()
    sent = deliver(responder, state=DeliveryState.SENDING, code=None)
    answer = lin.submit(f"/deliveries/{sent.id}/resend", page="/me", follow_redirects=True)
    assert "该消息不能重新发送：消息仍在发送中" in answer.text
    assert count() == 1


def test_a_foreign_way_back_is_not_taken(lin, responder):
    make_integration()
    sent = deliver(responder)
    answer = lin.submit(f"/deliveries/{sent.id}/resend", {"next": "//evil.example.com/"}, page="/deliveries")
    assert answer.location == "/deliveries"


def test_all_failed_of_the_page_again_each_with_its_answer(lin, responder):
    make_integration()
    first, second = deliver(responder), deliver(responder)
    assert "重新发送本页 2 条失败的消息" in lin.get("/deliveries").text
    second.incident.progress = "Closed"
    ids = {"id": [str(first.id), str(second.id), "999"]}
    page = lin.submit("/deliveries/resend", ids, page="/deliveries").text
    assert "已重新发送" in page
    assert "故障已关闭" in page
    assert "找不到您要的内容" in page
    assert count() == 3


def test_who_only_looks_cannot_send_again(client, viewer, responder):
    make_integration()
    sent = deliver(responder)
    assert client.sign_in(viewer).status_code == 303
    page = client.get("/deliveries").text
    assert "未关联应用" in page
    assert f"/deliveries/{sent.id}/resend" not in page
    assert client.submit(f"/deliveries/{sent.id}/resend", page="/me").status_code == 403
    assert client.submit("/deliveries/resend", {"id": str(sent.id)}, page="/me").status_code == 403


def test_deliveries_of_others_are_not_there(lin):
    tenant = make_tenant("别家")
    make_integration(tenant=tenant)
    stranger = make_member("zhou", tenant=tenant)
    theirs = deliver(stranger, incident=make_incident(tenant=tenant, title="别家的事"))
    assert "别家的事" not in lin.get("/deliveries").text
    assert lin.submit(f"/deliveries/{theirs.id}/resend", page="/me").status_code == 404
    assert count() == 1


def test_what_was_held_can_be_given_up(lin, responder):
    make_integration()
    sent = deliver(responder, code="held")
    page = lin.get("/deliveries").text
    assert "等待过久，未自动发送" in page
    assert "放弃" in page
    lin.submit(f"/deliveries/{sent.id}/drop", {"next": "/deliveries"}, page="/deliveries")
    db.session.refresh(sent)
    assert sent.state is DeliveryState.CANCELLED
    assert "已放弃" in lin.get("/deliveries").text
