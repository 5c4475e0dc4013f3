"""Control of the simulated DingTalk for tests and scripts: set-up without clicking, and a laboratory's own needs."""

from __future__ import annotations

from dataclasses import asdict, fields

from flask import Blueprint, Response, jsonify, request

from simulator.base import Json, Unknown
from simulator.dingtalk import events, login, presses, setup, tokens
from simulator.dingtalk.context import DingTalk, current_dingtalk
from simulator.dingtalk.reports import app_summary, corp_summary, find_group, find_person, group_summary
from simulator.dingtalk.state import EVERYBODY, ROOT_DEPARTMENT, App, CoolApp, Corp, Department, Limits, Person
from simulator.dingtalk.state import Subscription as Settings

bp = Blueprint("dingtalk_control", __name__, url_prefix="/control/dingtalk")

# --- set-up ----------------------------------------------------------------------------------------------------


@bp.post("/corps")
@bp.patch("/corps")
def save_corp() -> Response:
    """`{"corp_id"?, "name"?, "departments"?: [{"id", "name", "parent_id"?}], "people"?: [{"userid", "name", "mobile"?,
    "email"?, "title"?, "unionid"?, "departments"?}], "remove_people"?}`; an existing corp_id gets them added."""
    world, body = current_dingtalk(), request.get_json(force=True)
    with world.store.lock:
        corp = world.state.corps.get(body.get("corp_id") or "")
        corp = corp or setup.create_corp(world, body.get("name", "示例企业"), body.get("corp_id", ""))
        corp.name = body.get("name", corp.name)
        for each in body.get("departments") or []:
            number = int(each["id"])
            corp.departments[number] = Department(number, each["name"], int(each.get("parent_id") or ROOT_DEPARTMENT))
        for each in body.get("people") or []:
            setup.save_person(world, corp, _person(each))
        for userid in body.get("remove_people") or []:
            setup.remove_person(world, corp, userid)
        return jsonify(corp_summary(world, corp))


@bp.post("/apps")
def create_app() -> Response:
    """An app that is ready and published: robot, cool app and web app, every permission point, seen by everybody.

    `{"corp_id", "name"?, "client_id"?, "client_secret"?, "agent_id"?}` and whatever PATCH takes →
    the summary with `client_secret`.
    """
    world, body = current_dingtalk(), request.get_json(force=True)
    with world.store.lock:
        app = setup.create_app(
            world,
            _corp(world, body),
            body.get("name", "值班告警"),
            client_id=body.get("client_id", ""),
            client_secret=body.get("client_secret", ""),
            agent_id=int(body.get("agent_id") or 0),
        )
        ready = {"permissions": EVERYBODY, "robot": True, "cool_app": True, "visible": EVERYBODY}
        _change(world, app, ready | body)
        return jsonify(app_summary(world, app) | {"client_secret": app.client_secret})


@bp.patch("/apps")
def change_app() -> Response:
    """`{"client_id", "name"?, "client_secret"?, "home_url"?, "pc_home_url"?, "redirect_urls"?, "ip_whitelist"?,
    "permissions"?: [points] or "all", "robot"?, "cool_app"?: true, false or {"code", "pc_url", "mobile_url"},
    "visible"?: [userids] or "all", "published"?: false, "scope"?: [departments], "scope_users"?: [userids],
    "suffix"?: "client_id" or "corp_id", "pascal_case"?, "event_url": null?}`; a changed app is published again
    at once, unless published is false."""
    world, body = current_dingtalk(), request.get_json(force=True)
    with world.store.lock:
        app = _app(world, body)[1]
        _change(world, app, body)
        return jsonify(app_summary(world, app))


@bp.post("/event_url")
def save_event_url() -> Response:
    """Verify and save as the console does: `{"client_id", "url", "aes_key", "token", "tags"?: [types] or "all"}`
    → `{"ok", "reason"}`; without tags those ticked before stay."""
    world, body = current_dingtalk(), request.get_json(force=True)
    _, app = _app(world, body)
    try:
        setup.save_subscription(world, app, Settings(body["url"], body["aes_key"], body["token"]))
    except setup.SetupError as error:
        return jsonify({"ok": False, "reason": str(error)})
    with world.store.lock:
        if "tags" in body:
            setup.tick_events(world, app, list(events.EVENTS) if body["tags"] == EVERYBODY else list(body["tags"]))
    return jsonify({"ok": True, "reason": ""})


