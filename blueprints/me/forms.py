"""Forms of the personal centre."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from zoneinfo import available_timezones

from flask_babel import gettext
from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from wtforms import SelectField, SelectMultipleField, StringField, widgets
from wtforms.fields.choices import SelectChoice
from wtforms.validators import DataRequired, InputRequired, Length

from models import Severity
from services.api_tokens import NAME_CHARS, Scope
from services.members import SEVERITIES
from services.wording import LANGUAGES

COMMON_ZONES = ("Asia/Shanghai", "Asia/Hong_Kong", "Asia/Singapore", "Asia/Tokyo", "Europe/London", "America/New_York")
NEVER = "0"
LIFETIMES = {"30": _l("30 天"), "90": _l("90 天"), "365": _l("1 年"), NEVER: _l("永不过期")}


def offered(labels: Mapping[str, Any]) -> list[SelectChoice]:
    """The choices of a field; labels: value → what is shown."""
    return [SelectChoice(value, label) for value, label in labels.items()]


def choices_field(label: object, **values: object) -> SelectMultipleField:
    """Several of a few: check boxes."""
    boxes = {"widget": widgets.ListWidget(prefix_label=False), "option_widget": widgets.CheckboxInput()}
    return SelectMultipleField(label, **boxes, **values)


class ProfileForm(FlaskForm):
    real_name = StringField(_l("姓名"), [DataRequired(_l("请填写姓名")), Length(max=64)])
    locale = SelectField(_l("语言"), choices=offered({"": _l("跟随浏览器")} | LANGUAGES))
    theme = SelectField(
        _l("外观"),
        [InputRequired()],
        choices=offered({"auto": _l("跟随系统"), "light": _l("浅色"), "dark": _l("深色")}),
        default="auto",
    )
    timezone = SelectField(_l("时区"), description=_l("页面上的时间按此时区显示。"))

    def __init__(self, organisation_zone: str, **values: object) -> None:
        super().__init__(**values)
        others = sorted(available_timezones() - set(COMMON_ZONES))
        same = gettext("与组织相同（%(zone)s）", zone=organisation_zone)
        self.timezone.choices = [("", same), *((name, name) for name in (*COMMON_ZONES, *others))]


class PreferencesForm(FlaskForm):
    """For each severity the channel kinds through which I want to be told."""

    Critical = choices_field(_l("严重"))
    Warning = choices_field(_l("一般"))
    Info = choices_field(_l("轻微"))

    def __init__(self, kinds: list[tuple[str, str]], **values: object) -> None:
        super().__init__(**values)
        for severity in SEVERITIES:
            self[severity.value].choices = kinds

    def chosen(self) -> dict[Severity, list[str]]:
        return {severity: list(self[severity.value].data or []) for severity in SEVERITIES}


class TokenForm(FlaskForm):
    name = StringField(
        _l("名称"),
        [DataRequired(_l("请填写名称")), Length(max=NAME_CHARS)],
        description=_l("写明用途，例如“大屏”或“值班脚本”。"),
    )
    scopes = choices_field(_l("权限范围"), description=_l("不会超出您自己的权限。"))
    lifetime = SelectField(_l("有效期"), [InputRequired()], choices=offered(LIFETIMES), default="90")

    def __init__(self, **values: object) -> None:
        super().__init__(**values)
        self.scopes.choices = [(scope.value, gettext(scope.label)) for scope in Scope]

    def duration(self) -> timedelta | None:
        return None if self.lifetime.data == NEVER else timedelta(days=int(self.lifetime.data))
