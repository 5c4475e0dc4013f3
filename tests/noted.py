"""Which statements reach PostgreSQL: through SQLAlchemy and past it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest import mock

import psycopg


@dataclass(frozen=True)
class Noted:
    """A statement with its values, and the cursor that understands how it names them."""

    text: str
    values: Any
    cursor: type[psycopg.Cursor[Any]]

    @property
    def is_ours(self) -> bool:
        """Not one that begins or ends a transaction."""
        return self.text.split(maxsplit=1)[0] not in {"BEGIN", "COMMIT", "ROLLBACK"} and "set_config" not in self.text

    def explained(self, driver: psycopg.Connection[Any]) -> list[str]:
        cursor = self.cursor(driver)
        return [str(row[-1]).strip() for row in cursor.execute(f"EXPLAIN {self.text}", self.values).fetchall()]


@contextmanager
def noted() -> Iterator[list[Noted]]:
    seen: list[Noted] = []
    execute = psycopg.Cursor.execute

    def note(self: psycopg.Cursor[Any], query: Any, params: Any = None, **options: Any) -> Any:
        seen.append(Noted(query.decode() if isinstance(query, bytes) else str(query), params, type(self)))
        return execute(self, query, params, **options)

    with mock.patch.object(psycopg.Cursor, "execute", note):
        yield seen
