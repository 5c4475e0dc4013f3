"""A chat platform that does next to nothing, quickly: python -m bench.fake_platform PORT

Answers gettoken, message/send and update_template_card as WeCom does, to us and to Alertmanager alike, and keeps when
what arrived. A corp can be told to answer late or never:

    POST /control/behaviour  {"corp_id": …, "delay_seconds": 0.2, "hangs": true}
    POST /control/reset      forget arrivals and counts
    GET  /control/arrivals   [[monotonic seconds, corp id, user id, title, task id], …] of messages
    GET  /control/counts     {"gettoken": 1, "message/send": 20, …}

https://developer.work.weixin.qq.com/document/path/90236
"""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

HEAD_END = b"\r\n\r\n"
API = "/cgi-bin/"
TOKEN_SECONDS = 7200

Json = dict[str, Any]


@dataclass
class Behaviour:
    delay_seconds: float = 0.0
    hangs: bool = False


@dataclass
class State:
    """What arrived, and how each corp behaves."""

    arrivals: list[tuple[float, str, str, str, str]] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    behaviours: dict[str, Behaviour] = field(default_factory=dict)
    numbers: itertools.count[int] = field(default_factory=itertools.count)

    def behaviour(self, corp_id: str) -> Behaviour:
        return self.behaviours.get(corp_id) or Behaviour()


def corp_of(query: dict[str, list[str]]) -> str:
    """Which company calls: gettoken says so, and its tokens begin with it."""
    named = query.get("corpid") or query.get("corpId")
    return named[0] if named else query.get("access_token", [""])[0].partition(".")[0]


def answer_api(state: State, name: str, query: dict[str, list[str]], body: bytes, at: float) -> Json:
    """The answer of one API call, after keeping what it brought. at: when it arrived, monotonic seconds."""
    corp_id = corp_of(query)
    state.counts[name] += 1
    number = next(state.numbers)
    if name == "gettoken":
        return {"errcode": 0, "errmsg": "ok", "access_token": f"{corp_id}.{number}", "expires_in": TOKEN_SECONDS}
    if name == "message/send":
        message = json.loads(body)
        card = message.get("template_card") or {}
        title = card.get("main_title", {}).get("title", "")
        state.arrivals.append((at, corp_id, message.get("touser", ""), title, card.get("task_id", "")))
        sent = {"errcode": 0, "errmsg": "ok", "invaliduser": "", "msgid": f"m{number}"}
        return sent | ({"response_code": f"code-{number}"} if card else {})
    return {"errcode": 0, "errmsg": "ok", "invaliduser": []}


def answer_control(state: State, name: str, body: bytes) -> Any:
    if name == "arrivals":
        return state.arrivals
    if name == "counts":
        return state.counts
    if name == "behaviour":
        wanted = json.loads(body)
        corp_id = wanted.pop("corp_id")
        state.behaviours[corp_id] = Behaviour(**wanted)
    elif name == "reset":
        state.arrivals, state.counts = [], Counter()
    return {}


class Server(asyncio.Protocol):
    """One connection; its requests are answered in their order."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._data = bytearray()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - narrows the type
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._data += data
        while (found := self._take()) is not None:
            self._handle(*found)

    def _take(self) -> tuple[str, bytes] | None:
        """The address and body of the next whole request, taken from what was received."""
        end = self._data.find(HEAD_END)
        if end < 0:
            return None
        head = bytes(self._data[:end])
        length = next(
            (int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0
        )
        whole = end + len(HEAD_END) + length
        if len(self._data) < whole:
            return None
        body = bytes(self._data[end + len(HEAD_END) : whole])
        del self._data[:whole]
        return head.split(b" ", 2)[1].decode(), body

    def _handle(self, address: str, body: bytes) -> None:
        at = time.monotonic()
        parts = urlsplit(address)
        if parts.path.startswith("/control/"):
            self._answer(answer_control(self._state, parts.path.removeprefix("/control/"), body))
            return
        query = parse_qs(parts.query)
        name = parts.path.removeprefix(API)
        behaviour = self._state.behaviour(corp_of(query))
        if behaviour.hangs:
            self._state.counts["left hanging"] += 1
            return
        content = answer_api(self._state, name, query, body, at)
        if behaviour.delay_seconds and name != "gettoken":
            asyncio.get_running_loop().call_later(behaviour.delay_seconds, self._answer, content)
        else:
            self._answer(content)

    def _answer(self, content: Any) -> None:
        body = json.dumps(content, separators=(",", ":")).encode()
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(head.encode() + body)


async def serve(port: int) -> None:
    state = State()
    protocol: Callable[[], Server] = lambda: Server(state)  # noqa: E731 - a factory, as asyncio wants it
    server = await asyncio.get_running_loop().create_server(protocol, "127.0.0.1", port, backlog=1024)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
