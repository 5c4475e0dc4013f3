"""The demo's application on the simulated WeCom."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

from demo.company import APPLICATION, ORGANISATION, PEOPLE
from demo.simulated.control import Control, aes_key, ips, letters_and_digits

FIRST_AGENT_ID = 1000002


class WeComApp:
    slug, mode = "wecom", "self_built"

    def invent(self) -> dict[str, Any]:
        return {
            "corp_id": f"ww{secrets.token_hex(8)}",
            "agent_id": FIRST_AGENT_ID,
            "secret": letters_and_digits(43),
            "token": letters_and_digits(32),
            "encoding_aes_key": aes_key(),
        }

    def make(self, control: Control, credentials: Mapping[str, Any], addresses: Mapping[str, str]) -> dict[str, Any]:
        """Learns the name of the domain's ownership file, of an application that is new."""
        corps = {corp["corp_id"]: corp for corp in control.call("GET", "/state")["wecom"]["corps"]}
        app = {"corp_id": credentials["corp_id"], "agent_id": credentials["agent_id"]}
        if app["corp_id"] not in corps:
            people = [{"userid": person.username, "name": person.name, "departments": [1]} for person in PEOPLE]
            control.call("POST", "/wecom/corps", {"corp_id": app["corp_id"], "name": ORGANISATION, "people": people})
        places = {
            "trusted_domain": addresses["trusted_domain"],
            "trusted_ips": ips(addresses),
            "home_url": addresses["home_url"],
        }
        present = [known["agent_id"] for known in corps.get(app["corp_id"], {"apps": []})["apps"]]
        if app["agent_id"] in present:
            control.call("PATCH", "/wecom/apps", app | places)
            return {}
        about = {"name": APPLICATION, "secret": credentials["secret"], "visible": "all"}
        return {"ownership_file": control.call("POST", "/wecom/apps", app | about | places)["verify_file"]}

    def values(
        self, credentials: Mapping[str, Any], learned: Mapping[str, Any], addresses: Mapping[str, str]
    ) -> dict[str, str]:
        name = str(learned["ownership_file"])
        return {
            **{key: str(value) for key, value in credentials.items()},
            "trusted_domain": addresses["trusted_domain"],
            "ownership_file_name": name,
            "ownership_file_content": name.removeprefix("WW_verify_").removesuffix(".txt"),
        }

    def prove(self, control: Control, credentials: Mapping[str, Any], addresses: Mapping[str, str]) -> None:
        app = {"corp_id": credentials["corp_id"], "agent_id": credentials["agent_id"]}
        keys = {name: credentials[name] for name in ("token", "encoding_aes_key")}
        control.insist("/wecom/verify_domain", app)
        control.insist("/wecom/callback", app | keys | {"url": addresses["callback_url"]})

    def external_id(self, username: str, learned: Mapping[str, Any]) -> str:
        return username

    def make_group(self, control: Control, credentials: Mapping[str, Any], name: str) -> str:
        """An application's cards have no place in WeCom's groups."""
        return ""
