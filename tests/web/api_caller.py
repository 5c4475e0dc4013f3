"""An administrator's program: calls the API with every scope."""

from __future__ import annotations

from typing import Any

import pytest

from models import Role
from services import api_tokens
from services.clock import utcnow
from tests.factories import make_member


@pytest.fixture
def boss(app):
    return make_member("boss", Role.ADMIN)


@pytest.fixture
def call(client, boss):
    """Call as an administrator with every scope: call("POST", "/channels", name="…") → data, or the error's code."""
    _, token = api_tokens.create("测试", [scope.value for scope in api_tokens.Scope], by=boss, now=utcnow())

    def call(method: str, path: str, /, status: int = 200, token: str = token, headers: Any = None, **body: Any) -> Any:
        known = {"Authorization": f"Bearer {token}"} | (headers or {})
        answer = client.open(f"/api/v1{path}", method=method, headers=known, json=body or None)
        assert answer.status_code == status, answer.text
        return answer.json["data"] if "data" in answer.json else answer.json["error"]

    return call
