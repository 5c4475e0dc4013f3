"""The setup wizard of a self-built application (企业自建应用) as data: Feishu's console step by step, in its own words.

The texts are catalogue ids. Names of fields are keys of an integration's settings or, for secrets, of its secrets;
names of values are keys of its generated addresses.
https://open.feishu.cn/document/client-docs/h5/development-guide/step1 and best-practices/intro-to-custom-app-review
"""

from __future__ import annotations

from platforms.feishu.console import APP_PATH, RELEASE, drawn
from platforms.feishu.setup_configuration import (
    CARD_CALLBACK,
    ENABLE_ABILITIES,
    EVENT_SUBSCRIPTION,
    GRANT_PERMISSIONS,
    HOME_PAGE,
    REDIRECT_URL,
)
from platforms.feishu.setup_creation import CALLBACK_KEYS, CREATE_APP, CREDENTIALS
from platforms.setup import DrawnField, SetupCheck, SetupGuide, SetupMode, SetupStep, trying
from texts import N_

RELEASE_APP = SetupStep(
    key="release",
    title=N_("发布与审核"),
    where=(N_("应用发布"), RELEASE),
    console_path=f"{APP_PATH}/version",
    instructions=(
        N_("进入 版本管理与发布 页面，点击「创建版本」，填写版本号和更新说明。"),
        N_("设置「可用范围」，推荐「所有员工」（也写作全部成员），点击「保存」，再点击「申请线上发布」。"),
        N_("请企业管理员在 飞书管理后台 → 工作台 → 应用审核 中通过。"),
        N_("发布后，前往 飞书 > 工作台 > 搜索应用名称 > 打开应用，完成一次登录，本系统就会看到。"),
    ),
    drawing=drawn(
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
    guide=SetupGuide(
        N_("应用发布与使用"), "https://open.feishu.cn/document/uYjL24iN/uMTMuMTMuMTM/development-guide/step-4"
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

TRY_IT = trying((N_("飞书客户端"), N_("工作台")), N_("点击「发送测试卡片」，您会在飞书中收到一张测试卡片。"))

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
    ),
    SetupCheck("bot", N_("机器人"), N_("发布版本并通过审核后，系统会读取机器人的状态"), "release", active=True),
    SetupCheck("home_page", N_("首次打开应用"), N_("等待第一位成员从工作台打开应用"), "release"),
    SetupCheck(
        "groups",
        N_("群列表"),
        N_("等待机器人被添加到第一个群"),
        "groups",
        active=True,
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
