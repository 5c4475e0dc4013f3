"""An OpenID Connect provider in a process of its own, for tests of single sign-on."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import requests

STARTS_WITHIN = 30.0


class Provider:
    """issuer: its address; people sign in there by naming themselves."""

    def __init__(self, issuer: str) -> None:
        self.issuer = issuer

    def sign_in(self, url: str, subject: str) -> str:
        """Do what a person does there; returns where they are sent back to."""
        answer = requests.post(url, data={"sub": subject}, allow_redirects=False, timeout=10)
        assert answer.status_code in {302, 303}, answer.text
        return str(answer.headers["Location"])

    def refuse(self, url: str) -> str:
        answer = requests.post(url, data={"action": "deny"}, allow_redirects=False, timeout=10)
        return str(answer.headers["Location"])


@contextmanager
def running_provider(*people: dict[str, Any]) -> Iterator[Provider]:
    """people: their claims, with "sub"."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    arguments = [argument for claims in people for argument in ("--user-claims", json.dumps(claims))]
    command = [sys.executable, "-W", "ignore", "-m", "oidc_provider_mock", "-H", "localhost", "-p", str(port)]
    process = subprocess.Popen(
        [*command, "-n", "true", *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        issuer = f"http://localhost:{port}"
        _wait(process, f"{issuer}/.well-known/openid-configuration")
        yield Provider(issuer)
    finally:
        process.terminate()
        process.wait()


def _wait(process: subprocess.Popen[bytes], url: str) -> None:
    until = time.monotonic() + STARTS_WITHIN
    while time.monotonic() < until:
        assert process.poll() is None, "the provider ended"
        try:
            if requests.get(url, timeout=5).ok:
                return
        except requests.ConnectionError:
            time.sleep(0.05)  # a condition is waited for: nobody tells when the port is open
    raise AssertionError("the provider did not start")
