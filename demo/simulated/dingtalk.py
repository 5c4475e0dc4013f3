"""The demo's application on the simulated DingTalk."""

from __future__ import annotations

import json
import secrets
import uuid
from collections.abc import Mapping
from typing import Any

from demo.company import APPLICATION, ORGANISATION, PEOPLE
from demo.simulated.control import Control, aes_key, ips, letters_and_digits
from platforms import PLATFORMS

FIRST_AGENT_ID = 3012345678


class DingTalkApp:
    slug, mode = "dingtalk", "self_built"

    def invent(self) -> dict[str, Any]:
        client_id = f"ding{secrets.token_hex(8)}"
        return {
            "corp_id": f"ding{secrets.token_hex(16)}",
            "agent_id": FIRST_AGENT_ID,
            "client_id": client_id,
            "client_secret": letters_and_digits(64),
            "aes_key": aes_key(),
            "token": letters_and_digits(24),
            "cool_app_code": f"COOLAPP-1-{secrets.token_hex(10).upper()}",
            "robot_code": client_id,
            "card_template_id": f"{uuid.uuid4()}.schema",
        }

    def make(self, control: Control, credentials: Mapping[str, Any], addresses: Mapping[str, str]) -> dict[str, Any]:
        corps = {corp["corp_id"]: corp for corp in control.call("GET", "/state")["dingtalk"]["corps"]}
        corp_id, client_id = credentials["corp_id"], credentials["client_id"]
        if corp_id not in corps:
            people = [{"userid": person.username, "name": person.name} for person in PEOPLE]
            control.call("POST", "/dingtalk/corps", {"corp_id": corp_id, "name": ORGANISATION, "people": people})
        entry = {"pc_url": addresses["group_url"], "mobile_url": addresses["group_url"]}
        places = {
            "client_id": client_id,
            "home_url": addresses["home_url"],
            "pc_home_url": addresses["pc_home_url"],
            "redirect_urls": [addresses["redirect_url"]],
            "ip_whitelist": ips(addresses),
            "cool_app": {"code": credentials["cool_app_code"]} | entry,
        }
        if client_id in {app["client_id"] for app in corps.get(corp_id, {"apps": []})["apps"]}:
            control.call("PATCH", "/dingtalk/apps", places)
            return {}
        about = {"corp_id": corp_id, "name": APPLICATION}
        about |= {name: credentials[name] for name in ("client_secret", "agent_id")}
        control.call("POST", "/dingtalk/apps", about | places)
        template = {"template_id": credentials["card_template_id"], "definition": card_template(), "name": APPLICATION}
        control.call("POST", "/dingtalk/templates", {"client_id": client_id} | template)
        return {}

    def values(
        self, credentials: Mapping[str, Any], learned: Mapping[str, Any], addresses: Mapping[str, str]
    ) -> dict[str, str]:
        return {key: str(value) for key, value in credentials.items()}

    def prove(self, control: Control, credentials: Mapping[str, Any], addresses: Mapping[str, str]) -> None:
        keys = {name: credentials[name] for name in ("client_id", "aes_key", "token")}
        control.insist("/dingtalk/event_url", keys | {"url": addresses["event_url"], "tags": "all"})

    def external_id(self, username: str, learned: Mapping[str, Any]) -> str:
        return username

    def make_group(self, control: Control, credentials: Mapping[str, Any], name: str) -> str:
        made = control.call("POST", "/dingtalk/groups", {"corp_id": credentials["corp_id"], "title": name})
        group_id = str(made["openConversationId"])
        control.call("POST", "/dingtalk/install", {"client_id": credentials["client_id"], "cid": group_id})
        return group_id


def card_template() -> Any:
    """The template that the wizard offers, as the card builder imports it."""
    mode = PLATFORMS["dingtalk"].modes[0]
    return json.loads(next((file.content for step in mode.steps for file in step.files), "{}"))
