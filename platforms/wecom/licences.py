"""Interface licences (接口调用许可) of a company that installed a provider's application, asked about as the provider.

https://developer.work.weixin.qq.com/document/path/95652
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from platforms.errors import AnswerNotUnderstood
from platforms.licences import Licence, LicencePage, LicenceRules, LicenceTerms
from texts import N_

RULES = LicenceRules(
    name=N_("企微许可"),
    buyer=N_("许可由应用的服务商，即本系统的运维方，向企业微信购买并激活。"),
    way_out=N_("改用企业自建应用则不需要许可。"),
)
CHECKED = 1
"""license_status: WeCom asks for licences; 0: it does not, of this company."""
ACTIVE = 1
PAGE_SIZE = 1000

Json = dict[str, Any]


class Desk:
    """One company's licences. post: a call with the provider's token, by its path below /cgi-bin/."""

    def __init__(self, post: Callable[[str, Json], Json], *, suite_id: str, corp_id: str) -> None:
        self._post = post
        self._suite_id = suite_id
        self._corp_id = corp_id

    def terms(self) -> LicenceTerms:
        """The trial as WeCom counts it. path/97194"""
        known = {"corpid": self._corp_id, "suite_id": self._suite_id}
        content = self._post("license/get_app_license_info", known)
        trial = content.get("trail_info")  # spelt so
        starts, ends = (_moment(trial, name) for name in ("start_time", "end_time")) if trial else (None, None)
        return LicenceTerms(content.get("license_status") == CHECKED, starts, ends)

    def page(self, cursor: str) -> LicencePage:
        """Base and interconnect accounts alike: the latter includes the former. path/95544"""
        known = {"corpid": self._corp_id, "limit": PAGE_SIZE}
        content = self._post("license/list_actived_account", known | ({"cursor": cursor} if cursor else {}))
        licences = [_licence(row) for row in _rows(content, "account_list")]
        return LicencePage(licences, str(content.get("next_cursor") or "") if content.get("has_more") else "")

    def of(self, external_user_id: str) -> Licence | None:
        """path/97191"""
        known = {"corpid": self._corp_id, "userid": external_user_id}
        content = self._post("license/get_active_info_by_user", known)
        if content.get("active_status") != ACTIVE:
            return None
        licences = [_licence(row, external_user_id) for row in _rows(content, "active_info_list")]
        return max(licences, key=lambda one: one.expires_at, default=None)


def _rows(content: Json, name: str) -> list[Json]:
    rows = content.get(name) or []
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise AnswerNotUnderstood(f"no {name}")
    return rows


def _licence(row: Json, of: str = "") -> Licence:
    name = row.get("userid") or of
    if not isinstance(name, str) or not name:
        raise AnswerNotUnderstood("a licence without userid")
    starts, ends = _moment(row, "active_time"), _moment(row, "expire_time")
    if ends is None:
        raise AnswerNotUnderstood("a licence without expire_time")
    return Licence(name, starts or ends, ends)


def _moment(row: Any, name: str) -> datetime | None:
    """A time as WeCom writes it, Unix seconds; None for none."""
    seconds = row.get(name) if isinstance(row, dict) else None
    if isinstance(seconds, bool) or not isinstance(seconds, int) or seconds <= 0:
        return None
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, OSError, ValueError):
        raise AnswerNotUnderstood(f"{name} out of range") from None
