"""Secrets stay where they belong: canaries in every place, then a look into everything that leaves the process."""

from __future__ import annotations

import base64
import io
import logging
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from flask import Flask

import logs
from config import EncryptionKey, Settings
from extensions import db
from models import Integration, Membership, PlatformToken
from platforms.base import Recipient
from platforms.errors import PlatformError
from services import alert_sources, api_tokens, backups, integrations, vault
from services.clock import utcnow
from services.tokens import DatabaseTokenStore
from tests.conftest import make_settings
from tests.contract.test_transport import answering, server
from tests.factories import make_channel, make_integration
from tests.security.test_crawl import addresses
from tests.web.conftest import PASSWORD, Browser

APP_SECRET = "CanaryApplicationSecret0123456789012345678a"
CALLBACK_TOKEN = "CanaryCallbackToken0123456789"
AES_KEY = "CanaryEncodingAESKey01234567890123456789abc"
ACCESS_TOKEN = "CanaryAccessTokenOfThePlatform0123456789"
ECHO = f'{{"errcode":40001,"errmsg":"bad corpsecret={APP_SECRET}&access_token={ACCESS_TOKEN} code=CanaryCode123"}}'


@dataclass
class Secrets:
    """What was used; `push` may be seen by administrators, on the page of the source alone."""

    push: str
    api: str
    cookie: str

    @property
    def all(self) -> tuple[str, ...]:
        hidden = (APP_SECRET, CALLBACK_TOKEN, AES_KEY, ACCESS_TOKEN, "CanaryCode123", PASSWORD, "wrong-canary-password")
        return (*hidden, self.push, self.api, self.cookie)


@pytest.fixture
def settings(data_folder: Path) -> Settings:
    return make_settings(data_folder, encryption_keys=(EncryptionKey("t1", bytes(range(100, 132))),))


@pytest.fixture
def written(app: Flask) -> Iterator[io.StringIO]:
    """Everything that the process logs, at DEBUG, as it is written to the log."""
    logs.configure(app.config["SETTINGS"])
    stream = io.StringIO()
    own = next(each for each in logging.getLogger().handlers if each.get_name() == logs.OWN)
    assert isinstance(own, logging.StreamHandler)
    before, level = own.setStream(stream), logging.getLogger().level
    loud = [logging.getLogger(name) for name in ("", "urllib3", "werkzeug", "sqlalchemy.engine", "requests")]
    levels = [(logger, logger.level) for logger in loud]
    for logger in loud:
        logger.setLevel(logging.DEBUG)
    yield stream
    for logger, was in levels:
        logger.setLevel(was)
    logging.getLogger().setLevel(level)
    own.setStream(before or io.StringIO())


@pytest.fixture
def secrets(app: Flask, client: Browser, admin: Membership, written: io.StringIO) -> Secrets:
    """Use every kind of secret once, rightly and wrongly, and let things fail with them at hand."""
    client.sign_in(admin, "wrong-canary-password")
    client.sign_in(admin)
    cookie = client.get_cookie("dutybell")
    assert cookie
    _, api = api_tokens.create("ci", ["read"], by=admin, now=utcnow())
    source = alert_sources.create(make_channel().id, "standard", "来源", by=admin, now=utcnow())
    push = alert_sources.current_key(source)
    db.session.commit()
    other = app.test_client()
    body = {"title_rule": "x", "event_status": "Critical", "alert_key": "a"}
    assert other.post(f"/event/push/alert/standard?integration_key={push}", json=body).status_code == 200
    for key in (f"{push}x", push):
        other.post(f"/event/push/alert/standard?integration_key={key}", data="no json", content_type="text/plain")
    for token in (api, f"{api}x"):
        other.get("/api/v1/incidents", headers={"Authorization": f"Bearer {token}"})
    other.get(f"/sign-in?token={api}&code=CanaryCode123")
    use_platform(app)
    app.view_functions["ops.alive"] = broken
    app.config["PROPAGATE_EXCEPTIONS"] = False
    assert client.get(f"/healthz?access_token={ACCESS_TOKEN}").status_code == 500
    return Secrets(push, api, cookie.value)


def broken() -> str:
    raise RuntimeError(f"GET https://api.example/cgi?access_token={ACCESS_TOKEN}&corpsecret={APP_SECRET} failed")


broken.is_public = True  # type: ignore[attr-defined]


def use_platform(app: Flask) -> None:
    """A connection that the platform refuses, with an answer that repeats the secrets."""
    settings = {"corp_id": "ww1234567890abcdef", "agent_id": "1000002"}
    integration = make_integration(settings=settings, secrets={})
    for name, value in (("secret", APP_SECRET), ("token", CALLBACK_TOKEN), ("encoding_aes_key", AES_KEY)):
        integrations.set_secret(integration, name, value)
    db.session.commit()
    number, tenant_id = integration.id, integration.tenant_id
    answer = f"HTTP/1.1 200 OK\r\nContent-Length: {len(ECHO)}\r\n\r\n{ECHO}".encode()
    with server(answering(answer)) as url:
        for base in (url, "http://127.0.0.1:1"):
            app.config["SETTINGS"] = replace(app.config["SETTINGS"], platform_hosts={"wecom": {"api": base}})
            integration = db.session.get_one(Integration, number)
            platform = integrations.platform_for(integration)
            db.session.rollback()
            result = platform.run_check("credentials")
            assert not any(secret in repr(result) for secret in (APP_SECRET, ACCESS_TOKEN, "CanaryCode123"))
            db.session.execute(db.delete(PlatformToken))
            db.session.commit()
            with pytest.raises(PlatformError):
                try:
                    platform.send_text(Recipient("lin"), "hello")
                except PlatformError:
                    logging.getLogger("test").exception("The platform refused.")
                    raise
    DatabaseTokenStore(number, tenant_id).renew("access_token", lambda: (ACCESS_TOKEN, 7200))


