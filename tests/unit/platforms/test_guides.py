"""What the platforms' guides say is on the wizard's steps and beside empty lists, in the same words."""

from __future__ import annotations

import re
from dataclasses import fields, is_dataclass
from itertools import pairwise
from pathlib import Path

import pytest

from platforms import PLATFORMS
from platforms.dingtalk.platform import DingTalk
from platforms.feishu.platform import Feishu

STATIC = Path(__file__).resolve().parents[3] / "static"
OPENED = "{0} > 工作台 > 搜索应用名称 > 打开应用"

# Step by step in the guides' order; what stands in one line is said by one step.
DINGTALK = (
    ("create_app", "钉钉开发者后台|应用开发|创建应用|应用图标|创建企业内部应用-H5 微应用"),
    ("corp_id", "右上角|下拉菜单|CorpId"),
    ("credentials", "凭证与基础信息|AgentID|ClientID|ClientSecret"),
    ("event_keys", "开发配置|事件与回调|加密 aes_key|签名 Token|离开|消失|填写集成名称|保存"),
    ("addresses", "网页配置|服务器出口 IP|事件订阅请求网址|酷应用网页地址"),
    ("cool_app", "酷应用列表|创建酷应用|扩展到群会话|应用图标|群快捷入口|消息卡片|桌面|移动端访问地址|酷应用网页地址"),
    ("cool_app", "跳过第三步|功能开发|预览发布|发布|确认"),
    ("robot", "应用能力|机器人|打开机器人配置|应用图标|保存"),
    ("web_app", "应用能力|网页应用|应用首页地址|PC 端首页地址|右上角|保存"),
    ("event_url", "开发配置|事件订阅|请求网址|事件订阅请求网址|保存"),
    ("events", "保存」按钮下方|群会话更换群名称|群内安装酷应用|群内卸载酷应用|再次点击「保存"),
    ("permissions", "权限管理|qyapi_chat_manage|qyapi_robot_sendmsg|所在群聊|向群聊和个人发送消息"),
    ("publish", "版本管理与发布|创建新版本|可见范围|全部员工|否则其他人无法使用"),
    ("open_app", "手机端|PC 端|首次访问需要登录并关联|后续可以免登录使用"),
)
FEISHU = (
    ("create_app", "飞书开发者后台|创建企业自建应用|应用图标"),
    ("credentials", "凭证与基础信息|App ID|App Secret"),
    ("callback_keys", "事件与回调|加密策略|Encrypt Key|推荐启用|Verification Token|名称|保存"),
    ("callback_keys", "网页配置|重定向 URL|消息卡片请求网址"),
    ("abilities", "添加应用能力|按能力添加|同时开通|网页应用|机器人"),
    ("home_page", "桌面端主页|移动端主页|网页配置|配置应用主页地址"),
    ("card_callback", "回调配置|消息卡片请求网址|添加回调"),
    ("redirect_url", "安全设置|重定向 URL|配置重定向 URL"),
    ("permissions", "权限管理|im:chat|im:message|所在的群|向群聊或个人发送消息"),
    ("release", "发布与审核|可用范围|所有员工|管理员|应用发布与使用"),
)
STEPS = [(DingTalk, *step) for step in DINGTALK] + [(Feishu, *step) for step in FEISHU]


def said(value: object) -> str:
    """All texts of setup data."""
    if isinstance(value, str):
        return value
    if isinstance(value, tuple):
        return "\n".join(map(said, value))
    if is_dataclass(value):
        return "\n".join(said(getattr(value, one.name)) for one in fields(value))
    return ""


@pytest.mark.parametrize(("platform", "key", "words"), STEPS)
def test_a_step_says_what_the_guide_says(platform, key, words):
    text = said(platform.modes[0].step(key))
    assert [word for word in words.split("|") if word not in text] == []


@pytest.mark.parametrize(("platform", "steps"), [(DingTalk, DINGTALK), (Feishu, FEISHU)])
def test_the_steps_are_in_the_guides_order(platform, steps):
    order = [step.key for step in platform.modes[0].steps]
    assert all(order.index(one[0]) <= order.index(after[0]) for one, after in pairwise(steps))


@pytest.mark.parametrize(("platform", "key"), [(DingTalk, "open_app"), (Feishu, "release")])
def test_how_an_application_is_opened_is_said_in_the_guides_words(platform, key):
    way = OPENED.format(platform.label)
    assert way in platform.capabilities.workbench_hint
    assert way in said(platform.modes[0].step(key))


def test_no_group_in_dingtalk_yet_install_refresh_and_install_again():
    first, then, last = DingTalk.capabilities.no_groups_hint
    assert "安装" in first and "酷应用" in first
    assert "刷新群列表" in then and "重新选择群聊" in then
    assert "卸载酷应用后重新安装" in last and "三种群会话事件" in last


def test_no_group_in_feishu_yet_add_the_bot_and_refresh():
    first, then, last = Feishu.capabilities.no_groups_hint
    assert "添加机器人" in first
    assert "刷新群列表" in then and "重新选择群聊" in then
    assert "im:chat" in last


@pytest.mark.parametrize("platform", PLATFORMS.values(), ids=PLATFORMS)
def test_an_application_is_given_an_icon(platform):
    pictures = {picture for step in platform.modes[0].steps for picture in step.pictures}
    assert pictures
    for picture in pictures:
        assert (STATIC / picture.path).read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("platform", PLATFORMS.values(), ids=PLATFORMS)
def test_a_page_of_the_vendors_documentation_is_a_page_of_the_vendor(platform):
    for guide in (step.guide for mode in platform.modes for step in mode.steps if step.guide):
        assert re.match(
            r"https://open\.(dingtalk\.com/document|feishu\.cn/document|work\.weixin\.qq\.com/wwopen)/", guide.url
        )
