"""WeCom's error codes as typed errors, each with what an administrator does about it.

https://developer.work.weixin.qq.com/document/path/90313. Only the number decides; texts may change any day.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from platforms.errors import (
    ContentRefused,
    CredentialInvalid,
    GroupGone,
    LicenceLacking,
    NotAuthorised,
    PlatformBusy,
    PlatformError,
    RateLimited,
    RecipientUnreachable,
    SignInExpired,
    UpdateCodeSpent,
)
from platforms.redaction import redacted
from texts import N_

FROM_IP = re.compile(r"from ip: ?([0-9a-fA-F.:]{2,45})")
HINT = re.compile(r",? ?hint: ?\[[^\]]{0,200}\]")
UNKNOWN_IP = "?"


class WeComError(PlatformError):
    """A code that has no class of its own: the raw answer is shown."""

    code = "wecom.error"
    message = N_("企业微信返回 %(platform_code)s：%(platform_message)s")
    hint = N_("可在企业微信开发者中心的「错误码查询工具」中查询该错误码；如需协助，请提供原始应答。")


# --- the platform itself ------------------------------------------------------------------------------------------


class Busy(PlatformBusy):
    """-1 and 6000: the same request may succeed at once."""

    code = "wecom.busy"
    message = N_("企业微信系统繁忙（%(platform_code)s）")
    hint = N_("系统会自动重试，无需处理。")


class TooFrequent(RateLimited):
    """45009. The window may be a minute, an hour or a day; a minute is the least."""

    code = "wecom.too_frequent"
    message = N_("接口调用频率超过企业微信限制（%(platform_code)s）")
    hint = N_("系统会在限制解除后自动重试；若持续出现，请检查是否有其他程序在使用错误的 Secret 反复调用。")
    waits = timedelta(seconds=60)


class DayUsedUp(TooFrequent):
    """45009 to a message: those are not counted with other calls, so it is the application's quota of the day.

    The day ends within the time in which a message is tried again, so it is not given up.
    """

    code = "wecom.day_used_up"
    message = N_("应用今日可发送的人次已用完（%(platform_code)s）")
    hint = N_(
        "企业微信规定每个应用每天最多发送 账号上限数 × 200 人次，次日 0 点恢复，系统会自动重试。"
        "若集成页面显示的今日人次远未达到，请检查是否有其他程序在使用错误的 Secret 反复调用。"
    )
    failure = "quota_exhausted"


class TooManyAtOnce(RateLimited):
    """45033: too many parallel calls of one API."""

    code = "wecom.too_many_at_once"
    message = N_("接口并发调用超过企业微信限制（%(platform_code)s）")
    hint = N_("系统会放慢发送并自动重试，无需处理。")
    waits = timedelta(seconds=2)


# --- who we are ---------------------------------------------------------------------------------------------------


class SecretInvalid(CredentialInvalid):
    """40001, 40091: the secret is wrong, was reset, or belongs to another company or a disabled application."""

    code = "wecom.secret_invalid"
    message = N_("Secret 不正确或已被重置（%(platform_code)s）")
    hint = N_(
        "请到 应用管理 → 您的应用 重新查看并复制 Secret，确认企业 ID 属于同一企业且应用已启用，再在集成配置中更换。"
    )


class CorpIdInvalid(CredentialInvalid):
    """40013, 2000002."""

    code = "wecom.corp_id_invalid"
    message = N_("企业 ID 不正确（%(platform_code)s）")
    hint = N_("请到 我的企业 → 企业信息 页面底部复制企业 ID。")


class AgentIdInvalid(CredentialInvalid):
    """40056, 41011."""

    code = "wecom.agent_id_invalid"
    message = N_("AgentId 不正确（%(platform_code)s）")
    hint = N_("请到 应用管理 → 您的应用 页面复制 AgentId，它是一个整数。")


class AgentMismatch(CredentialInvalid):
    """301002: the token belongs to another application."""

    code = "wecom.agent_mismatch"
    message = N_("AgentId 与 Secret 不属于同一个应用（%(platform_code)s）")
    hint = N_("请在同一个应用的页面上重新复制 AgentId 和 Secret。")


class TokenRejected(PlatformError):
    """40014, 42001: the access token ended early; the client fetches one new token and repeats the call once."""

    code = "wecom.token_rejected"
    message = N_("访问令牌失效（%(platform_code)s）")
    hint = N_("系统会自动更换令牌并重试，无需处理。")
    failure = "platform_busy"
    retryable = True


class IpNotTrusted(PlatformError):
    """60020, 301042. `ip`: the address that WeCom saw, which is the one to enter."""

    code = "wecom.ip_not_trusted"
    message = N_("企业微信拒绝了这台服务器的 IP %(ip)s（%(platform_code)s）")
    hint = N_("请在 应用管理 → 您的应用 → 企业可信IP 中加入它，约 1 分钟后点击「重新检查」。")
    failure = "ip_not_allowed"


class AppDisabled(PlatformError):
    """50003, 60031."""

    code = "wecom.app_disabled"
    message = N_("应用已被停用或接口被禁用（%(platform_code)s）")
    hint = N_("请到 应用管理 → 您的应用 启用该应用。")
    failure = "integration_disabled"


class ApiNotAllowed(PlatformError):
    """48002: this kind of secret may not call this API."""

    code = "wecom.api_not_allowed"
    message = N_("该应用没有调用此接口的权限（%(platform_code)s）")
    hint = N_("请确认填写的是自建应用的 Secret（通讯录同步的 Secret 不能发消息）；建群还要求可见范围为根部门。")
    failure = "permission_missing"


class PermissionWithdrawn(PlatformError):
    """48006: not used for long."""

    code = "wecom.permission_withdrawn"
    message = N_("接口权限因长期未使用被收回（%(platform_code)s）")
    hint = N_("请管理员在企业微信管理后台重新启用该应用的接口权限。")
    failure = "permission_missing"


class ContactsRestricted(PlatformError):
    """48009: the contact-sync assistant from a newer address."""

    code = "wecom.contacts_restricted"
    message = N_("通讯录同步助手不再提供成员详情（%(platform_code)s）")
    hint = N_("请改用自建应用读取成员，或仅使用成员 ID 列表。")
    failure = "permission_missing"


class CorpClosed(PlatformError):
    """301007."""

    code = "wecom.corp_closed"
    message = N_("该企业已解散或被封禁（%(platform_code)s）")
    hint = N_("请联系企业微信客服。")
    failure = "app_unauthorised"


class CreatorProtected(PlatformError):
    """301005."""

    code = "wecom.creator_protected"
    message = N_("不能删除企业创建者（%(platform_code)s）")
    hint = N_("请更换要操作的成员。")
    failure = "permission_missing"


# --- whom we reach ------------------------------------------------------------------------------------------------


class OutOfVisibleRange(RecipientUnreachable):
    """50002, 60011, 60021, 60030, 92000, and a name in `invaliduser`."""

    code = "wecom.out_of_visible_range"
    message = N_("不在应用可见范围（%(platform_code)s）")
    hint = N_("请到 应用管理 → 您的应用 → 可见范围 加入该成员或其部门，建议选择全员。")


class NobodyReached(RecipientUnreachable):
    """81013: every receiver is unknown, outside the range, or has no licence."""

    code = "wecom.nobody_reached"
    message = N_("接收人不在应用可见范围、已离职或没有接口许可（%(platform_code)s）")
    hint = N_("请检查应用的可见范围；若该成员已离职，请解除其账号关联。")


class MemberGone(RecipientUnreachable):
    """40003, 60111, 46004: no such member."""

    code = "wecom.member_gone"
    message = N_("企业微信中没有该成员（%(platform_code)s）")
    hint = N_("该成员可能已离职或账号已变更，请解除关联后由本人从工作台重新关联。")


class LicenceMissing(LicenceLacking):
    """701008, 701016, 701099, other codes from 701000 on, and a name in `unlicenseduser`."""

    code = "wecom.licence_missing"
    message = N_("未开通企微许可（%(platform_code)s）")
    hint = N_(
        "请联系应用的服务商（本系统的运维方）为该成员购买并激活企业微信接口调用许可；改用企业自建应用则不需要许可。"
    )


class LicenceOrder(PlatformError):
    """701017, 701030, 701071, 701082: rules of buying and handing on licences."""

    code = "wecom.licence_order"
    message = N_("企微许可操作不符合规则（%(platform_code)s）")
    hint = N_("许可 30 天内只能转移一次，剩余 20 天内才能续期，累计不超过 5 年；自动激活要求曾经购买过许可。")
    failure = "wecom_license_missing"


class DepartmentGone(PlatformError):
    """60003, 60123."""

    code = "wecom.department_gone"
    message = N_("部门不存在（%(platform_code)s）")
    hint = N_("请重新同步部门后再试。")
    failure = "out_of_visible_range"


class TooManyReceivers(ContentRefused):
    """40031, 40032, 82002, 82003."""

    code = "wecom.too_many_receivers"
    message = N_("接收人、部门或标签的列表不合法或过长（%(platform_code)s）")
    hint = N_("每次最多 1000 人、100 个部门、100 个标签；请反馈原始应答。")


class ReceiverMissing(ContentRefused):
    """81012, 82001, 82101, 82102."""

    code = "wecom.receiver_missing"
    message = N_("没有指定有效的接收人（%(platform_code)s）")
    hint = N_("请反馈原始应答。")


# --- what we send -------------------------------------------------------------------------------------------------


class RequestRefused(ContentRefused):
    """40058, 40063, 40035 and their kin: a parameter is wrong. `detail`: WeCom's words before its hint."""

    code = "wecom.request_refused"
    message = N_("企业微信不接受请求参数（%(platform_code)s）：%(platform_message)s")
    hint = N_("这通常是程序或模板的问题，请反馈原始应答。")


