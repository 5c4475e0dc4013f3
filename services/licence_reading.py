"""Reading licences from a platform that asks for them, and sending what was refused for want of one.

What was refused is tried again once the platform says that something has changed, not before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, select, update

from extensions import db, insert_once
from models import CorpAuth, Integration, IntegrationStatus, InterfaceLicence, MemberLicence
from platforms.errors import PlatformError, remember
from platforms.licences import Licence, LicenceTerms
from services import deliveries, integrations, licences, linking, outbox
from services.licences import mine

KIND = "read_licences"
FRESH = timedelta(minutes=1)
"""What was read less than this ago is not asked for again because of one more refusal."""
REST = timedelta(seconds=5)
"""From one reading to the next where a refusal contradicts it: a platform may contradict itself."""
READ_EVERY = timedelta(hours=1)
ASKED_AT_ONCE = 20
"""Refused members who are asked about one after the other before messages get their turn again."""


@dataclass(frozen=True)
class Reading:
    """How far the worker is with a connection's licences; a row's payload.

    began        when its first page was read (ISO); "" before that
    cursor       where the platform's list goes on; is_listed: all of it was read
    after        id of the last refused member who was asked about by name
    is_wanted    somebody, or an event, asked for it: it is read however fresh it is
    """

    began: str = ""
    cursor: str = ""
    is_listed: bool = False
    after: int = 0
    is_wanted: bool = False

    @classmethod
    def of_row(cls, payload: Mapping[str, Any]) -> Reading:
        known = cls.__dataclass_fields__
        return cls(**{name: value for name, value in payload.items() if name in known})


def ask(integration: Integration, *, now: datetime, is_wanted: bool = True) -> None:
    """Stage reading the licences by the worker. A row that has not begun yet does for whoever asks meanwhile."""
    waiting = outbox.waiting(KIND, integration.id, now=now)
    if any(Reading.of_row(job.payload).is_wanted >= is_wanted and not job.payload.get("began") for job in waiting):
        return
    outbox.enqueue(
        KIND,
        tenant_id=integration.tenant_id,
        subject_id=integration.id,
        due_at=now,
        now=now,
        payload=asdict(Reading(is_wanted=is_wanted)),
        queue=outbox.queue_of(integration.id),
    )


def take_event(platform: str, corp_id: str, *, now: datetime) -> bool:
    """Stage reading the licences of the company that a platform told its provider about; False if nobody here is it."""
    integration = db.session.scalar(
        select(Integration)
        .join(CorpAuth, CorpAuth.integration_id == Integration.id)
        .where(Integration.platform == platform, CorpAuth.corp_id == corp_id)
    )
    if integration is not None:
        ask(integration, now=now)
    return integration is not None


def is_being_read(integration: Integration) -> bool:
    return outbox.pending(KIND, integration.id) is not None


def is_due(integration: Integration, *, now: datetime) -> bool:
    """Whether the state is worth reading without being asked: it is old, or somebody waits for it to change."""
    if integration.status is not IntegrationStatus.ACTIVE:
        return False
    licence = licences.known(integration)
    if licence is None or licence.read_at is None or now - licence.read_at >= READ_EVERY:
        return True
    return licences.count_refused(integration) > 0


def due_after_refusal(integration: Integration, *, now: datetime) -> datetime | None:
    """When one more refusal has the licences read; None if that was done a moment ago, and foretold the refusal."""
    company = licences.known(integration)
    if company is None or company.read_at is None:
        return now
    surprised = any(
        member.refused_at is not None
        and member.refused_at > company.read_at
        and company.state_of(member, now).is_in_force
        for member in _refused(integration)
    )
    if surprised:
        return max(now, company.read_at + REST)
    return None if now - company.read_at < FRESH else now


def read(integration: Integration, reading: Reading, *, now: datetime) -> Reading | None:
    """Ask the platform for the next part and stage what it said; None if that was all. Commits before it asks.

    The company's terms and the list of licences first, then each refused member by name: only that answer is the
    platform's word that a message may be sent again. Raises PlatformError.
    """
    desk = integrations.platform_for(integration).licences
    asked = _refused(integration, after=reading.after) if reading.is_listed else []
    names = [member.external_user_id for member in asked]
    db.session.commit()
    if desk is None:
        return None
    if reading.is_listed:
        for name, licence in [(name, desk.of(name)) for name in names]:
            _take(integration, name, licence, now)
        return replace(reading, after=asked[-1].id) if len(asked) == ASKED_AT_ONCE else None
    terms = None if reading.began else desk.terms()
    page = desk.page(reading.cursor)
    if terms is not None:
        _take_terms(integration, terms)
        reading = replace(reading, began=now.isoformat())
    _take_page(integration, page.licences, now)
    if page.next_cursor:
        return replace(reading, cursor=page.next_cursor)
    _forget_vanished(integration, datetime.fromisoformat(reading.began))
    company = _ensured(integration)
    company.read_at, company.problem = now, None
    return replace(reading, cursor="", is_listed=True)


def note_problem(integration: Integration, error: PlatformError) -> None:
    """Stage why the licences could not be read; what was read before stays."""
    _ensured(integration).problem = remember(error)


def _ensured(integration: Integration) -> InterfaceLicence:
    values = {"tenant_id": integration.tenant_id, "integration_id": integration.id}
    found = licences.known(integration) or insert_once(InterfaceLicence, values, key=("integration_id",))
    return found or db.session.scalars(select(InterfaceLicence).where(*mine(InterfaceLicence, integration))).one()


def _take_terms(integration: Integration, terms: LicenceTerms) -> None:
    company = _ensured(integration)
    if company.trial_ends_at != terms.trial_ends_at:
        company.reminded_days = None
    company.is_required = terms.is_required
    company.trial_starts_at, company.trial_ends_at = terms.trial_starts_at, terms.trial_ends_at


def _take_page(integration: Integration, activated: Sequence[Licence], now: datetime) -> None:
    longest: dict[str, Licence] = {}
    for licence in activated:
        name = linking.stored_id(integration, licence.external_user_id)
        if name not in longest or longest[name].expires_at < licence.expires_at:
            longest[name] = licence
    for name, licence in longest.items():
        _take(integration, name, licence, now)


def _take(integration: Integration, name: str, licence: Licence | None, now: datetime) -> None:
    """Stage one account's licence as the platform just said it."""
    member = _member(integration, name)
    member.activated_at = licence.activated_at if licence else None
    member.expires_at = licence.expires_at if licence else None
    member.read_at = now


