"""The setup wizard of an internal application (企业内部应用) as data: the console step by step, in DingTalk's words.

The texts are catalogue ids. Names of fields are keys of an integration's settings or, for secrets, of its secrets;
names of values are keys of its generated addresses. https://open.dingtalk.com/document/dingstart/create-application
"""

from __future__ import annotations

from platforms.dingtalk import template
from platforms.setup import (
    Drawing,
    DrawnField,
    SetupCheck,
    SetupCode,
    SetupField,
    SetupFile,
    SetupMode,
    SetupStep,
    SetupValue,
)
from texts import N_

APPS_PATH = "/fe/app"
CARDS_PATH = "/fe/card"
BASICS = N_("凭证与基础信息")
ABILITIES = N_("应用能力")
COOL_APP = N_("酷应用")
WEB_APP = N_("网页应用")
ROBOT = N_("机器人")
DEVELOPMENT = N_("开发配置")
PERMISSIONS = N_("权限管理")
SECURITY = N_("安全设置")
EVENTS = N_("事件订阅")
RELEASES = N_("版本管理与发布")
RELEASE = N_("应用发布")
MENU = (BASICS, COOL_APP, WEB_APP, ROBOT, PERMISSIONS, SECURITY, EVENTS, RELEASES)
APP_LIST = N_("企业内部应用")

LIKE_DING_ID = (r"^ding[0-9a-z]{12,40}$", N_("这看起来像 CorpId 或 ClientID。"))
LIKE_AGENT_ID = (r"^[1-9][0-9]{7,11}$", N_("这看起来像 AgentID。"))
LIKE_CLIENT_SECRET = (r"^(?=.*[_-])[0-9A-Za-z_-]{40,80}$", N_("这看起来像 ClientSecret。"))
LIKE_AES_KEY = (r"^[0-9A-Za-z]{43}$", N_("这看起来像加密 aes_key。"))
LIKE_COOL_APP = (r"^COOLAPP-", N_("这看起来像酷应用编码。"))


def _drawn(title: str, active: str, *fields: DrawnField) -> Drawing:
    return Drawing(title, MENU, active, fields)


