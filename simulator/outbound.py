"""Requests from the simulator to the product: names under .localhost need no DNS, redirects are not followed."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

import requests
from urllib3.exceptions import HTTPError, ReadTimeoutError

MAX_ANSWER_BYTES = 1_000_000
NO_ANSWER = (requests.RequestException, HTTPError, OSError)
"""What a request raises that nothing, or half an answer, came back to."""


@dataclass
class Answer:
    """What came back. status is 0 and error says why when nothing did."""

    status: int
    body: bytes
    ms: float
    error: str = ""


def send(
    method: str, url: str, *, body: bytes | None = None, headers: Mapping[str, str] | None = None, seconds: float
) -> Answer:
    """One request with a limit for the whole exchange; later than `seconds` counts as no answer."""
    address, host = reachable(url)
    started = time.monotonic()
    try:
        with requests.request(
            method,
            address,
            data=body,
            headers={"Host": host, "User-Agent": "Mozilla/4.0", **(headers or {})},
            timeout=seconds,
            allow_redirects=False,
            stream=True,
        ) as response:
            content = response.raw.read(MAX_ANSWER_BYTES, decode_content=True)
            status = response.status_code
    except (requests.Timeout, ReadTimeoutError):
        return Answer(0, b"", _ms(started), "timeout")
    except (*NO_ANSWER, ValueError) as error:
        return Answer(0, b"", _ms(started), _reason(error))
    if time.monotonic() - started > seconds:
        return Answer(0, b"", _ms(started), "timeout")
    return Answer(status, content, _ms(started))


def reachable(url: str) -> tuple[str, str]:
    """The address to connect to and the Host header: `x.localhost` is this machine whether or not DNS knows it."""
    parts = urlsplit(url)
    name = (parts.hostname or "").lower()
    if not name.endswith(".localhost"):
        return url, parts.netloc
    port = f":{parts.port}" if parts.port else ""
    return urlunsplit(parts._replace(netloc=f"127.0.0.1{port}")), parts.netloc


def _ms(started: float) -> float:
    return round((time.monotonic() - started) * 1000, 1)


def _reason(error: Exception) -> str:
    """The innermost cause, short enough for a page."""
    text = str(error)
    for known in ("Connection refused", "Name or service not known", "Connection reset", "certificate verify failed"):
        if known in text:
            return known
    return text[:200] or type(error).__name__
