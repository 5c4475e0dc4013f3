"""The IM client: one person's chats with apps, cards with live buttons, the workbench."""

from __future__ import annotations

import hashlib

from flask import Blueprint, Response, abort, flash, jsonify, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from simulator.base import CannotPress
from simulator.webview import open_url
from simulator.wecom import presses, richtext
from simulator.wecom.cards import as_seen, pressable
from simulator.wecom.context import WeCom, current_wecom
from simulator.wecom.state import App, Corp, Message, Person

bp = Blueprint("wecom_client", __name__, url_prefix="/wecom/client")

SHOWN_MESSAGES = 60
SHOWN_LINES = 8
HOME = "/<corp_id>/<userid>"


@bp.get("/")
def people() -> str:
    wecom = current_wecom()
    with wecom.store.lock:
        return render_template("wecom/people.html", corps=list(wecom.state.corps.values()))


@bp.get(f"{HOME}/")
def chats(corp_id: str, userid: str) -> str:
    """消息: the chats with apps and one conversation."""
    wecom = current_wecom()
    with wecom.store.lock:
        corp, person = _person(wecom, corp_id, userid)
        return render_template("wecom/chats.html", **_view(wecom, corp, person))


@bp.get(f"{HOME}/live")
def live(corp_id: str, userid: str) -> Response:
    """The changing part of the page; 304 while nothing changed."""
    wecom = current_wecom()
    with wecom.store.lock:
        corp, person = _person(wecom, corp_id, userid)
        html = render_template("wecom/_live.html", **_view(wecom, corp, person))
    response = Response(html)
    response.set_etag(hashlib.sha256(html.encode()).hexdigest()[:20])
    response.cache_control.no_cache = True
    return response.make_conditional(request)  # type: ignore[return-value]


@bp.get(f"{HOME}/workbench")
def workbench(corp_id: str, userid: str) -> str:
    """工作台: icons of the apps inside whose visible range the person is."""
    wecom = current_wecom()
    with wecom.store.lock:
        corp, person = _person(wecom, corp_id, userid)
        apps = [app for app in corp.own_apps() if app.enabled and corp.can_see(app, person)]
        return render_template("wecom/workbench.html", apps=apps, **_common(wecom, corp, person))


@bp.post(f"{HOME}/press")
def press(corp_id: str, userid: str) -> Response | BaseResponse:
    """Press a button of a card; the page comes back with the answer, or with the hint of a failure."""
    wecom = current_wecom()
    with wecom.store.lock:
        _person(wecom, corp_id, userid)
    selected = {name[4:]: request.form.getlist(name) for name in request.form if name.startswith("sel:")}
    message_id, key = request.form.get("message_id", ""), request.form.get("key", "")
    try:
        result = presses.press(wecom, message_id, userid, key, selected)
        problem = result.problem
    except CannotPress:
        problem = "这个按钮已不能点击"
    if request.headers.get("X-Requested-With") == "fetch":
        return jsonify({"problem": problem})
    if problem:
        flash(problem, "error")
    return redirect(url_for(".chats", corp_id=corp_id, userid=userid, app=request.form.get("app", "")), code=303)


def _person(wecom: WeCom, corp_id: str, userid: str) -> tuple[Corp, Person]:
    corp = wecom.state.corps.get(corp_id)
    person = corp.person(userid) if corp else None
    if corp is None or person is None:
        abort(404, "没有这个成员")
    return corp, person


def _common(wecom: WeCom, corp: Corp, person: Person) -> dict[str, object]:
    label = wecom.state.label_of(corp.corp_id, person.userid)
    return {
        "corp": corp,
        "person": person,
        "inside": lambda url: open_url(label, url),
        "richtext": richtext,
    }


def _view(wecom: WeCom, corp: Corp, person: Person) -> dict[str, object]:
    """What the page of chats shows: every chat with its newest message, and the chosen conversation."""
    messages = [message for message in wecom.state.inbox(corp.corp_id, person.userid) if not message.recalled]
    rooms = [(chat, wecom.state.posted(chat.id)) for chat in wecom.state.chats_of(corp.corp_id, person.userid)]
    rooms.sort(key=lambda room: room[1][-1].at, reverse=True)
    newest = {message.agent_id: message for message in messages}
    apps = [app for app in corp.own_apps() if app.agent_id in newest or corp.can_see(app, person)]
    apps.sort(key=lambda app: newest[app.agent_id].at if app.agent_id in newest else 0, reverse=True)
    room = next((room for room in rooms if room[0].id == request.args.get("chat")), None)
    chosen = corp.apps.get(room[0].agent_id) if room else _chosen(apps)
    shown = [message for message in messages if chosen and message.agent_id == chosen.agent_id]
    shown = (room[1] if room else shown)[-SHOWN_MESSAGES:]
    return _common(wecom, corp, person) | {
        "chats": [(app, newest.get(app.agent_id)) for app in apps],
        "chosen": chosen,
        "rooms": [(chat, posted[-1]) for chat, posted in rooms],
        "room": room[0] if room else None,
        "is_chosen": "app" in request.args or room is not None,
        "messages": [_shown(message, person.userid) for message in shown],
        "preview": preview,
    }


def _chosen(apps: list[App]) -> App | None:
    agent_id = request.args.get("app", 0, type=int)
    return next((app for app in apps if app.agent_id == agent_id), apps[0] if apps else None)


def _shown(message: Message, userid: str) -> dict[str, object]:
    """A message as one person sees it: the card with its live or dead buttons, eight lines of text at most."""
    copy = message.copy_of(userid)
    if message.kind != "template_card":
        return {"message": message, "body": message.body}
    card = as_seen(copy)
    lines = str(card.get("sub_title_text") or "").split("\n")
    alive = {item["key"] for item in pressable(copy)}
    return {
        "message": message,
        "card": card,
        "lines": lines[:SHOWN_LINES],
        "is_cut": len(lines) > SHOWN_LINES,
        "alive": alive,
        "updates": copy.updates,
    }


def preview(message: Message, userid: str) -> str:
    """One line for the list of chats."""
    if message.kind == "template_card":
        card = message.copy_of(userid).card
        return str((card.get("main_title") or {}).get("title") or card.get("sub_title_text") or "")
    return str(message.body.get("title") or message.body.get("content") or f"[{message.kind}]")
