"""What programs can do beyond incidents: every area of the console, with the same rights."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from blueprints.api.operations import OPERATIONS
from extensions import db
from models import AuditEntry, Delivery, DeliveryState, Incident, Progress, Role
from platforms import PLATFORMS
from services import api_tokens, notifications
from services.clock import utcnow
from tests.api_samples import body_of, path_of, query_of
from tests.factories import (
    make_alert,
    make_channel,
    make_incident,
    make_integration,
    make_link,
    make_member,
    make_policy,
    make_source,
)
from tests.fakes import GroupPlatform
from tests.web.api_caller import boss, call

__all__ = ["boss", "call"]


def test_an_incident_is_opened_edited_and_handed_over(call, boss):
    lin, wu = make_member("lin"), make_member("wu")
    channel = make_channel()
    made = call("POST", "/incidents", 201, title="磁盘满", severity="Warning", user_ids=[lin.user_id])
    num = made["num"]
    assert (made["severity"], made["progress"]) == ("Warning", "Triggered")
    edited = call("PATCH", f"/incidents/{num}", severity="Critical", impact="下单失败")
    assert (edited["changed"], edited["incident"]["severity"]) == (True, "Critical")
    assert call("POST", f"/incidents/{num}/add-responders", user_ids=[wu.user_id])["changed"] is True
    call("POST", f"/incidents/{num}/reassign", user_ids=[wu.user_id])
    detail = call("GET", f"/incidents/{num}")
    assert [one["user"] for one in detail["responders"] if one["is_current"]] == ["wu"]
    assert detail["impact"] == "下单失败"
    assert [entry["type"] for entry in call("GET", f"/incidents/{num}/timeline")["items"]] == [
        entry["type"] for entry in detail["timeline"]
    ]
    assert call("POST", "/incidents", 404, title="x", channel_id=channel.id + 99)["code"] == "ResourceNotFound"


def test_alerts_of_an_incident(call):
    channel = make_channel()
    source = make_source(channel)
    incident = make_incident(channel)
    make_alert(source, incident=incident, title="CPU")
    (alert,) = call("GET", f"/incidents/{incident.num}/alerts")["items"]
    assert (alert["title"], alert["state"], alert["source"]["id"]) == ("CPU", "firing", source.id)


def test_many_incidents_at_once_each_get_their_answer(call):
    nums = [make_incident().num for _ in range(2)] + [make_incident(progress=Progress.CLOSED).num, 99999]
    found = call("POST", "/incidents/batch", action="snooze", nums=nums, minutes=5)["items"]
    assert [one["changed"] for one in found] == [True, True, False, False]
    assert found[-1]["incident"] is None
    found = call("POST", "/incidents/batch", action="close", nums=nums)["items"]
    assert [one["changed"] for one in found] == [True, True, False, False]
    assert call("POST", "/incidents/batch", 400, action="delete", nums=nums)["code"] == "InvalidParameter"
    assert call("POST", "/incidents/batch", 400, action="close", nums=[])["code"] == "InvalidParameter"
    assert db.session.scalars(select(Incident).where(Incident.progress != Progress.CLOSED)).all() == []


def test_a_channel_from_its_making_to_its_end(call):
    made = call("POST", "/channels", 201, name="支付", close_timeout_minutes=60)
    path = f"/channels/{made['id']}"
    assert (made["is_enabled"], made["close_timeout_minutes"], made["flapping"]) == (True, 60, "mark")
    assert call("PATCH", path, flapping="mute")["flapping"] == "mute"
    assert call("PATCH", path, 400, flapping="sometimes")["code"] == "InvalidParameter"
    changed = call("PATCH", path, description="收银台", is_enabled=False)
    assert changed["flapping"] == "mute"
    assert (changed["name"], changed["description"], changed["is_enabled"]) == ("支付", "收银台", False)
    assert call("PATCH", path, 409, name="y", version=made["version"])["code"] == "Conflict"
    assert [one["id"] for one in call("GET", "/channels")["items"]] == [made["id"]]
    assert call("DELETE", path, 400)["code"] == "InvalidParameter"
    assert call("DELETE", f"{path}?confirm_name=x", 400)["code"] == "InvalidParameter"
    assert call("DELETE", f"{path}?confirm_name=支付") == {"closed": 0}
    assert call("GET", path, 404)["code"] == "ResourceNotFound"


def test_a_policy_from_its_making_to_its_end(call, boss):
    channel = make_channel()
    levels = [{"user_ids": [boss.user_id], "repeat": {"max": 2, "every_minutes": 5}}]
    filters = [[{"key": "severity", "op": "IN", "vals": ["Critical"]}]]
    made = call("POST", f"/channels/{channel.id}/policies", 201, name="白天", levels=levels, filters=filters)
    path = f"/policies/{made['id']}"
    assert made["levels"][0]["repeat"] == {"max": 2, "every_minutes": 5}
    changed = call("PATCH", path, name="夜间", is_enabled=False)
    assert (changed["name"], changed["filters"], changed["levels"]) == ("夜间", filters, made["levels"])
    copy = call("POST", f"{path}/duplicate", 201)
    assert copy["is_enabled"] is False
    assert call("POST", f"/policies/{copy['id']}/up") == {"moved": True}
    assert [one["id"] for one in call("GET", f"/channels/{channel.id}/policies")["items"]] == [copy["id"], made["id"]]
    assert call("POST", f"/channels/{channel.id}/policies/preview", filters=filters)["matching"] == 0
    assert call("DELETE", path) == {"deleted": True}
    stranger = [{"user_ids": [999999]}]
    assert call("PATCH", f"/policies/{copy['id']}", 400, levels=stranger)["code"] == "InvalidParameter"


def test_an_alert_source_and_its_keys(call, client):
    channel, other = make_channel(), make_channel("其他")
    made = call("POST", "/alert-sources", 201, name="监控", type="standard", channel_id=channel.id)
    path = f"/alert-sources/{made['id']}"
    assert "push_url" not in made
    before = call("GET", f"{path}/push-url")["push_url"]
    rotated = call("POST", f"{path}/rotate-key")
    assert rotated["push_url"] != before
    event = {"event_status": "Info", "title_rule": "x"}
    address = before.removeprefix("http://localhost:8000")
    assert client.post(address, json=event).status_code == 200
    call("POST", f"{path}/end-old-keys")
    assert client.post(address, json=event).status_code == 401
    moved = call("PATCH", path, channel_id=other.id, is_enabled=False)
    assert (moved["name"], moved["channel"]["id"], moved["is_enabled"]) == ("监控", other.id, False)
    assert call("DELETE", f"{path}?confirm_name=监控") == {"deleted": True}
    assert call("GET", "/alert-sources")["items"] == []


def test_a_connection_is_shown_without_secrets_and_changed(call, boss):
    integration = make_integration(settings={"corp_id": "ww1"}, secrets={"secret": "cipher"})
    make_link(integration, boss)
    path = f"/integrations/{integration.id}"
    (listed,) = call("GET", "/integrations")["items"]
    assert listed == call("GET", path)
    assert "cipher" not in str(listed)
    assert call("PATCH", path, name="改名", is_enabled=False)["status"] == "disabled"
    call("PATCH", path, account_limit=500)
    assert integration.settings["account_limit"] == 500
    assert call("PATCH", path, 400, monthly_limit=500)["code"] == "InvalidParameter"
    assert {check["state"] for check in call("GET", f"{path}/checks")["items"]} == {"waiting"}
    assert call("POST", f"{path}/checks", 202) == {"started": True}
    (person,) = call("GET", f"{path}/people?state=linked")["items"]
    assert (person["username"], person["state"]) == ("boss", "active")
    make_member("lin")
    first = call("GET", f"{path}/people?limit=1")
    rest = call("GET", f"{path}/people?limit=1&cursor={first['next_cursor']}")
    assert [one["username"] for one in first["items"] + rest["items"]] == ["boss", "lin"]
    assert rest["next_cursor"] is None
    (sent,) = call("POST", f"{path}/test-message", 202, user_ids=[boss.user_id])["items"]
    assert (sent["source"], sent["state"]) == ("test", "queued")
    assert call("POST", f"{path}/test-message", 400, user_ids=[999])["code"] == "InvalidParameter"
    assert call("GET", f"{path}/groups")["items"] == []
    assert call("POST", f"{path}/groups", 202)["is_under_way"] is True
    assert call("GET", f"{path}/groups/reading") == {"is_under_way": True, "done": 0, "of": 0, "failure": ""}
    assert call("DELETE", f"{path}/people/{boss.user_id}") == {"deleted": True}
    assert call("DELETE", f"{path}?confirm_name=改名") == {"deleted": True}


def test_a_template_is_written_tried_and_deleted(call, boss):
    made = call("POST", "/templates", 201, name="短", texts={"wecom_app": "{{ incident.title }}"})
    path = f"/templates/{made['id']}"
    look = call("POST", "/templates/preview", kind="wecom_app", text="{{ incident.title }}")
    assert (look["problem"], look["is_builtin"]) == (None, False)
    assert call("POST", "/templates/preview", kind="wecom_app", text="{% if %}")["is_builtin"] is True
    assert call("PATCH", path, 400, texts={"wecom_app": "{% if %}"})["code"] == "InvalidParameter"
    assert call("PATCH", path, is_default=True)["texts"] == made["texts"]
    policy = make_policy(make_channel(), boss, template_id=made["id"])
    assert call("DELETE", path, 400)["code"] == "ReferenceExist"
    call("PATCH", f"/policies/{policy.id}", template_id=None)
    assert call("DELETE", path) == {"deleted": True}


def test_deliveries_are_found_and_sent_again(call, boss):
    integration = make_integration()
    lin = make_member("lin")
    incident = make_incident(make_channel())
    notifications.notify(incident, cause="assign", user_ids=[lin.user_id, boss.user_id], now=utcnow())
    first = call("GET", "/deliveries?limit=1")
    second = call("GET", f"/deliveries?limit=1&cursor={first['next_cursor']}")
    assert second["next_cursor"] is None
    delivery = second["items"][0]
    assert (delivery["incident"], delivery["failure_code"]) == (incident.num, "app_not_linked")
    make_link(integration, lin)
    again = call("POST", f"/deliveries/{delivery['id']}/resend", 202)
    assert (again["source"], again["state"]) == ("resend", "queued")
    assert call("GET", f"/deliveries/{again['id']}") == again
    assert call("POST", f"/deliveries/{delivery['id']}/drop", 400)["code"] == "InvalidParameter"
    assert call("GET", "/deliveries?cursor=x", 400)["code"] == "InvalidParameter"
    queued = select(Delivery).where(Delivery.state == DeliveryState.QUEUED)
    assert [one.id for one in db.session.scalars(queued)] == [again["id"]]


def test_members_are_added_changed_and_disabled(call, boss):
    made = call("POST", "/members", 201, username="zhao", name="赵看", role="viewer")
    member, path = made["member"], f"/members/{made['member']['id']}"
    assert len(made["one_time_password"]) >= 12
    assert call("POST", "/members", 400, username="zhao")["code"] == "InvalidParameter"
    assert call("PATCH", path, role="responder")["role"] == "responder"
    page = call("GET", "/members?limit=1")
    assert [one["username"] for one in page["items"]] == ["boss"]
    assert call("GET", f"/members?limit=1&cursor={page['next_cursor']}")["items"][0]["username"] == "zhao"
    assert call("POST", f"{path}/reset-password")["one_time_password"] != made["one_time_password"]
    assert call("POST", f"{path}/disable") != call("POST", f"{path}/restore")
    assert call("GET", path) == member | {"role": "responder"}
    assert call("POST", f"/members/{boss.id}/disable", 400)["code"] == "InvalidParameter"


def test_the_audit_record_names_what_was_done_here(call, boss):
    call("POST", "/members", 201, username="zhao")
    entries = call("GET", "/audit?event=member.added")["items"]
    assert [(entry["actor"], entry["target"]) for entry in entries] == [("boss", "zhao")]
    assert entries[0]["text"]
    stored = db.session.scalars(select(AuditEntry).where(AuditEntry.event == "member.added")).one()
    assert entries[0]["id"] == stored.id
    first = call("GET", "/audit?limit=1")
    assert first["next_cursor"] == str(first["items"][0]["id"])


def test_a_token_knows_itself_and_can_end(call, boss):
    me = call("GET", "/me")
    assert (me["member"]["username"], me["organisation"]["id"]) == ("boss", 0)
    (token,) = call("GET", "/tokens")["items"]
    assert token["id"] == me["token"]["id"]
    assert call("DELETE", f"/tokens/{token['id']}") == {"deleted": True}
    assert call("GET", "/me", 401)["code"] == "Unauthorized"


def test_a_refused_value_is_called_as_in_the_request(call):
    call("POST", "/channels", 201, name="支付核心")
    assert call("POST", "/channels", 400, name="支付核心")["message"] == "name 无效：已有同名的协作空间"


def test_errors_are_in_the_readers_language(call):
    assert call("POST", "/channels", 400, description="x")["message"] == "name 无效：缺少这个参数"
    english = call("POST", "/channels", 400, headers={"Accept-Language": "en"}, description="x")["message"]
    assert english.isascii()
    assert "name" in english


@pytest.mark.parametrize(("role", "scopes"), [(Role.VIEWER, list(api_tokens.Scope)), (Role.ADMIN, ["read"])])
def test_nothing_is_changed_without_the_scope_and_the_right(client, app, role, scopes):
    """Every operation that changes something, as declared: the role alone and the scope alone are not enough."""
    member = make_member("zhao", role)
    _, token = api_tokens.create("测试", scopes, by=member, now=utcnow())
    own = {"api_token.own", "channel.view"}
    with app.test_request_context():
        for described in OPERATIONS:
            if described.method == "GET" or (role is Role.VIEWER and described.right in own):
                continue
            answer = client.open(
                path_of(described),
                method=described.method,
                headers={"Authorization": f"Bearer {token}"},
                query_string=query_of(described),
                json=body_of(described),
            )
            assert answer.status_code == 403, (described.name, answer.status_code, answer.text)


def test_many_incidents_at_once_with_what_each_verb_needs(call):
    nums = [make_incident().num for _ in range(2)]
    assert call("POST", "/incidents/batch", 400, action="comment", nums=nums)["code"] == "InvalidParameter"
    done = call("POST", "/incidents/batch", action="comment", nums=nums, text="看过")
    assert [one["changed"] for one in done["items"]] == [True, True]
    call("POST", "/incidents/batch", action="close", nums=nums, resolution="重启")
    assert call("GET", f"/incidents/{nums[0]}")["resolution"] == "重启"
    again = call("POST", "/incidents/batch", action="reopen", nums=[*nums, 999], reason="又来")
    assert [one["changed"] for one in again["items"]] == [True, True, False]


def test_alerts_of_an_incident_by_pages(call):
    channel = make_channel()
    source, incident = make_source(channel), make_incident(channel)
    made = [make_alert(source, incident=incident, title=f"A{n}") for n in range(3)]
    first = call("GET", f"/alerts?incident={incident.num}&limit=2")
    rest = call("GET", f"/alerts?incident={incident.num}&limit=2&cursor={first['next_cursor']}")
    assert [one["title"] for one in first["items"] + rest["items"]] == ["A2", "A1", "A0"]
    assert rest["next_cursor"] is None
    assert call("GET", f"/alerts/{made[0].id}")["title"] == "A0"
    assert call("GET", "/alerts/999999", 404)["code"] == "ResourceNotFound"


def test_a_connection_is_set_up_as_the_wizard_does(call):
    made = call("POST", "/integrations", 201, platform="wecom", mode="self_built", name="企业微信值班")
    integration_id = made["integration"]["id"]
    path = f"/integrations/{integration_id}/setup"
    again = call("POST", "/integrations", 201, platform="wecom", mode="self_built")
    assert again["integration"]["id"] == integration_id
    secret = "s" * 43
    values = {"corp_id": "ww0123456789abcdef", "agent_id": "1000002", "secret": secret}
    kept = call("PATCH", path, values=values)
    assert secret not in str(kept)
    fields = {field["name"]: field for step in kept["steps"] for field in step["fields"]}
    assert fields["corp_id"]["value"] == values["corp_id"]
    assert (fields["secret"]["value"], fields["secret"]["is_filled"]) == (None, True)
    copied = {value["name"]: value["value"] for step in kept["steps"] for value in step["values"]}
    assert copied["trusted_domain"] == "localhost:8000"
    assert {check["state"] for step in kept["steps"] for check in step["checks"]} == {"waiting"}
    assert call("PATCH", path, 400, values={"corp_id": "x"})["code"] == "InvalidParameter"
    assert call("PATCH", path, 400, values={"password": "x"})["code"] == "InvalidParameter"
    assert call("POST", "/integrations", 400, platform="wecom", mode="stream")["code"] == "InvalidParameter"
    assert call("POST", f"/integrations/{integration_id}/checks/credentials", 202) == {"started": True}
    assert call("POST", f"/integrations/{integration_id}/checks/nothing", 404)["code"] == "ResourceNotFound"
    assert call("GET", path)["integration"]["missing"] == kept["integration"]["missing"]


def test_a_war_room_is_wished_for_filled_and_ended(call, boss, monkeypatch):
    monkeypatch.setitem(PLATFORMS, "chat", GroupPlatform)
    lin, wu = make_member("lin"), make_member("wu")
    num = make_incident(make_channel(), responders=(lin,)).num
    path = f"/incidents/{num}/war-room"
    assert call("GET", path, 404)["code"] == "ResourceNotFound"
    assert call("POST", path, 400)["code"] == "InvalidParameter"
    integration = make_integration(platform="chat", name="值班", enhanced={"war_room": True})
    for member in (lin, wu, boss):
        make_link(integration, member)
    assert call("POST", path, user_ids=[wu.user_id])["changed"] is True
    assert call("POST", path)["changed"] is False
    room = call("GET", path)
    assert (room["state"], room["integration"], room["problem"]) == ("creating", "值班", "")
    assert {(one["user_id"], one["source"]) for one in room["members"]} == {
        (wu.user_id, "chosen"),
        (lin.user_id, "responder"),
    }
    assert call("POST", f"{path}/invite", user_ids=[boss.user_id])["changed"] is True
    assert len(call("GET", path)["members"]) == 3
    assert call("POST", f"{path}/dismiss", 409)["code"] == "Conflict"
