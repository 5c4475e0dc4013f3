"""The console, the client and the other pages, as a visitor without JavaScript uses them."""

import re
from html import unescape
from io import BytesIO
from pathlib import Path

import pytest

from simulator import i18n
from simulator.app import create_app
from tests.simulator.conftest import CORP, KEY, NOTICE, TOKEN, Lab

CONSOLE = f"/wecom/console/{CORP}"
CLIENT = f"/wecom/client/{CORP}"


class Visitor:
    """Follows redirects and sends each form with the token of the page it stands on."""

    def __init__(self, lab):
        self.http = lab.http
        self.text = ""

    def get(self, path):
        answer = self.http.get(path, follow_redirects=True)
        self.text, self.path = unescape(answer.get_data(as_text=True)), answer.request.path
        return answer

    def post(self, path, form=None, **files):
        token = re.search(r'name="csrf_token" value="([^"]+)"', self.text)
        data = {"csrf_token": token[1] if token else "", **(form or {}), **files}
        answer = self.http.post(path, data=data, follow_redirects=True)
        self.text, self.path = unescape(answer.get_data(as_text=True)), answer.request.path
        return answer


@pytest.fixture
def visitor(lab):
    return Visitor(lab)


def found(pattern, text):
    """The first group of a pattern that must be there, or the whole match."""
    match = re.search(pattern, text)
    assert match, pattern
    return match[match.lastindex or 0]


def test_a_corp_and_an_app_are_made_in_the_console():
    visitor = Visitor(Lab(create_app()))
    visitor.get("/wecom/console/")
    visitor.post("/wecom/console/", {"name": "新企业", "corp_id": "wwnew0001", "with_people": "1"})
    assert "创建应用" in visitor.text
    new = "/wecom/console/wwnew0001/apps/new"
    visitor.get(new)
    assert "林芳" in visitor.text
    visitor.post(new, {"name": "值班告警", "description": "d", "departments": "1"})
    assert "AgentId" in visitor.text
    assert "1000002" in visitor.text
    visitor.get(visitor.path + "?secret=1")
    assert re.search(r'id="secret">[A-Za-z0-9]{43}<', visitor.text)
    visitor.get("/wecom/console/wwnew0001/profile")
    assert 'id="corp-id">wwnew0001<' in visitor.text


def test_an_app_needs_a_range_and_may_have_a_logo(visitor):
    visitor.get(f"{CONSOLE}/apps/new")
    visitor.post(f"{CONSOLE}/apps/new", {"name": "无范围"})
    assert "请选择可见范围" in visitor.text
    logo = (BytesIO(b"\x89PNG\r\n"), "logo.png", "image/png")
    visitor.post(f"{CONSOLE}/apps/new", {"name": "有图", "users": "zhangsan"}, logo=logo)
    assert 'src="data:image/png;base64,' in visitor.text
    assert "张三" in visitor.text


def test_the_secret_is_shown_on_request_only(lab, visitor):
    visitor.get(f"{CONSOLE}/apps/{lab.agent_id}")
    assert lab.secret not in visitor.text
    visitor.get(f"{CONSOLE}/apps/{lab.agent_id}?secret=1")
    assert lab.secret in visitor.text


def test_random_values_fill_the_form_and_saving_verifies(lab, visitor, product):
    path = f"{CONSOLE}/apps/{lab.agent_id}/receive"
    visitor.get(path)
    visitor.post(path, {"url": product.url, "action": "random_token"})
    token = found(r'name="token" value="([A-Za-z0-9]{24})"', visitor.text)
    visitor.post(path, {"url": product.url, "token": token, "action": "random_key"})
    assert re.search(r'name="encoding_aes_key" value="[A-Za-z0-9]{43}"', visitor.text)
    visitor.post(path, {"url": product.url, "token": token, "encoding_aes_key": "b" * 43, "action": "save"})
    assert "openapi回调地址请求不通过" in visitor.text
    assert token in visitor.text
    visitor.post(path, {"url": product.url, "token": TOKEN, "encoding_aes_key": KEY, "action": "save"})
    assert "接收消息服务器已保存" in visitor.text
    assert lab.send_card()["errcode"] == 0


