"""A provider's calls under /cgi-bin/service/: tokens, installations, ids, who opened a page.

https://developer.work.weixin.qq.com/document/path/90600 to 90605, 91121, 95604, 100776
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from simulator.ids import random_text
from simulator.wecom import ids, licences, suites, tokens
from simulator.wecom.context import WeCom
from simulator.wecom.errors import ApiError
from simulator.wecom.oauth import CODE_SECONDS
from simulator.wecom.state import TOKEN_SECONDS, App, Corp, Suite

Json = dict[str, Any]


@dataclass(frozen=True)
class SuiteCall:
    """A call of a provider. suite: whose token or secret it brought."""

    wecom: WeCom
    suite: Suite
    query: dict[str, str]
    body: Json

    def text(self, name: str) -> str:
        return str(self.body.get(name) or "")


def get_suite_token(wecom: WeCom, body: Json) -> Json:
    """The same token while it lives. 41021 to 41025 for what is missing, 40083, 40080, 40085 for what is wrong."""
    for name, code in (("suite_id", 41021), ("suite_secret", 41023), ("suite_ticket", 41024)):
        if not body.get(name):
            raise ApiError(code)
    suite = wecom.state.suites.get(str(body["suite_id"]))
    if suite is None:
        raise ApiError(40083)
    if body["suite_secret"] != suite.secret:
        raise ApiError(40080)
    pushed_at = suite.tickets.get(str(body["suite_ticket"]))
    if pushed_at is None or wecom.store.now() - pushed_at > suites.TICKET_SECONDS:
        raise ApiError(40085)
    return {"suite_access_token": _token(wecom, suite, "suite"), "expires_in": TOKEN_SECONDS}


def get_provider_token(wecom: WeCom, body: Json) -> Json:
    suite = _of_provider(wecom, str(body.get("corpid") or ""))
    if suite is None:
        raise ApiError(40013)
    if body.get("provider_secret") != suite.provider_secret:
        raise ApiError(40001)
    return {"provider_access_token": _token(wecom, suite, "provider"), "expires_in": TOKEN_SECONDS}


def get_pre_auth_code(call: SuiteCall) -> Json:
    code = suites.new_code(call.wecom, call.suite, suites.PRE_AUTH_CODE)
    return {"pre_auth_code": code, "expires_in": int(suites.PRE_AUTH_CODE_SECONDS)}


def set_session_info(call: SuiteCall) -> Json:
    """40077 for a code that is another application's, of another kind, or too old."""
    code, seconds = call.text("pre_auth_code"), suites.PRE_AUTH_CODE_SECONDS
    if suites.take_code(call.wecom, call.suite, suites.PRE_AUTH_CODE, code, seconds) is None:
        raise ApiError(40077)
    return {}


def get_permanent_code(call: SuiteCall) -> Json:
    """v2: neither access_token nor agentid. The auth_code is used up; 40078 for any other."""
    wecom, suite = call.wecom, call.suite
    code = suites.take_code(wecom, suite, suites.AUTH_CODE, call.text("auth_code"), suites.AUTH_CODE_SECONDS)
    corp = wecom.state.corps.get(code.corp_id) if code else None
    app = suites.installed(corp, suite) if corp else None
    if corp is None or app is None:
        raise ApiError(40078)
    app.permanent_code = random_text(64)
    wecom.store.touch()
    company = {"corpid": ids.own_corp_id(suite, corp.corp_id), "corp_name": corp.name}
    return {"permanent_code": app.permanent_code, "auth_corp_info": company, "auth_user_info": {}}


def get_auth_info(call: SuiteCall) -> Json:
    corp, app = _authorised(call)
    privilege = {
        "level": 1,
        "allow_party": app.visible_departments,
        "allow_user": [ids.own_userid(call.suite, corp.corp_id, userid) for userid in app.visible_users],
        "allow_tag": [],
    }
    agent = {"agentid": app.agent_id, "name": app.name, "auth_mode": 0, "privilege": privilege}
    company = {"corpid": ids.own_corp_id(call.suite, corp.corp_id), "corp_name": corp.name, "corp_type": "verified"}
    return {"auth_corp_info": company, "auth_info": {"agent": [agent]}}


def get_corp_token(call: SuiteCall) -> Json:
    corp, app = _authorised(call)
    return tokens.current(call.wecom, corp, app)


def corpid_to_opencorpid(call: SuiteCall) -> Json:
    """48001 for a company that has not authorised, 40013 for none."""
    corp = call.wecom.state.corps.get(call.text("corpid"))
    if corp is None:
        raise ApiError(40013)
    if suites.installed(corp, call.suite) is None:
        raise ApiError(48001)
    return {"open_corpid": ids.own_corp_id(call.suite, corp.corp_id)}


