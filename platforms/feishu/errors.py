"""Feishu's error codes as typed errors, each with what an administrator does about it.

https://open.feishu.cn/document/ukTMukTMukTM/ugjM14COyUjL4ITN and the page of each call. Only the code decides: texts
change, and the HTTP status is 200 as often as 400.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from platforms.errors import (
    CallbackRefused,
    CardTooOld,
    ContentRefused,
    CredentialInvalid,
    GroupGone,
    PlatformBusy,
    PlatformError,
    QuotaExhausted,
    RateLimited,
    RecipientBusy,
    RecipientUnreachable,
    SignInExpired,
)
from platforms.redaction import redacted
from texts import N_

FROM_IP = re.compile(r"ip ([0-9a-fA-F.:]{2,45}) is denied")
UNKNOWN_IP = "?"
CARD_REFUSED = 230099


class FeishuError(PlatformError):
    """A code that has no class of its own: the raw answer is shown."""

    code = "feishu.error"
    message = N_("飞书返回 %(platform_code)s：%(platform_message)s")
    hint = N_("可在飞书开放平台的「通用错误码」文档中查询该错误码；如需协助，请提供原始应答和日志编号 %(log_id)s。")


# --- the platform itself ------------------------------------------------------------------------------------------


class Busy(PlatformBusy):
    """An internal error, or the same request is still being worked on."""

    code = "feishu.busy"
    message = N_("飞书系统繁忙（%(platform_code)s）")
    hint = N_("系统会自动重试，无需处理。")


class TooFrequent(RateLimited):
    """99991400. How long to wait is in the header x-ogw-ratelimit-reset."""

    code = "feishu.too_frequent"
    message = N_("接口调用频率超过飞书限制（%(platform_code)s）")
    hint = N_("系统会在飞书允许的时间后自动重试，无需处理。")


class ChatTooFrequent(RecipientBusy):
    """230020 and its like: five a second for one person, one group (all robots together) or one message."""

    code = "feishu.chat_too_frequent"
    message = N_("同一会话的消息过于频繁（%(platform_code)s）")
    hint = N_("飞书限制每个成员、每个群每秒 5 条消息，系统会放慢发送并自动重试，无需处理。")
    waits = timedelta(seconds=2)


class MonthlyQuotaUsedUp(QuotaExhausted):
    """99991403: the free edition grants a tenant 10 000 calls a month for all its applications together."""

    code = "feishu.monthly_quota_used_up"
    message = N_("本月的接口调用额度已用完（%(platform_code)s）")
    hint = N_(
        "飞书基础免费版每月可调用 10000 次。请在 飞书管理后台 → 费用中心 → 权益数据 查看用量，升级或等待每月 1 日恢复。"
    )


class AddressWrong(PlatformError):
    """HTTP 404 in plain text: there is no such call at this address."""

    code = "feishu.address_wrong"
    message = N_("飞书接口地址不存在")
    hint = N_("请检查接口域名：飞书是 open.feishu.cn，Lark 是 open.larksuite.com，中间不要有改写路径的代理。")
    failure = "network"


# --- who we are ---------------------------------------------------------------------------------------------------


class CredentialMalformed(CredentialInvalid):
    """10003 from the token call."""

    code = "feishu.credential_malformed"
    message = N_("App ID 或 App Secret 格式不正确（%(platform_code)s）")
    hint = N_("请到 开发者后台 → 凭证与基础信息 重新复制 App ID 和 App Secret。")


class CredentialWrong(CredentialInvalid):
    """10014, 10015, 20002: what the platform says tells an unknown application from a wrong secret."""

    code = "feishu.credential_wrong"
    message = N_("App ID 与 App Secret 不匹配（%(platform_code)s：%(platform_message)s）")
    hint = N_("请在 凭证与基础信息 重新复制 App Secret，并确认选对了飞书或 Lark、应用已启用，再在集成配置中更换。")


class BrandMismatch(CredentialInvalid):
    """20046."""

    code = "feishu.brand_mismatch"
    message = N_("应用不属于所选的版本（%(platform_code)s）")
    hint = N_("请在集成配置中切换飞书或 Lark：两者的应用互不相通。")


class TokenRejected(PlatformError):
    """The tenant token ended early; the client fetches one new token and repeats the call once."""

    code = "feishu.token_rejected"
    message = N_("访问令牌失效（%(platform_code)s）")
    hint = N_("系统会自动更换令牌并重试；若持续出现，请在集成配置中重新保存 App Secret。")
    failure = "platform_busy"
    retryable = True


class IpNotAllowed(PlatformError):
    """99991401. `ip`: the address that Feishu saw, which is the one to enter."""

    code = "feishu.ip_not_allowed"
    message = N_("飞书拒绝了这台服务器的 IP %(ip)s（%(platform_code)s）")
    hint = N_("请在 开发者后台 → 安全设置 → IP 白名单 中加入它，或清空白名单；立即生效。")
    failure = "ip_not_allowed"


class AppDisabled(PlatformError):
    """99991662."""

    code = "feishu.app_disabled"
    message = N_("应用已被停用（%(platform_code)s）")
    hint = N_("请到 飞书管理后台 → 工作台 → 应用管理 启用该应用。")
    failure = "integration_disabled"


class AppNotReleased(PlatformError):
    """Installed nowhere: a self-built application is by releasing a version and having it approved."""

    code = "feishu.app_not_released"
    message = N_("应用尚未发布，或未在本企业安装启用（%(platform_code)s）")
    hint = N_("请在 开发者后台 → 版本管理与发布 创建版本并申请线上发布，由管理员在 应用审核 中通过。")
    failure = "app_unauthorised"


class BotMissing(PlatformError):
    """230006: the ability was not added, or not released since."""

    code = "feishu.bot_missing"
    message = N_("应用没有启用机器人能力（%(platform_code)s）")
    hint = N_("请在 开发者后台 → 添加应用能力 中添加「机器人」，再创建版本并发布。")
    failure = "permission_missing"


class ScopeMissing(PlatformError):
    """99991672 and its like. `scope`: what is asked for, any one of which suffices."""

    code = "feishu.scope_missing"
    message = N_("应用缺少权限 %(scope)s（%(platform_code)s）")
    hint = N_("请在 开发者后台 → 权限管理 开通其中任一权限；需要审核的权限在发布新版本并通过审核后生效。")
    failure = "permission_missing"


class SendingNotPermitted(PlatformError):
    """230027: also groups with people from outside, which the robot may not be shared to."""

    code = "feishu.sending_not_permitted"
    message = N_("应用没有在该会话中操作的权限（%(platform_code)s）")
    hint = N_("请在 权限管理 开通 im:message 并发布版本；外部群还要求开启机器人的对外共享。")
    failure = "permission_missing"


class ContactRangeTooSmall(PlatformError):
    """40004, 40014, 41050: the directory's own range."""

    code = "feishu.contact_range_too_small"
    message = N_("成员或部门不在应用的通讯录权限范围内（%(platform_code)s）")
    hint = N_("请在 权限管理 → 数据权限 把通讯录权限范围设为「全部成员」，并发布版本。")
    failure = "permission_missing"