@bp.post("/templates")
def save_template() -> Response:
    """A card template: `{"client_id", "template_id"?, "definition"?: the builder's export, "name"?, "published"?}` →
    `{"template_id"}`. Without a definition any variables are taken."""
    world, body = current_dingtalk(), request.get_json(force=True)
    with world.store.lock:
        _, app = _app(world, body)
        template = setup.save_template(
            world,
            app.client_id,
            body.get("name", ""),
            body.get("definition") or {},
            template_id=body.get("template_id", ""),
            published=bool(body.get("published", True)),
        )
    return jsonify({"template_id": template.id})


@bp.post("/group_templates")
def create_group_template() -> Response:
    """A template of scene groups: `{"client_id", "name"?, "enabled"?}` → `{"template_id", "robot_code"}`."""
    world, body = current_dingtalk(), request.get_json(force=True)
    with world.store.lock:
        _, app = _app(world, body)
        template = setup.create_group_template(world, app, str(body.get("name") or ""))
        template.enabled = bool(body.get("enabled", True))
        return jsonify({"template_id": template.id, "robot_code": app.client_id})


# --- groups ----------------------------------------------------------------------------------------------------


@bp.post("/groups")
def create_group() -> Response:
    """`{"corp_id", "title"?, "members"?, "cid"?, "is_internal"?}` → `{"openConversationId", …}`; the first owns it."""
    world, body = current_dingtalk(), request.get_json(force=True)
    with world.store.lock:
        corp = _corp(world, body)
        members = list(body.get("members") or corp.people)
        group = setup.create_group(world, corp, body.get("title", "值班群"), members, cid=body.get("cid", ""))
        group.is_internal = bool(body.get("is_internal", True))
        return jsonify(group_summary(group))


@bp.post("/install")
@bp.post("/uninstall")
def install() -> Response:
    """The cool app into a group, or out of it: `{"client_id", "cid", "operator"?}` → what came of the event."""
    world, body = current_dingtalk(), request.get_json(force=True)
    corp, app = _app(world, body)
    _, group = find_group(world, str(body.get("cid", "")))
    act = setup.install if request.path.endswith("/install") else setup.uninstall
    return jsonify(asdict(act(world, corp, app, group, body.get("operator") or group.owner)))


@bp.post("/rename")
@bp.post("/disband")
def change_group() -> Response:
    """`{"cid", "title", "operator"?}` → what came of the event at each app that is in the group."""
    world, body = current_dingtalk(), request.get_json(force=True)
    corp, group = find_group(world, str(body.get("cid", "")))
    operator = body.get("operator") or group.owner
    if request.path.endswith("/rename"):
        return jsonify([asdict(each) for each in setup.rename(world, corp, group, body.get("title", ""), operator)])
    return jsonify([asdict(each) for each in setup.disband(world, corp, group, operator)])


# --- laboratory ------------------------------------------------------------------------------------------------


@bp.post("/sign_in")
def sign_in() -> Response:
    """`{"client_id", "person", "kind"?: "h5" or "oauth"}` → `{"code"}`, without the checks of page and visible range.

    For oauth the person may be "corp_id/userid" of another company.
    """
    world, body = current_dingtalk(), request.get_json(force=True)
    with world.store.lock:
        corp, app = _app(world, body)
        person = str(body.get("person", ""))
        found, userid = find_person(world, person if "/" in person else f"{corp.corp_id}/{person}")
        kind = body.get("kind", "h5")
        whose = userid if found is corp else f"{found.corp_id}/{userid}"
        return jsonify({"code": login.new_code(world, kind, app, whose, has_corp=True)})


@bp.post("/event")
def send_event() -> Response:
    """Push anything, once: `{"client_id", "event": {…}, "tamper"?, "timestamp"?}`; an event that is complete in itself
    ("eventId" in it) goes as it is, else the envelope is added. tamper: see events.Odd."""
    world, body = current_dingtalk(), request.get_json(force=True)
    corp, app = _app(world, body)
    about = dict(body["event"])
    if "eventId" not in about:
        about = events.envelope(world, corp, app, str(about.pop("EventType", "")), about)
    stamp = body.get("timestamp")
    odd = events.Odd(int(stamp) if stamp else None, str(body.get("tamper") or ""))
    return jsonify(asdict(events.send(world, app, about, odd, tries=len(events.RETRY_SECONDS))))


