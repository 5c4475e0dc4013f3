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
    platform_code, raw, http_status: what the platform answered, for the log and the page (never a secret)
    """

    code = "platform.error"
    message = N_("平台返回 %(platform_code)s：%(platform_message)s")
    hint = N_("请把原始应答与请求编号交给平台支持人员。")
    status = 502
    failure: ClassVar[str] = "unknown"
    retryable: ClassVar[bool] = False
    uncertain: ClassVar[bool] = False

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


class NetworkFailed(PlatformError):
    """No connection was made: nothing reached the platform."""

    code = "platform.network"
    message = N_("无法连接平台")
    hint = N_("请检查服务器到平台的网络、DNS 与代理设置。")
    failure = "network"
    retryable = True


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
