"""What an administrator does: company, people, groups, an app's settings and versions, with the console's refusals."""

from __future__ import annotations

import re
import uuid
from typing import Any
from urllib.parse import urlsplit

from simulator.base import ControlError
from simulator.dingtalk import events, faces
from simulator.dingtalk.context import DingTalk
from simulator.dingtalk.state import (
    EVERYBODY,
    ROOT_DEPARTMENT,
    App,
    CoolApp,
    Corp,
    Department,
    Group,
    GroupTemplate,
    Person,
    Subscription,
    Template,
    Version,
    awkward_id,
)
from simulator.ids import HEX, random_text

LOWER = "abcdefghijklmnopqrstuvwxyz0123456789"
USERID = re.compile(r"^[^\s/]{1,64}$")
ADDRESS = re.compile(r"^[0-9a-fA-F:.*]{2,45}$")
VERSION = re.compile(r"^([1-9]\d?)\.(\d{1,2})\.(\d{1,2})$")
MAX_ADDRESSES = 50
POINTS = {
    "qyapi_base": "调用企业API时需要具备的基本权限",
    "open_app_api_base": "获取钉钉开放接口用户访问凭证的基础权限",
    "qyapi_robot_sendmsg": "企业内机器人发送消息权限",
    "qyapi_chat_manage": "钉钉群基础信息管理权限",
    "qyapi_chat_read": "企业会话读权限",
    "qyapi_chat_base_read": "企业会话基础信息读权限",
    "Card.Instance.Write": "互动卡片实例写权限",
    "qyapi_get_member": "成员信息读权限",
    "qyapi_get_department_list": "通讯录部门信息读权限",
    "qyapi_get_department_member": "通讯录部门成员读权限",
    "qyapi_get_member_by_mobile": "根据手机号获取成员基本信息权限",
    "Contact.User.Read": "通讯录个人信息读权限",
    "Contact.User.mobile": "个人手机号信息",
    "fieldMobile": "企业员工手机号信息",
    "fieldEmail": "邮箱等个人信息",
}
GRANTED = ("qyapi_base", "open_app_api_base")


class SetupError(ControlError):
    """A refusal of the console, in the administrator's words."""


def create_corp(world: DingTalk, name: str, corp_id: str = "") -> Corp:
    """A company with its root department. corp_id is made up when empty: ding and 32 hex digits."""
    corp_id = corp_id or "ding" + random_text(32, HEX)
    if corp_id in world.state.corps:
        raise SetupError(f"CorpId {corp_id} 已存在")
    if not name.strip():
        raise SetupError("请填写企业名称")
    corp = Corp(corp_id, name.strip(), world.now)
    corp.departments[ROOT_DEPARTMENT] = Department(ROOT_DEPARTMENT, corp.name)
    world.state.corps[corp_id] = corp
    world.store.touch()
    return corp


def save_person(world: DingTalk, corp: Corp, person: Person) -> None:
    if not USERID.match(person.userid):
        raise SetupError("userId 为 1 到 64 个字符，不能有空格和 /")
    if not person.name.strip():
        raise SetupError("请填写姓名")
    if any(number not in corp.departments for number in person.departments):
        raise SetupError("请选择部门")
    known = corp.people.get(person.userid)
    person.unionid = person.unionid or (known.unionid if known else awkward_id())
    corp.people[person.userid] = person
    world.state.label_of(corp.corp_id, person.userid)
    world.store.touch()


def remove_person(world: DingTalk, corp: Corp, userid: str) -> None:
    corp.people.pop(userid, None)
    for group in corp.groups.values():
        group.members = [member for member in group.members if member != userid]
    world.store.touch()


def create_app(
    world: DingTalk, corp: Corp, name: str, *, client_id: str = "", client_secret: str = "", agent_id: int = 0
) -> App:
    """An internal app that nobody sees yet: its first version is not published."""
    if len(name.strip()) < 2:
        raise SetupError("应用名称至少 2 个字符")
    client_id = client_id or "ding" + random_text(16, LOWER)
    if world.state.app(client_id):
        raise SetupError(f"Client ID {client_id} 已存在")
    agent_id = agent_id or 3_000_000_001 + sum(len(each.apps) for each in world.state.corps.values())
    secret = client_secret or random_text(62) + "-_"
    app = App(client_id, secret, agent_id, corp.corp_id, name.strip(), world.now)
    corp.apps[client_id] = app
    world.store.touch()
    return app


