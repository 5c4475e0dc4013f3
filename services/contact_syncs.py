"""Taking over a company's people from a platform: begun, read by the worker, compared by an administrator, confirmed.

Only one synchronisation of a connection is open at a time; whoever begins another sees the one that is running.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.exc import IntegrityError

from errors import AppError, Conflict, NotFound
from extensions import db
from models import (
    AccountLink,
    ContactSync,
    ContactSyncState,
    Integration,
    IntegrationStatus,
    Membership,
    Pairing,
    SyncPerson,
)
from platforms import PLATFORMS
from platforms.errors import PlatformError, remember
from platforms.setup import SetupField
from services import audit, contact_decisions, outbox, rights, setup
from texts import N_, Text

READ, APPLY = "read_contacts", "apply_contacts"
"""Kinds of the worker's rows."""
PASSWORD_KINDS = ("random", "account")
SHRUNK_BY = 0.4
"""As many of those who were linked missing at once look like a mistake, not like people who left."""


class NotConfigured(AppError):
    """No connection of this organisation can list people."""

    code = "contact_sync.not_configured"
    api_code = "InvalidParameter"
    message = N_("%(platform)s尚未配置，请配置%(platform)s")
    status = 409


class NobodyFound(PlatformError):
    """The platform answered, and named nobody."""

    code = "contact_sync.nobody_found"
    message = N_("%(platform)s下没查询到用户！")
    hint = N_("常见原因：服务器 IP 未加入可信 IP，或应用的可见范围为空。")


class Interrupted(PlatformError):
    """Our own fault; the log says which. What was done is kept."""

    code = "contact_sync.interrupted"
    message = N_("同步中断，已完成的部分保留")
    hint = N_("请再次同步，没有完成的人会接着处理；仍不行时请查看日志。")


class ComparisonChanged(Conflict):
    """Somebody else changed the comparison after this page was drawn."""

    code = "contact_sync.changed"
    message = N_("另一位管理员刚刚修改了比对结果")
    hint = N_("页面已更新，请确认后再操作。")


class ContactsWithheld(AppError):
    """The platform tells applications of this mode too little about people. reason: what it does not tell."""

    code = "contact_sync.withheld"
    api_code = "InvalidParameter"
    message = N_("%(reason)s")
    status = 409


class NotComparing(Conflict):
    """The comparison is confirmed or given up already."""

    code = "contact_sync.not_comparing"
    message = N_("这次比对已经确认或放弃")
    hint = N_("请查看同步进度，或重新点击同步。")


class ShrunkUnconfirmed(Conflict):
    """Far fewer people than before: an administrator has to say that this is meant."""

    code = "contact_sync.shrunk"
    message = N_("已绑定的用户中有 %(missing)s 位不在本次读取的名单里，请先确认这不是可见范围配置有误")
    hint = N_("勾选确认后再同步；不会停用或解绑任何人。")


@dataclass(frozen=True)
class Extent:
    """What a confirmation would do. missing: linked people whom the platform did not name, of `linked`."""

    paired: int
    new: int
    review: int
    excluded: int
    bound: int
    linked: int
    missing: int

    @property
    def has_shrunk(self) -> bool:
        return self.missing > 0 and self.missing >= SHRUNK_BY * self.linked


def connections(viewer: Membership) -> list[Integration]:
    """The organisation's connections whose platform can list people, oldest first."""
    wanted = select(Integration).where(Integration.tenant_id == viewer.tenant_id).order_by(Integration.id)
    return [one for one in db.session.scalars(wanted) if lists_contacts(one)]


def lists_contacts(integration: Integration) -> bool:
    """Whether people can be read through it, as its platform and its mode allow."""
    return PLATFORMS[integration.platform].capabilities.lists_contacts and not _withheld(integration)


def _withheld(integration: Integration) -> str:
    """Why an application of this mode cannot read people, as a catalogue id; "": it can."""
    return setup.mode_of(integration).withheld.get("contacts", "")


def _check_not_withheld(integration: Integration) -> None:
    """Raises ContactsWithheld."""
    if reason := _withheld(integration):
        raise ContactsWithheld(reason, reason=reason)


def get(sync_id: int, *, viewer: Membership) -> ContactSync:
    """Raises NotFound, also for other organisations' synchronisations."""
    wanted = select(ContactSync).where(ContactSync.tenant_id == viewer.tenant_id, ContactSync.id == sync_id)
    found = db.session.scalar(wanted)
    if found is None:
        raise NotFound
    return found


