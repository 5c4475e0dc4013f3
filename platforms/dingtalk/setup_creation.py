"""The wizard's first steps: making the application and its keys, and what this system then has to offer.

https://open.dingtalk.com/document/dingstart/create-application
"""

from __future__ import annotations

from platforms.dingtalk.console import (
    APP_LIST,
    APPS_PATH,
    BASICS,
    DEVELOPMENT,
    EVENTS,
    LIKE_AES_KEY,
    LIKE_AGENT_ID,
    LIKE_CLIENT_SECRET,
    LIKE_COOL_APP,
    LIKE_DING_ID,
    drawn,
)
from platforms.setup import APP_ICON, Drawing, DrawnField, SetupField, SetupGuide, SetupStep, SetupValue
from texts import N_

CREATE_APP = SetupStep(
    key="create_app",
    title=N_("创建自建应用"),
    where=(N_("应用开发"), APP_LIST, N_("创建应用")),
    console_path=APPS_PATH,
    instructions=(
        N_("访问钉钉开发者后台，进入 应用开发 → 企业内部应用（也写作「企业内部开发」），点击「创建应用」。"),
        N_("填写应用名称（例如「值班铃」）和描述，上传应用图标（可使用下面的图标），点击「保存」。"),
    ),
    drawing=Drawing(
        N_("创建应用"),
        (N_("首页"), APP_LIST, N_("卡片平台")),
        APP_LIST,
        (
            DrawnField(N_("应用名称"), N_("值班铃"), highlighted=True),
            DrawnField(N_("应用描述"), N_("接收和处理告警")),
            DrawnField(N_("应用图标"), button=N_("上传图片")),
            DrawnField("", button=N_("保存")),
        ),
    ),
    cautions=(N_("创建应用需要该企业的开发者权限，发布时还需要管理员权限或审批。"),),
    pictures=(APP_ICON,),
    guide=SetupGuide(
        N_("创建企业内部应用-H5 微应用"),
        "https://open.dingtalk.com/document/orgapp/microapplication-creation-and-release-process#title-ovn-666-1ty",
    ),
)

CORP_ID = SetupStep(
    key="corp_id",
    title=N_("复制企业 CorpId"),
    where=(N_("页面右上角的企业名称"),),
    console_path=APPS_PATH,
    instructions=(
        N_("点击开发者后台页面右上角的企业名称。"),
        N_("在下拉菜单中复制「CorpId」，粘贴到这里。"),
    ),
    drawing=Drawing(
        N_("企业"),
        (N_("首页"), APP_LIST, N_("卡片平台")),
        N_("首页"),
        (
            DrawnField(N_("企业名称"), N_("示例企业")),
            DrawnField("CorpId", "ding0123456789abcdef0123456789abcdef", highlighted=True, button=N_("复制")),
        ),
    ),
    fields=(
        SetupField(
            name="corp_id",
            label="CorpId",
            help=N_("以 ding 开头的一串字母和数字。"),
            pattern=r"^ding[0-9A-Za-z]{8,60}$",
            wrong=N_("CorpId 应以 ding 开头，只含字母和数字"),
            placeholder="ding0123456789abcdef0123456789abcdef",
            suspects=(LIKE_AGENT_ID, LIKE_CLIENT_SECRET, LIKE_COOL_APP),
        ),
    ),
)