def test_trusted_addresses_wait_for_a_domain_or_a_callback(lab, visitor):
    app = lab.new_app(name="新", trusted_ips=[], trusted_domain="")
    path = f"{CONSOLE}/apps/{app['agent_id']}"
    visitor.get(f"{path}/ip")
    visitor.post(f"{path}/ip", {"addresses": "127.0.0.1"})
    assert "配置企业可信IP前，请先设置可信域名或设置接收消息服务器URL" in visitor.text
    visitor.post(f"{path}/domain", {"domain": "localhost:5000"})
    visitor.post(f"{path}/ip", {"addresses": "127.0.0.1; 203.0.113.9"})
    assert "企业可信IP已保存" in visitor.text
    assert "60 秒后生效" in visitor.text
    visitor.post(f"{path}/ip", {"addresses": "300.1.1.1"})
    assert "85007" in visitor.text


@pytest.mark.parametrize(
    ("domain", "said"),
    [
        ("http://oncall.example.com", "不需要填写 http://"),
        ("127.0.0.1:5000", "不支持 IP"),
        ("*.example.com", "格式不正确"),
        ("oncall.example.com/path", "不能带路径"),
        ("oncall.example.com", "可信域名已保存"),
        ("oncall.localhost:5000", "可信域名已保存"),
    ],
)
def test_a_trusted_domain_is_a_bare_name(lab, visitor, domain, said):
    visitor.get(f"{CONSOLE}/apps/{lab.agent_id}/domain")
    visitor.post(f"{CONSOLE}/apps/{lab.agent_id}/domain", {"domain": domain})
    assert said in visitor.text


def test_domains_are_set_twenty_times_a_month(lab, visitor):
    lab.control("wecom/limits", {"domain_settings_per_month": 1})
    path = f"{CONSOLE}/apps/{lab.agent_id}/domain"
    visitor.get(path)
    visitor.post(path, {"domain": "a.example.com"})
    visitor.post(path, {"domain": "b.example.com"})
    assert "85004" in visitor.text


def test_ownership_is_checked_with_the_downloaded_file(lab, visitor, product):
    path = f"{CONSOLE}/apps/{lab.agent_id}/domain"
    visitor.get(path)
    visitor.post(path, {"domain": product.domain})
    visitor.post(path, {"action": "verify"})
    assert "返回 HTTP 404" in visitor.text
    name = found(r"WW_verify_\w{16}\.txt", visitor.text)
    content = lab.http.get(f"{CONSOLE}/apps/{lab.agent_id}/{name}").get_data(as_text=True)
    product.files[name] = content + "x"
    visitor.post(path, {"action": "verify"})
    assert "内容与下载的文件不一致" in visitor.text
    product.files[name] = content
    visitor.post(path, {"action": "verify"})
    assert "域名归属校验通过" in visitor.text


def test_the_buttons_of_an_app(lab, visitor):
    path = f"{CONSOLE}/apps/{lab.agent_id}"
    visitor.get(path)
    token = lab.token()
    visitor.post(path, {"action": "withdraw_token"})
    assert lab.http.get(f"/cgi-bin/getcallbackip?access_token={token}").get_json()["errcode"] == 40014
    visitor.post(path, {"action": "disable"})
    assert "已停用" in visitor.text
    visitor.post(path, {"action": "enable"})
    visitor.post(f"{path}/home", {"url": "http://localhost:5000/h5"})
    visitor.post(f"{path}/visible", {"users": "zhangsan"})
    visitor.post(f"{path}/login", {"domain": "localhost:5001"})
    assert all(text in visitor.text for text in ("http://localhost:5000/h5", "张三", "localhost:5001"))
    visitor.post(path, {"action": "new_secret"})
    answer = lab.http.get(f"/cgi-bin/gettoken?corpid={CORP}&corpsecret={lab.secret}").get_json()
    assert answer["errcode"] == 40001
    visitor.post(path, {"action": "delete"})
    assert lab.get("state")["wecom"]["corps"][0]["apps"] == []


