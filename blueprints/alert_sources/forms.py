"""Forms about alert sources."""

from __future__ import annotations

from typing import Any

from flask_babel import gettext
from flask_babel import lazy_gettext as _l
from wtforms import RadioField, SelectField, StringField
from wtforms.fields.choices import SelectChoice
from wtforms.validators import DataRequired, InputRequired, Length

from blueprints.forms import EditForm
from models import Channel
from services.alert_sources import NAME_CHARS
from sources import SOURCES

TITLE_CHOICES = (
    SelectChoice("name", _l("告警名称 / 实例（alertname / instance）")),
    SelectChoice("summary", _l("摘要（annotations.summary），缺少时用告警名称 / 实例")),
)
TYPE_NOTES = {
    "standard": _l("脚本或任意系统用一个 HTTP 请求推送"),
    "prometheus": _l("接收 Alertmanager 的 webhook"),
}


class EditSourceForm(EditForm):
    name = StringField(
        _l("名称"),
        [
            DataRequired(_l("请填写名称")),
            Length(max=NAME_CHARS, message=_l("名称不能超过 40 个字符")),
        ],
        description=_l("显示在故障的操作记录中，例如：订单 Prometheus。"),
    )
    channel_id = SelectField(
        _l("协作空间"),
        [InputRequired(_l("请选择协作空间"))],
        coerce=int,
        description=_l("推送到此处的告警进入该协作空间，按它的分派策略通知。"),
    )
    title = RadioField(
        _l("告警标题"), choices=TITLE_CHOICES, default="name", description=_l("仅用于 Prometheus Alertmanager。")
    )

    def __init__(self, channels: list[Channel], **values: Any) -> None:
        super().__init__(**values)
        self.channel_id.choices = [(channel.id, channel.name) for channel in channels]

    def options_for(self, type: str) -> dict[str, str]:
        """What the parser of this kind may be told; the default is left out."""
        return {"title": "summary"} if type == "prometheus" and self.title.data == "summary" else {}


class NewSourceForm(EditSourceForm):
    type = RadioField(_l("类型"), [InputRequired(_l("请选择类型"))])

    def __init__(self, channels: list[Channel], **values: Any) -> None:
        super().__init__(channels, **values)
        self.type.choices = [(type, f"{gettext(kind.label)} · {TYPE_NOTES[type]}") for type, kind in SOURCES.items()]
