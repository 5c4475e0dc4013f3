"""What an administrator does in the console: corps, people, apps and their settings, with the console's refusals."""

from __future__ import annotations

import ipaddress
import re
import secrets
from collections.abc import Iterable
from urllib.parse import urlsplit

from simulator import outbound, recording
from simulator.base import ControlError
from simulator.ids import random_text
from simulator.wecom import callbacks
from simulator.wecom.context import PLATFORM, WeCom
from simulator.wecom.state import (
    CONTACT_SYNC,
    FIRST_AGENT_ID,
    ROOT_DEPARTMENT,
    USERID,
    App,
    Callback,
    Corp,
    Department,
    Person,
    TrustedIp,
)

DOMAIN = re.compile(r"^(localhost|([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z][a-z0-9-]*)(:[0-9]{1,5})?$")
FETCH_SECONDS = 5.0
MONTH_SECONDS = 30 * 86400
MAX_TRUSTED_IPS = 120


class SetupError(ControlError):
    """A refusal of the console, in the administrator's words."""


def create_corp(wecom: WeCom, name: str, corp_id: str = "") -> Corp:
    """A corp with its root department. corp_id is made up when empty: ww and 16 hex digits."""
    corp_id = corp_id or "ww" + secrets.token_hex(8)
    if corp_id in wecom.state.corps:
        raise SetupError(f"企业ID {corp_id} 已存在")
    if not name.strip():
        raise SetupError("请填写企业名称")
    corp = Corp(corp_id, name.strip(), wecom.store.now())
    corp.departments[ROOT_DEPARTMENT] = Department(ROOT_DEPARTMENT, corp.name)
    corp.apps[CONTACT_SYNC] = App(
        CONTACT_SYNC, "通讯录同步助手", random_text(43), wecom.store.now(), visible_departments=[ROOT_DEPARTMENT]
    )
    wecom.state.corps[corp_id] = corp
    wecom.store.touch()
    return corp


def save_person(wecom: WeCom, corp: Corp, person: Person) -> None:
    """Add a member or change one; the userid is 1 to 64 of letters, digits and _.@- and ignores case."""
    if not USERID.match(person.userid):
        raise SetupError("账号只能由字母、数字和 _-@. 组成，以字母或数字开头，不超过 64 个字符")
    if not person.name.strip():
        raise SetupError("请填写姓名")
    if not person.departments or any(number not in corp.departments for number in person.departments):
        raise SetupError("请选择部门")
    known = corp.person(person.userid)
    if known is not None:
        person.userid = known.userid
    corp.people[person.userid.lower()] = person
    wecom.state.label_of(corp.corp_id, person.userid)
    wecom.store.touch()


def remove_person(wecom: WeCom, corp: Corp, userid: str) -> None:
    corp.people.pop(userid.lower(), None)
    for app in corp.apps.values():
        app.visible_users = [user for user in app.visible_users if user.lower() != userid.lower()]
    wecom.store.touch()


def add_department(
    wecom: WeCom, corp: Corp, name: str, parent_id: int = ROOT_DEPARTMENT, number: int = 0
) -> Department:
    """A department under another one; its number is the next free one when 0."""
    if not name.strip():
        raise SetupError("请填写部门名称")
    if parent_id not in corp.departments:
        raise SetupError("上级部门不存在")
    number = number or max(corp.departments) + 1
    corp.departments[number] = Department(number, name.strip(), parent_id, order=len(corp.departments))
    wecom.store.touch()
    return corp.departments[number]


def remove_department(wecom: WeCom, corp: Corp, number: int) -> None:
    if number == ROOT_DEPARTMENT:
        raise SetupError("根部门不能删除")
    used = any(number in person.departments for person in corp.people.values())
    if used or any(child.parent_id == number for child in corp.departments.values()):
        raise SetupError("部门下还有成员或子部门，不能删除")
    corp.departments.pop(number, None)
    wecom.store.touch()


def create_app(wecom: WeCom, corp: Corp, name: str, agent_id: int = 0, secret: str = "") -> App:
    """A self-built app without a visible range yet; its secret has 43 characters."""
    if not name.strip():
        raise SetupError("请填写应用名称")
    agent_id = agent_id or max([FIRST_AGENT_ID - 1, *corp.apps]) + 1
    if agent_id in corp.apps:
        raise SetupError(f"AgentId {agent_id} 已存在")
    app = App(agent_id, name.strip(), secret or random_text(43), wecom.store.now())
    corp.apps[agent_id] = app
    wecom.store.touch()
    return app


def remove_app(wecom: WeCom, corp: Corp, app: App) -> None:
    corp.apps.pop(app.agent_id, None)
    wecom.store.touch()


def set_visible(wecom: WeCom, corp: Corp, app: App, userids: Iterable[str], department_ids: Iterable[int]) -> None:
    """可见范围: members and departments; the root department is everybody."""
    people = [corp.person(userid) for userid in userids]
    if None in people:
        raise SetupError("可见范围中有不存在的成员")
    departments = [number for number in department_ids if number in corp.departments]
    if not people and not departments:
        raise SetupError("请选择可见范围")
    app.visible_users = [person.userid for person in people if person]
    app.visible_departments = departments
    wecom.store.touch()


def new_secret(wecom: WeCom, app: App) -> str:
    """重新获取: the old secret stops working, and so does its token."""
    app.secret, app.token, app.token_expires_at = random_text(43), "", 0.0
    wecom.store.touch()
    return app.secret


