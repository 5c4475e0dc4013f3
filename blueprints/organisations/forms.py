"""Forms about organisations."""

from __future__ import annotations

from zoneinfo import available_timezones

from flask_babel import lazy_gettext as _l
from wtforms import SelectField, StringField
from wtforms.validators import DataRequired, InputRequired, Length

from blueprints.forms import EditForm
from blueprints.me.forms import COMMON_ZONES, offered
from blueprints.row_numbers import row_id
from services.tenants import HOUSE_NUMBER_CHARS, NAME_CHARS
from services.wording import LANGUAGES


class OwnOrganisationForm(EditForm):
    name = StringField(_l("组织名称"), [DataRequired(_l("请填写组织名称")), Length(max=NAME_CHARS)])
    locale = SelectField(
        _l("语言"),
        [InputRequired()],
        choices=offered(LANGUAGES),
        description=_l("卡片和消息使用的语言；页面按各人的选择显示。"),
    )
    timezone = SelectField(
        _l("时区"), [InputRequired()], description=_l("策略的生效时段、卡片上的时间和未选择时区的成员使用。")
    )
    snooze_presets = StringField(
        _l("屏蔽时长"),
        [DataRequired(_l("请填写三个 5 到 1440 之间的分钟数")), Length(max=40)],
        description=_l("处理页上供选择的三个时长，分钟，用逗号分开。"),
    )

    def __init__(self, **values: object) -> None:
        super().__init__(**values)
        others = sorted(available_timezones() - set(COMMON_ZONES))
        self.timezone.choices = [(name, name) for name in (*COMMON_ZONES, *others)]

    def minutes(self) -> list[int]:
        """The lengths as numbers; what is none becomes 0, which the service refuses."""
        parts = (self.snooze_presets.data or "").replace("，", ",").replace("、", ",").split(",")
        return [row_id(part.strip()) or 0 for part in parts if part.strip()]


class OrganisationForm(EditForm):
    name = StringField(_l("组织名称"), [DataRequired(_l("请填写组织名称")), Length(max=NAME_CHARS)])
    house_number = StringField(
        _l("门牌号"),
        [Length(max=HOUSE_NUMBER_CHARS)],
        description=_l("2 到 32 个字母或数字，是同步生成的账号的前缀；留空自动生成，换掉的门牌号不再分配。"),
    )
