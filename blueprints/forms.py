"""What all forms share: showing what a service refused where the reader can mend it."""

from __future__ import annotations

from typing import Any

from flask import make_response, render_template
from flask.typing import ResponseReturnValue
from flask_wtf import FlaskForm
from wtforms import Field

from errors import AppError
from extensions import db
from services.accounts import UsernameTaken
from services.passwords import WeakPassword
from services.wording import error_sentence


def refused(template: str, form: FlaskForm, error: AppError, **context: Any) -> ResponseReturnValue:
    """The form again, with the error beside the field that it concerns or above all of them."""
    db.session.rollback()
    sentence = error_sentence(error)
    field = _field_of(form, error)
    if field is None:
        form.form_errors.append(sentence)
    else:
        field.errors = [*field.errors, sentence]
    response = make_response(render_template(template, form=form, **context), error.status)
    if wait := getattr(error, "retry_after", None):
        response.headers["Retry-After"] = str(max(1, round(wait.total_seconds())))
    return response


def _field_of(form: FlaskForm, error: AppError) -> Field | None:
    name = getattr(error, "field", None)
    if isinstance(error, WeakPassword):
        name = "password"
    if isinstance(error, UsernameTaken):
        name = "username"
    found: Field | None = form[name] if name and name in form else None
    return found
