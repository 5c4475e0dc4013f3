"""The wizard's steps in the application's own pages: abilities, events, permissions, security, the card template.

https://open.dingtalk.com/document/dingstart/configure-web-application
"""

from __future__ import annotations

from platforms.dingtalk import template
from platforms.dingtalk.console import (
    ABILITIES,
    APP_LIST,
    APPS_PATH,
    CARDS_PATH,
    COOL_APP,
    DEVELOPMENT,
    EVENTS,
    LIKE_COOL_APP,
    LIKE_DING_ID,
    PERMISSIONS,
    ROBOT,
    SECURITY,
    WEB_APP,
    drawn,
)
from platforms.setup import (
    APP_ICON,
    ENTRY_ICON,
    Drawing,
    DrawnField,
    SetupCode,
    SetupField,
    SetupFile,
    SetupStep,
    SetupValue,
)
from texts import N_

COOL_APP_STEP = SetupStep(
    key="cool_app",
    title=N_("创建酷应用"),
    where=(ABILITIES, COOL_APP, N_("创建酷应用")),
    console_path=APPS_PATH,
    instructions=(
        N_("前往 应用能力 → 添加应用能力，添加「酷应用」「网页应用」和「机器人」。"),
        N_("在 酷应用 → 酷应用列表 页面点击「创建酷应用」，选择「扩展到群会话」。"),
        N_("第一步「基础信息」：填写名称和描述，上传应用图标（可使用下面的图标）。"),
        N_(
            "第二步「功能设计」：左侧选中「群快捷入口」和「消息卡片」；为群快捷入口上传图标，"
            "桌面端和移动端访问地址都填下面的酷应用网页地址。"
        ),
        N_("跳过第三步「功能开发」，在第四步「预览发布」点击「发布」并确认。"),
        N_("回到 基础信息，复制「酷应用编码」，粘贴到这里。"),
    ),
    drawing=drawn(
        N_("编辑酷应用"),
        COOL_APP,
        DrawnField(N_("群快捷入口"), N_("已选中"), highlighted=True),
        DrawnField(N_("消息卡片"), N_("已选中"), highlighted=True),
        DrawnField(N_("桌面端访问地址"), "https://oncall.example.com/h5/dingtalk/…/group", highlighted=True),
        DrawnField(N_("移动端访问地址"), "https://oncall.example.com/h5/dingtalk/…/group", highlighted=True),
        DrawnField(N_("酷应用编码"), "COOLAPP-1-101AB2CD3EF4", button=N_("复制"), highlighted=True),
        DrawnField("", button=N_("发布")),
    ),
    fields=(
        SetupField(
            name="cool_app_code",
            label=N_("酷应用编码"),
            help=N_("以 COOLAPP-1- 开头；不填时，以群内安装酷应用的事件为准。"),
            pattern=r"^COOLAPP-[0-9A-Za-z]{1,4}-[0-9A-Za-z]{4,64}$",
            wrong=N_("酷应用编码应形如 COOLAPP-1-101AB2CD3EF4"),
            required=False,
            placeholder="COOLAPP-1-101AB2CD3EF4",
            suspects=(LIKE_DING_ID,),
        ),
    ),
    values=(SetupValue("group_url", N_("酷应用网页地址"), N_("桌面端和移动端访问地址填写同一个地址。")),),
    pictures=(APP_ICON, ENTRY_ICON),
    cautions=(N_("$CORPID$ 与 $ENCCID$ 由钉钉替换，请原样填写，不要改动。"),),
)

ROBOT_STEP = SetupStep(
    key="robot",
    title=N_("配置机器人与消息推送"),
    where=(ABILITIES, ROBOT),
    console_path=APPS_PATH,
    instructions=(
        N_("进入 应用能力 → 机器人 页面，打开机器人配置。"),
        N_("填写名称、简介和描述，上传应用图标（可使用下面的图标），点击「保存」；消息接收模式不用填写。"),
    ),
    drawing=drawn(
        ROBOT,
        ROBOT,
        DrawnField(N_("机器人配置"), N_("已打开"), highlighted=True),
        DrawnField(N_("机器人名称"), N_("值班铃"), highlighted=True),
        DrawnField(N_("机器人图标"), button=N_("上传图片")),
        DrawnField(N_("机器人编码"), "ding1a2b3c4d5e6f7g8h"),
        DrawnField("", button=N_("保存")),
    ),
    fields=(
        SetupField(
            name="robot_code",
            label=N_("机器人编码（RobotCode）"),
            help=N_("通常与 ClientID 相同；相同时不用填写。"),
            pattern=r"^[0-9A-Za-z_-]{4,64}$",
            wrong=N_("机器人编码只含字母和数字，请到机器人页面复制"),
            required=False,
            suspects=(LIKE_COOL_APP,),
        ),
    ),
    pictures=(APP_ICON,),
    cautions=(N_("机器人要在发布包含它的版本后才能给所有人发消息。"),),
)

