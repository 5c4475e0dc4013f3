"""The setup wizard of a self-built application (企业自建应用) as data: WeCom's console step by step, in its own words.

The texts are catalogue ids. Names of fields are keys of an integration's settings or, for secrets, of its secrets;
names of values are keys of its generated addresses. https://developer.work.weixin.qq.com/document/path/90665
"""

from __future__ import annotations

from platforms.setup import (
    APP_ICON,
    Drawing,
    DrawnField,
    SetupCheck,
    SetupField,
    SetupGuide,
    SetupMode,
    SetupStep,
    SetupValue,
    trying,
)
from texts import N_

APPS_PATH = "/wework_admin/frame#apps"
COMPANY_PATH = "/wework_admin/frame#profile"
MENU = (
    N_("首页"),
    N_("通讯录"),
    N_("协作"),
    N_("应用管理"),
    N_("客户与上下游"),
    N_("管理工具"),
    N_("我的企业"),
)
APPS = N_("应用管理")
APP = N_("应用")
YOUR_APP = N_("您的应用")
COMPANY = N_("我的企业")

LIKE_CORP_ID = (r"^w[wx][0-9A-Za-z]{16}$", N_("这看起来像企业 ID（Corp ID）。"))
LIKE_AGENT_ID = (r"^[1-9][0-9]{5,9}$", N_("这看起来像 AgentId。"))
LIKE_SECRET = (r"^(?=.*[_-])[0-9A-Za-z_-]{43}$", N_("这看起来像 Secret。"))
LIKE_LONG_KEY = (r"^[0-9A-Za-z_-]{43}$", N_("这看起来像 Secret 或 EncodingAESKey。"))
LIKE_AES_KEY = (r"^[0-9A-Za-z]{43}$", N_("这看起来像 EncodingAESKey。"))
LIKE_TOKEN = (r"^[0-9A-Za-z]{6,32}$", N_("这看起来像 Token。"))
LIKE_ADDRESS = (r"^https?://", N_("这看起来像一个网址，请去掉 https:// 和后面的路径，只填写域名。"))
LIKE_IP = (r"^\d{1,3}(\.\d{1,3}){3}(:\d+)?$", N_("可信域名不能是 IP 地址。"))
LIKE_PATH = (r"^https?://[^/]+/.+", N_("Endpoint 只包含协议、主机和端口，请去掉后面的路径。"))
LIKE_FILE_NAME = (r"^WW_verify_", N_("这看起来像文件名，请填写文件里的内容。"))


def _on_app_page(title: str, *fields: DrawnField) -> Drawing:
    return Drawing(title, MENU, APPS, fields)


CREATE_APP = SetupStep(
    key="create_app",
    title=N_("创建应用"),
    where=(APPS, APP),
    console_path=APPS_PATH,
    instructions=(
        N_("访问企业微信管理后台，进入 应用管理 → 应用 页面。"),
        N_("在「自建」一栏中点击「创建应用」。"),
    ),
    drawing=_on_app_page(APP, DrawnField(N_("自建"), button=N_("创建应用"), highlighted=True)),
)

APP_PROFILE = SetupStep(
    key="app_profile",
    title=N_("配置应用 Logo、名称和可见范围"),
    where=(APPS, APP, N_("创建应用")),
    console_path=APPS_PATH,
    instructions=(
        N_("上传应用 Logo（可使用下面的图标），填写应用名称，例如「值班铃」。"),
        N_("设置应用可见范围，推荐选择全员或具体部门，以免新增成员时还要修改。"),
        N_("点击「创建应用」。"),
    ),
    drawing=_on_app_page(
        N_("创建应用"),
        DrawnField(N_("应用 Logo"), button=N_("上传图片")),
        DrawnField(N_("应用名称"), N_("值班铃"), highlighted=True),
        DrawnField(N_("应用介绍")),
        DrawnField(N_("可见范围"), button=N_("选择部门 / 成员"), highlighted=True),
        DrawnField("", button=N_("创建应用")),
    ),
    cautions=(N_("不在可见范围内的成员收不到消息，也打不开应用；作战室要求可见范围为根部门（全员）。"),),
    pictures=(APP_ICON,),
    checks=("visible_range",),
)

