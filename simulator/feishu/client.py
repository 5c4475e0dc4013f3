"""The IM client: one person's chats, cards with live buttons, groups and their bots, the workbench."""

from __future__ import annotations

import hashlib

from flask import Blueprint, Response, abort, flash, jsonify, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from simulator.base import CannotPress
from simulator.feishu import groups, presses, richtext
from simulator.feishu.cardviews import CardView
from simulator.feishu.context import Feishu, current_feishu
from simulator.feishu.setup import SetupError
from simulator.feishu.state import App, Chat, Message, Person, Tenant
from simulator.i18n import language, t
from simulator.webview import open_url

bp = Blueprint("feishu_client", __name__, url_prefix="/feishu/client")

SHOWN_MESSAGES = 60
HOME = "/<tenant_key>/<user_id>"
PRESS_PROBLEMS = {"this button cannot be pressed": "这个按钮已不能点击"}


@bp.get("/")
def people() -> str:
    feishu = current_feishu()
    with feishu.store.lock:
        return render_template("feishu/people.html", tenants=list(feishu.state.tenants.values()))


@bp.get(f"{HOME}/")
def chats(tenant_key: str, user_id: str) -> str:
    """消息: the chats and one conversation."""
    feishu = current_feishu()
    with feishu.store.lock:
        return render_template("feishu/chats.html", **_view(feishu, *_person(feishu, tenant_key, user_id)))


@bp.get(f"{HOME}/live")
def live(tenant_key: str, user_id: str) -> Response:
    """The changing part of the page; 304 while nothing changed."""
    feishu = current_feishu()
    with feishu.store.lock:
        html = render_template("feishu/_live.html", **_view(feishu, *_person(feishu, tenant_key, user_id)))
    response = Response(html)
    response.set_etag(hashlib.sha256(html.encode()).hexdigest()[:20])
    response.cache_control.no_cache = True
    return response.make_conditional(request)  # type: ignore[return-value]


@bp.get(f"{HOME}/workbench")
def workbench(tenant_key: str, user_id: str) -> str:
    """工作台: released web apps inside whose availability range the person is."""
    feishu = current_feishu()
    with feishu.store.lock:
        tenant, person = _person(feishu, tenant_key, user_id)
        apps = [app for app in feishu.state.apps_of(tenant_key) if _is_usable(app, person)]
        return render_template("feishu/workbench.html", apps=apps, **_common(feishu, tenant, person))


@bp.post(f"{HOME}/press")
def press(tenant_key: str, user_id: str) -> Response | BaseResponse:
    """Press a button of a card; the page comes back with the toast, or with the client's error."""
    feishu, form = current_feishu(), request.form
    with feishu.store.lock:
        _person(feishu, tenant_key, user_id)
    typed = {name[6:]: form.get(name, "") for name in form if name.startswith("input:")}
    try:
        result = presses.press(feishu, form.get("message_id", ""), user_id, form.get("key", ""), typed)
        problem, toast = result.problem, _toast(result.toast)
    except CannotPress as error:
        problem, toast = t(PRESS_PROBLEMS.get(str(error), str(error))), None
    if request.headers.get("X-Requested-With") == "fetch":
        return jsonify({"problem": problem, "toast": toast})
    if problem or toast:
        flash(problem or toast["content"], "error" if problem else f"toast {toast['type']}")  # type: ignore[index]
    return _to_chat(tenant_key, user_id, form.get("chat", ""))


@bp.post(f"{HOME}/groups")
def create_group(tenant_key: str, user_id: str) -> Response | BaseResponse:
    """创建群组."""
    feishu, form = current_feishu(), request.form
    try:
        with feishu.store.lock:
            tenant, person = _person(feishu, tenant_key, user_id)
            members = list(dict.fromkeys([person.user_id, *form.getlist("people")]))
            chat = groups.create(feishu, tenant, form.get("name", ""), members)
    except SetupError as error:
        flash(str(error), "error")
        return _to_chat(tenant_key, user_id, "")
    flash(t("群组已创建"))
    return _to_group(tenant_key, user_id, chat.chat_id)


@bp.get(f"{HOME}/groups/<chat_id>")
def group(tenant_key: str, user_id: str, chat_id: str) -> str:
    """群设置: members, 群机器人, the name, disbanding."""
    feishu = current_feishu()
    with feishu.store.lock:
        tenant, person, chat = _group(feishu, tenant_key, user_id, chat_id)
        shown = {
            "chat": chat,
            "members": [tenant.people[member] for member in chat.people],
            "bots": [feishu.state.apps[bot] for bot in chat.bots if bot in feishu.state.apps],
            "addable": groups.bots_to_add(feishu, chat),
        }
        return render_template("feishu/group.html", **shown, **_common(feishu, tenant, person))


@bp.post(f"{HOME}/groups/<chat_id>")
def group_action(tenant_key: str, user_id: str, chat_id: str) -> Response | BaseResponse:
    """The buttons of the group's settings, by the name of what they do."""
    feishu, form = current_feishu(), request.form
    with feishu.store.lock:
        _, person, chat = _group(feishu, tenant_key, user_id, chat_id)
        app = feishu.state.apps.get(form.get("app_id", ""))
    action, by = form.get("action", ""), person.user_id
    try:
        if action == "add_bot" and app:
            groups.add_bot(feishu, chat, app, by)
            flash(t("机器人已添加"))
        elif action == "remove_bot" and app:
            groups.remove_bot(feishu, chat, app, by)
            flash(t("机器人已移出"))
        elif action == "rename":
            groups.rename(feishu, chat, form.get("name", ""), by)
            flash(t("群名称已修改"))
        elif action == "disband":
            groups.disband(feishu, chat, by, keeps_history=bool(form.get("keeps_history")))
            flash(t("群组已解散"))
            return _to_chat(tenant_key, user_id, "")
    except SetupError as error:
        flash(t(str(error)), "error")
    return _to_group(tenant_key, user_id, chat_id)


