"""Settings: read from the environment once, typed, checked at start with one clear line per mistake."""

from __future__ import annotations

import base64
import binascii
import ipaddress
import os
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

KEY_BYTES = 32
SESSION_HOURS = 12
MOST_DAYS = 36_500
PLATFORM_HOST = re.compile(r"([A-Z]+)_([A-Z]+(?:_[A-Z]+)*)_BASE")
PRESS_REPLY = re.compile(r"([A-Z]+)_PRESS_REPLY")


class ConfigError(Exception):
    """The environment cannot be used; `problems` holds one line per mistake."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True)
class EncryptionKey:
    """A named AES-256 key; the first of the list encrypts, all of them decrypt."""

    id: str
    key: bytes = field(repr=False)


@dataclass(frozen=True)
class Settings:
    """Everything the operator decides. Addresses carry no trailing slash; durations are seconds."""

    home: Path
    public_url: str
    database_url: str = field(repr=False)
    secret_key: str = field(repr=False)
    encryption_keys: tuple[EncryptionKey, ...] = field(repr=False)
    redis_url: str | None = field(default=None, repr=False)
    egress_ips: tuple[str, ...] = ()
    endpoint_allowlist: tuple[str, ...] = ()
    platform_hosts: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Where chat platforms are reached instead of at their own addresses: {"wecom": {"api": "https://…"}}."""
    press_replies: Mapping[str, str] = field(default_factory=dict)
    """How each platform's presses are answered: with the presser's new card ("passive"), or by an "update" after it."""
    demo: bool = False
    simulator_url: str | None = None
    trusted_proxies: int = 0
    worker_threads: int = 32
    lease_seconds: int = 20
    metrics_token: str | None = field(default=None, repr=False)
    heartbeat_file: Path | None = None
    smtp_url: str | None = field(default=None, repr=False)
    """smtp(s)://user:password@host:port of the server that takes our e-mail, from `mail_from`."""
    mail_from: str = ""
    log_format: str = "auto"
    retention_days: int = 366
    """How long closed incidents are kept; this and the next three: 0 for ever."""
    retention_event_days: int = 30
    retention_delivery_days: int = 90
    retention_audit_days: int = 180

    @property
    def is_https(self) -> bool:
        return self.public_url.startswith("https://")

    @property
    def public_host(self) -> str:
        """Host and, if not the default one, port: what a trusted domain must equal."""
        return urlsplit(self.public_url).netloc

    @classmethod
    def from_env(cls, env: Mapping[str, str] | None = None) -> Settings:
        """Read settings from `env` (default: the process environment).

        Raises ConfigError naming every mistake at once.
        """
        return _Reader(os.environ if env is None else env).read()


