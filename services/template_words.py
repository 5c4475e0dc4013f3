"""What Jinja says of a wrong template, in the words of ours: its own are English and name its tokens."""

from __future__ import annotations

import re

from texts import N_, Text

TOKENS = {
    "end of print statement": "}}",
    "end of statement block": "%}",
    "begin of statement block": "{%",
    "begin of print statement": "{{",
    "end of template": N_("模板末尾"),
    "name": N_("名称"),
}
SENTENCES = [
    (re.compile(pattern), sentence)
    for pattern, sentence in (
        (r"Expected an expression, got '(?P<got>.+)'", N_("%(got)s 前面缺少变量或值")),
        (r"expected token '(?P<wanted>.+)', got '(?P<got>.+)'", N_("应为 %(wanted)s，实际为 %(got)s")),
        (r".*The innermost block that needs to be closed is '(?P<name>\w+)'\.", N_("{%% %(name)s %%} 没有结束")),
        (r"Unexpected end of template.*", N_("模板没有写完")),
        (r"unexpected end of template, expected '(?P<wanted>[^']+)'\.", N_("模板没有写完，缺少 %(wanted)s")),
        (r"Encountered unknown tag '(?P<name>\w+)'.*", N_("没有标签 %(name)s")),
        (r"unexpected '(?P<got>[^']+)', expected '(?P<wanted>[^']+)'", N_("应为 %(wanted)s，实际为 %(got)s")),
        (r"expected name or number", N_("点号后面缺少名称")),
        (r"unexpected char ['\"](?P<got>.)['\"] at .*", N_("多余的字符 %(got)s")),
        (r"unexpected '(?P<got>[^']+)'", N_("多余的 %(got)s")),
        (r"unexpected end of template", N_("模板没有写完")),
        (r"Missing end of comment tag", N_("注释没有结束，缺少 #}")),
        (r"division by zero|.*(?:division|modulo) by zero", N_("不能除以零")),
    )
]


def said(detail: str) -> Text | str:
    """A sentence of ours for a message of Jinja's or Python's; one that is not known stays as it is."""
    for pattern, sentence in SENTENCES:
        if found := pattern.fullmatch(detail):
            return Text(sentence, **{name: _word(text) for name, text in found.groupdict().items()})
    return detail


def _word(token: str) -> Text | str:
    return Text(TOKENS[token]) if token in TOKENS else token