def _member(integration: Integration, name: str) -> MemberLicence:
    wanted = select(MemberLicence).where(*mine(MemberLicence, integration), MemberLicence.external_user_id == name)
    values = {"tenant_id": integration.tenant_id, "integration_id": integration.id, "external_user_id": name}
    found = db.session.scalar(wanted)
    found = found or insert_once(MemberLicence, values, key=("integration_id", "external_user_id"))
    return found or db.session.scalars(wanted).one()


def _forget_vanished(integration: Integration, began: datetime) -> None:
    """Licences that the whole list did not name any more were taken away or handed on."""
    gone = (*mine(MemberLicence, integration), MemberLicence.expires_at.is_not(None), MemberLicence.read_at < began)
    db.session.execute(update(MemberLicence).where(*gone).values(activated_at=None, expires_at=None))


# --- messages that were refused -----------------------------------------------------------------------------------


def note_refused(integration: Integration, external_user_id: str, *, now: datetime) -> None:
    """Stage that a message to this account was refused for want of a licence, and looking why."""
    member = _member(integration, linking.stored_id(integration, external_user_id))
    member.refused_at = now
    member.refused_as = _facts(_ensured(integration), member)
    ask(integration, now=now, is_wanted=False)


def _facts(company: InterfaceLicence, member: MemberLicence) -> str:
    """What decides about a member, in one line."""
    parts = (company.is_required, company.trial_ends_at, member.expires_at)
    return "/".join(part.isoformat() if isinstance(part, datetime) else str(part) for part in parts)


def _refused(integration: Integration, *, after: int = 0, limit: int = ASKED_AT_ONCE) -> list[MemberLicence]:
    refused = (*mine(MemberLicence, integration), MemberLicence.refused_at.is_not(None), MemberLicence.id > after)
    return list(db.session.scalars(select(MemberLicence).where(*refused).order_by(MemberLicence.id).limit(limit)))


def try_again(integration: Integration, *, now: datetime) -> int:
    """Stage sending again what members missed who may be told now; return how many members. Commits each of them.

    Only where something has changed since the refusal: a platform that refuses whom it calls licensed is not asked
    in a circle.
    """
    company, after, done = _ensured(integration), 0, 0
    while refused := _refused(integration, after=after):
        after = refused[-1].id
        for member in refused:
            if not company.state_of(member, now).is_in_force or _facts(company, member) == member.refused_as:
                continue
            _send_missed(integration, member, now)
            done += 1
    return done


def not_asked_for_any_more(integration: Integration, *, now: datetime) -> None:
    """Send what was missed and forget the licences: the connection is set up in a way that needs none."""
    while refused := _refused(integration):
        for member in refused:
            _send_missed(integration, member, now)
    for table in (MemberLicence, InterfaceLicence):
        db.session.execute(delete(table).where(*mine(table, integration)))
    db.session.commit()


def _send_missed(integration: Integration, member: MemberLicence, now: datetime) -> None:
    db.session.refresh(member, with_for_update=True)
    if member.refused_at is None:  # another worker has read the licences meanwhile
        db.session.commit()
        return
    link = linking.find(integration, member.external_user_id)
    if link is not None:
        deliveries.resend_after_licence(link.user, integration, now=now)
    member.refused_at, member.refused_as = None, ""
    db.session.commit()