def save_callback(wecom: WeCom, corp: Corp, app: App, settings: Callback) -> None:
    """接收消息 → 保存: verify the address first. Do not hold the store's lock. Raises SetupError with the reason."""
    problem = callbacks.verify(wecom, corp.corp_id, settings)
    if problem:
        raise SetupError(problem)
    with wecom.store.lock:
        settings.verified_at = wecom.store.now()
        app.callback = settings
        wecom.store.touch()


def domain_problem(domain: str) -> str:
    """Why a name cannot be a trusted domain, or ""."""
    if "://" in domain or "/" in domain:
        return "域名不需要填写 http:// 或 https:// ，也不能带路径"
    host = domain.rsplit(":", 1)[0]
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return "" if DOMAIN.match(domain) else "域名格式不正确，不支持通配符和中文"
    return "可信域名不支持 IP 地址"


def save_domain(wecom: WeCom, corp: Corp, app: App, domain: str) -> None:
    """设置可信域名: host and port, full match; ownership is checked separately. 20 settings a month and corp."""
    domain = domain.strip().lower()
    problem = domain_problem(domain)
    if problem:
        raise SetupError(problem)
    now = wecom.store.now()
    corp.domain_changes = [at for at in corp.domain_changes if at > now - MONTH_SECONDS]
    if len(corp.domain_changes) >= wecom.state.limits.domain_settings_per_month:
        raise SetupError("本月设置可信域名的次数已达上限（85004）")
    corp.domain_changes.append(now)
    set_domain(wecom, app, domain)


def set_domain(wecom: WeCom, app: App, domain: str) -> None:
    """Write the domain without the console's checks; another name loses the proof of ownership."""
    if domain != app.trusted_domain:
        app.trusted_domain, app.domain_verified_at = domain, 0.0
        wecom.store.touch()


def check_ownership(wecom: WeCom, app: App) -> None:
    """申请校验域名: fetch the file from the domain's root. Do not hold the store's lock. Raises SetupError."""
    domain, name = app.trusted_domain, verify_file(app)
    if not domain:
        raise SetupError("请先填写可信域名")
    host = domain.rsplit(":", 1)[0]
    is_local = host == "localhost" or host.endswith(".localhost")
    problems = []
    for scheme in ("http",) if is_local else ("https", "http"):
        url = f"{scheme}://{domain}/{name}"
        answer = outbound.send("GET", url, seconds=FETCH_SECONDS)
        problem = _file_problem(answer, app.verify_name)
        recording.outgoing(
            wecom.wire,
            PLATFORM,
            url,
            b"",
            answer,
            at=wecom.store.now(),
            method="GET",
            note=problem or "domain verified",
        )
        if not problem:
            with wecom.store.lock:
                app.domain_verified_at = wecom.store.now()
                wecom.store.touch()
            return
        problems.append(f"{url} {problem}")
    raise SetupError("域名归属校验失败：" + "；".join(problems))


def verify_file(app: App) -> str:
    """The file's name; its content is the 16 characters of the name."""
    return f"WW_verify_{app.verify_name}.txt"


def save_trusted_ips(wecom: WeCom, corp: Corp, app: App, text: str) -> None:
    """企业可信IP → 配置, separated by `;`. Refused until a trusted domain or a callback address exists."""
    if app.agent_id != CONTACT_SYNC and not app.trusted_domain and app.callback is None:
        raise SetupError("配置企业可信IP前，请先设置可信域名或设置接收消息服务器URL")
    addresses = [part for part in re.split(r"[;；,，\s]+", text.strip()) if part]
    set_trusted_ips(wecom, app, addresses, corp.ip_delay_seconds)


def set_trusted_ips(wecom: WeCom, app: App, addresses: list[str], delay_seconds: float) -> None:
    """Replace the list; addresses that stay keep working, new ones work after the delay."""
    if len(addresses) > MAX_TRUSTED_IPS:
        raise SetupError(f"最多可配置 {MAX_TRUSTED_IPS} 个 IP（85006）")
    for address in addresses:
        try:
            ipaddress.ip_address(address)
        except ValueError as error:
            raise SetupError(f"IP 格式不正确：{address}（85007）") from error
    known = {ip.address: ip for ip in app.trusted_ips}
    effective_at = wecom.store.now() + delay_seconds
    unique = dict.fromkeys(addresses)
    app.trusted_ips = [known.get(address) or TrustedIp(address, effective_at) for address in unique]
    wecom.store.touch()


def save_home(wecom: WeCom, app: App, url: str) -> None:
    """应用主页; empty removes it."""
    url = url.strip()
    if url and urlsplit(url).scheme not in ("http", "https"):
        raise SetupError("应用主页应以 http:// 或 https:// 开头")
    app.home_url = url
    wecom.store.touch()


def save_login_domain(wecom: WeCom, app: App, domain: str) -> None:
    """企业微信授权登录 → Web网页 → 设置授权回调域; empty removes it."""
    domain = domain.strip().lower()
    problem = domain_problem(domain) if domain else ""
    if problem:
        raise SetupError(problem)
    app.login_domain = domain
    wecom.store.touch()


def set_enabled(wecom: WeCom, app: App, enabled: bool) -> None:
    app.enabled = enabled
    wecom.store.touch()


def _file_problem(answer: outbound.Answer, content: str) -> str:
    if answer.status == 0:
        return f"无法访问（{answer.error}）"
    if answer.status != 200:
        return f"返回 HTTP {answer.status}，应为 200 且不能跳转"
    if answer.body.decode("utf-8", "replace").strip() != content:
        return "内容与下载的文件不一致"
    return ""
