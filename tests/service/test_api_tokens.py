"""Bearer tokens."""

from __future__ import annotations

from datetime import timedelta

import pytest

from errors import InvalidInput, NotFound
from extensions import db
from models import MembershipState, Role, TenantStatus
from services import api_tokens
from services.api_tokens import Scope, TooManyTokens
from tests.factories import NOW, make_member, make_tenant

HOUR = timedelta(hours=1)


@pytest.fixture
def lin(app):
    return make_member("lin")


def create(member, name="巡检脚本", scopes=("read",), **options):
    token, text = api_tokens.create(name, scopes, by=member, now=NOW, **options)
    db.session.commit()
    return token, text


def test_a_token_is_its_owner(lin):
    token, text = create(lin, scopes=["handle", "read"])
    caller = api_tokens.verify(text, now=NOW)
    assert caller.member.id == lin.id
    assert caller.has_scope(Scope.READ)
    assert not caller.has_scope(Scope.CONFIG)
    assert token.scopes == ["read", "handle"]
    assert text.startswith(token.prefix)
    assert text not in (token.prefix, token.token_hash)


def test_unknown_texts_are_nobody(lin):
    _, text = create(lin)
    for wrong in ("", text[:-1], text + "x", text.swapcase(), "\x00", "\ud800"):
        assert api_tokens.verify(wrong, now=NOW) is None


def test_a_token_ends(lin):
    _, text = create(lin, expires_at=NOW + HOUR)
    assert api_tokens.verify(text, now=NOW + HOUR - timedelta(seconds=1))
    assert api_tokens.verify(text, now=NOW + HOUR) is None


def test_who_may_not_act_has_no_token(lin):
    _, text = create(lin)
    for change, undo in (
        (lambda: setattr(lin.user, "is_disabled", True), lambda: setattr(lin.user, "is_disabled", False)),
        (lambda: setattr(lin, "state", MembershipState.LEFT), lambda: setattr(lin, "state", MembershipState.ACTIVE)),
        (
            lambda: setattr(lin.tenant, "status", TenantStatus.FROZEN),
            lambda: setattr(lin.tenant, "status", TenantStatus.ACTIVE),
        ),
    ):
        change()
        db.session.commit()
        assert api_tokens.verify(text, now=NOW) is None
        undo()
        db.session.commit()
        assert api_tokens.verify(text, now=NOW)


def test_five_for_each_person(lin):
    for number in range(5):
        create(lin, f"令牌 {number}")
    with pytest.raises(TooManyTokens):
        create(lin)
    create(make_member("wu"))


def test_revoking_works_at_once(lin):
    token, text = create(lin)
    api_tokens.revoke(token.id, by=lin)
    db.session.commit()
    assert api_tokens.verify(text, now=NOW) is None


def test_only_oneself_and_administrators_revoke(lin):
    token, _ = create(lin)
    for stranger in (make_member("wu"), make_member("zhou", Role.ADMIN, tenant=make_tenant())):
        with pytest.raises(NotFound):
            api_tokens.revoke(token.id, by=stranger)
    api_tokens.revoke(token.id, by=make_member("admin", Role.ADMIN))


def test_wrong_wishes_are_refused(lin):
    for wish in ({"name": ""}, {"name": "x" * 61}, {"scopes": []}, {"scopes": ["root"]}, {"expires_at": NOW}):
        with pytest.raises(InvalidInput):
            create(lin, **wish)


def test_use_is_noted_once_a_minute(lin):
    token, _ = create(lin)
    assert api_tokens.is_use_to_be_noted(token, now=NOW)
    api_tokens.note_use(token.id, token.tenant_id, now=NOW)
    db.session.commit()
    db.session.refresh(token)
    assert not api_tokens.is_use_to_be_noted(token, now=NOW + timedelta(seconds=59))
    assert api_tokens.is_use_to_be_noted(token, now=NOW + timedelta(seconds=60))