DEPLOYMENT = SetupStep(
    key="deployment",
    title=N_("选择是否为非私有化部署版本"),
    where=(),
    console_path="",
    instructions=(
        N_("绝大多数企业使用的是非私有化部署版本，保持默认即可。"),
        N_("若您的企业微信为私有化部署版本，请填写 Endpoint。该地址需要能够被本系统访问，可以为本系统设置白名单授权。"),
    ),
    fields=(
        SetupField(
            name="is_private",
            label=N_("非私有化部署版本"),
            kind="bool",
            required=False,
            choices=(("", N_("是")), ("1", N_("否，企业微信部署在自己的服务器上"))),
            asks_again=("secret",),
        ),
        SetupField(
            name="endpoint",
            label=N_("Endpoint"),
            help=N_("私有化部署的企业微信的地址：协议、主机和端口，不带路径。"),
            kind="url",
            pattern=r"^https?://[0-9A-Za-z.\-]+(:[0-9]{1,5})?/?$",
            wrong=N_("Endpoint 应形如 https://wwlocal.example.com:8443"),
            placeholder="https://wwlocal.example.com:8443",
            suspects=(LIKE_PATH, LIKE_CORP_ID),
            depends_on="is_private",
            asks_again=("secret",),
        ),
    ),
    values=(
        SetupValue(
            "egress_ips",
            N_("本系统的出口 IP"),
            N_("私有化部署请把这些 IP 加入访问白名单（IP 安全策略）。"),
        ),
    ),
    cautions=(N_("Endpoint 须由运维人员预先加入允许列表（ENDPOINT_ALLOWLIST）。"),),
    checks=("endpoint",),
)

CORP_ID = SetupStep(
    key="corp_id",
    title=N_("填写企业 ID"),
    where=(COMPANY, N_("企业信息")),
    console_path=COMPANY_PATH,
    instructions=(
        N_("访问企业微信管理后台，进入 我的企业 页面。"),
        N_("在「企业信息」最下方复制「企业 ID」，粘贴到这里。"),
    ),
    drawing=Drawing(
        N_("企业信息"),
        MENU,
        COMPANY,
        (
            DrawnField(N_("企业简称"), N_("示例企业")),
            DrawnField(N_("企业规模"), "1-50"),
            DrawnField(N_("企业 ID"), "ww1234567890abcdef", highlighted=True),
        ),
    ),
    fields=(
        SetupField(
            name="corp_id",
            label=N_("企业 ID"),
            help=N_("以 ww 开头，共 18 位。"),
            pattern=r"^w[wx][0-9A-Za-z]{16}$",
            wrong=N_("企业 ID 应以 ww（或 wx）开头，共 18 位"),
            placeholder="ww1234567890abcdef",
            suspects=(LIKE_AGENT_ID, LIKE_LONG_KEY),
        ),
    ),
)

AGENT_ID = SetupStep(
    key="agent_id",
    title=N_("填写 AgentId"),
    where=(APPS, YOUR_APP),
    console_path=APPS_PATH,
    instructions=(
        N_("访问企业微信管理后台，进入 应用管理 → 您的应用 页面。"),
        N_("复制页面上方的「AgentId」，粘贴到这里。"),
    ),
    drawing=_on_app_page(
        YOUR_APP,
        DrawnField("AgentId", "1000002", highlighted=True),
        DrawnField("Secret", button=N_("查看")),
        DrawnField(N_("可见范围"), N_("示例企业")),
    ),
    fields=(
        SetupField(
            name="agent_id",
            label="AgentId",
            pattern=r"^[1-9][0-9]{0,9}$",
            wrong=N_("AgentId 应为一串数字，例如 1000002"),
            placeholder="1000002",
            suspects=(LIKE_CORP_ID, LIKE_LONG_KEY),
        ),
    ),
)

