"""A server that is every chat platform's API at once, does next to nothing, and that quickly.

python -m bench.fake_platform PORT answers tokens, cards and updates as each platform does (bench/platforms), to us and
to Alertmanager alike, and keeps when what arrived. A platform can be told to answer late or never:

    POST /control/behaviour  {"platform": "wecom", "delay_seconds": 0.2, "hangs": true}
    POST /control/reset      forget arrivals and counts
    GET  /control/arrivals   [[monotonic seconds, application, user id, title], …] of messages
    GET  /control/counts     {"wecom/token": 1, "wecom/card": 20, …}
    GET  /control/tokens     how often each application was given a token
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

from bench.platforms import PLATFORMS
from bench.platforms.base import CARD, TOKEN, Call, ChatPlatform

HEAD_END = b"\r\n\r\n"
CONTROL = "/control/"
NOT_FOUND = {"error": "no platform has this address"}


@dataclass
class Behaviour:
    delay_seconds: float = 0.0
    hangs: bool = False


@dataclass
class State:
    """What arrived, and how each platform behaves."""

    arrivals: list[tuple[float, str, str, str]] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    tokens: Counter[str] = field(default_factory=Counter)
    behaviours: dict[str, Behaviour] = field(default_factory=dict)
    numbers: itertools.count[int] = field(default_factory=itertools.count)

    def behaviour(self, platform: str) -> Behaviour:
        return self.behaviours.get(platform) or Behaviour()


def platform_of(path: str) -> ChatPlatform | None:
    return next((platform for platform in PLATFORMS.values() if path.startswith(platform.api)), None)


def answer_api(state: State, platform: ChatPlatform, call: Call, at: float) -> tuple[str, Any]:
    """What a call was and its answer, after keeping what it brought. at: when it arrived, monotonic seconds."""
    answered = platform.answer(call, next(state.numbers))
    state.counts[f"{platform.slug}/{answered.kind}"] += 1
    if answered.kind == TOKEN:
        state.tokens[answered.application] += 1
    elif answered.kind == CARD:
        state.arrivals.append((at, answered.application, answered.user_id, answered.title))
    return answered.kind, answered.content


def answer_control(state: State, name: str, body: bytes) -> Any:
    if name in {"arrivals", "counts", "tokens"}:
        return getattr(state, name)
    if name == "behaviour":
        wanted = json.loads(body)
        platform = wanted.pop("platform")
        state.behaviours[platform] = Behaviour(**wanted)
    elif name == "reset":
        state.arrivals, state.counts, state.tokens = [], Counter(), Counter()
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

    def _take(self) -> tuple[bytes, bytes] | None:
        """Head and body of the next whole request, taken from what was received."""
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
        return head, body

    def _handle(self, head: bytes, body: bytes) -> None:
        at = time.monotonic()
        method, address, _ = head.split(b" ", 2)
        parts = urlsplit(address.decode())
        if parts.path.startswith(CONTROL):
            self._answer(answer_control(self._state, parts.path.removeprefix(CONTROL), body))
            return
        platform = platform_of(parts.path)
        if platform is None:
            self._answer(NOT_FOUND, status="404 Not Found")
            return
        behaviour = self._state.behaviour(platform.slug)
        if behaviour.hangs:
            self._state.counts[f"{platform.slug}/left hanging"] += 1
            return
        path = parts.path.removeprefix(platform.api)
        call = Call(method.decode(), path, parse_qs(parts.query), head, body)
        kind, content = answer_api(self._state, platform, call, at)
        if behaviour.delay_seconds and kind != TOKEN:
            asyncio.get_running_loop().call_later(behaviour.delay_seconds, self._answer, content)
        else:
            self._answer(content)

    def _answer(self, content: Any, *, status: str = "200 OK") -> None:
        body = json.dumps(content, separators=(",", ":")).encode()
        head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
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