class TenantPolicy(PlatformError):
    """18120, 230036, 232024 …: something that only the company's administrator can change."""

    code = "feishu.tenant_policy"
    message = N_("企业的安全策略不允许该操作（%(platform_code)s：%(platform_message)s）")
    hint = N_("请联系企业的飞书管理员检查机器人协作权限与租户密钥。")
    failure = "permission_missing"


# --- people -------------------------------------------------------------------------------------------------------


class OutOfAvailability(RecipientUnreachable):
    """230013: outside the availability range, on the list of forbidden people, or gone."""

    code = "feishu.out_of_availability"
    message = N_("接收人不在应用的可用范围内，或已离职（%(platform_code)s）")
    hint = N_("请在 版本管理与发布 把该成员加入可用范围（推荐全部成员），或在 管理后台 → 应用管理 中取消对他的禁用。")


class MemberGone(RecipientUnreachable):
    """230029 and its like."""

    code = "feishu.member_gone"
    message = N_("该成员已离职、被冻结或不存在（%(platform_code)s）")
    hint = N_("请在成员管理中停用该成员，或请他从工作台重新打开应用完成关联。")


class OpenIdUnknown(RecipientUnreachable):
    """99992351 and its like: an open_id means somebody inside one application only."""

    code = "feishu.open_id_unknown"
    message = N_("飞书不认识该成员的标识（%(platform_code)s）")
    hint = N_("关联可能来自另一个应用：请该成员从工作台重新打开应用，完成一次登录。")


