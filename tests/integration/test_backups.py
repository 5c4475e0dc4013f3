"""`flask backup` and `flask restore`, as an operator types them, over both databases."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import Result
from sqlalchemy import delete, select, text

import schema
from config import EncryptionKey, Settings
from extensions import db, read_only
from models import Canary, Heartbeat, Incident
from services import instance
from services.clock import utcnow
from tests.conftest import make_settings, running_app
from tests.factories import default_tenant, make_incident
from tests.private_servers import postgresql_programs

FIRST_REVISION = "0001"


@pytest.fixture(params=("sqlite", "postgresql"))
def settings(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """An instance with empty, migrated tables; PostgreSQL's own programs can be found."""
    monkeypatch.setenv("PATH", str(postgresql_programs()), prepend=os.pathsep)
    if request.param == "postgresql":
        return make_settings(tmp_path, database_url=request.getfixturevalue("postgresql_database"))
    shutil.copy(request.getfixturevalue("sqlite_template"), tmp_path / "dutybell.sqlite")
    return make_settings(tmp_path)


def flask(settings: Settings, *words: object) -> Result:
    """Run `flask WORDS` as a new process would: a new application, nothing kept from the last one."""
    with running_app(settings) as app:
        return app.test_cli_runner().invoke(args=[str(word) for word in words])


def titles(settings: Settings) -> list[str]:
    with running_app(settings), read_only():
        return list(db.session.scalars(select(Incident.title).order_by(Incident.id)))


def test_what_was_backed_up_comes_back(settings: Settings, tmp_path: Path):
    with running_app(settings):
        incident = make_incident(title="磁盘写满")
        db.session.commit()
        incident_id = incident.id
    file = tmp_path / "night.backup"
    made = flask(settings, "backup", file)
    assert made.exit_code == 0, made.output
    assert file.stat().st_mode & 0o077 == 0
    with running_app(settings):
        db.session.delete(db.session.get_one(Incident, incident_id))
        db.session.commit()
    assert titles(settings) == []

    restored = flask(settings, "restore", "--yes", file)
    assert restored.exit_code == 0, restored.output
    assert titles(settings) == ["磁盘写满"]
    with running_app(settings), read_only():
        if db.engine.dialect.name == "postgresql":
            assert db.session.scalar(text("SELECT reltuples FROM pg_class WHERE relname = 'incidents'")) == 1


def test_a_restore_with_other_keys_changes_nothing(settings: Settings, tmp_path: Path):
    with running_app(settings):
        instance.default_tenant(now=utcnow())
        db.session.commit()
    file = tmp_path / "file"
    assert flask(settings, "backup", file).exit_code == 0  # its start left the canary by which keys are known
    with running_app(settings):
        make_incident(title="原来的")
        db.session.execute(delete(Canary))
        db.session.commit()
    other = replace(settings, encryption_keys=(EncryptionKey("t1", bytes(range(32))),))
    refused = flask(other, "restore", "--yes", file)
    assert (refused.exit_code, "ENCRYPTION_KEYS" in refused.output) == (1, True), refused.output
    assert titles(other) == ["原来的"]


def test_nothing_is_restored_under_a_running_worker(settings: Settings, tmp_path: Path):
    with running_app(settings):
        tenant = default_tenant()
        db.session.add(Heartbeat(name="worker:1", tenant_id=tenant.id, at=utcnow()))
        db.session.commit()
    file = tmp_path / "file"
    assert flask(settings, "backup", file).exit_code == 0
    refused = flask(settings, "restore", "--yes", file)
    assert (refused.exit_code, "stop web and worker first" in refused.output) == (1, True), refused.output
    assert flask(settings, "restore", "--yes", "--force", file).exit_code == 0


def test_an_older_backup_is_brought_to_this_versions_tables(settings: Settings, tmp_path: Path):
    """It holds the first release's tables, then becomes this version's."""
    file = tmp_path / "file"
    with running_app(settings):
        schema.downgrade(FIRST_REVISION)
    assert flask(settings, "backup", file).exit_code == 0
    with running_app(settings):
        schema.upgrade()
    assert flask(settings, "restore", "--yes", file).exit_code == 0
    with running_app(settings) as app:
        assert app.test_client().get("/readyz").get_json()["checks"]["migrations"] == "ok"


@pytest.mark.parametrize("settings", ["sqlite"], indirect=True)
@pytest.mark.parametrize("content", [b"", b"no archive at all", b"\x1f\x8b\x08\x00 cut"])
def test_a_file_that_is_no_backup_is_refused(settings: Settings, tmp_path: Path, content: bytes):
    file = tmp_path / "file"
    file.write_bytes(content)
    refused = flask(settings, "restore", "--yes", file)
    assert (refused.exit_code, "is not a backup" in refused.output) == (1, True), refused.output


@pytest.mark.parametrize("settings", ["sqlite"], indirect=True)
def test_a_backup_does_not_overwrite_another(settings: Settings, tmp_path: Path):
    file = tmp_path / "file"
    file.write_bytes(b"precious")
    assert "exists already" in flask(settings, "backup", file).output
    assert file.read_bytes() == b"precious"
