"""`python -m bench`: start the product and the yardstick, measure three requests one after the other, print ratios.

Every figure is the median of one client on a kept-open connection. The H5 list is compared with a page from memory,
an alert push and a card press with one durable commit. Run it on a machine that does nothing else.
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlencode, urlsplit

import requests

from platforms.crypto import CallbackCipher

ROOT = Path(__file__).resolve().parent.parent
ROUNDS = 300
PRESSES = 150
CLIENT = {"User-Agent": "Mozilla/5.0 wxwork/4.1.30 MicroMessenger/7.0.1"}
START_SECONDS = 120


def main() -> None:
    with ExitStack() as stack:
        home = stack.enter_context(tempfile.TemporaryDirectory())
        bare_port, port, simulator_port = (free_port() for _ in range(3))
        stack.enter_context(running(bare_command(home, bare_port), {"WEB_THREADS": "16"}, bare_port))
        env = {"PORT": str(port), "SIMULATOR_PORT": str(simulator_port), "DUTYBELL_HOME": f"{home}/product"}
        stack.enter_context(running([sys.executable, "scripts/run.py"], env, port))
        info = demo_info(env)
        bare = http.client.HTTPConnection("localhost", bare_port)
        product = http.client.HTTPConnection("localhost", port)
        floor_page = median(timed(bare, "GET", "/page") for _ in range(ROUNDS))
        floor_commit = median(timed(bare, "POST", "/commit", b"x" * 400) for _ in range(ROUNDS))
        page_path, cookie = sign_in(info)
        page = median(timed(product, "GET", page_path, headers=CLIENT | {"Cookie": cookie}) for _ in range(ROUNDS))
        push = median(push_times(product, info, "bench", ROUNDS))
        press = median(press_times(product, info))
    print(f"{'':24}{'ms':>8}{'bare ms':>9}{'ratio':>7}")
    for name, mine, floor in (
        ("H5 incident list", page, floor_page),
        ("alert push (new)", push, floor_commit),
        ("card press (snooze)", press, floor_commit),
    ):
        print(f"{name:24}{mine:8.2f}{floor:9.2f}{mine / floor:7.1f}")


# --- processes ----------------------------------------------------------------------------------------------------


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def bare_command(folder: str, port: int) -> list[str]:
    target = f"bench.bare_flask:create_app({folder!r})"
    return [sys.executable, "-m", "gunicorn", "-c", "gunicorn.conf.py", "-b", f"127.0.0.1:{port}", target]


@contextmanager
def running(command: list[str], env: dict[str, str], port: int) -> Iterator[None]:
    """A program until the block ends; entered when it listens."""
    program = subprocess.Popen(
        command, cwd=ROOT, env=os.environ | env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        wait_for(lambda: listens(port) and program.poll() is None)
        yield
    finally:
        program.send_signal(signal.SIGINT)
        program.wait(30)


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def wait_for(condition: Any) -> Any:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.05)
    raise SystemExit("the programs did not get ready in time")


def demo_info(env: dict[str, str]) -> dict[str, Any]:
    """What `make demo-info` says, once the demo is loaded."""

    def ask() -> dict[str, Any] | None:
        asked = subprocess.run(
            [sys.executable, "-m", "demo", "info"], cwd=ROOT, env=os.environ | env, capture_output=True, check=False
        )
        return dict(json.loads(asked.stdout)) if asked.returncode == 0 and asked.stdout else None

    found: dict[str, Any] = wait_for(ask)
    return found


# --- measuring ----------------------------------------------------------------------------------------------------


def timed(
    connection: http.client.HTTPConnection,
    method: str,
    path: str,
    body: bytes | None = None,
    headers: dict[str, str] | None = None,
) -> float:
    """Milliseconds of one request, its answer read; anything but 200 ends the run."""
    began = time.perf_counter()
    connection.request(method, path, body=body, headers=headers or {})
    answer = connection.getresponse()
    content = answer.read()
    took = (time.perf_counter() - began) * 1000
    if answer.status != 200:
        raise SystemExit(f"{method} {path}: {answer.status} {content[:300]!r}")
    return took


def median(times: Iterable[float]) -> float:
    return statistics.median(list(times))


def sign_in(info: dict[str, Any]) -> tuple[str, str]:
    """Path of the H5 list and the cookie of a linked person, got as the client gets it."""
    integration = info["integrations"][0]
    home = integration["addresses"]["home_url"]
    visitor = requests.Session()
    visitor.headers.update(CLIENT)
    away = visitor.get(f"{home}/log-in", allow_redirects=False).headers["Location"]
    state = parse_qs(urlsplit(away).query)["state"][0]
    who = {"corp_id": integration["credentials"]["corp_id"], "agent_id": integration["credentials"]["agent_id"]}
    who["userid"] = info["people"][0]["wecom"]
    code = control(info, "/wecom/sign_in", who)["code"]
    landed = visitor.get(f"{home}/oauth", params={"code": code, "state": state})
    cookie = "; ".join(f"{name}={value}" for name, value in visitor.cookies.items())
    return urlsplit(landed.url).path + "?filter=open", cookie


def push_times(product: http.client.HTTPConnection, info: dict[str, Any], prefix: str, count: int) -> Iterator[float]:
    address = urlsplit(info["alert_sources"]["standard"])
    for number in range(count):
        alert = {"event_status": "Critical", "title_rule": f"{prefix} {number}", "alert_key": f"{prefix}-{number}"}
        body = json.dumps(alert | {"labels": {"resource": f"db-{number}", "service": "orders"}}).encode()
        yield timed(product, "POST", f"{address.path}?{address.query}", body, {"Content-Type": "application/json"})


def press_times(product: http.client.HTTPConnection, info: dict[str, Any]) -> Iterator[float]:
    """屏蔽 for one length and another in turn: every press is a callback of its own and changes the incident."""
    person = info["people"][0]["wecom"]

    def cards() -> list[dict[str, Any]]:
        wanted = {"platform": "wecom", "person": person}
        listed = requests.get(f"{info['simulator_url']}/control/messages", params=wanted, timeout=30).json()
        return [message for message in listed if any(button.get("menu") for button in message["buttons"])]

    card = wait_for(cards)[-1]
    keys = [button["key"] for button in card["buttons"] if button.get("menu")]
    for number in range(PRESSES):
        path, body = press(info, person, card["card"]["task_id"], keys[number % len(keys)], f"bench-{number}")
        yield timed(product, "POST", path, body, {"Content-Type": "text/xml"})


def press(info: dict[str, Any], person: str, task_id: str, key: str, code: str) -> tuple[str, bytes]:
    """One signed and encrypted template_card_event."""
    integration = info["integrations"][0]
    known = integration["credentials"]
    now = str(int(datetime.now(UTC).timestamp()))
    plain = (
        f"<xml><ToUserName>{known['corp_id']}</ToUserName><FromUserName>{person}</FromUserName>"
        f"<CreateTime>{now}</CreateTime><MsgType>event</MsgType><Event>template_card_event</Event>"
        f"<EventKey>{key}</EventKey><TaskId>{task_id}</TaskId><CardType>button_interaction</CardType>"
        f"<ResponseCode>{code}</ResponseCode><AgentID>{known['agent_id']}</AgentID></xml>"
    )
    cipher = CallbackCipher(known["token"], known["encoding_aes_key"], known["corp_id"])
    sealed = cipher.encrypt(plain.encode())
    query = {"timestamp": now, "nonce": code, "msg_signature": cipher.sign(now, code, sealed)}
    body = f"<xml><ToUserName>{known['corp_id']}</ToUserName><Encrypt><![CDATA[{sealed}]]></Encrypt></xml>"
    path = urlsplit(integration["addresses"]["callback_url"]).path
    return f"{path}?{urlencode(query, quote_via=quote)}", body.encode()


def control(info: dict[str, Any], path: str, body: dict[str, Any]) -> Any:
    answer = requests.post(f"{info['simulator_url']}/control{path}", json=body, timeout=30)
    answer.raise_for_status()
    return answer.json()


if __name__ == "__main__":
    main()