def open_one(integration: Integration) -> ContactSync | None:
    """The synchronisation that is not finished yet."""
    wanted = select(ContactSync).where(
        ContactSync.tenant_id == integration.tenant_id,
        ContactSync.integration_id == integration.id,
        ContactSync.finished_at.is_(None),
    )
    return db.session.scalar(wanted)


def recent(integration: Integration, *, before: int | None = None, limit: int = 10) -> list[ContactSync]:
    """The newest ones first; only those with smaller ids than `before`."""
    wanted = select(ContactSync).where(
        ContactSync.tenant_id == integration.tenant_id, ContactSync.integration_id == integration.id
    )
    if before is not None:
        wanted = wanted.where(ContactSync.id < before)
    return list(db.session.scalars(wanted.order_by(ContactSync.id.desc()).limit(limit)))


def credentials(integration: Integration) -> list[tuple[str, SetupField]]:
    """What the contacts are read with: what the documents call each, and its field of the set-up."""
    fields = {field.name: field for field in setup.mode_of(integration).fields}
    wanted = PLATFORMS[integration.platform].capabilities.contact_fields
    return [(called, fields[name]) for called, name in wanted if name in fields]


def is_ready(integration: Integration) -> bool:
    """Whether the contacts can be read: a draft whose callbacks are not set up yet will do."""
    if integration.status is IntegrationStatus.DISABLED:
        return False
    lists = PLATFORMS[integration.platform].capabilities.lists_contacts
    return lists and all(setup.is_filled(integration, field) for _, field in credentials(integration))


def begin(integration: Integration, *, by: Membership, now: datetime) -> ContactSync:
    """Stage reading the contacts; what is open already is returned instead.

    Raises AccessDenied, ContactsWithheld, NotConfigured.
    """
    rights.require(by, "member.edit")
    _check_not_withheld(integration)
    platform = PLATFORMS[integration.platform]
    if not is_ready(integration):
        raise NotConfigured(platform=platform.label)
    running = open_one(integration)
    if running is not None:
        return running
    made = ContactSync(
        tenant_id=by.tenant_id, integration_id=integration.id, started_by_id=by.user_id, started_at=now, departments=[]
    )
    try:
        with db.session.begin_nested():
            db.session.add(made)
    except IntegrityError:  # another administrator was first
        running = open_one(integration)
        if running is None:
            raise
        return running
    queue = outbox.queue_of(integration.id)
    outbox.enqueue(READ, tenant_id=by.tenant_id, subject_id=made.id, due_at=now, now=now, queue=queue)
    audit.record("contact_sync.started", by=by, target=integration.name, now=now)
    return made


def named(sync_id: int, tenant_id: int) -> str:
    """A synchronisation as an administrator would name it: by its connection, and its number."""
    of_it = select(Integration.name).join(ContactSync, ContactSync.integration_id == Integration.id)
    name = db.session.scalar(of_it.where(ContactSync.id == sync_id, ContactSync.tenant_id == tenant_id))
    return f"{name or ''} #{sync_id}".strip()


def discard(sync: ContactSync, *, by: Membership, now: datetime) -> None:
    """Stage giving a comparison up. Raises NotComparing once it was confirmed."""
    rights.require(by, "member.edit")
    _leave(
        sync, ContactSyncState.DISCARDED, from_states=(ContactSyncState.READING, ContactSyncState.COMPARING), now=now
    )
    outbox.cancel(READ, tenant_id=sync.tenant_id, subject_id=sync.id)
    audit.record("contact_sync.discarded", by=by, target=named(sync.id, sync.tenant_id), now=now)


def confirm(
    sync: ContactSync, *, seen: int, initial_passwords: str, is_shrinking_meant: bool, by: Membership, now: datetime
) -> None:
    """Stage 确认同步: the worker applies the comparison as it stands.

    seen  version of the comparison that the administrator saw
    Raises AccessDenied, NotComparing, ComparisonChanged, ShrunkUnconfirmed, ContactsWithheld (the connection's mode
    is another one by now: what was read names people as nobody is named there).
    """
    rights.require(by, "member.edit")
    db.session.refresh(sync, with_for_update=True)
    if sync.state is not ContactSyncState.COMPARING:
        raise NotComparing
    _check_not_withheld(db.session.get_one(Integration, sync.integration_id))
    if sync.version != seen:
        raise ComparisonChanged
    plan = extent(sync)
    if plan.has_shrunk and not is_shrinking_meant:
        raise ShrunkUnconfirmed(missing=plan.missing)
    sync.state = ContactSyncState.APPLYING
    sync.confirmed_by_id, sync.confirmed_at = by.user_id, now
    sync.initial_passwords = initial_passwords if initial_passwords in PASSWORD_KINDS else "random"
    sync.step, sync.steps = 0, plan.paired + plan.new + plan.review + plan.bound
    sync.version += 1
    outbox.enqueue(APPLY, tenant_id=sync.tenant_id, subject_id=sync.id, due_at=now, now=now)
    audit.record(
        "contact_sync.confirmed",
        by=by,
        target=named(sync.id, sync.tenant_id),
        new_accounts=plan.new,
        initial_passwords=sync.initial_passwords,
        now=now,
    )


