"""What a program needs to drive the running demo, as one JSON object; and the same in a few lines for a person."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from config import Settings
from demo import record
from demo.company import PEOPLE, DemoPerson
from demo.load import ADMIN, source_of
from demo.simulated import APPLICATIONS
from extensions import db
from models import AlertSource, Integration
from services import alert_sources, groups, integrations


def describe(settings: Settings) -> dict[str, Any]:
    """Addresses and credentials of the demo. Those of the application are simulated. Raises record.NotADemo."""
    known = loaded(settings)
    sources = db.session.scalars(select(AlertSource).where(AlertSource.tenant_id == known["tenant_id"]))
    return {
        "base_url": known["base_url"],
        "simulator_url": known["simulator_url"],
        "admin": {"username": ADMIN, "password": known["passwords"][ADMIN]},
        "api_token": known["api_token"],
        "alert_sources": {source.type: alert_sources.push_url(source) for source in sources},
        "integrations": [describe_application(mine) for mine in known["applications"].values()],
        "people": [describe_person(person, known) for person in PEOPLE],
    }


def describe_application(mine: dict[str, Any]) -> dict[str, Any]:
    """One connection: the credentials of the simulated application and the groups that it can post to, by id."""
    integration = db.session.get_one(Integration, mine["integration_id"])
    return {
        "id": integration.id,
        "platform": integration.platform,
        "mode": integration.mode,
        "public_key": integration.public_key,
        "credentials": mine["credentials"],
        "addresses": integrations.addresses(integration),
        "groups": {chat.external_id: groups.plain_name(chat) for chat in groups.of_integration(integration)},
    }


def describe_person(person: DemoPerson, known: dict[str, Any]) -> dict[str, Any]:
    """Sign-in, and the person's id on each platform; None on one that is not connected."""
    ids = {
        slug: app.external_id(person.username, known["applications"][slug]["learned"])
        if slug in known["applications"]
        else None
        for slug, app in APPLICATIONS.items()
    }
    return {"username": person.username, "password": known["passwords"][person.username]} | ids


def greeting(settings: Settings) -> list[str]:
    """What to look at first, for the person who started the demo. Raises record.NotADemo."""
    known = loaded(settings)
    push_url = alert_sources.push_url(source_of("standard", known["tenant_id"]))
    labels = '{"resource": "db-07", "check": "disk.used>95%"}'
    # A key of its own each time, so that every call of the line raises another alert.
    body = f"""'{{"event_status": "Critical", "title_rule": "db-07 / disk.used>95%", "labels": {labels}, \
"alert_key": "demo-'$(date +%s)'"}}'"""
    return [
        f"登录 Sign in        {ADMIN}  {known['passwords'][ADMIN]}",
        f"模拟器 Simulator    {settings.simulator_url}",
        "触发告警 Raise an alert:",
        f"curl -d {body} -H 'Content-Type: application/json' '{push_url}'",
    ]


def loaded(settings: Settings) -> dict[str, Any]:
    """The record of a demo that was loaded to its end."""
    known = record.read(settings)
    if "base_url" not in known:
        raise record.NotADemo("No demo has been loaded here: start one with `make run`.")
    return known
