"""The audit record: who did what that matters for security, from where and when. Append-only.

Entries are staged in the caller's transaction, so that what happened and its record are stored together. They
hold no secrets: of a changed secret only its name, of a failed sign-in never what was typed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask import g, has_app_context
from sqlalchemy import Connection, insert
from sqlalchemy import event as orm_events

from extensions import db
from models import AuditEntry, Membership, User
from services.clock import utcnow

LONGEST_VALUE, SHOWN_OF_VALUE = 200, 80
Value = str | int | bool | None


def record(
    event: str,
    *,
    by: Membership | None = None,
    user: User | None = None,
    tenant_id: int | None = None,
    target: str = "",
    now: datetime | None = None,
    **detail: Value | list[str],
) -> AuditEntry:
    """Stage one entry.

    event      "sign_in.failed", "member.role_changed" …: an area and what happened there
    by         who acted, in their organisation; `user` for people outside of any, None for the system and commands
    tenant_id  the organisation that it concerns, by default the actor's; None: the whole instance
    target     what it was done to, as an administrator would name it
    detail     before, after and the like; never a secret
    """
    actor = by.user if by is not None else user
    entry = AuditEntry(
        tenant_id=tenant_id if by is None else by.tenant_id,
        at=now or utcnow(),
        event=event,
        actor_id=actor.id if actor is not None else None,
        actor_name=one_line(actor.username) if actor is not None else "",
        address=_of_request("address")[:64],
        request_id=_of_request("request_id")[:64],
        target=one_line(target),
        detail={name: _plain(value) for name, value in detail.items()},
    )
    db.session.add(entry)
    return entry


@dataclass(frozen=True)
class Told:
    """What a statement writes about one thing among many; see record()."""

    event: str
    target: str
    detail: Mapping[str, Value]


def write(
    on: Connection, told: Sequence[Told], *, tenant_id: int, actor_id: int | None, actor_name: str, now: datetime
) -> None:
    """Stage entries by one statement, for work that does much at once on somebody's wish."""
    who = {"tenant_id": tenant_id, "at": now, "actor_id": actor_id, "actor_name": one_line(actor_name)}
    rows = [
        who
        | {"event": one.event, "target": one_line(one.target), "address": "", "request_id": ""}
        | {"detail": {name: _plain(value) for name, value in one.detail.items()}}
        for one in told
    ]
    if rows:
        on.execute(insert(AuditEntry), rows)


def difference(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """What an entry says about changed fields: "name: old → new" of each; none if nothing changed. No secrets."""
    changed = (name for name in after if before.get(name) != after[name])
    return [f"{name}: {_short(before.get(name))} → {_short(after[name])}" for name in changed]


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= SHOWN_OF_VALUE else text[: SHOWN_OF_VALUE - 1] + "…"


def one_line(text: str) -> str:
    """The text without line breaks, control characters and invisible marks (written as \\n, \\u202e …), cut."""
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text[:LONGEST_VALUE])
    return shown[:LONGEST_VALUE]


def _plain(value: Value | list[str]) -> Any:
    if isinstance(value, list):
        return [one_line(item) for item in value]
    return one_line(value) if isinstance(value, str) else value


def _of_request(name: str) -> str:
    """What blueprints/gate.py noted about the request; empty outside of one."""
    return str(g.get(name, "") or "") if has_app_context() else ""


@orm_events.listens_for(AuditEntry, "before_update")
@orm_events.listens_for(AuditEntry, "before_delete")
def _refuse_change(_mapper: Any, _connection: Any, entry: AuditEntry) -> None:
    raise RuntimeError(f"the audit record is append-only: {entry.event}")
