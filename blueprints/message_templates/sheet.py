"""A template as it is typed, and what is wrong with it: a refused form comes back exactly as it was."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from blueprints.row_numbers import row_id
from errors import AppError, InvalidInput
from models import Template
from services import template_previews
from services.wording import error_sentence, say_reason

OWN_FIELDS = ("name", "description", "team_id")


@dataclass
class Sheet:
    """texts: by channel kind; incident: the number of the one to try it on, "" for the made-up one."""

    name: str = ""
    description: str = ""
    is_default: bool = False
    team_id: str = ""
    version: str = ""
    incident: str = ""
    texts: dict[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, form: Mapping[str, str]) -> Sheet:
        plain = {name: form.get(name, "") for name in ("name", "description", "team_id", "version", "incident")}
        texts = {kind: form.get(f"text-{kind}", "") for kind in template_previews.kinds()}
        return cls(is_default="is_default" in form, texts=texts, **plain)

    @classmethod
    def of(cls, template: Template) -> Sheet:
        return cls(
            name=template.name,
            description=template.description,
            is_default=template.is_default,
            team_id=str(template.team_id or ""),
            version=str(template.version),
            texts=dict(template.texts),
        )

    @property
    def seen_version(self) -> int | None:
        return row_id(self.version)


def errors_of(error: AppError) -> dict[str, str]:
    """What a service refused, by the name of the form's field, "" for the whole."""
    if not isinstance(error, InvalidInput):
        return {"": error_sentence(error)}
    if error.field in template_previews.kinds():
        return {f"text-{error.field}": say_reason(error)}
    return {error.field: say_reason(error)} if error.field in OWN_FIELDS else {"": error_sentence(error)}
