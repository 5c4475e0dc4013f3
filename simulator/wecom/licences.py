"""The calls below /cgi-bin/license/: orders, activation codes, who holds which; all as the provider.

https://developer.work.weixin.qq.com/document/path/95652
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from simulator.wecom.errors import ApiError, bad_parameter
from simulator.wecom.licence_book import MONTH_DAYS, Code, Licences, Order

MOST_LISTED = 1000
USUALLY_LISTED = 500
MOST_AT_ONCE = 1000

Json = dict[str, Any]


@dataclass(frozen=True)
class Books:
    """One corp's books as a provider uses them: it names people by ids of its own.

    plain  the userid behind such an id, None for nobody in the visible range; seen: the other way
    """

    licences: Licences
    body: Mapping[str, Any]
    now: float
    plain: Callable[[str], str | None]
    seen: Callable[[str], str]

    def person(self, given: Any) -> str:
        """60111 for somebody whom the provider does not see."""
        userid = self.plain(str(given or ""))
        if not userid:
            raise ApiError(60111)
        return userid

    def code(self, given: Any) -> Code:
        found = self.licences.codes.get(str(given or ""))
        if found is None:
            raise bad_parameter("active_code")
        return found

    def order(self) -> Order:
        found = self.licences.orders.get(str(self.body.get("order_id") or ""))
        if found is None:
            raise bad_parameter("order_id")
        return found


# --- how things stand ---------------------------------------------------------------------------------------------


def get_app_license_info(books: Books) -> Json:
    """path/97194. The trial is left out where there is none, as is everything while licences are not asked for."""
    if not books.licences.is_checked:
        return {"license_status": 0}
    known: Json = {"license_status": 1, "license_check_time": int(books.licences.trial_end)}
    if books.licences.trial_end:
        start, end = int(books.licences.trial_start), int(books.licences.trial_end)
        known["trail_info"] = {"start_time": start, "end_time": end}
    return known


def get_active_info_by_user(books: Books) -> Json:
    """path/97191. What ran out is told as well, and counts as not active."""
    userid = books.person(books.body.get("userid"))
    held = [code for code in books.licences.active() if code.userid.lower() == userid.lower()]
    is_active = any(code.expire_time > books.now for code in held)
    return {"active_status": int(is_active), "active_info_list": [_shown(books, code) for code in held]}


def list_actived_account(books: Books) -> Json:
    """path/95544. The cursor is opaque: here, the number of those before it."""
    limit = _whole(books.body.get("limit") or USUALLY_LISTED, 1, MOST_LISTED, "limit")
    cursor = str(books.body.get("cursor") or "0")
    if not cursor.isdigit():
        raise bad_parameter("cursor")
    start, active = int(cursor), books.licences.active()
    has_more = start + limit < len(active)
    listed = [
        {name: value for name, value in _shown(books, code).items() if name != "active_code"}
        for code in active[start : start + limit]
    ]
    return {"account_list": listed, "has_more": int(has_more), "next_cursor": str(start + limit) if has_more else ""}


def get_active_info_by_code(books: Books) -> Json:
    """path/97189."""
    code = books.code(books.body.get("active_code"))
    return {"active_info": _shown(books, code) | {"status": code.status(books.now)}}


# --- buying -------------------------------------------------------------------------------------------------------


def create_new_order(books: Books) -> Json:
    """path/97182. Nothing exists before it is paid."""
    counts, duration = books.body.get("account_count"), books.body.get("account_duration")
    if not isinstance(counts, dict) or not isinstance(duration, dict):
        raise bad_parameter("account_count")
    if not books.body.get("buyer_userid"):
        raise bad_parameter("buyer_userid")
    base, interconnect = (_count(counts.get(name)) for name in ("base_count", "external_contact_count"))
    days = _count(duration.get("months")) * MONTH_DAYS + _count(duration.get("days"))
    made = books.licences.order(base, interconnect, days, str(books.body["buyer_userid"]))
    return {"order_id": made.id}


def list_order_account(books: Books) -> Json:
    """The codes of an order that was paid."""
    order = books.order()
    codes = [books.licences.codes[code] for code in order.codes]
    return {
        "account_list": [{"active_code": code.code, "type": code.type} for code in codes],
        "has_more": 0,
        "next_cursor": "",
    }


# --- activating ---------------------------------------------------------------------------------------------------


def active_account(books: Books) -> Json:
    """path/97188."""
    userid = books.person(books.body.get("userid"))
    books.licences.activate(books.code(books.body.get("active_code")), userid, books.now)
    return {}


def batch_active_account(books: Books) -> Json:
    """Each with an errcode of its own; at most 1000."""
    return {"active_result": [_tried(books, row, _activate) for row in _listed(books, "active_list")]}


def batch_transfer_license(books: Books) -> Json:
    return {"transfer_result": [_tried(books, row, _transfer) for row in _listed(books, "transfer_list")]}


def set_auto_active_status(books: Books) -> Json:
    """path/95873."""
    status = books.body.get("auto_active_status")
    if status not in (0, 1):
        raise bad_parameter("auto_active_status")
    books.licences.set_auto_activate(status == 1)
    return {}


def get_auto_active_status(books: Books) -> Json:
    """path/95874."""
    return {"auto_active_status": int(books.licences.auto_activate)}


CALLS: dict[str, Callable[[Books], Json]] = {
    call.__name__: call
    for call in (
        get_app_license_info,
        get_active_info_by_user,
        list_actived_account,
        get_active_info_by_code,
        create_new_order,
        list_order_account,
        active_account,
        batch_active_account,
        batch_transfer_license,
        set_auto_active_status,
        get_auto_active_status,
    )
}
"""By the last part of their address."""


def _activate(books: Books, row: Json) -> None:
    books.licences.activate(books.code(row.get("active_code")), books.person(row.get("userid")), books.now)


def _transfer(books: Books, row: Json) -> None:
    giver, taker = (books.person(row.get(name)) for name in ("handover_userid", "takeover_userid"))
    books.licences.hand_over(giver, taker, books.now)


def _tried(books: Books, row: Json, do: Callable[[Books, Json], None]) -> Json:
    """The row with what became of it."""
    try:
        do(books, row)
    except ApiError as error:
        return row | {"errcode": error.code}
    return row | {"errcode": 0}


def _shown(books: Books, code: Code) -> Json:
    times = {"active_time": int(code.active_time), "expire_time": int(code.expire_time)}
    shown: Json = {"active_code": code.code, "type": code.type}
    return shown | ({"userid": books.seen(code.userid)} | times if code.userid else {})


def _listed(books: Books, name: str) -> list[Json]:
    rows = books.body.get(name)
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows) or len(rows) > MOST_AT_ONCE:
        raise bad_parameter(name)
    return rows


def _count(value: Any) -> int:
    return _whole(value or 0, 0, 10**9, "account_count")


def _whole(value: Any, least: int, most: int, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise bad_parameter(name)
    return value
