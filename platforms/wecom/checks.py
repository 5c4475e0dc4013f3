"""The setup checks that can be tried by a call, each by really doing the thing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from platforms import checks
from platforms.errors import CredentialInvalid, NotAuthorised
from platforms.setup import CheckResult
from platforms.wecom.client import Client
from platforms.wecom.errors import IpNotTrusted, WeComError
from texts import N_

ROOT_DEPARTMENT = 1
OWNERS: checks.Owners = (
    (IpNotTrusted, ("trusted_ip",)),
    (CredentialInvalid, ("credentials", "endpoint")),
    (NotAuthorised, ("authorised",)),
)


class NobodyVisible(WeComError):
    code = "wecom.nobody_visible"
    message = N_("应用的可见范围为空，无法给任何成员发送消息")
    hint = N_("请到 应用管理 → 您的应用 → 可见范围 选择全员或相应部门。")


class DomainDiffers(WeComError):
    code = "wecom.domain_differs"
    message = N_("应用的可信域名是「%(found)s」，与填写的「%(expected)s」不一致")
    hint = N_("请在 网页授权及JS-SDK → 设置可信域名 中填写相同的域名（含端口，不含 https://）。")


def run(client: Client, name: str) -> CheckResult:
    """Try the check called `name`; a failure is explained, not raised."""
    return checks.run(client, name, CHECKS, OWNERS)


def _credentials(client: Client) -> dict[str, Any]:
    """A token is really fetched, and the agent id is that token's own application.

    The second call may be refused for the server's address: that is another check's matter, the credentials fit.
    """
    client.renew_token()
    try:
        return {"app_name": client.get_agent().get("name", "")}
    except IpNotTrusted as error:
        return {"app_name": "", "ip": error.params["ip"]}


def _endpoint(client: Client) -> dict[str, Any]:
    """The private deployment answers, and takes the credentials."""
    client.settings.need("endpoint")
    client.renew_token()
    return {"endpoint": client.settings.endpoint}


def _trusted_ip(client: Client) -> dict[str, Any]:
    """A business call is accepted; the refusal tells the address that WeCom saw."""
    client.get_agent()
    return {}


def _visible_range(client: Client) -> dict[str, Any]:
    agent = client.get_agent()
    people = _listed(agent, "allow_userinfos", "user")
    departments = _listed(agent, "allow_partys", "partyid")
    tags = _listed(agent, "allow_tags", "tagid")
    if not people and not departments and not tags:
        raise NobodyVisible("empty")
    return {
        "people": len(people),
        "departments": len(departments),
        "tags": len(tags),
        "whole_company": ROOT_DEPARTMENT in departments,
    }


def _domain(client: Client) -> dict[str, Any]:
    """WeCom's own record of the trusted domain is ours. That the ownership file is served is the service's part.

    Before the server's address is trusted WeCom cannot be asked; then nothing contradicts (`confirmed` is false).
    """
    client.settings.need("trusted_domain")
    expected = client.settings.trusted_domain
    try:
        found = str(client.get_agent().get("redirect_domain") or "").strip()
    except IpNotTrusted:
        return {"domain": expected, "confirmed": False}
    if found.lower() != expected.lower():
        raise DomainDiffers("differs", found=found, expected=expected)
    return {"domain": found, "confirmed": True}


def _listed(agent: dict[str, Any], name: str, member: str) -> list[Any]:
    content = agent.get(name) or {}
    return list(content.get(member) or []) if isinstance(content, dict) else []


CHECKS: dict[str, Callable[[Client], dict[str, Any]]] = {
    "credentials": _credentials,
    "endpoint": _endpoint,
    "trusted_ip": _trusted_ip,
    "visible_range": _visible_range,
    "domain": _domain,
}
