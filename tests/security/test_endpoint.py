"""The address of a private deployment (Endpoint): an administrator enters it, this server would be sent there.

The table of addresses and its guard are in tests/unit/platforms/test_outbound.py, a name that changes its mind in
tests/contract/test_transport.py. Here the address goes in through the wizard, or is planted in the database.
"""

from __future__ import annotations

import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from flask import Flask

from errors import AppError
from extensions import db
from models import AuditEntry, Integration, Membership
from platforms.errors import AddressRefused, AnswerNotUnderstood, CertificateRefused, PlatformError
from platforms.http import CONNECT_SECONDS, MAX_ANSWER_BYTES, TOTAL_SECONDS, Transport
from platforms.outbound import AddressGuard
from services import integrations, setup
from services.clock import utcnow
from tests.contract.test_transport import answering, server
from tests.factories import make_integration
from tests.unit.platforms.test_outbound import ODD
from tests.web.conftest import Browser

VALUES = {"corp_id": "ww1234567890abcdef", "agent_id": "1000002", "is_private": True}
INTERNAL = "internal-service-answer-that-is-nobodys-business"


@dataclass
class Listener:
    """A door of this machine that nobody may be sent to; it counts who comes."""

    port: int
    visits: list[int]


@pytest.fixture
def listener() -> Iterator[Listener]:
    door = socket.create_server(("127.0.0.1", 0))
    visits: list[int] = []

    def accept() -> None:
        with suppress(OSError):
            while True:
                connection, _ = door.accept()
                visits.append(1)
                connection.close()

    threading.Thread(target=accept, daemon=True).start()
    yield Listener(door.getsockname()[1], visits)
    door.close()


def allow(app: Flask, *places: str, **changes: object) -> None:
    """The operator's list, as it would be read from ENDPOINT_ALLOWLIST."""
    app.config["SETTINGS"] = replace(app.config["SETTINGS"], endpoint_allowlist=places, **changes)
    for name in ("endpoint_guard", "guarded_transport", "platform_transport"):
        app.extensions.pop(name, None)


def planted(endpoint: str) -> Integration:
    """A connection whose Endpoint got past the form."""
    made: Integration = make_integration(settings=VALUES | {"endpoint": endpoint}, secrets={})
    integrations.set_secret(made, "secret", "s" * 43)
    db.session.commit()
    return made


def odd_addresses(port: int) -> list[str]:
    """Every way to write 127.0.0.1 that some resolver takes, with our listener's port."""
    hosts = [
        *("127.0.0.1", "localhost", "LOCALHOST", "localhost.", "127.1", "127.0.1", "0177.0.0.1", "0x7f.0.0.1"),
        *("2130706433", "017700000001", "0x7f000001", "0", "0.0.0.0", "127.000.000.001", "[::1]", "[::]"),
        *("[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[0:0:0:0:0:ffff:127.0.0.1]", "[::127.0.0.1]", "[64:ff9b::7f00:1]"),
        *("[2002:7f00:1::]", "１２７.0.0.1", "127。0。0。1", "①②⑦.0.0.1", "localtest.me@127.0.0.1", "a:b@localhost"),
        *("%31%32%37.0.0.1", "127.0.0.1%00.example.com", "127.0.0.1\\@example.com", "example.com#@127.0.0.1"),
    ]
    return [f"{scheme}://{host}:{port}" for host in hosts for scheme in ("https", "http")]


def test_no_spelling_of_this_machine_is_connected_to(app: Flask, admin: Membership, listener: Listener) -> None:
    """Not even when the operator's list names it: the list opens private hosts, never the machine itself."""
    port = listener.port
    allow(app, f"localhost:{port}", f"127.0.0.1:{port}", f"[::1]:{port}", f"0.0.0.0:{port}", f"http://localhost:{port}")
    tried = odd_addresses(port)
    assert len(tried) > 30
    for address in tried:
        made = planted(address)
        try:
            platform = integrations.platform_for(made)
        except AddressRefused:
            continue
        db.session.rollback()
        result = platform.run_check("endpoint")
        assert result.detail["code"] == AddressRefused.code, address
    assert listener.visits == []


def test_the_wizard_refuses_what_the_guard_refuses(app: Flask, admin: Membership) -> None:
    allow(app, "wwlocal.example.com:8443")
    values = {"corp_id": "ww1234567890abcdef", "agent_id": "1000002", "is_private": "1"}
    for address in ODD:
        integration = setup.begin("wecom", "self_built", by=admin, now=utcnow())
        try:
            setup.keep(integration, values | {"endpoint": address}, by=admin, now=utcnow())
        except AppError:
            db.session.rollback()
            continue
        # blanks around it are nothing, and an empty field is asked for again
        assert integration.settings.get("endpoint", "") in {"", "https://wwlocal.example.com:8443"}, address
        db.session.rollback()


@pytest.mark.parametrize(
    "target", ["http://169.254.169.254/latest/meta-data", "https://127.0.0.1:{port}/", "//127.0.0.1:{port}/", "/x"]
)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_leads_nowhere(listener: Listener, status: int, target: str) -> None:
    place = target.format(port=listener.port)
    answer = f"HTTP/1.1 {status} Go\r\nLocation: {place}\r\nContent-Length: 0\r\n\r\n".encode()
    with server(answering(answer)) as url, pytest.raises(AnswerNotUnderstood):
        Transport().get(url)
    assert listener.visits == []


