"""Make the pictures of README anew, from the demo that runs, and the icons that the wizard hands out.

    make run          in one terminal; with a new folder (DUTYBELL_HOME=…) the demo's times are fresh
    make pictures     in another, with the same settings; afterwards look at what came out

Needs Chromium, and fonts with Chinese (fonts-noto-cjk) and with emoji (fonts-noto-color-emoji), which cards use.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

from demo.company import APPLICATION, PEOPLE

ROOT = Path(__file__).resolve().parent.parent
IMAGES = ROOT / "docs" / "images"
ICONS = {"dutybell-icon.png": 480, "dutybell-entry-icon.png": 48}
"""File under static/img/ and the length of its sides. Full squares: the clients round the corners themselves."""
MOST_BYTES = 200_000
CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PERSON = PEOPLE[0].username
COMPANY_KEY = {"wecom": "corp_id", "dingtalk": "corp_id", "feishu": "tenant_key"}
"""What a platform's client in the simulator calls the company, among the demo's credentials."""


def main() -> int:
    info = demo()
    with browser() as chromium:
        for name, length in ICONS.items():
            draw_icon(chromium, ROOT / "static" / "img" / name, length)
        for application in info["integrations"]:
            show_card(chromium, info, application)
        show_console(chromium, info)
    pictures = sorted(IMAGES.glob("*.png"))
    for picture in pictures:
        print(f"{picture.stat().st_size / 1000:6.0f} kB  {picture.relative_to(ROOT)}")
    too_large = [picture.name for picture in pictures if picture.stat().st_size > MOST_BYTES]
    if too_large:
        print(f"Larger than {MOST_BYTES // 1000} kB: {', '.join(too_large)}", file=sys.stderr)
    return 1 if too_large else 0


def demo() -> dict[str, Any]:
    """Addresses and passwords of the running demo. Exits with its own words if there is none."""
    asked = subprocess.run([sys.executable, "-m", "demo", "info"], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    if asked.returncode:
        raise SystemExit(asked.returncode)
    described: dict[str, Any] = json.loads(asked.stdout)
    return described


@contextmanager
def browser() -> Iterator[Browser]:
    """The system's Chromium, else Playwright's own if it was installed."""
    found = next(filter(None, map(shutil.which, CHROMIUM)), None)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-gpu"])
        yield chromium
        chromium.close()


def new_page(chromium: Browser, width: int, height: int, scale: float = 1) -> Page:
    """As somebody in Shanghai sees it by day."""
    context = chromium.new_context(
        viewport={"width": width, "height": height},
        device_scale_factor=scale,
        locale="zh-CN",
        timezone_id="Asia/Shanghai",
        color_scheme="light",
    )
    return context.new_page()


def draw_icon(chromium: Browser, file: Path, length: int) -> None:
    page = new_page(chromium, length, length)
    mark = (ROOT / "static" / "img" / "mark.svg").read_text(encoding="utf-8").replace(' rx="8"', "")
    page.set_content(f"<style>body{{margin:0}} svg{{display:block;width:{length}px}}</style>{mark}")
    page.screenshot(path=file)
    page.context.close()


def show_card(chromium: Browser, info: dict[str, Any], application: dict[str, Any]) -> None:
    """The newest card in the person's chat with the application."""
    platform = application["platform"]
    company = application["credentials"][COMPANY_KEY[platform]]
    page = new_page(chromium, 460, 900, scale=1.5)
    page.goto(f"{info['simulator_url']}/{platform}/client/{company}/{PERSON}/")
    page.locator(".chat-list a", has=page.locator("strong", has_text=APPLICATION)).click()
    card = page.locator(".card, .fs-card", has_text="开始处理").last
    card.screenshot(path=IMAGES / f"card-{platform}.png")
    page.context.close()


def show_console(chromium: Browser, info: dict[str, Any]) -> None:
    """A step of the wizard, and the incident that the cards are about."""
    page = new_page(chromium, 1180, 900)
    page.goto(f"{info['base_url']}/sign-in")
    page.fill("[name=username]", info["admin"]["username"])
    page.fill("[name=password]", info["admin"]["password"])
    page.locator("main [type=submit]").first.click()
    page.wait_for_url(f"{info['base_url']}/")
    connected = next(one["id"] for one in info["integrations"] if one["platform"] == "dingtalk")
    page.goto(f"{info['base_url']}/integrations/im/{connected}/setup/permissions", wait_until="networkidle")
    page.screenshot(path=IMAGES / "wizard.png")
    page.goto(f"{info['base_url']}/incidents", wait_until="networkidle")
    page.set_viewport_size({"width": 1180, "height": 1240})
    page.locator("main tbody a").first.click()
    page.wait_for_load_state("networkidle")
    page.screenshot(path=IMAGES / "incident.png")
    page.context.close()


if __name__ == "__main__":
    sys.exit(main())
