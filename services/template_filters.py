"""The filters of message templates. Each takes any value: what is absent stays absent, what does not fit is left alone.

Sentences and times are in the language and zone that is spoken at the moment (services/wording.py).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from jinja2 import Undefined

from models import Progress, Severity
from platforms.shortening import plain, shorten
from services.durations import duration_text
from services.template_run import (
    MAX_VALUE,
    USUAL_DATE,
    TemplateProblem,
    Trusted,
    bounded,
    counted,
    current_run,
    shown,
)
from services.wording import local_time, say
from texts import N_, Text
from whole_numbers import whole

COLOURS = {"Critical": "#C80000", "Warning": "#FA7D00", "Info": "#FABE00", "Ok": "#008800"}
LONGEST_FORMAT, LONGEST_PATH, LONGEST_SEPARATOR = 64, 200, 20
DIRECTIVE = re.compile(r"%([A-Za-z%])")
DIRECTIVES = frozenset("YmdHMSyjIpzZaAbB%")
PATH_PART = re.compile(r"[^.\[\]]+|\[\d{1,6}\]")
"""Of "$.a.b[0]"; numbers in brackets are places in a list."""


def date(value: Any, fmt: str = USUAL_DATE) -> str:
    """A time by %Y %m %d %H %M %S …; also a text in ISO 8601 or seconds since 1970."""
    at = _time(value)
    if at is None:
        return shown(value)
    if not isinstance(fmt, str) or len(fmt) > LONGEST_FORMAT:
        raise TemplateProblem("failed", detail="date")
    local = local_time(at)
    return DIRECTIVE.sub(lambda found: _part(local, found[1]), fmt)


def _part(local: datetime, letter: str) -> str:
    if letter not in DIRECTIVES:
        raise TemplateProblem("failed", detail=f"%{letter}")
    return "%" if letter == "%" else local.strftime(f"%{letter}")


def ago(value: Any) -> str:
    """ "5 分钟前"."""
    at = _time(value)
    return "" if at is None else say(Text(N_("%(duration)s前"), duration=duration_text(current_run().now - at)))


def duration(value: Any) -> str:
    """ "1 小时 5 分钟": of a length, of seconds, or since a time."""
    if isinstance(value, timedelta):
        return say(duration_text(value))
    if type(value) in {int, float} and abs(value) < 10**10:
        return say(duration_text(timedelta(seconds=value)))
    at = _time(value)
    return "" if at is None else say(duration_text(current_run().now - at))


def severity_text(value: Any) -> str:
    """严重, 一般, 轻微 or 恢复; also the words of a progress."""
    for kind in (Severity, Progress):
        if isinstance(value, str) and value in {each.value for each in kind}:
            return say(kind(value).label)
    return shown(value)


def severity_color(value: Any) -> Trusted:
    return Trusted(COLOURS.get(shown(value), ""))


def join_alert_labels(value: Any, key: str, sep: str = ", ") -> str:
    """The different values of one label over all alerts (`incident.alerts`), in their order."""
    if not isinstance(value, list | tuple) or not isinstance(key, str):
        return ""
    labels = [alert.get("labels") for alert in value if isinstance(alert, Mapping)]
    found = [shown(each.get(key)) for each in labels if isinstance(each, Mapping)]
    between = sep[:LONGEST_SEPARATOR] if isinstance(sep, str) else ", "
    return bounded(between.join(dict.fromkeys(filter(None, found))))


def json_get(value: Any, path: str) -> Any:
    """What stands at "a.b[0]" in a text of JSON, or in a list or mapping; nothing if there is nothing."""
    if not isinstance(path, str) or len(path) > LONGEST_PATH:
        return None
    if isinstance(value, str):
        value = _read_json(value)
    for part in PATH_PART.findall(path.removeprefix("$")):
        value = _inside(value, part)
    return value


def _read_json(text: str) -> Any:
    try:
        return json.loads(text[:MAX_VALUE])
    except (ValueError, RecursionError):
        return None


def _inside(value: Any, part: str) -> Any:
    if isinstance(value, Mapping):
        return value.get(part)
    number = whole(part.strip("[]"), MAX_VALUE)
    return value[number] if isinstance(value, list) and number is not None and number < len(value) else None


def default(value: Any, instead: Any = "") -> Any:
    """`instead` for what is absent or empty."""
    return instead if value is None or isinstance(value, Undefined) or value == "" else value


def truncate(value: Any, n: int = 80) -> str:
    if type(n) is not int or not 1 <= n <= MAX_VALUE:
        raise TemplateProblem("failed", detail="truncate")
    return shorten(shown(value), n)


def upper(value: Any) -> str:
    return bounded(shown(value).upper())


def lower(value: Any) -> str:
    return bounded(shown(value).lower())


def escape(value: Any) -> str:
    """Without effect on what is escaped anyway; said by those who want to be sure."""
    text, how = shown(value), current_run().escape
    if how is None or isinstance(value, Trusted):
        return text
    return Trusted("\n".join(how(plain(line)) for line in text.split("\n")))


def length(value: Any) -> int:
    return len(value) if isinstance(value, str | list | tuple | Mapping) else 0


def items(value: Any) -> list[tuple[str, Any]]:
    """Names and values of a mapping."""
    return list(counted(value.items())) if isinstance(value, Mapping) else []


def _time(value: Any) -> datetime | None:
    try:
        if isinstance(value, str):
            value = datetime.fromisoformat(value)
        elif type(value) in {int, float}:
            value = datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError):
        return None
    if not isinstance(value, datetime):
        return None
    return value if value.tzinfo else value.replace(tzinfo=UTC)


FILTERS: dict[str, Callable[..., Any]] = {
    "date": date,
    "ago": ago,
    "duration": duration,
    "severity_text": severity_text,
    "severity_color": severity_color,
    "join_alert_labels": join_alert_labels,
    "json_get": json_get,
    "default": default,
    "truncate": truncate,
    "upper": upper,
    "lower": lower,
    "escape": escape,
    "length": length,
    "items": items,
}

EXPLAINED: dict[str, str] = {
    "{{ incident.start_time | date('%m-%d %H:%M') }}": N_("时间的格式"),
    "{{ incident.start_time | ago }}": N_("多久以前"),
    "{{ incident.start_time | duration }}": N_("持续多久；也可以是两个时间之差"),
    "{{ incident.severity | severity_text }}": N_("严重程度的文字；也可用于处理进度"),
    "{{ incident.severity | severity_color }}": N_("严重程度的颜色，如 #C80000"),
    "{{ incident.alerts | join_alert_labels('host', ', ') }}": N_("所有告警的同一个标签，去重后连起来"),
    "{{ incident.labels.payload | json_get('a.b[0]') }}": N_("取 JSON 文本中的一个值"),
    "{{ incident.labels.env | default('—') }}": N_("没有值时显示什么"),
    "{{ incident.title | truncate(40) }}": N_("最多多少个字符"),
    "{{ incident.labels.region | upper }}": N_("大写；lower 为小写"),
    "{{ incident.title | escape }}": N_("不作为标记显示；变量的值本来就会这样处理"),
    "{% if incident.labels.env %}…{% endif %}": N_("有值时才显示"),
    "{% for name, value in incident.labels.items() %}…{% endfor %}": N_("逐个显示"),
}
"""How each is written, with a word on it: for the page where templates are written."""
