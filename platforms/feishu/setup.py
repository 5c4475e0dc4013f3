"""The setup wizard of a self-built application (企业自建应用) as data: Feishu's console step by step, in its own words.

The texts are catalogue ids. Names of fields are keys of an integration's settings or, for secrets, of its secrets;
names of values are keys of its generated addresses.
https://open.feishu.cn/document/client-docs/h5/development-guide/step1 and best-practices/intro-to-custom-app-review
"""

from __future__ import annotations

from platforms.feishu.settings import FEISHU, LARK
from platforms.setup import Drawing, DrawnField, SetupCheck, SetupCode, SetupField, SetupMode, SetupStep, SetupValue
from texts import N_

APPS_PATH = "/app"
APP_PATH = "/app/{app_id}"
BASICS = N_("凭证与基础信息")
ADD_ABILITIES = N_("添加应用能力")
WEB_APP = N_("网页应用")
BOT = N_("机器人")
PERMISSIONS = N_("权限管理")
EVENTS = N_("事件与回调")
SECURITY = N_("安全设置")
RELEASE = N_("版本管理与发布")
SETTINGS = N_("开发配置")
ABILITIES = N_("应用能力")
MENU = (BASICS, ADD_ABILITIES, WEB_APP, BOT, PERMISSIONS, EVENTS, SECURITY, RELEASE)

LIKE_APP_ID = (r"^cli_[0-9A-Za-z]{8,60}$", N_("这看起来像 App ID。"))
LIKE_CORP_ID = (r"^(w[wx]|ding)[0-9a-z]{16,40}$", N_("这看起来像其他平台的企业 ID。"))
LIKE_SECRET = (r"^[0-9A-Za-z]{32}$", N_("这看起来像 App Secret 或 Verification Token。"))
LIKE_OPEN_ID = (r"^o[unc]_[0-9a-z]{8,64}$", N_("这看起来像成员或群的 ID。"))
LIKE_ADDRESS = (r"^https?://", N_("这看起来像一个网址。"))


def _on_app_page(title: str, active: str, *fields: DrawnField) -> Drawing:
    return Drawing(title, MENU, active, fields)


