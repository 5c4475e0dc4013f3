"""Signing in: codes, who is behind a code, user tickets.

https://developer.work.weixin.qq.com/document/path/91023
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit, urlunsplit

from simulator.ids import random_text
from simulator.wecom.context import Call, WeCom
from simulator.wecom.errors import ApiError
from simulator.wecom.state import App, Corp, LoginCode, Suite, Ticket

CODE_SECONDS = 300
TICKET_SECONDS = 1800
SCOPES = {"snsapi_base", "snsapi_userinfo", "snsapi_privateinfo"}

NOT_TRUSTED = "redirect_uri需使用应用可信域名"


class BadLink(Exception):
    """An authorise or login link that WeCom answers with an error page; title and detail are for that page."""

    def __init__(self, title: str, detail: str = "") -> None:
        super().__init__(title)
        self.title, self.detail = title, detail


@dataclass
class Authorisation:
    """A link that passed every check."""

    corp: Corp
    app: App
    redirect_uri: str
    state: str
    scope: str
    agent_id: int


def read_link(wecom: WeCom, query: dict[str, str], *, is_web_login: bool, corp_id: str = "") -> Authorisation:
    """Check an authorise link, or the link of the web login. Raises BadLink.

    corp_id  of whoever opened it: a provider's link names no corp

    https://developer.work.weixin.qq.com/document/path/91022 and 98152
    """
    suite = wecom.state.suites.get(query.get("appid", ""))
    corp = wecom.state.corps.get(corp_id if suite else query.get("appid", ""))
    if corp is None:
        raise BadLink("appid参数错误", f"appid={query.get('appid', '')} 不是任何企业ID")
    if not is_web_login:
        _check_authorise(query)
    redirect_uri = query.get("redirect_uri", "")
    domain = urlsplit(redirect_uri).netloc.lower()
    if not domain:
        raise BadLink("redirect_uri参数错误", f"redirect_uri={redirect_uri}")
    if suite:
        app = _installed(corp, suite, domain)
        return Authorisation(corp, app, redirect_uri, query.get("state", ""), query.get("scope", ""), app.agent_id)
    app = _app_of(corp, query.get("agentid", ""), domain, is_web_login=is_web_login)
    agent_id = app.agent_id if query.get("agentid") else 0
    return Authorisation(corp, app, redirect_uri, query.get("state", ""), query.get("scope", ""), agent_id)


def grant(wecom: WeCom, link: Authorisation, corp_id: str, userid: str) -> str:
    """A code for this person, and the address to send the browser to."""
    domain = urlsplit(link.redirect_uri).netloc.lower()
    code = new_code(wecom, link.corp, link.agent_id, (corp_id, userid), domain=domain, scope=link.scope)
    return with_answer(link.redirect_uri, {"code": code, "state": link.state})


def with_answer(redirect_uri: str, answer: dict[str, str]) -> str:
    """The redirect address with code and state before its fragment."""
    parts = urlsplit(redirect_uri)
    query = "&".join(filter(None, [parts.query, urlencode(answer)]))
    return urlunsplit(parts._replace(query=query))


def new_code(
    wecom: WeCom, corp: Corp, agent_id: int, person: tuple[str, str], *, domain: str, scope: str = "snsapi_base"
) -> str:
    """A code, single use, five minutes. person is (corp_id, userid); somebody from elsewhere gets an openid."""
    corp_id, userid = person
    member = corp.person(userid) if corp_id == corp.corp_id else None
    openid = "" if member else "o" + hashlib.sha256(f"{corp.corp_id}:{corp_id}:{userid}".encode()).hexdigest()[:27]
    code = random_text(64)
    known = LoginCode(corp.corp_id, agent_id, member.userid if member else "", openid, domain, scope, wecom.store.now())
    wecom.state.login_codes[code] = known
    wecom.store.touch()
    return code


def getuserinfo(call: Call) -> dict[str, Any]:
    """The member behind a code (userid), or an outsider's openid; a user_ticket only with snsapi_privateinfo."""
    text = call.query.get("code", "")
    if not text:
        raise ApiError(41008)
    known = call.wecom.state.login_codes.get(text)
    if known is None or call.now - known.at > CODE_SECONDS or known.corp_id != call.corp.corp_id:
        raise ApiError(40029)
    is_own = known.agent_id in (0, call.app.agent_id)
    if not is_own or (known.domain and known.domain not in (call.app.trusted_domain, call.app.login_domain)):
        call.wecom.refuse("foreign_code")
    del call.wecom.state.login_codes[text]
    call.wecom.store.touch()
    if not known.userid:
        return {"openid": known.openid, "external_userid": ""}
    return {"userid": known.userid} | _ticket(call, known)


