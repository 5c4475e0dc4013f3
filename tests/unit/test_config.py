"""Settings: every mistake is named at once, and nothing secret has a default."""

from __future__ import annotations

import base64
import threading
from pathlib import Path

import pytest

from app import create_app
from config import ConfigError, Settings
from ground import CANNOT_START

KEY = base64.urlsafe_b64encode(b"k" * 32).decode()
PRODUCTION = {
    "DATABASE_URL": "postgresql://dutybell:pw@db/dutybell",
    "SECRET_KEY": "s" * 32,
    "ENCRYPTION_KEYS": f"k1:{KEY}",
    "PUBLIC_URL": "https://bell.example/",
}


def read(home: Path, **env: str) -> Settings:
    return Settings.from_env({"DUTYBELL_HOME": str(home)} | env)


def problems(home: Path, **env: str) -> str:
    with pytest.raises(ConfigError) as refused:
        read(home, **env)
    return "\n".join(refused.value.problems)


def test_an_empty_environment_is_an_embedded_instance(tmp_path: Path) -> None:
    settings = read(tmp_path)
    assert settings.database_url == f"sqlite:///{tmp_path / 'dutybell.sqlite'}"
    assert len(settings.secret_key) >= 32
    assert len(settings.encryption_keys[0].key) == 32
    again = read(tmp_path)
    assert (again.secret_key, again.encryption_keys) == (settings.secret_key, settings.encryption_keys)


def test_generated_secrets_differ_and_are_the_owners_alone(tmp_path: Path) -> None:
    one, two = read(tmp_path / "one"), read(tmp_path / "two")
    assert one.secret_key != two.secret_key
    assert one.encryption_keys[0].key != two.encryption_keys[0].key
    for name in ("secret_key", "encryption_keys"):
        assert (tmp_path / "one" / name).stat().st_mode & 0o077 == 0


def test_processes_that_start_together_agree_on_the_secrets(tmp_path: Path) -> None:
    found: list[Settings] = []
    start = threading.Barrier(8)

    def begin() -> None:
        start.wait()
        found.append(read(tmp_path))

    threads = [threading.Thread(target=begin) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({settings.secret_key for settings in found}) == 1
    assert len({settings.encryption_keys for settings in found}) == 1
    assert len(list(tmp_path.iterdir())) == 2


def test_production_has_no_default_secrets(tmp_path: Path) -> None:
    said = problems(tmp_path, DATABASE_URL=PRODUCTION["DATABASE_URL"])
    assert "SECRET_KEY" in said
    assert "ENCRYPTION_KEYS" in said
    assert not any(tmp_path.iterdir())


def test_production_settings_are_read(tmp_path: Path) -> None:
    settings = read(tmp_path, **PRODUCTION)
    assert settings.database_url == "postgresql+psycopg://dutybell:pw@db/dutybell"
    assert settings.public_url == "https://bell.example"
    assert settings.public_host == "bell.example"
    assert settings.is_https


def test_nothing_secret_is_printed(tmp_path: Path) -> None:
    settings = read(tmp_path, **PRODUCTION, METRICS_TOKEN="canary", REDIS_URL="redis://:canary@r")
    for secret in ("canary", "s" * 32, ":pw@", "kkkk"):
        assert secret not in repr(settings)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PUBLIC_URL", "bell.example"),
        ("PUBLIC_URL", "ftp://bell.example"),
        ("PUBLIC_URL", "https://bell.example/?a=b"),
        ("WECOM_API_BASE", "qyapi"),
        ("SECRET_KEY", "short"),
        ("SECRET_KEY", ""),
        ("ENCRYPTION_KEYS", ""),
        ("ENCRYPTION_KEYS", "k1:short"),
        ("ENCRYPTION_KEYS", f"k1:{KEY} k1:{KEY}"),
        ("ENCRYPTION_KEYS", KEY),
        ("EGRESS_IPS", "203.0.113.7 nonsense"),
        ("WECOM_PRESS_REPLY", "maybe"),
        ("WORKER_THREADS", "0"),
        ("WORKER_THREADS", "many"),
        ("LEASE_SECONDS", "-1"),
        ("TRUSTED_PROXIES", "9"),
        ("LOG_FORMAT", "xml"),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, name: str, value: str) -> None:
    assert name in problems(tmp_path, **(PRODUCTION | {name: value}))


def test_all_mistakes_are_named_at_once(tmp_path: Path) -> None:
    said = problems(tmp_path, PUBLIC_URL="x", WORKER_THREADS="x", EGRESS_IPS="x", LEASE_SECONDS="x")
    assert len(said.splitlines()) == 4


def test_keys_can_be_rotated(tmp_path: Path) -> None:
    new = base64.urlsafe_b64encode(b"n" * 32).decode()
    settings = read(tmp_path, **(PRODUCTION | {"ENCRYPTION_KEYS": f"k2:{new},k1:{KEY}"}))
    assert [key.id for key in settings.encryption_keys] == ["k2", "k1"]


def test_a_process_with_a_mistake_in_its_environment_ends_with_one_line_for_each(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("DUTYBELL_HOME", str(tmp_path))
    monkeypatch.setenv("PUBLIC_URL", "not an address")
    monkeypatch.setenv("ENCRYPTION_KEYS", "k1:short")
    with pytest.raises(SystemExit) as end:
        create_app()
    assert end.value.code == CANNOT_START
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2 and all(line.startswith("dutybell cannot start: ") for line in lines)


def test_a_platforms_hosts_are_replaced_by_name(tmp_path: Path) -> None:
    env = {"WECOM_API_BASE": "https://a.example.com", "FEISHU_LARK_API_BASE": "https://b.example.com/"}
    hosts = read(tmp_path, **env).platform_hosts
    assert hosts == {"wecom": {"api": "https://a.example.com"}, "feishu": {"lark_api": "https://b.example.com"}}
