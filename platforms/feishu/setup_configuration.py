"""The wizard's middle steps: abilities, addresses, permissions and events, as Feishu's console asks for them.

https://open.feishu.cn/document/develop-web-apps/configure-redirect-urls
"""

from __future__ import annotations

from platforms.feishu.console import (
    ABILITIES,
    ADD_ABILITIES,
    APP_PATH,
    BOT,
    EVENTS,
    PERMISSIONS,
    SECURITY,
    SETTINGS,
    WEB_APP,
    drawn,
)
from platforms.setup import DrawnField, SetupCode, SetupGuide, SetupStep, SetupValue
from texts import N_

ENABLE_ABILITIES = SetupStep(
    key="abilities",
    title=N_("开通网页应用和机器人能力"),
    where=(ADD_ABILITIES, N_("按能力添加")),
    console_path=f"{APP_PATH}/capability",
    instructions=(
        N_("回到飞书开发者后台，进入 添加应用能力 → 按能力添加 页面。"),
        N_("分别点击「网页应用」和「机器人」的「添加」，同时开通两项能力。"),
    ),
    drawing=drawn(
        N_("按能力添加"),
        ADD_ABILITIES,
        DrawnField(WEB_APP, button=N_("添加"), highlighted=True),
        DrawnField(BOT, button=N_("添加"), highlighted=True),
    ),
    cautions=(N_("应用能力在发布版本后才生效。"),),
)

HOME_PAGE = SetupStep(
    key="home_page",
    title=N_("配置网页应用主页"),
    where=(ABILITIES, WEB_APP),
    console_path=f"{APP_PATH}/web",
    instructions=(
        N_("进入 网页应用 页面。"),
        N_("把下面的网页配置地址填入「桌面端主页」和「移动端主页」，两处相同，点击「保存」。"),
    ),
    drawing=drawn(
        WEB_APP,
        WEB_APP,
        DrawnField(N_("桌面端主页"), "https://oncall.example.com/h5/feishu/…", highlighted=True),
        DrawnField(N_("移动端主页"), "https://oncall.example.com/h5/feishu/…", highlighted=True),
    ),
    values=(SetupValue("home_url", N_("网页配置"), N_("桌面端主页和移动端主页填写同一个地址。"), qr=True),),
    guide=SetupGuide(
        N_("配置应用主页地址"), "https://open.feishu.cn/document/uYjL24iN/uMTMuMTMuMTM/development-guide/step1#8366b844"
    ),
)

CARD_CALLBACK = SetupStep(
    key="card_callback",
    title=N_("配置消息卡片请求网址"),
    where=(SETTINGS, EVENTS, N_("回调配置")),
    console_path=f"{APP_PATH}/event?tab=callback",
    instructions=(
        N_("进入 开发配置 → 事件与回调 → 回调配置 页面。"),
        N_(
            "编辑「订阅方式」，选择「将回调发送至开发者服务器」，把下面的消息卡片请求网址填入「请求地址」，点击「保存」。"
        ),
        N_("点击「添加回调」，勾选「卡片回传交互」（card.action.trigger），点击「确认添加」。"),
    ),
    drawing=drawn(
        N_("回调配置"),
        EVENTS,
        DrawnField(N_("订阅方式"), N_("将回调发送至开发者服务器")),
        DrawnField(N_("请求地址"), "https://oncall.example.com/callback/feishu/…/card", highlighted=True),
        DrawnField(N_("已订阅的回调"), N_("卡片回传交互"), button=N_("添加回调"), highlighted=True),
    ),
    values=(SetupValue("card_url", N_("消息卡片请求网址"), N_("需要能从公网访问，飞书会立即校验它。")),),
    cautions=(
        N_("请选择「卡片回传交互」，不要选带「（旧）」的那一个；机器人页面上旧的消息卡片请求网址请留空。"),
        N_("添加的回调在发布版本后才生效。"),
    ),
    checks=("callback_card",),
)

