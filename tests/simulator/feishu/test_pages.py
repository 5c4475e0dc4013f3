"""The consoles, the client and the webview, as a visitor without JavaScript uses them."""

import copy
import re
from types import SimpleNamespace
from urllib.parse import quote

import pytest

from simulator.app import create_app
from tests.simulator import test_pages
from tests.simulator.feishu.conftest import CARD, KEY, OLD_CARD, TENANT, button, column, text

CLIENT = f"/feishu/client/{TENANT}/lin"


class Visitor(test_pages.Visitor):
    """The same as in the other platforms' pages, with the fields of a form as arguments."""

    def submit(self, path, **form):
        return self.post(path, form)


@pytest.fixture
def visitor(lab):
    return Visitor(lab)


def pages_of(lab):
    app = f"/feishu/console/app/{lab.app['app_id']}"
    names = ("", "abilities", "permissions", "events", "events?tab=callbacks", "events?tab=encryption")
    return [
        "/feishu/console/",
        f"/feishu/console/tenant/{TENANT}/",
        f"/feishu/console/tenant/{TENANT}/admin",
        *[f"{app}/{name}" for name in (*names, "security", "versions")],
        "/feishu/client/",
        f"{CLIENT}/",
        f"{CLIENT}/workbench",
        f"{CLIENT}/groups/{lab.group()}",
    ]


def test_every_page_speaks_both_languages(lab, visitor):
    lab.sent()
    for path in pages_of(lab):
        visitor.get(f"/lang/zh?next={quote(path)}")
        assert 'lang="zh-CN"' in visitor.text, path
        assert visitor.get(f"/lang/en?next={quote(path)}").status_code == 200
        shown = re.sub(r"<(code|input|option|textarea)[^>]*>[^<]*", "", visitor.text).split('id="main"')[1]
        told = set(re.findall(r"[\u4e00-\u9fff]+", shown)) - {"飞书", "中文"}
        data = "示例企业 林芳 吴伟 周敏 林 吴 芳 伟 周 值班铃 值 值班告警群 严重 空间 支付 支付核心 "
        data += "开始处理 直接关闭 屏蔽 小时 将机器人 添加到群聊"
        assert not told - set(data.split()), path


def test_an_app_is_set_up_in_the_console_alone(product):
    app = create_app()
    visitor, http = Visitor(SimpleNamespace(http=app.test_client())), app.test_client()
    visitor.get("/feishu/console/")
    visitor.submit("/feishu/console/", name="新企业", with_people="1", brand="lark")
    tenant_page = visitor.path
    visitor.submit(tenant_page, name="值班铃", description="告警")
    page = visitor.path.rstrip("/")
    app_id = page.rsplit("/", 1)[1]
    assert "应用还没有发布版本" in visitor.text
    secret = re.search(r'id="app-secret">(\w{32})<', visitor.get(f"{page}/?secret=1").get_data(as_text=True))
    assert secret
    credentials = {"app_id": app_id, "app_secret": secret[1]}
    token = http.post("/open-apis/auth/v3/tenant_access_token/internal", json=credentials).get_json()
    header = {"Authorization": f"Bearer {token['tenant_access_token']}"}
    assert http.get("/open-apis/bot/v3/info", headers=header).get_json()["code"] == 99991673

    for action in ("add_bot", "add_web_app"):
        visitor.get(f"{page}/abilities")
        visitor.submit(f"{page}/abilities", action=action)
    visitor.submit(f"{page}/abilities", action="homes", desktop_url="http://localhost:5000/h5", mobile_url="x:y")
    assert "请填写有效的 HTTP/HTTPS URL" in visitor.text
    visitor.submit(f"{page}/abilities", action="homes", desktop_url="http://localhost:5000/h5", mobile_url="")
    visitor.get(f"{page}/permissions")
    visitor.submit(f"{page}/permissions", action="import", json='{"scopes": {"tenant": ["im:chat", "im:message"]}}')
    assert "待发布" in visitor.text
    visitor.get(f"{page}/events?tab=encryption")
    visitor.submit(f"{page}/events", action="key", encrypt_key=KEY)
    visitor.submit(f"{page}/events", action="event_url", url="http://127.0.0.1:9/")
    assert "请求地址无法连接" in visitor.text
    assert 'value="http://127.0.0.1:9/"' in visitor.text
    visitor.submit(f"{page}/events", action="event_url", url=product.url)
    assert "请求地址已保存" in visitor.text
    visitor.submit(f"{page}/events", action="events", events="im.chat.member.bot.added_v1")
    visitor.submit(f"{page}/events", action="card_url", url=product.url)
    visitor.submit(f"{page}/events", action="callbacks", callbacks="card.action.trigger")
    visitor.get(f"{page}/security")
    visitor.submit(f"{page}/security", action="add_redirect", url="http://localhost:5000/oauth?x=1")
    assert "<code>http://localhost:5000/oauth</code>" in visitor.text
    visitor.get(f"{page}/versions")
    visitor.submit(f"{page}/versions", number="1.0.0", available="all")
    assert "版本 1.0.0 审核中" in visitor.text
    visitor.submit(f"{page}/events", action="card_url", url=product.url)
    assert "版本审核中，暂不能修改配置" in visitor.text
    visitor.get(f"{tenant_page}admin")
    visitor.submit(f"{tenant_page}admin", action="approve", app_id=app_id)
    assert "应用已上线" in visitor.text
    assert http.get("/open-apis/bot/v3/info", headers=header).get_json()["code"] == 0