class CallerMistake(ContentRefused):
    """41001 and other parameters that were left out."""

    code = "wecom.caller_mistake"
    message = N_("请求缺少必要参数（%(platform_code)s）：%(platform_message)s")
    hint = N_("这是程序的问题，请反馈原始应答。")


class ContentTooBig(ContentRefused):
    """44004, 45002, 82004: empty, too large or unsafe."""

    code = "wecom.content_too_big"
    message = N_("消息内容为空、过长或不安全（%(platform_code)s）")
    hint = N_("请缩短模板内容，并去掉特殊字符。")


class TaskIdTaken(ContentRefused):
    """42014: a card with this task_id was sent before (or the id is malformed)."""

    code = "wecom.task_id_taken"
    message = N_("卡片编号已被使用或不合法（%(platform_code)s）")
    hint = N_("请重新发送该通知。")


class TaskCardMistake(ContentRefused):
    """42015 to 42020: keys and applications of updatable cards."""

    code = "wecom.task_card_mistake"
    message = N_("卡片的按钮或编号不合法（%(platform_code)s）")
    hint = N_("这是程序的问题，请反馈原始应答。")


class CallbackUrlNeeded(PlatformError):
    """43012: interactive cards need an application that receives callbacks."""

    code = "wecom.callback_url_needed"
    message = N_("应用尚未配置回调地址，不能发送带按钮的卡片（%(platform_code)s）")
    hint = N_("请在 应用管理 → 您的应用 → 接收消息 → 设置API接收 中填入回调地址并保存。")
    failure = "permission_missing"


