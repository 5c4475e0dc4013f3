"""Secrets at rest: AES-256-GCM, bound to their organisation, row and field, with keys that can be changed on line.

A cipher text reads `key id:base64(nonce ‖ tag ‖ data)`. The first configured key encrypts, all of them decrypt.
"""

from __future__ import annotations

import base64
import binascii
import secrets
from collections.abc import Iterable, Mapping
from functools import lru_cache

from sqlalchemy import Connection, insert, select
from sqlalchemy.exc import IntegrityError

from config import ConfigError, EncryptionKey
from errors import AppError
from extensions import db
from models import Canary, CorpAuth, Integration, IntegrationKey, PlatformToken, Provider, SsoProvider
from platforms.crypto import AES
from services.instance import current_settings
from texts import N_

NONCE_BYTES = 12
TAG_BYTES = 16
CANARY_TENANT_ID = 0
CANARY_FIELD = "canary"
CANARY_TEXT = "值班铃"
OPENED_KEPT = 128
"""Cipher texts kept open in this process's memory: every callback needs the same few. A new secret is a new text."""


class SecretUnreadable(AppError):
    """A stored secret that no configured key opens, or that was moved from another row."""

    code = "vault.secret_unreadable"
    message = N_("已保存的密钥无法解密")
    hint = N_("请确认 ENCRYPTION_KEYS 仍包含加密它时使用的密钥，或重新填写该凭证。")


def seal(tenant_id: int, field: str, plaintext: str) -> str:
    """Encrypt a secret of `field` (what it is called, and of what) for one organisation."""
    return _seal(current_settings().encryption_keys[0], tenant_id, field, plaintext)


def unseal(tenant_id: int, field: str, cipher_text: str) -> str:
    """Decrypt what seal() made for the same organisation and field. Raises SecretUnreadable."""
    key_id, _, encoded = cipher_text.partition(":")
    key = next((key for key in current_settings().encryption_keys if key.id == key_id), None)
    if key is None:
        raise SecretUnreadable(f"no key {key_id!r}")
    return _unseal(key, tenant_id, field, encoded)


def reseal(tenant_id: int, field: str, cipher_text: str) -> str:
    """The same secret under the first key; unchanged if it is under that key already."""
    if cipher_text.startswith(current_settings().encryption_keys[0].id + ":"):
        return cipher_text
    return seal(tenant_id, field, unseal(tenant_id, field, cipher_text))


def integration_field(public_key: str, name: str) -> str:
    """The field under which a connection's secret is sealed: its public key names the row, so none opens in another."""
    return f"integration.{public_key}.{name}"


def unseal_of(integration: Integration, name: str) -> str:
    """A connection's secret in clear. Raises SecretUnreadable.

    What the first release sealed was not bound to its row; reseal_all() brings it into today's form.
    """
    cipher_text = integration.secrets[name]
    try:
        return unseal(integration.tenant_id, integration_field(integration.public_key, name), cipher_text)
    except SecretUnreadable:
        return unseal(integration.tenant_id, f"integration.{name}", cipher_text)


def reseal_of(integration: Integration, name: str) -> str:
    """The same secret under the first key and bound to its row; unchanged if it is both already."""
    cipher_text, field = integration.secrets[name], integration_field(integration.public_key, name)
    try:
        unseal(integration.tenant_id, field, cipher_text)
    except SecretUnreadable:
        return seal(integration.tenant_id, field, unseal_of(integration, name))
    return reseal(integration.tenant_id, field, cipher_text)


def push_key_field(key_hash: str) -> str:
    """The field under which a monitoring system's key is sealed: its hash names the row, so none opens in another."""
    return f"integration_key.{key_hash}"


def check_keys() -> None:
    """Prove at start that the keys are those that the stored secrets were encrypted with.

    Raises ConfigError naming the key that is wrong or missing. A key met for the first time leaves a canary.
    """
    keys = current_settings().encryption_keys
    with db.engine.begin() as connection:
        problems = list(_problems(connection, keys))
        if not problems:
            _leave_canaries(connection, keys)
    if problems:
        raise ConfigError(problems)


def problems_of(canaries: Mapping[str, str]) -> list[str]:
    """What is wrong with our keys for data that was encrypted with those of `canaries` (key id → cipher text)."""
    known = {key.id: key for key in current_settings().encryption_keys}
    missing = [f"ENCRYPTION_KEYS: {key_id} is missing" for key_id in canaries if key_id not in known]
    wrong = [
        f"ENCRYPTION_KEYS: {key_id} is another key of that name"
        for key_id, cipher_text in canaries.items()
        if key_id in known and not _opens(known[key_id], cipher_text)
    ]
    return missing + wrong


def reseal_all() -> int:
    """Bring every stored secret under the first key and into today's form; stages that, returns how many changed.

    Cached platform tokens are dropped instead: they are fetched anew.
    """
    changed = 0
    for integration in db.session.execute(select(Integration)).scalars():
        fresh = {name: reseal_of(integration, name) for name in integration.secrets}
        changed += sum(1 for name, cipher_text in fresh.items() if cipher_text != integration.secrets[name])
        if fresh != integration.secrets:
            integration.secrets = fresh
    for key in db.session.execute(select(IntegrationKey)).scalars():
        cipher_text = reseal(key.tenant_id, push_key_field(key.key_hash), key.key_cipher)
        changed += cipher_text != key.key_cipher
        key.key_cipher = cipher_text
    for provider in db.session.execute(select(SsoProvider)).scalars():
        sealed = {name: reseal(provider.tenant_id, sso_field(name), text) for name, text in provider.secrets.items()}
        changed += sum(1 for name, cipher_text in sealed.items() if cipher_text != provider.secrets[name])
        provider.secrets = sealed
    changed += _reseal_providers()
    for token in db.session.execute(select(PlatformToken)).scalars():
        db.session.delete(token)
    return changed