def test_a_rejected_version_brings_nothing(lab, visitor):
    page = f"/feishu/console/app/{lab.app['app_id']}"
    admin = f"/feishu/console/tenant/{TENANT}/admin"
    visitor.get(f"{page}/permissions")
    visitor.submit(f"{page}/permissions", action="save", scopes="im:chat")
    visitor.get(f"{page}/versions")
    visitor.submit(f"{page}/versions", number="1.0.0", available="all")
    assert "版本号应大于已有版本" in visitor.text
    visitor.submit(f"{page}/versions", number="1.1.0", available="some", users="wu")
    visitor.get(admin)
    visitor.submit(admin, action="reject", app_id=lab.app["app_id"])
    assert lab.send({"text": "x"})["code"] == 0
    visitor.get(admin)
    visitor.submit(admin, action="disable", app_id=lab.app["app_id"])
    assert lab.code("GET", "bot/v3/info") == 99991662


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("", "凭证与基础信息"),
        ("/baseinfo", "凭证与基础信息"),
        ("/capability", "添加应用能力"),
        ("/auth?q=im:chat", "权限管理"),
        ("/event", "事件配置"),
        ("/event?tab=callback", "已订阅的回调"),
        ("/safe", "重定向 URL"),
        ("/version/create", "版本管理与发布"),
    ],
)
def test_deep_links_of_the_real_console_lead_to_the_page(lab, visitor, path, shown):
    visitor.get(f"/app/{lab.app['app_id']}{path}")
    assert shown in visitor.text.split('id="main"')[1]
    visitor.get("/app")
    assert "创建企业自建应用" in visitor.text


def test_a_card_is_drawn_from_its_own_json(lab, visitor):
    card = copy.deepcopy(CARD)
    card["card_link"] = {"url": "http://localhost:5000/h5/1"}
    card["header"]["text_tag_list"] = [{"tag": "text_tag", "text": text("P1"), "color": "red"}]
    opens = button("x", "详情", behaviors=[{"type": "open_url", "default_url": "http://localhost:5000/h5"}])
    card["body"]["elements"] += [column(opens), {"tag": "hr"}, {"tag": "div", "text": text("<b>纯文本</b>")}]
    lab.sent(card)
    visitor.get(f"{CLIENT}/")
    page = lab.http.get(f"{CLIENT}/").get_data(as_text=True)
    assert 'class="fs-head fs-head-red"' in page
    assert "&lt;b&gt;纯文本&lt;/b&gt;" in page
    assert "<strong>空间</strong> 支付" in page
    assert 'name="key" value="ack"' in page
    assert 'name="key" value="snooze:240"' in page
    assert page.count("lin.feishu.localhost/__open?url=http%3A%2F%2Flocalhost%3A5000%2Fh5") == 3
    assert "[严重] db-03" in visitor.text.split('class="preview"')[1]


def test_a_card_of_schema_1_is_drawn_too(lab, visitor):
    note = {"tag": "note", "elements": [{"tag": "plain_text", "content": "脚注"}]}
    lab.sent(OLD_CARD | {"elements": [*OLD_CARD["elements"], note]})
    visitor.get(f"{CLIENT}/")
    assert 'value="ack"' in visitor.text
    assert "脚注" in visitor.text


def test_a_press_shows_the_toast_in_the_reader_s_language(wired, product):
    toast = {"type": "success", "content": "已认领", "i18n": {"en_us": "Acknowledged"}}
    product.respond = lambda body: {"toast": toast}
    visitor, message_id = Visitor(wired), wired.sent()
    visitor.get(f"{CLIENT}/")
    visitor.submit(f"{CLIENT}/press", message_id=message_id, key="ack")
    assert re.search(r'class="flash toast success">已认领<', visitor.text)
    visitor.get(f"/lang/en?next={CLIENT}/")
    visitor.submit(f"{CLIENT}/press", message_id=message_id, key="ack")
    assert "Acknowledged" in visitor.text


