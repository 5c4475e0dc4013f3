"""Forms of the in-app pages."""

from __future__ import annotations

from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from wtforms import (
    IntegerField,
    PasswordField,
    RadioField,
    SelectField,
    SelectMultipleField,
    StringField,
    TextAreaField,
)
from wtforms.validators import DataRequired, Length, NumberRange, Optional
from wtforms.widgets import CheckboxInput, ListWidget

from models import Severity
from services.incident_snooze import MAX_SNOOZE_MINUTES

LONG_TEXT = Length(max=1024, message=_l("最多 1024 个字符"))
SHORT_TEXT = Length(max=500, message=_l("最多 500 个字符"))
SEVERITIES = [(severity.value, _l(severity.label)) for severity in Severity if severity is not Severity.OK]


class BindForm(FlaskForm):
    """The account here, proven by its password."""

    username = StringField(_l("账号"), validators=[DataRequired(_l("请填写账号")), Length(max=128)])
    password = PasswordField(_l("密码"), validators=[DataRequired(_l("请填写密码")), Length(max=256)])


class SnoozeForm(FlaskForm):
    minutes = IntegerField(
        _l("其他时长"),
        validators=[
            DataRequired(_l("请填写分钟数")),
            NumberRange(1, MAX_SNOOZE_MINUTES, _l("请填写 1 到 1440 之间的分钟数")),
        ],
    )


class CommentForm(FlaskForm):
    text = TextAreaField(_l("评论"), validators=[DataRequired(_l("请填写评论内容")), LONG_TEXT])


class ReasonForm(FlaskForm):
    reason = StringField(
        _l("重新打开的原因"),
        validators=[DataRequired(_l("请填写原因")), SHORT_TEXT],
    )


class PeopleForm(FlaskForm):
    """People of this organisation; choices are set by the view."""

    people = SelectMultipleField(
        _l("人员"),
        coerce=int,
        validators=[DataRequired(_l("请至少选择一人"))],
        widget=ListWidget(prefix_label=False),
        option_widget=CheckboxInput(),
    )


class EscalateForm(FlaskForm):
    level = SelectField(_l("升级到环节"), coerce=int)


class SeverityForm(FlaskForm):
    severity = RadioField(
        _l("严重程度"),
        choices=[(severity.value, severity.label) for severity in Severity if severity is not Severity.OK],
    )


class CloseForm(FlaskForm):
    root_cause = TextAreaField(_l("根本原因"), validators=[Optional(), LONG_TEXT])
    resolution = TextAreaField(_l("解决办法"), validators=[Optional(), LONG_TEXT])