def getuserinfo3rd(call: SuiteCall) -> Json:
    """Who opened a page: company and member as the provider sees them; an outsider's openid."""
    text = call.query.get("code", "")
    known = call.wecom.state.login_codes.get(text)
    corp = call.wecom.state.corps.get(known.corp_id) if known else None
    app = corp.apps.get(known.agent_id) if corp and known else None
    if not known or not corp or not app or app.suite_id != call.suite.suite_id:
        raise ApiError(40029)
    if call.wecom.store.now() - known.at > CODE_SECONDS:
        raise ApiError(40029)
    if known.domain != call.suite.trusted_domain:
        raise ApiError(50001)
    del call.wecom.state.login_codes[text]
    call.wecom.store.touch()
    if not known.userid:
        return {"openid": known.openid}
    userid = ids.own_userid(call.suite, corp.corp_id, known.userid)
    return {"corpid": ids.own_corp_id(call.suite, corp.corp_id), "userid": userid, "open_userid": userid}


def licence(call: SuiteCall, name: str) -> Json:
    """A call about one company's licences, which the provider names as it sees it. 2000002 for one that it does not."""
    if name not in licences.CALLS:
        raise ApiError(48002)
    named, order_id = call.text("corpid"), call.text("order_id")
    corps = call.wecom.state.corps.values()
    if named:
        corp = next((c for c in corps if named in (c.corp_id, ids.own_corp_id(call.suite, c.corp_id))), None)
    else:
        corp = next((c for c in corps if order_id in c.licences.orders), None)
    app = suites.installed(corp, call.suite) if corp else None
    if corp is None or app is None:
        raise ApiError(2000002)
    people = {ids.own_userid(call.suite, corp.corp_id, p.userid): p.userid for p in corp.visible_people(app)}
    seen = {userid.lower(): shown for shown, userid in people.items()}
    now = call.wecom.store.now()
    books = licences.Books(corp.licences, call.body, now, people.get, lambda userid: seen.get(userid.lower(), userid))
    answered = licences.CALLS[name](books)
    call.wecom.store.touch()
    return answered


LICENCE = "license/"
OPEN: dict[str, Callable[[WeCom, Json], Json]] = {
    "service/get_suite_token": get_suite_token,
    "service/get_provider_token": get_provider_token,
}
"""Calls that bring a secret."""
WITH_TOKEN: dict[str, tuple[str, Callable[[SuiteCall], Json]]] = {
    "service/get_pre_auth_code": ("suite", get_pre_auth_code),
    "service/set_session_info": ("suite", set_session_info),
    "service/v2/get_permanent_code": ("suite", get_permanent_code),
    "service/get_auth_info": ("suite", get_auth_info),
    "service/get_corp_token": ("suite", get_corp_token),
    "service/auth/getuserinfo3rd": ("suite", getuserinfo3rd),
    "service/corpid_to_opencorpid": ("provider", corpid_to_opencorpid),
}
"""Calls that bring a token: which one ("suite", "provider")."""


def is_provider_call(name: str) -> bool:
    return name in OPEN or name in WITH_TOKEN or name.startswith(LICENCE)


def answer(wecom: WeCom, name: str, query: dict[str, str], body: Json, client_ip: str) -> Json:
    """Answer a provider's call: its address first, its token, then the call's own rules."""
    suites.keep_pushing(wecom)
    if name in OPEN:
        return OPEN[name](wecom, body)
    kind, run = WITH_TOKEN.get(name, ("provider", lambda call: licence(call, name.removeprefix(LICENCE))))
    suite = _owner(wecom, kind, query.get(f"{kind}_access_token", ""))
    if client_ip not in suite.trusted_ips:
        raise ApiError(60020)
    return run(SuiteCall(wecom, suite, query, body))


def _owner(wecom: WeCom, kind: str, token: str) -> Suite:
    """Whose token it is: 40082 for an unknown one, 42009 for one that has expired."""
    for suite in wecom.state.suites.values():
        known, expires_at = suite.access_tokens.get(kind, ("", 0.0))
        if known and known == token:
            if expires_at <= wecom.store.now():
                raise ApiError(42009)
            return suite
    raise ApiError(40082)


def _token(wecom: WeCom, suite: Suite, kind: str) -> str:
    """The same one until it expires."""
    token, expires_at = suite.access_tokens.get(kind, ("", 0.0))
    if not token or expires_at <= wecom.store.now():
        token, expires_at = random_text(128), wecom.store.now() + TOKEN_SECONDS
        suite.access_tokens[kind] = (token, expires_at)
        wecom.store.touch()
    return token


def _of_provider(wecom: WeCom, corp_id: str) -> Suite | None:
    return next((suite for suite in wecom.state.suites.values() if suite.provider_corp_id == corp_id), None)


def _authorised(call: SuiteCall) -> tuple[Corp, App]:
    """The company whose permanent code was brought: 40084 for a wrong or dead one."""
    corp = _corp_behind(call)
    app = suites.installed(corp, call.suite) if corp else None
    if corp is None or app is None or not app.permanent_code or app.permanent_code != call.text("permanent_code"):
        raise ApiError(40084)
    return corp, app


def _corp_behind(call: SuiteCall) -> Corp | None:
    named, corps = call.text("auth_corpid"), call.wecom.state.corps.values()
    return next((corp for corp in corps if ids.own_corp_id(call.suite, corp.corp_id) == named), None)
