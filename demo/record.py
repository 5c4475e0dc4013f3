"""What the demo knows about itself: passwords and simulated credentials, in a file that its owner alone can read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from config import Settings
from demo.company import PEOPLE
from services.passwords import WeakPassword, check_acceptable, one_time_password


class NotADemo(Exception):
    """This instance holds no demo; the message says why."""


def path(settings: Settings) -> Path:
    return settings.home / "demo.json"


def read(settings: Settings) -> dict[str, Any]:
    """The record, or {} before the first load. Raises NotADemo unless the instance runs as one."""
    if not settings.demo:
        raise NotADemo("This is not a demo instance (DEMO is not 1).")
    return upgraded(json.loads(path(settings).read_text())) if path(settings).exists() else {}


def write(settings: Settings, record: dict[str, Any]) -> None:
    """Replace the record, whole or not at all."""
    path(settings).parent.mkdir(parents=True, exist_ok=True)
    draft = path(settings).with_suffix(".new")
    draft.touch(mode=0o600)
    draft.write_text(json.dumps(record, ensure_ascii=False, indent=2) + "\n")
    draft.replace(path(settings))


def invent() -> dict[str, Any]:
    """A new demo's passwords. Its applications are added one by one (load.connect)."""
    names = ("admin", *(person.username for person in PEOPLE))
    return {"passwords": {name: acceptable_password(name) for name in names}, "applications": {}}


def upgraded(known: dict[str, Any]) -> dict[str, Any]:
    """A record as this version writes it: the first releases knew one platform and its one application."""
    if "applications" in known:
        return known
    rest = {name: known[name] for name in known if name not in {"wecom", "integration_id", "ownership_file"}}
    wecom = {
        "integration_id": known["integration_id"],
        "credentials": known["wecom"],
        "learned": {name: known[name] for name in ("ownership_file",) if name in known},
        "is_settled": "base_url" in known,
    }
    return rest | {"applications": {"wecom": wecom}}


def acceptable_password(username: str) -> str:
    """A random password that the product takes: by chance one may hold a short user name."""
    while True:
        password = one_time_password()
        try:
            check_acceptable(password, username)
        except WeakPassword:
            continue
        return password