def test_a_press_through_a_script_answers_json(wired, product):
    visitor, message_id = Visitor(wired), wired.sent()
    visitor.get(f"{CLIENT}/")
    token = re.search(r'name="csrf_token" value="([^"]+)"', visitor.text)[1]
    form = {"csrf_token": token, "message_id": message_id, "key": "ack"}
    product.respond = lambda body: {"toast": {"type": "error", "content": "未关联"}}
    answer = wired.http.post(f"{CLIENT}/press", data=form, headers={"X-Requested-With": "fetch"}).get_json()
    assert answer == {"problem": "", "toast": {"type": "error", "content": "未关联"}}
    product.respond = lambda body: ("no", 500)
    answer = wired.http.post(f"{CLIENT}/press", data=form, headers={"X-Requested-With": "fetch"}).get_json()
    assert "code: 200671" in answer["problem"]
    assert wired.http.post(f"{CLIENT}/press", data={"key": "ack"}).status_code == 400


def test_groups_are_made_and_get_their_bot_in_the_client(wired, product):
    visitor = Visitor(wired)
    visitor.get(f"{CLIENT}/")
    visitor.submit(f"{CLIENT}/groups", name="值班群", people="wu")
    page, app_id = visitor.path, wired.app["app_id"]
    visitor.submit(page, action="add_bot", app_id=app_id)
    assert "移出 值班铃" in visitor.text
    assert [body["event"]["name"] for body in product.received] == ["值班群"]
    wired.sent({"text": "大家好"}, page.rsplit("/", 1)[1])
    visitor.get(f"/feishu/client/{TENANT}/wu/")
    assert "大家好" in visitor.text
    assert "林芳 将机器人 值班铃 添加到群聊" in visitor.text
    visitor.get(page)
    visitor.submit(page, action="rename", name="新名字")
    visitor.submit(page, action="remove_bot", app_id=app_id)
    visitor.submit(page, action="disband")
    assert "值班群" not in visitor.text.split('id="main"')[1]
    kinds = [body["header"]["event_type"] for body in product.received]
    assert [kind.rsplit(".", 1)[1] for kind in kinds] == ["added_v1", "updated_v1", "deleted_v1"]


def test_the_live_part_says_when_nothing_changed(lab):
    lab.sent()
    first = lab.http.get(f"{CLIENT}/live")
    again = lab.http.get(f"{CLIENT}/live", headers={"If-None-Match": first.headers["ETag"]})
    assert (first.status_code, again.status_code) == (200, 304)


def test_the_workbench_opens_the_page_and_signs_in_silently(wired, product):
    home = product.server.url + "/h5"
    wired.change(home_url=home, redirect_urls=[f"{home}/oauth"], user_scopes=["contact:user.phone:readonly"])
    visitor = Visitor(wired)
    visitor.get(f"{CLIENT}/workbench")
    assert f"/__open?url={quote(home, safe='')}" in visitor.text
    host = "http://lin.feishu.localhost"
    visitor.get(f"{host}/__open?url={quote(home, safe='')}")
    assert "page h5 for" in visitor.text
    assert "Lark/" in visitor.text
    query = f"client_id={wired.app['app_id']}&response_type=code&redirect_uri={quote(home + '/oauth', safe='')}&state=s"
    answer = wired.http.get(f"{host}/open-apis/authen/v1/authorize?{query}")
    assert re.fullmatch(r"/h5/oauth\?code=\w{64}&state=s", answer.headers["Location"])
    asked = wired.http.get(f"{host}/open-apis/authen/v1/authorize?{query}&scope=contact:user.phone:readonly")
    assert "contact:user.phone:readonly" in asked.get_data(as_text=True)
    wrong = wired.http.get(f"{host}/open-apis/authen/v1/authorize?{query.replace('oauth', 'other')}")
    assert "错误码：20029" in wrong.get_data(as_text=True)


def test_outside_the_range_the_workbench_is_empty(lab, visitor):
    lab.change(available=["wu"], home_url="http://localhost:5000/h5")
    visitor.get(f"{CLIENT}/workbench")
    assert "还没有应用。" in visitor.text
    visitor.get(f"/feishu/client/{TENANT}/wu/workbench")
    assert "__open?url=" in visitor.text


def test_the_state_survives_a_restart(lab, tmp_path):
    path = tmp_path / "state.json"
    app = create_app(path)
    http = app.test_client()
    http.post("/control/feishu/tenants", json={"tenant_key": "t", "people": [{"user_id": "lin"}]})
    made = http.post(
        "/control/feishu/apps", json={"tenant_key": "t", "redirect_urls": ["http://x.example/"]}
    ).get_json()
    http.post("/control/feishu/groups", json={"tenant_key": "t", "name": "群", "bots": [made["app_id"]]})
    before = http.get("/control/state").get_json()["feishu"]
    app.extensions["simulator"].store.close()
    after = create_app(path).test_client().get("/control/state").get_json()["feishu"]
    assert after == before


def test_a_reset_forgets_messages_and_with_all_everything(lab):
    lab.sent()
    lab.control("reset", {})
    assert lab.seen_by() == []
    assert lab.send({"text": "x"})["code"] == 0
    lab.control("reset", {"all": True})
    assert lab.http.get("/control/state").get_json()["feishu"]["tenants"] == []
