"""The details of audit entries as they are read on the page."""

from __future__ import annotations

from flask import Flask

from models import AuditEntry
from services import audit_words


def test_names_and_values_are_said_in_the_readers_words(app: Flask) -> None:
    detail = {
        "field": "corp_id",
        "via": "password",
        "is_known": True,
        "after": "admin",
        "strange": {"a": 1},
        "none": "",
    }
    with app.test_request_context():
        said = dict(audit_words.describe(AuditEntry(event="integration.changed", detail=detail)))
        role = dict(audit_words.describe(AuditEntry(event="member.role_changed", detail={"after": "admin"})))
    assert said == {"字段": "企业 ID", "方式": "密码", "账号存在": "是", "之后": "admin", "strange": '{"a": 1}'}
    assert role == {"之后": "管理员"}