class ResponseCodeSpent(UpdateCodeSpent):
    """60140: unknown, used, or older than 72 hours."""

    code = "wecom.response_code_spent"
    message = N_("卡片更新凭据已使用或超过 72 小时（%(platform_code)s）")
    hint = N_("请在卡片上点击「状态刷新」获取一次更新机会。")


# --- addresses and sign-in ----------------------------------------------------------------------------------------


class CallbackUrlRefused(PlatformError):
    """40057, 85010, 85011: WeCom tried our callback address and it did not answer rightly."""

    code = "wecom.callback_url_refused"
    message = N_("回调地址校验失败（%(platform_code)s）")
    hint = N_("请确认回调地址可从公网访问，且两边的 Token 与 EncodingAESKey 完全一致，先在本系统保存再到后台保存。")
    failure = "permission_missing"


class RedirectNotTrusted(PlatformError):
    """50001: redirect_uri is not on the application's trusted domain, port included."""

    code = "wecom.redirect_not_trusted"
    message = N_("redirect_uri 需使用应用可信域名（%(platform_code)s）")
    hint = N_("请在 网页授权及JS-SDK → 设置可信域名 中填写与本系统地址完全一致的域名（含端口）。")
    failure = "permission_missing"


class DomainNotVerified(PlatformError):
    """40093, 42012, 80001, 85005, 85008."""

    code = "wecom.domain_not_verified"
    message = N_("可信域名未通过校验或未备案（%(platform_code)s）")
    hint = N_("请上传 WW_verify 归属校验文件，并确认域名备案主体与企业主体一致或有关联。")
    failure = "permission_missing"


class DomainRefused(PlatformError):
    """40102, 85004, 85111."""

    code = "wecom.domain_refused"
    message = N_("该域名不能用作可信域名（%(platform_code)s）")
    hint = N_("请使用企业自己的域名；域名属于服务商或应用市场应用，或本月设置超过 20 次时会被拒绝。")
    failure = "permission_missing"


class TrustedIpRefused(PlatformError):
    """85006, 85007: the list of trusted addresses."""

    code = "wecom.trusted_ip_refused"
    message = N_("企业可信IP 过多或格式不正确（%(platform_code)s）")
    hint = N_("请只填写本服务的出口 IPv4 地址，多个地址用 ; 分隔。")
    failure = "ip_not_allowed"