class SendingRefusedByMember(PlatformError):
    """230035, 230053: they have silenced the robot."""

    code = "feishu.sending_refused_by_member"
    message = N_("接收人停用了机器人消息，或会话已被禁言（%(platform_code)s）")
    hint = N_("请该成员在飞书中打开与机器人的会话并恢复接收消息，或改用其他通知方式。")
    failure = "out_of_visible_range"


# --- groups -------------------------------------------------------------------------------------------------------


class BotNotInGroup(GroupGone):
    """230002: removed, or never added."""

    code = "feishu.bot_not_in_group"
    message = N_("机器人不在该群中（%(platform_code)s）")
    hint = N_("请在该群的 设置 → 群机器人 → 添加机器人 中添加本应用，然后刷新群列表。")


class GroupDissolved(GroupGone):
    """232009."""

    code = "feishu.group_dissolved"
    message = N_("该群已解散（%(platform_code)s）")
    hint = N_("请在分派策略中改选其他群。")


class GroupUnknown(GroupGone):
    """232006 and its like."""

    code = "feishu.group_unknown"
    message = N_("群聊不存在，或不属于本企业（%(platform_code)s）")
    hint = N_("请刷新群列表，并在分派策略中重新选择。")


class GroupForbids(PlatformError):
    """230018: who may speak there is the group's own setting."""

    code = "feishu.group_forbids"
    message = N_("该群的设置不允许机器人发言（%(platform_code)s）")
    hint = N_("请群主在 群设置 → 谁可以发言 中允许机器人发言。")
    failure = "permission_missing"


class GroupRefused(PlatformError):
    """The other codes of groups: full, names refused, managers wanted."""

    code = "feishu.group_refused"
    message = N_("飞书拒绝了对该群的操作（%(platform_code)s：%(platform_message)s）")
    hint = N_("请群主检查该群的设置与人数上限。")
    failure = "permission_missing"


# --- messages and cards -------------------------------------------------------------------------------------------


class MessageGone(CardTooOld):
    """230011, 230110 …: recalled or deleted, so there is nothing left to change."""

    code = "feishu.message_gone"
    message = N_("消息已被撤回或删除（%(platform_code)s）")
    hint = N_("无需处理；故障有新动态时会发送新的卡片。")


class CardExpired(CardTooOld):
    """230031: after 14 days."""

    code = "feishu.card_expired"
    message = N_("卡片发送已超过 14 天，飞书不再允许更新（%(platform_code)s）")
    hint = N_("请在应用或控制台中查看最新状态。")


class CardLocked(RecipientBusy):
    """230099 with 11310 "card action is lock": a press on it was not answered yet. Other cards are not concerned."""

    code = "feishu.card_locked"
    message = N_("卡片正在交互中（%(platform_code)s）")
    hint = N_("系统会在几秒后自动重试，无需处理。")
    waits = timedelta(seconds=2)


class CardInvalid(ContentRefused):
    """230099 and its like; `platform_message` names the place."""

    code = "feishu.card_invalid"
    message = N_("飞书无法生成该卡片（%(platform_code)s：%(platform_message)s）")
    hint = N_("请把原始应答与日志编号 %(log_id)s 交给技术支持。")


class RequestRefused(ContentRefused):
    """Codes that say that we asked wrongly."""

    code = "feishu.request_refused"
    message = N_("飞书不接受该请求（%(platform_code)s：%(platform_message)s）")
    hint = N_("请把原始应答与日志编号 %(log_id)s 交给技术支持。")


class ContentTooBig(ContentRefused):
    """230025: 30 KB for a card, 150 KB for a text."""

    code = "feishu.content_too_big"
    message = N_("消息超过飞书的长度限制（%(platform_code)s）")
    hint = N_("请缩短模板中的自定义内容。")


class ContentReviewed(ContentRefused):
    """230022, 230028: telephone numbers or e-mail addresses in clear are enough."""

    code = "feishu.content_reviewed"
    message = N_("内容被企业的数据防泄漏策略或内容审核拦截（%(platform_code)s）")
    hint = N_("请在模板中去掉手机号、邮箱等敏感内容，或请企业管理员调整策略。")


