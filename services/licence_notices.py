"""Telling an organisation's administrators about licences: before the trial ends, and when messages are refused.

At most one notice a day and connection, however many messages were refused.
"""

from __future__ import annotations

from datetime import datetime, time

from sqlalchemy import or_, select, update

from extensions import db
from models import Integration, InterfaceLicence, MemberLicence, Tenant
from services import licences, text_messages
from services.instance import current_settings
from services.licences import Standing, mine
from services.wording import local_time, say, speaking
from texts import N_, Text

REMINDED_FROM = time(9)
"""Reminders wait for the organisation's morning; that messages are refused is told at once."""

ENDING = N_(
    "%(name)s试用还剩 %(days)s 天（到 %(at)s）。届时 %(count)s 位未开通许可的成员将收不到消息。%(buyer)s查看：%(url)s"
)
OVER = N_("%(name)s试用已于 %(at)s 结束，%(count)s 位成员没有许可，收不到消息。%(buyer)s%(way_out)s查看：%(url)s")
REFUSED = N_("%(count)s 位成员的消息因未开通%(name)s没有送达。%(buyer)s开通后会自动补发。%(way_out)s查看：%(url)s")


def tell(integration: Integration, *, now: datetime) -> bool:
    """Stage today's notice if there is something to say and nothing was said today; return whether there was."""
    stands, company = licences.standing(integration, now=now), licences.known(integration)
    if stands is None or company is None:
        return False
    tenant = db.session.get_one(Tenant, integration.tenant_id)
    with speaking(tenant):
        today = local_time(now)
        text, reminded = _due(integration, company, stands, today)
        if text is None or not _take_turn(company, today, reminded):
            return False
        content = say(text)
    text_messages.tell_administrators(integration.tenant_id, content, now=now)
    return True


def _due(
    integration: Integration, company: InterfaceLicence, stands: Standing, today: datetime
) -> tuple[Text | None, int | None]:
    """What is to be said today, None for nothing; and which of the reminders has been given with it."""
    reminder = _reminder(company, stands)
    if _was_refused_since(integration, datetime.combine(today.date(), time(), today.tzinfo)):
        return _text(
            REFUSED, integration, stands, stands.refused
        ), company.reminded_days if reminder is None else reminder
    if reminder is None or today.time() < REMINDED_FROM:
        return None, company.reminded_days
    return _text(ENDING if reminder else OVER, integration, stands, stands.lacking), reminder


def _reminder(company: InterfaceLicence, stands: Standing) -> int | None:
    """The term before the end of the trial that has begun and was not spoken of: 15, 7, 1, at last 0. None: none."""
    if stands.trial_ends_at is None or not stands.is_required or not stands.lacking:
        return None
    begun = [days for days in (*stands.rules.reminded_days, 0) if stands.days_left <= days]
    if not begun or (company.reminded_days is not None and company.reminded_days <= min(begun)):
        return None
    return min(begun)


def _was_refused_since(integration: Integration, since: datetime) -> bool:
    refused = select(MemberLicence.id).where(*mine(MemberLicence, integration), MemberLicence.refused_at >= since)
    return db.session.scalar(refused.limit(1)) is not None


def _take_turn(company: InterfaceLicence, today: datetime, reminded: int | None) -> bool:
    """Stage that today's notice is given; False if another worker was faster."""
    day = today.date().isoformat()
    free = (InterfaceLicence.id == company.id, InterfaceLicence.noticed_on != day)
    before = InterfaceLicence.reminded_days
    still = or_(before.is_(None), before == company.reminded_days)
    changed = update(InterfaceLicence).where(*free, still).values(noticed_on=day, reminded_days=reminded)
    return bool(db.session.execute(changed).rowcount)  # type: ignore[attr-defined]


def _text(message: str, integration: Integration, stands: Standing, count: int) -> Text:
    return Text(
        message,
        name=Text(stands.rules.name),
        days=stands.days_left,
        at=stands.trial_ends_at or "",
        count=count,
        buyer=Text(stands.rules.buyer),
        way_out=Text(stands.rules.way_out),
        url=page_url(integration),
    )


def page_url(integration: Integration) -> str:
    """The console's page of a connection's licences."""
    return f"{current_settings().public_url}/integrations/im/{integration.id}/licences"
