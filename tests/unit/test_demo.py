"""The demo's own data."""

from __future__ import annotations

import pytest

from demo import record


def test_a_password_that_happens_to_hold_the_user_name_is_drawn_again(monkeypatch: pytest.MonkeyPatch):
    drawn = iter(["xK3wUq8mT4hYbZ7c", "xK3mPq8mT4hYbZ7c"])
    monkeypatch.setattr(record, "one_time_password", lambda: next(drawn))
    assert record.acceptable_password("wu") == "xK3mPq8mT4hYbZ7c"
