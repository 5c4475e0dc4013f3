"""One rendering of a message template: its limits, what it has used of them, and how it shows a value."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from jinja2 import Undefined

from services import template_words
from services.durations import duration_text
from services.wording import local_time, say
from texts import N_, Text

MAX_SOURCE = 8000
"""Characters of a template."""
MAX_OUTPUT = 20_000
"""Characters of what it writes, before a platform's limits."""
MAX_VALUE = 8000
"""Characters of one value, also of one that is put together inside a template."""
MAX_NUMBER = 10**15
MAX_SECONDS, MAX_STEPS = 0.2, 100_000
"""Seconds that the processor works for it, not those that go by: a busy machine must not decide what a card says."""
USUAL_DATE = "%Y-%m-%d %H:%M"

Escape = Callable[[str], str]

PROBLEMS: dict[str, str] = {
    "syntax": N_("语法有误：%(detail)s"),
    "forbidden": N_("模板里不能使用 %(detail)s"),
    "filter": N_("没有过滤器 %(detail)s"),
    "too_long": N_("模板超过 %(limit)s 个字符"),
    "too_deep": N_("嵌套太深"),
    "output": N_("渲染的内容超过 %(limit)s 个字符"),
    "value": N_("一个值超过 %(limit)s 个字符"),
    "number": N_("只能计算数字，且不能超过 %(limit)s"),
    "steps": N_("循环超过 %(limit)s 步"),
    "time": N_("渲染超过 %(limit)s 毫秒"),
    "failed": N_("无法渲染：%(detail)s"),
}
IN_FOREIGN_WORDS = frozenset({"syntax", "failed"})
LIMITS: dict[str, int] = {
    "too_long": MAX_SOURCE,
    "output": MAX_OUTPUT,
    "value": MAX_VALUE,
    "number": MAX_NUMBER,
    "steps": MAX_STEPS,
    "time": round(MAX_SECONDS * 1000),
}


class TemplateProblem(Exception):
    """Why a template cannot be compiled or rendered.

    code    a key of PROBLEMS; line: of the template, from 1, 0 if it is not known
    detail  what the sentence names: a word of the template
    """

    def __init__(self, code: str, line: int = 0, detail: str = "") -> None:
        super().__init__(code, line, detail)
        self.code, self.line, self.detail = code, line, detail[:200]

    def as_json(self) -> dict[str, Any]:
        return {"code": self.code, "line": self.line, "detail": self.detail}


def problem_text(problem: Mapping[str, Any]) -> Text:
    """A problem (as_json) as a sentence."""
    code = problem.get("code", "failed")
    detail = problem.get("detail", "")
    told = template_words.said(detail) if code in IN_FOREIGN_WORDS else detail
    what = Text(PROBLEMS.get(code, PROBLEMS["failed"]), detail=told, limit=LIMITS.get(code, 0))
    line = problem.get("line", 0)
    return Text(N_("第 %(line)s 行：%(problem)s"), line=line, problem=what) if line else what


class Trusted(str):
    """Text that is markup already, or holds none that could harm: an address of ours, an escaped value."""

    __slots__ = ()


# --- one rendering ------------------------------------------------------------------------------------------------


@dataclass
class Run:
    """One rendering: the moment it speaks of, and how much of its limits it has used. Of one thread."""

    now: datetime
    escape: Escape | None = None
    seconds: float = MAX_SECONDS
    began: float = field(default_factory=time.thread_time)
    looked_from: float = field(default_factory=time.monotonic)
    steps: int = 0
    written: int = 0

    def step(self) -> None:
        """Count one turn of a loop."""
        self.steps += 1
        if self.steps > MAX_STEPS:
            raise TemplateProblem("steps")
        self.look_at_clock()

    def write(self, piece: str) -> None:
        self.written += len(piece)
        if self.written > MAX_OUTPUT:
            raise TemplateProblem("output")
        self.look_at_clock()

    def look_at_clock(self) -> None:
        """No more work than time can have been done, and that clock is the cheaper one to read."""
        if time.monotonic() - self.looked_from <= self.seconds:
            return
        if time.thread_time() - self.began > self.seconds:
            raise TemplateProblem("time")


_run: ContextVar[Run | None] = ContextVar("template_run", default=None)


def current_run() -> Run:
    return _run.get() or Run(datetime.now(UTC))


@contextmanager
def running(run: Run) -> Iterator[Run]:
    before = _run.set(run)
    try:
        yield run
    finally:
        _run.reset(before)


def shown(value: Any) -> str:
    """A value as a reader wants it; what a template cannot have been given is nothing."""
    if isinstance(value, str):
        return bounded(value)
    if value is None or isinstance(value, Undefined):
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    return bounded(_shown_thing(value))


def _shown_thing(value: Any) -> str:
    if isinstance(value, datetime):
        return local_time(value).strftime(USUAL_DATE)
    if isinstance(value, timedelta):
        return say(duration_text(value))
    if isinstance(value, Mapping):
        return ", ".join(f"{name}={shown(entry)}" for name, entry in counted(value.items()))
    if isinstance(value, list | tuple):
        return ", ".join(shown(each) for each in counted(value))
    return ""


def bounded(text: str) -> str:
    if len(text) > MAX_VALUE:
        raise TemplateProblem("value")
    return text


def counted(values: Iterable[Any]) -> Iterator[Any]:
    run = current_run()
    for value in values:
        run.step()
        yield value
