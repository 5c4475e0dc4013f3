"""Forms of the in-app pages beyond those about incidents (blueprints/incident_forms.py)."""

from __future__ import annotations

from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from wtforms import PasswordField, StringField
from wtforms.validators import DataRequired, Length


class OwnPasswordForm(FlaskForm):
    """The signed-in person's own password. Named as what WrongPassword is about."""

    current = PasswordField(_l("密码"), validators=[DataRequired(_l("请输入密码")), Length(max=256)])


class BindForm(FlaskForm):
    """The account here, proven by its password."""

    username = StringField(_l("用户名"), validators=[DataRequired(_l("请输入用户名")), Length(max=128)])
    password = PasswordField(_l("密码"), validators=[DataRequired(_l("请输入密码")), Length(max=256)])
