"""The language of message templates: Jinja's syntax, cut down to what writes a few lines about an incident.

What may stand in a template is listed (`_ALLOWED`), everything else is refused when it is compiled. So nothing can be
called, included, defined or multiplied; attributes are entries of the mappings that a template is given, never those
of Python objects; loops count their steps and look at the clock. Pure: values in, text out, no database.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from types import TracebackType
from typing import Any

from jinja2 import ChainableUndefined, TemplateError, TemplateSyntaxError, nodes, pass_context
from jinja2.runtime import Context, LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment

from platforms.shortening import plain
from services.template_filters import FILTERS
from services.template_run import (
    MAX_NUMBER,
    MAX_SECONDS,
    MAX_SOURCE,
    Escape,
    Run,
    TemplateProblem,
    Trusted,
    bounded,
    counted,
    current_run,
    running,
    shown,
)

MAX_DEPTH, MAX_LOOPS = 60, 4
KEPT_LINE = "\ue000"
"""Stands for a blank line that the author wrote, as against one that an absent value left."""

# --- what a template can reach ------------------------------------------------------------------------------------

_LOOP = frozenset({"index", "index0", "revindex", "revindex0", "first", "last", "length"})


class Sandbox(ImmutableSandboxedEnvironment):
    """Mappings have entries, lists have places, a loop has its counters; nothing else has anything."""

    intercepted_binops = frozenset({"+", "-", "*", "/", "//", "%", "**"})
    intercepted_unops = frozenset({"+", "-"})

    def getattr(self, obj: Any, attribute: str) -> Any:
        if isinstance(obj, LoopContext):
            return getattr(obj, attribute) if attribute in _LOOP else self.undefined(name=attribute)
        return self._entry(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        if isinstance(obj, list | tuple | str) and type(argument) is int:
            return obj[argument] if -len(obj) <= argument < len(obj) else self.undefined(name=str(argument))
        return self._entry(obj, argument)

    def _entry(self, obj: Any, name: Any) -> Any:
        if isinstance(obj, Mapping) and isinstance(name, str) and name in obj:
            return obj[name]
        return self.undefined(name=str(name)[:40])

    def is_safe_callable(self, obj: Any) -> bool:
        return False

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        if operator == "-" and isinstance(left, datetime) and isinstance(right, datetime):
            return left - right
        if not (_is_number(left) and _is_number(right)) or operator == "**":
            raise TemplateProblem("number")
        return _small(super().call_binop(context, operator, left, right))

    def call_unop(self, context: Context, operator: str, arg: Any) -> Any:
        if not _is_number(arg):
            raise TemplateProblem("number")
        return super().call_unop(context, operator, arg)


def _is_number(value: Any) -> bool:
    return type(value) in {int, float} and abs(value) <= MAX_NUMBER


def _small(value: Any) -> Any:
    if not _is_number(value):
        raise TemplateProblem("number")
    return value


def _looped(value: Any) -> Iterator[Any]:
    """What `for` goes through: lists, and the names of mappings. Everything else is empty."""
    return counted(value if isinstance(value, Mapping | list | tuple) else ())


def _kept(value: Any) -> Any:
    return bounded(value) if isinstance(value, str) else value


@pass_context
def _written(_context: Context, value: Any) -> str:
    """What an expression leaves in the text: escaped, unless it cannot be markup."""
    escape = current_run().escape
    text = shown(value).replace(KEPT_LINE, "")
    if escape is None or isinstance(value, HARMLESS) or PLAIN_ADDRESS.fullmatch(text):
        return text
    return "\n".join(escape(plain(line)) for line in text.split("\n"))


HARMLESS = (Trusted, int, float, datetime, timedelta)
"""Written by us, so without any markup."""
PLAIN_ADDRESS = re.compile(r"https?://[\w.~:/?#@!$&,;=%+-]+", re.ASCII)
"""An address without anything that could end a link or begin another markup: escaping it would break it."""


# --- compiling ----------------------------------------------------------------------------------------------------

_ALLOWED: tuple[type[nodes.Node], ...] = (
    nodes.Template,
    nodes.Output,
    nodes.TemplateData,
    nodes.For,
    nodes.If,
    nodes.Assign,
    nodes.Name,
    nodes.Const,
    nodes.List,
    nodes.Tuple,
    nodes.Filter,
    nodes.Keyword,
    nodes.Test,
    nodes.Getattr,
    nodes.Getitem,
    nodes.Compare,
    nodes.Operand,
    nodes.And,
    nodes.Or,
    nodes.Not,
    nodes.CondExpr,
    nodes.Concat,
    nodes.Add,
    nodes.Sub,
    nodes.Mul,
    nodes.Div,
    nodes.FloorDiv,
    nodes.Mod,
    nodes.Neg,
    nodes.Pos,
)
_TESTS = ("defined", "undefined", "none")
_RESERVED = frozenset({"self", "super", "caller", "varargs", "kwargs"})
_BLANK_LINE = re.compile(r"\n[ \t]*(?=\n)")


@dataclass(frozen=True)
class Compiled:
    """A template that is ready: what it writes, and which variables it names ("incident.labels", "recipient.name").

    names  without those that the template makes itself, with their lines; of a chain the first two parts
    """

    template: Any
    names: frozenset[tuple[str, int]]

    def uses(self, *wanted: str) -> bool:
        """Whether it names one of these or a part of it; who passes on "incident" as a whole names all of it."""
        named = {name for name, _line in self.names}
        return any({each, each.partition(".")[0]} & named for each in wanted)

    def render(
        self, values: Mapping[str, Any], *, now: datetime, escape: Escape | None = None, seconds: float = MAX_SECONDS
    ) -> list[str]:
        """The lines that it writes of these values, spoken in the language and zone of the moment.

        escape   for what the values hold, where the text becomes markup
        seconds  of the processor that it may take. Raises TemplateProblem.
        """
        with running(Run(now, escape, seconds)) as run:
            try:
                text = "".join(self._pieces(run, values))
            except TemplateProblem as problem:
                raise TemplateProblem(problem.code, self._line(problem.__traceback__), problem.detail) from problem
            except Exception as error:  # whatever somebody's template does, the message goes out
                line = self._line(error.__traceback__)
                raise TemplateProblem("failed", line, str(error) or type(error).__name__) from error
        return lines_of(text.encode("utf-8", "replace").decode())  # half an emoji cannot be sent, nor stored

    def _pieces(self, run: Run, values: Mapping[str, Any]) -> Iterator[str]:
        for piece in self.template.root_render_func(self.template.new_context(dict(values))):
            run.write(piece)
            yield piece

    def _line(self, trace: TracebackType | None) -> int:
        line = 0
        while trace is not None:
            if trace.tb_frame.f_code.co_filename == "<template>":
                line = int(self.template.get_corresponding_lineno(trace.tb_lineno))
            trace = trace.tb_next
        return line


def lines_of(text: str) -> list[str]:
    """The lines without those that absent values left blank; a blank line that was written stays, alone."""
    lines: list[str] = []
    for line in text.replace("\r\n", "\n").split("\n"):
        if line == KEPT_LINE and lines and lines[-1]:
            lines.append("")
        elif line.replace(KEPT_LINE, "").strip():
            lines.append(line.replace(KEPT_LINE, "").rstrip())
    while lines and not lines[-1]:
        lines.pop()
    return lines


def compile_text(source: str) -> Compiled:
    """Raises TemplateProblem, with the line, for whatever is not allowed."""
    if len(source) > MAX_SOURCE:
        raise TemplateProblem("too_long")
    environment = _environment()
    try:
        tree = environment.parse(source.replace("\r\n", "\n").replace(KEPT_LINE, ""))
        names = _Checker().check(tree)
        return Compiled(environment.from_string(tree), names)
    except TemplateSyntaxError as error:
        raise TemplateProblem("syntax", error.lineno, error.message or "") from error
    except (RecursionError, MemoryError) as error:
        raise TemplateProblem("too_deep") from error
    except (SyntaxError, ValueError, OverflowError, TemplateError) as error:
        raise TemplateProblem("syntax", 0, str(error)) from error


@cache
def _environment() -> Sandbox:
    sandbox = Sandbox(
        undefined=ChainableUndefined, finalize=_written, optimized=False, autoescape=False, keep_trailing_newline=True
    )
    sandbox.globals.clear()
    sandbox.filters.clear()
    sandbox.filters.update(FILTERS)
    sandbox.filters.update({"_shown": shown, "_kept": _kept, "_looped": _looped})
    for name in set(sandbox.tests) - set(_TESTS):
        del sandbox.tests[name]
    return sandbox


class _Checker:
    """Walks a parsed template once: refuses, notes the names, and puts the counting into loops."""

    def __init__(self) -> None:
        self.names: set[tuple[str, int]] = set()
        self.own = {"loop"}
        self.named: set[int] = set()

    def check(self, tree: nodes.Template) -> frozenset[tuple[str, int]]:
        tree.body = [self._node(node, 0, 0) for node in tree.body]
        return frozenset((name, line) for name, line in self.names if name.partition(".")[0] not in self.own)

    def _node(self, node: Any, depth: int, loops: int) -> Any:
        if depth > MAX_DEPTH:
            raise TemplateProblem("too_deep", node.lineno)
        if isinstance(node, nodes.Call):
            node = _as_pairs(node)
        self._look_at(node, loops)
        loops += isinstance(node, nodes.For)
        for name, value in node.iter_fields():
            if isinstance(value, nodes.Node):
                setattr(node, name, self._node(value, depth + 1, loops))
            elif isinstance(value, list):
                changed = [
                    self._node(each, depth + 1, loops) if isinstance(each, nodes.Node) else each for each in value
                ]
                setattr(node, name, changed)
        return self._guarded(node)

    def _look_at(self, node: Any, loops: int) -> None:
        if not isinstance(node, _ALLOWED):
            raise TemplateProblem("forbidden", node.lineno, _word_of(node))
        if isinstance(node, nodes.Filter):
            self._check_filter(node)
        elif isinstance(node, nodes.Test) and node.name not in _TESTS:
            raise TemplateProblem("forbidden", node.lineno, f"is {node.name}")
        elif isinstance(node, nodes.For) and (node.recursive or loops >= MAX_LOOPS):
            raise TemplateProblem("too_deep", node.lineno)
        elif isinstance(node, nodes.Assign) and not isinstance(node.target, nodes.Name):
            raise TemplateProblem("forbidden", node.lineno, "set")
        elif isinstance(node, nodes.List) and not all(isinstance(item, nodes.Const) for item in node.items):
            raise TemplateProblem("forbidden", node.lineno, "[ ]")
        elif isinstance(node, nodes.Tuple):
            self._check_tuple(node)
        elif isinstance(node, nodes.TemplateData):
            node.data = _BLANK_LINE.sub(f"\n{KEPT_LINE}", node.data)
        self._note_name(node)

    def _check_filter(self, node: nodes.Filter) -> None:
        if node.name not in _environment().filters or node.name.startswith("_"):
            raise TemplateProblem("filter", node.lineno, node.name)
        if node.node is None or node.dyn_args is not None or node.dyn_kwargs is not None:
            raise TemplateProblem("forbidden", node.lineno, "*")

    def _check_tuple(self, node: nodes.Tuple) -> None:
        allowed = nodes.Name if node.ctx == "store" else nodes.Const
        if not all(isinstance(item, allowed) for item in node.items):
            raise TemplateProblem("forbidden", node.lineno, "( )")

    def _note_name(self, node: Any) -> None:
        if isinstance(node, nodes.Name):
            if node.name.startswith("_") or node.name in _RESERVED:
                raise TemplateProblem("forbidden", node.lineno, node.name)
            if node.ctx == "store":
                self.own.add(node.name)
            elif id(node) not in self.named:
                self.names.add((node.name, node.lineno))
        elif (attribute := _attribute_of(node)) is not None and isinstance(node.node, nodes.Name):
            self.names.add((f"{node.node.name}.{attribute}", node.lineno))
            self.named.add(id(node.node))

    def _guarded(self, node: Any) -> Any:
        if isinstance(node, nodes.For):
            node.iter = _filtered(node.iter, "_looped")
        elif isinstance(node, nodes.Assign):
            node.node = _filtered(node.node, "_kept")
        elif isinstance(node, nodes.Concat):
            node.nodes = [_filtered(each, "_shown") for each in node.nodes]
            return _filtered(node, "_shown")
        return node


def _filtered(node: nodes.Node, name: str) -> nodes.Filter:
    return nodes.Filter(node, name, [], [], None, None, lineno=node.lineno, environment=node.environment)


def _as_pairs(node: nodes.Call) -> nodes.Node:
    """`labels.items()`, as many write it, is the one call that is understood; all others are refused."""
    of = node.node
    is_plain = not (node.args or node.kwargs or node.dyn_args or node.dyn_kwargs)
    if is_plain and isinstance(of, nodes.Getattr) and of.attr == "items":
        return nodes.Filter(of.node, "items", [], [], None, None, lineno=node.lineno, environment=node.environment)
    raise TemplateProblem("forbidden", node.lineno, _word_of(node))


def _attribute_of(node: Any) -> str | None:
    if isinstance(node, nodes.Getattr):
        return node.attr
    if isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Const) and isinstance(node.arg.value, str):
        return node.arg.value
    return None


_WORDS: dict[type[nodes.Node], str] = {
    nodes.Call: "( )",
    nodes.Pow: "**",
    nodes.Dict: "{ }",
    nodes.Slice: "[ : ]",
    nodes.Include: "include",
    nodes.Import: "import",
    nodes.FromImport: "import",
    nodes.Extends: "extends",
    nodes.Macro: "macro",
    nodes.CallBlock: "call",
    nodes.FilterBlock: "filter",
    nodes.AssignBlock: "set",
    nodes.Block: "block",
    nodes.With: "with",
    nodes.NSRef: "set",
}


def _word_of(node: nodes.Node) -> str:
    return _WORDS.get(type(node), type(node).__name__.lower())