REDIRECT_URL = SetupStep(
    key="redirect_url",
    title=N_("添加重定向 URL"),
    where=(SETTINGS, SECURITY, N_("重定向 URL")),
    console_path=f"{APP_PATH}/safe",
    instructions=(
        N_("进入 安全设置 页面。"),
        N_("把下面的地址填入「重定向 URL」，点击「添加」；立即生效，无需发布。"),
        N_("若启用了「IP 白名单」，请加入下面的服务器出口 IP。"),
    ),
    drawing=drawn(
        SECURITY,
        SECURITY,
        DrawnField(
            N_("重定向 URL"), "https://oncall.example.com/h5/feishu/…/oauth", button=N_("添加"), highlighted=True
        ),
        DrawnField(N_("IP 白名单"), "203.0.113.7"),
    ),
    values=(
        SetupValue("redirect_url", N_("重定向 URL"), N_("必须完全一致，包括路径。")),
        SetupValue("egress_ips", N_("服务器出口 IP"), N_("只有启用了 IP 白名单时才需要填写。")),
    ),
    guide=SetupGuide(
        N_("配置重定向 URL"), "https://open.feishu.cn/document/uYjL24iN/uYjN3QjL2YzN04iN2cDN?lang=zh-CN#c863e533"
    ),
    checks=("redirect_url",),
)

GRANT_PERMISSIONS = SetupStep(
    key="permissions",
    title=N_("申请应用权限"),
    where=(SETTINGS, PERMISSIONS),
    console_path=f"{APP_PATH}/auth",
    instructions=(
        N_("进入 权限管理 页面，点击「开通权限」，选择「应用身份权限」。"),
        N_("逐个搜索并开通下面的权限；im:chat 和 im:message 是必需的。"),
        N_(
            '也可以点击「批量导入」，粘贴：{"scopes":{"tenant":["im:chat","im:message","im:resource:upload"],"user":[]}}'
        ),
    ),
    codes=(
        SetupCode("im:chat", N_("获取应用所在的群")),
        SetupCode("im:message", N_("向群聊或个人发送消息")),
        SetupCode("im:resource:upload", N_("在卡片上显示告警的图片"), required=False),
        SetupCode("contact:user.id:readonly", N_("开启作战室"), required=False),
        SetupCode("contact:contact.base:readonly", N_("通讯录同步：读取部门与用户"), required=False),
        SetupCode("contact:user.base:readonly", N_("通讯录同步：用户姓名"), required=False),
        SetupCode("contact:department.base:readonly", N_("通讯录同步：部门名称"), required=False),
        SetupCode("contact:department.organize:readonly", N_("通讯录同步：部门层级"), required=False),
    ),
    drawing=drawn(
        PERMISSIONS,
        PERMISSIONS,
        DrawnField(N_("获取与更新群组信息"), "im:chat", button=N_("开通"), highlighted=True),
        DrawnField(N_("获取与发送单聊、群组消息"), "im:message", button=N_("开通"), highlighted=True),
        DrawnField(N_("上传图片或文件资源"), "im:resource:upload", button=N_("开通")),
    ),
    cautions=(N_("需要审核的权限在发布版本并通过审核后才生效。"),),
    checks=("scopes",),
)

EVENT_SUBSCRIPTION = SetupStep(
    key="event_subscription",
    title=N_("订阅群事件（推荐）"),
    where=(SETTINGS, EVENTS, N_("事件配置")),
    console_path=f"{APP_PATH}/event",
    instructions=(
        N_("进入 开发配置 → 事件与回调 → 事件配置 页面。"),
        N_("编辑「订阅方式」，选择「将事件发送至开发者服务器」，把下面的事件请求地址填入「请求地址」，点击「保存」。"),
        N_("点击「添加事件」，逐个搜索并勾选下面的事件。"),
    ),
    codes_label=N_("事件"),
    codes=(
        SetupCode("im.chat.member.bot.added_v1", N_("机器人进群")),
        SetupCode("im.chat.member.bot.deleted_v1", N_("机器人被移出群")),
        SetupCode("im.chat.disbanded_v1", N_("群解散")),
        SetupCode("im.chat.updated_v1", N_("群配置修改")),
    ),
    drawing=drawn(
        N_("事件配置"),
        EVENTS,
        DrawnField(N_("请求地址"), "https://oncall.example.com/callback/feishu/…/event", highlighted=True),
        DrawnField(N_("已添加事件"), N_("机器人进群"), button=N_("添加事件"), highlighted=True),
    ),
    values=(SetupValue("event_url", N_("事件请求地址"), N_("需要能从公网访问，飞书会立即校验它。")),),
    cautions=(N_("可以跳过：不订阅时，群列表在打开分派策略页面时刷新。"),),
    checks=("callback_event",),
)
