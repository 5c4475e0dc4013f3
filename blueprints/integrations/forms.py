"""A form for each step, made from the platform's description of it; and those of the detail page."""

from __future__ import annotations

from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from wtforms import Field, PasswordField, RadioField, SelectField, StringField, ValidationError
from wtforms.fields.choices import SelectChoice
from wtforms.validators import DataRequired, Length

from models import Integration
from platforms.setup import SetupField, SetupStep
from services import setup

LONGEST_VALUE = 2000
NAME = "integration_name"


class Shape:
    """Validates what a field of the platform must look like, and says which other value was pasted by mistake."""

    def __init__(self, described: SetupField) -> None:
        self.described = described
        self.field_flags = {"required": True} if described.is_needed else {}

    def __call__(self, _form: FlaskForm, field: Field) -> None:
        if problems := self.described.problems((field.data or "").strip()):
            raise ValidationError(" ".join(_(problem) for problem in problems))


def step_form(integration: Integration, step: SetupStep) -> FlaskForm:
    """The step's fields with their stored values; secrets stay empty. Where the connection is saved, its name, too."""
    kinds = {described.name: form_field(described) for described in step.fields}
    stored = {described.name: shown(integration, described) for described in step.fields}
    if step.key == saving_step(integration):
        kinds[NAME] = StringField(_("集成名称"), validators=[Length(max=setup.NAME_LENGTH)])
        stored[NAME] = _(integration.name)
    form_class = type("StepForm", (FlaskForm,), kinds)
    form: FlaskForm = form_class(data=stored)
    if NAME in form:
        form[NAME].flags.required = True  # nothing typed keeps the name that it has
    return form


def saving_step(integration: Integration) -> str:
    """The key of the step that asks for the last needed value."""
    return [step.key for step in setup.mode_of(integration).steps if any(one.is_needed for one in step.fields)][-1]


def typed_name(form: FlaskForm, integration: Integration) -> str:
    """The name if it was written otherwise than it was shown; "" for no change."""
    typed = (form[NAME].data or "").strip() if NAME in form else ""
    return "" if typed == _(integration.name) else typed


def shown(integration: Integration, described: SetupField) -> str:
    if described.kind == "bool":
        return "1" if integration.settings.get(described.name) else ""
    return setup.stored(integration, described)


def form_field(described: SetupField) -> Any:
    label = _(described.label)
    options: dict[str, Any] = {"description": _(described.help) if described.help else ""}
    if described.is_choice:
        choices = [SelectChoice(value, _(text)) for value, text in described.choices]
        return RadioField(label, choices=choices, default=described.default, **options)
    options["validators"] = [Length(max=LONGEST_VALUE), Shape(described)]
    return (PasswordField if described.is_secret else StringField)(label, **options)


class TestCardForm(FlaskForm):
    """Whom to send a test card: "user-12" a linked member, "group-3" a group; choices are set by the view."""

    recipient = SelectField(_l("接收人"), validators=[DataRequired(_l("请选择接收人"))])


class RenameForm(FlaskForm):
    name = StringField(_l("集成名称"), validators=[DataRequired(_l("请填写名称")), Length(max=setup.NAME_LENGTH)])
