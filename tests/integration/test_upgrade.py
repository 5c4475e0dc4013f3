"""From the tables and data of the first release to this version's, with people and alerts in the middle of it."""

from __future__ import annotations

import json
import re
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import requests
from sqlalchemy import MetaData, Text, create_engine, func, insert, select, text

import schema
from crashpoints import CRASH_STATUS
from tests.conftest import ROOT
from tests.servers import Product, wait_until

RELEASE = Path(__file__).resolve().parent.parent / "fixtures" / "releases" / "0.1.0"
FIRST_REVISION = "0001"
MADE_AT = datetime(2026, 11, 21, 7, 14, 10, tzinfo=UTC)
TIME = re.compile(r"20\d\d-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}")
OLD_ADDRESS = "http://localhost:19318"
QUEUED, IN_PROGRESS, WAITING = "升级前 尚未发出", "升级前 处理中", "升级前 等待处理"


@pytest.fixture(params=("sqlite", "postgresql"))
def product(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Product]:
    """The first release's data, as if its programs had been stopped a moment ago; nothing runs yet."""
    home = tmp_path / "home"
    home.mkdir()
    keys = {name.upper(): (RELEASE / name).read_text() for name in ("secret_key", "encryption_keys")}
    load_dump(home / "dutybell.sqlite")
    if request.param == "sqlite":
        product = Product(home, **keys)
    else:
        product = Product(home, DATABASE_URL=request.getfixturevalue("empty_postgresql_database"), **keys)
        migrate(product, FIRST_REVISION)
        move_rows(home / "dutybell.sqlite", product.settings.database_url)
    for name in ("simulator.json", "demo.json"):
        (home / name).write_text((RELEASE / name).read_text().replace(OLD_ADDRESS, product.base_url))
    try:
        yield product
    finally:
        product.kill()
        print(product.logs())  # pytest shows it with a failure only


def load_dump(target: Path) -> None:
    """Make the release's database, its times moved so that what was due soon is due soon."""
    moved_by = datetime.now(UTC) - MADE_AT

    def move(found: re.Match[str]) -> str:
        moment = datetime.fromisoformat(found[0]) + moved_by
        return moment.isoformat(" ", "microseconds")

    with sqlite3.connect(target) as connection:
        connection.executescript(TIME.sub(move, (RELEASE / "database.sql").read_text()))
    connection.close()


def move_rows(source: Path, url: str) -> None:
    """Copy every row into the same tables of PostgreSQL, with its number."""
    here, there = create_engine(f"sqlite:///{source}"), create_engine(url)
    tables = MetaData()
    tables.reflect(there)
    with here.connect() as old, there.begin() as new:
        new.execute(text("SET LOCAL session_replication_role = replica"))  # tables refer to each other
        new.execute(text("SET LOCAL timezone = 'UTC'"))
        for table in tables.sorted_tables:
            new.execute(table.delete())
            if rows := [dict(row._mapping) for row in old.execute(select(table))]:
                new.execute(insert(table), rows)
            if "id" in table.c and not isinstance(table.c.id.type, Text):
                next_id = f"SELECT setval(pg_get_serial_sequence('{table.name}', 'id'), greatest(max(id), 1)) FROM "
                new.execute(text(next_id + table.name))
    here.dispose()
    there.dispose()


def migrate(product: Product, revision: str = "head", *, killed_at: str = "") -> None:
    """killed_at: the revision that is written and not yet committed when the program is killed."""
    command = [sys.executable, "-m", "flask", "--app", "app", "db", "upgrade", revision]
    env = product.env | ({"DUTYBELL_CRASH_AT": f"migration.{killed_at}"} if killed_at else {})
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True)
    assert done.returncode == (CRASH_STATUS if killed_at else 0), done.stderr


def revision_of(url: str) -> str | None:
    engine = create_engine(url)
    with engine.connect() as connection:
        found = schema.present(connection)
    engine.dispose()
    return found


def row_counts(url: str) -> dict[str, int]:
    """Rows of every table that the first release had."""
    engine, tables = create_engine(url), MetaData()
    tables.reflect(engine)
    with engine.connect() as connection:
        counts = {table.name: select(func.count()).select_from(table) for table in tables.sorted_tables}
        counted = {name: connection.scalar(count) or 0 for name, count in counts.items()}
    engine.dispose()
    return counted


def card_of(product: Product, title: str) -> dict[str, Any] | None:
    """The newest card about this incident at the person on call."""
    cards = [message for message in product.messages("lin") if title in json.dumps(message["card"], ensure_ascii=False)]
    return cards[-1] if cards else None


def progress(product: Product, headers: dict[str, str], title: str) -> str:
    address = f"{product.base_url}/api/v1/incidents"
    listed = requests.get(address, params={"scope": "all"}, headers=headers, timeout=30).json()["data"]["items"]
    return next(str(item["progress"]) for item in listed if item["title"] == title)


def test_an_upgrade_that_is_killed_again_and_again_goes_on_where_it_stood(product: Product):
    before = row_counts(product.settings.database_url)
    revisions = sorted(schema.known())
    for position in (1, len(revisions) // 2, -1):
        migrate(product, killed_at=revisions[position])
        assert revision_of(product.settings.database_url) == revisions[position - 1]
    migrate(product)
    assert revision_of(product.settings.database_url) == revisions[-1]
    after = row_counts(product.settings.database_url)
    assert {name: after[name] for name in before} == before


def test_the_first_releases_data_goes_on_working(product: Product):
    before = row_counts(product.settings.database_url)
    migrate(product)
    after = row_counts(product.settings.database_url)
    assert {name: after[name] for name in before} == before

    product.start()
    info = product.load_demo()
    headers = {"Authorization": f"Bearer {info['api_token']}"}
    wait_until(lambda: card_of(product, QUEUED), "the card that waited for a worker")

    card = card_of(product, IN_PROGRESS)
    assert card
    assert product.press(card, "直接关闭", person="lin")["http_status"] == 200
    assert progress(product, headers, IN_PROGRESS) == "Closed"

    end = {"event_status": "Ok", "alert_key": "old-0", "title_rule": WAITING}
    pushed = requests.post(info["alert_sources"]["standard"], json=end, timeout=30)
    assert pushed.status_code == 200
    wait_until(lambda: progress(product, headers, WAITING) == "Closed", "what recovered is closed")
