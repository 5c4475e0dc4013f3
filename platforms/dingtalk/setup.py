"""The setup wizard of an internal application (企业内部应用) as data: the console step by step, in DingTalk's words.

The texts are catalogue ids. Names of fields are keys of an integration's settings or, for secrets, of its secrets;
names of values are keys of its generated addresses. https://open.dingtalk.com/document/dingstart/create-application
"""

from __future__ import annotations

from platforms.dingtalk.console import APPS_PATH, COOL_APP, RELEASE, RELEASES, ROBOT, drawn
from platforms.dingtalk.setup_configuration import (
    CARD_TEMPLATE,
    COOL_APP_STEP,
    EVENT_TYPES,
    EVENT_URL,
    PERMISSIONS_STEP,
    ROBOT_STEP,
    SECURITY_STEP,
    WEB_APP_STEP,
)
from platforms.dingtalk.setup_creation import ADDRESSES, CORP_ID, CREATE_APP, CREDENTIALS, EVENT_KEYS
from platforms.setup import DrawnField, SetupCheck, SetupMode, SetupStep, trying
from texts import N_

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
    drawing=drawn(
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
        N_("手机端：通过 钉钉 > 工作台 > 搜索应用名称 > 打开应用 使用网页应用。"),
        N_("PC 端：同样通过 钉钉 > 工作台 > 搜索应用名称 > 打开应用。"),
        N_("首次访问需要登录并关联（钉钉与本系统的）账号，后续可以免登录使用。"),
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

TRY_IT = trying((N_("钉钉客户端"),), N_("点击「发送测试卡片」，您会在钉钉中收到机器人发来的一张测试卡片。"))

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
        depends_on="card_template_id",
    ),
    SetupCheck("home_page", N_("应用首页"), N_("等待有人从工作台打开应用"), "open_app"),
    SetupCheck("groups", N_("群聊"), N_("等待有人在群聊中安装酷应用"), "install"),
    SetupCheck("message", N_("测试消息"), N_("等待发送测试卡片"), "try_it"),
    SetupCheck(
        "press",
        N_("卡片按钮"),
        N_("等待有人点击测试卡片上的按钮"),
        "card_template",
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
