"""Forms about channels."""

from __future__ import annotations

from typing import Any

from flask_babel import gettext
from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from wtforms import BooleanField, HiddenField, IntegerField, SelectField, StringField, TextAreaField
from wtforms.fields.choices import SelectChoice
from wtforms.validators import DataRequired, InputRequired, Length, NumberRange

from blueprints.access import current_member
from blueprints.row_numbers import row_id
from models import Channel, Flapping
from services import ownership
from services.channels import MAX_DESCRIPTION, MAX_NAME, MAX_TIMEOUT_MINUTES


class ChannelForm(FlaskForm):
    name = StringField(
        _l("名称"),
        [DataRequired(_l("请填写名称")), Length(max=MAX_NAME, message=_l("名称不能超过 59 个字符"))],
        description=_l("通常是一个系统或一个团队，例如：支付核心。"),
    )
    description = TextAreaField(_l("描述"), [Length(max=MAX_DESCRIPTION, message=_l("描述不能超过 500 个字符"))])
    team_id = SelectField(
        _l("所属团队"), validate_choice=False, description=_l("团队的处理人员可以修改它；私有时，团队成员能看到。")
    )
    is_private = BooleanField(
        _l("私有"), description=_l("只有所属团队、创建人、管理员，以及某个故障的处理人员（仅该故障）能看到。")
    )
    closes_on_recovery = BooleanField(
        _l("恢复后自动关闭"), default=True, description=_l("关联的告警全部恢复时，自动关闭故障。")
    )
    close_timeout_minutes = IntegerField(
        _l("超时自动关闭"),
        [
            InputRequired(_l("请填写分钟数，0 表示不启用")),
            NumberRange(0, MAX_TIMEOUT_MINUTES, _l("请填写 0 到 43200 之间的分钟数")),
        ],
        default=0,
        description=_l("0 表示不启用；最长 43200 分钟（30 天）。"),
    )
    timeout_from_last_merge = BooleanField(_l("从最近一次事件起算"), description=_l("不勾选时，从故障触发时起算。"))
    flapping = SelectField(
        _l("抖动检测"),
        choices=[
            SelectChoice(Flapping.MARK.value, _l("标记为抖动")),
            SelectChoice(Flapping.MUTE.value, _l("标记为抖动，并暂停循环通知 120 分钟")),
            SelectChoice(Flapping.OFF.value, _l("不检测")),
        ],
        default=Flapping.MARK.value,
        description=_l(
            "同一告警 60 分钟内触发与恢复达 4 次即为抖动：不再反复新建故障，恢复后满 10 分钟未再触发才关闭。"
        ),
    )
    version = HiddenField()

    def __init__(self, *arguments: Any, **values: Any) -> None:
        super().__init__(*arguments, **values)
        offered = ownership.owners_offered(current_member())
        self.team_id.choices = [(key, name or gettext("无")) for key, name in offered]

    def chosen_team(self) -> int | None:
        return row_id(self.team_id.data or "")

    @classmethod
    def of(cls, channel: Channel) -> ChannelForm:
        return cls(formdata=None, obj=channel, data={"team_id": str(channel.team_id or "")})

    def seen_version(self) -> int | None:
        return row_id(self.version.data or "")
