"""Forms about members."""

from __future__ import annotations

from flask_babel import gettext
from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from wtforms import RadioField, SelectField, StringField
from wtforms.fields.choices import SelectChoice
from wtforms.validators import DataRequired, InputRequired, Length

from blueprints.forms import EditForm
from models import Role

ROLE_NOTES = {
    Role.ADMIN: _l("管理集成、协作空间与成员"),
    Role.RESPONDER: _l("查看并处理故障"),
    Role.VIEWER: _l("只能查看"),
}


class RoleForm(FlaskForm):
    role = RadioField(_l("角色"), [InputRequired(_l("请选择角色"))], default=Role.RESPONDER.value)

    def __init__(self, **values: object) -> None:
        super().__init__(**values)
        self.role.choices = [(role.value, f"{gettext(role.label)} · {ROLE_NOTES[role]}") for role in Role]

    def chosen_role(self) -> Role:
        return Role(self.role.data)


class EditMemberForm(EditForm, RoleForm):
    real_name = StringField(_l("姓名"), [DataRequired(_l("请填写姓名")), Length(max=64)])

    email = StringField(
        _l("邮箱"),
        [Length(max=254)],
        description=_l("单点登录按它认出此人；由管理员确认属实。不用单点登录时可留空。"),
    )


class AddMemberForm(EditMemberForm):
    username = StringField(
        _l("用户名"),
        [DataRequired(_l("请填写用户名")), Length(max=64)],
        description=_l("登录时使用，2 到 64 个字母、数字或 . _ - @，以后不能修改。"),
    )


class InvitationForm(RoleForm):
    username = StringField(
        _l("用户名"),
        [Length(max=128)],
        description=_l("只允许此用户使用链接；留空则持有链接的人都可以使用一次。"),
    )
    note = StringField(_l("备注"), [Length(max=60)], description=_l("仅管理员可见，例如邀请的是谁。"))
    days = SelectField(
        _l("有效期"),
        choices=[SelectChoice("1", _l("1 天")), SelectChoice("7", _l("7 天")), SelectChoice("30", _l("30 天"))],
        default="7",
    )
