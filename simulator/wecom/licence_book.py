"""The books of interface licences (接口调用许可) of one corp: its trial, orders, activation codes, who holds which.

Times are seconds since 1970, userids plain. https://developer.work.weixin.qq.com/document/path/95652
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from simulator.counters import DAY
from simulator.ids import random_text
from simulator.wecom.errors import ApiError, bad_parameter

TRIAL_DAYS = 90
BASE, INTERCONNECT = 1, 2
UNBOUND, BOUND, EXPIRED = 1, 2, 3
SHORTEST_DAYS, LONGEST_DAYS = 31, 1860
MOST_ACCOUNTS = 1_000_000
RENEWED_WITHIN = 20 * DAY
AUTO_RENEWED_WITHIN = 7 * DAY
MOST_AHEAD = LONGEST_DAYS * DAY
HELD_AT_LEAST = 30 * DAY
MONTH_DAYS = 31


@dataclass
class Code:
    """An activation code. It runs from its activation, or from the end of the one that it renews; userid "": free."""

    code: str
    type: int
    days: int
    userid: str = ""
    active_time: float = 0.0
    expire_time: float = 0.0

    @classmethod
    def load(cls, data: dict[str, Any]) -> Code:
        known = {
            name: value for name, value in data.items() if name in cls.__dataclass_fields__
        }  # older states hold more
        return cls(**known)

    def status(self, now: float) -> int:
        if not self.userid:
            return UNBOUND
        return BOUND if self.expire_time > now else EXPIRED


@dataclass
class Order:
    """Codes that were ordered; they exist once it is paid."""

    id: str
    base: int
    interconnect: int
    days: int
    buyer: str
    paid: bool = False
    codes: list[str] = field(default_factory=list)


@dataclass
class Licences:
    """One corp's. is_checked: WeCom asks for licences at all; a trial that never began (0) is none."""

    is_checked: bool = True
    trial_start: float = 0.0
    trial_end: float = 0.0
    auto_activate: bool = False
    orders: dict[str, Order] = field(default_factory=dict)
    codes: dict[str, Code] = field(default_factory=dict)

    @classmethod
    def load(cls, data: dict[str, Any]) -> Licences:
        orders = {key: Order(**order) for key, order in data.pop("orders", {}).items()}
        codes = {key: Code.load(code) for key, code in data.pop("codes", {}).items()}
        return cls(**data, orders=orders, codes=codes)

    # --- who may be reached ---------------------------------------------------------------------------------------

    def begin_trial(self, now: float, days: float = TRIAL_DAYS) -> None:
        """With the first installation; installing again does not begin it anew."""
        if not self.trial_start:
            self.trial_start, self.trial_end = now, now + days * DAY

    def is_trial(self, now: float) -> bool:
        return self.trial_start <= now < self.trial_end

    def is_licensed(self, userid: str, now: float) -> bool:
        """Whether messages reach this member and its identity may be asked for."""
        return not self.is_checked or self.is_trial(now) or self.held_until(userid) > now

    def held(self, userid: str) -> list[Code]:
        """Every code that the member ever activated, the one that lasts longest last."""
        mine = [code for code in self.codes.values() if code.userid.lower() == userid.lower()]
        return sorted(mine, key=lambda code: code.expire_time)

    def held_until(self, userid: str, kind: int = 0) -> float:
        return max((code.expire_time for code in self.held(userid) if kind in (0, code.type)), default=0.0)

    def active(self) -> list[Code]:
        """The code of each member and kind that lasts longest, in the order of activation."""
        newest: dict[tuple[str, int], Code] = {}
        for code in sorted(self.codes.values(), key=lambda code: code.expire_time):
            if code.userid:
                newest[code.userid.lower(), code.type] = code
        return sorted(newest.values(), key=lambda code: (code.active_time, code.code))

    # --- buying ---------------------------------------------------------------------------------------------------

    def order(self, base: int, interconnect: int, days: int, buyer: str) -> Order:
        """Raises 40058 for numbers that cannot be ordered."""
        if not all(0 <= count <= MOST_ACCOUNTS for count in (base, interconnect)) or not base + interconnect:
            raise bad_parameter("account_count")
        if not SHORTEST_DAYS <= days <= LONGEST_DAYS:
            raise bad_parameter("account_duration")
        made = Order(f"OI{random_text(30)}", base, interconnect, days, buyer)
        self.orders[made.id] = made
        return made

    def pay(self, order: Order) -> None:
        """The codes come into being."""
        if order.paid:
            return
        order.paid = True
        kinds = [BASE] * order.base + [INTERCONNECT] * order.interconnect
        for kind in kinds:
            code = Code(f"CODE{random_text(20)}", kind, order.days)
            self.codes[code.code] = code
            order.codes.append(code.code)

    def free(self, kind: int = BASE) -> Iterator[Code]:
        return (code for code in self.codes.values() if not code.userid and code.type == kind)

    # --- activating -----------------------------------------------------------------------------------------------

    def activate(self, code: Code, userid: str, now: float) -> None:
        """Give a code to a member, or renew the licence that it has.

        40058 for a code that somebody has, 701082 for a renewal more than 20 days ahead, 701030 beyond five years.
        """
        if code.userid:
            raise bad_parameter("active_code has been used")
        until = self.held_until(userid, code.type)
        if until - now > RENEWED_WITHIN:
            raise ApiError(701082)
        self._bind(code, userid, now)

    def activate_by_itself(self, userid: str, now: float) -> tuple[Code, int] | None:
        """What auto-activation does when a member is to be reached: the code given, and the status before; or None.

        status  1 none before, 2 one that ends within seven days, 3 one that ended
        """
        until = self.held_until(userid, BASE)
        if not self.auto_activate or until - now > AUTO_RENEWED_WITHIN or self.is_trial(now):
            return None
        code = next(self.free(), None)
        if code is None:
            return None
        status = UNBOUND if not until else BOUND if until > now else EXPIRED
        self._bind(code, userid, now)
        return code, status

    def hand_over(self, giver: str, taker: str, now: float) -> None:
        """Move a member's licence to another one: 701016 without one, 701017 within 30 days of its activation."""
        held = [code for code in self.held(giver) if code.expire_time > now]
        if not held:
            raise ApiError(701016)
        if any(now - code.active_time < HELD_AT_LEAST for code in held):
            raise ApiError(701017)
        for code in held:
            code.userid, code.active_time = taker, now

    def set_auto_activate(self, is_on: bool) -> None:
        """701071 before anything was ever bought."""
        if not any(order.paid for order in self.orders.values()):
            raise ApiError(701071)
        self.auto_activate = is_on

    def _bind(self, code: Code, userid: str, now: float) -> None:
        begins = max(self.held_until(userid, code.type), now)
        ends = begins + code.days * DAY
        if ends - now > MOST_AHEAD:
            raise ApiError(701030)
        code.userid, code.active_time, code.expire_time = userid, now, ends
