"""Forms about teams."""

from __future__ import annotations

from flask_babel import lazy_gettext as _l
from wtforms import StringField, TextAreaField
from wtforms.validators import DataRequired, Length

from blueprints.forms import EditForm
from services.teams import DESCRIPTION_CHARS, NAME_CHARS


class TeamForm(EditForm):
    name = StringField(_l("名称"), [DataRequired(_l("请填写名称")), Length(max=NAME_CHARS)])
    description = TextAreaField(_l("描述"), [Length(max=DESCRIPTION_CHARS)])
