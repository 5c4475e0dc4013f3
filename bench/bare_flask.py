"""The yardstick: Flask views that do the least that a page, and a request with one durable commit, can do."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path

import psycopg
from flask import Flask, request

ROWS = "".join(f"<li><a href='/incidents/{n}'>#{n} db-{n} / disk.used&gt;95%</a></li>" for n in range(20))
PAGE = f"<!doctype html><title>incidents</title><ul>{ROWS}</ul>"


def create_app(database: str) -> Flask:
    """Three views: a page from memory, an answer without anything, and one after a durable row.

    database  a folder for an SQLite file, or the address of a PostgreSQL database
    """
    app = Flask(__name__)
    commit_row = _postgresql_row(database) if database.startswith("postgresql") else _sqlite_row(Path(database))

    @app.get("/page")
    def page() -> str:
        return PAGE

    @app.post("/nothing")
    def nothing() -> dict[str, bool]:
        request.get_data()
        return {"ok": True}

    @app.post("/commit")
    def commit() -> dict[str, bool]:
        commit_row(request.get_data(as_text=True))
        return {"ok": True}

    return app


def _sqlite_row(folder: Path) -> Callable[[str], None]:
    """Write-ahead log and a synchronised commit, as the product has it; writers queue on a lock."""
    local, writer = threading.local(), threading.Lock()

    def connection() -> sqlite3.Connection:
        if not hasattr(local, "connection"):
            local.connection = sqlite3.connect(folder / "bare.sqlite", isolation_level=None)
            local.connection.execute("PRAGMA journal_mode=WAL")
            local.connection.execute("PRAGMA synchronous=FULL")
            local.connection.execute("CREATE TABLE IF NOT EXISTS rows (id INTEGER PRIMARY KEY, body TEXT)")
        made: sqlite3.Connection = local.connection
        return made

    def store(body: str) -> None:
        with writer:
            rows = connection()
            rows.execute("BEGIN IMMEDIATE")
            rows.execute("INSERT INTO rows (body) VALUES (?)", (body,))
            rows.execute("COMMIT")

    return store


def _postgresql_row(url: str) -> Callable[[str], None]:
    local = threading.local()

    def connection() -> psycopg.Connection:
        if not hasattr(local, "connection"):
            local.connection = psycopg.connect(url)
        made: psycopg.Connection = local.connection
        return made

    def store(body: str) -> None:
        rows = connection()
        rows.execute("INSERT INTO rows (body) VALUES (%s)", (body,))
        rows.commit()

    return store
