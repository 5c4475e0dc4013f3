"""Forms of signing in. Messages speak to the reader; the rules themselves are in services/."""

from __future__ import annotations

from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from wtforms import Field, HiddenField, PasswordField, StringField
from wtforms.validators import DataRequired, EqualTo, InputRequired, Length, ValidationError

from services import accounts
from services.instance import needs_setup_code
from services.passwords import ADVISED, LONGEST, SHORTEST
from services.wording import error_sentence

PASSWORD_ADVICE = _l(
    "至少 %(shortest)s 个字符，建议 %(advised)s 个以上；几个不相干的词连成一句话，好记又难猜。",
    shortest=SHORTEST,
    advised=ADVISED,
)


class SignInForm(FlaskForm):
    username = StringField(_l("用户名"), [DataRequired(_l("请输入用户名")), Length(max=128)])
    password = PasswordField(_l("密码"), [InputRequired(_l("请输入密码")), Length(max=LONGEST)])
    next = HiddenField()


class NewPasswordForm(FlaskForm):
    """A new password, typed twice."""

    password = PasswordField(
        _l("新密码"), [InputRequired(_l("请输入新密码")), Length(max=LONGEST)], description=PASSWORD_ADVICE
    )
    repeated = PasswordField(
        _l("再次输入新密码"), [InputRequired(_l("请再次输入新密码")), EqualTo("password", _l("两次输入的密码不一致"))]
    )
    next = HiddenField()


class ChangePasswordForm(NewPasswordForm):
    """One's own password, changed with proof of the old one."""

    current = PasswordField(_l("当前密码"), [InputRequired(_l("请输入当前密码")), Length(max=LONGEST)])


class FirstAdministratorForm(FlaskForm):
    setup_code = StringField(
        _l("安装码"),
        [DataRequired(_l("请填写安装码")), Length(max=64)],
        description=_l("在启动日志里，或在服务器上运行 flask --app app setup-code 查看。"),
    )
    organisation = StringField(
        _l("组织名称"),
        [DataRequired(_l("请填写组织名称")), Length(max=60, message=_l("组织名称最多 60 个字符"))],
        description=_l("显示在页面顶部和卡片上，以后可以修改。"),
    )
    username = StringField(_l("用户名"), [DataRequired(_l("请输入用户名")), Length(max=64)])
    real_name = StringField(_l("姓名"), [DataRequired(_l("请填写姓名")), Length(max=64)])
    password = PasswordField(
        _l("密码"), [InputRequired(_l("请输入密码")), Length(max=LONGEST)], description=PASSWORD_ADVICE
    )
    repeated = PasswordField(
        _l("再次输入密码"), [InputRequired(_l("请再次输入密码")), EqualTo("password", _l("两次输入的密码不一致"))]
    )

    def validate_setup_code(self, field: Field) -> None:
        """Told with everything else that is wrong, not after the rest was mended."""
        try:
            accounts.check_setup_code(field.data or "")
        except accounts.WrongSetupCode as error:
            raise ValidationError(error_sentence(error)) from error

    def __init__(self, **values: object) -> None:
        super().__init__(**values)
        if not needs_setup_code():
            del self.setup_code