def test_contacts_are_kept_in_the_console(lab, visitor):
    path = f"{CONSOLE}/contacts"
    visitor.get(path)
    visitor.post(path, {"action": "add_department", "name": "运维", "parent_id": "2"})
    visitor.post(path, {"action": "save", "userid": "chen", "name": "陈静", "departments": "3"})
    assert "陈静" in visitor.text
    visitor.get(f"{path}?edit=chen")
    visitor.post(path, {"action": "save", "userid": "chen", "name": "陈静静", "departments": "3"})
    assert "陈静静" in visitor.text
    visitor.post(path, {"action": "remove_department", "id": "3"})
    assert "不能删除" in visitor.text
    visitor.post(path, {"action": "remove", "userid": "chen"})
    visitor.post(path, {"action": "remove_department", "id": "3"})
    assert "部门已删除" in visitor.text
    visitor.post(path, {"action": "save", "userid": "has space", "name": "x"})
    assert "账号只能由字母" in visitor.text


def test_a_form_without_the_sessions_token_is_refused(lab):
    assert lab.http.post("/wecom/console/", data={"name": "x"}).status_code == 400


def test_pages_allow_no_inline_code_and_none_is_written():
    lab = Lab(create_app())
    policy = lab.http.get("/").headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "unsafe-inline" not in policy
    root = Path(create_app().root_path)
    for template in root.rglob("*.html"):
        text = template.read_text(encoding="utf-8")
        assert not re.search(r'\son\w+="|style="|<style|<script>', text), template


# --- client ----------------------------------------------------------------------------------------------------


def test_the_client_shows_a_card_and_its_press_calls_back(wired, visitor, product):
    sent = wired.send_card()
    visitor.get(f"{CLIENT}/zhangsan/")
    assert "[严重] api-gateway 5xx > 5%" in visitor.text
    assert "line 8…" in visitor.text
    assert "line 9" not in visitor.text
    assert 'href="http://zhangsan.localhost/__open?url=http%3A%2F%2Flocalhost%3A5000%2Fh5%2Fincidents%2F1001"' in (
        visitor.text
    )
    visitor.post(f"{CLIENT}/zhangsan/press", {"message_id": sent["msgid"], "key": "ack", "app": wired.agent_id})
    assert product.fields()["EventKey"] == "ack"
    assert visitor.path == f"{CLIENT}/zhangsan/"


def test_a_failed_callback_is_told_to_the_presser(wired, visitor, product):
    product.respond = lambda plain: ("", 500)
    sent = wired.send_card()
    visitor.get(f"{CLIENT}/zhangsan/")
    visitor.post(f"{CLIENT}/zhangsan/press", {"message_id": sent["msgid"], "key": "ack"})
    assert "没有正确响应（HTTP 500，共 3 次）" in visitor.text


def test_dead_buttons_are_shown_disabled(wired, visitor):
    sent = wired.send_card()
    change = {"agentid": wired.agent_id, "response_code": sent["response_code"], "atall": 1}
    wired.call("message/update_template_card", change | {"button": {"replace_name": "已关闭"}})
    visitor.get(f"{CLIENT}/zhangsan/")
    assert '<button type="button" disabled>已关闭</button>' in visitor.text
    assert "开始处理" not in visitor.text
    visitor.post(f"{CLIENT}/zhangsan/press", {"message_id": sent["msgid"], "key": "ack"})
    assert "这个按钮已不能点击" in visitor.text


def test_the_live_part_answers_304_until_something_changes(wired, visitor):
    wired.send_card()
    first = wired.http.get(f"{CLIENT}/zhangsan/live")
    same = wired.http.get(f"{CLIENT}/zhangsan/live", headers={"If-None-Match": first.headers["ETag"]})
    assert same.status_code == 304
    wired.send()
    changed = wired.http.get(f"{CLIENT}/zhangsan/live", headers={"If-None-Match": first.headers["ETag"]})
    assert "你好" in changed.get_data(as_text=True)


