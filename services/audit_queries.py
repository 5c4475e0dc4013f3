"""Reading the audit record, page by page or as a file.

The administrators of an organisation see what concerns it. Super-administrators see what concerns the instance and all
organisations, but for what is done to incidents and messages: they stand above these, not inside.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from flask_babel import gettext
from sqlalchemy import ColumnElement, or_, select

from extensions import db
from models import AuditEntry, Membership, Tenant, User
from services import audit, rights, tenants
from services.audit_events import say_event
from services.id_order import first_since, shifted
from texts import N_

PAGE = 50
CHUNK = 500
OUT_OF_ORDER = timedelta(minutes=1)
"""Transactions end in another order than they began."""
INSIDE = ("incident.", "delivery.", "message.")
"""How events begin that are an organisation's own affair."""
COLUMNS = (
    N_("时间（UTC）"),
    N_("操作人"),
    N_("事件"),
    N_("事件代码"),
    N_("对象"),
    N_("详情"),
    N_("IP 地址"),
    N_("请求编号"),
)
FORMULA = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")
"""What makes a spreadsheet calculate a cell instead of showing it."""


@dataclass(frozen=True)
class Search:
    """What is asked for; everything empty: all. `until` excluded.

    actor   part of a user name; event: exactly; target: part of what it was done to, or a whole request number
    """

    since: datetime | None = None
    until: datetime | None = None
    actor: str = ""
    event: str = ""
    target: str = ""


@dataclass(frozen=True)
class Reader:
    """Whose reading it is: `where` narrows the record to what they may see; names_organisations: it holds several's."""

    where: tuple[ColumnElement[bool], ...]
    names_organisations: bool = False


def inside(viewer: Membership) -> Reader:
    """An administrator of an organisation. Raises AccessDenied."""
    rights.require(viewer, "audit.view")
    return Reader((AuditEntry.tenant_id == viewer.tenant_id,))


def above(user: User, organisation_id: int | None = None) -> Reader:
    """A super-administrator, of one organisation or of everything. Raises AccessDenied."""
    tenants.require_superadmin(user)
    seen = tuple(~AuditEntry.event.startswith(begin, autoescape=True) for begin in INSIDE)
    return Reader((*seen, *_of(organisation_id)), names_organisations=True)


def _of(organisation_id: int | None) -> tuple[ColumnElement[bool], ...]:
    return () if organisation_id is None else (AuditEntry.tenant_id == organisation_id,)


@dataclass(frozen=True)
class Page:
    """Newest first. before: the id to go on at, None at the end."""

    items: list[AuditEntry]
    before: int | None


def page(reader: Reader, search: Search, *, before: int | None = None, limit: int = PAGE) -> Page:
    """One page of what the reader may see."""
    found = _read(reader, search, before=before, limit=limit + 1)
    return Page(found[:limit], found[limit - 1].id if len(found) > limit else None)


def begin_export(
    search: Search,
    *,
    by: Membership | None = None,
    user: User | None = None,
    organisation_id: int | None = None,
    now: datetime,
) -> None:
    """Stage that somebody took the record away as a file: `user` the one of the instance, or of one organisation."""
    asked = [f"{name}={value}" for name, value in vars(search).items() if value]
    asked += [] if organisation_id is None else [f"organisation={organisation_id}"]
    audit.record("audit.exported", by=by, user=user, now=now, target=", ".join(asked))


def export(reader: Reader, search: Search) -> Iterator[str]:
    """The found entries as the lines of a CSV file, newest first, in pieces of CHUNK entries.

    Begins with a byte order mark, without which Excel takes UTF-8 for something else. No transaction stays open
    between two pieces: whoever downloads slowly holds up nobody.
    """
    before = None
    columns = [gettext(column) for column in COLUMNS]
    names = organisation_names() if reader.names_organisations else {}
    yield "\ufeff" + _line([*columns, gettext("组织")] if reader.names_organisations else columns)
    while True:
        found = _read(reader, search, before=before, limit=CHUNK)
        before = found[-1].id if found else None
        lines = [_line(_cells(entry, names if reader.names_organisations else None)) for entry in found]
        db.session.rollback()
        yield from lines
        if len(found) < CHUNK:
            return


def organisation_names() -> dict[int, str]:
    """What organisations are called, by id, for super-administrators."""
    return {row[0]: row[1] for row in db.session.execute(select(Tenant.id, Tenant.name).order_by(Tenant.id))}


def describe(entry: AuditEntry) -> list[tuple[str, str]]:
    """The detail of an entry as (name, value) pairs."""
    return [(name, _plain(value)) for name, value in entry.detail.items() if value not in ("", None, [])]


def _read(reader: Reader, search: Search, *, before: int | None, limit: int) -> list[AuditEntry]:
    wanted = select(AuditEntry).where(*reader.where, *_conditions(reader, search))
    if before is not None:
        wanted = wanted.where(AuditEntry.id < before)
    return list(db.session.scalars(wanted.order_by(AuditEntry.id.desc()).limit(limit)))


def _conditions(reader: Reader, search: Search) -> list[ColumnElement[bool]]:
    mine = () if reader.names_organisations else reader.where  # of the whole instance, ids follow the time as well
    found: list[ColumnElement[bool]] = []
    if search.since is not None:
        first = first_since(AuditEntry.id, AuditEntry.at, shifted(search.since, -OUT_OF_ORDER), *mine)
        found += [AuditEntry.id >= first, AuditEntry.at >= search.since]
    if search.until is not None:
        end = first_since(AuditEntry.id, AuditEntry.at, shifted(search.until, OUT_OF_ORDER), *mine)
        found += [AuditEntry.id < end, AuditEntry.at < search.until]
    if search.event:
        found.append(AuditEntry.event == search.event)
    if actor := search.actor.strip():
        found.append(AuditEntry.actor_name.icontains(actor, autoescape=True))
    if target := search.target.strip():
        found.append(or_(AuditEntry.target.icontains(target, autoescape=True), AuditEntry.request_id == target))
    return found


def _cells(entry: AuditEntry, organisations: dict[int, str] | None) -> list[str]:
    cells = [
        entry.at.strftime("%Y-%m-%d %H:%M:%S"),
        entry.actor_name,
        say_event(entry.event),
        entry.event,
        entry.target,
        "; ".join(f"{name}: {value}" for name, value in describe(entry)),
        entry.address,
        entry.request_id,
    ]
    return cells if organisations is None else [*cells, named(entry, organisations)]


def named(entry: AuditEntry, organisations: dict[int, str]) -> str:
    """The organisation of an entry; "" for the instance's own."""
    if entry.tenant_id is None:
        return ""
    return organisations.get(entry.tenant_id) or f"ID {entry.tenant_id}"


def _line(cells: list[str]) -> str:
    written = io.StringIO()
    csv.writer(written).writerow([harmless(cell) for cell in cells])
    return written.getvalue()


def harmless(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula: what a stranger typed must not run on an administrator's desk."""
    return f"'{cell}" if cell.lstrip(" ").startswith(FORMULA) else cell


def _plain(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
