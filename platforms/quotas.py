"""What a platform grants only so much of, as data: a company's calls of a month, the people an application tells a day.

A platform that counts says so in Capabilities.quota; services/calls.py does the counting.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from texts import N_

ZONE = ZoneInfo("Asia/Shanghai")
"""Where the platforms' months and days begin."""


class Period(enum.StrEnum):
    """How long what was granted lasts. The value writes the one that a time lies in: "2026-03", "2026-03-05"."""

    MONTH = "%Y-%m"
    DAY = "%Y-%m-%d"

    def at(self, time: datetime) -> str:
        return time.astimezone(ZONE).strftime(self.value)


class Counted(enum.Enum):
    """CALLS: messages, updates and questions that the platform took. PEOPLE: whom messages reached, groups aside."""

    CALLS = "calls"
    PEOPLE = "people"


@dataclass(frozen=True)
class Quota:
    """What differs between platforms, as data. Texts are catalogue ids.

    number      the setting, and the API's name, of what an administrator enters; times: how much one of it grants
    usual       what holds while nothing was entered; 0: no limit is known
    told_apart_by   settings by which one application is told from another, each having its own quota; (): a company has
                    one over all its applications (Platform.company)
    title, used, granted, no_limit   how a page calls it, what was used and what is granted; and where that is 0
    entry, entry_help   how it calls the number that is entered, and where that is found
    used_up, then   what it says once all is used, and what happens then
    about       what is counted, and what is not
    """

    period: Period
    counted: Counted
    number: str
    title: str
    used: str
    granted: str
    no_limit: str
    entry: str
    used_up: str
    then: str
    about: str
    entry_help: str = ""
    times: int = 1
    usual: int = 0
    told_apart_by: tuple[str, ...] = ()


def calls_a_month(free: int) -> Quota:
    """The quota of a company whose edition grants so many calls; free: those of the free one."""
    return Quota(
        period=Period.MONTH,
        counted=Counted.CALLS,
        number="monthly_limit",
        usual=free,
        title=N_("本月接口调用"),
        used=N_("已调用"),
        granted=N_("每月额度"),
        no_limit=N_("不限"),
        entry=N_("每月额度，0 表示不限"),
        used_up=N_("本月调用次数已达到额度"),
        then=N_("平台可能拒绝发送与更新，每月 1 日恢复；也可以升级平台版本。"),
        about=N_("只计本系统发送与更新成功的次数；平台按整个企业计算，实际用量可能更高。"),
    )