WEB_APP_STEP = SetupStep(
    key="web_app",
    title=N_("配置应用地址"),
    where=(ABILITIES, WEB_APP),
    console_path=APPS_PATH,
    instructions=(
        N_("进入 应用能力 → 网页应用 页面。"),
        N_("把下面两个地址分别填入「应用首页地址」和「PC 端首页地址」。"),
        N_("点击右上角「保存」。"),
    ),
    drawing=drawn(
        WEB_APP,
        WEB_APP,
        DrawnField(N_("应用首页地址"), "https://oncall.example.com/h5/dingtalk/…", highlighted=True),
        DrawnField(N_("PC 端首页地址"), "https://oncall.example.com/h5/dingtalk/…/pc", highlighted=True),
        DrawnField("", button=N_("保存"), highlighted=True),
    ),
    values=(
        SetupValue("home_url", N_("应用首页地址")),
        SetupValue("pc_home_url", N_("PC 端首页地址")),
    ),
    cautions=(N_("只有这里登记的域名能在钉钉内免登；域名须与本系统一致。"),),
)

EVENT_URL = SetupStep(
    key="event_url",
    title=N_("填写事件订阅请求网址"),
    where=(DEVELOPMENT, EVENTS),
    console_path=APPS_PATH,
    instructions=(
        N_("回到 开发配置 → 事件订阅 页面，在「请求网址」中填入下面的地址。"),
        N_("确认加密 aes_key 和签名 Token 与之前保存的一致，点击「保存」，钉钉会立即校验该地址。"),
    ),
    drawing=drawn(
        EVENTS,
        EVENTS,
        DrawnField(N_("加密 aes_key"), "••••••••••••"),
        DrawnField(N_("签名 Token"), "Q8kXfG2mZ7"),
        DrawnField(N_("请求网址"), "https://oncall.example.com/callback/dingtalk/…", highlighted=True),
        DrawnField("", button=N_("保存"), highlighted=True),
    ),
    values=(SetupValue("event_url", N_("事件订阅请求网址"), N_("需要能从公网访问。")),),
    cautions=(
        N_(
            "若钉钉提示「HTTP请求结果校验返回字段值失败」，多半是两边的 aes_key 或 Token 不一致，本页会显示收到的请求。"
        ),
    ),
    checks=("callback_event",),
)

EVENT_TYPES = SetupStep(
    key="events",
    title=N_("选中群会话事件"),
    where=(DEVELOPMENT, EVENTS),
    console_path=APPS_PATH,
    instructions=(
        N_("在「保存」按钮下方，选中「群会话更换群名称」「群内安装酷应用」和「群内卸载酷应用」三种群会话事件。"),
        N_("推荐同时选中「群会话解散群」。"),
        N_("再次点击「保存」。"),
    ),
    codes=(
        SetupCode("群会话更换群名称", N_("群聊改名后，这里的名称跟着变")),
        SetupCode("群内安装酷应用", N_("群聊出现在列表中")),
        SetupCode("群内卸载酷应用", N_("群聊从列表中移除")),
        SetupCode("群会话解散群", N_("群聊解散后不再发送"), required=False),
    ),
    codes_label=N_("群会话事件"),
    drawing=drawn(
        EVENTS,
        EVENTS,
        DrawnField(N_("群会话更换群名称"), N_("已选中"), highlighted=True),
        DrawnField(N_("群内安装酷应用"), N_("已选中"), highlighted=True),
        DrawnField(N_("群内卸载酷应用"), N_("已选中"), highlighted=True),
        DrawnField(N_("群会话解散群"), N_("已选中")),
        DrawnField("", button=N_("保存"), highlighted=True),
    ),
    shows_group_events=True,
    cautions=(N_("这是第二次保存：只保存请求网址而没有选中事件时，群聊列表会一直为空。"),),
)

