"""What an administrator or developer does: tenants, people, apps and their settings, versions, groups."""

from __future__ import annotations

import ipaddress
import re
import secrets
from urllib.parse import urlsplit

from simulator.base import ControlError
from simulator.feishu import pushes
from simulator.feishu.context import Feishu
from simulator.feishu.oauth import without_query
from simulator.feishu.state import App, Features, Person, Tenant, Version, new_id
from simulator.feishu.tokens import APP_ID
from simulator.ids import random_text

USER_ID = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")
VERSION = re.compile(r"^\d{1,4}\.\d{1,4}\.\d{1,4}$")
KEY = re.compile(r"^[!-~]{0,32}$")
MAX_REDIRECTS = 300
MAX_HOME = 512
BRANDS = ("feishu", "lark")


class SetupError(ControlError):
    """A refusal of the console, in the administrator's words."""


# --- tenants and people ----------------------------------------------------------------------------------------------


def create_tenant(feishu: Feishu, name: str, tenant_key: str = "", brand: str = "feishu") -> Tenant:
    tenant_key = tenant_key or secrets.token_hex(8)
    if tenant_key in feishu.state.tenants:
        raise SetupError(f"企业 {tenant_key} 已存在")
    if not name.strip():
        raise SetupError("请填写企业名称")
    if brand not in BRANDS:
        raise SetupError("品牌应为 feishu 或 lark")
    feishu.state.tenants[tenant_key] = Tenant(tenant_key, name.strip(), brand)
    feishu.store.touch()
    return feishu.state.tenants[tenant_key]


def save_person(feishu: Feishu, tenant: Tenant, person: Person) -> None:
    if not USER_ID.match(person.user_id):
        raise SetupError("用户 ID 只能由字母、数字和 _- 组成，不超过 64 个字符")
    if not person.name.strip():
        raise SetupError("请填写姓名")
    tenant.people[person.user_id] = person
    feishu.state.label_of(tenant.tenant_key, person.user_id)
    feishu.store.touch()


def resign(feishu: Feishu, tenant: Tenant, user_id: str) -> list[pushes.Delivery]:
    """The person leaves the organisation: out of every group, and the apps are told. The lock is not held."""
    with feishu.store.lock:
        person = tenant.people.get(user_id)
        if person is None or person.is_resigned:
            return []
        person.is_resigned = True
        for chat in feishu.state.chats_of(tenant.tenant_key, user_id):
            if not chat.is_p2p:
                chat.people.remove(user_id)
        apps = feishu.state.apps_of(tenant.tenant_key)
        feishu.store.touch()
    sent = []
    for app in apps:
        who = {"open_id": app.open_id(user_id), "union_id": tenant.union_id(user_id), "name": person.name}
        event = {"object": who, "old_object": {"department_ids": [], "open_id": who["open_id"]}}
        sent.append(pushes.emit(feishu, app, "contact.user.deleted_v3", event))
    return [delivery for delivery in sent if delivery]


# --- an app's settings -----------------------------------------------------------------------------------------------


def create_app(
    feishu: Feishu, tenant: Tenant, name: str, *, description: str = "", app_id: str = "", secret: str = ""
) -> App:
    """创建企业自建应用: nothing works before a version is released."""
    if not name.strip():
        raise SetupError("请填写应用名称")
    app_id = app_id or f"cli_{secrets.token_hex(8)}"
    if not APP_ID.match(app_id) or app_id in feishu.state.apps:
        raise SetupError(f"App ID {app_id} 不可用")
    app = App(app_id, tenant.tenant_key, name.strip(), secret or random_text(32), feishu.now, description.strip())
    feishu.state.apps[app_id] = app
    feishu.store.touch()
    return app


def remove_app(feishu: Feishu, app: App) -> None:
    del feishu.state.apps[app.app_id]
    for chat in feishu.state.chats.values():
        chat.bots = [bot for bot in chat.bots if bot != app.app_id]
    feishu.store.touch()


def new_secret(feishu: Feishu, app: App) -> None:
    """重置: tokens that were issued go on working."""
    app.secret = random_text(32)
    feishu.store.touch()


def save_encryption(feishu: Feishu, app: App, encrypt_key: str) -> None:
    """加密策略 → Encrypt Key; empty switches encryption off. It counts at once."""
    if not KEY.match(encrypt_key):
        raise SetupError("Encrypt Key 不超过 32 个字符")
    app.encrypt_key = encrypt_key
    feishu.store.touch()


def new_verification_token(feishu: Feishu, app: App) -> None:
    app.verification_token = random_text(32)
    feishu.store.touch()


def save_event_url(feishu: Feishu, app: App, url: str) -> None:
    """事件配置 → 请求地址: the check comes first; it counts at once. The lock is not held. Raises SetupError."""
    _check_url(feishu, app, url)
    with feishu.store.lock:
        app.event_url = url.strip()
        feishu.store.touch()