SECRET = SetupStep(
    key="secret",
    title=N_("填写 Secret"),
    where=(APPS, YOUR_APP),
    console_path=APPS_PATH,
    instructions=(
        N_("访问企业微信管理后台，进入 应用管理 → 您的应用 页面。"),
        N_("点击「Secret」旁的「查看」，企业微信会把它发送到您的企业微信客户端。"),
        N_("在客户端中复制 Secret，粘贴到这里。"),
    ),
    drawing=_on_app_page(
        YOUR_APP,
        DrawnField("AgentId", "1000002"),
        DrawnField("Secret", button=N_("查看"), highlighted=True),
        DrawnField(N_("可见范围"), N_("示例企业")),
    ),
    fields=(
        SetupField(
            name="secret",
            label="Secret",
            help=N_("保存后不再显示，只能更换。"),
            kind="secret",
            pattern=r"^[0-9A-Za-z_-]{32,64}$",
            wrong=N_("Secret 应为 43 位字母、数字、下划线或短横线"),
            suspects=(LIKE_CORP_ID, LIKE_AGENT_ID, LIKE_TOKEN),
        ),
    ),
    cautions=(N_("重新获取 Secret 会使旧的 Secret 立即失效，请记得在这里更换。"),),
    checks=("credentials",),
)

TRUSTED_DOMAIN = SetupStep(
    key="trusted_domain",
    title=N_("设置可信域名"),
    where=(APPS, YOUR_APP, N_("网页授权及 JS-SDK")),
    console_path=APPS_PATH,
    instructions=(
        N_("进入 应用管理 → 您的应用 → 网页授权及 JS-SDK 页面，点击「设置可信域名」。"),
        N_("把下面的域名填入「可作为应用 OAuth 2.0 网页授权功能的回调域名」。"),
        N_("点击「申请校验域名」，下载归属校验文件，把文件名和文件内容粘贴到这里并保存，本系统会提供该文件。"),
        N_("返回企业微信管理后台，勾选「已上传域名归属校验文件」，点击「确定」。"),
    ),
    drawing=_on_app_page(
        N_("设置可信域名"),
        DrawnField(N_("可作为应用 OAuth 2.0 网页授权功能的回调域名"), "oncall.example.com", highlighted=True),
        DrawnField(N_("可调用 JS-SDK、跳转小程序的可信域名"), "oncall.example.com"),
        DrawnField(N_("申请校验域名"), "WW_verify_AbCdEfGh01234567.txt", button=N_("下载文件"), highlighted=True),
        DrawnField("", button=N_("确定")),
    ),
    fields=(
        SetupField(
            name="trusted_domain",
            label=N_("可信域名"),
            help=N_("不带 https://，有端口时包含端口；必须与企业微信后台填写的完全一致。"),
            kind="domain",
            pattern=r"^[0-9A-Za-z]([0-9A-Za-z-]*[0-9A-Za-z])?(\.[0-9A-Za-z]([0-9A-Za-z-]*[0-9A-Za-z])?)*(:[0-9]{1,5})?$",
            wrong=N_("请只填写域名（和端口），例如 oncall.example.com"),
            placeholder="oncall.example.com",
            suspects=(LIKE_ADDRESS, LIKE_IP),
        ),
        SetupField(
            name="ownership_file_name",
            label=N_("归属校验文件名"),
            pattern=r"^WW_verify_[0-9A-Za-z]{16}\.txt$",
            wrong=N_("文件名应形如 WW_verify_XXXXXXXXXXXXXXXX.txt"),
            required=False,
            placeholder="WW_verify_AbCdEfGh01234567.txt",
        ),
        SetupField(
            name="ownership_file_content",
            label=N_("归属校验文件内容"),
            help=N_("用记事本打开下载的文件，复制其中的全部内容。"),
            pattern=r"^[\x21-\x7e]{1,200}$",
            wrong=N_("文件内容应为一行字母和数字"),
            required=False,
            suspects=(LIKE_FILE_NAME,),
        ),
    ),
    values=(
        SetupValue("trusted_domain", N_("本系统的域名"), N_("可信域名需要指向本系统（可通过 CNAME 或代理转发实现）。")),
        SetupValue("ownership_file_url", N_("归属校验文件地址"), N_("保存文件名和内容后，可从公网访问该地址。")),
    ),
    cautions=(
        N_("域名需要完成备案，且备案主体与企业主体一致或有关联；不能使用 IP、短链接域名或通配符。"),
        N_("每个企业每月最多设置 20 次可信域名。"),
    ),
    guide=SetupGuide(
        N_("企业内部开发配置域名指引"),
        "https://open.work.weixin.qq.com/wwopen/common/readDocument/40754",
    ),
    checks=("domain",),
)