def save_addresses(world: DingTalk, app: App, home_url: str, pc_home_url: str) -> None:
    """应用能力 > 网页应用."""
    for url in (home_url, pc_home_url):
        _check_url(url)
    app.home_url, app.pc_home_url = home_url.strip(), pc_home_url.strip()
    world.store.touch()


def save_redirects(world: DingTalk, app: App, urls: list[str]) -> None:
    for url in urls:
        _check_url(url)
    app.redirect_urls = [url.strip() for url in urls if url.strip()]
    world.store.touch()


def save_addresses_allowed(world: DingTalk, app: App, entries: list[str]) -> None:
    """开发配置 > 安全设置 > 服务器出口IP."""
    entries = [entry.strip() for entry in entries if entry.strip()]
    if len(entries) > MAX_ADDRESSES:
        raise SetupError("服务器出口IP最多 50 个")
    if any(not ADDRESS.match(entry) or entry.count("*") > 1 for entry in entries):
        raise SetupError("服务器出口IP格式不正确，每个 IP 最多使用一个通配符 *")
    app.ip_whitelist = entries
    world.store.touch()


def save_robot(world: DingTalk, app: App, name: str, *, is_on: bool) -> None:
    if is_on and not name.strip():
        raise SetupError("请填写机器人名称")
    app.robot, app.robot_name = is_on, name.strip()
    world.store.touch()


def save_cool_app(world: DingTalk, app: App, given: CoolApp) -> CoolApp:
    """酷应用 > 扩展到群会话. A code is made up when empty; what is installed stays installed."""
    if not given.name.strip():
        raise SetupError("请填写酷应用名称")
    for url in (given.pc_url, given.mobile_url):
        _check_url(url)
    given.code = given.code or (app.cool_app_code or "COOLAPP-1-" + random_text(24, "0123456789ABCDEF"))
    app.cool_app = given
    world.store.touch()
    return given


def set_permissions(world: DingTalk, app: App, points: list[str]) -> None:
    """权限管理; effective at once."""
    unknown = set(points) - set(POINTS)
    if unknown:
        raise SetupError(f"没有这样的权限点：{'、'.join(sorted(unknown))}")
    app.permissions = [point for point in POINTS if point in points or point in GRANTED]
    world.store.touch()


def save_subscription(world: DingTalk, app: App, settings: Subscription) -> None:
    """事件订阅: kept only after the address answered check_url. Raises SetupError. The lock is not held."""
    parts = urlsplit(settings.url)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise SetupError("请求网址应以 http:// 或 https:// 开头")
    if not re.fullmatch(r"[A-Za-z0-9]{43}", settings.aes_key):
        raise SetupError("加密 aes_key 应为 43 位英文或数字")
    if not re.fullmatch(r"[A-Za-z0-9]{3,32}", settings.token):
        raise SetupError("签名 token 应为 3 到 32 位英文或数字")
    problem = events.check_url(world, app, settings)
    if problem:
        raise SetupError(problem)
    with world.store.lock:
        settings.tags = app.subscription.tags if app.subscription else []
        settings.verified_at = world.now
        app.subscription = settings
        world.store.touch()


def tick_events(world: DingTalk, app: App, tags: list[str]) -> None:
    if app.subscription is None:
        raise SetupError("请先保存请求网址")
    app.subscription.tags = [tag for tag in events.EVENTS if tag in tags]
    world.store.touch()


def publish(world: DingTalk, app: App, number: str, *, parts: set[str], visible: str | list[str]) -> Version:
    """应用发布: a version with the ticked parts "web", "robot", "cool_app". What is not ticked goes offline."""
    match = VERSION.match(number.strip())
    if not match:
        raise SetupError("版本号应为 x.y.z，每段不超过 99，最小 1.0.0")
    if app.live and _numbers(number) <= _numbers(app.live.number):
        raise SetupError(f"版本号应大于 {app.live.number}")
    version = Version(
        number.strip(),
        web="web" in parts and bool(app.home_url or app.pc_home_url),
        robot="robot" in parts and app.robot,
        cool_app="cool_app" in parts and app.cool_app is not None,
        visible=visible if visible == EVERYBODY else list(visible),
        home_url=app.home_url,
        pc_home_url=app.pc_home_url,
        at=world.now,
    )
    app.live = version
    if app.cool_app:
        app.cool_app.published = app.cool_app.published or version.cool_app
    world.store.touch()
    return version


