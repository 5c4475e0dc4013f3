"""Every operation of the API with whatever its description allows, and some that it does not: no answer surprises.

A few examples of each here, always the same ones; `make fuzz` takes many, and others each time.
"""

from __future__ import annotations

import os
from contextvars import Context
from typing import Any

import pytest
import schemathesis
from flask import Flask
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from blueprints.api import caller
from extensions import db
from models import Membership
from services import api_tokens
from services.clock import utcnow
from tests.security.conftest import World, make_world

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES") or "0")
FEW = 2
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
ENDS_THE_RUN = frozenset({"revokeToken", "disableMember", "resetPassword"})
"""What could take the caller's own token away comes last, and DELETE before it."""


@pytest.fixture
def world(admin: Membership) -> World:
    return make_world(admin.tenant, "OWN", num=70_000)


def order(operation: Any) -> tuple[bool, bool, str]:
    name = operation.definition.raw["operationId"]
    return name in ENDS_THE_RUN, operation.method == "delete", operation.path


@pytest.mark.timeout(3600 if EXAMPLES else 240)
def test_no_answer_is_undocumented(app: Flask, admin: Membership, world: World, monkeypatch) -> None:
    monkeypatch.setattr(caller, "seconds_to_wait", lambda *_about: 0)
    scopes = [scope.value for scope in api_tokens.Scope]
    headers = {"Authorization": f"Bearer {api_tokens.create('x', scopes, by=admin, now=utcnow())[1]}"}
    db.session.commit()
    schema = Context().run(schemathesis.openapi.from_wsgi, "/api/v1/openapi.json", app)
    schema.config.generation.update(modes=[GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
    operations = sorted((found.ok() for found in schema.get_all_operations()), key=order)
    assert len(operations) > 60
    for operation in operations:
        Context().run(_try, operation, world, headers)


def _try(operation: Any, world: World, headers: dict[str, str]) -> None:
    @settings(
        max_examples=EXAMPLES or FEW,
        derandomize=not EXAMPLES,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(), is_there=st.sampled_from([True, True, False]))
    def answers_as_described(case: Any, is_there: bool) -> None:
        if is_there:
            case.path_parameters |= {name: world.ids[name] for name in case.path_parameters or {} if name in world.ids}
        case.validate_response(case.call(headers=headers), checks=CHECKS)

    answers_as_described()
