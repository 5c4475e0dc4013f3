"""What can go wrong with a platform, in the product's own classes. Each platform maps its codes onto these."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, ClassVar

from errors import AppError
from texts import N_


class PlatformError(AppError):
    """A platform did not do what it was asked.

    failure     the delivery's failure code (services/failures.py)
    retryable   whether the same request may succeed later; retry_after: when the platform says so
    uncertain   the request may have been carried out although no answer came
    unsent      nothing was asked of the platform: there was no access token to do it with
    nothing_arrived   the platform said what shows that no earlier try of this message did anything either
    is_made_unseen    the message exists there, but nobody has it: "reference used before" proves nothing from now on
    platform_code, raw, http_status: what the platform answered, for the log and the page (never a secret)
    """

    code = "platform.error"
    message = N_("平台返回 %(platform_code)s：%(platform_message)s")
    hint = N_("请把原始应答与请求编号交给平台支持人员。")
    status = 502
    failure: ClassVar[str] = "unknown"
    retryable: ClassVar[bool] = False
    uncertain: ClassVar[bool] = False
    is_made_unseen: ClassVar[bool] = False

    def __init__(
        self,
        detail: str = "",
        *,
        platform_code: str | int | None = None,
        platform_message: str = "",
        http_status: int | None = None,
        raw: str = "",
        retry_after: timedelta | None = None,
        **params: Any,
    ) -> None:
        super().__init__(
            detail,
            platform_code="" if platform_code is None else str(platform_code),
            platform_message=platform_message,
            **params,
        )
        self.platform_code = None if platform_code is None else str(platform_code)
        self.platform_message = platform_message
        self.http_status = http_status
        self.raw = raw
        self.retry_after = retry_after
        self.unsent = False
        self.nothing_arrived = False


class NetworkFailed(PlatformError):
    """No connection was made: nothing reached the platform."""

    code = "platform.network"
    message = N_("无法连接平台")
    hint = N_("请检查服务器到平台的网络、DNS 与代理设置。")
    failure = "network"
    retryable = True


class CertificateRefused(NetworkFailed):
    """The address answered with a certificate that does not prove who it is."""

    code = "platform.certificate"
    message = N_("平台地址的 TLS 证书不受信任")
    hint = N_("私有化部署若使用自签发的证书，请把其 CA 加入服务器的信任列表。")


class AddressRefused(PlatformError):
    """An address that a person entered and that must not be called. `reason`: a class of cause only."""

    code = "platform.address_refused"
    message = N_("该地址不允许访问：%(reason)s")
    hint = N_("请让运维人员把 主机:端口 加入 ENDPOINT_ALLOWLIST，且地址必须使用 https。")
    failure = "network"

    def __init__(self, reason: str) -> None:
        super().__init__(reason, reason=reason)


class AnswerLost(NetworkFailed):
    """The request left but no (whole) answer came: it may have been carried out."""

    code = "platform.answer_lost"
    message = N_("平台没有在时限内应答")
    uncertain = True


class PlatformBusy(PlatformError):
    code = "platform.busy"
    message = N_("平台繁忙")
    hint = N_("系统会自动重试。")
    failure = "platform_busy"
    retryable = True


class RateLimited(PlatformError):
    code = "platform.rate_limited"
    message = N_("触发平台频率限制")
    hint = N_("系统会在平台允许的时间后自动重试。")
    failure = "rate_limited"
    retryable = True


class RecipientBusy(PlatformError):
    """More than the platform takes for this one person or group at a time; others are not concerned."""

    code = "platform.recipient_busy"
    message = N_("触发平台频率限制")
    hint = N_("系统会在平台允许的时间后自动重试。")
    failure = "rate_limited"
    retryable = True


class AnswerNotUnderstood(PlatformError):
    """Not the shape that the platform documents: a proxy's page, cut JSON, a wrong type, too large."""

    code = "platform.answer_not_understood"
    message = N_("平台的应答无法识别")
    hint = N_("中间可能有代理或网关改写了应答，请查看原始应答。")
    failure = "platform_busy"
    retryable = True
    uncertain = True


class CallbackRefused(PlatformError):
    """A callback that is not genuine. The answer never tells which check failed; the log does."""

    code = "callback.refused"
    message = N_("回调校验失败")
    hint = ""
    status = 403

    def __init__(self, reason: str, **params: Any) -> None:
        super().__init__(reason, **params)
        self.reason = reason


class CallbackMalformed(CallbackRefused):
    """Signed correctly, but its content cannot be read."""

    code = "callback.malformed"
    status = 400


# --- causes that services tell apart, whatever the platform -------------------------------------------------------


