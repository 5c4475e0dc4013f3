"""Setting a connection up as the wizard does: its steps, what to enter here and there, what was seen to work."""

from __future__ import annotations

from typing import Any

from flask_babel import gettext as _

from blueprints.api.integrations import CHECK, INTEGRATION, ONE, check_row, integration_row
from blueprints.api.operations import Call, operation
from blueprints.api.schemas import by_name, component, flag, listed, maybe, one_of, record, whole, words
from blueprints.integrations.showing import shown_checks
from blueprints.integrations.wizard import console_link
from errors import InvalidInput, NotFound
from models import Integration
from platforms import PLATFORMS
from platforms.setup import SetupField
from services import integrations, setup
from services.setup import StepProgress
from texts import N_

MODES = sorted({mode.slug for kind in PLATFORMS.values() for mode in kind.modes})
LONGEST_VALUE = 4096
LABELLED = {"label": words(), "help": words()}
FIELD = component(
    "SetupField",
    record(
        {"name": words()}
        | LABELLED
        | {
            "kind": words(about="text, secret, domain, url, bool, choice or file"),
            "is_needed": flag("The connection is incomplete without it"),
            "choices": listed(words()),
            "value": maybe(words(about="null for a secret: it is never shown again")),
            "is_filled": flag(),
        }
    ),
)
COPIED = component("SetupValue", record({"name": words()} | LABELLED | {"value": words()}))
CODE = component("SetupCode", record({"code": words(), "reason": words(), "is_required": flag()}))
STEP = component(
    "SetupStep",
    record(
        {
            "key": words(),
            "number": whole(1),
            "title": words(),
            "state": one_of(("passed", "failed", "waiting", "done", "todo")),
            "where": listed(words(), about="The menu path in the platform's console"),
            "console_url": words(about="A deep link to it; empty where there is none"),
            "instructions": listed(words()),
            "cautions": listed(words()),
            "fields": listed(FIELD, about="What to enter here"),
            "values": listed(COPIED, about="What to copy into the platform's console"),
            "codes": listed(CODE, about="Permissions or events to tick there"),
            "checks": listed(CHECK),
        }
    ),
)
SETUP = component(
    "Setup",
    record(
        {
            "integration": INTEGRATION,
            "notes": listed(words(), about="What is to be known about values that were left out"),
            "steps": listed(STEP),
        }
    ),
)


@operation(
    "POST",
    "/integrations",
    "Begin a connection, or go on with the draft that was left",
    right="integration.edit",
    body=record(
        {"platform": one_of(PLATFORMS)},
        {"mode": one_of(MODES, "One of the platform's; without it the first"), "name": words(40, shortest=1)},
    ),
    answers=SETUP,
    status=201,
)
def create_integration(call: Call) -> dict[str, Any]:
    platform = call.body["platform"]
    modes = [mode.slug for mode in PLATFORMS[platform].modes]
    mode = call.body.get("mode", modes[0])
    if mode not in modes:
        raise InvalidInput("mode", N_("应为 %(choices)s 之一"), choices=", ".join(modes))
    integration = setup.begin(platform, mode, **call.by)
    if "name" in call.body:
        setup.rename(integration, call.body["name"], by=call.member)
    return setup_row(integration)


@operation("GET", f"{ONE}/setup", "The steps of the wizard, without secrets", right="integration.edit", answers=SETUP)
def get_setup(call: Call, integration_id: int) -> dict[str, Any]:
    return setup_row(setup.get(integration_id, viewer=call.member))


@operation(
    "PATCH",
    f"{ONE}/setup",
    "Keep values; what needed them is tried again, and a draft that is complete becomes active",
    right="integration.edit",
    body=record(
        {"values": by_name(words(LONGEST_VALUE), "By the fields' names; an empty secret keeps the stored one")}
    ),
    answers=SETUP,
)
def save_setup(call: Call, integration_id: int) -> dict[str, Any]:
    integration = setup.hold(integration_id, viewer=call.member)
    known = {field.name for field in setup.mode_of(integration).fields}
    if strange := sorted(set(call.body["values"]) - known):
        raise InvalidInput(f"values.{strange[0][:60]}", N_("没有这个参数"))
    setup.save(integration, call.body["values"], **call.by)
    return setup_row(integration)


@operation(
    "POST",
    f"{ONE}/checks/<string:name>",
    "Try one check again; look at the outcome afterwards",
    right="integration.edit",
    answers=record({"started": flag()}),
    status=202,
)
def run_check(call: Call, integration_id: int, name: str) -> dict[str, Any]:
    integration = setup.get(integration_id, viewer=call.member)
    if name not in {check.name for check in setup.mode_of(integration).checks if check.active}:
        raise NotFound(name)
    setup.try_check(integration, name, now=call.now)
    return {"started": True}


def setup_row(integration: Integration) -> dict[str, Any]:
    addresses = integrations.addresses(integration)
    return {
        "integration": integration_row(integration),
        "notes": [_(note) for note in setup.notes(integration)],
        "steps": [_step_row(integration, item, addresses) for item in setup.progress(integration)],
    }


def _step_row(integration: Integration, item: StepProgress, addresses: dict[str, str]) -> dict[str, Any]:
    step = item.step
    shown = shown_checks(item, integration, setup.mode_of(integration))
    return {
        "key": step.key,
        "number": item.number,
        "title": _(step.title),
        "state": item.state,
        "where": [_(word) for word in step.where],
        "console_url": console_link(integration, step.console_path),
        "instructions": [_(sentence) for sentence in step.instructions],
        "cautions": [_(sentence) for sentence in step.cautions],
        "fields": [_field_row(integration, field) for field in step.fields],
        "values": [
            _labelled(value) | {"name": value.name, "value": value.shown(addresses.get(value.name, ""))}
            for value in step.values
        ],
        "codes": [
            {"code": each.code, "reason": _(each.reason) if each.reason else "", "is_required": each.required}
            for each in step.codes
        ],
        "checks": [check_row(each) for each in shown],
    }


def _labelled(described: Any) -> dict[str, str]:
    return {"label": _(described.label), "help": _(described.help) if described.help else ""}


def _field_row(integration: Integration, field: SetupField) -> dict[str, Any]:
    return _labelled(field) | {
        "name": field.name,
        "kind": field.kind,
        "is_needed": field.is_needed,
        "choices": [value for value, _label in field.choices],
        "value": None if field.is_secret else setup.stored(integration, field),
        "is_filled": setup.is_filled(integration, field),
    }