def getuserdetail(call: Call) -> dict[str, Any]:
    """What a member granted. https://developer.work.weixin.qq.com/document/path/95833"""
    text = str(call.body.get("user_ticket") or "")
    if not text:
        raise ApiError(84090)
    ticket = call.wecom.state.tickets.get(text)
    if ticket is None or (ticket.corp_id, ticket.agent_id) != (call.corp.corp_id, call.app.agent_id):
        raise ApiError(84015)
    if call.now - ticket.at > TICKET_SECONDS:
        raise ApiError(84014)
    person = call.corp.person(ticket.userid)
    if person is None or not call.corp.can_see(call.app, person):
        raise ApiError(60011)
    return {"userid": person.userid, "gender": "0", "mobile": person.mobile, "email": person.email, "avatar": ""}


def _ticket(call: Call, known: LoginCode) -> dict[str, str]:
    person = call.corp.person(known.userid)
    if known.scope != "snsapi_privateinfo" or person is None or not call.corp.can_see(call.app, person):
        return {}
    text = random_text(64)
    call.wecom.state.tickets[text] = Ticket(call.corp.corp_id, call.app.agent_id, person.userid, call.now)
    return {"user_ticket": text}


def _check_authorise(query: dict[str, str]) -> None:
    if query.get("response_type") != "code":
        raise BadLink("response_type参数错误", "response_type 应为 code")
    if query.get("scope") not in SCOPES:
        raise BadLink("scope参数错误", f"scope={query.get('scope', '')}")
    if query.get("scope") == "snsapi_privateinfo" and not query.get("agentid"):
        raise BadLink("agentid参数错误", "snsapi_privateinfo 需要 agentid")
    state = query.get("state", "")
    if len(state.encode()) > 128 or not (state == "" or (state.isascii() and state.isalnum())):
        raise BadLink("state参数错误", "state 只能是不超过 128 字节的字母和数字")
    if query.get("_fragment") == "missing":
        raise BadLink("链接缺少 #wechat_redirect", "授权链接必须以 #wechat_redirect 结尾")


def _installed(corp: Corp, suite: Suite, domain: str) -> App:
    """The provider's app in the corp; its domain, port included, is that of the redirect address."""
    app = next((app for app in corp.own_apps() if app.suite_id == suite.suite_id), None)
    if app is None:
        raise BadLink("应用未安装", f"{corp.name} 没有安装 {suite.name}")
    if domain != suite.trusted_domain:
        raise BadLink(
            NOT_TRUSTED, f"redirect_uri 的域名是 {domain}，应用的可信域名是 {suite.trusted_domain or '（未设置）'}"
        )
    return app


def _app_of(corp: Corp, agent_id: str, domain: str, *, is_web_login: bool) -> App:
    """The enabled app whose domain, port included, is that of the redirect address."""
    apps = [app for app in corp.own_apps() if app.enabled and not app.suite_id]
    if agent_id:
        apps = [app for app in apps if str(app.agent_id) == agent_id]
    elif is_web_login:
        raise BadLink("agentid参数错误", "缺少 agentid")
    if not apps:
        raise BadLink("agentid参数错误", f"agentid={agent_id} 不存在或应用已停用")
    for app in apps:
        if domain == app.trusted_domain or (is_web_login and domain == app.login_domain):
            return app
    wanted = "、".join(app.trusted_domain or "（未设置）" for app in apps)
    raise BadLink(NOT_TRUSTED, f"redirect_uri 的域名是 {domain}，应用的可信域名是 {wanted}（端口也须一致）")