def next_version(app: App) -> str:
    if app.live is None:
        return "1.0.0"
    major, minor, last = _numbers(app.live.number)
    if last < 99:
        return f"{major}.{minor}.{last + 1}"
    return f"{major}.{minor + 1}.0" if minor < 99 else f"{major + 1}.0.0"


def create_group(world: DingTalk, corp: Corp, title: str, members: list[str], *, cid: str = "") -> Group:
    """A group chat; its first member owns it."""
    if not title.strip() or not members:
        raise SetupError("请填写群名称并选择成员")
    unknown = [member for member in members if member not in corp.people]
    if unknown:
        raise SetupError(f"没有这些成员：{'、'.join(unknown)}")
    group = Group(cid or awkward_id("cid"), "chat" + random_text(32, HEX), title.strip(), members[0], list(members))
    corp.groups[group.cid] = group
    world.store.touch()
    return group


def create_group_template(world: DingTalk, app: App, name: str) -> GroupTemplate:
    """开放能力 › 场景群 › 群模板: a template of this app with its robot, enabled."""
    if not app.has_robot:
        raise SetupError("请先发布包含机器人的版本，再在群模板中添加机器人")
    template = GroupTemplate(random_text(32, HEX), app.client_id, name.strip() or "作战室")
    world.state.group_templates[template.id] = template
    world.store.touch()
    return template


def install(world: DingTalk, corp: Corp, app: App, group: Group, operator: str) -> events.Delivery:
    """群 > 酷应用 > 启用: quick entry and robot come into the group. The lock is not held."""
    with world.store.lock:
        if app.cool_app is None or not app.cool_app.published:
            raise SetupError("酷应用还没有发布")
        if group.disbanded or not group.is_internal:
            raise SetupError("只能安装到内部群")
        if app.client_id not in group.installed:
            group.installed.append(app.client_id)
        world.store.touch()
        about = events.cool_app_event(group, corp, app, world.now, operator)
    return events.push(world, corp, app, "im_cool_app_install", about)


def uninstall(world: DingTalk, corp: Corp, app: App, group: Group, operator: str) -> events.Delivery:
    with world.store.lock:
        if app.client_id not in group.installed:
            raise SetupError("群内没有安装这个酷应用")
        group.installed.remove(app.client_id)
        world.store.touch()
        about = events.cool_app_event(group, corp, app, world.now, operator)
    return events.push(world, corp, app, "im_cool_app_uninstall", about)


def rename(world: DingTalk, corp: Corp, group: Group, title: str, operator: str) -> list[events.Delivery]:
    """Every app whose cool app is in the group hears of it."""
    with world.store.lock:
        if not title.strip():
            raise SetupError("请填写群名称")
        group.title = title.strip()
        about = events.group_event(group, corp, world.now, operator) | {"title": group.title}
        apps = _installed(corp, group)
        world.store.touch()
    return [events.push(world, corp, app, "chat_update_title", about) for app in apps]


def disband(world: DingTalk, corp: Corp, group: Group, operator: str) -> list[events.Delivery]:
    with world.store.lock:
        group.disbanded = True
        about = events.group_event(group, corp, world.now, operator)
        apps = _installed(corp, group)
        world.store.touch()
    return [events.push(world, corp, app, "chat_disband", about) for app in apps]


def save_template(
    world: DingTalk,
    client_id: str,
    name: str,
    definition: dict[str, Any],
    *,
    template_id: str = "",
    published: bool = True,
) -> Template:
    """卡片平台 > 导入: every company gets an id of its own. A definition must be a builder's export."""
    if definition:
        try:
            faces.variables(definition)
        except (ValueError, KeyError, TypeError) as error:
            raise SetupError("模板文件不是卡片平台导出的 JSON") from error
    identifier = template_id or f"{uuid.uuid4()}.schema"
    template = Template(identifier, client_id, name.strip() or "消息卡片", definition, published)
    world.state.templates[identifier] = template
    world.store.touch()
    return template


def _installed(corp: Corp, group: Group) -> list[App]:
    return [app for app in corp.apps.values() if app.client_id in group.installed]


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.strip().split("."))


def _check_url(url: str) -> None:
    if url.strip() and not url.strip().startswith(("http://", "https://")):
        raise SetupError("地址应以 http:// 或 https:// 开头")
