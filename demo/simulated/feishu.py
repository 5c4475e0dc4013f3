"""The demo's application on the simulated Feishu."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

from demo.company import APPLICATION, ORGANISATION, PEOPLE
from demo.simulated.control import Control, letters_and_digits

SCOPES = [
    "im:chat",
    "im:message",
    "im:resource:upload",
    "contact:user.id:readonly",
    "contact:contact.base:readonly",
    "contact:user.base:readonly",
    "contact:department.base:readonly",
    "contact:department.organize:readonly",
]
"""Everything that the product can use."""


class FeishuApp:
    slug, mode = "feishu", "self_built"

    def invent(self) -> dict[str, Any]:
        return {
            "tenant_key": secrets.token_hex(8),
            "app_id": f"cli_{secrets.token_hex(8)}",
            "app_secret": letters_and_digits(32),
            "verification_token": letters_and_digits(32),
            "encrypt_key": letters_and_digits(32),
        }

    def make(self, control: Control, credentials: Mapping[str, Any], addresses: Mapping[str, str]) -> dict[str, Any]:
        """Learns the members' open_ids: everybody has another one in every application."""
        people = [{"user_id": person.username, "name": person.name} for person in PEOPLE]
        tenant = {"tenant_key": credentials["tenant_key"], "name": ORGANISATION, "people": people}
        known = {tenant["tenant_key"]: tenant for tenant in control.call("GET", "/state")["feishu"]["tenants"]}
        if tenant["tenant_key"] not in known:
            control.call("POST", "/feishu/tenants", tenant)
        app = {
            "app_id": credentials["app_id"],
            "redirect_urls": [addresses["redirect_url"]],
            "home_url": addresses["home_url"],
        }
        present = {app["app_id"] for app in known.get(tenant["tenant_key"], {"apps": []})["apps"]}
        if credentials["app_id"] in present:
            made = control.call("PATCH", "/feishu/apps", app)
        else:
            about = {"tenant_key": tenant["tenant_key"], "name": APPLICATION, "secret": credentials["app_secret"]}
            about |= {name: credentials[name] for name in ("verification_token", "encrypt_key")}
            made = control.call("POST", "/feishu/apps", about | app | {"scopes": SCOPES})
        return {"open_ids": made["open_ids"]}

    def values(
        self, credentials: Mapping[str, Any], learned: Mapping[str, Any], addresses: Mapping[str, str]
    ) -> dict[str, str]:
        return {key: str(value) for key, value in credentials.items() if key != "tenant_key"}

    def prove(self, control: Control, credentials: Mapping[str, Any], addresses: Mapping[str, str]) -> None:
        for place, name in (("event_url", "event_url"), ("card_url", "card_url")):
            control.insist(f"/feishu/{place}", {"app_id": credentials["app_id"], "url": addresses[name]})

    def external_id(self, username: str, learned: Mapping[str, Any]) -> str:
        return str(learned["open_ids"][username])

    def make_group(self, control: Control, credentials: Mapping[str, Any], name: str) -> str:
        wanted = {"tenant_key": credentials["tenant_key"], "name": name, "bots": [credentials["app_id"]]}
        return str(control.call("POST", "/feishu/groups", wanted)["chat_id"])
