"""Secrets at rest: bound to their place, readable with the right keys alone, and with no others at start."""

from __future__ import annotations

from dataclasses import replace

import pytest
from flask import Flask
from sqlalchemy import select

from config import ConfigError, EncryptionKey
from extensions import db
from models import Canary
from services import integrations, vault
from tests.factories import default_tenant, make_integration

OLD = EncryptionKey("t1", bytes(32))
NEW = EncryptionKey("t2", bytes(range(32)))


def use_keys(app: Flask, *keys: EncryptionKey) -> None:
    app.config["SETTINGS"] = replace(app.config["SETTINGS"], encryption_keys=keys)


def test_a_secret_comes_back(app):
    sealed = vault.seal(1, "integration.secret", "秘密")
    assert vault.unseal(1, "integration.secret", sealed) == "秘密"
    assert "秘密" not in sealed
    assert sealed.startswith("t1:")
    assert sealed != vault.seal(1, "integration.secret", "秘密")


@pytest.mark.parametrize(("tenant_id", "field"), [(2, "integration.secret"), (1, "integration.token"), (1, "")])
def test_a_secret_moved_to_another_place_is_unreadable(app, tenant_id, field):
    sealed = vault.seal(1, "integration.secret", "s")
    with pytest.raises(vault.SecretUnreadable):
        vault.unseal(tenant_id, field, sealed)


@pytest.mark.parametrize("damage", ["", "t1", "t1:", "t1:!!!", "t9:AAAA", "t1:" + "A" * 40])
def test_a_damaged_secret_is_unreadable(app, damage):
    with pytest.raises(vault.SecretUnreadable):
        vault.unseal(1, "f", damage)


def test_every_byte_is_covered(app):
    key_id, _, encoded = vault.seal(1, "f", "s").partition(":")
    flipped = encoded[:-6] + ("A" if encoded[-6] != "A" else "B") + encoded[-5:]
    with pytest.raises(vault.SecretUnreadable):
        vault.unseal(1, "f", f"{key_id}:{flipped}")


def test_a_new_key_encrypts_while_the_old_one_still_reads(app):
    sealed = vault.seal(1, "f", "s")
    use_keys(app, NEW, *app.config["SETTINGS"].encryption_keys)
    assert vault.unseal(1, "f", sealed) == "s"
    assert vault.seal(1, "f", "s").startswith("t2:")
    assert vault.reseal(1, "f", sealed).startswith("t2:")


def test_stored_secrets_can_be_brought_under_the_new_key(app):
    integration = make_integration()
    integrations.set_secret(integration, "secret", "s")
    integrations.set_secret(integration, "token", "t")
    db.session.commit()
    old = app.config["SETTINGS"].encryption_keys
    use_keys(app, NEW, *old)
    assert vault.reseal_all() == 2
    db.session.commit()
    use_keys(app, NEW)
    vault.check_keys()
    assert vault.unseal_of(integration, "secret") == "s"


def test_a_secret_of_the_first_release_opens_until_it_is_bound_to_its_row(app):
    """Two of them could be swapped inside an organisation; after the command none can."""
    one, two = (make_integration(secrets={"secret": vault.seal(0, "integration.secret", text)}) for text in "ab")
    assert (vault.unseal_of(one, "secret"), vault.unseal_of(two, "secret")) == ("a", "b")
    assert vault.reseal_all() == 2
    assert vault.reseal_all() == 0
    db.session.commit()
    assert (vault.unseal_of(one, "secret"), vault.unseal_of(two, "secret")) == ("a", "b")
    one.secrets, two.secrets = two.secrets, one.secrets
    for integration in (one, two):
        with pytest.raises(vault.SecretUnreadable):
            vault.unseal_of(integration, "secret")
        with pytest.raises(vault.SecretUnreadable):
            integrations.platform_for(integration)


def test_a_start_leaves_a_canary_for_each_key_once(app):
    default_tenant()
    db.session.commit()
    use_keys(app, NEW, *app.config["SETTINGS"].encryption_keys)
    vault.check_keys()
    vault.check_keys()
    assert sorted(db.session.execute(select(Canary.key_id)).scalars()) == ["t1", "t2"]


def test_a_start_with_another_key_of_the_same_name_is_refused(app):
    default_tenant()
    db.session.commit()
    vault.check_keys()
    use_keys(app, EncryptionKey("t1", bytes(range(32))))
    with pytest.raises(ConfigError) as refusal:
        vault.check_keys()
    assert len(refusal.value.problems) == 1
    assert "t1" in refusal.value.problems[0]


def test_a_start_without_a_key_that_secrets_need_is_refused(app):
    integrations.set_secret(make_integration(), "secret", "s")
    db.session.commit()
    use_keys(app, NEW)
    with pytest.raises(ConfigError, match="t1"):
        vault.check_keys()


def test_a_secret_can_be_replaced_and_removed(app):
    integration = make_integration(secrets={})
    integrations.set_secret(integration, "secret", "one")
    integrations.set_secret(integration, "token", "two")
    assert integration.secrets.keys() == {"secret", "token"}
    integrations.set_secret(integration, "secret", "")
    assert integration.secrets.keys() == {"token"}
