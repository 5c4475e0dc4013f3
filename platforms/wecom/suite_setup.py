"""How whoever runs this installation enters what it is to WeCom as a provider (服务商): a short wizard as data.

https://developer.work.weixin.qq.com/document/path/90597
"""

from __future__ import annotations

from platforms.setup import SetupCheck, SetupField, SetupMode, SetupStep, SetupValue
from platforms.wecom.setup import LIKE_AES_KEY, LIKE_CORP_ID, LIKE_SECRET
from texts import N_

PROVIDER_INFO = N_("服务商信息")
APP_DETAIL = N_("应用详情")

PROVIDER = SetupStep(
    key="provider",
    title=N_("服务商凭证"),
    where=(PROVIDER_INFO, N_("基本信息")),
    console_path="",
    instructions=(
        N_("访问企业微信服务商管理后台，进入 服务商信息 → 基本信息，复制企业 ID 和 ProviderSecret。"),
        N_("在同一页面的「IP白名单」中加入下面的出口 IP。"),
    ),
    fields=(
        SetupField(
            name="provider_corp_id",
            label=N_("服务商企业 ID"),
            pattern=r"^w[wx][0-9A-Za-z]{16}$",
            wrong=N_("企业 ID 应以 ww（或 wx）开头，共 18 位"),
            placeholder="ww1234567890abcdef",
            suspects=(LIKE_SECRET,),
        ),
        SetupField(
            name="provider_secret",
            label="ProviderSecret",
            kind="secret",
            pattern=r"^[0-9A-Za-z_-]{16,512}$",
            wrong=N_("ProviderSecret 只包含字母、数字、下划线和短横线"),
            suspects=(LIKE_CORP_ID,),
        ),
    ),
    values=(SetupValue("egress_ips", N_("服务器出口 IP"), N_("未加入白名单时，企业微信会拒绝调用（60020）。")),),
    checks=("provider_token",),
)

APPLICATION = SetupStep(
    key="application",
    title=N_("第三方应用"),
    where=(N_("应用管理"), APP_DETAIL),
    console_path="",
    instructions=(N_("进入 应用管理 → 应用详情，复制 SuiteID 和 Secret，并填写应用的名称。"),),
    fields=(
        SetupField(
            name="app_name",
            label=N_("应用名称"),
            help=N_("各企业的管理员在企业微信中按它搜索应用。"),
            pattern=r"^.{1,32}$",
            wrong=N_("请填写 1 到 32 个字符"),
            placeholder="Dutybell",
        ),
        SetupField(
            name="suite_id",
            label="SuiteID",
            pattern=r"^(ww|wx|tj|dk)[0-9A-Za-z]{16}$",
            wrong=N_("SuiteID 应以 ww 开头，共 18 位"),
            placeholder="ww1234567890abcdef",
            suspects=(LIKE_SECRET,),
        ),
        SetupField(
            name="suite_secret",
            label="Secret",
            kind="secret",
            pattern=r"^[0-9A-Za-z_-]{16,512}$",
            wrong=N_("Secret 只包含字母、数字、下划线和短横线"),
            suspects=(LIKE_CORP_ID,),
        ),
    ),
)

CALLBACKS = SetupStep(
    key="callbacks",
    title=N_("回调配置"),
    where=(N_("应用管理"), APP_DETAIL, N_("回调配置")),
    console_path="",
    instructions=(
        N_("在「回调配置」中随机获取 Token 和 EncodingAESKey，先粘贴到这里并保存。"),
        N_("再把下面两个地址填入「数据回调URL」和「指令回调URL」，点击「保存」。"),
        N_("企业微信会立即校验两个地址，并在 10 分钟内推送 suite_ticket；也可以在后台手动推送一次。"),
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
            suspects=(LIKE_CORP_ID,),
        ),
    ),
    values=(
        SetupValue("data_url", N_("数据回调URL")),
        SetupValue(
            "command_url",
            N_("指令回调URL"),
            N_(
                "安装、取消授权和 suite_ticket 都推送到这里。通用开发参数中的「系统事件接收URL」也填它，"
                "用同样的 Token 和 EncodingAESKey，许可变化才能立即生效。"
            ),
        ),
    ),
    checks=("data", "command", "ticket", "suite_token"),
)

PAGES = SetupStep(
    key="pages",
    title=N_("应用主页与域名"),
    where=(N_("应用管理"), APP_DETAIL),
    console_path="",
    instructions=(
        N_("把下面的地址填入「应用主页」。"),
        N_("把下面的域名填入「可信域名」和「安装完成回调域名」。"),
    ),
    values=(
        SetupValue("home_url", N_("应用主页地址")),
        SetupValue("trusted_domain", N_("本系统的域名")),
    ),
)

CHECKS = (
    SetupCheck("provider_token", N_("服务商凭证"), N_("保存后系统会真实获取一次服务商令牌"), "provider", active=True),
    SetupCheck("data", N_("数据回调URL"), N_("等待企业微信校验：在服务商后台点击「保存」后会立即收到"), "callbacks"),
    SetupCheck("command", N_("指令回调URL"), N_("等待企业微信校验：在服务商后台点击「保存」后会立即收到"), "callbacks"),
    SetupCheck("ticket", "suite_ticket", N_("等待企业微信推送，每 10 分钟一次，也可以在后台手动推送"), "callbacks"),
    SetupCheck(
        "suite_token", N_("应用凭证"), N_("收到 suite_ticket 后，系统会真实获取一次应用令牌"), "callbacks", active=True
    ),
)

SUITE = SetupMode(
    slug="provider",
    label=N_("企业微信服务商"),
    steps=(PROVIDER, APPLICATION, CALLBACKS, PAGES),
    checks=CHECKS,
)
