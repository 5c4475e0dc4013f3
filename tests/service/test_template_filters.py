"""The filters of templates, in the language and zone of the organisation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask

from services.template_engine import compile_text
from services.template_filters import FILTERS
from services.template_run import TemplateProblem
from services.wording import speaking

NOW = datetime(2026, 3, 2, 1, 31, tzinfo=UTC)


@dataclass
class Home:
    locale: str = "zh_CN"
    timezone: str = "Asia/Shanghai"


@pytest.fixture(params=["sqlite"])
def settings(request: pytest.FixtureRequest, tmp_path):
    from tests.conftest import make_settings

    return make_settings(tmp_path)


@pytest.fixture(autouse=True)
def at_home(app: Flask) -> Iterator[None]:
    with speaking(Home()):
        yield


def say(expression: str, **values: object) -> str:
    return "\n".join(compile_text("{{ " + expression + " }}").render({"v": values}, now=NOW))


def test_times_are_those_of_the_organisation() -> None:
    assert say("v.at", at=NOW) == "2026-03-02 09:31"
    assert say("v.at | date('%m/%d %H点%M分 %%')", at=NOW) == "03/02 09点31分 %"
    assert say("v.at | date('%H:%M')", at="2026-03-02T01:31:00+00:00") == "09:31"
    assert say("v.at | date('%Y')", at=NOW.timestamp()) == "2026"
    assert say("v.at | date", at=None) == ""
    assert say("v.at | date", at="yesterday") == "yesterday"


@pytest.mark.parametrize("fmt", ["%999999999Y", "%n", "%s" * 40, "%Ey", "%" * 65])
def test_a_format_holds_nothing_but_the_usual_parts(fmt: str) -> None:
    try:
        assert len(say(f"v.at | date('{fmt}')", at=NOW)) < 80
    except TemplateProblem as problem:
        assert problem.code == "failed"


def test_lengths_of_time() -> None:
    assert say("v.at | ago", at=NOW - timedelta(minutes=5)) == "5 分钟前"
    assert say("v.at | duration", at=NOW - timedelta(minutes=65)) == "1 小时 5 分钟"
    assert say("(v.b - v.a) | duration", a=NOW, b=NOW + timedelta(days=1, hours=2)) == "1 天 2 小时"
    assert say("7200 | duration") == "2 小时 0 分钟"
    assert say("v.at | ago ~ v.at | duration", at=None) == ""


def test_severities_have_words_and_colours() -> None:
    assert say("v.s | severity_text", s="Critical") == "严重"
    assert say("v.s | severity_text", s="Processing") == "处理中"
    assert say("v.s | severity_text", s="odd") == "odd"
    assert [say("v.s | severity_color", s=s) for s in ("Critical", "Warning", "Info", "Ok", "odd")] == [
        "#C80000",
        "#FA7D00",
        "#FABE00",
        "#008800",
        "",
    ]
    with speaking(Home("en", "UTC")):
        assert say("v.s | severity_text", s="Critical") == "Critical"


def test_labels_of_all_alerts_are_joined_once_each() -> None:
    alerts = [{"labels": {"host": host}} for host in ("a", "b", "a", "")] + [{"labels": {}}]
    assert say("v.alerts | join_alert_labels('host', ' + ')", alerts=alerts) == "a + b"
    assert say("v.alerts | join_alert_labels('host')", alerts="no list") == ""
    assert say("v.alerts | join_alert_labels('host', v.sep)", alerts=alerts, sep="-" * 9999) == "a" + "-" * 20 + "b"


def test_json_is_looked_into() -> None:
    text = '{"a": {"b": [1, {"c": "found"}]}, "n": 1.5, "t": true, "list": [1, 2]}'
    assert say("v.t | json_get('a.b[1].c')", t=text) == "found"
    assert say("v.t | json_get('$.a.b[0]')", t=text) == "1"
    assert say("v.t | json_get('n')", t=text) == "1.5"
    assert say("v.t | json_get('list')", t=text) == "1, 2"
    for path in ("a.x", "a.b[9]", "list.x", "a.b[1].c.d", "x" * 500):
        assert say(f"v.t | json_get('{path}')", t=text) == ""
    for broken in ("{", "[" * 100_000, "1" * 7000, None, 5):
        assert say("v.t | json_get('a')", t=broken) == ""


def test_text_is_replaced_cut_and_written_large_or_small() -> None:
    assert say("v.x | default('—')") == "—"
    assert say("v.x | default('—')", x="") == "—"
    assert say("v.x | default('—')", x=0) == "0"
    assert say("v.x | truncate(4)", x="一二三四五") == "一二三…"
    assert say("v.x | upper ~ v.x | lower", x="aB") == "ABab"
    with pytest.raises(TemplateProblem):
        say("v.x | truncate(10 * 1000)", x="a")


def test_every_filter_takes_what_is_absent_and_what_does_not_fit() -> None:
    odd = (None, "", "x" * 4000, 10**14, -1.5, True, {}, {"a": {}}, [], [[]], NOW, timedelta(1))
    arguments = {"join_alert_labels": "('a', ',')", "json_get": "('a[0]')", "default": "('d')", "truncate": "(9)"}
    for name in FILTERS:
        assert say(f"v.absent | {name}{arguments.get(name, '')}") in {"", "d", "0"}
        for value in odd:
            say(f"v.x | {name}{arguments.get(name, '')}", x=value)


def test_escaping_twice_escapes_once() -> None:
    written = compile_text("{{ v | escape }}{{ v }}{{ v | upper | escape }}")
    assert written.render({"v": "a*"}, now=NOW, escape=lambda text: text.replace("*", "\\*")) == ["a\\*a\\*A\\*"]
