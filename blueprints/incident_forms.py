"""Forms about incidents, for the console and the in-app pages alike."""

from __future__ import annotations

from flask_babel import gettext
from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from wtforms import IntegerField, RadioField, SelectField, SelectMultipleField, StringField, TextAreaField
from wtforms.validators import DataRequired, InputRequired, Length, NumberRange, Optional
from wtforms.widgets import CheckboxInput, ListWidget

from models import Incident, Severity
from services import dispatch, responders
from services.incident_snooze import MAX_SNOOZE_MINUTES

LONG_TEXT = Length(max=1024, message=_l("最多 1024 个字符"))
SEVERITIES = [severity for severity in Severity if severity is not Severity.OK]
NEXT_LEVEL = -1
"""The choice of whatever level comes next, as opposed to a certain one."""


def severity_choices() -> list[tuple[str, str]]:
    return [(severity.value, gettext(severity.label)) for severity in SEVERITIES]


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
    reason = StringField(_l("重新打开的原因"), validators=[DataRequired(_l("请填写原因")), LONG_TEXT])


class PeopleForm(FlaskForm):
    """People of this organisation; made by `people_form`."""

    people = SelectMultipleField(
        _l("人员"),
        coerce=int,
        validators=[DataRequired(_l("请至少选择一人"))],
        widget=ListWidget(prefix_label=False),
        option_widget=CheckboxInput(),
    )


class EscalateForm(FlaskForm):
    """Levels of the running policy; made by `escalate_form`."""

    level = SelectField(_l("升级到环节"), validators=[InputRequired()], coerce=int)

    def chosen_level(self) -> int | None:
        """0-based; None: the next one."""
        chosen: int = self.level.data
        return None if chosen == NEXT_LEVEL else chosen


class SeverityForm(FlaskForm):
    severity = RadioField(_l("严重程度"))

    def __init__(self, **values: object) -> None:
        super().__init__(**values)
        self.severity.choices = severity_choices()


class CloseForm(FlaskForm):
    root_cause = TextAreaField(_l("故障根因"), validators=[Optional(), LONG_TEXT])
    resolution = TextAreaField(_l("解决办法"), validators=[Optional(), LONG_TEXT])


def people_form(incident: Incident, *, new_only: bool, submitted: bool = False) -> PeopleForm:
    """Everybody who can be assigned; new_only leaves out those who are already."""
    prefix = "add" if new_only else "reassign"
    form = PeopleForm(prefix=prefix) if submitted else PeopleForm(formdata=None, prefix=prefix)
    taken = {responder.user_id for responder in incident.responders if responder.is_current} if new_only else set()
    form.people.choices = [
        (member.user_id, member.user.name)
        for member in responders.candidates(incident.tenant_id)
        if member.user_id not in taken
    ]
    return form


def escalate_form(incident: Incident, *, submitted: bool = False) -> EscalateForm:
    """The next level first, then each by number; no choices for what no policy assigned."""
    form = EscalateForm() if submitted else EscalateForm(formdata=None)
    count = dispatch.level_count(incident)
    choices = [(level, gettext("第 %(number)s 环节", number=level + 1)) for level in range(count)]
    if count and incident.assignment["level"] + 1 < count:
        choices.insert(0, (NEXT_LEVEL, gettext("下一环节")))
    form.level.choices = choices
    return form