class _Reader:
    """Collects problems while reading, so that an operator sees all of them in one go."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self.env = env
        self.problems: list[str] = []

    def read(self) -> Settings:
        home = Path(self.env.get("DUTYBELL_HOME") or "var").resolve()
        database_url = self.env.get("DATABASE_URL") or f"sqlite:///{home / 'dutybell.sqlite'}"
        if database_url.startswith("postgres://"):
            database_url = "postgresql://" + database_url.removeprefix("postgres://")
        if database_url.startswith("postgresql://"):
            database_url = "postgresql+psycopg://" + database_url.removeprefix("postgresql://")
        embedded = database_url.startswith("sqlite:")
        settings = Settings(
            home=home,
            public_url=self._url("PUBLIC_URL", "http://localhost:8000"),
            database_url=database_url,
            secret_key=self._secret_key(home, embedded),
            encryption_keys=self._encryption_keys(home, embedded),
            redis_url=self.env.get("REDIS_URL") or None,
            egress_ips=self._ips("EGRESS_IPS"),
            endpoint_allowlist=self._words("ENDPOINT_ALLOWLIST"),
            platform_hosts=self._platform_hosts(),
            press_replies=self._press_replies(),
            demo=self.env.get("DEMO", "0") == "1",
            simulator_url=self._url("SIMULATOR_URL", "") or None,
            trusted_proxies=self._number("TRUSTED_PROXIES", 0, 0, 5),
            worker_threads=self._number("WORKER_THREADS", 32, 1, 128),
            lease_seconds=self._number("LEASE_SECONDS", 20, 2, 3600),
            metrics_token=self.env.get("METRICS_TOKEN") or None,
            heartbeat_file=Path(self.env["HEARTBEAT_FILE"]) if self.env.get("HEARTBEAT_FILE") else None,
            smtp_url=self._smtp_url(),
            mail_from=self.env.get("MAIL_FROM", ""),
            log_format=self._choice("LOG_FORMAT", "auto", ("auto", "json", "console")),
            retention_days=self._number("RETENTION_DAYS", 366, 0, MOST_DAYS),
            retention_event_days=self._number("RETENTION_EVENT_DAYS", 30, 0, MOST_DAYS),
            retention_delivery_days=self._number("RETENTION_DELIVERY_DAYS", 90, 0, MOST_DAYS),
            retention_audit_days=self._number("RETENTION_AUDIT_DAYS", 180, 0, MOST_DAYS),
        )
        if self.problems:
            raise ConfigError(self.problems)
        return settings

    def _url(self, name: str, default: str) -> str:
        value = (self.env.get(name) or default).rstrip("/")
        parts = urlsplit(value)
        if value and (parts.scheme not in {"http", "https"} or not parts.netloc or parts.query or parts.fragment):
            self.problems.append(f"{name} must be an http(s) address without query, got {value!r}")
        return value

    def _smtp_url(self) -> str | None:
        value = self.env.get("SMTP_URL") or None
        parts = urlsplit(value or "")
        if value and (parts.scheme not in {"smtp", "smtps"} or not parts.hostname):
            self.problems.append("SMTP_URL must look like smtp://user:password@host:587 or smtps://…:465")
        if value and "@" not in self.env.get("MAIL_FROM", ""):
            self.problems.append("MAIL_FROM must be an e-mail address where SMTP_URL is set")
        return value

    def _platform_hosts(self) -> dict[str, dict[str, str]]:
        """Every {PLATFORM}_{NAME}_BASE that is set."""
        hosts: dict[str, dict[str, str]] = {}
        for name in sorted(self.env):
            if self.env[name] and (found := PLATFORM_HOST.fullmatch(name)):
                platform, host = found.groups()
                hosts.setdefault(platform.lower(), {})[host.lower()] = self._url(name, "")
        return hosts

    def _press_replies(self) -> dict[str, str]:
        """Every {PLATFORM}_PRESS_REPLY that is set."""
        found = [known for name in sorted(self.env) if (known := PRESS_REPLY.fullmatch(name))]
        choices = ("passive", "update")
        return {name.group(1).lower(): self._choice(name.group(), "passive", choices) for name in found}

    def _words(self, name: str) -> tuple[str, ...]:
        return tuple(word for word in self.env.get(name, "").replace(",", " ").split() if word)

    def _ips(self, name: str) -> tuple[str, ...]:
        for word in self._words(name):
            try:
                ipaddress.ip_address(word)
            except ValueError:
                self.problems.append(f"{name} must hold IP addresses, got {word!r}")
        return self._words(name)

    def _choice(self, name: str, default: str, allowed: tuple[str, ...]) -> str:
        value = self.env.get(name) or default
        if value not in allowed:
            self.problems.append(f"{name} must be one of {', '.join(allowed)}, got {value!r}")
        return value

    def _number(self, name: str, default: int, low: int, high: int) -> int:
        raw = self.env.get(name) or str(default)
        if not raw.isdecimal() or not low <= int(raw) <= high:
            self.problems.append(f"{name} must be a whole number from {low} to {high}, got {raw!r}")
            return default
        return int(raw)

    def _secret_key(self, home: Path, embedded: bool) -> str:
        value = self.env.get("SECRET_KEY")
        if value is not None and len(value) >= KEY_BYTES:
            return value
        if value is None and embedded:
            return _kept(home / "secret_key", lambda: secrets.token_urlsafe(KEY_BYTES))
        self.problems.append(f"SECRET_KEY must be set to at least {KEY_BYTES} random characters")
        return ""

    def _encryption_keys(self, home: Path, embedded: bool) -> tuple[EncryptionKey, ...]:
        raw = self.env.get("ENCRYPTION_KEYS")
        if raw is None and embedded:
            raw = _kept(home / "encryption_keys", _new_encryption_key)
        keys = []
        for word in (raw or "").replace(",", " ").split():
            key_id, _, encoded = word.partition(":")
            try:
                key = base64.urlsafe_b64decode(encoded)
            except (binascii.Error, ValueError):
                key = b""
            if not key_id or len(key) != KEY_BYTES:
                self.problems.append("ENCRYPTION_KEYS must hold id:key pairs, each key 32 bytes in URL-safe base64")
            keys.append(EncryptionKey(key_id, key))
        if not keys:
            self.problems.append("ENCRYPTION_KEYS must be set: without it stored secrets cannot be protected")
        if len({key.id for key in keys}) != len(keys):
            self.problems.append("ENCRYPTION_KEYS must not name one id twice")
        return tuple(keys)


def _new_encryption_key() -> str:
    return "k1:" + base64.urlsafe_b64encode(secrets.token_bytes(KEY_BYTES)).decode()


def _kept(path: Path, make: Callable[[], str]) -> str:
    """Return the value stored at `path`; make it on first use, readable by the owner alone."""
    if path.exists():
        return path.read_text().strip()
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}-{secrets.token_hex(4)}")
    draft.touch(mode=0o600)
    draft.write_text(make())
    try:
        os.link(draft, path)  # atomic: the first process wins, the others read what it wrote
    except FileExistsError:
        pass
    finally:
        draft.unlink()
    return path.read_text().strip()