def _reseal_providers() -> int:
    """The same of what this installation is as a provider, and of the companies that authorised it."""
    changed = 0
    for provider in db.session.execute(select(Provider)).scalars():
        kept = provider.secrets
        fresh = {name: reseal(CANARY_TENANT_ID, provider_field(provider.platform, name), kept[name]) for name in kept}
        changed += sum(1 for name in kept if fresh[name] != kept[name])
        provider.secrets = fresh
        if provider.ticket:
            provider.ticket = reseal(CANARY_TENANT_ID, provider_field(provider.platform, "ticket"), provider.ticket)
    for auth in db.session.execute(select(CorpAuth).where(CorpAuth.permanent_code.is_not(None))).scalars():
        cipher_text = reseal(CANARY_TENANT_ID, corp_auth_field(auth.corp_id), str(auth.permanent_code))
        changed += cipher_text != auth.permanent_code
        auth.permanent_code = cipher_text
    return changed


def provider_field(platform: str, name: str) -> str:
    """The field under which a secret of this installation as a provider is sealed, for organisation 0."""
    return f"provider.{platform}.{name}"


def corp_auth_field(corp_id: str) -> str:
    """The field under which a company's permanent code is sealed, for organisation 0: the company names the row."""
    return f"permanent_code.{corp_id}"


def sso_field(name: str) -> str:
    """What a secret of an organisation's identity provider is called; there is one provider."""
    return f"sso:{name}"


def _problems(connection: Connection, keys: Iterable[EncryptionKey]) -> Iterable[str]:
    known = {key.id: key for key in keys}
    for key_id, cipher_text in connection.execute(select(Canary.key_id, Canary.cipher)):
        if key_id in known and not _opens(known[key_id], cipher_text):
            yield f"ENCRYPTION_KEYS: {key_id} is not the key that the stored secrets were encrypted with"
    used = {c.partition(":")[0] for row in connection.execute(select(Integration.secrets)) for c in row[0].values()}
    used |= {cipher_text.partition(":")[0] for cipher_text in connection.scalars(select(IntegrationKey.key_cipher))}
    used |= {c.partition(":")[0] for row in connection.execute(select(Provider.secrets)) for c in row[0].values()}
    codes = select(CorpAuth.permanent_code).where(CorpAuth.permanent_code.is_not(None))
    used |= {str(cipher_text).partition(":")[0] for cipher_text in connection.scalars(codes)}
    for key_id in sorted(used - set(known)):
        yield f"ENCRYPTION_KEYS: {key_id} is missing, but stored secrets need it"


def _opens(key: EncryptionKey, cipher_text: str) -> bool:
    try:
        return _unseal(key, CANARY_TENANT_ID, CANARY_FIELD, cipher_text.partition(":")[2]) == CANARY_TEXT
    except SecretUnreadable:
        return False


def _leave_canaries(connection: Connection, keys: Iterable[EncryptionKey]) -> None:
    present = set(connection.execute(select(Canary.key_id)).scalars())
    for key in keys:
        if key.id in present:
            continue
        cipher_text = _seal(key, CANARY_TENANT_ID, CANARY_FIELD, CANARY_TEXT)
        try:
            with connection.begin_nested():
                values = {"key_id": key.id, "tenant_id": CANARY_TENANT_ID, "cipher": cipher_text}
                connection.execute(insert(Canary).values(values))
        except IntegrityError:
            continue  # another process of the same start was first, or there is no organisation yet


def _seal(key: EncryptionKey, tenant_id: int, field: str, plaintext: str) -> str:
    nonce = secrets.token_bytes(NONCE_BYTES)
    cipher = AES.new(key.key, AES.MODE_GCM, nonce=nonce, mac_len=TAG_BYTES)
    cipher.update(_binding(tenant_id, field))
    data, tag = cipher.encrypt_and_digest(plaintext.encode())
    return f"{key.id}:{base64.b64encode(nonce + tag + data).decode()}"


@lru_cache(maxsize=OPENED_KEPT)
def _unseal(key: EncryptionKey, tenant_id: int, field: str, encoded: str) -> str:
    try:
        packed = base64.b64decode(encoded, validate=True)
        nonce, tag = packed[:NONCE_BYTES], packed[NONCE_BYTES : NONCE_BYTES + TAG_BYTES]
        cipher = AES.new(key.key, AES.MODE_GCM, nonce=nonce, mac_len=TAG_BYTES)
        cipher.update(_binding(tenant_id, field))
        return cipher.decrypt_and_verify(packed[NONCE_BYTES + TAG_BYTES :], tag).decode()
    except (binascii.Error, ValueError):
        raise SecretUnreadable(f"{field} of organisation {tenant_id}") from None


def _binding(tenant_id: int, field: str) -> bytes:
    return f"{tenant_id}\n{field}".encode()
