"""DingTalk's error codes as typed errors, each with what an administrator does about it.

Both API families are meant: numbers come from the old one (oapi), words from the new one (api). Only the code
decides; texts may change any day. https://open.dingtalk.com/document/development/server-api-error-codes-1
"""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar

from platforms.errors import (
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
from texts import N_


class DingTalkError(PlatformError):
    """A code that has no class of its own: the raw answer is shown."""

    code = "dingtalk.error"
    message = N_("钉钉返回 %(platform_code)s：%(platform_message)s")
    hint = N_("请把原始应答与其中的 requestid 交给钉钉开放平台的技术支持。")


# --- the platform itself ------------------------------------------------------------------------------------------


class Busy(PlatformBusy):
    """-1, system.busy and their kin: the same request may succeed at once."""

    code = "dingtalk.busy"
    message = N_("钉钉系统繁忙（%(platform_code)s）")
    hint = N_("系统会自动重试，无需处理。")


class GatewayTimeout(Busy):
    """15, 88 without a sub code, HTTP 504: the gateway gave up waiting; what it waited for may have been done."""

    code = "dingtalk.gateway_timeout"
    uncertain = True


class ResultUnknown(Busy):
    """unknown.send.result: DingTalk itself does not know whether the message was sent."""

    code = "dingtalk.result_unknown"
    message = N_("钉钉不能确认消息是否已发出（%(platform_code)s）")
    uncertain = True


class TooFrequent(RateLimited):
    """More than 20 calls a second of one API, or messages sent too fast."""

    code = "dingtalk.too_frequent"
    message = N_("调用频率超过钉钉限制（%(platform_code)s）")
    hint = N_("系统会放慢发送并自动重试，无需处理。")
    waits: ClassVar[timedelta] = timedelta(seconds=1)


class TooFrequentThisMinute(TooFrequent):
    """The same within a minute."""

    code = "dingtalk.too_frequent_this_minute"
    waits = timedelta(seconds=60)


class RecipientTooFrequent(RecipientBusy):
    """flowControlledStaffIdList, send.too.fast and their kin: too many messages to one person or group in a minute."""

    code = "dingtalk.recipient_too_frequent"
    message = N_("同一会话的消息过于频繁（%(platform_code)s）")
    hint = N_("系统会放慢发送并自动重试，无需处理。")
    waits: ClassVar[timedelta] = timedelta(seconds=60)


class ApiBlocked(RateLimited):
    """90002 and its kin: the whole API is limited, whoever calls it."""

    code = "dingtalk.api_blocked"
    message = N_("钉钉暂时限制了该接口的所有调用（%(platform_code)s）")
    hint = N_("系统会自动重试；若持续出现，请联系钉钉开放平台的技术支持。")
    waits: ClassVar[timedelta] = timedelta(seconds=60)


class AddressBlocked(RateLimited):
    """An HTML page or status 1111: DingTalk blocks this server's address for five minutes."""

    code = "dingtalk.address_blocked"
    message = N_("钉钉暂时封禁了这台服务器的 IP（%(platform_code)s）")
    hint = N_("同一 IP 在 20 秒内调用过多会被封禁 5 分钟，系统会在之后自动重试；请检查是否有其他程序也在调用钉钉接口。")
    waits: ClassVar[timedelta] = timedelta(minutes=5)


class MonthlyQuotaUsed(QuotaExhausted):
    """90020, ApiCountLimitForOrg, 20001: the calls of the standard edition are used up for this month."""

    code = "dingtalk.monthly_quota_used"
    message = N_("本月的钉钉接口调用额度已用完（%(platform_code)s）")
    hint = N_("标准版每个企业每月 5000 次，由所有内部应用共用；请升级到专业版或专属版，或等到下个月。")


# --- who we are ---------------------------------------------------------------------------------------------------


class SecretInvalid(CredentialInvalid):
    """invalidClientIdOrSecret, 40096, 40089, 40001."""

    code = "dingtalk.secret_invalid"
    message = N_("ClientID 或 ClientSecret 不正确，或已被重置（%(platform_code)s）")
    hint = N_("请到 基础信息 → 凭证与基础信息 重新复制 ClientID 和 ClientSecret。")


class CorpMismatch(CredentialInvalid):
    """invalid.client, unauthorized.client: the application is not this company's, or CorpId is wrong."""

    code = "dingtalk.corp_mismatch"
    message = N_("CorpId 与 ClientID 不属于同一个企业（%(platform_code)s）")
    hint = N_("请在开发者后台点击页面右上角的企业名称，复制该应用所在企业的 CorpId。")


class CorpIdInvalid(CredentialInvalid):
    """40013, 41002, 52010."""

    code = "dingtalk.corp_id_invalid"
    message = N_("CorpId 不正确（%(platform_code)s）")
    hint = N_("请在开发者后台点击页面右上角的企业名称，在下拉菜单中复制 CorpId。")


class AgentIdInvalid(CredentialInvalid):
    """40056, 41011, 52019."""

    code = "dingtalk.agent_id_invalid"
    message = N_("AgentID 不正确，或属于其他应用（%(platform_code)s）")
    hint = N_("请到 基础信息 → 凭证与基础信息 重新复制 AgentID。")


class TokenRejected(PlatformError):
    """The access token ended early; the client fetches one new token and repeats the call once."""

    code = "dingtalk.token_rejected"
    message = N_("访问令牌失效（%(platform_code)s）")
    hint = N_("系统会自动更换令牌并重试；若反复出现，请检查 ClientSecret 是否已被重置。")
    failure = "platform_busy"
    retryable = True


class IpNotAllowed(PlatformError):
    """60020, IpNotInWhiteList. `ip`: the address that DingTalk saw, which is the one to enter."""

    code = "dingtalk.ip_not_allowed"
    message = N_("钉钉拒绝了这台服务器的 IP %(ip)s（%(platform_code)s）")
    hint = N_("请在 开发配置 → 安全设置 → 服务器出口IP 中加入它，保存后点击「重新检查」。")
    failure = "ip_not_allowed"


class PermissionMissing(PlatformError):
    """60011, AccessTokenPermissionDenied. `scope`: the permission point to apply for, as DingTalk names it."""

    code = "dingtalk.permission_missing"
    message = N_("应用缺少权限 %(scope)s（%(platform_code)s）")
    hint = N_("请在 开发配置 → 权限管理 中搜索该权限并申请，开通后立即生效，无需重新发布应用。")
    failure = "permission_missing"


class NotAuthorised(PlatformError):
    """40079, 41030, 52021: the company has not authorised the application."""

    code = "dingtalk.not_authorised"
    message = N_("企业尚未授权该应用（%(platform_code)s）")
    hint = N_("请在 应用发布 → 版本管理与发布 中发布应用，并确认 CorpId 是应用所在的企业。")
    failure = "app_unauthorised"


class AppStopped(PlatformError):
    """50003, 50005."""

    code = "dingtalk.app_stopped"
    message = N_("应用已被停用，或企业已被禁用（%(platform_code)s）")
    hint = N_("请在钉钉管理后台的工作台中启用该应用。")
    failure = "integration_disabled"


class FeatureMissing(PlatformError):
    """DING messages and what else needs a paid edition."""

    code = "dingtalk.feature_missing"
    message = N_("企业没有开通该功能，或额度不足（%(platform_code)s）")
    hint = N_("请购买额度，或升级到专业版或专属版。")
    failure = "quota_exhausted"


# --- whom we reach ------------------------------------------------------------------------------------------------


class UserGone(RecipientUnreachable):
    """60121, 33012, staffId.notExisted …: no such person in the company."""

    code = "dingtalk.user_gone"
    message = N_("钉钉企业中没有该成员（%(platform_code)s）")
    hint = N_("该成员可能已离职；若只是账号有变，请其从 钉钉 → 工作台 重新打开应用以更新关联。")


class OutOfVisibleRange(RecipientUnreachable):
    """A name in invalidStaffIdList, and a card that could not be put into a person's chat."""

    code = "dingtalk.out_of_visible_range"
    message = N_("不在应用可见范围（%(platform_code)s）")
    hint = N_("请在 应用发布 → 版本管理与发布 中发布新版本，把可见范围改为「全部员工」。")


class OutOfContacts(RecipientUnreachable):
    """50002, 50004: outside the contacts that the application may read."""

    code = "dingtalk.out_of_contacts"
    message = N_("不在应用的通讯录授权范围（%(platform_code)s）")
    hint = N_("请在 权限管理 → 通讯录权限 → 授权范围 中改为全部员工，并检查应用的可见范围。")


class DepartmentGone(RecipientUnreachable):
    """60003, 40009."""

    code = "dingtalk.department_gone"
    message = N_("部门不存在（%(platform_code)s）")
    hint = N_("请重新同步通讯录后再试。")


class RobotMissing(PlatformError):
    """invalidParameter.robotCode.* and their kin: no robot, an unpublished one, or another application's."""

    code = "dingtalk.robot_missing"
    message = N_("机器人不存在、未发布或不属于该应用（%(platform_code)s）")
    hint = N_("请在 应用能力 → 机器人 中打开机器人配置，并发布一个勾选了机器人的版本；机器人编码须与后台一致。")
    failure = "permission_missing"


class RobotStopped(PlatformError):
    """bot.stopped, template.stopped …"""

    code = "dingtalk.robot_stopped"
    message = N_("机器人已被停用（%(platform_code)s）")
    hint = N_("请在群设置或 应用能力 → 机器人 中重新启用它。")
    failure = "integration_disabled"


# --- group chats --------------------------------------------------------------------------------------------------


class ChatGone(GroupGone):
    """group.disbanded, 400013 …"""

    code = "dingtalk.chat_gone"
    message = N_("群聊已解散或不存在（%(platform_code)s）")
    hint = N_("请在分派策略中改选其他群聊。")


class CoolAppMissing(GroupGone):
    """The cool app is not installed in the group, so our robot is not in it either."""

    code = "dingtalk.cool_app_missing"
    message = N_("群内没有安装酷应用（%(platform_code)s）")
    hint = N_("请在钉钉群 → 酷应用栏 → 更多酷应用 中启用本应用。")


class CoolAppCodeWrong(PlatformError):
    """The cool app code is missing, wrong or another application's."""

    code = "dingtalk.cool_app_code_wrong"
    message = N_("酷应用编码缺失、不正确或不属于该应用（%(platform_code)s）")
    hint = N_("请到 应用能力 → 酷应用 → 基础信息 复制酷应用编码，并确认酷应用已发布。")
    failure = "credential_invalid"


class ForeignGroup(GroupGone):
    """groupPermissionDenied, conversation.org.notMatch …: not an internal group of this company."""

    code = "dingtalk.foreign_group"
    message = N_("不是本企业的内部群，或群内没有安装酷应用（%(platform_code)s）")
    hint = N_("企业内部应用的机器人只能在内部群中使用，请改用内部群。")


class GroupOwnerOutOfRange(PlatformError):
    """permession.checkFailed (spelt so)."""

    code = "dingtalk.group_owner_out_of_range"
    message = N_("群主不在应用可见范围（%(platform_code)s）")
    hint = N_("请在 应用发布 → 版本管理与发布 中发布新版本，把可见范围改为「全部员工」。")
    failure = "permission_missing"


class GroupMemberRefused(RecipientUnreachable):
    """member.notFound: somebody of a list is nobody in the company."""

    code = "dingtalk.group_member_refused"
    message = N_("钉钉企业中没有该成员（%(platform_code)s）")
    hint = N_("该成员可能已离职；若只是账号有变，请其从 钉钉 → 工作台 重新打开应用以更新关联。")


class GroupTemplateWrong(PlatformError):
    """groupTemplate.notFound, groupTemplate.permessionDenied.*: the template of scene groups."""

    code = "dingtalk.group_template_wrong"
    message = N_("群模板不存在、未启用或不属于本应用（%(platform_code)s）")
    hint = N_("请在 开发者后台 → 开放能力 → 场景群 中启用群模板，并在 增强功能 中填写它的模板 ID。")
    failure = "permission_missing"


class GroupFull(PlatformError):
    """member.exceed: more members than a group may have."""

    code = "dingtalk.group_full"
    message = N_("群成员数量超过钉钉的上限（%(platform_code)s）")
    hint = N_("请减少作战室的成员。")
    failure = "content_refused"


class ChatMuted(PlatformError):
    """send.forbidden, bot.forbidden.sendMessage, only.groupAdmin.canAtAll."""

    code = "dingtalk.chat_muted"
    message = N_("群聊已禁言，或不允许机器人发送（%(platform_code)s）")
    hint = N_("请群主在 群管理 中修改设置。")
    failure = "permission_missing"


class ChatIdRefused(ContentRefused):
    """invalid.openConversationId, cidEncryptError …: the id cannot be decoded."""

    code = "dingtalk.chat_id_refused"
    message = N_("群聊编号无法识别（%(platform_code)s）")
    hint = N_("请在群内卸载并重新安装酷应用；若仍然失败，请反馈原始应答。")


# --- what we send -------------------------------------------------------------------------------------------------


class CallerMistake(ContentRefused):
    """A parameter is missing or wrong, or the address is."""

    code = "dingtalk.caller_mistake"
    message = N_("钉钉不接受请求参数（%(platform_code)s）：%(platform_message)s")
    hint = N_("这是程序的问题，请反馈原始应答与其中的 requestid。")


class ContentTooBig(ContentRefused):
    code = "dingtalk.content_too_big"
    message = N_("消息内容过长（%(platform_code)s）")
    hint = N_("请缩短模板内容。")


class LinkRefused(ContentRefused):
    """contain.unsafe.url, 40048, 430101."""

    code = "dingtalk.link_refused"
    message = N_("消息中的链接不安全（%(platform_code)s）")
    hint = N_("模板中的链接请使用公网的 https 域名。")


class ContentReviewed(ContentRefused):
    """contain.notAllowed.*, param.contentUnsafe …: the review refused it; a shorter text is tried once."""

    code = "dingtalk.content_reviewed"
    message = N_("内容未通过钉钉的安全审查（%(platform_code)s）")
    hint = N_("请修改模板或告警内容中的敏感文字。")


class TemplateWrong(ContentRefused):
    """param.templateNotExist and its kin."""

    code = "dingtalk.template_wrong"
    message = N_("卡片模板 ID 不正确（%(platform_code)s）")
    hint = N_("请到卡片平台复制模板 ID（形如 xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx.schema）。")


class TemplateUnpublished(ContentRefused):
    code = "dingtalk.template_unpublished"
    message = N_("卡片模板尚未发布（%(platform_code)s）")
    hint = N_("请在卡片平台打开该模板并发布。")


class CardGone(CardTooOld):
    """param.cardNotExist, cardInstance.notExist: the card is gone, or another application's."""

    code = "dingtalk.card_gone"
    message = N_("卡片已不存在（%(platform_code)s）")
    hint = N_("请在应用或控制台中查看最新状态。")


class NotACard(CardTooOld):
    """What was sent is a message with links, since cards could not be sent then: nothing of it can be changed."""

    code = "dingtalk.not_a_card"
    message = N_("该消息以链接形式发出，不能更新")
    hint = N_("在集成配置中填写卡片模板 ID 后，新的消息会以互动卡片发出。")


class CardExists(ContentRefused):
    """param.cardAlreadyExist: a card of this outTrackId was made before."""

    code = "dingtalk.card_exists"
    message = N_("卡片编号已被使用（%(platform_code)s）")
    hint = N_("请重新发送该通知。")


class CardUndelivered(PlatformError):
    """The card was made, but not put into the chat: `deliverResults` says so, or names no result at all.

    That concerns this chat alone: other messages need not wait.
    """

    code = "dingtalk.card_undelivered"
    message = N_("卡片没有投放成功（%(platform_code)s）：%(platform_message)s")
    hint = N_("请确认机器人已发布，并在群内或对接收人可见。")
    retryable = True
    is_made_unseen = True


class CardRefusedByGroup(PlatformError):
    """The same with a reason that does not pass by itself."""

    code = "dingtalk.card_refused_by_group"
    message = CardUndelivered.message
    hint = CardUndelivered.hint


class SentBefore(PlatformError):
    """An earlier try was not answered, and messages with links carry nothing by which DingTalk knew them again."""

    code = "dingtalk.sent_before"
    message = N_("此前的发送没有得到应答，可能已经送达")
    hint = N_("请向接收人确认后点击「重新发送」或「放弃」；填写卡片模板 ID 后，系统可以自动确认。")
    failure = "outcome_unknown"


class DeliveryUnknown(PlatformError):
    """A card was to be put into its chat by itself, and the answer was lost: DingTalk tells nobody whether it is there.

    The card exists either way, so that a further try would take it to have arrived.
    """

    code = "dingtalk.delivery_unknown"
    message = N_("卡片的投放没有得到应答，可能已经送达")
    hint = N_("请向接收人确认后点击「重新发送」或「放弃」。")
    failure = "outcome_unknown"


class DeliverModelRefused(ContentRefused):
    """param.openDeliverModelError, param.openDeliverModelEmpty, param.openSpaceModelInvalid."""

    code = "dingtalk.deliver_model_refused"
    message = N_("卡片的投放参数不被接受（%(platform_code)s）")
    hint = N_("请检查机器人编码是否与后台一致。")


class RouteTaken(PlatformBusy):
    """param.callbackRouteKeyExist, system.updateCallbackFailed: the card address could not be registered."""

    code = "dingtalk.route_taken"
    message = N_("卡片回调地址注册失败（%(platform_code)s）")
    hint = N_("系统会自动重试，无需处理。")


class NoticeDropped(ContentRefused):
    """143105, 143106: the day's most for one person, or the same content again."""

    code = "dingtalk.notice_dropped"
    message = N_("工作通知超过当日上限或内容重复（%(platform_code)s）")
    hint = N_("请修改内容后重新发送。")


class MessageExpired(PlatformError):
    """processQueryKey.expireTime and its kin: nothing can be asked about a message after 24 hours."""

    code = "dingtalk.message_expired"
    message = N_("消息已超过 24 小时，不能再查询或撤回（%(platform_code)s）")
    hint = ""
    failure = "content_refused"


# --- addresses and sign-in ----------------------------------------------------------------------------------------


class CodeExpired(SignInExpired):
    """40078, 42008, 40102, 41026, invalidParameter.authCode.notFound."""

    code = "dingtalk.code_expired"
    message = N_("登录授权码已失效（%(platform_code)s）")
    hint = N_("请从钉钉工作台重新打开应用。")


class RedirectRefused(PlatformError):
    """50001: redirect_uri is not registered."""

    code = "dingtalk.redirect_refused"
    message = N_("登录的跳转地址没有登记（%(platform_code)s）")
    hint = N_("请在 开发配置 → 安全设置 → 重定向URL 中填写集成详情里的地址。")
    failure = "permission_missing"


class JsapiRefused(PlatformError):
    """52011 to 52022: the page's signature or ticket."""

    code = "dingtalk.jsapi_refused"
    message = N_("页面鉴权失败（%(platform_code)s）")
    hint = N_("请检查 AgentID 与 ClientID 是否属于同一应用，以及代理是否改写了页面地址。")
    failure = "permission_missing"


class CallbackUrlRefused(PlatformError):
    """71009 to 71013, 400050 to 400054, 900004 to 900010: DingTalk tried our address and was not satisfied."""

    code = "dingtalk.callback_url_refused"
    message = N_("事件订阅的请求网址校验失败（%(platform_code)s）")
    hint = N_("请确认请求网址可从公网访问，且两边的 aes_key 与 Token 完全一致，先在本系统保存再到后台保存。")
    failure = "permission_missing"
