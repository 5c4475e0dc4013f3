"""What an administrator is told about an application that answers oddly."""

from __future__ import annotations

from typing import Any

import pytest

from platforms.wecom import checks
from platforms.wecom.errors import from_answer
from platforms.wecom.settings import WeComSettings


class OneApplication:
    """A client whose agent/get answers what the test says."""

    def __init__(self, agent: dict[str, Any] | Exception, **settings: Any) -> None:
        self.agent, self.settings = agent, WeComSettings(**settings)

    def renew_token(self) -> None:
        """The token is fine."""

    def get_agent(self) -> dict[str, Any]:
        if isinstance(self.agent, Exception):
            raise self.agent
        return self.agent


def run(name: str, agent: dict[str, Any] | Exception, **settings: Any) -> Any:
    return checks.run(OneApplication(agent, **settings), name)  # type: ignore[arg-type]


@pytest.mark.parametrize("agent", [{}, {"allow_userinfos": None, "allow_partys": {"partyid": []}, "allow_tags": []}])
def test_an_empty_range_is_a_failure(agent):
    assert run("visible_range", agent).detail["code"] == "wecom.nobody_visible"


def test_a_range_is_counted():
    agent = {"allow_userinfos": {"user": [{"userid": "lin"}]}, "allow_partys": {"partyid": [1, 4]}}
    detail = run("visible_range", agent).detail
    assert detail == {"people": 1, "departments": 2, "tags": 0, "whole_company": True}


def test_credentials_fit_even_before_the_address_is_trusted():
    result = run("credentials", from_answer(60020, "x, from ip: 203.0.113.9, more"))
    assert result.passed
    assert result.detail["ip"] == "203.0.113.9"


def test_a_missing_domain_is_asked_for():
    assert run("domain", {}).detail["code"] == "platform.settings_incomplete"


def test_a_domain_is_compared_without_regard_to_case():
    assert run("domain", {"redirect_domain": "OnCall.example.com"}, trusted_domain="oncall.EXAMPLE.com").passed
    assert not run("domain", {"redirect_domain": ""}, trusted_domain="oncall.example.com").passed
