"""Regular expressions that foreign text meets: 64 kB of the worst text cost milliseconds."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

import pytest

import logs
from blueprints import gate
from blueprints.access import safe_next
from models import Severity
from platforms import PLATFORMS, redaction, shortening, xml
from platforms.dingtalk import cards as dingtalk_cards
from platforms.dingtalk import client as dingtalk_client
from platforms.dingtalk import codes as dingtalk_codes
from platforms.wecom import cards, client
from platforms.wecom import errors as wecom_errors
from services import accounts, filters, policy_levels, wording
from services.filters import Facts
from sources import base, standard

CHARACTERS = 65_536
CPU_SECONDS = 0.1
"""Twice the bar, in time of this process: a quadratic pattern needs seconds."""
SUBSTITUTED = {
    "log: query": logs.IN_QUERY,
    "log: JSON": logs.IN_JSON,
    "log: header": logs.IN_HEADER,
    "log: bearer": logs.BEARER,
    "log: address": logs.IN_URL,
    "platform answer: query": redaction.IN_QUERY,
    "platform answer: JSON": redaction.IN_JSON,
    "platform answer: code": redaction.CODE_IN_JSON,
    "platform answer: another's address": dingtalk_codes.SEEN_IP,
    "platform answer: permission": dingtalk_codes.SCOPE,
    "card: Markdown": dingtalk_cards.MARKDOWN,
    "platform answer: address": wecom_errors.FROM_IP,
    "platform answer: hint": wecom_errors.HINT,
    "card: broadcast": shortening.BROADCAST,
    "card: markup": shortening.MARKUP,
    "card: XML": xml.INVALID,
    "push: control characters": base._CONTROL,
    "push: places in titles": standard._PLACE,
    "sentence: places": wording.PLACE,
}
WHOLE = {
    "request id": gate.REQUEST_ID,
    "user name": accounts.USERNAME,
    "user id": client.USER_ID,
    "user id with capitals": dingtalk_client.USER_ID,
    "group id": dingtalk_client.CHAT_ID,
    "task id": cards.TASK_ID,
    "channel kind": policy_levels.CHANNEL_KIND,
    "clock": policy_levels.CLOCK,
    "log: name": logs.NAME,
}
PIECES = [
    *("a", "a+", "a ", "a.", "a-", "a=", "9", "0.", " ", "\t", "\n", "\x00", "\u2028", "-", "_", "/", "\\", "a\\"),
    *("'", '"', "secret=", "secret=a ", '"secret": "', '"secret":"\\', "'code':'", "authorization: ", "bearer "),
    *("set-cookie=", "://:", "a://", "a+a://", "http://a:", "x://a:b", "@", "@ ", "@\u3000", "@all", "a@a", "<"),
    *("</", "%(", "${", "${a", "from ip: ", "hint: [", ", hint: [a", "[", "]", "=&", '{"code":"', "Bearer aaaaaa"),
]


def slowest(work: Callable[[str], object]) -> tuple[float, str]:
    """The most that one hostile text costs, in seconds of this process, and its piece."""
    found = []
    for piece in PIECES:
        text = (piece * (CHARACTERS // len(piece) + 1))[:CHARACTERS]
        started = time.process_time()
        work(text)
        found.append((time.process_time() - started, piece))
    return max(found)


@pytest.mark.parametrize("pattern", SUBSTITUTED.values(), ids=SUBSTITUTED)
def test_searching_long_text_is_quick(pattern: re.Pattern[str]) -> None:
    seconds, piece = slowest(lambda text: pattern.sub("", text))
    assert seconds < CPU_SECONDS, repr(piece)


@pytest.mark.parametrize("pattern", WHOLE.values(), ids=WHOLE)
def test_matching_long_text_is_quick(pattern: re.Pattern[str]) -> None:
    seconds, piece = slowest(pattern.fullmatch)
    assert seconds < CPU_SECONDS, repr(piece)


@pytest.mark.parametrize("platform", PLATFORMS)
def test_the_wizards_fields_are_checked_quickly(platform: str) -> None:
    for mode in PLATFORMS[platform].modes:
        for field in mode.fields:
            seconds, piece = slowest(field.problems)
            assert seconds < CPU_SECONDS, (field.name, piece)


def test_where_sign_in_leads_is_decided_quickly() -> None:
    seconds, piece = slowest(lambda text: safe_next("/" + text))
    assert seconds < CPU_SECONDS, repr(piece)


@pytest.mark.parametrize("expression", ["/(a+)+$/", "/(a|aa)+$/", "/(.*)*x/", "/([a-z]+)*1/", "*a*a*a*a*b"])
def test_conditions_that_an_administrator_writes_take_linear_time(expression: str) -> None:
    condition = [[{"key": "title", "op": "IN", "vals": [expression]}]]
    compiled = filters.parse(condition)
    started = time.process_time()
    filters.matches(compiled, Facts(severity=Severity.INFO, title="a" * CHARACTERS + "!"))
    assert time.process_time() - started < CPU_SECONDS