def test_texts_are_escaped_and_links_open_inside(lab, visitor):
    lab.send(
        msgtype="text", text={"content": '<script>alert(1)</script><a href="http://localhost:5000/x?a=1&b=2">去</a>'}
    )
    lab.send(msgtype="markdown", markdown={"content": "# 标题\n**粗** `码` <img src=x onerror=y>\n> 引用"})
    lab.send(
        msgtype="textcard",
        textcard={"title": "t", "description": '<div class="gray">灰</div><b>x', "url": "http://x/1"},
    )
    lab.send_card(NOTICE, main_title={"title": "<i>斜</i>"})
    page = lab.http.get(f"{CLIENT}/zhangsan/").get_data(as_text=True)
    assert "<script>alert" not in page
    assert "<img src=x" not in page
    assert "<i>斜" not in page
    assert "<b>x" not in page
    assert "__open?url=http%3A%2F%2Flocalhost%3A5000%2Fx%3Fa%3D1%26b%3D2" in page
    assert '<span class="tc-gray">灰</span>' in page


def test_the_workbench_opens_the_home_page_for_those_in_range(lab, visitor):
    change = {
        "corp_id": CORP,
        "agent_id": lab.agent_id,
        "home_url": "http://localhost:5000/h5",
        "visible": ["zhangsan"],
    }
    lab.control("wecom/apps", change, "patch")
    visitor.get(f"{CLIENT}/zhangsan/workbench")
    assert "http://zhangsan.localhost/__open?url=http%3A%2F%2Flocalhost%3A5000%2Fh5" in visitor.text
    visitor.get(f"{CLIENT}/LiSi/workbench")
    assert "还没有应用" in visitor.text


# --- the rest --------------------------------------------------------------------------------------------------


def test_the_wire_page_hides_secrets_and_filters(lab, visitor):
    lab.send()
    visitor.get("/wire")
    assert "/cgi-bin/message/send" in visitor.text
    assert lab.secret not in visitor.text
    assert lab.token() not in visitor.text
    visitor.get("/wire?q=gettoken&direction=in")
    assert "/cgi-bin/message/send" not in visitor.text
    visitor.post("/wire/clear")
    assert "没有记录" in visitor.text


def test_faults_are_armed_on_a_page(lab, visitor):
    visitor.get("/faults")
    visitor.post("/faults", {"fault": "errcode", "count": "2", "path": "message/send", "seconds": "0", "code": "45033"})
    assert "已命中 0" in visitor.text
    assert lab.send()["errcode"] == 45033
    visitor.post("/faults/clear")
    assert "没有故障" in visitor.text


@pytest.mark.parametrize("path", ["/", "/wecom/console/", "/wecom/client/", f"{CONSOLE}/tools", "/nothing"])
def test_every_page_speaks_both_languages(lab, visitor, path):
    visitor.get(path)
    assert 'lang="zh-CN"' in visitor.text
    visitor.get(f"/lang/en?next={path}")
    assert '<html lang="en">' in visitor.text
    assert "Wire log" in visitor.text


def test_a_language_link_leads_nowhere_else(lab):
    for target in ("//elsewhere.example", "https://elsewhere.example", "/\\elsewhere.example"):
        assert lab.http.get(f"/lang/en?next={target}").headers["Location"] == "/"


def test_every_text_of_a_template_has_its_english():
    root = Path(create_app().root_path)
    texts = set()
    for template in root.rglob("*.html"):
        texts |= set(re.findall(r"\bt\('([^']*)'", template.read_text(encoding="utf-8")))
    assert texts - set(i18n.english()) == set()


def test_deep_links_into_the_real_console_lead_to_the_company(visitor):
    visitor.get("/wework_admin/frame")
    assert visitor.path.startswith("/wecom/console/")