CALLBACK_KEYS = SetupStep(
    key="callback_keys",
    title=N_("获取 Token 和 EncodingAESKey"),
    where=(APPS, YOUR_APP, N_("接收消息"), N_("设置 API 接收")),
    console_path=APPS_PATH,
    instructions=(
        N_("进入 应用管理 → 您的应用 → 接收消息 页面，点击「设置 API 接收」。"),
        N_("分别对「Token」和「EncodingAESKey」点击「随机获取」。"),
        N_("复制生成的 Token 和 EncodingAESKey，粘贴到这里，点击「保存」完成集成。"),
    ),
    drawing=_on_app_page(
        N_("API 接收消息"),
        DrawnField("URL"),
        DrawnField("Token", "Q8kXfG2mZ7", button=N_("随机获取"), highlighted=True),
        DrawnField("EncodingAESKey", "••••••••••••", button=N_("随机获取"), highlighted=True),
        DrawnField("", button=N_("保存")),
    ),
    fields=(
        SetupField(
            name="token",
            label="Token",
            kind="secret",
            pattern=r"^[0-9A-Za-z]{1,32}$",
            wrong=N_("Token 应为不超过 32 位的字母或数字"),
            suspects=(LIKE_CORP_ID, LIKE_SECRET, LIKE_AES_KEY),
        ),
        SetupField(
            name="encoding_aes_key",
            label="EncodingAESKey",
            kind="secret",
            pattern=r"^[0-9A-Za-z]{43}$",
            wrong=N_("EncodingAESKey 应为 43 个字母或数字"),
            suspects=(LIKE_CORP_ID, LIKE_SECRET, LIKE_TOKEN),
        ),
    ),
    cautions=(N_("此时先不要在企业微信后台点击「保存」，也不要关闭该页面：下一步还要填入回调地址。"),),
)

CALLBACK_URL = SetupStep(
    key="callback_url",
    title=N_("填写回调地址"),
    where=(APPS, YOUR_APP, N_("接收消息"), N_("设置 API 接收")),
    console_path=APPS_PATH,
    instructions=(
        N_("复制下面的回调地址。"),
        N_("返回 应用管理 → 您的应用 → 接收消息 → 设置 API 接收 页面，在「URL」中填入该回调地址。"),
        N_("确认 Token 和 EncodingAESKey 与上一步保存的一致，点击「保存」。"),
    ),
    drawing=_on_app_page(
        N_("API 接收消息"),
        DrawnField("URL", "https://oncall.example.com/callback/wecom/…", highlighted=True),
        DrawnField("Token", "Q8kXfG2mZ7"),
        DrawnField("EncodingAESKey", "••••••••••••"),
        DrawnField("", button=N_("保存"), highlighted=True),
    ),
    values=(SetupValue("callback_url", N_("回调地址"), N_("需要能从公网访问，企业微信会立即校验它。")),),
    cautions=(N_("没有回调地址的应用不能发送带按钮的卡片。"),),
    checks=("callback",),
)