@pytest.mark.parametrize("name", ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"])
def test_no_proxy_of_the_environment_is_asked(listener: Listener, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, f"http://127.0.0.1:{listener.port}")
    with server(answering(b'HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n{"errcode":0}')) as url:
        assert Transport().get(url).json() == {"errcode": 0}
    with pytest.raises(PlatformError):
        Transport(resolve=lambda host, port: ["127.0.0.1"], connect_seconds=0.3).get("https://corp.example.com:1/x")
    assert listener.visits == []


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key and a certificate that nobody trusts, for another name."""
    file = tmp_path_factory.mktemp("tls") / "both.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=other.example"]
    made = subprocess.run([*command, "-keyout", "-", "-out", "-"], capture_output=True, check=True)
    file.write_bytes(made.stdout)
    return file


def test_a_certificate_that_nobody_vouches_for_is_refused(certificate: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    asked: list[bytes] = []

    def serve(connection: socket.socket) -> None:
        with suppress(OSError), context.wrap_socket(connection, server_side=True) as secure:
            asked.append(secure.recv(10))

    with server(serve) as url:
        port = int(url.rsplit(":", 1)[1])
        guarded = Transport(resolve=lambda host, port: ["127.0.0.1"], connect_seconds=2)
        with pytest.raises(CertificateRefused):
            guarded.get(f"https://corp.example.com:{port}/cgi-bin/gettoken", {"corpsecret": "canary"})
    assert asked in ([], [b""]), "nothing was sent"


ANSWERS = {
    "a page": f"HTTP/1.1 200 OK\r\nContent-Length: {len(INTERNAL)}\r\n\r\n{INTERNAL}",
    "an error": f"HTTP/1.1 500 No\r\nContent-Length: {len(INTERNAL)}\r\n\r\n{INTERNAL}",
    "a redirect": f"HTTP/1.1 302 No\r\nContent-Length: {len(INTERNAL)}\r\n\r\n{INTERNAL}",
    "too many": f"HTTP/1.1 429 No\r\nContent-Length: {len(INTERNAL)}\r\n\r\n{INTERNAL}",
    "other JSON": f'HTTP/1.1 200 OK\r\nContent-Length: {len(INTERNAL) + 8}\r\n\r\n{{"a":"{INTERNAL}"}}',
}


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
def test_the_administrator_learns_a_class_of_error_and_never_the_answer(
    app: Flask, admin_client: Browser, answer: str
) -> None:
    """A demo may reach its simulated deployment by http; what else answers there stays unread."""
    with server(answering(answer.encode())) as url:
        allow(app, url, demo=True, platform_hosts={"wecom": {"api": url}})
        made = planted(url)
        platform = integrations.platform_for(made)
        db.session.rollback()
        result = platform.run_check("endpoint")
    assert not result.passed
    assert result.detail["code"]
    assert INTERNAL not in repr(result)


def test_the_limits_are_those_of_the_rules() -> None:
    assert CONNECT_SECONDS <= 5
    assert TOTAL_SECONDS <= 10
    assert MAX_ANSWER_BYTES <= 1024 * 1024


def test_the_path_is_ours(app: Flask) -> None:
    for rest in ("/admin/delete?all=1", "/..;/x", "#x", "?x", "/cgi-bin", "//x"):
        with pytest.raises(AddressRefused):
            AddressGuard(["corp.example.com"]).check(f"https://corp.example.com{rest}")


@pytest.mark.parametrize("role", ["responder", "viewer"])
def test_only_administrators_have_something_tried(
    client: Browser, role: str, request: pytest.FixtureRequest, admin: Membership
) -> None:
    made = planted("https://corp.example.com")
    client.sign_in(request.getfixturevalue(role))
    for path in ("checks", "checks/endpoint", "test-card", "setup/corp", "setup/corp/fields/endpoint"):
        assert client.submit(f"/integrations/im/{made.id}/{path}", page="/me").status_code == 403


def test_a_changed_address_forgets_the_secret_and_is_recorded(app: Flask, admin: Membership) -> None:
    allow(app, "one.example.com", "two.example.com")
    now = utcnow()
    integration = setup.begin("wecom", "self_built", by=admin, now=now)
    values = {"corp_id": "ww1234567890abcdef", "agent_id": "1000002", "is_private": "1"}
    setup.keep(integration, values | {"endpoint": "https://one.example.com", "secret": "s" * 43}, by=admin, now=now)
    assert "secret" in integration.secrets
    setup.keep(integration, {"endpoint": "https://two.example.com"}, by=admin, now=now)
    assert "secret" not in integration.secrets
    db.session.commit()
    changes = db.session.scalars(db.select(AuditEntry).where(AuditEntry.event == "integration.endpoint_changed")).all()
    assert [entry.detail["after"] for entry in changes if entry.detail["field"] == "endpoint"] == [
        "https://one.example.com",
        "https://two.example.com",
    ]
