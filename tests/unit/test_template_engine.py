"""The language of templates: what it writes, and all that it refuses or stops."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest

from services import template_engine
from services.template_engine import compile_text
from services.template_run import MAX_SOURCE, TemplateProblem, problem_text

NOW = datetime(2026, 3, 2, 1, 31, tzinfo=UTC)
VALUES = {
    "incident": {
        "title": "db-03 / disk.used>95%",
        "severity": "Critical",
        "labels": {"resource": "db-03", "env": "prod", "items": "a label of this name"},
        "start_time": NOW,
        "alerts": [{"labels": {"host": f"h{n}"}} for n in range(50)],
        "long": "x" * 4000,
        "nothing": None,
        "hostile": "%99999999d {0.__class__}",
    },
    "channel": {"name": "支付核心"},
}


def lines(source: str, **values: object) -> list[str]:
    return compile_text(source).render(VALUES | values, now=NOW)


def refusal(source: str) -> str:
    with pytest.raises(TemplateProblem) as found:
        lines(source)
    return found.value.code


# --- what it writes -----------------------------------------------------------------------------------------------


def test_lines_that_absent_labels_left_empty_are_removed() -> None:
    source = "{{ incident.labels.resource }}\n{{ incident.labels.absent }}\n{% if incident.labels.x %}x{% endif %}\nend"
    assert lines(source) == ["db-03", "end"]


def test_a_blank_line_that_was_written_stays_and_only_one_of_many() -> None:
    assert lines("\n\na\n\n  \n\nb\n{{ incident.nothing }}\n\nc\n\n") == ["a", "", "b", "", "c"]


def test_loops_conditions_and_counters() -> None:
    each = "{% if not loop.last %}{{ loop.index }} {{ k }}={{ v }}\n{% endif %}"
    assert lines("{% for k, v in incident.labels.items() %}" + each + "{% endfor %}") == [
        "1 resource=db-03",
        "2 env=prod",
    ]
    assert lines("{% for name in incident.labels %}{{ name }};{% endfor %}") == ["resource;env;items;"]
    assert lines(
        "{% for a in incident.alerts if a.labels.host == 'h7' %}{{ a.labels['host'] }}{% else %}-{% endfor %}"
    ) == ["h7"]
    assert lines("{% for x in incident.title %}x{% else %}none{% endfor %}") == ["none"]


def test_small_sums_and_values_of_its_own() -> None:
    assert lines("{% set n = incident.alerts | length %}{{ n - 1 }} {{ n * 2 + 1 }} {{ n / 4 }} {{ -n }}") == [
        "49 101 12.5 -50"
    ]
    assert lines("{{ 'a' if incident.labels.env == 'prod' else 'b' }}{{ 'x' ~ incident.labels.env ~ 3 }}") == [
        "axprod3"
    ]
    assert lines("{{ incident.severity in ['Critical', 'Warning'] }}{{ incident.labels.x is defined }}") == [
        "truefalse"
    ]


def test_values_are_escaped_where_the_text_becomes_markup_and_addresses_stay_whole() -> None:
    values = {"bad": "[x](http://evil) <at id=all></at>", "url": "https://example.com/a_b?c=1&d=2", "list": ["*", "_"]}
    written = compile_text("**{{ v.bad }}** [go]({{ v.url }}) {{ v.list }}")
    found = written.render(
        {"v": values}, now=NOW, escape=lambda text: "".join(f"\\{c}" if c in "[]<>*_" else c for c in text)
    )
    assert found == [r"**\[x\](http://evil) ＜at id=all\>＜/at\>** [go](https://example.com/a_b?c=1&d=2) \*, \_"]


def test_values_that_are_only_shown_by_their_names_are_noted() -> None:
    compiled = compile_text(
        "{{ incident.title }}\n{{ incident['labels'].x }}{% set y = recipient.name %}{{ y }}{{ channel }}"
    )
    assert compiled.names == {("incident.title", 1), ("incident.labels", 2), ("recipient.name", 2), ("channel", 2)}
    assert compiled.uses("incident.labels")
    assert compiled.uses("channel.id")
    assert not compiled.uses("incident.alerts")
    assert not compiled.uses("incident.title_long")


# --- what it does not let through ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "source",
    [
        "{{ ''.__class__ }}",
        "{{ ''['__class__']['__mro__'] }}",
        "{{ incident.__class__.__init__.__globals__ }}",
        "{{ incident.labels.__getitem__ }}",
        "{{ incident.title.format }}{{ incident.title.encode }}",
        "{{ incident.start_time.tzinfo }}{{ incident.start_time.__class__ }}",
        "{{ loop }}{{ cycler }}{{ lipsum }}{{ namespace }}{{ dict }}{{ config }}{{ request }}{{ g }}{{ context }}",
        "{% for a in incident.alerts %}{{ loop.cycle }}{{ loop._iterator }}{{ loop.nextitem }}{% endfor %}",
        "{{ incident[incident] }}{{ incident.alerts['append'] }}{{ incident.alerts[99999999999] }}",
        "{{ (incident.alerts | length).bit_length }}",
    ],
)
def test_objects_have_no_attributes(source: str) -> None:
    assert lines(source) == []


@pytest.mark.parametrize(
    "source",
    [
        "{{ incident.title.upper() }}",
        "{{ ''.join(['a']) }}",
        "{{ range(10) }}",
        "{% for i in range(999999999) %}x{% endfor %}",
        "{{ incident.labels.items(1) }}",
        "{{ 'x' | truncate(*[9]) }}",
        "{% include 'incidents/detail.html' %}",
        "{% import 'x' as y %}",
        "{% from 'x' import y %}",
        "{% extends 'layouts/base.html' %}",
        "{% block a %}{% endblock %}",
        "{% macro a() %}{{ a() }}{% endmacro %}",
        "{% call a() %}{% endcall %}",
        "{% filter upper %}x{% endfilter %}",
        "{% set a %}x{% endset %}",
        "{% set a, b = 1, 2 %}",
        "{% set incident.title = 1 %}",
        "{% with a = 1 %}{% endwith %}",
        "{{ 2 ** 9 }}",
        "{{ 9 ** 9 ** 9 ** 9 }}",
        "{{ {'a': 1} }}",
        "{{ [incident, incident] }}",
        "{{ (incident, 1) }}",
        "{{ incident.title[1:2] }}",
        "{{ self }}",
        "{{ _run }}",
        "{% for __x in incident.alerts %}{% endfor %}",
        "{{ incident.title is sameas 1 }}",
        "{{ incident.title is odd }}",
    ],
)
def test_what_could_run_away_or_reach_out_is_no_part_of_the_language(source: str) -> None:
    assert refusal(source) in {"forbidden", "syntax"}


@pytest.mark.parametrize(
    "source", ["{{ 1 | foo }}", "{{ 1 | attr('x') }}", "{{ 1 | map('x') }}", "{{ 1 | _shown }}", "{{ 1 | format }}"]
)
def test_only_the_listed_filters_exist(source: str) -> None:
    assert refusal(source) == "filter"


@pytest.mark.parametrize(
    "source",
    [
        "{{ 'x' * 999999999 }}",
        "{{ incident.long * 1000 }}",
        "{{ incident.hostile % 5 }}",
        "{{ '%999999999d' % 5 }}",
        "{{ incident.alerts + incident.alerts }}",
        "{{ incident.title + 'x' }}",
        "{{ [1] * 99999999 }}",
        "{{ 999999999 * 999999999 * 999999999 }}",
        "{{ -incident.title }}",
        "{{ incident.labels.absent + 1 }}",
    ],
)
def test_only_numbers_are_counted_with_and_only_small_ones(source: str) -> None:
    assert refusal(source) == "number"


def test_a_value_cannot_be_doubled_without_end() -> None:
    assert refusal("{% set a = 'xxxxxxxxxx' %}" + "{% set a = a ~ a %}" * 60) == "value"
    assert refusal("{{ incident.long ~ incident.long ~ incident.long }}") == "value"


def test_the_output_is_bounded_whatever_writes_it() -> None:
    assert refusal("{% for a in incident.alerts %}{{ incident.long }}{% endfor %}") == "output"
    assert refusal("{% for a in incident.alerts %}" + "y" * 500 + "{% endfor %}") == "output"


def test_loops_end_after_so_many_steps_or_so_much_time() -> None:
    bomb = "{% for a in incident.alerts %}" * 4 + "{% if false %}x{% endif %}" + "{% endfor %}" * 4
    began = time.monotonic()
    assert refusal(bomb) in {"steps", "time"}
    assert time.monotonic() - began < 2


def test_the_clock_stops_what_is_slow_in_few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.template_run.time.monotonic", lambda: 1e12)
    monkeypatch.setattr("services.template_run.time.thread_time", lambda: 1e12)
    assert refusal("{% for a in incident.alerts %}{% endfor %}") == "time"


def test_a_busy_machine_does_not_decide_what_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.template_run.time.monotonic", lambda: 1e12)
    assert lines("{% for a in incident.alerts %}{% endfor %}x") == ["x"]


def test_steps_are_counted_over_all_loops(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.template_run.MAX_STEPS", 70)
    assert lines("{% for a in incident.alerts %}{% endfor %}x") == ["x"]
    assert refusal("{% for a in incident.alerts %}{% endfor %}" * 2) == "steps"


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("x" * (MAX_SOURCE + 1), "too_long"),
        ("{{ " + "(" * 3000 + "1" + ")" * 3000 + " }}", "too_deep"),
        ("{{ 1" + " + 1" * 1900 + " }}", "too_deep"),
        ("{{ " + "not " * 1900 + "1 }}", "too_deep"),
        ("{% if 1 %}" * 300 + "{% endif %}" * 300, "too_deep"),
        ("{% for a in b %}" * 30 + "{% endfor %}" * 30, "too_deep"),
        ("{% for a in b recursive %}{{ loop }}{% endfor %}", "too_deep"),
        ("{{ " + "9" * 5000 + " }}", "syntax"),
        ("{{ incident.", "syntax"),
        ("{% if x %}", "syntax"),
        ("{{ incident.title < 3 }}", "failed"),
        ("{{ 1 / 0 }}", "failed"),
    ],
)
def test_what_cannot_be_read_or_rendered_is_said(source: str, code: str) -> None:
    assert refusal(source) == code


def test_a_problem_names_its_line() -> None:
    for source in ("a\n\n{{ 1 | foo }}", "a\nb\n{{ 1 / 0 }}", "a\nb\n{{ incident."):
        with pytest.raises(TemplateProblem) as found:
            lines(source)
        assert found.value.line == 3, source
        assert problem_text(found.value.as_json()).params["line"] == 3


def test_a_sentence_of_an_unknown_problem_can_still_be_said() -> None:
    assert problem_text({"code": "of a later version"}).message
    assert problem_text({}).message


def test_one_rendering_leaves_nothing_to_the_next() -> None:
    compiled = compile_text("{% set seen = incident.title %}{{ seen }}{{ left }}")
    assert compiled.render(VALUES | {"left": "1"}, now=NOW) == ["db-03 / disk.used>95%1"]
    assert compiled.render({}, now=NOW) == []
    assert template_engine.current_run().steps == 0


def test_a_length_between_two_times_is_a_difference() -> None:
    later = {"end": NOW + timedelta(minutes=90), "begin": NOW}
    assert compile_text("{% if t.end - t.begin %}x{% endif %}").render({"t": later}, now=NOW) == ["x"]


def test_half_an_emoji_is_replaced() -> None:
    assert lines("{{ text }}", text="a\ud83d") == ["a?"]
    assert lines("{{ '\ud800' }}") == ["?"]


def test_whatever_goes_wrong_is_a_problem_of_the_template() -> None:
    with pytest.raises(TemplateProblem) as problem:
        lines("{{ 1e999 }}")
    assert problem.value.code == "failed"


def test_escaping_by_hand_makes_the_text_as_plain_as_without() -> None:
    written = compile_text("{{ v | escape }}")
    assert written.render({"v": "a\x00b\n*c"}, now=NOW, escape=lambda text: text.replace("*", "\\*")) == ["a b", "\\*c"]