PERMISSIONS_STEP = SetupStep(
    key="permissions",
    title=N_("申请应用权限"),
    where=(DEVELOPMENT, PERMISSIONS),
    console_path=APPS_PATH,
    instructions=(
        N_("进入 开发配置 → 权限管理 页面。"),
        N_("逐个搜索下面的权限点，点击「申请权限」；开通后立即生效。"),
    ),
    codes=(
        SetupCode("qyapi_chat_manage", N_("获取应用所在群聊的信息")),
        SetupCode("qyapi_robot_sendmsg", N_("向群聊和个人发送消息")),
        SetupCode("Card.Instance.Write", N_("发送和更新带按钮的互动卡片"), required=False),
        SetupCode("Contact.User.Read", N_("在普通浏览器中登录"), required=False),
        SetupCode("qyapi_get_member", N_("在普通浏览器中登录"), required=False),
        SetupCode("qyapi_get_department_list", N_("通讯录同步：读取部门"), required=False),
        SetupCode("qyapi_get_department_member", N_("通讯录同步：读取部门成员"), required=False),
    ),
    drawing=drawn(
        PERMISSIONS,
        PERMISSIONS,
        DrawnField(N_("钉钉群基础信息管理权限"), "qyapi_chat_manage", button=N_("申请权限"), highlighted=True),
        DrawnField(N_("企业内机器人发送消息权限"), "qyapi_robot_sendmsg", button=N_("申请权限"), highlighted=True),
        DrawnField(N_("互动卡片实例写权限"), "Card.Instance.Write", button=N_("申请权限"), highlighted=True),
    ),
    checks=("permissions",),
)

SECURITY_STEP = SetupStep(
    key="security",
    title=N_("填写服务器出口 IP"),
    where=(DEVELOPMENT, SECURITY),
    console_path=APPS_PATH,
    instructions=(
        N_("进入 开发配置 → 安全设置 页面。"),
        N_("在「服务器出口IP」中填入下面的出口 IP，多个 IP 用英文逗号分隔。"),
        N_("在「重定向URL（回调域名）」中填入下面的重定向 URL，供在普通浏览器中登录。"),
        N_("点击「保存」。"),
    ),
    drawing=drawn(
        SECURITY,
        SECURITY,
        DrawnField(N_("服务器出口IP"), "203.0.113.7", highlighted=True),
        DrawnField(N_("重定向URL（回调域名）"), "https://oncall.example.com/h5/dingtalk/…/oauth", highlighted=True),
        DrawnField("", button=N_("保存")),
    ),
    values=(
        SetupValue(
            "egress_ips",
            N_("服务器出口 IP"),
            N_("若检查失败，请以失败信息中钉钉看到的 IP 为准。"),
            separator=",",
        ),
        SetupValue("redirect_url", N_("重定向 URL")),
    ),
    checks=("egress_ip",),
)

CARD_TEMPLATE = SetupStep(
    key="card_template",
    title=N_("导入卡片模板"),
    where=(N_("卡片平台"),),
    console_path=CARDS_PATH,
    instructions=(
        N_("下载下面的卡片模板文件。"),
        N_("打开 卡片平台，新建一个「消息卡片」模板，在右上角「更多」中选择「导入」，上传该文件。"),
        N_("检查预览后点击「保存」，再点击「发布」。"),
        N_("复制模板 ID，粘贴到这里。"),
    ),
    drawing=Drawing(
        N_("卡片平台"),
        (N_("首页"), APP_LIST, N_("卡片平台")),
        N_("卡片平台"),
        (
            DrawnField(N_("更多"), button=N_("导入"), highlighted=True),
            DrawnField(N_("模板 ID"), "b4fd2119-9945-4e13-9989-747da19e3bc7.schema", highlighted=True),
            DrawnField("", button=N_("发布"), highlighted=True),
        ),
    ),
    fields=(
        SetupField(
            name="card_template_id",
            label=N_("卡片模板 ID"),
            help=N_("以 .schema 结尾；不填时，消息以链接形式发出，卡片不会随故障更新。"),
            pattern=r"^[0-9A-Za-z-]{8,80}\.schema$",
            wrong=N_("卡片模板 ID 应以 .schema 结尾"),
            required=False,
            placeholder="b4fd2119-9945-4e13-9989-747da19e3bc7.schema",
            unless_filled=N_("没有填写卡片模板 ID：消息以链接形式发出，不会随故障更新，链接里的操作需再次确认。"),
            suspects=(LIKE_COOL_APP, LIKE_DING_ID),
        ),
    ),
    files=(SetupFile(template.FILE_NAME, N_("卡片模板文件"), template.exported()),),
    cautions=(
        N_("已发布的模板不能再修改；本系统升级后若提供了新的模板，请再导入一次并更换模板 ID。"),
        N_("使用卡片需要 Card.Instance.Write 权限。"),
    ),
    checks=("card",),
)
