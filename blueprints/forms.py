"""What forms share: showing what a service refused where the reader can mend it, and noticing who was quicker."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from flask import make_response, render_template
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from flask_wtf import FlaskForm
from wtforms import Field, HiddenField, SelectFieldBase

from blueprints import live
from blueprints.envelope import retry_header
from errors import AppError, Conflict, InvalidInput
from extensions import db
from services.accounts import UsernameTaken
from services.passwords import WeakPassword
from services.wording import error_sentence, say_reason
from texts import N_


class Overtaken(Conflict):
    """Somebody else saved the same form after the reader had opened it."""

    code = "conflict.overtaken"
    message = N_("在您打开此页之后，其他人修改了这里的内容")
    hint = N_("您填写的内容仍在下方，旁边是现在保存的值；再次保存将以您填写的为准。")


class EditForm(FlaskForm):
    """A form about something that has no version and that others may change meanwhile.

    seen  a digest of what was stored when the reader opened it; without one nothing is compared
    """

    seen = HiddenField()

    @classmethod
    def of(cls, stored: Mapping[str, Any], *arguments: Any) -> Self:
        """The form as it is opened. stored: values by the names of the fields."""
        return cls(*arguments, formdata=None, **stored, seen=live.tag(*stored.values()))

    def expect(self, stored: Mapping[str, Any]) -> None:
        """Raise Overtaken if something else is stored than was seen, and say what beside the fields that differ.

        Sent once more, the form is accepted: its reader has seen that by then.
        """
        now = live.tag(*stored.values())
        was, self.seen.data = self.seen.data, now
        different = [self[name] for name, value in stored.items() if _plain(self[name].data) != _plain(value)]
        if was in {None, "", now} or not different:
            return
        for field in different:
            shown = _label(field, stored[field.name]) or gettext("无")
            field.errors = [*field.errors, gettext("现在保存的是：%(value)s", value=shown)]
        raise Overtaken


def _plain(value: Any) -> str:
    """A value as its field sends it; browsers end lines with \\r\\n."""
    return "" if value is None else str(value).replace("\r\n", "\n")


def _label(field: Field, value: Any) -> str:
    """A stored value as the form shows it."""
    if isinstance(field, SelectFieldBase):
        return next((str(label) for key, label, *_rest in field.iter_choices() if key == value), str(value))
    return _plain(value)


def refused(template: str, form: FlaskForm, error: AppError, **context: Any) -> ResponseReturnValue:
    """The form again, with the error beside the field that it concerns or above all of them."""
    db.session.rollback()
    field = _field_of(form, error)
    if field is None:
        form.form_errors.append(error_sentence(error))
    else:
        said = say_reason(error) if isinstance(error, InvalidInput) else error_sentence(error)
        field.errors = [*field.errors, said]
    status = 422 if isinstance(error, InvalidInput) else error.status
    response = make_response(render_template(template, form=form, **context), status)
    response.headers.update(retry_header(error))
    return response


def _field_of(form: FlaskForm, error: AppError) -> Field | None:
    name = getattr(error, "field", None)
    if isinstance(error, WeakPassword):
        name = "password"
    if isinstance(error, UsernameTaken):
        name = "username"
    found: Field | None = form[name] if name and name in form else None
    return found
