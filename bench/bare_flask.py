"""The yardstick: Flask views that do the least that a page, and a request with one durable commit, can do."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

from flask import Flask, request

ROWS = "".join(f"<li><a href='/incidents/{n}'>#{n} db-{n} / disk.used&gt;95%</a></li>" for n in range(20))
PAGE = f"<!doctype html><title>incidents</title><ul>{ROWS}</ul>"


def create_app(folder: str) -> Flask:
    """`GET /page` answers a page from memory; `POST /commit` answers after one durable row."""
    app = Flask(__name__)
    local, writer = threading.local(), threading.Lock()

    def connection() -> sqlite3.Connection:
        if not hasattr(local, "connection"):
            local.connection = sqlite3.connect(Path(folder) / "bare.sqlite", isolation_level=None)
            local.connection.execute("PRAGMA journal_mode=WAL")
            local.connection.execute("PRAGMA synchronous=FULL")
            local.connection.execute("CREATE TABLE IF NOT EXISTS rows (id INTEGER PRIMARY KEY, body TEXT)")
        return local.connection

    @app.get("/page")
    def page() -> str:
        return PAGE

    @app.post("/commit")
    def commit() -> dict[str, bool]:
        with writer:
            rows = connection()
            rows.execute("BEGIN IMMEDIATE")
            rows.execute("INSERT INTO rows (body) VALUES (?)", (request.get_data(as_text=True),))
            rows.execute("COMMIT")
        return {"ok": True}

    return app
