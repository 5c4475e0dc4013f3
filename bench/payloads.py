"""The requests that are sent: alerts and sign-ins; presses are in bench/platforms. Load generators import it."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from bench.load import request

ALERT_NAMES = 20
SHIFTS = 5
NOBODY = "nobody"
"""A value of the label `shift` that no policy asks for: an incident without a card."""


@dataclass(frozen=True)
class Numbering:
    """Names alerts so that no two of a run are alike: `run` is a word of its own for each measurement."""

    run: str

    @classmethod
    def new(cls) -> Numbering:
        return cls(secrets.token_hex(3))

    def tag(self, number: int) -> str:
        """The last word of the incident's title, so that a card shows which alert it is about."""
        return f"{self.run}-{number}"

    def alert_key(self, number: int) -> str:
        return f"{self.run}{number:010x}"


def tag_of(title: str) -> str:
    """The tag of the alert that a card's title tells of."""
    return title.rpartition(" ")[2]


def labels(name: Numbering, number: int, shift: str) -> dict[str, str]:
    return {
        "alertname": f"Latency{number % ALERT_NAMES}",
        "instance": name.tag(number),
        "job": "node",
        "service": "checkout",
        "severity": "critical",
        "region": "cn-north-1",
        "shift": shift,
    }


ANNOTATIONS = {"summary": "p99 is above two seconds", "description": "p99 of checkout is 3.4 s for five minutes"}


def shift_of(number: int, channels: int) -> str:
    """Alerts go to the channels in turn, and in each channel to its people in turn."""
    return str(number // channels % SHIFTS)


@dataclass(frozen=True)
class Webhooks:
    """Alertmanager's webhook with `group` new alerts a request, to the sources in turn.

    paths  of the sources, with their keys; shift: the label that a policy asks for, "" for all people in turn
    """

    paths: Sequence[str]
    name: Numbering
    group: int = 1
    shift: str = ""

    def __call__(self, number: int) -> bytes:
        first = number * self.group
        alerts = [self._alert(first + place, number) for place in range(self.group)]
        body = {
            "version": "4",
            "groupKey": "{}:{}",
            "truncatedAlerts": 0,
            "status": "firing",
            "receiver": "dutybell",
            "groupLabels": {},
            "commonLabels": {"job": "node"},
            "commonAnnotations": {},
            "externalURL": "http://alertmanager.example.com",
            "alerts": alerts,
        }
        return request("POST", self.paths[number % len(self.paths)], json.dumps(body).encode())

    def _alert(self, number: int, push: int) -> dict[str, object]:
        spread = number if self.group > 1 else push // len(self.paths)
        return {
            "status": "firing",
            "labels": labels(self.name, number, self.shift or str(spread % SHIFTS)),
            "annotations": ANNOTATIONS,
            "startsAt": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "endsAt": "0001-01-01T00:00:00Z",
            "generatorURL": "http://prometheus.example.com/graph?g0.expr=up",
            "fingerprint": self.name.alert_key(number),
        }


@dataclass(frozen=True)
class Reports:
    """The standard source: one new alert a request, answered with what became of it."""

    paths: Sequence[str]
    name: Numbering
    shift: str = ""

    def __call__(self, number: int) -> bytes:
        shift = self.shift or shift_of(number, len(self.paths))
        body = {
            "event_status": "Critical",
            "title_rule": f"Latency / {self.name.tag(number)}",
            "alert_key": self.name.alert_key(number),
            "description": ANNOTATIONS["description"],
            "labels": labels(self.name, number, shift),
        }
        return request("POST", self.paths[number % len(self.paths)], json.dumps(body).encode())


@dataclass(frozen=True)
class AlertmanagerAlerts:
    """The same alerts as Prometheus sends them to Alertmanager: POST /api/v2/alerts."""

    name: Numbering
    group: int = 1

    def __call__(self, number: int) -> bytes:
        first = number * self.group
        alerts = [
            {
                "labels": labels(self.name, one, str(one % SHIFTS)),
                "annotations": ANNOTATIONS,
                "startsAt": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
                "generatorURL": "http://prometheus.example.com/graph?g0.expr=up",
            }
            for one in range(first, first + self.group)
        ]
        return request("POST", "/api/v2/alerts", json.dumps(alerts).encode())


# --- people ----------------------------------------------------------------------------------------------------------


def sign_in(username: str, password: str, *, token: str, cookie: str, address: str) -> bytes:
    """The sign-in form, as a proxy hands it on for somebody at `address`. token, cookie: of the form's page."""
    form = urlencode({"username": username, "password": password, "csrf_token": token, "next": ""})
    headers = (f"Cookie: {cookie}", f"X-Forwarded-For: {address}")
    return request("POST", "/sign-in", form.encode(), content_type="application/x-www-form-urlencoded", headers=headers)