def save_card_url(feishu: Feishu, app: App, url: str) -> None:
    """回调配置 → 请求地址: the check comes first; it counts from the next version on. The lock is not held."""
    _check_url(feishu, app, url)
    with feishu.store.lock:
        _open_draft(app).card_url = url.strip()
        feishu.store.touch()


def save_historic_url(feishu: Feishu, app: App, url: str) -> None:
    """机器人 → 消息卡片请求网址 of the old console; empty removes it. The lock is not held."""
    if url.strip():
        _check_url(feishu, app, url)
    with feishu.store.lock:
        _open_draft(app).historic_card_url = url.strip()
        feishu.store.touch()


def save_homes(feishu: Feishu, app: App, desktop_url: str, mobile_url: str) -> None:
    """网页应用 → 桌面端主页 and 移动端主页."""
    for url in (desktop_url, mobile_url):
        if url and (urlsplit(url).scheme not in ("http", "https") or len(url) > MAX_HOME):
            raise SetupError("请填写有效的 HTTP/HTTPS URL")
    draft = _open_draft(app)
    draft.desktop_url, draft.mobile_url = desktop_url.strip(), mobile_url.strip()
    feishu.store.touch()


def add_redirect(feishu: Feishu, app: App, url: str) -> None:
    """安全设置 → 重定向 URL: counts at once; what follows `?` or `#` does not count."""
    url = without_query(url.strip())
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.netloc or "*" in url:
        raise SetupError("请填写有效的 HTTP/HTTPS URL，不支持通配符")
    if url not in app.redirect_urls:
        app.redirect_urls.append(url)
    if len(app.redirect_urls) > MAX_REDIRECTS:
        app.redirect_urls.pop()
        raise SetupError(f"最多可添加 {MAX_REDIRECTS} 个重定向 URL")
    feishu.store.touch()


def remove_redirect(feishu: Feishu, app: App, url: str) -> None:
    app.redirect_urls = [known for known in app.redirect_urls if known != url]
    feishu.store.touch()


def save_ips(feishu: Feishu, app: App, addresses: list[str]) -> None:
    """安全设置 → IP 白名单: single public IPv4 addresses, counts at once; empty lets everybody in."""
    for address in addresses:
        try:
            ipaddress.IPv4Address(address)
        except ValueError as error:
            raise SetupError(f"IP 格式不正确：{address}（只支持单个 IPv4 地址）") from error
    app.allowed_ips = list(dict.fromkeys(addresses))
    feishu.store.touch()


def change_draft(feishu: Feishu, app: App, **values: object) -> None:
    """Abilities, events, callbacks, permissions, availability: from the next version on."""
    draft = _open_draft(app)
    for name, value in values.items():
        setattr(draft, name, value)
    feishu.store.touch()


# --- versions --------------------------------------------------------------------------------------------------------


def next_version(app: App) -> str:
    numbers = [[int(part) for part in version.number.split(".")] for version in app.versions]
    if not numbers:
        return "1.0.0"
    major, minor, patch = max(numbers)
    return f"{major}.{minor}.{patch + 1}"


def submit(feishu: Feishu, app: App, number: str = "", notes: str = "") -> Version:
    """创建版本 → 申请线上发布. It counts when the tenant's administrator approves it."""
    number = number.strip() or next_version(app)
    if not VERSION.match(number):
        raise SetupError("版本号格式应为 X.Y.Z")
    if app.versions and _parts(number) <= max(_parts(version.number) for version in app.versions):
        raise SetupError("版本号应大于已有版本")
    draft = _open_draft(app)
    if not (draft.bot or draft.web_app):
        raise SetupError("请先添加应用能力")
    if not (draft.is_for_all or draft.users):
        raise SetupError("请选择可用范围")
    version = Version(new_id("oav"), number, "reviewing", draft.copy(), notes.strip(), feishu.now)
    app.versions.append(version)
    if feishu.state.tenant_of(app).approves_at_once:
        decide(feishu, app, is_approved=True)
    feishu.store.touch()
    return version


def decide(feishu: Feishu, app: App, *, is_approved: bool) -> None:
    """管理后台 → 应用审核."""
    version = app.reviewed
    if version is None:
        raise SetupError("没有待审核的版本")
    version.status, version.decided_at = ("approved" if is_approved else "rejected"), feishu.now
    if is_approved:
        app.online = version.features.copy()
    feishu.store.touch()


def withdraw(feishu: Feishu, app: App) -> None:
    """撤回: the version goes back to the developer."""
    if app.reviewed:
        app.reviewed.status = "withdrawn"
        feishu.store.touch()


def has_changes(app: App) -> bool:
    """Does the console show something that no version has brought yet?"""
    return app.online is None or app.draft != app.online


def _parts(number: str) -> list[int]:
    return [int(part) for part in number.split(".")]


def _open_draft(app: App) -> Features:
    """The configuration that may be edited: not while a version is in review."""
    if app.reviewed:
        raise SetupError("版本审核中，暂不能修改配置")
    return app.draft


def _check_url(feishu: Feishu, app: App, url: str) -> None:
    problem = pushes.check_url(feishu, app, url.strip())
    if problem:
        raise SetupError(problem)