def fail(sync_id: int, error: PlatformError, *, now: datetime) -> None:
    """Stage that reading came to nothing; nothing else has been changed."""
    sync = db.session.get_one(ContactSync, sync_id)
    if sync.is_open:
        sync.error = remember(error) | {"message": error.message, "hint": error.hint}
        sync.state, sync.finished_at = ContactSyncState.FAILED, now


def extent(sync: ContactSync) -> Extent:
    """Count what there is to do, and who of those linked is missing."""
    rows = db.session.execute(
        select(SyncPerson.pairing, SyncPerson.is_included, func.count())
        .where(SyncPerson.sync_id == sync.id, SyncPerson.tenant_id == sync.tenant_id)
        .group_by(SyncPerson.pairing, SyncPerson.is_included)
    )
    counted: dict[Any, int] = {}
    for pairing, is_included, count in rows:
        key = pairing if is_included or pairing is Pairing.BOUND else "excluded"
        counted[key] = counted.get(key, 0) + count
    linked = linked_count(sync)
    return Extent(
        paired=counted.get(Pairing.BY_NAME, 0) + counted.get(Pairing.BY_HAND, 0),
        new=counted.get(Pairing.NONE, 0) + counted.get(Pairing.NAMESAKE, 0),
        review=counted.get(Pairing.OUTSIDE, 0),
        excluded=counted.get("excluded", 0),
        bound=counted.get(Pairing.BOUND, 0),
        linked=linked,
        missing=max(0, linked - counted.get(Pairing.BOUND, 0)),
    )


def lines(sync: ContactSync, *, only: str = "", after: int = 0, limit: int = 50) -> tuple[list[SyncPerson], int]:
    """Lines of the report by id from `after` on; the second value: where to go on, 0 at the end. only: of TOTALS."""
    wanted = select(SyncPerson).where(SyncPerson.tenant_id == sync.tenant_id, SyncPerson.sync_id == sync.id)
    wanted = wanted.where(SyncPerson.outcome.is_not(None), SyncPerson.id > after)
    if only:
        counted = [name for name in contact_decisions.LINES if contact_decisions.TOTALS.get(name, "failed") == only]
        wanted = wanted.where(SyncPerson.outcome.in_(counted))
    rows = list(db.session.scalars(wanted.order_by(SyncPerson.id).limit(limit + 1)))
    return rows[:limit], rows[limit - 1].id if len(rows) > limit else 0


def line(person: SyncPerson) -> Text:
    """A person's line of the report."""
    sentence = contact_decisions.LINES[str(person.outcome)]
    return Text(sentence, **person.report)


def new_people(sync: ContactSync, *, limit: int) -> list[SyncPerson]:
    """The first of those for whom accounts would be made."""
    wanted = select(SyncPerson).where(SyncPerson.tenant_id == sync.tenant_id, SyncPerson.sync_id == sync.id)
    new = (SyncPerson.pairing.in_((Pairing.NONE, Pairing.NAMESAKE)), SyncPerson.is_included.is_(True))
    return list(db.session.scalars(wanted.where(*new).order_by(SyncPerson.id).limit(limit)))


def linked_count(sync: ContactSync) -> int:
    mine = (AccountLink.tenant_id == sync.tenant_id, AccountLink.integration_id == sync.integration_id)
    return db.session.scalar(select(func.count()).select_from(AccountLink).where(*mine)) or 0


def _leave(
    sync: ContactSync, state: ContactSyncState, *, from_states: tuple[ContactSyncState, ...], now: datetime
) -> None:
    left = update(ContactSync).where(ContactSync.id == sync.id, ContactSync.state.in_(from_states))
    values = {"state": state, "finished_at": now, "version": ContactSync.version + 1}
    if not db.session.execute(left.values(values).returning(ContactSync.id)).all():
        raise NotComparing
    db.session.refresh(sync)
