"""The root of every error that a person gets to read. A leaf: everybody may import it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, ClassVar

from texts import N_


class AppError(Exception):
    """Something the reader can act on.

    code     stable and searchable, for logs and API answers: "incident.closed".
    message  what happened; hint: what to do next. Both are catalogue ids with %(name)s places,
             filled from `params` when shown.
    status   HTTP status of a page or API answer that ends with this error; retry_after: when to come back, if known
    """

    code: ClassVar[str] = "error"
    api_code: ClassVar[str] = "InternalError"
    message: ClassVar[str] = N_("出现了意料之外的错误")
    hint: ClassVar[str] = ""
    status: ClassVar[int] = 500
    retry_after: timedelta | None = None

    def __init__(self, detail: str = "", **params: Any) -> None:
        super().__init__(detail or self.message)
        self.detail = detail
        self.params = params


class NotFound(AppError):
    """No such thing in this organisation; also the answer to things of other organisations."""

    code = "not_found"
    api_code = "ResourceNotFound"
    message = N_("找不到您要的内容")
    hint = N_("它可能已被删除，或属于另一个组织。")
    status = 404


class AccessDenied(AppError):
    code = "access_denied"
    api_code = "AccessDenied"
    message = N_("您没有执行此操作的权限")
    hint = N_("请联系管理员为您分配相应的角色。")
    status = 403


class Conflict(AppError):
    """Somebody else changed the same thing a moment earlier."""

    code = "conflict"
    api_code = "Conflict"
    message = N_("内容刚刚被其他人修改")
    hint = N_("请刷新页面，确认最新状态后再试。")
    status = 409


class InvalidInput(AppError):
    """A value that cannot be accepted.

    field   the API's name for it, always: pages say it by its label (services/field_names.py)
    reason  a catalogue id with places filled from `params`
    """

    code = "invalid_input"
    api_code = "InvalidParameter"
    message = N_("%(field)s 无效：%(reason)s")
    status = 400

    def __init__(self, field: str, reason: str, **params: Any) -> None:
        super().__init__(f"{field}: {reason}", field=field, reason=reason, **params)
        self.field = field


class Busy(AppError):
    """The database or another part cannot take work now; nothing was stored."""

    code = "busy"
    api_code = "InternalError"
    message = N_("服务暂时繁忙，本次请求没有保存")
    hint = N_("请稍后重试。")
    status = 503
    retry_after = timedelta(seconds=5)
