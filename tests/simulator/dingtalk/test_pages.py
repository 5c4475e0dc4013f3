"""The developer console and the client, as a visitor without JavaScript uses them."""

import re
from io import BytesIO
from urllib.parse import quote

import pytest

from simulator.app import create_app
from tests.simulator.dingtalk.conftest import CLIENT, CORP, KEY, TOKEN, Lab
from tests.simulator.test_pages import Visitor, found

CONSOLE = f"/dingtalk/console/{CORP}"
LIN = f"/dingtalk/client/{CORP}/lin"


@pytest.fixture
def visitor(lab):
    return Visitor(lab)


def test_from_a_new_company_to_a_card_in_a_group(product):
    lab = Lab(create_app())
    visitor = Visitor(lab)
    visitor.get("/dingtalk/console/")
    visitor.post("/dingtalk/console/", {"name": "新企业", "corp_id": "dingnew0001", "with_people": "1"})
    assert 'id="corp-id">dingnew0001<' in visitor.text
    visitor.get("/dingtalk/console/dingnew0001/apps/new")
    visitor.post(visitor.path, {"name": "值班铃", "description": "太短"})
    assert "应用描述至少 4 个字符" in visitor.text
    visitor.post(visitor.path, {"name": "值班铃", "description": "接收和处理告警"})
    client_id = found(r'id="client-id">(ding[a-z0-9]{16})<', visitor.text)
    home = visitor.path
    assert re.fullmatch(r"[A-Za-z0-9_-]{64}", secret_of(visitor, home))
    save_addresses(visitor, home, product)
    visitor.get(f"{home}/permissions?q=qyapi_robot")
    visitor.post(f"{home}/permissions", {"point": "qyapi_robot_sendmsg", "action": "grant"})
    assert "权限已开通" in visitor.text
    visitor.get(f"{home}/release")
    visitor.post(f"{home}/release", {"number": "1.0.0", "parts": ["web", "robot", "cool_app"], "visible": "all"})
    assert "新版本已发布" in visitor.text
    client = "/dingtalk/client/dingnew0001/lin"
    visitor.get(f"{client}/")
    visitor.post(f"{client}/groups", {"title": "支付值班群", "members": ["wu"]})
    cid = found(r'chat=([^"&]+)">群设置<', visitor.text)
    visitor.get(f"{client}/group?chat={cid}")
    cid = found(r'name="chat" value="([^"]+)"', visitor.text)
    visitor.post(f"{client}/group", {"chat": cid, "client_id": client_id, "action": "install"})
    assert "酷应用已启用" in visitor.text
    assert quote(f"{product.url}/h5?chat={quote(cid, safe='')}&corp=dingnew0001", safe="") in visitor.text
    visitor.get(f"{client}/workbench")
    assert quote(f"{product.url}/h5?corpId=dingnew0001", safe="") in visitor.text


def secret_of(visitor, home):
    assert 'id="client-secret"' not in visitor.text
    visitor.get(f"{home}?secret=1")
    return found(r'id="client-secret">([^<]+)<', visitor.text)


def save_addresses(visitor, home, product):
    visitor.get(f"{home}/web")
    visitor.post(f"{home}/web", {"home_url": f"{product.url}/h5?corpId=$CORPID$", "pc_home_url": "nonsense"})
    assert "地址应以 http:// 或 https:// 开头" in visitor.text
    visitor.post(f"{home}/web", {"home_url": f"{product.url}/h5?corpId=$CORPID$", "pc_home_url": ""})
    assert "网页应用已保存" in visitor.text
    visitor.post(f"{home}/robot", {"is_on": "1", "name": "值班铃"})
    assert 'id="robot-code"' in visitor.text
    entry = {"pc_url": f"{product.url}/h5?chat=$ENCCID$&corp=$CORPID$", "mobile_url": ""}
    visitor.post(f"{home}/cool_app", {"name": "值班铃", "has_entry": "1", "action": "publish"} | entry)
    assert re.search(r'id="cool-app-code">COOLAPP-1-[0-9A-F]{24}<', visitor.text)


def test_generated_keys_vanish_when_the_page_is_left(lab, visitor, product):
    path = f"{CONSOLE}/apps/{CLIENT}/events"
    visitor.get(path)
    visitor.post(path, {"action": "random_key"})
    key = found(r'name="aes_key" value="([A-Za-z0-9]{43})"', visitor.text)
    visitor.post(path, {"aes_key": key, "action": "random_token"})
    assert key in visitor.text
    visitor.get(path)
    assert key not in visitor.text
    visitor.post(path, {"aes_key": "b" * 43, "token": TOKEN, "url": f"{product.url}/event", "action": "save"})
    assert "HTTP请求结果校验返回字段值失败" in visitor.text
    visitor.post(path, {"aes_key": KEY, "token": TOKEN, "url": f"{product.url}/event", "action": "save"})
    assert "请求网址已保存" in visitor.text
    visitor.post(path, {"tags": ["im_cool_app_install"], "action": "tick"})
    assert re.search(r'value="im_cool_app_install" checked', visitor.text)


