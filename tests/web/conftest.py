"""A browser without a screen: requests as they come from outside, each in a context of its own."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextvars import Context
from html import unescape
from typing import Any

import pytest
from flask import Flask, has_app_context
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from extensions import db
from models import Membership, Role
from services import accounts, instance
from services.clock import utcnow

PASSWORD = "correct horse battery staple"
TOKEN = re.compile(r'name="csrf_token" value="([^"]+)"')


class Browser(FlaskClient):
    """Sends requests outside the test's own application context, so that nothing of one reaches the next.

    What the test has changed is committed before, and what the request changed is seen after it.
    """

    def open(self, *args: Any, **kwargs: Any) -> TestResponse:
        kwargs.setdefault("buffered", True)  # what is streamed is read where it belongs, too
        if not has_app_context():  # following a redirect
            return super().open(*args, **kwargs)
        db.session.commit()
        try:
            return Context().run(super().open, *args, **kwargs)
        finally:
            db.session.expire_all()

    def submit(self, path: str, fields: dict[str, Any] | None = None, *, page: str | None = None, **kwargs: Any) -> Any:
        """Open the page with the form, then send the form with its token."""
        return self.post(path, data={**(fields or {}), "csrf_token": self.token(page or path)}, **kwargs)

    def token(self, page: str = "/sign-in") -> str:
        """The form token that `page` shows (over redirects)."""
        found = TOKEN.search(self.get(page, follow_redirects=True).text)
        assert found, f"no form on {page}"
        return unescape(found[1])

    def sign_in(self, member: Membership | str, password: str = PASSWORD) -> TestResponse:
        """Sign in through the page; the answer is the redirect behind it."""
        username = member if isinstance(member, str) else member.user.username
        return self.submit("/sign-in", {"username": username, "password": password})


@pytest.fixture
def client(app: Flask) -> Iterator[Browser]:
    """A browser that nobody has signed in with."""
    app.test_client_class = Browser
    app.config["TESTING"] = True
    made = app.test_client()
    assert isinstance(made, Browser)
    yield made


@pytest.fixture
def admin(app: Flask) -> Membership:
    """The first administrator of the default organisation; the password is PASSWORD."""
    made = accounts.create_first_administrator("wang", "王芳", PASSWORD, organisation="测试组织", now=utcnow())
    db.session.commit()
    return made


@pytest.fixture
def responder(admin: Membership) -> Membership:
    """Lin, who handles incidents; the password is PASSWORD."""
    user = accounts.create("lin", "林晓", PASSWORD, now=utcnow())
    made = accounts.join(user, instance.default_tenant(now=utcnow()), Role.RESPONDER, source="manual", now=utcnow())
    db.session.commit()
    return made


@pytest.fixture
def viewer(admin: Membership) -> Membership:
    """Somebody who may only look; the password is PASSWORD."""
    user = accounts.create("zhao", "赵看", PASSWORD, now=utcnow())
    made = accounts.join(user, instance.default_tenant(now=utcnow()), Role.VIEWER, source="manual", now=utcnow())
    db.session.commit()
    return made


@pytest.fixture
def admin_client(client: Browser, admin: Membership) -> Browser:
    assert client.sign_in(admin).status_code == 303
    return client