CREATE_APP = SetupStep(
    key="create_app",
    title=N_("创建自建应用"),
    where=(N_("应用开发"), APP_LIST, N_("创建应用")),
    console_path=APPS_PATH,
    instructions=(
        N_("访问钉钉开发者后台，进入 应用开发 → 企业内部应用，点击「创建应用」。"),
        N_("填写应用名称（例如「值班铃」）和描述，上传应用图标，点击「保存」。"),
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
    drawing=_drawn(
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
        N_("分别生成「加密 aes_key」和「签名 Token」，粘贴到这里，点击「保存」完成集成。"),
    ),
    drawing=_drawn(
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

COOL_APP_STEP = SetupStep(
    key="cool_app",
    title=N_("创建酷应用"),
    where=(ABILITIES, COOL_APP, N_("创建酷应用")),
    console_path=APPS_PATH,
    instructions=(
        N_("前往 应用能力 → 添加应用能力，添加「酷应用」「网页应用」和「机器人」。"),
        N_("在 酷应用 → 酷应用列表 页面点击「创建酷应用」，选择「扩展到群会话」。"),
        N_("第一步「基础信息」：填写名称和描述，上传图标。"),
        N_(
            "第二步「功能设计」：左侧选中「群快捷入口」和「消息卡片」，桌面端和移动端访问地址都填下面的酷应用网页地址。"
        ),
        N_("跳过第三步「功能开发」，在第四步「预览发布」点击「发布」并确认。"),
        N_("回到 基础信息，复制「酷应用编码」，粘贴到这里。"),
    ),
    drawing=_drawn(
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
    cautions=(N_("$CORPID$ 与 $ENCCID$ 由钉钉替换，请原样填写，不要改动。"),),
)

ROBOT_STEP = SetupStep(
    key="robot",
    title=N_("配置机器人与消息推送"),
    where=(ABILITIES, ROBOT),
    console_path=APPS_PATH,
    instructions=(
        N_("进入 应用能力 → 机器人 页面，打开机器人配置。"),
        N_("填写名称、简介和描述，上传图标，点击「保存」；消息接收模式不用填写。"),
    ),
    drawing=_drawn(
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
    drawing=_drawn(
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
    drawing=_drawn(
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
    drawing=_drawn(
        EVENTS,
        EVENTS,
        DrawnField(N_("群会话更换群名称"), N_("已选中"), highlighted=True),
        DrawnField(N_("群内安装酷应用"), N_("已选中"), highlighted=True),
        DrawnField(N_("群内卸载酷应用"), N_("已选中"), highlighted=True),
        DrawnField(N_("群会话解散群"), N_("已选中")),
        DrawnField("", button=N_("保存"), highlighted=True),
    ),
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
    ),
    drawing=_drawn(
        PERMISSIONS,
        PERMISSIONS,
        DrawnField("qyapi_chat_manage", N_("钉钉群基础信息管理权限"), button=N_("申请权限"), highlighted=True),
        DrawnField("qyapi_robot_sendmsg", N_("企业内机器人发送消息权限"), button=N_("申请权限"), highlighted=True),
        DrawnField("Card.Instance.Write", N_("互动卡片实例写权限"), button=N_("申请权限"), highlighted=True),
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
    drawing=_drawn(
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

PUBLISH = SetupStep(
    key="publish",
    title=N_("应用发布"),
    where=(RELEASE, RELEASES),
    console_path=APPS_PATH,
    instructions=(
        N_("进入 应用发布 → 版本管理与发布，点击「创建新版本」，填写版本号和描述。"),
        N_("勾选「工作台应用」「机器人」和「酷应用」。"),
        N_("把「可见范围」调整为「全部员工」，否则其他人无法使用。"),
        N_("点击「保存」，再点击「直接发布」。"),
    ),
    drawing=_drawn(
        N_("创建新版本"),
        RELEASES,
        DrawnField(N_("版本号"), "1.0.0"),
        DrawnField(N_("工作台应用"), N_("已选中"), highlighted=True),
        DrawnField(ROBOT, N_("已选中"), highlighted=True),
        DrawnField(COOL_APP, N_("已选中"), highlighted=True),
        DrawnField(N_("可见范围"), N_("全部员工"), highlighted=True),
        DrawnField("", button=N_("直接发布")),
    ),
    checklist=(
        N_("「工作台应用」「机器人」「酷应用」都已勾选"),
        N_("可见范围是「全部员工」"),
        N_("酷应用已发布，机器人已保存"),
    ),
    cautions=(
        N_("默认只有创建者可见：可见范围之外的成员收不到消息，也打不开应用。"),
        N_("以后发布新版本时也要勾选「工作台应用」，取消勾选会使网页应用下线。"),
    ),
)

OPEN_APP = SetupStep(
    key="open_app",
    title=N_("打开应用并关联账号"),
    where=(N_("钉钉客户端"), N_("工作台")),
    console_path="",
    instructions=(
        N_("手机端：通过 钉钉 → 工作台 → 搜索应用名称 → 打开应用 使用网页应用。"),
        N_("PC 端：同样通过 钉钉 → 工作台 → 搜索应用名称 → 打开应用。"),
        N_("首次访问需要登录并关联（钉钉与本系统的）账号，以后免登录使用。"),
    ),
    checks=("home_page",),
)

INSTALL = SetupStep(
    key="install",
    title=N_("在群聊中安装酷应用"),
    where=(N_("钉钉客户端"), N_("群聊"), N_("酷应用栏")),
    console_path="",
    instructions=(
        N_("打开要接收告警的内部群，点击 酷应用栏 → 更多酷应用，找到本应用并启用。"),
        N_("本系统收到「群内安装酷应用」事件后，该群就会出现在分派策略的群聊列表中。"),
    ),
    cautions=(N_("列表仍为空时，请在群内卸载酷应用后重新安装。"),),
    checks=("groups",),
    shows_groups=True,
)

TRY_IT = SetupStep(
    key="try_it",
    title=N_("试一下"),
    where=(N_("钉钉客户端"),),
    console_path="",
    instructions=(
        N_("先在工作台打开应用并登录，完成账号关联。"),
        N_("点击「发送测试卡片」，您会在钉钉中收到机器人发来的一张测试卡片。"),
        N_("点击卡片上的按钮，本页会显示收到的操作。"),
    ),
    checks=("message", "press"),
)

CHECKS = (
    SetupCheck(
        "credentials",
        N_("应用凭证"),
        N_("填写 CorpId、ClientID 和 ClientSecret 后，系统会真实获取一次访问令牌"),
        "credentials",
        active=True,
    ),
    SetupCheck(
        "callback_event",
        N_("事件订阅请求网址"),
        N_("等待钉钉校验请求网址：在钉钉点击「保存」后会立即收到"),
        "event_url",
    ),
    SetupCheck(
        "permissions",
        N_("应用权限"),
        N_("凭证就绪后，系统会真实调用查询群聊和机器人的接口"),
        "permissions",
        active=True,
    ),
    SetupCheck(
        "egress_ip",
        N_("服务器出口 IP"),
        N_("凭证就绪后，系统会真实调用一次接口"),
        "security",
        active=True,
    ),
    SetupCheck(
        "card",
        N_("卡片模板"),
        N_("填写卡片模板 ID 后，系统会登记卡片回调地址并试建一张卡片"),
        "card_template",
        active=True,
        recommended_only=True,
        depends_on="card_template_id",
    ),
    SetupCheck("home_page", N_("应用首页"), N_("等待有人从工作台打开应用"), "open_app"),
    SetupCheck("groups", N_("群聊"), N_("等待有人在群聊中安装酷应用"), "install", recommended_only=True),
    SetupCheck("message", N_("测试消息"), N_("等待发送测试卡片"), "try_it"),
    SetupCheck(
        "press",
        N_("卡片按钮"),
        N_("等待有人点击测试卡片上的按钮"),
        "card_template",
        recommended_only=True,
        depends_on="card_template_id",
    ),
)

SELF_BUILT = SetupMode(
    slug="self_built",
    label=N_("企业自建应用"),
    steps=(
        CREATE_APP,
        CORP_ID,
        CREDENTIALS,
        EVENT_KEYS,
        ADDRESSES,
        COOL_APP_STEP,
        ROBOT_STEP,
        WEB_APP_STEP,
        EVENT_URL,
        EVENT_TYPES,
        PERMISSIONS_STEP,
        SECURITY_STEP,
        CARD_TEMPLATE,
        PUBLISH,
        OPEN_APP,
        INSTALL,
        TRY_IT,
    ),
    checks=CHECKS,
)