@pytest.mark.parametrize(
    ("page", "form", "said"),
    [
        (
            "security",
            {"addresses": "203.0.113.7, 198.51.100.*", "redirect_urls": "https://x.example/o"},
            "安全设置已保存",
        ),
        ("security", {"addresses": "*.*.1.1"}, "通配符"),
        ("robot", {"is_on": "1", "name": ""}, "请填写机器人名称"),
        ("cool_app", {"name": ""}, "请填写酷应用名称"),
        ("release", {"number": "0.9.0"}, "版本号应为 x.y.z"),
        ("release", {"number": "1.0.0"}, "版本号应大于"),
        ("events", {"tags": ["x"], "action": "tick"}, "请先保存请求网址"),
    ],
)
def test_what_the_console_says(visitor, page, form, said):
    visitor.get(f"{CONSOLE}/apps/{CLIENT}/{page}")
    visitor.post(f"{CONSOLE}/apps/{CLIENT}/{page}", form)
    assert said in visitor.text


def test_a_version_without_the_workbench_takes_the_web_app_offline(lab, visitor, product):
    lab.change(home_url=f"{product.url}/h5")
    assert "值班告警" in visitor.get(f"{LIN}/workbench").get_data(as_text=True).partition("<main")[2]
    visitor.get(f"{CONSOLE}/apps/{CLIENT}/release")
    number = found(r'name="number" required value="([^"]+)"', visitor.text)
    visitor.post(f"{CONSOLE}/apps/{CLIENT}/release", {"number": number, "parts": ["robot"], "visible": "all"})
    assert "还没有应用" in visitor.get(f"{LIN}/workbench").get_data(as_text=True)


def test_a_card_is_pressed_in_a_group(wired, visitor, product):
    wired.send_card()
    visitor.get(f"{LIN}/?chat={quote(wired.cid, safe='')}")
    assert "[严重] db-03" in visitor.text
    assert re.search(r'<button type="submit" class="dt-blue" name="key" value="ack\|1">开始处理', visitor.text)
    assert re.search(r'value="reopen\|1" disabled>已关闭', visitor.text)
    product.answer = lambda press: {
        "cardUpdateOptions": {"updateCardDataByKey": True},
        "cardData": {"cardParamMap": {"title": "[已认领] db-03"}},
    }
    message_id = found(r'name="message_id" value="([^"]+)"', visitor.text)
    visitor.post(f"{LIN}/press", {"message_id": message_id, "chat": wired.cid, "key": "ack|1"})
    assert "[已认领] db-03" in visitor.text
    visitor.post(f"{LIN}/press", {"message_id": message_id, "chat": wired.cid, "key": "reopen|1"})
    assert "这个按钮不能点击" in visitor.text
    live = f"{LIN}/live?chat={quote(wired.cid, safe='')}"
    etag = wired.http.get(live).headers["ETag"]
    assert wired.http.get(live, headers={"If-None-Match": etag}).status_code == 304


def test_other_messages_are_drawn_and_their_links_open_inside(wired, visitor):
    body = {"title": "告警", "text": "**严重**  \n[详情](https://x.example/1) a\\*b", "singleTitle": "查看"}
    body |= {"singleURL": "dingtalk://dingtalkclient/page/link?url=https%3A%2F%2Fx.example%2F2&pc_slide=true"}
    sent = {
        "robotCode": CLIENT,
        "userIds": ["lin"],
        "msgKey": "sampleActionCard",
        "msgParam": wired.app.json.dumps(body),
    }
    assert wired.call("POST", "/v1.0/robot/oToMessages/batchSend", sent)[0] == 200
    visitor.get(f"{LIN}/")
    assert "<strong>严重</strong>" in visitor.text
    assert "a*b" in visitor.text
    for number in (1, 2):
        wanted = f"http://lin.dingtalk.localhost/__open?url={quote(f'https://x.example/{number}', safe='')}"
        assert wanted in visitor.text


def test_templates_are_imported_and_published(wired, visitor):
    visitor.get(f"{CONSOLE}/cards")
    visitor.post(f"{CONSOLE}/cards", {"name": "事件卡片", "client_id": CLIENT, "definition": "{}x", "action": "import"})
    assert "模板文件不是 JSON" in visitor.text
    file = (BytesIO(b'{"variableList": [], "schema": {}}'), "card.json", "application/json")
    visitor.post(f"{CONSOLE}/cards", {"name": "事件卡片", "client_id": CLIENT, "action": "import"}, file=file)
    template_id = found(r'name="template_id" value="([^"]+\.schema)"', visitor.text)
    assert wired.send_card(cardTemplateId=template_id)[1]["code"] == "param.templateUnpublished"
    visitor.post(f"{CONSOLE}/cards", {"template_id": template_id, "action": "publish"})
    assert wired.send_card(cardTemplateId=template_id)[0] == 200


def test_members_and_deep_links(lab, visitor):
    visitor.get("/fe/card")
    assert visitor.path == f"{CONSOLE}/cards"
    visitor.get("/fe/app")
    assert visitor.path == f"{CONSOLE}/apps"
    visitor.get(f"{CONSOLE}/contacts")
    visitor.post(f"{CONSOLE}/contacts", {"userid": "new", "name": "新人", "action": "save"})
    assert "新人" in visitor.text
    visitor.post(f"{CONSOLE}/contacts", {"userid": "new", "action": "remove"})
    assert "成员已删除" in visitor.text
    assert "林值班" in visitor.get("/").get_data(as_text=True)
    assert visitor.get("/dingtalk/client/").status_code == 200


def test_the_client_is_told_of_by_a_stranger(lab, visitor):
    assert lab.http.get(f"/dingtalk/client/{CORP}/nobody/").status_code == 404
    assert lab.http.get(f"{LIN}/group?chat=cidnothing").status_code == 404
    assert lab.http.post(f"{LIN}/press", data={}).status_code == 400
