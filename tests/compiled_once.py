"""What each application compiles for itself, compiled once for all of a test process: templates, statements, routes."""

from __future__ import annotations

from typing import Any

from jinja2 import BytecodeCache
from jinja2.bccache import Bucket
from sqlalchemy import Engine
from werkzeug.routing import Rule


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
    """Let each route compile what builds its address when an address is built, not when an application is made.

    A test builds few addresses; all of them take 70 ms, most of what it costs to make the application.
    """
    compile_builder = Rule._compile_builder

    def later(rule: Rule, append_unknown: bool = True) -> Any:
        compiled: list[Any] = []

        def build(self: Rule, **values: Any) -> Any:
            if not compiled:
                compiled.append(compile_builder(rule, append_unknown))
            return compiled[0](self, **values)

        return build

    Rule._compile_builder = later  # type: ignore[assignment,method-assign]