class MessageKindUnsupported(ContentRefused):
    """230054, 230075, 230055."""

    code = "feishu.message_kind_unsupported"
    message = N_("该会话不支持这种消息（%(platform_code)s）")
    hint = N_("请在分派策略中改选普通群或个人。")


# --- signing in ---------------------------------------------------------------------------------------------------


class CodeExpired(SignInExpired):
    """20003, 20004, 20065: unknown, too old or used; a reload of the page is enough."""

    code = "feishu.code_expired"
    message = N_("登录已过期（%(platform_code)s）")


class UserTokenInvalid(SignInExpired):
    """20005 …: a person's own token, which lives for the length of one sign-in."""

    code = "feishu.user_token_invalid"
    message = N_("登录已失效（%(platform_code)s）")


class NotAvailable(PlatformError):
    """20009, 20010: somebody whom the application is not there for, of this company or of another one."""

    code = "feishu.not_available"
    message = N_("您不在该应用的可用范围内（%(platform_code)s）")
    hint = N_("请联系管理员把您加入应用的可用范围。")
    status = 403
    failure = "out_of_visible_range"


class RedirectNotRegistered(PlatformError):
    """20029, 20071."""

    code = "feishu.redirect_not_registered"
    message = N_("重定向 URL 未在飞书登记（%(platform_code)s）")
    hint = N_("请在 开发者后台 → 安全设置 → 重定向 URL 中添加集成详情里的重定向 URL，须完全一致。")
    failure = "credential_invalid"


class AccountBarred(SignInExpired):
    """20008, 20021–20023, 20066."""

    code = "feishu.account_barred"
    message = N_("飞书账号已离职、被冻结或未激活（%(platform_code)s）")
    hint = N_("请联系企业的飞书管理员。")


ERRORS: dict[int, type[PlatformError]] = {
    **dict.fromkeys((2200, *range(1500, 1600), 99991644, 20050, 20072, 18121, 230049, 232068), Busy),
    99991400: TooFrequent,
    **dict.fromkeys((230020, 11232, 11233, 232019), ChatTooFrequent),
    99991403: MonthlyQuotaUsedUp,
    10003: CredentialMalformed,
    **dict.fromkeys((10014, 10015, 20002, 20048, 99991543), CredentialWrong),
    20046: BrandMismatch,
    **dict.fromkeys((99991663, 99991664, 99991665, 99991668, 99991671), TokenRejected),
    **dict.fromkeys((99991677, 20005, 20006), UserTokenInvalid),
    99991401: IpNotAllowed,
    **dict.fromkeys((99991662, 20069, 20042), AppDisabled),
    **dict.fromkeys((10005, 10012, 10013, 99991673, 232034, 11210, 212100, 210508), AppNotReleased),
    **dict.fromkeys((230006, 232025, 11205, 11240), BotMissing),
    **dict.fromkeys((99991672, 99991676, 99991679, 11203, 11204, 11223, 20027), ScopeMissing),
    230027: SendingNotPermitted,
    **dict.fromkeys((40004, 40014, 41050), ContactRangeTooSmall),
    **dict.fromkeys((18120, 230036, 230038, 232028, 232033), TenantPolicy),
    **dict.fromkeys((230013, 11225, 232024), OutOfAvailability),
    **dict.fromkeys((230029, 11236, 232022), MemberGone),
    **dict.fromkeys((99992351, 99992360, 99992361, 99992364, 99992381, 230034, 41012), OpenIdUnknown),
    **dict.fromkeys((230035, 230053), SendingRefusedByMember),
    **dict.fromkeys((230002, 10030, 232011), BotNotInGroup),
    **dict.fromkeys((232009, 11237), GroupDissolved),
    **dict.fromkeys((232006, 11213, 11231, 99992356, 232010, 232008), GroupUnknown),
    **dict.fromkeys((230018, 11235), GroupForbids),
    **dict.fromkeys((232013, 232017, 232020, 232021, 232023, 232027, 232030, 232032), GroupRefused),
    **dict.fromkeys((232042, 232043, 232044, 232057, 232069, 232078, 232079, 232090, 232091), GroupRefused),
    **dict.fromkeys((230011, 230050, 230110, 230111, 99992354, 200000, 200310), MessageGone),
    230031: CardExpired,
    **dict.fromkeys((CARD_REFUSED, 11246, 11310, 11311, 200621, 200830, 200861, 300090, 200320), CardInvalid),
    **dict.fromkeys((230001, 230012, 230017, 230026, 230071, 230072, 232001, 232004), RequestRefused),
    **dict.fromkeys((99991661, 99992402, 9499, 10001, 10002, 100000, 100030, 40001, 40003), RequestRefused),
    **dict.fromkeys((40011, 40012, 20001, 20036, 20049, 20063, 20067, 20068, 20070), RequestRefused),
    **dict.fromkeys((210503, 210504, 210505, 210506, 210507), RequestRefused),
    **dict.fromkeys((230025, 19036), ContentTooBig),
    **dict.fromkeys((230022, 230028, 11312), ContentReviewed),
    **dict.fromkeys((230054, 230055, 230075), MessageKindUnsupported),
    **dict.fromkeys((20003, 20004, 20007, 20024, 20065), CodeExpired),
    **dict.fromkeys((20009, 20010), NotAvailable),
    **dict.fromkeys((2000, 20029, 20071), RedirectNotRegistered),
    **dict.fromkeys((20008, 20021, 20022, 20023, 20066), AccountBarred),
}
"""code → class; every code of the official tables that one of our calls can meet."""


