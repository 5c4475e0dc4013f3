"""The simulated provider's calls: what is refused that looks right."""

from __future__ import annotations

from simulator.wecom import suite_api, suites
from simulator.wecom.errors import ApiError
from tests.simulator.conftest import CORP, Lab


def test_a_session_is_set_for_a_code_of_this_application_that_is_young_enough(lab: Lab):
    lab.settle()
    wecom = lab.app.extensions["simulator"].platforms["wecom"].world
    mine, other = (suites.create_suite(wecom, name) for name in ("值班铃", "别的应用"))
    codes = {
        "mine": suites.new_code(wecom, mine, suites.PRE_AUTH_CODE),
        "another application's": suites.new_code(wecom, other, suites.PRE_AUTH_CODE),
        "for something else": suites.new_code(wecom, mine, suites.AUTH_CODE, CORP),
    }

    def refused(code: str) -> bool:
        try:
            suite_api.set_session_info(suite_api.SuiteCall(wecom, mine, {}, {"pre_auth_code": code}))
        except ApiError as error:
            assert error.code == 40077
            return True
        return False

    assert {name: refused(code) for name, code in codes.items()} == {
        "mine": False,
        "another application's": True,
        "for something else": True,
    }
    lab.control("clock", {"advance_seconds": suites.PRE_AUTH_CODE_SECONDS + 1})
    assert refused(codes["mine"])
