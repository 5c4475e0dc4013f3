"""Licences by hand and by script: a page of the console where a provider buys and activates them, and /control/wecom.

What is bought here is told to the provider (WeCom.system_events).
"""

from __future__ import annotations

from flask import Blueprint, Response, flash, jsonify, render_template, request

from simulator.base import Json, Unknown
from simulator.counters import DAY
from simulator.i18n import t
from simulator.wecom import licence_events
from simulator.wecom.console import Page, back, bp, find_corp
from simulator.wecom.context import WeCom, current_wecom
from simulator.wecom.errors import ApiError
from simulator.wecom.licence_book import Order
from simulator.wecom.state import Corp

BUYER = "provider-admin"
USUAL_DAYS = 365

scripts = Blueprint("wecom_licence_control", __name__, url_prefix="/control/wecom")


@bp.get("/<corp_id>/licences")
def licences(corp_id: str) -> Page:
    wecom, corp = current_wecom(), find_corp(corp_id)
    with wecom.store.lock:
        return render_template("wecom/licences.html", corp=corp, books=corp.licences, now=wecom.store.now())


@bp.post("/<corp_id>/licences")
def change_licences(corp_id: str) -> Page:
    wecom, corp, form = current_wecom(), find_corp(corp_id), request.form
    action = form.get("action", "")
    try:
        if action == "buy":
            buy(wecom, corp, base=form.get("count", 0, type=int), days=form.get("days", 0, type=int))
            flash(t("许可已购买"))
        elif action == "activate":
            activate(wecom, corp, form.get("userid", ""))
            flash(t("许可已激活"))
        elif action == "end_trial":
            set_trial(wecom, corp, 0)
            flash(t("试用已结束"))
        elif action == "auto":
            with wecom.store.lock:
                corp.licences.set_auto_activate(form.get("on") == "1")
                wecom.store.touch()
    except ApiError as error:
        flash(t("企业微信拒绝了操作：%(code)s", code=error.code), "error")
    return back("licences", corp_id=corp_id)


@scripts.post("/licences")
def change_by_script() -> Response:
    """`{"corp_id", "trial_days_left"?, "is_checked"?, "buy"?, "days"?, "activate"?: [userid], "auto_activate"?}`.

    trial_days_left  from now on; 0 or less: the trial is over. buy: base accounts, paid at once. Answers all there is.
    """
    wecom, body = current_wecom(), request.get_json(force=True)
    corp = wecom.state.corps.get(str(body.get("corp_id", "")))
    if corp is None:
        raise Unknown(f"no such corp: {body.get('corp_id')}")
    if "is_checked" in body:
        corp.licences.is_checked = bool(body["is_checked"])
    if "trial_days_left" in body:
        set_trial(wecom, corp, float(body["trial_days_left"]))
    try:
        if body.get("buy"):
            buy(wecom, corp, base=int(body["buy"]), days=int(body.get("days", USUAL_DAYS)))
        for userid in body.get("activate") or []:
            activate(wecom, corp, str(userid))
        if "auto_activate" in body:
            corp.licences.set_auto_activate(bool(body["auto_activate"]))
    except ApiError as error:
        raise Unknown(f"WeCom refuses: {error.code} {error.detail}") from error
    wecom.store.touch()
    return jsonify(summary(corp, wecom.store.now()))


def buy(wecom: WeCom, corp: Corp, *, base: int, days: int) -> Order:
    """Order and pay base accounts."""
    with wecom.store.lock:
        order = corp.licences.order(base, 0, days, BUYER)
        corp.licences.pay(order)
        wecom.store.touch()
    wecom.system_events.append((corp.corp_id, licence_events.paid(order)))
    return order


def activate(wecom: WeCom, corp: Corp, userid: str) -> None:
    """Give a free code to a member, and buy one where there is none. Nobody is told: providers do this themselves."""
    person = corp.person(userid)
    if person is None:
        raise ApiError(60111)
    with wecom.store.lock:
        has_free = any(True for _ in corp.licences.free())
    if not has_free:
        buy(wecom, corp, base=1, days=USUAL_DAYS)
    with wecom.store.lock:
        corp.licences.activate(next(corp.licences.free()), person.userid, wecom.store.now())
        wecom.store.touch()


def set_trial(wecom: WeCom, corp: Corp, days_left: float) -> None:
    with wecom.store.lock:
        books, now = corp.licences, wecom.store.now()
        books.trial_start = min(books.trial_start or now, now - DAY)
        books.trial_end = now + days_left * DAY
        wecom.store.touch()


def summary(corp: Corp, now: float) -> Json:
    books = corp.licences
    return {
        "is_checked": books.is_checked,
        "trial_start": books.trial_start,
        "trial_end": books.trial_end,
        "auto_activate": books.auto_activate,
        "free_codes": sum(1 for _ in books.free()),
        "licensed": [person.userid for person in corp.people.values() if books.is_licensed(person.userid, now)],
    }