CREATE_APP = SetupStep(
    key="create_app",
    title=N_("创建自建应用"),
    where=(N_("飞书开发者后台"), N_("企业自建应用")),
    console_path=APPS_PATH,
    instructions=(
        N_("选择使用的是飞书还是 Lark，然后打开对应的开发者后台。"),
        N_("点击「创建企业自建应用」，填写应用名称（例如「值班铃」）和描述，上传应用图标，点击「创建」。"),
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
    drawing=_on_app_page(
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
    drawing=_on_app_page(
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

ENABLE_ABILITIES = SetupStep(
    key="abilities",
    title=N_("开通网页应用和机器人能力"),
    where=(ADD_ABILITIES, N_("按能力添加")),
    console_path=f"{APP_PATH}/capability",
    instructions=(
        N_("回到飞书开发者后台，进入 添加应用能力 → 按能力添加 页面。"),
        N_("分别点击「网页应用」和「机器人」的「添加」，同时开通两项能力。"),
    ),
    drawing=_on_app_page(
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
    drawing=_on_app_page(
        WEB_APP,
        WEB_APP,
        DrawnField(N_("桌面端主页"), "https://oncall.example.com/h5/feishu/…", highlighted=True),
        DrawnField(N_("移动端主页"), "https://oncall.example.com/h5/feishu/…", highlighted=True),
    ),
    values=(SetupValue("home_url", N_("网页配置"), N_("桌面端主页和移动端主页填写同一个地址。"), qr=True),),
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
    drawing=_on_app_page(
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
    drawing=_on_app_page(
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
        SetupCode("contact:contact.base:readonly", N_("通讯录同步：读取部门与用户"), required=False),
        SetupCode("contact:user.base:readonly", N_("通讯录同步：用户姓名"), required=False),
        SetupCode("contact:department.base:readonly", N_("通讯录同步：部门名称"), required=False),
        SetupCode("contact:department.organize:readonly", N_("通讯录同步：部门层级"), required=False),
    ),
    drawing=_on_app_page(
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
    drawing=_on_app_page(
        N_("事件配置"),
        EVENTS,
        DrawnField(N_("请求地址"), "https://oncall.example.com/callback/feishu/…/event", highlighted=True),
        DrawnField(N_("已添加事件"), N_("机器人进群"), button=N_("添加事件"), highlighted=True),
    ),
    values=(SetupValue("event_url", N_("事件请求地址"), N_("需要能从公网访问，飞书会立即校验它。")),),
    cautions=(N_("可以跳过：不订阅时，群列表在打开分派策略页面时刷新。"),),
    checks=("callback_event",),
)

RELEASE_APP = SetupStep(
    key="release",
    title=N_("发布与审核"),
    where=(N_("应用发布"), RELEASE),
    console_path=f"{APP_PATH}/version",
    instructions=(
        N_("进入 版本管理与发布 页面，点击「创建版本」，填写版本号和更新说明。"),
        N_("设置「可用范围」，推荐「所有员工」（也写作全部成员），点击「保存」，再点击「申请线上发布」。"),
        N_("请企业管理员在 飞书管理后台 → 工作台 → 应用审核 中通过。"),
        N_("发布后，前往 飞书 → 工作台 → 搜索应用名称 → 打开应用，完成一次登录，本系统就会看到。"),
    ),
    drawing=_on_app_page(
        N_("创建版本"),
        RELEASE,
        DrawnField(N_("应用版本号"), "1.0.0"),
        DrawnField(N_("可用范围"), N_("全部成员"), button=N_("编辑"), highlighted=True),
        DrawnField("", button=N_("申请线上发布"), highlighted=True),
    ),
    checklist=(
        N_("已同时开通网页应用和机器人"),
        N_("已添加「卡片回传交互」回调"),
        N_("已开通 im:chat 和 im:message"),
        N_("可用范围包含所有要接收通知的成员"),
    ),
    cautions=(
        N_("不在可用范围内的成员收不到消息，也打不开应用。"),
        N_("以后每次修改应用能力、权限、事件或回调，都需要重新发布版本。"),
    ),
    checks=("bot", "home_page"),
)

ADD_TO_GROUPS = SetupStep(
    key="groups",
    title=N_("把机器人添加到群"),
    where=(N_("飞书客户端"), N_("设置"), N_("群机器人")),
    console_path="",
    instructions=(
        N_("在飞书中打开要接收通知的群，点击右上角的 ··· → 设置 → 群机器人 → 添加机器人。"),
        N_("搜索并添加本应用的机器人，然后就可以在分派策略中选择这个群。"),
    ),
    shows_groups=True,
    checks=("groups",),
)

TRY_IT = SetupStep(
    key="try_it",
    title=N_("试一下"),
    where=(N_("飞书客户端"), N_("工作台")),
    console_path="",
    instructions=(
        N_("先在工作台打开应用并登录，完成账号关联。"),
        N_("点击「发送测试卡片」，您会在飞书中收到一张测试卡片。"),
        N_("点击卡片上的按钮，本页会显示收到的操作。"),
    ),
    checks=("message", "press"),
)

CHECKS = (
    SetupCheck(
        "credentials",
        N_("应用凭证"),
        N_("填写 App ID 和 App Secret 后，系统会真实获取一次访问令牌"),
        "credentials",
        active=True,
    ),
    SetupCheck(
        "ip_allowlist",
        N_("IP 白名单"),
        N_("凭证就绪后，系统会真实调用一次接口"),
        "redirect_url",
        active=True,
    ),
    SetupCheck(
        "callback_card",
        N_("消息卡片请求网址"),
        N_("等待飞书校验消息卡片请求网址：在开发者后台点击「保存」后会立即收到"),
        "card_callback",
    ),
    SetupCheck(
        "redirect_url",
        N_("重定向 URL"),
        N_("系统会读取飞书登记的重定向 URL；应用没有读取自身信息的权限时，以首次登录成功为准"),
        "redirect_url",
        active=True,
        recommended_only=True,
    ),
    SetupCheck(
        "scopes",
        N_("应用权限"),
        N_("发布版本并通过审核后，系统会读取已开通的权限"),
        "permissions",
        active=True,
    ),
    SetupCheck(
        "callback_event",
        N_("事件请求地址"),
        N_("等待飞书校验事件请求地址：在开发者后台点击「保存」后会立即收到"),
        "event_subscription",
        recommended_only=True,
    ),
    SetupCheck("bot", N_("机器人"), N_("发布版本并通过审核后，系统会读取机器人的状态"), "release", active=True),
    SetupCheck("home_page", N_("首次打开应用"), N_("等待第一位成员从工作台打开应用"), "release"),
    SetupCheck(
        "groups",
        N_("群列表"),
        N_("等待机器人被添加到第一个群"),
        "groups",
        active=True,
        recommended_only=True,
    ),
    SetupCheck("message", N_("测试消息"), N_("等待发送测试卡片"), "try_it"),
    SetupCheck("press", N_("卡片按钮"), N_("等待有人点击测试卡片上的按钮"), "card_callback"),
)

SELF_BUILT = SetupMode(
    slug="self_built",
    label=N_("企业自建应用"),
    steps=(
        CREATE_APP,
        CREDENTIALS,
        CALLBACK_KEYS,
        ENABLE_ABILITIES,
        HOME_PAGE,
        CARD_CALLBACK,
        REDIRECT_URL,
        GRANT_PERMISSIONS,
        EVENT_SUBSCRIPTION,
        RELEASE_APP,
        ADD_TO_GROUPS,
        TRY_IT,
    ),
    checks=CHECKS,
)
