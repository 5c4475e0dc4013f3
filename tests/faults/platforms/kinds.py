"""The platforms that these tests know, and on which of them a test makes sense: by what they can do, not by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from platforms import PLATFORMS
from platforms.base import Capabilities
from tests.faults.platforms.application import Application
from tests.faults.platforms.dingtalk import DingTalkApplication
from tests.faults.platforms.feishu import FeishuApplication
from tests.faults.platforms.wecom import WeComApplication

KINDS: dict[str, type[Application]] = {
    kind.slug: kind for kind in (DingTalkApplication, FeishuApplication, WeComApplication)
}
assert KINDS.keys() == PLATFORMS.keys()


def where(applies: Callable[[Capabilities], Any]) -> pytest.MarkDecorator:
    """Run a test on the platforms of which this is so."""
    chosen = [slug for slug, kind in sorted(KINDS.items()) if applies(kind.capabilities())]
    return pytest.mark.parametrize("world", chosen, indirect=True)


def each(names: str, rows: Callable[[type[Application]], Any]) -> pytest.MarkDecorator:
    """Run a test for every row of every platform: `world`, and the row's members as `names`."""
    found = [(slug, *row) for slug, kind in sorted(KINDS.items()) for row in rows(kind)]
    named = ["world", *filter(None, names.split(", "))]
    return pytest.mark.parametrize(named, found, indirect=["world"])


once = pytest.mark.parametrize("world", ["wecom"], indirect=True)
"""For what is the same whichever platform it is."""
