"""The state file: a restart keeps what a demo is made of."""

import json

from simulator.app import create_app
from tests.simulator.conftest import CORP, Lab


def restarted(lab, path):
    lab.app.extensions["simulator_store"].save()
    again = Lab(create_app(path))
    again.secret, again.agent_id = lab.secret, lab.agent_id
    return again


def test_everything_is_there_after_a_restart(tmp_path):
    path = tmp_path / "state" / "simulator.json"
    lab = Lab(create_app(path))
    lab.settle()
    token, sent = lab.token(), lab.send()
    code = lab.control("wecom/sign_in", {"corp_id": CORP, "userid": "lisi", "agent_id": lab.agent_id})["code"]
    lab.control("clock", {"offset_seconds": 10})
    again = restarted(lab, path)
    assert again.token() == token
    assert [row["id"] for row in again.seen_by()] == [sent["msgid"]]
    assert again.call("auth/getuserinfo", code=code)["userid"] == "LiSi"
    assert again.get("state")["offset_seconds"] == 10
    assert again.get("state")["wecom"] == lab.get("state")["wecom"] | {"messages": 1}


def test_cards_codes_and_callbacks_survive(tmp_path, product):
    path = tmp_path / "simulator.json"
    lab = Lab(create_app(path))
    lab.settle()
    settings = {"token": "abc", "encoding_aes_key": "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefg"}
    body = {"corp_id": CORP, "agent_id": lab.agent_id, "url": product.url}
    assert lab.control("wecom/callback", body | settings)["ok"]
    sent = lab.send_card()
    again = restarted(lab, path)
    change = {"agentid": lab.agent_id, "response_code": sent["response_code"], "atall": 1}
    killed = again.call("message/update_template_card", change | {"button": {"replace_name": "已关闭"}})
    assert killed["errcode"] == 0
    third = restarted(again, path)
    assert third.seen_by()[0]["card"]["replace_text"] == "已关闭"
    assert third.send_card()["errcode"] == 42014


def test_changes_reach_the_file_by_themselves(tmp_path):
    path = tmp_path / "simulator.json"
    lab = Lab(create_app(path))
    lab.settle()
    lab.app.extensions["simulator_store"].close()
    assert CORP in json.loads(path.read_text(encoding="utf-8"))["wecom"]["corps"]
    assert path.stat().st_mode & 0o077 == 0


def test_a_file_that_does_not_fit_is_put_aside(tmp_path):
    path = tmp_path / "simulator.json"
    for text in ("{", '{"wecom": {"corps": {"ww1": {"unknown": 1}}}}'):
        path.write_text(text, encoding="utf-8")
        assert Lab(create_app(path)).get("state")["wecom"]["corps"] == []
        assert path.with_suffix(".json.old").read_text(encoding="utf-8") == text
