"""The provider's side: applications that companies install, what their console keeps.

https://developer.work.weixin.qq.com/document/path/90597
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterable

from simulator.ids import random_text
from simulator.wecom import callbacks, setup, suite_events
from simulator.wecom.context import WeCom
from simulator.wecom.ids import own_corp_id
from simulator.wecom.state import App, Callback, Corp, Suite, SuiteCode

LOOKS_EVERY_SECONDS = 1.0
TICKET_EVERY, TICKET_SECONDS = 600.0, 1800.0
AUTH_CODE_SECONDS, PRE_AUTH_CODE_SECONDS = 600.0, 1200.0
AUTH_CODE, PRE_AUTH_CODE = "auth", "pre_auth"


# --- the provider's console ---------------------------------------------------------------------------------------


def create_suite(wecom: WeCom, name: str, **known: str) -> Suite:
    """An application of a provider; ids and secrets that are not given are made up."""
    suite = Suite(
        suite_id=known.get("suite_id") or "ww" + secrets.token_hex(8),
        name=name,
        secret=known.get("secret") or random_text(43),
        provider_corp_id=known.get("provider_corp_id") or "ww" + secrets.token_hex(8),
        provider_secret=known.get("provider_secret") or random_text(64),
        token=random_text(24),
        encoding_aes_key=random_text(43),
    )
    wecom.state.suites[suite.suite_id] = suite
    wecom.store.touch()
    return suite


def save_callbacks(wecom: WeCom, suite: Suite, urls: dict[str, str], token: str, encoding_aes_key: str) -> None:
    """回调配置 → 保存: both addresses are verified first, then a ticket is pushed. Do not hold the store's lock.

    urls: {"command", "data"}. The data address is tried with the provider's own company as receiver.
    Raises setup.SetupError with the reason.
    """
    for purpose, receiver in (("command", suite.suite_id), ("data", suite.provider_corp_id)):
        problem = callbacks.verify(wecom, receiver, Callback(urls[purpose], token, encoding_aes_key))
        if problem:
            raise setup.SetupError(problem)
    with wecom.store.lock:
        suite.command_url, suite.data_url = urls["command"], urls["data"]
        suite.token, suite.encoding_aes_key = token, encoding_aes_key
        for _corp, app in installs(wecom, suite):
            _follow(suite, app, wecom.store.now())
        wecom.store.touch()
    push_ticket(wecom, suite)
    keep_pushing(wecom)


def keep_pushing(wecom: WeCom) -> None:
    """Push what is due from now on, beside whatever else happens; asked for again, nothing more."""
    if wecom.pusher is None:
        wecom.pusher = threading.Thread(target=_push_for_ever, args=(wecom,), daemon=True, name="wecom-pusher")
        wecom.pusher.start()


def _push_for_ever(wecom: WeCom) -> None:
    pause = threading.Event()
    while not pause.wait(LOOKS_EVERY_SECONDS):
        push_due(wecom)


def change_pages(wecom: WeCom, suite: Suite, *, home_url: str, trusted_domain: str) -> None:
    """应用主页 and 可信域名, the same in every company."""
    suite.home_url, suite.trusted_domain = home_url.strip(), trusted_domain.strip().lower()
    for _corp, app in installs(wecom, suite):
        _follow(suite, app, wecom.store.now())
    wecom.store.touch()


def push_ticket(wecom: WeCom, suite: Suite) -> str:
    """Push a new suite_ticket, as happens every ten minutes; each lives for thirty. Return what was answered."""
    with wecom.store.lock:
        now = wecom.store.now()
        suite.tickets = {ticket: at for ticket, at in suite.tickets.items() if now - at <= TICKET_SECONDS}
        ticket = random_text(64)
        suite.tickets[ticket], suite.pushed_at = now, now
        wecom.store.touch()
    return suite_events.push(wecom, suite, {"InfoType": "suite_ticket", "SuiteTicket": ticket}).answer


def push_due(wecom: WeCom) -> None:
    """Push what the clock asks for."""
    with wecom.store.lock:
        now = wecom.store.now()
        due = [s for s in wecom.state.suites.values() if s.command_url and now - s.pushed_at >= TICKET_EVERY]
    for suite in due:
        push_ticket(wecom, suite)
    push_system_events(wecom)


def push_system_events(wecom: WeCom) -> None:
    """Tell the providers what happened to licences. Do not hold the store's lock."""
    while wecom.system_events:
        corp_id, inner = wecom.system_events.pop(0)
        corp = wecom.state.corps.get(corp_id)
        for suite in list(wecom.state.suites.values()):
            if corp is not None and installed(corp, suite) is not None:
                suite_events.push_system(wecom, suite, own_corp_id(suite, corp_id), inner)


