"""The setup wizard of a provider's application (第三方应用) as data, as the administrator of a company goes through it.

Five documented steps in the console's own words, and one to try it. https://developer.work.weixin.qq.com/document/path/90597
"""

from __future__ import annotations

from dataclasses import replace

from platforms.setup import Drawing, DrawnField, SetupCheck, SetupField, SetupMode, SetupStep, SetupValue
from platforms.wecom import licences
from platforms.wecom.setup import (
    APP,
    APPS,
    APPS_PATH,
    COMPANY,
    COMPANY_PATH,
    CORP_ID,
    LIKE_AGENT_ID,
    LIKE_LONG_KEY,
    MENU,
    TRY_IT,
)
from texts import N_

AUTHORISED = "authorised"
THIRD = N_("第三方")


def _on_app_page(title: str, *fields: DrawnField) -> Drawing:
    return Drawing(title, MENU, APPS, fields)


ADD_APP = SetupStep(
    key="add_app",
    title=N_("添加第三方应用"),
    where=(APPS, APP, THIRD),
    console_path=APPS_PATH,
    instructions=(
        N_("访问企业微信管理后台，进入 应用管理 → 应用 页面。"),
        N_("在「第三方」一栏中点击「添加第三方应用」。"),
    ),
    drawing=_on_app_page(APP, DrawnField(THIRD, button=N_("添加第三方应用"), highlighted=True)),
)

FIND_APP = SetupStep(
    key="find_app",
    title=N_("搜索并添加应用"),
    where=(APPS, APP, THIRD, N_("添加第三方应用")),
    console_path=APPS_PATH,
    instructions=(
        N_("在搜索栏输入下面的应用名称。"),
        N_("检索到应用后，点击「添加」按钮。"),
    ),
    drawing=_on_app_page(
        N_("添加第三方应用"),
        DrawnField(N_("搜索"), N_("值班铃"), highlighted=True),
        DrawnField(N_("值班铃"), button=N_("添加"), highlighted=True),
    ),
    values=(
        SetupValue("app_name", N_("应用名称"), N_("在企业微信第三方应用中搜索它。")),
        SetupValue(
            "install_url",
            N_("安装链接"),
            N_("搜索不到时，请企业微信管理员在浏览器中打开它，扫码后即可安装。"),
        ),
    ),
)

VISIBLE_RANGE = SetupStep(
    key="visible_range",
    title=N_("设置可见范围并同意授权"),
    where=(APPS, APP, THIRD, N_("添加第三方应用")),
    console_path=APPS_PATH,
    instructions=(
        N_("修改应用可见范围，推荐选择全员或具体部门节点，以避免新增企业成员时仍需修改。"),
        N_("点击「同意以上授权并添加」完成安装。"),
    ),
    drawing=_on_app_page(
        N_("添加应用"),
        DrawnField(N_("可见范围"), button=N_("选择部门 / 成员"), highlighted=True),
        DrawnField("", button=N_("同意以上授权并添加"), highlighted=True),
    ),
    cautions=(N_("不在可见范围内的成员收不到消息，也打不开应用。"),),
    checks=("visible_range",),
)

GET_CORP_ID = SetupStep(
    key="corp_id",
    title=N_("获取企业 ID"),
    where=(COMPANY, N_("企业信息")),
    console_path=COMPANY_PATH,
    instructions=(
        N_("访问企业微信管理后台，进入 我的企业 页面。"),
        N_("在「企业信息」最下方复制「企业 ID」。"),
    ),
    drawing=CORP_ID.drawing,
)

SAVE = SetupStep(
    key="save",
    title=N_("填写企业 ID 并保存"),
    where=(),
    console_path="",
    instructions=(N_("把上一步复制的企业 ID 粘贴到这里，点击「保存」完成集成。系统会立即核对应用是否已经安装。"),),
    fields=(
        SetupField(
            name="corp_id",
            label=N_("企业 ID"),
            help=N_("以 ww 开头，共 18 位。"),
            pattern=CORP_ID.fields[0].pattern,
            wrong=CORP_ID.fields[0].wrong,
            placeholder="ww1234567890abcdef",
            suspects=(LIKE_AGENT_ID, LIKE_LONG_KEY),
        ),
    ),
    checks=(AUTHORISED,),
)

CHECKS = (
    SetupCheck(
        AUTHORISED,
        N_("应用授权"),
        N_("填写企业 ID 并保存后，系统会核对该企业是否已安装应用"),
        "save",
        active=True,
    ),
    SetupCheck(
        "visible_range",
        N_("可见范围"),
        N_("安装完成后，系统会读取应用的可见范围"),
        "visible_range",
        active=True,
    ),
    SetupCheck("home_page", N_("应用主页"), N_("等待有人从工作台打开应用"), "try_it"),
    SetupCheck("message", N_("测试消息"), N_("等待发送测试卡片"), "try_it"),
    SetupCheck("press", N_("卡片按钮"), N_("等待有人点击测试卡片上的按钮"), "try_it"),
)

OPEN_AND_TRY = replace(TRY_IT, checks=("home_page", *TRY_IT.checks))
"""No step of this mode is about the home page alone, which is the provider's."""

THIRD_PARTY = SetupMode(
    slug="third_party",
    label=N_("第三方应用"),
    steps=(ADD_APP, FIND_APP, VISIBLE_RANGE, GET_CORP_ID, SAVE, OPEN_AND_TRY),
    checks=CHECKS,
    needs_provider=True,
    proven_by=AUTHORISED,
    exact_ids=True,
    licences=licences.RULES,
    withheld={
        "war_room": N_("作战室仅支持企业自建应用"),
        "contacts": N_("第三方应用读不到成员姓名，通讯录同步仅支持企业自建应用。"),
    },
)
