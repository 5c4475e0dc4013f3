"""The control interface: shapes that scripts rely on, faults, and who may not reach it."""

import json
from typing import Any

import pytest
import requests

from simulator.app import create_app
from simulator.server import start
from tests.simulator.conftest import CORP, Lab


def test_a_message_has_the_promised_shape(wired):
    sent = wired.send_card()
    (row,) = wired.seen_by()
    assert {"id", "platform", "to", "kind", "card", "buttons", "updates", "at"} <= set(row)
    assert (row["id"], row["platform"], row["to"]) == (sent["msgid"], "wecom", "zhangsan")
    assert (row["kind"], row["updates"]) == ("template_card", 0)
    assert row["buttons"] == [
        {"key": "ack", "text": "开始处理"},
        {"key": "close", "text": "直接关闭"},
        {"key": "snooze:6h", "text": "屏蔽 6 小时", "menu": True},
    ]


def test_a_person_may_be_named_with_the_corp(wired):
    wired.send_card()
    assert len(wired.seen_by(f"{CORP}/ZHANGSAN")) == 1
    assert wired.http.get("/control/messages?person=nobody").status_code == 404
    assert len(wired.get("messages")) == 1
    assert wired.get("messages?platform=nonesuch&person=zhangsan") == []
    assert wired.get("messages?chat=x") == []


def test_namesakes_in_two_corps_must_be_told_apart_except_on_a_message(wired):
    sent = wired.send_card()
    people = [{"userid": "zhangsan", "name": "另一位张三"}]
    wired.control("wecom/corps", {"name": "别家", "corp_id": "ww9999999999999999", "people": people})
    assert wired.http.get("/control/messages?person=zhangsan").status_code == 404
    assert len(wired.seen_by(f"{CORP}/zhangsan")) == 1
    assert wired.press(sent["msgid"], "ack").get_json()["http_status"] == 200


def test_the_wire_log_shows_both_sides_in_order(wired, product):
    last = wired.get("wire")[-1]["index"]
    wired.press(wired.send_card()["msgid"], "ack")
    entries = wired.get(f"wire?since={last}")
    assert [entry["index"] for entry in entries] == sorted(entry["index"] for entry in entries)
    outgoing = entries[-1]
    assert (outgoing["direction"], outgoing["method"], outgoing["status"]) == ("out", "POST", 200)
    assert outgoing["path"] == product.url
    assert "template_card_event" in outgoing["plaintext"]
    sending = entries[-2]
    assert (sending["direction"], sending["path"]) == ("in", "/cgi-bin/message/send")
    assert json.loads(sending["request"])["touser"] == "zhangsan"
    assert json.loads(sending["response"])["errcode"] == 0
    assert {"at", "query", "ms"} <= set(sending)


def test_reset_forgets_the_traffic_and_keeps_the_apps(wired):
    wired.send_card()
    wired.control("faults", {"fault": "busy", "count": -1})
    wired.control("reset", {})
    assert (wired.seen_by(), wired.get("wire"), wired.get("faults")) == ([], [], [])
    assert wired.send_card()["errcode"] == 0


def test_reset_all_forgets_everything(lab):
    lab.advance(1000)
    lab.control("reset", {"all": True})
    state = lab.get("state")
    assert (state["wecom"]["corps"], state["offset_seconds"]) == ([], 0)


def test_the_state_names_people_with_their_webviews(lab):
    (corp,) = lab.get("state")["wecom"]["corps"]
    assert corp["corp_id"] == CORP
    assert corp["people"][1]["webview"] == "http://lisi.localhost/"
    assert corp["apps"][0]["agent_id"] == lab.agent_id
    assert lab.secret not in lab.http.get("/control/state").get_data(as_text=True)


def test_the_clock_can_be_moved(lab):
    before = lab.get("state")["now"]
    answer = lab.control("clock", {"offset_seconds": 7200})
    assert answer["offset_seconds"] == 7200
    assert answer["now"] - before >= 7200
    assert lab.control("clock", {"advance_seconds": 100})["offset_seconds"] == 7300


def test_given_ids_and_secrets_are_kept(lab):
    app = lab.new_app(name="第二个", agent_id=1000777, secret="s" * 43)
    assert (app["agent_id"], app["secret"]) == (1000777, "s" * 43)
    again = lab.http.post("/control/wecom/apps", json={"corp_id": CORP, "name": "x", "agent_id": 1000777})
    assert again.status_code == 400


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("post", "wecom/apps", {"corp_id": "wwnone"}, 404),
        ("post", "wecom/callback", {"corp_id": CORP, "agent_id": 5}, 404),
        ("post", "wecom/pairings", {"nonsense": 1}, 404),
        ("post", "faults", {"fault": "nonsense"}, 400),
        ("post", "wecom/corps", {"name": "x", "people": [{"name": "no id"}]}, 400),
    ],
)
def test_mistakes_come_back_as_json(lab, method, path, body, status):
    answer = getattr(lab.http, method)(f"/control/{path}", json=body)
    assert answer.status_code == status
    assert answer.get_json()["error"]


