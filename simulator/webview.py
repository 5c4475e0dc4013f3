"""Pages "inside WeCom" on a desktop browser: `http://{label}.localhost:{port}/` is one person's webview.

Requests there go on to the product with WeCom's user agent. Links to the authorise page come back to the same host,
so that the simulator knows who is asking and answers silently with a code.
"""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

import requests
from flask import Response, current_app, redirect, render_template, request
from werkzeug.wrappers import Response as BaseResponse

from simulator import outbound
from simulator.wecom import oauth
from simulator.wecom.context import WeCom

SUFFIX = ".localhost"
AUTHORISE_PATH = "/connect/oauth2/authorize"
ASSET_PATH = "/__simulator/"
AUTHORISE_HOSTS = {"open.weixin.qq.com", "open.work.weixin.qq.com"}
USER_AGENT = "wxwork/4.1.30 MicroMessenger/7.0.1 Language/zh"
PROXY_SECONDS = 60
HOP_BY_HOP = {
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "te",
    "trailer",
    "trailers",
    "transfer-encoding",
    "upgrade",
    "content-length",
    "host",
    "strict-transport-security",
}


def webview_url(label: str, path: str = "/") -> str:
    """An address on a person's webview, on the port this request came in by."""
    port = urlsplit(request.host_url).port
    return f"http://{label}{SUFFIX}{f':{port}' if port else ''}{path}"


def open_url(label: str, url: str) -> str:
    """The link that opens an address inside a person's WeCom."""
    return webview_url(label, f"/__open?url={quote(url, safe='')}")


def asset(name: str) -> str:
    """The address of one of the simulator's own files, on a webview's host out of the product's way."""
    return f"{ASSET_PATH}{name}" if is_webview_host() else f"/static/{name}"


def is_webview_host() -> bool:
    return (urlsplit(request.host_url).hostname or "").endswith(SUFFIX)


def answer(wecom: WeCom) -> Response | BaseResponse | tuple[str, int]:
    """Everything that arrives on a webview's host: the opener, the authorise page, or the product's own pages."""
    if request.path.startswith(ASSET_PATH):
        return current_app.send_static_file(request.path.removeprefix(ASSET_PATH))
    label = (urlsplit(request.host_url).hostname or "").removesuffix(SUFFIX)
    owner = wecom.state.webviews.get(label)
    if owner is None:
        return _page("没有这个成员", f"{label}{SUFFIX} 不属于任何成员", 404)
    if request.path == "/__open":
        return _open(wecom, owner)
    if request.path == AUTHORISE_PATH:
        return _authorise(wecom, owner)
    origin = owner[2] or wecom.product_url
    if not origin:
        return _page("请从工作台打开应用", "这个网页视图还没有打开过应用", 404)
    return _forward(wecom, origin)


def allowed_origins(wecom: WeCom) -> set[str]:
    """Where a webview may go: trusted domains, callback origins, home pages and the product's address."""
    found = {origin_of(wecom.product_url)} if wecom.product_url else set()
    for corp in wecom.state.corps.values():
        for app in corp.own_apps():
            if app.trusted_domain:
                found |= {f"http://{app.trusted_domain}", f"https://{app.trusted_domain}"}
            if app.callback:
                found.add(origin_of(app.callback.url))
    return found


def origin_of(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}".lower()


def _open(wecom: WeCom, owner: list[str]) -> Response | BaseResponse | tuple[str, int]:
    """Remember the product's origin for this person and go there."""
    url = request.args.get("url", "")
    if _is_authorise(url):
        return redirect(_local_authorise(url))
    with wecom.store.lock:
        is_allowed = origin_of(url) in allowed_origins(wecom)
        if is_allowed:
            owner[2] = origin_of(url)
            wecom.store.touch()
    if not is_allowed:
        return _page("这个地址不属于任何应用", f"{url} 的域名不是应用的可信域名，也不是回调地址的域名", 403)
    return redirect(_local_path(url))