class LinkRefused(ContentRefused):
    """40039, 40094, 45034: an address in a message."""

    code = "wecom.link_refused"
    message = N_("消息中的链接不合法（%(platform_code)s）")
    hint = N_("链接须以 http:// 或 https:// 开头且不超过 2048 字节，请检查 PUBLIC_URL 设置。")


class CodeExpired(SignInExpired):
    """40029, 42022."""

    code = "wecom.code_expired"
    message = N_("登录链接已失效（%(platform_code)s）")
    hint = N_("请从企业微信工作台重新打开应用。")


class UserTicketInvalid(SignInExpired):
    """84014, 84015, 84090."""

    code = "wecom.user_ticket_invalid"
    message = N_("成员授权已失效（%(platform_code)s）")
    hint = N_("请重新打开应用并再次授权。")


# --- group chats --------------------------------------------------------------------------------------------------


class ChatGone(GroupGone):
    """86001, 86003, 40050, 86008: no such chat, or another application's."""

    code = "wecom.chat_gone"
    message = N_("群聊不存在，或不是本应用创建的（%(platform_code)s）")
    hint = N_("应用只能使用自己创建的群聊，请重新建立作战室。")
    failure = "chat_gone"


class ChatRefused(PlatformError):
    """Name, owner, members or number of a chat."""

    code = "wecom.chat_refused"
    message = N_("群聊的名称、群主或成员不符合要求（%(platform_code)s）")
    hint = N_("群聊需要 2 至 2000 名可见范围内的成员，且群主须是群成员。")
    failure = "content_refused"


class ChatMemberRefused(RecipientUnreachable):
    """86007, 86216: somebody of a list is no member, or is not visible; WeCom does not say who."""

    code = "wecom.chat_member_refused"
    message = N_("成员不在企业微信中或不在应用可见范围（%(platform_code)s）")
    hint = N_("请到 应用管理 → 您的应用 → 可见范围 选择根部门；若该成员已离职，请解除其账号关联。")


class ChatExists(PlatformError):
    """86215: a chat of this chatid was made before."""

    code = "wecom.chat_exists"
    message = N_("群聊已存在（%(platform_code)s）")
    hint = N_("系统会使用已有的群聊。")
    failure = "content_refused"


class RoomsNeedEverybody(PlatformError):
    """60011, 48002, or a visible range without the root department: no group chats."""

    code = "wecom.rooms_need_everybody"
    message = N_("作战室要求企业自建应用，且应用的可见范围为根部门（全员）")
    hint = N_("请到 应用管理 → 您的应用 → 可见范围 选择企业的根部门，然后重试。")
    failure = "permission_missing"


# --- third-party applications -------------------------------------------------------------------------------------


class AuthorizeAppFirst(NotAuthorised):
    """48001, and 40013 or 2000002 for an id that no company has: nothing connects it with the provider."""

    code = "wecom.authorize_app_first"


class InstallAgain(PlatformError):
    """40077, 42007, 40078, 40084, 48004: the installation ended or its one-time code did."""

    code = "wecom.install_again"
    message = N_("应用授权已失效或被取消（%(platform_code)s）")
    hint = N_("请在企业微信管理后台重新安装应用。")
    failure = "app_unauthorised"


class SuiteTokenRejected(PlatformError):
    """40082, 42009."""

    code = "wecom.suite_token_rejected"
    message = N_("服务商令牌失效（%(platform_code)s）")
    hint = N_("系统会自动更换；若持续出现，请检查是否仍收到 suite_ticket 推送。")
    failure = "platform_busy"
    retryable = True


class SuiteTicketInvalid(PlatformError):
    """40085."""

    code = "wecom.suite_ticket_invalid"
    message = N_("suite_ticket 无效或已过期（%(platform_code)s）")
    hint = N_("请在服务商后台检查指令回调URL，并手动推送一次 suite_ticket。")
    failure = "platform_busy"
    retryable = True


class SuiteTicketMissing(SuiteTicketInvalid):
    """None has come yet, so nothing was asked of WeCom."""

    code = "wecom.suite_ticket_missing"
    message = N_("还没有收到 suite_ticket")


class SuiteInvalid(CredentialInvalid):
    """40080, 40083, 48003, 60246."""

    code = "wecom.suite_invalid"
    message = N_("第三方应用的 SuiteId 或 Secret 不正确，或应用未上线（%(platform_code)s）")
    hint = N_("请在服务商后台核对应用信息。")


