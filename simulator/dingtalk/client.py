"""The IM client: one person's chats with robots, groups with their cool apps, cards with live buttons, workbench."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from urllib.parse import parse_qs, quote, urlsplit

from flask import Blueprint, Response, abort, flash, jsonify, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from simulator.base import CannotPress
from simulator.dingtalk import faces, presses, reports, richtext, setup
from simulator.dingtalk.context import DingTalk, current_dingtalk
from simulator.dingtalk.state import App, Corp, Group, Message, Person
from simulator.i18n import t
from simulator.webview import open_url

bp = Blueprint("dingtalk_client", __name__, url_prefix="/dingtalk/client")

SHOWN_MESSAGES = 60
HOME = "/<corp_id>/<userid>"
WRAPPED = {"page/link": "url", "action/openapp": "redirect_url"}


@dataclass(frozen=True)
class Chat:
    """A conversation in the list: with an app's robot, or a group. id is the client id or the group's cid."""

    id: str
    name: str
    messages: list[Message]
    app: App | None = None
    group: Group | None = None

    @property
    def newest(self) -> Message | None:
        return self.messages[-1] if self.messages else None


@bp.get("/")
def people() -> str:
    world = current_dingtalk()
    with world.store.lock:
        return render_template("dingtalk/people.html", corps=list(world.state.corps.values()))


@bp.get(f"{HOME}/")
def chats(corp_id: str, userid: str) -> str:
    """消息: the list of chats and one conversation."""
    world = current_dingtalk()
    with world.store.lock:
        return render_template("dingtalk/chats.html", **_view(world, *_person(world, corp_id, userid)))


@bp.get(f"{HOME}/live")
def live(corp_id: str, userid: str) -> Response:
    """The changing part of the page; 304 while nothing changed."""
    world = current_dingtalk()
    with world.store.lock:
        html = render_template("dingtalk/_live.html", **_view(world, *_person(world, corp_id, userid)))
    response = Response(html)
    response.set_etag(hashlib.sha256(html.encode()).hexdigest()[:20])
    response.cache_control.no_cache = True
    return response.make_conditional(request)  # type: ignore[return-value]


@bp.get(f"{HOME}/workbench")
def workbench(corp_id: str, userid: str) -> str:
    """工作台: the web apps that were published for this person."""
    world = current_dingtalk()
    with world.store.lock:
        corp, person = _person(world, corp_id, userid)
        apps = [app for app in corp.apps.values() if app.live and app.live.web and app.can_see(person.userid)]
        return render_template("dingtalk/workbench.html", apps=apps, **_common(world, corp, person))


@bp.post(f"{HOME}/press")
def press(corp_id: str, userid: str) -> Response | BaseResponse:
    """Press a button of a card; the page comes back with the answer, or with the hint of a failure."""
    world = current_dingtalk()
    with world.store.lock:
        _person(world, corp_id, userid)
    try:
        problem = presses.press(world, request.form.get("message_id", ""), userid, request.form.get("key", "")).problem
    except CannotPress:
        problem = "这个按钮不能点击"
    if request.headers.get("X-Requested-With") == "fetch":
        return jsonify({"problem": problem})
    if problem:
        flash(problem, "error")
    return _to_chat(corp_id, userid, request.form.get("chat", ""))


@bp.post(f"{HOME}/groups")
def create_group(corp_id: str, userid: str) -> BaseResponse:
    """发起群聊."""
    world = current_dingtalk()
    try:
        with world.store.lock:
            corp, person = _person(world, corp_id, userid)
            members = list(dict.fromkeys([person.userid, *request.form.getlist("members")]))
            group = setup.create_group(world, corp, request.form.get("title", ""), members)
    except setup.SetupError as error:
        flash(str(error), "error")
        return _to_chat(corp_id, userid, "")
    return _to_chat(corp_id, userid, group.cid)


@bp.get(f"{HOME}/group")
def group_settings(corp_id: str, userid: str) -> str:
    """群设置: the cool apps that are in the group or can be, its name, its end."""
    world = current_dingtalk()
    with world.store.lock:
        corp, person = _person(world, corp_id, userid)
        group = _group(corp, person, request.args.get("chat", ""))
        apps = [app for app in corp.apps.values() if app.cool_app and app.cool_app.published]
        return render_template("dingtalk/group.html", group=group, apps=apps, **_common(world, corp, person))


@bp.post(f"{HOME}/group")
def change_group(corp_id: str, userid: str) -> BaseResponse:
    """Install or uninstall a cool app, rename the group, disband it."""
    world, form = current_dingtalk(), request.form
    with world.store.lock:
        corp, person = _person(world, corp_id, userid)
        group = _group(corp, person, form.get("chat", ""))
        app = corp.apps.get(form.get("client_id", ""))
    action = form.get("action", "")
    try:
        if action == "rename":
            setup.rename(world, corp, group, form.get("title", ""), person.userid)
            flash(t("群名称已修改"))
        elif action == "disband":
            setup.disband(world, corp, group, person.userid)
            flash(t("群已解散"))
        elif action in ("install", "uninstall") and app is not None:
            run = setup.install if action == "install" else setup.uninstall
            run(world, corp, app, group, person.userid)
            flash(t("酷应用已启用") if action == "install" else t("酷应用已移除"))
    except setup.SetupError as error:
        flash(str(error), "error")
    page = "chats" if action in ("install", "disband") else "group_settings"
    return redirect(url_for(f".{page}", corp_id=corp_id, userid=userid, chat=group.cid), code=303)


def unwrapped(url: str) -> str:
    """The page behind a dingtalk:// link, or the address itself."""
    parts = urlsplit(url)
    if parts.scheme != "dingtalk":
        return url
    name = WRAPPED.get(parts.path.strip("/"), "url")
    return parse_qs(parts.query).get(name, [""])[0]