TRUSTED_IP = SetupStep(
    key="trusted_ip",
    title=N_("配置企业可信IP"),
    where=(APPS, YOUR_APP, N_("企业可信IP")),
    console_path=APPS_PATH,
    instructions=(
        N_("进入 应用管理 → 您的应用 页面，在页面下方找到「企业可信IP」，点击「配置」。"),
        N_("填入下面的出口 IP，多个 IP 用 ; 分隔，点击「确定」。"),
        N_("约 1 分钟后生效，再点击「重新检查」。"),
    ),
    drawing=_on_app_page(
        N_("企业可信IP"),
        DrawnField(N_("企业可信IP"), "203.0.113.7", button=N_("配置"), highlighted=True),
        DrawnField("", button=N_("确定")),
    ),
    values=(
        SetupValue(
            "egress_ips",
            N_("服务器出口 IP"),
            N_("若检查失败，请以失败信息中企业微信看到的 IP 为准。"),
        ),
    ),
    cautions=(N_("配置企业可信IP 前，须先设置可信域名或接收消息服务器 URL。"),),
    checks=("trusted_ip",),
)

HOME_PAGE = SetupStep(
    key="home_page",
    title=N_("设置应用主页"),
    where=(APPS, YOUR_APP, N_("应用主页")),
    console_path=APPS_PATH,
    instructions=(
        N_("进入 应用管理 → 您的应用 页面，点击「应用主页」的「设置应用主页」。"),
        N_("选择「网页」，填入下面的应用主页地址，点击「确定」。"),
        N_("在企业微信客户端的「工作台」中打开该应用一次，本系统就会看到。"),
    ),
    drawing=_on_app_page(
        N_("应用主页"),
        DrawnField(N_("网页"), "https://oncall.example.com/h5/wecom/…", highlighted=True),
        DrawnField("", button=N_("确定")),
    ),
    values=(SetupValue("home_url", N_("应用主页地址"), qr=True),),
    checks=("home_page",),
)

TRY_IT = trying((N_("企业微信客户端"), N_("工作台")), N_("点击「发送测试卡片」，您会在企业微信中收到一张测试卡片。"))

CHECKS = (
    SetupCheck(
        "credentials",
        N_("应用凭证"),
        N_("填写企业 ID、AgentId 和 Secret 后，系统会真实获取一次访问令牌"),
        "secret",
        active=True,
    ),
    SetupCheck(
        "endpoint",
        N_("Endpoint 可访问"),
        N_("填写 Endpoint 和应用凭证后，系统会真实访问该地址"),
        "deployment",
        active=True,
        depends_on="is_private",
    ),
    SetupCheck(
        "domain",
        N_("可信域名"),
        N_("等待企业微信读取归属校验文件：在企业微信后台点击「确定」后会立即看到"),
        "trusted_domain",
        active=True,
    ),
    SetupCheck(
        "callback",
        N_("回调地址"),
        N_("等待企业微信校验回调地址：在企业微信后台点击「保存」后会立即收到"),
        "callback_url",
    ),
    SetupCheck(
        "trusted_ip",
        N_("企业可信IP"),
        N_("在企业微信后台加入出口 IP 约 1 分钟后，系统会真实调用一次接口"),
        "trusted_ip",
        active=True,
    ),
    SetupCheck(
        "visible_range",
        N_("可见范围"),
        N_("凭证与企业可信IP 就绪后，系统会读取应用的可见范围"),
        "app_profile",
        active=True,
    ),
    SetupCheck("home_page", N_("应用主页"), N_("等待有人从工作台打开应用"), "home_page"),
    SetupCheck("message", N_("测试消息"), N_("等待发送测试卡片"), "try_it"),
    SetupCheck("press", N_("卡片按钮"), N_("等待有人点击测试卡片上的按钮"), "callback_url"),
)

SELF_BUILT = SetupMode(
    slug="self_built",
    label=N_("企业自建应用"),
    steps=(
        CREATE_APP,
        APP_PROFILE,
        DEPLOYMENT,
        CORP_ID,
        AGENT_ID,
        SECRET,
        TRUSTED_DOMAIN,
        CALLBACK_KEYS,
        CALLBACK_URL,
        TRUSTED_IP,
        HOME_PAGE,
        TRY_IT,
    ),
    checks=CHECKS,
)
