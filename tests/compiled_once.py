"""What each application compiles for itself, compiled once for all of a test process: templates, statements, routes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from jinja2 import BytecodeCache
from jinja2.bccache import Bucket
from sqlalchemy import Engine
from werkzeug.routing import BaseConverter, Rule
from werkzeug.routing.rules import RulePart


class Memory(BytecodeCache):
    """Compiled templates by name and source."""

    def __init__(self) -> None:
        self._compiled: dict[str, bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        if code := self._compiled.get(f"{bucket.key}-{bucket.checksum}"):
            bucket.bytecode_from_string(code)

    def dump_bytecode(self, bucket: Bucket) -> None:
        self._compiled[f"{bucket.key}-{bucket.checksum}"] = bucket.bytecode_to_string()


TEMPLATES = Memory()
_FIRST: dict[str, Engine] = {}


def share_statements(engine: Engine) -> None:
    """Let all engines of one kind of database keep the statements that they have compiled in one place.

    They are kept by dialect, an object of each engine; the first that has spoken with its database serves them all.
    """
    if not getattr(engine.dialect, "server_version_info", None):
        return
    first = _FIRST.setdefault(engine.dialect.name, engine)
    engine.dialect, engine._compiled_cache = first.dialect, first._compiled_cache


def patch_routes() -> None:
    """Let routes of the same pattern share what they are taken apart into, and what builds an address of theirs.

    The latter is compiled when an address is first built: all of them take 70 ms, most of what an application costs.
    """
    parse, compile_builder = Rule._parse_rule, Rule._compile_builder
    parsed: dict[Any, _Parsed] = {}
    builders: dict[Any, Any] = {}

    def parse_once(rule: Rule, pattern: str) -> Iterator[RulePart]:
        assert rule.map is not None
        key = (pattern, frozenset(rule.map.converters.items()))
        if key not in parsed:
            before = len(rule._trace)
            parts = list(parse(rule, pattern))
            parsed[key] = _Parsed(parts, rule._trace[before:], dict(rule._converters))
            return iter(parts)
        known = parsed[key]
        rule._trace.extend(known.trace)
        rule._converters.update(known.converters)
        rule.arguments.update(known.converters)
        return iter(known.parts)

    def compile_later(rule: Rule, append_unknown: bool = True) -> Any:
        key = (tuple(rule._trace), frozenset((rule.defaults or {}).items()), append_unknown)

        def build(self: Rule, **values: Any) -> Any:
            if key not in builders:
                builders[key] = compile_builder(rule, append_unknown)
            return builders[key](self, **values)

        return build

    Rule._parse_rule = parse_once  # type: ignore[assignment,method-assign]
    Rule._compile_builder = compile_later  # type: ignore[assignment,method-assign]


@dataclass(frozen=True)
class _Parsed:
    """What a pattern consists of. Converters know the first application's routes, and do not look at them."""

    parts: list[RulePart]
    trace: list[tuple[bool, str]]
    converters: dict[str, BaseConverter]
