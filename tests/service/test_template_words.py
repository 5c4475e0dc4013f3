"""What is said of a template that Jinja cannot read."""

from __future__ import annotations

import pytest
from flask import Flask

from services.clock import utcnow
from services.template_engine import compile_text
from services.template_run import TemplateProblem, problem_text
from services.wording import say


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("{{ }}", "第 1 行：语法有误：}} 前面缺少变量或值"),
        ("好\n{{ incident.title", "第 2 行：语法有误：模板没有写完，缺少 }}"),
        ("{% if a %}x", "第 1 行：语法有误：{% if %} 没有结束"),
        ("{% if a %}{% for x in b %}{% endif %}", "第 1 行：语法有误：{% for %} 没有结束"),
        ("{% foo %}", "第 1 行：语法有误：没有标签 foo"),
        ("{{ a b }}", "第 1 行：语法有误：应为 }}，实际为 b"),
        ("{{ (a }}", "第 1 行：语法有误：应为 )，实际为 }"),
        ("{{ a..b }}", "第 1 行：语法有误：点号后面缺少名称"),
        ("{{ a ! }}", "第 1 行：语法有误：多余的字符 !"),
        ("{{ 'a }}", "第 1 行：语法有误：多余的字符 '"),
        ("{{ a | }}", "第 1 行：语法有误：应为 名称，实际为 }}"),
        ("{{ a }", "第 1 行：语法有误：多余的 }"),
        ("{# x", "第 1 行：语法有误：注释没有结束，缺少 #}"),
        ("{{ 1 / 0 }}", "第 1 行：无法渲染：不能除以零"),
    ],
)
def test_what_jinja_says_is_said_in_the_words_of_ours(app: Flask, source: str, said: str) -> None:
    with pytest.raises(TemplateProblem) as found:
        compile_text(source).render({}, now=utcnow())
    with app.test_request_context():
        assert say(problem_text(found.value.as_json())) == said


def test_a_message_that_is_not_known_is_shown_as_it_is(app: Flask) -> None:
    with app.test_request_context():
        assert say(problem_text({"code": "syntax", "detail": "something new: 100%"})) == "语法有误：something new: 100%"
