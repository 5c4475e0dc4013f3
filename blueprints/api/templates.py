"""Templates: the texts of cards, and trying one before it is used."""

from __future__ import annotations

from typing import Any

from blueprints.api.moments import iso
from blueprints.api.operations import Call, operation
from blueprints.api.schemas import (
    by_name,
    component,
    flag,
    list_of,
    listed,
    maybe,
    moment,
    one_of,
    record,
    row_id,
    whole,
    words,
)
from blueprints.api.switches import DELETED, VERSION
from extensions import db, read_only
from models import Template
from services import incidents, template_previews, templates
from services.wording import say

KINDS = sorted(templates.kinds())
TEXTS = record({}, {kind: words(100_000) for kind in KINDS})
WRITTEN = {
    "description": words(500),
    "is_default": flag("Of cards that no policy has chosen a template for"),
    "team_id": maybe(row_id("The team that owns it; a responder's template belongs to one of theirs")),
}
TEMPLATE = component(
    "Template",
    record(
        {"id": whole(), "name": words()}
        | WRITTEN
        | {"texts": by_name(words(), "By channel kind"), "changed_at": moment(), "version": whole()}
    ),
)
LOOK = component(
    "TemplatePreview",
    record(
        {
            "lines": listed(words()),
            "shown_lines": whole(about="How many of them the platform shows; 0: all"),
            "is_builtin": flag("The built-in text stands in"),
            "problem": maybe(words(about="Why it cannot be rendered")),
            "warnings": listed(words()),
        }
    ),
)


@operation("GET", "/templates", "The templates, by name", right="channel.view", answers=list_of(TEMPLATE))
def list_templates(call: Call) -> dict[str, Any]:
    return {"items": [template_row(template) for template in templates.all_for(call.member)]}


@operation(
    "POST",
    "/templates",
    "Write a template",
    right="channel.edit_own",
    body=record({"name": words(39, shortest=1), "texts": TEXTS}, WRITTEN),
    answers=TEMPLATE,
    status=201,
)
def create_template(call: Call) -> dict[str, Any]:
    return template_row(templates.create(_tried(call, templates.draft(**call.body)), **call.by))


@operation("GET", "/templates/<int:template_id>", "One template", right="channel.view", answers=TEMPLATE)
def get_template(call: Call, template_id: int) -> dict[str, Any]:
    return template_row(templates.get(template_id, viewer=call.member))


@operation(
    "PATCH",
    "/templates/<int:template_id>",
    "Change a template; what is not sent stays",
    right="channel.edit_own",
    body=record({}, {"name": words(39, shortest=1), "texts": TEXTS, **WRITTEN, **VERSION}),
    answers=TEMPLATE,
)
def edit_template(call: Call, template_id: int) -> dict[str, Any]:
    template = templates.get(template_id, viewer=call.member)
    kept = {name: getattr(template, name) for name in ("name", *WRITTEN)}
    changes = {name: value for name, value in call.body.items() if name not in {"version", "texts"}}
    texts = {**template.texts, **call.body.get("texts", {})}
    written = templates.draft(**(kept | changes), texts=texts)
    templates.update(template, _tried(call, written), version=call.body.get("version"), **call.by)
    return template_row(template)


def _tried(call: Call, written: templates.Draft) -> templates.Draft:
    """Its texts rendered once while nobody waits for the database."""
    db.session.rollback()
    with read_only():
        return templates.tried(written, tenant=call.member.tenant, now=call.now)


@operation(
    "DELETE",
    "/templates/<int:template_id>",
    "Delete a template that no policy names",
    right="channel.edit_own",
    answers=DELETED,
)
def delete_template(call: Call, template_id: int) -> dict[str, Any]:
    templates.delete(templates.get(template_id, viewer=call.member), **call.by)
    return {"deleted": True}


@operation(
    "POST",
    "/templates/preview",
    "What a text comes to, on an incident or on a made-up one",
    right="channel.edit_own",
    body=record({"kind": one_of(KINDS), "text": words(100_000)}, {"incident": row_id("An incident's number")}),
    answers=LOOK,
)
def preview_template(call: Call) -> dict[str, Any]:
    num = call.body.get("incident")
    db.session.rollback()
    with read_only():  # nobody is to wait for the database meanwhile
        incident, tenant = incidents.get(num, viewer=call.member) if num else None, call.member.tenant
        look = template_previews.look_at(
            call.body["kind"], call.body["text"], tenant=tenant, now=call.now, incident=incident
        )
    return {
        "lines": list(look.lines),
        "shown_lines": look.limit,
        "is_builtin": look.is_builtin,
        "problem": say(look.problem) if look.problem else None,
        "warnings": [say(warning) for warning in look.warnings],
    }


def template_row(template: Template) -> dict[str, Any]:
    kept = ("id", "name", *WRITTEN, "texts", "version")
    return {name: getattr(template, name) for name in kept} | {"changed_at": iso(template.changed_at)}