class SettingsIncomplete(PlatformError):
    """A value that the call needs was not entered yet. `field`: its label in the platform's console."""

    code = "platform.settings_incomplete"
    message = N_("尚未填写 %(field)s")
    hint = N_("请先在集成配置中填写并保存。")
    status = 409
    failure = "credential_invalid"

    def __init__(self, field: str) -> None:
        super().__init__(field, field=field)


class NotAuthorised(PlatformError):
    """The company did not install the provider's application, or took that back.

    The sentence is documented word for word, so it has no code and no translation.
    """

    code = "platform.not_authorised"
    message = N_("authorize app first")
    hint = N_(
        "请检查：1. 是否已完成应用的安装——在企业微信工作台中可以看到本应用；2. 填写的企业 ID（Corp ID）是否正确。"
    )
    status = 400
    failure = "app_unauthorised"


class CredentialInvalid(PlatformError):
    """Id and secret do not fit. Asking again with them can get the server's address banned, so nobody does."""

    code = "platform.credential_invalid"
    message = N_("应用凭证无效")
    hint = N_("请在平台管理后台重新复制凭证，并在集成配置中更换。")
    failure = "credential_invalid"


class RecipientUnreachable(PlatformError):
    """The account is gone or outside what the application may see: the link is broken."""

    code = "platform.recipient_unreachable"
    message = N_("接收人不在应用可见范围，或已离开企业")
    hint = N_("请在平台管理后台扩大应用的可见范围，或请该成员重新关联账号。")
    failure = "out_of_visible_range"


class LicenceLacking(PlatformError):
    """The platform asks a licence for this member, and there is none in force. One may be bought any time."""

    code = "platform.licence_lacking"
    message = N_("未开通企微许可")
    hint = N_("请联系应用的服务商购买并激活许可。")
    failure = "wecom_license_missing"


class GroupGone(PlatformError):
    """The group was dissolved, or the application is no longer in it."""

    code = "platform.group_gone"
    message = N_("群聊不存在、已解散或已移除应用")
    hint = N_("请重新把应用添加到群聊。")
    failure = "chat_gone"


class QuotaExhausted(PlatformError):
    """No more calls are granted this month (or day); waiting a little does not help."""

    code = "platform.quota_exhausted"
    message = N_("平台接口额度已用完")
    hint = N_("额度恢复后可以重新发送。")
    failure = "quota_exhausted"


class CardTooOld(PlatformError):
    """The card may not be changed any more, whatever is tried: it stays as it is."""

    code = "platform.card_too_old"
    message = N_("卡片已超过平台允许更新的时限")
    hint = N_("请在应用或控制台中查看最新状态。")
    failure = "content_refused"


class ContentRefused(PlatformError):
    """The platform does not take this content, or we could not make anything it would take."""

    code = "platform.content_refused"
    message = N_("内容被平台拒绝")
    hint = N_("请查看原始应答，并缩短或修改内容。")
    failure = "content_refused"


class UpdateCodeSpent(PlatformError):
    """The right to update a card is used up, too old or unknown; another one may still work."""

    code = "platform.update_code_spent"
    message = N_("卡片更新次数已用完或已过期")
    hint = N_("请在卡片上点击「状态刷新」获取一次更新机会。")
    failure = "content_refused"


class SignInExpired(PlatformError):
    """The code of a silent sign-in is used, too old or not ours: start the sign-in again."""

    code = "platform.sign_in_expired"
    message = N_("登录已过期")
    hint = N_("请从工作台重新打开应用。")
    status = 400


def remember(error: PlatformError) -> dict[str, Any]:
    """An error as JSON, to be kept and raised again elsewhere by recall()."""
    return {
        "code": error.code,
        "detail": error.detail,
        "platform_code": error.platform_code,
        "platform_message": error.platform_message,
        "http_status": error.http_status,
        "raw": error.raw,
        "params": {name: value for name, value in error.params.items() if isinstance(value, str | int | float)},
    }


def recall(memo: dict[str, Any]) -> PlatformError:
    """The error that remember() wrote down, in its own class as far as that class is loaded."""
    kind = next((found for found in _kinds(PlatformError) if found.code == memo["code"]), PlatformError)
    error = kind.__new__(kind)
    PlatformError.__init__(
        error,
        memo["detail"],
        platform_code=memo["platform_code"],
        platform_message=memo["platform_message"],
        http_status=memo["http_status"],
        raw=memo["raw"],
    )
    error.params = dict(memo["params"])
    return error


def _kinds(kind: type[PlatformError]) -> list[type[PlatformError]]:
    return [kind, *(found for below in kind.__subclasses__() for found in _kinds(below))]
