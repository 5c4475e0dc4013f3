"""Why a message did not reach somebody, in the words that people search for, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from models import Delivery
from platforms import PLATFORMS
from platforms.errors import PlatformError, recall, remember
from texts import N_, Text


@dataclass(frozen=True)
class Failure:
    """label may hold %(ip)s, %(scope)s, %(platform_code)s, %(platform_message)s; hint says what to do next."""

    label: str
    hint: str = ""


FAILURES = {
    "app_not_linked": Failure(N_("未关联应用"), N_("请该成员从工作台打开一次应用并完成登录，然后重新发送。")),
    "wecom_license_missing": Failure(
        N_("未开通企微许可"),
        N_("请联系应用的服务商（本系统的运维方）购买并激活许可，开通后会自动补发；改用企业自建应用则不需要许可。"),
    ),
    "link_pending": Failure(N_("成员审核中"), N_("请在成员管理中通过该成员的加入申请。")),
    "member_inactive": Failure(N_("成员已停用或未激活"), N_("请在成员管理中检查该成员的状态。")),
    "no_channel": Failure(N_("未设置通知方式"), N_("请在个人偏好或分派策略中选择至少一种通知方式。")),
    "out_of_visible_range": Failure(N_("不在应用可见范围"), N_("请在平台管理后台扩大应用的可见范围。")),
    "ip_not_allowed": Failure(N_("平台拒绝了服务器 IP %(ip)s"), N_("请在平台管理后台把该 IP 加入企业可信 IP。")),
    "credential_invalid": Failure(N_("应用凭证无效"), N_("请在集成配置中更换应用凭证。")),
    "permission_missing": Failure(N_("应用缺少权限 %(scope)s"), N_("请在平台管理后台为应用开通该权限。")),
    "app_unauthorised": Failure(N_("应用已被取消授权"), N_("请重新授权应用。")),
    "integration_disabled": Failure(N_("集成已停用"), N_("请在集成中心启用该集成。")),
    "rate_limited": Failure(N_("触发平台频率限制"), N_("系统会在平台允许的时间后自动重试。")),
    "quota_exhausted": Failure(N_("平台接口额度已用完"), N_("额度恢复后可以重新发送。")),
    "chat_gone": Failure(N_("群聊不存在、已解散或已移除应用"), N_("请重新把应用添加到群聊。")),
    "content_refused": Failure(N_("内容被平台拒绝"), N_("请查看平台的原始应答。")),
    "platform_busy": Failure(N_("平台繁忙"), N_("系统会自动重试。")),
    "network": Failure(N_("网络超时"), N_("请检查服务器到平台的网络。")),
    "unknown": Failure(N_("平台返回 %(platform_code)s：%(platform_message)s"), N_("请查看平台的原始应答。")),
    "held": Failure(
        N_("等待过久，未自动发送"),
        N_(
            "消息到期一小时后系统才恢复处理（停机、恢复备份或积压），为避免旧消息打扰，请确认后点击「重新发送」或「放弃」。"
        ),
    ),
    "outcome_unknown": Failure(
        N_("无法确认是否已送达"),
        N_("平台没有应答，且已超过平台去重的时限，再次发送可能重复；请向接收人确认后点击「重新发送」或「放弃」。"),
    ),
    "internal": Failure(N_("系统无法生成或发送该消息"), N_("请把此记录的编号交给运维人员查看日志。")),
}

SKIPS = {
    "snoozed": N_("屏蔽中"),
    "closed": N_("已关闭"),
    "flapping_muted": N_("抖动静默"),
    "severity_filtered": N_("级别不符"),
    "dropped": N_("已放弃"),
}

OUTAGES = ("network", "platform_busy")
"""Failures of the platform as a whole: once a message gets through, the others need not wait any longer."""

_PLACES = {"ip": "", "scope": "", "platform_code": "", "platform_message": ""}


def label(delivery: Delivery) -> Text | None:
    """Why it was not sent, as shown on every page; None if nothing went wrong."""
    code = delivery.failure_code
    if code is None:
        return None
    if code in SKIPS:
        return Text(SKIPS[code])
    failure = FAILURES.get(code, FAILURES["unknown"])
    return Text(failure.label, **_params(delivery)) if "%(" in failure.label else Text(failure.label)


def hint(delivery: Delivery) -> Text | None:
    """What to do about it: the platform's own advice where its answer named a cause, else the general one."""
    code = delivery.failure_code
    if code is None or code in SKIPS:
        return None
    error = error_of(delivery)
    if error is not None and error.hint:
        return Text(error.hint, **(_PLACES | error.params)) if "%(" in error.hint else Text(error.hint)
    if code == "app_not_linked" and (way := _workbench(delivery)):
        return Text(N_("请该成员打开一次应用，然后重新发送：%(way)s"), way=Text(way))
    return Text(FAILURES.get(code, FAILURES["unknown"]).hint)


def _workbench(delivery: Delivery) -> str:
    """How somebody opens the application on the platform that the message was for; "" for no platform's channel."""
    kinds = (one.capabilities for one in PLATFORMS.values() if one.capabilities.channel_kind == delivery.channel_kind)
    return next((one.workbench_hint for one in kinds), "")


def error_of(delivery: Delivery) -> PlatformError | None:
    """What the platform answered last, as the error that it was."""
    memo = delivery.failure.get("error")
    return recall(memo) if memo else None


def memo(error: PlatformError) -> dict[str, Any]:
    """What Delivery.failure keeps of an error. `unanswered`: the message may have arrived all the same."""
    return {"error": remember(error), "unanswered": error.uncertain}


def _params(delivery: Delivery) -> dict[str, Any]:
    error = error_of(delivery)
    return _PLACES | (error.params if error else {})