def _person(feishu: Feishu, tenant_key: str, user_id: str) -> tuple[Tenant, Person]:
    tenant = feishu.state.tenants.get(tenant_key)
    person = tenant.people.get(user_id) if tenant else None
    if tenant is None or person is None:
        abort(404, "没有这个成员")
    return tenant, person


def _group(feishu: Feishu, tenant_key: str, user_id: str, chat_id: str) -> tuple[Tenant, Person, Chat]:
    tenant, person = _person(feishu, tenant_key, user_id)
    chat = feishu.state.chats.get(chat_id)
    if chat is None or chat.is_p2p or user_id not in chat.people:
        abort(404, "没有这个群")
    return tenant, person, chat


def _to_chat(tenant_key: str, user_id: str, chat_id: str) -> BaseResponse:
    return redirect(url_for(".chats", tenant_key=tenant_key, user_id=user_id, chat=chat_id or None), code=303)


def _to_group(tenant_key: str, user_id: str, chat_id: str) -> BaseResponse:
    return redirect(url_for(".group", tenant_key=tenant_key, user_id=user_id, chat_id=chat_id), code=303)


def _is_usable(app: App, person: Person) -> bool:
    return app.enabled and app.online is not None and app.online.web_app and app.is_for(person)


def _toast(toast: dict[str, object] | None) -> dict[str, str] | None:
    """Kind and text of a toast in the reader's language, None where there is nothing to read."""
    i18n = (toast or {}).get("i18n")
    named = i18n.get("zh_cn" if language() == "zh" else "en_us") if isinstance(i18n, dict) else None
    text = str(named or (toast or {}).get("content") or "")
    return {"type": str((toast or {}).get("type") or "info"), "content": text} if text else None


def _common(feishu: Feishu, tenant: Tenant, person: Person) -> dict[str, object]:
    label = feishu.state.label_of(tenant.tenant_key, person.user_id)
    return {"tenant": tenant, "person": person, "inside": lambda url: open_url(label, url), "richtext": richtext}


def _view(feishu: Feishu, tenant: Tenant, person: Person) -> dict[str, object]:
    """What the page of chats shows: every chat with its newest message, and the chosen conversation."""
    found = [chat for chat in feishu.state.chats_of(tenant.tenant_key, person.user_id) if not chat.is_dissolved]
    threads = {chat.chat_id: list(feishu.state.thread(chat.chat_id)) for chat in found}
    newest = {chat_id: thread[-1] for chat_id, thread in threads.items() if thread}
    found.sort(key=lambda c: newest[c.chat_id].at if c.chat_id in newest else c.created_at, reverse=True)
    wanted = request.args.get("chat", "")
    chosen = next((chat for chat in found if chat.chat_id == wanted), found[0] if found else None)
    shown = threads[chosen.chat_id][-SHOWN_MESSAGES:] if chosen else []
    apps = {app.app_id: app for app in feishu.state.apps_of(tenant.tenant_key)}
    common = _common(feishu, tenant, person)
    return common | {
        "chats": [(chat, _title(chat, apps), newest.get(chat.chat_id)) for chat in found],
        "chosen": chosen,
        "chosen_title": _title(chosen, apps) if chosen else "",
        "is_chosen": bool(wanted),
        "apps": apps,
        "messages": [_shown(message, person, tenant, apps, common["inside"]) for message in shown],
        "preview": lambda message: preview(message, person.user_id),
        "brand": "Lark" if tenant.brand == "lark" else "飞书",
    }


def _title(chat: Chat, apps: dict[str, App]) -> str:
    if not chat.is_p2p:
        return chat.name
    return apps[chat.bots[0]].name if chat.bots and chat.bots[0] in apps else t("已停用的应用")


def _shown(message: Message, person: Person, tenant: Tenant, apps: dict[str, App], inside: object) -> dict[str, object]:
    """A message as one person sees it: the card as components to draw, or the text."""
    app = apps.get(message.app_id)
    names = {app.open_id(who.user_id): who.name for who in tenant.people.values()} if app else {}
    names |= {who.user_id: who.name for who in tenant.people.values()}
    content = message.seen_by(person.user_id)
    view = CardView(content, names, inside) if message.kind == "interactive" else None  # type: ignore[arg-type]
    return {"message": message, "app": app, "content": content, "card": view, "names": names}


def preview(message: Message, user_id: str) -> str:
    """One line for the list of chats."""
    content = message.seen_by(user_id)
    if message.kind == "interactive":
        summary = ((content.get("config") or {}).get("summary") or {}).get("content")
        title = ((content.get("header") or {}).get("title") or {}).get("content")
        return str(summary or title or f"[{t('卡片')}]")
    if message.kind in ("text", "system"):
        return str(content.get("text", ""))
    return f"[{message.kind}]"