def test_only_programs_on_this_machine_reach_control(lab):
    foreign_peer = {"REMOTE_ADDR": "203.0.113.7"}
    assert lab.http.get("/control/state", environ_base=foreign_peer).status_code == 403
    assert lab.http.get("/control/state", environ_base={"REMOTE_ADDR": "127.9.9.9"}).status_code == 200
    page_elsewhere = {"Origin": "http://zhangsan.localhost"}
    assert lab.http.post("/control/reset", json={}, headers=page_elsewhere).status_code == 403


def test_a_webview_has_no_control(lab):
    answer = lab.http.get("/control/state", base_url="http://zhangsan.localhost")
    assert answer.status_code == 404
    assert b"offset_seconds" not in answer.data


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("rate_limit", 45009),
        ("concurrency", 45033),
        ("busy", -1),
        ("expired_token", 42001),
        ("invalid_token", 40014),
        ("ip_refused", 60020),
    ],
)
def test_an_armed_error_hits_once_on_its_path(lab, fault, code):
    lab.control("faults", {"platform": "wecom", "fault": fault, "path": "message/send"})
    assert lab.call("getcallbackip")["errcode"] == 0
    assert [lab.send()["errcode"] for _ in range(2)] == [code, 0]
    assert len(lab.seen_by()) == 1


def test_an_expired_token_is_really_dead(lab):
    token = lab.token()
    lab.control("faults", {"platform": "wecom", "fault": "expired_token"})
    codes = [lab.http.get(f"/cgi-bin/getcallbackip?access_token={token}").get_json()["errcode"] for _ in range(2)]
    assert codes == [42001, 42001]
    assert lab.token() != token


def test_any_number_can_be_armed_until_cleared(lab):
    lab.control("faults", {"platform": "wecom", "fault": "errcode", "code": 45033, "count": -1, "path": "message"})
    assert [lab.send()["errcode"] for _ in range(3)] == [45033] * 3
    assert lab.get("faults")[0]["hits"] == 3
    lab.http.delete("/control/faults")
    assert lab.send()["errcode"] == 0


@pytest.mark.parametrize(
    ("fault", "status", "start_of_body", "delivered"),
    [
        ("http_500", 500, b"Internal", 0),
        ("http_500_html", 500, b"<html>", 0),
        ("http_502_html", 502, b"<html>", 0),
        ("http_503_html", 503, b"<html>", 0),
        ("http_429", 429, b"Too Many", 0),
        ("html_200", 200, b"<html>", 0),
        ("empty_200", 200, b"", 0),
        ("bad_json", 200, b'{"errcode": 0', 1),
    ],
)
def test_broken_answers(lab, fault, status, start_of_body, delivered):
    token = lab.token()
    lab.control("faults", {"platform": "wecom", "fault": fault, "path": "message/send"})
    body = {"touser": "zhangsan", "msgtype": "text", "agentid": lab.agent_id, "text": {"content": "x"}}
    answer = lab.http.post(f"/cgi-bin/message/send?access_token={token}", json=body)
    assert answer.status_code == status
    assert answer.data.startswith(start_of_body)
    assert len(lab.seen_by()) == delivered
    with pytest.raises(json.JSONDecodeError):
        json.loads(answer.data)


def test_too_many_requests_says_when_to_come_back(lab):
    lab.control("faults", {"fault": "http_429", "seconds": 30})
    answer = lab.http.get(f"/cgi-bin/gettoken?corpid={CORP}&corpsecret={lab.secret}")
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "30")


@pytest.mark.parametrize(("fault", "body"), [("wrong_type", list), ("wrong_content_type", dict)])
def test_an_answer_of_another_kind_comes_after_the_message_was_taken(lab, fault, body):
    token = lab.token()
    lab.control("faults", {"fault": fault, "path": "message/send"})
    message = {"touser": "zhangsan", "msgtype": "text", "agentid": lab.agent_id, "text": {"content": "x"}}
    answer = lab.http.post(f"/cgi-bin/message/send?access_token={token}", json=message)
    assert isinstance(json.loads(answer.data), body)
    assert answer.mimetype == ("application/json" if body is list else "text/html")
    assert len(lab.seen_by()) == 1


def test_a_fault_of_one_application_leaves_the_others_alone(lab):
    other = lab.new_app(name="另一个")
    dead = {"fault": "busy", "corp_id": CORP, "agent_id": other["agent_id"], "count": -1}
    lab.control("faults", dead | {"path": "gettoken"})
    lab.control("faults", dead | {"path": "message/send"})
    assert lab.send()["errcode"] == 0
    assert lab.http.get(f"/cgi-bin/gettoken?corpid={CORP}&corpsecret={other['secret']}").get_json()["errcode"] == -1


@pytest.mark.parametrize("fault", ["rate_limit", "busy"])
def test_a_fault_of_another_company_does_not_hit(lab, fault):
    lab.control("faults", {"fault": fault, "corp_id": "ww0000000000000000", "count": -1})
    assert lab.send()["errcode"] == 0


