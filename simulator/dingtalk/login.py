"""Signing in: codes from the client and from the browser's sign-in page, and who is behind them.

https://open.dingtalk.com/document/development/obtain-the-userid-of-a-user-by-using-the-log-free
https://open.dingtalk.com/document/development/obtain-user-token
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit, urlunsplit

from simulator.dingtalk.context import Call, DingTalk
from simulator.dingtalk.errors import ApiError, OldError, invalid_token
from simulator.dingtalk.state import TOKEN_SECONDS, App, Corp, LoginCode, Person, Token
from simulator.ids import random_text

CODE_SECONDS = 300
SCOPES = {"openid", "openid corpid"}

Json = dict[str, Any]


class NoCode(Exception):
    """The client's bridge refuses a code; number and text as its JSAPI gives them."""

    def __init__(self, number: int, text: str) -> None:
        super().__init__(text)
        self.number, self.text = number, text


class BadLink(Exception):
    """A sign-in link that is answered by an error page."""


@dataclass(frozen=True)
class Authorisation:
    """A sign-in link that passed every check."""

    corp: Corp
    app: App
    redirect_uri: str
    state: str
    has_corp: bool


def client_code(world: DingTalk, corp_id: str, client_id: str, userid: str, origin: str) -> str:
    """What the client's requestAuthCode gives: the page's origin must be one of the published app's. Raises NoCode.

    Without a client_id, as in the classic call, the page's origin says which app is meant.
    """
    corp = world.state.corps.get(corp_id)
    apps = [app for app in corp.apps.values() if client_id in ("", app.client_id)] if corp else []
    app = next((app for app in apps if origin in origins_of(app)), None)
    if corp is None or app is None:
        raise NoCode(3, f"对应企业没有{urlsplit(origin).netloc}域名微应用")
    if userid not in corp.people or not app.can_see(userid):
        raise NoCode(3, "当前用户不在应用可见范围内")
    return new_code(world, "h5", app, userid)


def origins_of(app: App) -> set[str]:
    """Where the published app's pages are: its addresses, its quick entry's, and the redirect addresses."""
    urls = [*app.redirect_urls]
    if app.live and app.live.web:
        urls += [app.live.home_url, app.live.pc_home_url]
    if app.cool_app and app.cool_app.published:
        urls += [app.cool_app.pc_url, app.cool_app.mobile_url]
    parts = [urlsplit(url) for url in urls if url]
    return {f"{each.scheme}://{each.netloc}".lower() for each in parts}


def new_code(world: DingTalk, kind: str, app: App, userid: str, *, has_corp: bool = False) -> str:
    code = random_text(32).lower()
    world.state.login_codes[code] = LoginCode(kind, app.corp_id, app.client_id, userid, world.now, has_corp)
    world.store.touch()
    return code


def getuserinfo(call: Call) -> Json:
    """The member behind a code that the client gave to a page of this app; once."""
    text = str(call.body.get("code") or "")
    if not text:
        raise OldError(41026, "缺少code")
    known = call.world.state.login_codes.get(text)
    if known is None or known.kind != "h5" or call.now - known.at > CODE_SECONDS:
        raise OldError(40078, "不存在的临时授权码")
    if known.client_id != call.app.client_id:
        raise OldError(40078, "不存在的临时授权码")
    del call.world.state.login_codes[text]
    person = call.person(known.userid)
    if person is None:
        raise OldError(60121, "找不到该用户")
    about = {"device_id": random_text(16), "sys": False, "sys_level": 0, "associated_unionid": person.unionid}
    return {"userid": person.userid, "name": person.name, "unionid": person.unionid} | about


def read_link(world: DingTalk, query: dict[str, str]) -> Authorisation:
    """Check a link to the browser's sign-in page. Raises BadLink."""
    found = world.state.app(query.get("client_id", ""))
    if found is None:
        raise BadLink("client_id 无效")
    corp, app = found
    if query.get("response_type") != "code" or query.get("scope") not in SCOPES or query.get("prompt") != "consent":
        raise BadLink("response_type、scope 或 prompt 无效")
    redirect_uri = query.get("redirect_uri", "")
    if redirect_uri.partition("?")[0] not in {url.partition("?")[0] for url in app.redirect_urls}:
        raise BadLink(f"redirect_uri {redirect_uri} 没有在 安全设置 > 重定向URL 中登记")
    return Authorisation(corp, app, redirect_uri, query.get("state", ""), "corpid" in query["scope"])


def grant(world: DingTalk, link: Authorisation, userid: str) -> str:
    """The address to go back to, with the code under both of its names. userid may be of another company."""
    code = new_code(world, "oauth", link.app, userid, has_corp=link.has_corp)
    return with_answer(link.redirect_uri, {"authCode": code, "code": code, "state": link.state})


def with_answer(url: str, answer: dict[str, str]) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(query="&".join(filter(None, [parts.query, urlencode(answer)]))))


def user_token(world: DingTalk, body: Json) -> Json:
    """A person's own token for a code from the sign-in page."""
    found = world.state.app(str(body.get("clientId") or ""))
    if found is None or found[1].client_secret != body.get("clientSecret"):
        raise ApiError("invalidClientIdOrSecret", "无效的clientId或者clientSecret")
    corp, app = found
    known = world.state.login_codes.get(str(body.get("code") or ""))
    is_wanted = known is not None and (known.kind, known.client_id) == ("oauth", app.client_id)
    is_asked = body.get("grantType") == "authorization_code"
    if known is None or not is_wanted or not is_asked or world.now - known.at > CODE_SECONDS:
        raise ApiError("invalidParameter.authCode.notFound", "不合法的临时授权码")
    del world.state.login_codes[str(body["code"])]
    token = random_text(32).lower()
    world.state.tokens[token] = Token(corp.corp_id, app.client_id, world.now + TOKEN_SECONDS, known.userid)
    world.store.touch()
    answer = {"accessToken": token, "refreshToken": random_text(32).lower(), "expireIn": TOKEN_SECONDS}
    return answer | ({"corpId": corp.corp_id} if known.has_corp else {})


def me(call: Call) -> Json:
    """Whose token this is; an app's own token is nobody's."""
    if not call.userid:
        raise invalid_token()
    person = anybody(call.world, call.userid, call.corp)
    if person is None:
        raise ApiError("invalidParameter.user.notFound", "找不到该用户", 404)
    about = {"nick": person.name, "unionId": person.unionid, "openId": f"o{person.unionid}", "stateCode": "86"}
    return about | ({"mobile": person.mobile} if "Contact.User.mobile" in call.app.permissions else {})


def anybody(world: DingTalk, userid: str, corp: Corp) -> Person | None:
    """A member, or "corp_id/userid" of somebody from elsewhere."""
    corp_id, _, name = userid.rpartition("/")
    home = world.state.corps.get(corp_id) if corp_id else corp
    return home.people.get(name) if home else None
