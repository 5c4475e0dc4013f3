"""The simulated platform's side of the demo, over the simulator's control interface and the product's push address."""

from __future__ import annotations

from typing import Any

import requests

from config import Settings
from demo.company import APPLICATION, FIRST_ALERT, ORGANISATION, PEOPLE

SECONDS = 30
CALLBACK_TRIES = 10


class SetupFailed(Exception):
    """The simulated platform refused a step; the message is its reason."""


def connect(known: dict[str, Any], addresses: dict[str, str], settings: Settings) -> None:
    """See that company, application and addresses are there, and that the callback address proves itself.

    Safe to repeat: what exists is only brought to today's addresses, which change with PORT.
    """
    credentials, simulator = known["wecom"], Control(str(settings.simulator_url))
    corps = {corp["corp_id"]: corp for corp in simulator.call("GET", "/state")["wecom"]["corps"]}
    app = {"corp_id": credentials["corp_id"], "agent_id": credentials["agent_id"]}
    if credentials["corp_id"] not in corps:
        people = [{"userid": person.username, "name": person.name, "departments": [1]} for person in PEOPLE]
        simulator.call("POST", "/wecom/corps", {"corp_id": app["corp_id"], "name": ORGANISATION, "people": people})
        corps = {app["corp_id"]: {"apps": []}}
    places = {
        "trusted_domain": addresses["trusted_domain"],
        "trusted_ips": [ip for ip in addresses["egress_ips"].split(";") if ip],
        "home_url": addresses["home_url"],
    }
    present = next((a for a in corps[app["corp_id"]]["apps"] if a["agent_id"] == app["agent_id"]), None)
    if present is None:
        about = {"name": APPLICATION, "secret": credentials["secret"], "visible": "all"}
        simulator.call("POST", "/wecom/apps", app | about | places)
    elif present["trusted_domain"] != places["trusted_domain"] or present["home_url"] != places["home_url"]:
        simulator.call("PATCH", "/wecom/apps", app | places)
    if present is None or present["callback_url"] != addresses["callback_url"]:
        keys = {name: credentials[name] for name in ("token", "encoding_aes_key")}
        prove_callback(simulator, app | keys | {"url": addresses["callback_url"]})


def prove_callback(simulator: Control, body: dict[str, Any]) -> None:
    """Save the callback address, which WeCom tries with a second's patience; a busy machine gets some more tries."""
    for _ in range(CALLBACK_TRIES):
        answer = simulator.call("POST", "/wecom/callback", body)
        if answer["ok"]:
            return
    raise SetupFailed(f"The callback address did not prove itself: {answer['reason']}")


def push_first_alert(push_url: str) -> None:
    """Raise an alert as a monitoring system does, so that the simulated chat is not empty."""
    answer = requests.post(push_url, json=FIRST_ALERT, timeout=SECONDS)
    if not answer.ok:
        raise SetupFailed(f"The first alert was answered {answer.status_code}: {answer.text}")


class Control:
    """The simulator's control interface."""

    def __init__(self, simulator_url: str) -> None:
        self._base = f"{simulator_url}/control"

    def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        try:
            answer = requests.request(method, self._base + path, json=body, timeout=SECONDS)
        except requests.ConnectionError as error:
            raise SetupFailed(f"The simulator does not answer at {self._base}.") from error
        if not answer.ok:
            raise SetupFailed(f"{method} {path}: {answer.status_code} {answer.text}")
        return answer.json()