# --- installing ---------------------------------------------------------------------------------------------------


def installs(wecom: WeCom, suite: Suite) -> list[tuple[Corp, App]]:
    """Where the application is installed."""
    corps = wecom.state.corps.values()
    return [(corp, app) for corp in corps for app in corp.apps.values() if app.suite_id == suite.suite_id]


def installed(corp: Corp, suite: Suite) -> App | None:
    return next((app for app in corp.apps.values() if app.suite_id == suite.suite_id), None)


def install(
    wecom: WeCom, corp: Corp, suite: Suite, userids: Iterable[str], department_ids: Iterable[int]
) -> tuple[App, str]:
    """同意以上授权并添加: the application in a company, and the auth_code that tells the provider. No event yet."""
    app = installed(corp, suite)
    if app is None:
        app = setup.create_app(wecom, corp, suite.name)
        app.suite_id = suite.suite_id
    try:
        setup.set_visible(wecom, corp, app, userids, department_ids)
    except setup.SetupError:
        setup.remove_app(wecom, corp, app)
        raise
    _follow(suite, app, wecom.store.now())
    corp.licences.begin_trial(wecom.store.now())
    return app, new_code(wecom, suite, AUTH_CODE, corp.corp_id)


def announce(wecom: WeCom, suite: Suite, auth_code: str, info: str = "create_auth") -> str:
    """Tell the provider of an installation from the market (or of a reset code). Return the text to show: "" is well.

    Anything but `success` within a second is shown to whoever installs.
    """
    told = suite_events.push(wecom, suite, {"InfoType": info, "AuthCode": auth_code}, attempts=1)
    return "" if told.answer == "success" else told.answer or told.error or f"HTTP {told.status}"


def change(wecom: WeCom, corp: Corp, suite: Suite) -> None:
    """The visible range is another one: change_auth. Do not hold the store's lock."""
    fields = {"InfoType": "change_auth", "AuthCorpId": own_corp_id(suite, corp.corp_id)}
    suite_events.push(wecom, suite, fields)


def cancel(wecom: WeCom, corp: Corp, suite: Suite) -> None:
    """删除应用 in the company: its permanent code and token die, cancel_auth follows. Do not hold the store's lock."""
    with wecom.store.lock:
        app = installed(corp, suite)
        if app is not None:
            wecom.state.tokens.pop(app.token, None)
            setup.remove_app(wecom, corp, app)
    fields = {"InfoType": "cancel_auth", "AuthCorpId": own_corp_id(suite, corp.corp_id)}
    suite_events.push(wecom, suite, fields)


def new_code(wecom: WeCom, suite: Suite, kind: str, corp_id: str = "") -> str:
    code = random_text(64)
    wecom.state.suite_codes[code] = SuiteCode(suite.suite_id, kind, corp_id, wecom.store.now())
    wecom.store.touch()
    return code


def take_code(wecom: WeCom, suite: Suite, kind: str, text: str, seconds: float) -> SuiteCode | None:
    """A code that is this application's, of this kind and young enough; an auth_code is used up by that."""
    known = wecom.state.suite_codes.get(text)
    if known is None or (known.suite_id, known.kind) != (suite.suite_id, kind):
        return None
    if kind == AUTH_CODE:
        del wecom.state.suite_codes[text]
    return known if wecom.store.now() - known.at <= seconds else None


def _follow(suite: Suite, app: App, now: float) -> None:
    """What a company's copy takes from the provider's console."""
    app.name, app.trusted_domain, app.home_url = suite.name, suite.trusted_domain, suite.home_url
    app.domain_verified_at = now if suite.trusted_domain else 0.0
    if suite.data_url:
        app.callback = Callback(suite.data_url, suite.token, suite.encoding_aes_key, now)