CREDENTIALS = SetupStep(
    key="credentials",
    title=N_("复制应用凭证信息"),
    where=(N_("基础信息"), BASICS),
    console_path=APPS_PATH,
    instructions=(
        N_("打开刚创建的应用，前往 基础信息 → 凭证与基础信息 页面。"),
        N_("复制「AgentID」「ClientID」和「ClientSecret」，粘贴到这里。"),
    ),
    drawing=drawn(
        BASICS,
        BASICS,
        DrawnField("AgentID", "3012345678", highlighted=True, button=N_("复制")),
        DrawnField("ClientID", "ding1a2b3c4d5e6f7g8h", highlighted=True, button=N_("复制")),
        DrawnField("ClientSecret", "••••••••••••", highlighted=True, button=N_("复制")),
    ),
    fields=(
        SetupField(
            name="agent_id",
            label="AgentID",
            help=N_("也写作「原企业内部应用 AgentId」。"),
            pattern=r"^[1-9][0-9]{4,14}$",
            wrong=N_("AgentID 应为一串数字，例如 3012345678"),
            placeholder="3012345678",
            suspects=(LIKE_DING_ID, LIKE_CLIENT_SECRET),
        ),
        SetupField(
            name="client_id",
            label="ClientID",
            help=N_("旧版页面写作 AppKey。"),
            pattern=r"^ding[0-9A-Za-z]{8,60}$",
            wrong=N_("ClientID 应以 ding 开头，只含字母和数字"),
            placeholder="ding1a2b3c4d5e6f7g8h",
            suspects=(LIKE_AGENT_ID, LIKE_CLIENT_SECRET, LIKE_COOL_APP),
        ),
        SetupField(
            name="client_secret",
            label="ClientSecret",
            help=N_("旧版页面写作 AppSecret。保存后不再显示，只能更换。"),
            kind="secret",
            pattern=r"^[0-9A-Za-z_-]{32,128}$",
            wrong=N_("ClientSecret 应为 64 位左右的字母、数字、下划线或短横线"),
            suspects=(LIKE_DING_ID, LIKE_AGENT_ID, LIKE_AES_KEY),
        ),
    ),
    cautions=(N_("重置 ClientSecret 会使旧的立即失效，请记得在这里更换。"),),
    checks=("credentials",),
)

EVENT_KEYS = SetupStep(
    key="event_keys",
    title=N_("复制事件订阅信息"),
    where=(DEVELOPMENT, EVENTS),
    console_path=APPS_PATH,
    instructions=(
        N_("前往 开发配置 → 事件订阅（旧版页面为「事件与回调」），推送方式选择「HTTP 推送」。"),
        N_("分别生成「加密 aes_key」和「签名 Token」，粘贴到这里，填写集成名称，点击「保存」创建集成。"),
    ),
    drawing=drawn(
        EVENTS,
        EVENTS,
        DrawnField(N_("推送方式"), N_("HTTP 推送")),
        DrawnField(N_("加密 aes_key"), "••••••••••••", button=N_("重新生成"), highlighted=True),
        DrawnField(N_("签名 Token"), "Q8kXfG2mZ7", button=N_("重新生成"), highlighted=True),
        DrawnField(N_("请求网址")),
    ),
    fields=(
        SetupField(
            name="aes_key",
            label=N_("加密 aes_key"),
            help=N_("共 43 位字母和数字。"),
            kind="secret",
            pattern=r"^[0-9A-Za-z]{43}$",
            wrong=N_("加密 aes_key 应为 43 个字母或数字"),
            suspects=(LIKE_DING_ID, LIKE_CLIENT_SECRET, LIKE_COOL_APP),
        ),
        SetupField(
            name="token",
            label=N_("签名 Token"),
            kind="secret",
            pattern=r"^[0-9A-Za-z]{3,32}$",
            wrong=N_("签名 Token 应为 3 到 32 个字母或数字"),
            suspects=(LIKE_CLIENT_SECRET, LIKE_AES_KEY, LIKE_COOL_APP),
        ),
    ),
    cautions=(
        N_("离开钉钉的页面后，生成的 aes_key 和 Token 就会消失。请先粘贴到这里保存，不要关闭钉钉的页面。"),
        N_("此时先不要在钉钉点击「保存」：本系统先存好这两个值，之后填入请求网址时再保存。"),
    ),
)

ADDRESSES = SetupStep(
    key="addresses",
    title=N_("查看集成信息"),
    where=(),
    console_path="",
    instructions=(
        N_("集成已经创建。下面的网页配置、服务器出口 IP 和事件订阅请求网址，后面的步骤会用到。"),
        N_("每个地址在用到它的步骤里都会再次出现，不必现在抄下来。"),
    ),
    values=(
        SetupValue("home_url", N_("应用首页地址"), N_("网页配置，填到「网页应用」。")),
        SetupValue("pc_home_url", N_("PC 端首页地址"), N_("网页配置，填到「网页应用」。")),
        SetupValue("group_url", N_("酷应用网页地址"), N_("填到「酷应用」的群快捷入口，桌面端和移动端相同。")),
        SetupValue("egress_ips", N_("服务器出口 IP"), N_("填到「安全设置」。"), separator=","),
        SetupValue("event_url", N_("事件订阅请求网址"), N_("填到「事件订阅」。")),
    ),
)
