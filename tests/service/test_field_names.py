"""What refused values are called: by the API's name to programs, by the word of the pages to people."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from flask import Flask

from errors import InvalidInput
from services import field_names
from services.wording import say_error, say_error_to_program, say_reason
from texts import N_

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("name", "label"),
    [("snooze_presets", "屏蔽时长"), ("corp_id", "企业 ID"), ("room_template_id", "模板 ID"), ("values.x", "values.x")],
)
def test_people_read_the_label_and_programs_the_name(app: Flask, name: str, label: str) -> None:
    refused = InvalidInput(name, N_("应为 %(low)s–%(high)s"), low=1, high=9)
    with app.test_request_context():
        assert say_error(refused) == (f"{label} 无效：应为 1–9", "")
        assert say_error_to_program(refused) == (f"{name} 无效：应为 1–9", "")
        assert say_reason(refused) == "应为 1–9"


def test_every_name_that_a_service_refuses_has_a_label() -> None:
    named = {
        str(call.args[0].value)
        for path in (ROOT / "services").glob("*.py")
        for call in ast.walk(ast.parse(path.read_text()))
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "InvalidInput"
        if isinstance(call.args[0], ast.Constant)
    }
    assert {name for name in named if not name.isascii()} == set()
    assert {name for name in named if field_names.label(name) == name} == set()
