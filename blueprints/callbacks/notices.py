"""What is said about callbacks that are refused: in the log, a line every few seconds, and in the setup wizard."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from logs import Throttle
from models import CheckState, Integration
from platforms.errors import CallbackRefused
from services import checks
from texts import N_

LINE_EVERY_SECONDS = 5.0
"""For each kind of line and each process, so that several of them stay below one line a second together."""
LOOK_EVERY_SECONDS = 1.0
FAILURE_EVERY = timedelta(seconds=2)
NOTED_EVERY = timedelta(seconds=10)
FORGED: dict[str, object] = {
    "code": "callback.refused",
    "message": N_("收到了回调请求，但校验失败"),
    "hint": N_("请检查这里填写的回调参数与平台管理后台中的是否完全一致，不要有多余的空格。"),
}

log = logging.getLogger(__name__)


_forged, _untimely, _not_stored = (Throttle(LINE_EVERY_SECONDS) for _ in range(3))


def refused(reason: str) -> None:
    """Log a callback that is not genuine."""
    kept_back = _forged.take()
    if kept_back is not None:
        log.warning("A callback was refused (%s); %s more since the last line.", reason, kept_back)


def clock_differs(seconds: float) -> None:
    """Log a callback that is too old or from the future: a replay, or one of the two clocks is wrong."""
    kept_back = _untimely.take()
    if kept_back is not None:
        said = "A callback was refused: clock differs by %.0f s (platform − here); %s more since the last line."
        log.warning(said, seconds, kept_back)


def not_stored(error: Exception) -> None:
    """Log a callback that the database could not take in time."""
    kept_back = _not_stored.take()
    if kept_back is not None:
        said = "A callback could not be stored, the platform will repeat it: %s; %s more since the last line."
        log.warning(said, type(error).__name__, kept_back)


def refusal_detail(error: CallbackRefused) -> dict[str, object]:
    """Why, for the wizard: only where the platform's adapter has something to say that helps."""
    return {"code": error.code, "message": error.message, "hint": error.hint} if error.hint else FORGED


def clock_detail(seconds: float) -> dict[str, object]:
    """The same for the wizard."""
    return {
        "code": "callback.clock",
        "message": N_("平台的时间与本服务器相差 %(seconds)s 秒，回调已被拒绝"),
        "hint": N_("请校准服务器的时钟（NTP），然后在平台管理后台重新保存。"),
        "params": {"seconds": round(seconds)},
    }


def is_awaited(integration: Integration, purpose: str, now: datetime) -> bool:
    """Whether a failure should be noted: no genuine callback was seen yet, and not just now another failure."""
    check = checks.get(integration, checks.of_callback(purpose))
    if check is None:
        return True
    if check.state is CheckState.PASSED:
        return False
    return check.at is None or now - check.at > FAILURE_EVERY


def is_known(integration: Integration, purpose: str, now: datetime) -> bool:
    """Whether nothing new would be noted: the check has passed and the last callback was a moment ago."""
    check = checks.get(integration, checks.of_callback(purpose))
    last = integration.last_callback_at
    return check is not None and check.state is CheckState.PASSED and last is not None and now - last < NOTED_EVERY