def _authorise(wecom: WeCom, owner: list[str]) -> Response | BaseResponse | tuple[str, int]:
    """The authorise page as its owner: silent, except that snsapi_privateinfo asks first."""
    query = request.args.to_dict()
    try:
        with wecom.store.lock:
            link = oauth.read_link(wecom, query, is_web_login=False)
            if link.scope == "snsapi_privateinfo" and request.method != "POST":
                return Response(render_template("wecom/consent.html", app=link.app))
            target = oauth.grant(wecom, link, owner[0], owner[1])
            owner[2] = origin_of(link.redirect_uri)
    except oauth.BadLink as error:
        return _page(error.title, error.detail, 400)
    return redirect(_local_path(target))


def _forward(wecom: WeCom, origin: str) -> Response | tuple[str, int]:
    """Pass the request to the product and its answer back, with hosts rewritten both ways."""
    here = request.host_url.rstrip("/")
    url, host = outbound.reachable(origin + _raw_path())
    headers = [(name, value) for name, value in request.headers if name.lower() not in HOP_BY_HOP]
    sent = {name: value.replace(here, origin) if name in ("Origin", "Referer") else value for name, value in headers}
    sent |= {"Host": host, "User-Agent": f"{sent.get('User-Agent', 'Mozilla/5.0')} {USER_AGENT}"}
    try:
        with requests.request(
            request.method,
            url,
            headers=sent,
            data=request.get_data(),
            timeout=PROXY_SECONDS,
            allow_redirects=False,
            stream=True,
        ) as reply:
            body = reply.raw.read(decode_content=False)
            pairs = list(reply.raw.headers.items())
            status = reply.status_code
    except (requests.RequestException, OSError) as error:
        return _page("无法打开网页", f"{origin} 没有响应：{error}", 502)
    response = Response(body, status=status)
    response.headers.clear()
    for name, value in pairs:
        if name.lower() not in HOP_BY_HOP:
            response.headers.add(name, _rewritten(name, value, origin, here))
    return response


def _raw_path() -> str:
    """Path and query as the browser wrote them, not decoded and encoded again."""
    raw = str(request.environ.get("RAW_URI") or request.full_path)
    parts = urlsplit(raw if raw.startswith("http") else "http://x/" + raw.lstrip("/"))
    return urlunsplit(("", "", parts.path or "/", parts.query, ""))


def _rewritten(name: str, value: str, origin: str, here: str) -> str:
    """A response header with the product's origin replaced by the webview's."""
    lowered = name.lower()
    if lowered == "set-cookie":
        return re.sub(r";\s*domain=[^;]*", "", value, flags=re.IGNORECASE)
    if lowered in ("location", "hx-redirect", "hx-location", "content-location"):
        if _is_authorise(value):
            return here + _local_authorise(value)
        return here + value[len(origin) :] if value.lower().startswith(origin) else value
    if lowered in ("content-security-policy", "access-control-allow-origin", "hx-push-url"):
        return value.replace(origin, here)
    return value


def _is_authorise(url: str) -> bool:
    """Is this WeCom's authorise page, on the simulator or on the real host?"""
    parts = urlsplit(url)
    is_own = (parts.port or 80) == (urlsplit(request.host_url).port or 80)
    return parts.path == AUTHORISE_PATH and (is_own or parts.hostname in AUTHORISE_HOSTS)


def _local_authorise(url: str) -> str:
    """The same page on this host. A fragment never reaches a server, so its absence is passed on in the query."""
    parts = urlsplit(url)
    query = parse_qsl(parts.query, keep_blank_values=True)
    if parts.fragment != "wechat_redirect":
        query.append(("_fragment", "missing"))
    return f"{AUTHORISE_PATH}?{urlencode(query)}"


def _local_path(url: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(("", "", "/" + parts.path.lstrip("/"), parts.query, parts.fragment))


def _page(title: str, detail: str, status: int) -> tuple[str, int]:
    return render_template("notice.html", title=title, detail=detail), status
