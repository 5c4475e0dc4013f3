"""Journeys in a real browser: the system's Chromium if there is one, on a desk and on a phone, in Chinese.

Nothing may leave the machine: a page that asks another host for anything fails its test.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, Request

from tests.servers import product  # noqa: F401  (a fixture)

CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# No sandbox: tests may run as root in a container. The others keep the browser from talking to its maker, the last one
# from talking to anybody outside this machine.
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE *.localhost, EXCLUDE 127.0.0.1, EXCLUDE [::1]",
]
DESKTOP = {"viewport": {"width": 1440, "height": 900}}
PHONE = {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 2, "is_mobile": True, "has_touch": True}


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    found = next(filter(None, map(shutil.which, CHROMIUM)), None)
    system = {"executable_path": found} if found else {}  # else Playwright's own, if it was installed
    return browser_type_launch_args | system | {"args": ARGUMENTS}


@pytest.fixture(scope="session")
def browser_context_args(browser_context_args: dict[str, Any]) -> dict[str, Any]:
    return browser_context_args | {"locale": "zh-CN", "timezone_id": "Asia/Shanghai"}


@pytest.fixture(scope="session", autouse=True)
def whoever_acts_looks() -> Iterator[None]:
    """A window comes to the front before something is pressed in it, as on a desk.

    The browser draws one that is behind another once a second, and whatever is pressed must have stood still before.
    """
    with pytest.MonkeyPatch.context() as patch:
        for name in ("click", "check", "uncheck", "tap"):
            patch.setattr(Locator, name, _in_front(getattr(Locator, name)))
        yield


def _in_front(act: Callable[..., None]) -> Callable[..., None]:
    def looked_at(locator: Locator, **options: Any) -> None:
        locator.page.bring_to_front()
        act(locator, **options)

    return looked_at


@pytest.fixture
def strangers() -> Iterator[list[str]]:
    """Addresses outside this machine that a page asked for; the test fails if there is one."""
    asked: list[str] = []
    yield asked
    assert not asked, f"pages asked other hosts: {asked}"


@pytest.fixture
def context(new_context: Callable[..., BrowserContext], strangers: list[str]) -> BrowserContext:
    context = new_context(**DESKTOP)
    keep_inside(context, strangers)
    return context


@pytest.fixture
def phone(new_context: Callable[..., BrowserContext], strangers: list[str]) -> Page:
    """A page on a phone, 390 × 844, touched with a finger; its own cookies."""
    context = new_context(**PHONE)
    keep_inside(context, strangers)
    return context.new_page()


def keep_inside(context: BrowserContext, strangers: list[str]) -> None:
    """Remember requests to other machines, which the browser finds none of (ARGUMENTS).

    Only listening: with a route of Playwright's each file would be asked for again by every page.
    """

    def note(request: Request) -> None:
        if is_stranger(request.url):
            strangers.append(request.url)

    context.on("request", note)


def is_stranger(url: str) -> bool:
    parts = urlsplit(url)
    host = parts.hostname or ""
    return parts.scheme in {"http", "https", "ws", "wss"} and not (
        host in {"localhost", "127.0.0.1", "::1"} or host.endswith(".localhost")
    )
