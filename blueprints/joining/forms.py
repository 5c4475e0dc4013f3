"""Forms of people who come in."""

from __future__ import annotations

from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from wtforms import HiddenField, PasswordField, StringField
from wtforms.validators import DataRequired, InputRequired, Length

from blueprints.auth.forms import NewPasswordForm
from services.passwords import LONGEST


class KnownAccountForm(FlaskForm):
    """An account that exists already. Its fields have ids of their own: the other form stands on the same page."""

    token = HiddenField(id="known-token")
    username = StringField(_l("用户名"), [DataRequired(_l("请输入用户名")), Length(max=128)], id="known-username")
    password = PasswordField(_l("密码"), [InputRequired(_l("请输入密码")), Length(max=LONGEST)], id="known-password")


class NewAccountForm(NewPasswordForm):
    """An account that is made with the invitation."""

    token = HiddenField()
    username = StringField(
        _l("用户名"),
        [DataRequired(_l("请填写用户名")), Length(max=64)],
        description=_l("登录时使用，2 到 64 个字母、数字或 . _ - @，以后不能修改。"),
    )
    real_name = StringField(_l("姓名"), [DataRequired(_l("请填写姓名")), Length(max=64)])


class HouseNumberForm(FlaskForm):
    house_number = StringField(_l("门牌号"), [DataRequired(_l("请填写门牌号")), Length(max=32)])