def placed(url: str, corp: Corp, group: Group | None = None) -> str:
    """An address as the client opens it: from the workbench with the company, from a group with the group as well."""
    url = url.replace("$CORPID$", corp.corp_id)
    if group is None:
        return url
    once = quote(group.cid, safe="")
    return url.replace("$DOUBLE_ENCCID$", quote(once, safe="")).replace("$ENCCID$", once)


def _person(world: DingTalk, corp_id: str, userid: str) -> tuple[Corp, Person]:
    corp = world.state.corps.get(corp_id)
    person = corp.people.get(userid) if corp else None
    if corp is None or person is None:
        abort(404, "没有这个成员")
    return corp, person


def _group(corp: Corp, person: Person, cid: str) -> Group:
    group = corp.groups.get(cid)
    if group is None or person.userid not in group.members:
        abort(404, "没有这个群")
    return group


def _to_chat(corp_id: str, userid: str, chat: str) -> BaseResponse:
    return redirect(url_for(".chats", corp_id=corp_id, userid=userid, chat=chat or None), code=303)


def _common(world: DingTalk, corp: Corp, person: Person) -> dict[str, object]:
    label = world.state.label_of(corp.corp_id, person.userid)
    return {
        "corp": corp,
        "person": person,
        "inside": lambda url: open_url(label, unwrapped(url)),
        "placed": placed,
        "richtext": richtext,
    }


def _view(world: DingTalk, corp: Corp, person: Person) -> dict[str, object]:
    """What the page of chats shows: every chat with its newest message, and the chosen conversation."""
    found = _chats(world, corp, person)
    wanted = request.args.get("chat", "")
    chosen = next((chat for chat in found if chat.id == wanted), found[0] if found else None)
    shown = chosen.messages[-SHOWN_MESSAGES:] if chosen else []
    return _common(world, corp, person) | {
        "chats": found,
        "chosen": chosen,
        "is_chosen": "chat" in request.args,
        "messages": [_shown(world, message, person.userid) for message in shown],
        "entries": _entries(corp, chosen.group) if chosen and chosen.group else [],
        "preview": preview,
        "app_of": lambda message: corp.apps.get(message.client_id),
    }


def _chats(world: DingTalk, corp: Corp, person: Person) -> list[Chat]:
    """Newest first: robots that wrote or that the person can see, and the person's groups."""
    inbox: dict[str, list[Message]] = {}
    for message in reports.inbox(world, corp, person.userid):
        inbox.setdefault(message.client_id, []).append(message)
    found = [
        Chat(app.client_id, app.robot_name or app.name, inbox.get(app.client_id, []), app=app)
        for app in corp.apps.values()
        if app.client_id in inbox or (app.has_robot and app.can_see(person.userid))
    ]
    for group in corp.groups.values():
        if person.userid in group.members and not group.disbanded:
            messages = list(reports.in_group(world, corp, group, person.userid))
            found.append(Chat(group.cid, group.title, messages, group=group))
    return sorted(found, key=lambda chat: chat.newest.at if chat.newest else 0, reverse=True)


def _entries(corp: Corp, group: Group) -> list[tuple[App, str, str]]:
    """The quick entries of a group: the app, and its addresses on the desktop and on a phone."""
    apps = [app for app in corp.apps.values() if app.client_id in group.installed]
    with_entry = [(app, app.cool_app) for app in apps if app.cool_app and app.cool_app.has_entry]
    return [(app, placed(cool.pc_url, corp, group), placed(cool.mobile_url, corp, group)) for app, cool in with_entry]


def _shown(world: DingTalk, message: Message, userid: str) -> dict[str, object]:
    """A message as one person sees it: the card's parts in their order, or the body of another message."""
    card = world.state.cards.get(message.card)
    if card is None:
        return {"message": message, "body": message.body, "links": links(message)}
    seen = faces.face(world, card, userid)
    blocks = faces.blocks(world.state.templates.get(card.template_id), seen)
    updates = card.updates + card.answers.get(userid, 0)
    return {"message": message, "face": seen, "blocks": blocks, "updates": updates}


def links(message: Message) -> list[tuple[str, str]]:
    """The buttons of an action card: label and address."""
    body = message.body
    pairs = [(body.get("singleTitle"), body.get("singleURL")), (body.get("title"), body.get("messageUrl"))]
    for number in range(1, 6):
        pairs.append((body.get(f"actionTitle{number}"), body.get(f"actionURL{number}")))
        pairs.append((body.get(f"buttonTitle{number}"), body.get(f"buttonUrl{number}")))
    return [(str(label), str(url)) for label, url in pairs if label and url]


def preview(message: Message) -> str:
    """One line for the list of chats."""
    body = message.body
    if message.kind == "notice":
        return t("[工作通知]")
    return str(body.get("lastMessage") or body.get("title") or body.get("content") or f"[{message.kind}]")
