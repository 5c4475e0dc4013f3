"""The simulated platform's side of the demo, over the simulator's control interface and the product's push address."""

from __future__ import annotations

from typing import Any

import requests

from config import Settings
from demo.company import APPLICATION, FIRST_ALERT, ORGANISATION, PEOPLE

SECONDS = 30
TRIES = 10


class SetupFailed(Exception):
    """The simulated platform refused a step; the message is its reason."""


def make_application(credentials: dict[str, Any], addresses: dict[str, str], settings: Settings) -> str:
    """See that company and application are there and know today's addresses, which change with PORT.

    Returns the name of the domain's ownership file if the application is new, else "".
    """
    simulator = Control(settings)
    corps = {corp["corp_id"]: corp for corp in simulator.call("GET", "/state")["wecom"]["corps"]}
    app = {"corp_id": credentials["corp_id"], "agent_id": credentials["agent_id"]}
    if app["corp_id"] not in corps:
        people = [{"userid": person.username, "name": person.name, "departments": [1]} for person in PEOPLE]
        simulator.call("POST", "/wecom/corps", {"corp_id": app["corp_id"], "name": ORGANISATION, "people": people})
    places = {
        "trusted_domain": addresses["trusted_domain"],
        "trusted_ips": [ip for ip in addresses["egress_ips"].split(";") if ip],
        "home_url": addresses["home_url"],
    }
    present = [known["agent_id"] for known in corps.get(app["corp_id"], {"apps": []})["apps"]]
    if app["agent_id"] in present:
        simulator.call("PATCH", "/wecom/apps", app | places)
        return ""
    about = {"name": APPLICATION, "secret": credentials["secret"], "visible": "all"}
    return str(simulator.call("POST", "/wecom/apps", app | about | places)["verify_file"])


def prove(credentials: dict[str, Any], addresses: dict[str, str], settings: Settings) -> None:
    """Let the platform try the domain and the callback address, as its console does when they are saved."""
    simulator = Control(settings)
    app = {"corp_id": credentials["corp_id"], "agent_id": credentials["agent_id"]}
    keys = {name: credentials[name] for name in ("token", "encoding_aes_key")}
    simulator.insist("/wecom/verify_domain", app)
    simulator.insist("/wecom/callback", app | keys | {"url": addresses["callback_url"]})


def push_first_alert(push_url: str) -> None:
    """Raise an alert as a monitoring system does, so that the simulated chat is not empty."""
    answer = requests.post(push_url, json=FIRST_ALERT, timeout=SECONDS)
    if not answer.ok:
        raise SetupFailed(f"The first alert was answered {answer.status_code}: {answer.text}")


class Control:
    """The simulator's control interface."""

    def __init__(self, settings: Settings) -> None:
        self._base = f"{settings.simulator_url}/control"

    def insist(self, path: str, body: dict[str, Any]) -> None:
        """A step in which the platform tries the product, with a second's patience: a busy machine gets more tries."""
        for _ in range(TRIES):
            answer = self.call("POST", path, body)
            if answer["ok"]:
                return
        raise SetupFailed(f"{path}: {answer['reason']}")

    def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        try:
            answer = requests.request(method, self._base + path, json=body, timeout=SECONDS)
        except requests.ConnectionError as error:
            raise SetupFailed(f"The simulator does not answer at {self._base}.") from error
        if not answer.ok:
            raise SetupFailed(f"{method} {path}: {answer.status_code} {answer.text}")
        return answer.json()