def from_answer(
    content: Mapping[str, Any], *, raw: str = "", http_status: int | None = None, waits: timedelta | None = None
) -> PlatformError:
    """The typed error for an answer whose code is not 0; what Feishu said is kept.

    waits  how long the answer's headers ask to wait
    """
    code, said = int(content["code"]), redacted(_said(content))
    kind = _kind(code, said)
    extra: dict[str, Any] = {"log_id": log_id(content)}
    if kind is IpNotAllowed:
        extra["ip"] = seen_ip(said) or UNKNOWN_IP
    if kind is ScopeMissing:
        extra["scope"] = missing_scopes(content)
    return kind(
        said,
        platform_code=code,
        platform_message=said,
        http_status=http_status,
        raw=raw,
        retry_after=waits or getattr(kind, "waits", None),
        **extra,
    )


def _kind(code: int, said: str) -> type[PlatformError]:
    if code == CARD_REFUSED and "card action is lock" in said:
        return CardLocked  # 11310 has three meanings, which only the text tells apart
    if code == 10002 and "out of the chat" in said:
        return BotNotInGroup
    return ERRORS.get(code, FeishuError)


def _said(content: Mapping[str, Any]) -> str:
    """The message; sign-in calls put it into another place."""
    return str(content.get("msg") or content.get("error_description") or content.get("error") or "").strip()


def log_id(content: Mapping[str, Any]) -> str:
    """The id by which the vendor's support finds the call; empty if the answer has none."""
    error = content.get("error")
    return str(error.get("log_id") or "")[:64] if isinstance(error, dict) else ""


def missing_scopes(content: Mapping[str, Any]) -> str:
    """The permissions that were asked for, of which one suffices: "im:chat, im:chat:readonly"."""
    error = content.get("error")
    violations = error.get("permission_violations") if isinstance(error, dict) else None
    if not isinstance(violations, list):
        return ""
    return ", ".join(str(v.get("subject", "")) for v in violations[:5] if isinstance(v, dict))


def seen_ip(said: str) -> str:
    """The address that Feishu saw, out of `ip 203.0.113.9 is denied by app setting`; empty if it does not say."""
    found = FROM_IP.search(said)
    return found[1].strip(".:") if found else ""


class HistoricRefused(CallbackRefused):
    """A press in the historic shape, which is never encrypted, where an Encrypt Key is set."""

    code = "feishu.historic_refused"
    message = N_("收到了旧版消息卡片回调：它不加密，已设置 Encrypt Key 时不接受")
    hint = N_(
        "请在 事件与回调 → 回调配置 中添加「卡片回传交互」（不带「（旧）」），并清空机器人页面上旧的消息卡片请求网址。"
    )

    def __init__(self) -> None:
        super().__init__("historic press, though an Encrypt Key is set")