@bp.post("/card_event")
def send_press() -> Response:
    """Call back about a press, whatever the client shows: `{"message_id", "userid", "params", "timestamp"?: in ms,
    "tamper"?, "corp_id"?}` → `{"http_status", "answer", "problem"}`. See presses.Odd."""
    world, body = current_dingtalk(), request.get_json(force=True)
    stamp = body.get("timestamp")
    odd = presses.Odd(str(body.get("tamper") or ""), int(stamp) if stamp else None, str(body.get("corp_id") or ""))
    told = presses.tell(world, str(body.get("message_id", "")), str(body.get("userid", "")), body["params"], odd)
    return jsonify(asdict(told))


@bp.post("/retry")
def retry() -> Response:
    """Try again now whatever was not taken, due or not → what came of each."""
    return jsonify([asdict(each) for each in events.retry(current_dingtalk(), everything=True)])


@bp.post("/invalidate_token")
def invalidate_token() -> Response:
    """End an app's token early: `{"client_id"}`."""
    world, body = current_dingtalk(), request.get_json(force=True)
    with world.store.lock:
        tokens.withdraw(world, _app(world, body)[1])
    return jsonify({"ok": True})


@bp.post("/limits")
def change_limits() -> Response:
    """Change quotas and modes by name, see state.Limits; answers all of them."""
    world, body = current_dingtalk(), request.get_json(force=True)
    with world.store.lock:
        for each in fields(Limits):
            if each.name in body:
                setattr(world.state.limits, each.name, _like(getattr(world.state.limits, each.name), body[each.name]))
        world.store.touch()
        return jsonify(asdict(world.state.limits))


def _change(world: DingTalk, app: App, body: Json) -> None:
    """Apply what the body names and publish it, without the order that the console demands."""
    app.name = str(body.get("name") or app.name)
    app.client_secret = str(body.get("client_secret") or app.client_secret)
    if "home_url" in body or "pc_home_url" in body:
        home_url, pc_home_url = body.get("home_url", app.home_url), body.get("pc_home_url", app.pc_home_url)
        setup.save_addresses(world, app, home_url or "", pc_home_url or "")
    if "redirect_urls" in body:
        setup.save_redirects(world, app, list(body["redirect_urls"] or []))
    if "ip_whitelist" in body:
        setup.save_addresses_allowed(world, app, list(body["ip_whitelist"] or []))
    if "permissions" in body:
        points = list(setup.POINTS) if body["permissions"] == EVERYBODY else list(body["permissions"])
        setup.set_permissions(world, app, points)
    if "robot" in body:
        setup.save_robot(world, app, app.robot_name or app.name, is_on=bool(body["robot"]))
    _change_cool_app(world, app, body)
    app.scope = [int(number) for number in body.get("scope", app.scope)]
    app.scope_users = [str(userid) for userid in body.get("scope_users", app.scope_users)]
    app.suffix, app.pascal_case = body.get("suffix", app.suffix), bool(body.get("pascal_case", app.pascal_case))
    if "event_url" in body and body["event_url"] is None:
        app.subscription = None
    _publish(world, app, body)


def _change_cool_app(world: DingTalk, app: App, body: Json) -> None:
    given = body.get("cool_app")
    if given is False:
        app.cool_app = None
    elif given is not None:
        known = asdict(app.cool_app) if app.cool_app else {"code": "", "name": app.name}
        setup.save_cool_app(world, app, CoolApp(**known | (given if isinstance(given, dict) else {})))


def _publish(world: DingTalk, app: App, body: Json) -> None:
    if body.get("published") is False:
        app.live = None
        return
    visible = body.get("visible", app.live.visible if app.live else EVERYBODY)
    setup.publish(world, app, setup.next_version(app), parts={"web", "robot", "cool_app"}, visible=visible)


def _like(known: bool | int, given: object) -> bool | int:
    """A value of the same kind as the known one."""
    return bool(given) if isinstance(known, bool) else int(str(given))


def _person(body: Json) -> Person:
    known = {each.name for each in fields(Person)}
    return Person(**{"name": body["userid"]} | {key: value for key, value in body.items() if key in known})


def _corp(world: DingTalk, body: Json) -> Corp:
    corp = world.state.corps.get(str(body.get("corp_id", "")))
    if corp is None:
        raise Unknown(f"no such company: {body.get('corp_id')}")
    return corp


def _app(world: DingTalk, body: Json) -> tuple[Corp, App]:
    found = world.state.app(str(body.get("client_id", "")))
    if found is None:
        raise Unknown(f"no such app: {body.get('client_id')}")
    return found