@pytest.mark.parametrize(("fault", "name"), [("invalid_users", "invaliduser"), ("unlicensed_users", "unlicenseduser")])
def test_success_may_leave_people_out(lab, fault, name):
    lab.control("faults", {"fault": fault, "users": "LiSi"})
    answer = lab.send("zhangsan|LiSi")
    assert (answer["errcode"], answer[name]) == (0, "lisi")
    assert (len(lab.seen_by()), lab.seen_by("lisi")) == (1, [])
    lab.control("faults", {"fault": fault})
    assert (lab.send()["errcode"], len(lab.seen_by())) == (0, 1)


def test_a_code_that_was_spent_stays_spent(wired):
    sent = wired.send_card()
    wired.control("faults", {"fault": "spent_code"})
    body = {"userids": ["zhangsan"], "agentid": wired.agent_id, "response_code": sent["response_code"]}
    body["button"] = {"replace_name": "已处理"}
    assert [wired.call("message/update_template_card", body)["errcode"] for _ in range(2)] == [60140, 60140]


def test_what_nobody_saw_is_counted(lab):
    lab.control("wecom/limits", {"per_member_per_minute": 1})
    message = {"msgtype": "text", "text": {"content": "x"}, "enable_duplicate_check": 1}
    assert [lab.send(**message)["errcode"] for _ in range(2)] == [0, 0]
    assert lab.send()["errcode"] == 0
    counted = lab.get("state")["wecom"]
    assert (counted["repeats"], counted["over_limit"], len(lab.seen_by())) == (1, 1, 1)


def test_a_message_that_was_refused_is_no_repeat_when_it_comes_again(lab):
    message = {"msgtype": "text", "text": {"content": "x"}, "enable_duplicate_check": 1}
    app = {"corp_id": CORP, "agent_id": lab.agent_id}
    lab.control("wecom/apps", app | {"visible": ["LiSi"]}, method="patch")
    assert lab.send(**message)["errcode"] == 81013
    lab.control("wecom/apps", app | {"visible": "all"}, method="patch")
    assert lab.send(**message)["errcode"] == 0
    assert len(lab.seen_by()) == 1


class ServedLab(Lab):
    """A laboratory that also listens on a port."""

    def __init__(self, app):
        super().__init__(app)
        self.server = start(app)


@pytest.fixture
def served():
    """The simulator behind its real server."""
    served = ServedLab(create_app())
    served.settle()
    yield served
    served.server.stop()


def post_text(lab, token, timeout=30.0):
    body = {"touser": "zhangsan", "msgtype": "text", "agentid": lab.agent_id, "text": {"content": "x"}}
    url = f"http://127.0.0.1:{lab.server.port}/cgi-bin/message/send?access_token={token}"
    return requests.post(url, json=body, timeout=timeout)


@pytest.mark.parametrize(("fault", "delivered"), [("reset", 0), ("lost_answer", 1)])
def test_a_dropped_connection_gives_no_answer(served, fault, delivered):
    token = served.token()
    served.control("faults", {"platform": "wecom", "fault": fault})
    with pytest.raises(requests.ConnectionError):
        post_text(served, token)
    assert len(served.seen_by()) == delivered
    assert served.get("wire")[-1]["status"] == 0
    assert post_text(served, token).json()["errcode"] == 0


@pytest.mark.parametrize(
    ("fault", "seconds"), [("slow", 30), ("late", 30), ("slow_loris", 60), ("slow_loris", 0), ("hang", 0)]
)
def test_a_slow_answer_outlasts_the_clients_patience(served, fault, seconds):
    token = served.token()
    served.control("faults", {"platform": "wecom", "fault": fault, "seconds": seconds})
    with pytest.raises((requests.Timeout, requests.ConnectionError)):
        post_text(served, token, timeout=0.2)


def test_a_huge_answer_is_huge(served):
    token = served.token()
    served.control("faults", {"platform": "wecom", "fault": "huge_answer"})
    assert len(post_text(served, token).content) > 10_000_000


def test_a_connection_is_kept_for_the_next_request(served):
    with requests.Session() as session:
        url = f"http://127.0.0.1:{served.server.port}/control/state"
        ports = set()
        for _ in range(3):
            answer = session.get(url, stream=True, timeout=30)
            connection: Any = answer.raw.connection
            ports.add(connection.sock.getsockname()[1])
            assert answer.json()
    assert len(ports) == 1


def test_a_body_in_chunks_is_read(served):
    url = f"http://127.0.0.1:{served.server.port}/control/clock"
    answer = requests.post(url, data=iter([b'{"offset_', b'seconds": 5}']), timeout=30)
    assert answer.json()["offset_seconds"] == 5


def test_a_body_that_is_too_large_is_refused(served):
    url = f"http://127.0.0.1:{served.server.port}/control/clock"
    answer = requests.post(url, data=b"", headers={"Content-Length": "99999999"}, timeout=30)
    assert answer.status_code == 413
