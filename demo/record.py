"""What the demo knows about itself: passwords and simulated credentials, in a file that its owner alone can read."""

from __future__ import annotations

import json
import secrets
from pathlib import Path
from typing import Any

from config import Settings
from demo.company import PEOPLE
from services.passwords import WeakPassword, check_acceptable, one_time_password

FIRST_AGENT_ID = 1000002


class NotADemo(Exception):
    """This instance holds no demo; the message says why."""


def path(settings: Settings) -> Path:
    return settings.home / "demo.json"


def read(settings: Settings) -> dict[str, Any]:
    """The record, or {} before the first load. Raises NotADemo unless the instance runs as one."""
    if not settings.demo:
        raise NotADemo("This is not a demo instance (DEMO is not 1).")
    return dict(json.loads(path(settings).read_text())) if path(settings).exists() else {}


def write(settings: Settings, record: dict[str, Any]) -> None:
    """Replace the record, whole or not at all."""
    path(settings).parent.mkdir(parents=True, exist_ok=True)
    draft = path(settings).with_suffix(".new")
    draft.touch(mode=0o600)
    draft.write_text(json.dumps(record, ensure_ascii=False, indent=2) + "\n")
    draft.replace(path(settings))


def invent() -> dict[str, Any]:
    """A new demo's passwords, and the credentials that its application will have on the simulated platform."""
    return {
        "passwords": {name: acceptable_password(name) for name in ("admin", *(person.username for person in PEOPLE))},
        "wecom": {
            "corp_id": f"ww{secrets.token_hex(8)}",
            "agent_id": FIRST_AGENT_ID,
            "secret": _letters_and_digits(43),
            "token": _letters_and_digits(32),
            "encoding_aes_key": _letters_and_digits(42) + secrets.choice("AEIMQUYcgkosw048"),
        },
    }


def acceptable_password(username: str) -> str:
    """A random password that the product takes: by chance one may hold a short user name."""
    while True:
        password = one_time_password()
        try:
            check_acceptable(password, username)
        except WeakPassword:
            continue
        return password


def _letters_and_digits(count: int) -> str:
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
    return "".join(secrets.choice(alphabet) for _ in range(count))
