"""What shows something to a reader, and what does not."""

from __future__ import annotations

import pytest

from visible_text import is_visible

NOTHING = ["", " \n\u3000", "\u200b", "\u200b\u202e\u2066", "\u3164", "\u115f\u1160\uffa0", "\ufeff\u00ad", "\x1b"]


@pytest.mark.parametrize("text", NOTHING)
def test_nothing_is_seen(text: str) -> None:
    assert not is_visible(text)


@pytest.mark.parametrize("text", ["题", ".", "\u200b支付", "a\u202e", "👨\u200d👩", "\u3164x", "<"])
def test_something_is_seen(text: str) -> None:
    assert is_visible(text)
