"""Forms about departments."""

from __future__ import annotations

from collections.abc import Iterable

from flask_babel import gettext
from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from wtforms import SelectField, StringField
from wtforms.validators import DataRequired, Length

from blueprints.row_numbers import row_id
from services.departments import NAME_CHARS, Node


class DepartmentForm(FlaskForm):
    name = StringField(_l("名称"), [DataRequired(_l("请填写名称")), Length(max=NAME_CHARS)])
    parent_id = SelectField(_l("上级部门"))

    def __init__(self, nodes: Iterable[Node], **values: object) -> None:
        super().__init__(**values)
        places = [(str(node.department.id), "\u3000" * node.depth + node.department.name) for node in nodes]
        self.parent_id.choices = [("", gettext("无（公司）")), *places]

    def parent(self) -> int | None:
        return row_id(self.parent_id.data or "")
