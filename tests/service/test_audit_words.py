"""The details of audit entries as they are read on the page."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from flask import Flask

from models import AuditEntry
from services import audit_words, field_names
from tests.conftest import ROOT


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
    assert said == {"字段": "企业 ID", "登录方式": "密码", "账号存在": "是", "之后": "admin", "strange": '{"a": 1}'}
    assert role == {"之后": "管理员"}


def test_a_change_is_said_in_words_without_what_only_programs_read(app: Flask) -> None:
    changed = [
        "name: 支付 → 支付核心",
        "is_private: false → true",
        "close_timeout_minutes: null → 60",
        'levels: [{"user_ids": [3]}] → []',
    ]
    with app.test_request_context():
        said = dict(audit_words.describe(AuditEntry(event="channel.changed", detail={"changed": changed})))
    assert said["修改的字段"] == "名称：支付 → 支付核心、私有：否 → 是、超时自动关闭：— → 60、分派环节"


def test_languages_looks_and_platforms_are_called_as_on_the_pages(app: Flask) -> None:
    changed = ["locale: zh_CN → en", "theme: auto → dark"]
    with app.test_request_context():
        own = dict(audit_words.describe(AuditEntry(event="account.changed", detail={"changed": changed})))
        sent = dict(audit_words.describe(AuditEntry(event="message.sent", detail={"app": "WECHAT_ENTERPRISE"})))
        one = {"field": "locale", "before": "zh_CN", "after": "en"}
        theirs = dict(audit_words.describe(AuditEntry(event="organisation.changed", detail=one)))
        linked = dict(audit_words.describe(AuditEntry(event="link.created", detail={"source": "admin"})))
    assert (theirs["之前"], theirs["之后"], linked["来源"]) == ("中文", "English", "由管理员添加")
    assert own["修改的字段"] == "语言：中文 → English、外观：跟随系统 → 深色"
    assert sent == {"聊天平台": "企业微信"}


def test_codes_and_times_are_said_in_words(app: Flask) -> None:
    detail = {
        "platform": "wecom",
        "mode": "self_built",
        "source": "house_number",
        "scopes": ["read", "send"],
        "until": "2026-03-02T01:31:00+00:00",
    }
    with app.test_request_context():
        said = dict(audit_words.describe(AuditEntry(event="integration.created", detail=detail)))
    assert said == {
        "聊天平台": "企业微信",
        "接入方式": "企业自建应用",
        "来源": "通过门牌号申请",
        "权限范围": "读取、发送消息",
        "有效至": "2026-03-02 09:31",
    }


def test_every_detail_that_is_recorded_has_a_word() -> None:
    names = set(_recorded_details())
    assert len(names) > 30, "the record is written otherwise by now"
    assert not sorted(name for name in names if name not in audit_words.NAMES and field_names.label(name) == name)


def _recorded_details() -> Iterator[str]:
    """The names under which audit.record is told a detail, in all of the product."""
    ours = {"by", "user", "tenant_id", "target", "now"}
    for folder in ("services", "blueprints"):
        for file in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text())):
                if isinstance(node, ast.Call) and ast.unparse(node.func) == "audit.record":
                    yield from (word.arg for word in node.keywords if word.arg and word.arg not in ours)
