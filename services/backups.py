"""A copy of the whole database in one file, taken while the product runs, and its way back.

The file is a gzipped tar: `manifest.json` first, then the data, SQLite's own file or pg_dump's custom format. Keys are
not in it: ENCRYPTION_KEYS must be kept apart, and a restore refuses to begin when they are not those of the backup.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import sqlite3
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, create_engine, func, inspect, make_url, select
from sqlalchemy.exc import SQLAlchemyError

import schema
from models import Canary, Heartbeat
from services import vault
from services.instance import current_settings

FORMAT = 1
MANIFEST = "manifest.json"
DATA = {"sqlite": "database.sqlite", "postgresql": "database.dump"}
WORKER_SEEN_WITHIN = timedelta(seconds=30)
EMPTY_SCHEMA = "DROP SCHEMA public CASCADE; CREATE SCHEMA public"


class BackupFailed(Exception):
    """What went wrong and what to do, in one English sentence for the operator. Nothing was changed."""


@dataclass(frozen=True)
class Manifest:
    """What a backup says of itself.

    database   "sqlite" or "postgresql"; a backup goes back into the same kind
    revision   of the tables; an older one is migrated after the restore
    canaries   key id → cipher text by which the right encryption keys are known
    """

    format: int
    database: str
    revision: str
    made_at: str
    canaries: dict[str, str]


def write(path: Path, *, now: datetime) -> Manifest:
    """Write a backup to `path`, readable by its owner alone; it appears when it is whole. Raises BackupFailed."""
    if path.exists():
        raise BackupFailed(f"{path} exists already: choose another name.")
    url = _url()
    with _folder_beside(path) as folder:
        data = folder / DATA[_kind(url)]
        with _connected(url) as connection:
            manifest = _describe(connection, url, now)
        _dump(url, data)
        draft = folder / "backup"
        with open(draft, "xb", opener=_private) as file, tarfile.open(fileobj=file, mode="w:gz") as archive:
            content = json.dumps(asdict(manifest), indent=1).encode()
            entry = tarfile.TarInfo(MANIFEST)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
            archive.add(data, arcname=data.name)
        os.link(draft, path)  # fails if somebody else was faster
    return manifest


def read_manifest(path: Path) -> Manifest:
    """What the backup says of itself. Raises BackupFailed if it is none."""
    try:
        with tarfile.open(path, "r:gz") as archive:
            first = archive.extractfile(MANIFEST)
            manifest = Manifest(**json.load(first)) if first else None
    except (OSError, EOFError, tarfile.TarError, KeyError, TypeError, ValueError) as error:
        raise BackupFailed(f"{path} is not a backup of Dutybell, or is damaged: {error}") from error
    if manifest is None or manifest.format != FORMAT:
        raise BackupFailed(f"{path} was written by another version of Dutybell.")
    return manifest


def restore(path: Path, *, now: datetime, is_forced: bool = False) -> Manifest:
    """Replace the whole database by the backup; it keeps the backup's revision, so migrate afterwards.

    Everything is checked first, and the replacement is one transaction: it happens whole or not at all.
    is_forced  also while a worker seems to run
    Raises BackupFailed.
    """
    manifest = read_manifest(path)
    url = _url()
    _check_fits(manifest, url)
    if not is_forced:
        _check_nobody_works(url, now)
    with _folder_beside(path) as folder:
        data = folder / DATA[manifest.database]
        with tarfile.open(path, "r:gz") as archive:
            content = archive.extractfile(data.name)
            if content is None:
                raise BackupFailed(f"{path} holds no data.")
            with open(data, "xb", opener=_private) as file:
                shutil.copyfileobj(content, file)
        _load(url, data)
    return manifest


def _url() -> URL:
    return make_url(current_settings().database_url)


def _kind(url: URL) -> str:
    return url.get_backend_name()


@contextmanager
def _connected(url: URL) -> Iterator[Connection]:
    """A connection of its own: a backup does not go through the pools, locks and limits of requests."""
    engine = create_engine(url)
    try:
        with engine.connect() as connection:
            yield connection
    except SQLAlchemyError as error:
        raise BackupFailed(f"The database does not answer: {type(error).__name__}.") from error
    finally:
        engine.dispose()


@contextmanager
def _folder_beside(path: Path) -> Iterator[Path]:
    """A private folder on the same file system, gone at the end."""
    try:
        with tempfile.TemporaryDirectory(prefix=".dutybell-backup-", dir=path.resolve().parent) as folder:
            yield Path(folder)
    except OSError as error:
        raise BackupFailed(f"{error.strerror or error}: {error.filename or path}") from error


def _private(name: str, flags: int) -> int:
    return os.open(name, flags, 0o600)


def _describe(connection: Connection, url: URL, now: datetime) -> Manifest:
    revision = schema.present(connection)
    if revision is None:
        raise BackupFailed("There is nothing to back up: the database has no tables yet.")
    canaries = {row.key_id: row.cipher for row in connection.execute(select(Canary))}
    return Manifest(FORMAT, _kind(url), revision, now.isoformat(timespec="seconds"), canaries)


def _check_fits(manifest: Manifest, url: URL) -> None:
    if manifest.database != _kind(url):
        raise BackupFailed(f"This is a backup of {manifest.database}; DATABASE_URL leads to {_kind(url)}.")
    if manifest.revision not in schema.known():
        raise BackupFailed("This backup was made by a newer version of Dutybell: install that version first.")
    if problems := vault.problems_of(manifest.canaries):
        raise BackupFailed(f"{problems[0]}. Start with the ENCRYPTION_KEYS of the instance that was backed up.")


def _check_nobody_works(url: URL, now: datetime) -> None:
    if url.database and _kind(url) == "sqlite" and not Path(url.database).exists():
        return
    with _connected(url) as connection:
        if not inspect(connection).has_table(Heartbeat.__tablename__):
            return
        newest = connection.execute(select(func.max(Heartbeat.at))).scalar_one()
    if newest is not None and now - newest <= WORKER_SEEN_WITHIN:
        raise BackupFailed("A worker was seen less than 30 seconds ago: stop web and worker first.")


# --- the two kinds of database ------------------------------------------------------------------------------------


def _dump(url: URL, target: Path) -> None:
    if _kind(url) == "sqlite":
        with (
            closing(_open_sqlite(f"file:{url.database}?mode=ro")) as source,
            closing(_open_sqlite(str(target))) as copy,
        ):
            source.backup(copy)
    else:
        _run(url, ["pg_dump", "--format=custom", "--no-owner", "--no-privileges", f"--file={target}"])


def _load(url: URL, data: Path) -> None:
    """Put the data in place of what is there, in one transaction of the database.

    A dump holds no statistics: without any, PostgreSQL would plan for empty tables until it found the time.
    """
    if _kind(url) == "sqlite":
        with (
            closing(_open_sqlite(f"file:{data}?mode=ro")) as source,
            closing(_open_sqlite(url.database or "")) as target,
        ):
            if source.execute("PRAGMA integrity_check").fetchone() != ("ok",):
                raise BackupFailed("The backup is damaged: SQLite's integrity check failed.")
            target.execute("PRAGMA journal_mode=WAL")
            source.backup(target)
        return
    script = data.with_name("database.sql")
    _run(url, ["pg_restore", "--no-owner", "--no-privileges", f"--file={script}", str(data)])
    options = ["--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--single-transaction", "--output=/dev/null"]
    _run(url, ["psql", *options, f"--command={EMPTY_SCHEMA}", f"--file={script}", "--command=ANALYZE"])


def _open_sqlite(name: str) -> sqlite3.Connection:
    try:
        return sqlite3.connect(name, uri=name.startswith("file:"), timeout=30)
    except sqlite3.Error as error:
        raise BackupFailed(f"SQLite: {error}") from error


def _run(url: URL, command: list[str]) -> None:
    """Run one of PostgreSQL's programs. The password goes through its environment: others can read arguments."""
    parts: dict[str, Any] = {"host": url.host, "port": url.port, "user": url.username, "password": url.password}
    parts |= {"database": url.database, "sslmode": url.query.get("sslmode")}
    env = os.environ | {f"PG{name.upper()}": str(value) for name, value in parts.items() if value}
    if not shutil.which(command[0]):
        raise BackupFailed(f"{command[0]} is not installed: it comes with PostgreSQL's client programs.")
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)  # noqa: S603 (fixed words)
    if done.returncode:
        said = done.stderr.strip().splitlines() or [f"status {done.returncode}"]
        raise BackupFailed(f"{command[0]} failed: {said[-1]}")