def test_no_secret_is_in_the_log_at_debug(secrets: Secrets, written: io.StringIO) -> None:
    text = written.getvalue()
    assert "/event/push/alert/standard" in text
    assert text.count("The platform refused") == 2
    found = [secret for secret in secrets.all if secret in text]
    assert not found, [line for line in text.splitlines() if any(secret in line for secret in found)][:3]


def test_no_secret_is_in_the_database_its_journal_or_a_backup(
    settings: Settings, secrets: Secrets, app: Flask, tmp_path: Path
) -> None:
    files = [path for path in settings.home.iterdir() if path.name.startswith("dutybell.sqlite")]
    assert {path.suffix for path in files} >= {".sqlite", ".sqlite-wal"}
    stored = b"".join(path.read_bytes() for path in files)
    assert b"ww1234567890abcdef" in stored, "the look is into the right files"
    copy = tmp_path / "backup.tar.gz"
    backups.write(copy, now=utcnow())
    with tarfile.open(copy) as archive:
        members = [archive.extractfile(member) for member in archive.getmembers()]
        unpacked = b"".join(member.read() for member in members if member)
    assert b"ww1234567890abcdef" in unpacked
    keys = [key.key for key in app.config["SETTINGS"].encryption_keys]
    for secret in (*(text.encode() for text in secrets.all), *keys, *map(base64.urlsafe_b64encode, keys)):
        assert secret not in stored, secret
        assert secret not in unpacked, secret
    assert app.config["SECRET_KEY"].encode() not in stored + unpacked


def test_no_secret_is_on_any_page(app: Flask, client: Browser, secrets: Secrets, viewer: Membership) -> None:
    found = list(addresses(app, numbers=1))
    for person in ("wang", viewer):
        client.sign_in(person)
        for address in found:
            if address.method != "GET" or address.endpoint == "static":
                continue
            answer = client.get(address.path, follow_redirects=address.endpoint not in {"h5.log_in", "h5.oauth"})
            allowed = {secrets.push} if person == "wang" and address.endpoint == "alert_sources.detail" else set()
            shown = {secret for secret in secrets.all if secret in answer.text}
            assert shown <= allowed, (address, shown)
        client.submit("/sign-out", page="/me")


def test_errors_show_neither_what_failed_nor_how(app: Flask, client: Browser, secrets: Secrets) -> None:
    for headers in ({}, {"HX-Request": "true"}, {"Accept": "application/json"}):
        answer = client.get("/healthz", headers=headers)
        assert answer.status_code == 500
        for word in (ACCESS_TOKEN, APP_SECRET, "Traceback", "RuntimeError", "api.example", str(app.root_path)):
            assert word not in answer.text


def test_the_repr_of_what_holds_secrets_shows_none(app: Flask, secrets: Secrets) -> None:
    integration = db.session.scalars(db.select(Integration)).all()[-1]
    platform = integrations.platform_for(integration)
    shown = repr(platform) + repr(getattr(platform, "settings", "")) + repr(app.config["SETTINGS"])
    assert not [text for text in (APP_SECRET, CALLBACK_TOKEN, AES_KEY) if text in shown]
    assert app.config["SECRET_KEY"] not in repr(app.config["SETTINGS"])


def test_swapped_cipher_texts_are_refused(app: Flask, admin: Membership) -> None:
    """Between rows, between fields of a row, between organisations, between kinds."""
    one, two = make_integration(secrets={}), make_integration(secrets={})
    for integration, value in ((one, "first"), (two, "second")):
        integrations.set_secret(integration, "secret", value)
        integrations.set_secret(integration, "token", f"{value}-token")
    first, second = dict(one.secrets), dict(two.secrets)
    for planted in ({"secret": second["secret"]}, {"secret": first["token"]}, {"token": first["secret"]}):
        one.secrets = first | planted
        with pytest.raises(vault.SecretUnreadable):
            integrations.platform_for(one)
    one.secrets = first
    assert vault.unseal_of(one, "secret") == "first"
    db.session.commit()
    stores = [DatabaseTokenStore(row.id, row.tenant_id) for row in (one, two)]
    db.session.rollback()
    stores[0].renew("access_token", lambda: ("token of one", 7200))
    stores[1].renew("access_token", lambda: ("token of two", 7200))
    tokens = db.session.scalars(db.select(PlatformToken).order_by(PlatformToken.integration_id)).all()
    tokens[0].value, tokens[1].value = tokens[1].value, tokens[0].value
    db.session.commit()
    app.extensions.pop("platform_token_memos", None)
    fetched = stores[0].get("access_token", lambda: ("fetched anew", 7200))
    assert fetched == "fetched anew", "a token of another row counts as absent"


def test_a_viewer_reads_no_secret_through_pages_or_api(
    app: Flask, client: Browser, secrets: Secrets, viewer: Membership
) -> None:
    client.sign_in(viewer)
    for address in addresses(app, numbers=1):
        if address.method == "GET" and address.blueprint in {"alert_sources", "integrations", "channels"}:
            answer = client.get(address.path)
            assert secrets.push not in answer.text, address
            assert answer.status_code in {200, 303, 304, 403, 404}, address
