"""Pages inside a platform's client on a desktop browser: `http://{label}.localhost:{port}/` is a person's webview.

Requests there go on to the product with the client's user agent. Pages of the platform itself, such as WeCom's
authorise page, come back to the same host, so that the simulator knows who is asking.
"""

from __future__ import annotations

import hashlib
import re
from urllib.parse import quote, urlsplit, urlunsplit

import requests
from flask import Response, current_app, redirect, render_template, request

from simulator import outbound
from simulator.base import Laboratory, Page, Platform, Webview

SUFFIX = ".localhost"
ASSET_PATH = "/__simulator/"
HEAD = re.compile(rb"<head[^>]*>", re.IGNORECASE)
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


def label_of(webviews: dict[str, list[str]], organisation: str, person: str, domain: str = "") -> str:
    """The host label of a person: the id where a host name allows it and nobody else has it, else with a mark.

    Labels are remembered in `webviews`, so that a person's cookies stay theirs.
    domain  ".{slug}" keeps the namesakes of two platforms apart.
    """
    owner = [organisation, person]
    safe = re.sub(r"[^a-z0-9]+", "-", person.lower()).strip("-")[:40] or "u"
    mark = hashlib.sha256(f"{organisation}/{person.lower()}".encode()).hexdigest()[:6]
    if safe == person.lower() and webviews.setdefault(f"{safe}{domain}", [*owner, ""])[:2] == owner:
        return f"{safe}{domain}"
    webviews.setdefault(f"{safe}-{mark}{domain}", [*owner, ""])
    return f"{safe}-{mark}{domain}"


def open_url(label: str, url: str) -> str:
    """The link that opens an address inside a person's client."""
    return webview_url(label, f"/__open?url={quote(url, safe='')}")


def asset(name: str) -> str:
    """The address of one of the simulator's own files, on a webview's host out of the product's way."""
    return f"{ASSET_PATH}{name}" if is_webview_host() else f"/static/{name}"


def is_webview_host() -> bool:
    return (urlsplit(request.host_url).hostname or "").endswith(SUFFIX)


def is_own_port(url: str) -> bool:
    """Does this address lead to the simulator, by any of its names?"""
    return (urlsplit(url).port or 80) == (urlsplit(request.host_url).port or 80)


def origin_of(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}".lower()


def local_path(url: str) -> str:
    """An address without its origin."""
    parts = urlsplit(url)
    return urlunsplit(("", "", "/" + parts.path.lstrip("/"), parts.query, parts.fragment))


def notice(title: str, detail: str, status: int) -> tuple[str, int]:
    return render_template("notice.html", title=title, detail=detail), status


def shows(platform: Platform, view: Webview, url: str) -> None:
    """Remember the origin that this webview passes its requests on to. The lock is held."""
    platform.webviews[view.label][2] = origin_of(url)


def answer(laboratory: Laboratory) -> Page:
    """Everything that arrives on a webview's host: the opener, the platform's pages, or the product's own."""
    if request.path.startswith(ASSET_PATH):
        return current_app.send_static_file(request.path.removeprefix(ASSET_PATH))
    label = (urlsplit(request.host_url).hostname or "").removesuffix(SUFFIX)
    platform = next((each for each in laboratory.platforms.values() if label in each.webviews), None)
    if platform is None:
        return notice("没有这个成员", f"{label}{SUFFIX} 不属于任何成员", 404)
    organisation, person, origin = platform.webviews[label]
    view = Webview(label, organisation, person)
    if request.path == "/__open":
        return _open(laboratory, platform, view)
    own = platform.answer(view)
    if own is not None:
        return own
    if not (origin or laboratory.product_url):
        return notice("请从工作台打开应用", "这个网页视图还没有打开过应用", 404)
    return _forward(platform, origin or laboratory.product_url)


def _open(laboratory: Laboratory, platform: Platform, view: Webview) -> Page:
    """Remember the product's origin for this person and go there."""
    url = request.args.get("url", "")
    own = platform.own_page(url)
    if own is not None:
        return redirect(own)
    with laboratory.store.lock:
        is_allowed = origin_of(url) in platform.trusted_origins() | {origin_of(laboratory.product_url or "no:")}
        if is_allowed:
            shows(platform, view, url)
            laboratory.store.touch()
    if not is_allowed:
        return notice("这个地址不属于任何应用", f"{url} 的域名不是应用的可信域名，也不是回调地址的域名", 403)
    return redirect(local_path(url))


def _forward(platform: Platform, origin: str) -> Response | tuple[str, int]:
    """Pass the request to the product and its answer back, with hosts rewritten both ways."""
    here = request.host_url.rstrip("/")
    url, host = outbound.reachable(origin + _raw_path())
    try:
        with requests.request(
            request.method,
            url,
            headers=_passed_on(platform, origin, here) | {"Host": host},
            data=request.get_data(),
            timeout=PROXY_SECONDS,
            allow_redirects=False,
            stream=True,
        ) as reply:
            body = reply.raw.read(decode_content=False)
            pairs = list(reply.raw.headers.items())
            status = reply.status_code
    except outbound.NO_ANSWER as error:
        return notice("无法打开网页", f"{origin} 没有响应：{error}", 502)
    response = Response(body, status=status)
    response.headers.clear()
    for name, value in pairs:
        if name.lower() not in HOP_BY_HOP:
            response.headers.add(name, _rewritten(platform, name, value, origin=origin, here=here))
    return _bridged(platform, response)


def _passed_on(platform: Platform, origin: str, here: str) -> dict[str, str]:
    """The browser's headers for the product: with the product's origin, and the client named in the user agent."""
    headers = [(name, value) for name, value in request.headers if name.lower() not in HOP_BY_HOP]
    sent = {name: value.replace(here, origin) if name in ("Origin", "Referer") else value for name, value in headers}
    if platform.bridge:  # a compressed page cannot be added to
        sent["Accept-Encoding"] = "identity"
    return sent | {"User-Agent": f"{sent.get('User-Agent', 'Mozilla/5.0')} {platform.user_agent}"}


def _bridged(platform: Platform, response: Response) -> Response:
    """A page with the native client's functions put before its own scripts."""
    if platform.bridge and response.mimetype == "text/html" and "Content-Encoding" not in response.headers:
        script = f'<script src="{ASSET_PATH}{platform.bridge}"></script>'.encode()
        response.set_data(HEAD.sub(lambda match: match[0] + script, response.get_data(), count=1))
    return response


def _raw_path() -> str:
    """Path and query as the browser wrote them, not decoded and encoded again."""
    raw = str(request.environ.get("RAW_URI") or request.full_path)
    parts = urlsplit(raw if raw.startswith("http") else "http://x/" + raw.lstrip("/"))
    return urlunsplit(("", "", parts.path or "/", parts.query, ""))


def _rewritten(platform: Platform, name: str, value: str, *, origin: str, here: str) -> str:
    """A response header with the product's origin replaced by the webview's."""
    lowered = name.lower()
    if lowered == "set-cookie":
        return re.sub(r";\s*domain=[^;]*", "", value, flags=re.IGNORECASE)
    if lowered in ("location", "hx-redirect", "hx-location", "content-location"):
        own = platform.own_page(value)
        if own is not None:
            return here + own
        return here + value[len(origin) :] if value.lower().startswith(origin) else value
    if lowered in ("content-security-policy", "access-control-allow-origin", "hx-push-url"):
        return value.replace(origin, here)
    return value