ERRORS: dict[int, type[PlatformError]] = {
    **dict.fromkeys((-1, 6000), Busy),
    45009: TooFrequent,
    45033: TooManyAtOnce,
    **dict.fromkeys((40001, 40091), SecretInvalid),
    **dict.fromkeys((40013, 2000002), CorpIdInvalid),
    **dict.fromkeys((40056, 41011), AgentIdInvalid),
    301002: AgentMismatch,
    **dict.fromkeys((40014, 42001), TokenRejected),
    **dict.fromkeys((60020, 301042), IpNotTrusted),
    **dict.fromkeys((50003, 60031), AppDisabled),
    48002: ApiNotAllowed,
    48006: PermissionWithdrawn,
    48009: ContactsRestricted,
    301007: CorpClosed,
    301005: CreatorProtected,
    **dict.fromkeys((50002, 60011, 60021, 60030, 92000), OutOfVisibleRange),
    81013: NobodyReached,
    **dict.fromkeys((40003, 60111, 46004), MemberGone),
    **dict.fromkeys((701008, 701016, 701099), LicenceMissing),
    **dict.fromkeys((701017, 701030, 701071, 701082), LicenceOrder),
    **dict.fromkeys((60003, 60123), DepartmentGone),
    **dict.fromkeys((40031, 40032, 82002, 82003), TooManyReceivers),
    **dict.fromkeys((81012, 82001, 82101, 82102), ReceiverMissing),
    **dict.fromkeys((40008, 40033, 40035, 40058, 40063), RequestRefused),
    **dict.fromkeys((41001, 41002, 41004, 41008, 43004, *range(41021, 41026)), CallerMistake),
    **dict.fromkeys((44004, 45002, 82004), ContentTooBig),
    42014: TaskIdTaken,
    **dict.fromkeys(range(42015, 42021), TaskCardMistake),
    43012: CallbackUrlNeeded,
    60140: ResponseCodeSpent,
    **dict.fromkeys((40057, 85010, 85011), CallbackUrlRefused),
    50001: RedirectNotTrusted,
    **dict.fromkeys((40093, 42012, 80001, 85005, 85008), DomainNotVerified),
    **dict.fromkeys((40102, 85004, 85111), DomainRefused),
    **dict.fromkeys((85006, 85007), TrustedIpRefused),
    **dict.fromkeys((40039, 40094, 45034), LinkRefused),
    **dict.fromkeys((40029, 42022), CodeExpired),
    **dict.fromkeys((84014, 84015, 84090), UserTicketInvalid),
    **dict.fromkeys((40050, 86001, 86003, 86008), ChatGone),
    **dict.fromkeys((86002, 86004, 86005, 86006, 86007, 86101, *range(86201, 86218)), ChatRefused),
    **dict.fromkeys((86007, 86216), ChatMemberRefused),
    86215: ChatExists,
    48001: AuthorizeAppFirst,
    **dict.fromkeys((40077, 42007, 40078, 40084, 48004), InstallAgain),
    **dict.fromkeys((40082, 42009), SuiteTokenRejected),
    40085: SuiteTicketInvalid,
    **dict.fromkeys((40080, 40083, 48003, 60246), SuiteInvalid),
}
"""errcode → class; every code of the official table that one of our calls can meet."""
Meanings = Mapping[int, type[PlatformError]]
"""What codes mean as answers to one call, where that is not what they mean elsewhere."""
NO_OTHERS: Meanings = {}
OF_MESSAGES: Meanings = {45009: DayUsedUp}
LICENCE_CODES = range(701000, 702000)
"""Whatever call is answered so: the member's licence is not in order, even where the table does not name the code."""


def from_answer(
    errcode: int, errmsg: str, *, raw: str = "", http_status: int | None = None, meanings: Meanings = NO_OTHERS
) -> PlatformError:
    """The typed error for a code; what WeCom said is kept, without its request hint in the shown sentence."""
    kind = meanings.get(errcode) or ERRORS.get(errcode, LicenceMissing if errcode in LICENCE_CODES else WeComError)
    extra: dict[str, Any] = {"ip": seen_ip(errmsg) or UNKNOWN_IP} if kind is IpNotTrusted else {}
    waits = getattr(kind, "waits", None)
    said = redacted(HINT.split(errmsg)[0].strip())
    return kind(
        said,
        platform_code=errcode,
        platform_message=said,
        http_status=http_status,
        raw=raw,
        retry_after=waits,
        **extra,
    )


def seen_ip(errmsg: str) -> str:
    """The address that WeCom saw, out of `… from ip: 203.0.113.9, more info …`; empty if it does not say."""
    found = FROM_IP.search(errmsg)
    return found[1].strip(".:") if found else ""
