"""Forms of the console about incidents, beyond those that the in-app pages share (blueprints/incident_forms.py)."""

from __future__ import annotations

from collections.abc import Mapping

from flask import request
from flask_babel import gettext
from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from wtforms import RadioField, SelectField, SelectMultipleField, StringField, TextAreaField
from wtforms.validators import DataRequired, InputRequired, Length
from wtforms.widgets import CheckboxInput, ListWidget

from blueprints.incident_forms import LONG_TEXT, severity_choices
from models import Channel, Incident, Membership, Severity

TITLE = Length(max=512, message=_l("最多 512 个字符"))
NO_CHANNEL = 0


class NewIncidentForm(FlaskForm):
    title = StringField(_l("标题"), [DataRequired(_l("请填写标题")), TITLE])
    severity = RadioField(_l("严重程度"), [InputRequired(_l("请选择严重程度"))], default=Severity.WARNING.value)
    channel_id = SelectField(
        _l("协作空间"),
        coerce=int,
        default=NO_CHANNEL,
        description=_l("没有指定处理人员时，按该协作空间的分派策略通知。"),
    )
    people = SelectMultipleField(
        _l("处理人员"),
        coerce=int,
        widget=ListWidget(prefix_label=False),
        option_widget=CheckboxInput(),
        description=_l("直接通知这些人，按各自的通知偏好；不选则按分派策略。"),
    )
    description = TextAreaField(_l("描述"), [LONG_TEXT], description=_l("支持 Markdown，最多 1024 个字符。"))

    def __init__(self, channels: list[Channel], people: list[Membership], **values: object) -> None:
        super().__init__(**values)
        self.severity.choices = severity_choices()
        places = [(channel.id, channel.name) for channel in channels if channel.is_enabled]
        self.channel_id.choices = [(NO_CHANNEL, gettext("不属于任何协作空间")), *places]
        self.people.choices = [(member.user_id, member.user.name) for member in people]


class EditIncidentForm(FlaskForm):
    title = StringField(_l("标题"), [DataRequired(_l("请填写标题")), TITLE])
    severity = RadioField(_l("严重程度"), [InputRequired(_l("请选择严重程度"))])
    description = TextAreaField(_l("描述"), description=_l("支持 Markdown。修改后不再随告警更新。"))
    impact = TextAreaField(_l("影响范围"), [LONG_TEXT])
    root_cause = TextAreaField(_l("故障根因"), [LONG_TEXT])
    resolution = TextAreaField(_l("解决办法"), [LONG_TEXT])

    def __init__(self, **values: object) -> None:
        super().__init__(**values)
        self.severity.choices = severity_choices()

    def validate_description(self, field: TextAreaField) -> None:
        """What came with an alert may be longer than what is typed, as long as nobody changes it."""
        if "description" in self.changes():
            LONG_TEXT(self, field)

    @classmethod
    def of(cls, incident: Incident) -> EditIncidentForm:
        return cls(formdata=None, **shown_values(incident))

    def changes(self) -> dict[str, str]:
        """What the reader changed: a field that somebody else has changed meanwhile is left as it is."""
        typed = {name: _lines(self[name].data or "") for name in EDITED}
        return {name: value for name, value in typed.items() if value != _lines(request.form.get(f"was-{name}", ""))}


EDITED = ("title", "severity", "description", "impact", "root_cause", "resolution")


def shown_values(incident: Incident) -> Mapping[str, str]:
    return {name: str(getattr(incident, name)) for name in EDITED}


def _lines(text: str) -> str:
    """Line ends as we keep them; browsers send \\r\\n."""
    return text.replace("\r\n", "\n")
