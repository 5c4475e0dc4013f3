"""Hostile XML through the front door, in the envelope and inside the encryption.

The parser alone is attacked in tests/unit/platforms/wecom/test_callbacks.py, the ciphers in tests/unit/platforms/.
"""

from __future__ import annotations

import builtins
import io
import os
import time
import tracemalloc
from typing import Any

import pytest
from flask import Flask

from extensions import db
from models import Membership, TimelineEntry
from platforms.crypto import CallbackCipher
from services.clock import utcnow
from tests.security.test_linking import KEYS, callback, make_wecom
from tests.unit.platforms.wecom.test_callbacks import ATTACKS
from tests.web.conftest import Browser

CORP = "ww1111111111111111"
GENEROUS_SECONDS = 0.5
"""Ten times the bar, of this process: a bomb needs minutes."""
MORE = ATTACKS | {
    "quadratic blow-up": f"<!DOCTYPE x [<!ENTITY a '{'a' * 20_000}'>]><xml>{'&a;' * 2_000}</xml>",
    "entity without a DTD": "<xml>&xxe;</xml>",
    "processing instruction": "<?xml-stylesheet href='http://127.0.0.1:1/x.xsl'?><xml/>",
    "UTF-16 DTD": "<?xml version='1.0' encoding='utf-16'?><!DOCTYPE x SYSTEM 'http://127.0.0.1:1/'><xml/>",
    "many attributes": "<xml " + " ".join(f"a{n}=''" for n in range(4000)) + "/>",
    "schema location": (
        "<xml xmlns:s='http://www.w3.org/2001/XMLSchema-instance' s:schemaLocation='x http://127.0.0.1:1/'/>"
    ),
    "null": "<xml>\x00</xml>",
}


@pytest.fixture
def closed_doors(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the process tried to open outside of itself: files and sockets."""
    opened: list[str] = []
    monkeypatch.setattr("socket.socket.connect", lambda _self, address: opened.append(str(address)))
    monkeypatch.setattr("socket.getaddrinfo", lambda *given, **_named: opened.append(str(given)))
    for module, name in ((builtins, "open"), (io, "open"), (os, "open")):
        monkeypatch.setattr(module, name, watched(getattr(module, name), opened))
    return opened


def watched(real: Any, opened: list[str]) -> Any:
    def open_watched(file: Any, *given: Any, **named: Any) -> Any:
        if isinstance(file, str) and not file.endswith((".py", ".pyc", ".html", ".mo")):
            opened.append(file)
        return real(file, *given, **named)

    return open_watched


@pytest.mark.parametrize("layer", ["outer", "inner"])
def test_hostile_xml_opens_nothing_costs_nothing_and_says_nothing(
    app: Flask, client: Browser, admin: Membership, closed_doors: list[str], layer: str
) -> None:
    ours = make_wecom(CORP, KEYS)
    cipher = CallbackCipher(**KEYS, receive_id=CORP)
    callback(client, ours, cipher, "<xml/>")  # what is loaded once is loaded
    for name, attack in MORE.items():
        closed_doors.clear()
        tracemalloc.start()
        started = time.process_time()
        if layer == "inner":
            answer = callback(client, ours, cipher, attack)
        else:
            stamp = str(int(utcnow().timestamp()))
            query = {"msg_signature": cipher.sign(stamp, "nonce", "x"), "timestamp": stamp, "nonce": "nonce"}
            answer = client.post(f"/callback/wecom/{ours.public_key}", query_string=query, data=attack.encode())
        seconds = time.process_time() - started
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert answer.status_code in {200, 403, 413}, name
        assert answer.data == b"", name
        assert closed_doors == [], name
        assert seconds < GENEROUS_SECONDS * 4, (name, seconds)
        assert peak < 20 * 1024 * 1024, (name, peak)
    assert db.session.scalar(db.select(db.func.count()).select_from(TimelineEntry)) == 0
