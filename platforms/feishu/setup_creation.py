"""The wizard's first steps: making the application, its credentials and the keys of its callbacks.

https://open.feishu.cn/document/client-docs/h5/development-guide/step1
"""

from __future__ import annotations

from platforms.feishu.console import (
    APP_PATH,
    APPS_PATH,
    BASICS,
    EVENTS,
    LIKE_ADDRESS,
    LIKE_APP_ID,
    LIKE_CORP_ID,
    LIKE_OPEN_ID,
    LIKE_SECRET,
    SETTINGS,
    drawn,
)
from platforms.feishu.settings import FEISHU, LARK
from platforms.setup import APP_ICON, Drawing, DrawnField, SetupField, SetupGuide, SetupStep
from texts import N_

CREATE_APP = SetupStep(
    key="create_app",
    title=N_("创建自建应用"),
    where=(N_("飞书开发者后台"), N_("企业自建应用")),
    console_path=APPS_PATH,
    instructions=(
        N_("选择使用的是飞书还是 Lark，然后打开对应的开发者后台。"),
        N_(
            "点击「创建企业自建应用」，填写应用名称（例如「值班铃」）和描述，上传应用图标（可使用下面的图标），点击「创建」。"
        ),
    ),
    drawing=Drawing(
        N_("企业自建应用"),
        (N_("企业自建应用"), N_("商店应用")),
        N_("企业自建应用"),
        (
            DrawnField("", button=N_("创建企业自建应用"), highlighted=True),
            DrawnField(N_("应用名称"), N_("值班铃")),
            DrawnField(N_("应用描述"), N_("接收和处理告警")),
        ),
    ),
    fields=(
        SetupField(
            name="brand",
            label=N_("版本"),
            help=N_("中国大陆使用飞书，海外使用 Lark；两者的应用互不相通。"),
            kind="choice",
            pattern=f"{FEISHU}|{LARK}",
            wrong=N_("请选择飞书或 Lark"),
            required=False,
            choices=((FEISHU, N_("飞书（open.feishu.cn）")), (LARK, N_("Lark（open.larksuite.com）"))),
            asks_again=("app_secret",),
        ),
    ),
    pictures=(APP_ICON,),
    guide=SetupGuide(
        N_("创建企业自建应用"), "https://open.feishu.cn/document/uYjL24iN/uMTMuMTMuMTM/development-guide/step1#132c1aac"
    ),
)

CREDENTIALS = SetupStep(
    key="credentials",
    title=N_("复制凭证信息"),
    where=(BASICS, N_("应用凭证")),
    console_path=f"{APP_PATH}/baseinfo",
    instructions=(
        N_("进入应用的 凭证与基础信息 页面。"),
        N_("在「应用凭证」中复制 App ID 和 App Secret，粘贴到这里。"),
    ),
    drawing=drawn(
        BASICS,
        BASICS,
        DrawnField("App ID", "cli_a1b2c3d4e5f60718", highlighted=True),
        DrawnField("App Secret", "••••••••••••••••", highlighted=True),
    ),
    fields=(
        SetupField(
            name="app_id",
            label="App ID",
            help=N_("以 cli_ 开头。"),
            pattern=r"cli_[0-9A-Za-z]{8,60}",
            wrong=N_("App ID 应以 cli_ 开头，后面是字母和数字"),
            placeholder="cli_a1b2c3d4e5f60718",
            suspects=(LIKE_SECRET, LIKE_CORP_ID, LIKE_OPEN_ID, LIKE_ADDRESS),
        ),
        SetupField(
            name="app_secret",
            label="App Secret",
            help=N_("保存后不再显示，只能更换。"),
            kind="secret",
            pattern=r"[0-9A-Za-z]{24,64}",
            wrong=N_("App Secret 应为 32 位字母和数字"),
            suspects=(LIKE_APP_ID, LIKE_OPEN_ID, LIKE_ADDRESS),
        ),
    ),
    cautions=(N_("在开发者后台重置 App Secret 后，请记得在这里更换。"),),
    checks=("credentials", "ip_allowlist"),
)

CALLBACK_KEYS = SetupStep(
    key="callback_keys",
    title=N_("复制事件回调的 Token 信息"),
    where=(SETTINGS, EVENTS, N_("加密策略")),
    console_path=f"{APP_PATH}/event",
    instructions=(
        N_("进入 开发配置 → 事件与回调 → 加密策略 页面。"),
        N_("复制 Verification Token；推荐点击「Encrypt Key」旁的编辑按钮启用加密，再复制 Encrypt Key。"),
        N_("粘贴到这里，填写名称，点击「保存」创建集成，随后会得到网页配置、重定向 URL 和消息卡片请求网址。"),
    ),
    drawing=drawn(
        N_("加密策略"),
        EVENTS,
        DrawnField("Encrypt Key", "••••••••••••", button=N_("编辑"), highlighted=True),
        DrawnField("Verification Token", "••••••••••••", button=N_("重置"), highlighted=True),
    ),
    fields=(
        SetupField(
            name="verification_token",
            label="Verification Token",
            kind="secret",
            pattern=r"[\x21-\x7e]{1,64}",
            wrong=N_("Verification Token 应为一串字母和数字，不含空格"),
            suspects=(LIKE_APP_ID, LIKE_OPEN_ID, LIKE_ADDRESS),
        ),
        SetupField(
            name="encrypt_key",
            label="Encrypt Key",
            help=N_("可选，推荐启用。必须与开发者后台的完全一致。"),
            kind="secret",
            pattern=r"[\x21-\x7e]{1,64}",
            wrong=N_("Encrypt Key 应为一串字母和数字，不含空格"),
            required=False,
            suspects=(LIKE_APP_ID, LIKE_OPEN_ID, LIKE_ADDRESS),
            unless_filled=N_(
                "尚未启用 Encrypt Key：回调内容以明文传输，且只能靠 Verification Token 辨别真伪，推荐启用。"
            ),
        ),
    ),
    cautions=(N_("填写 Encrypt Key 后，未加密的回调会被拒绝；在开发者后台修改它时，请同时在这里更换。"),),
)
