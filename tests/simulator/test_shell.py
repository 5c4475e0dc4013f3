"""What the platforms share knows none of them by name, so that a further one is its folder and a line."""

from pathlib import Path

import pytest

from simulator.app import create_app
from simulator.base import Platform

LABORATORY = create_app().extensions["simulator"]
ROOT = Path(create_app().root_path)
SHARED = [path for path in [*ROOT.glob("*.py"), *ROOT.glob("templates/*.html")] if path.name != "platforms.py"]


@pytest.mark.parametrize("path", SHARED, ids=lambda path: path.name)
def test_shared_files_name_no_platform(path):
    text = path.read_text(encoding="utf-8")
    for slug in LABORATORY.platforms:
        assert not any(mark in text for mark in (f"simulator.{slug}", f'"{slug}', f"'{slug}", f"{slug}/")), slug


@pytest.mark.parametrize("slug", LABORATORY.platforms)
def test_every_platform_answers_the_same_questions(slug):
    app = create_app()
    http = app.test_client()
    platform: Platform = app.extensions["simulator"].platforms[slug]
    assert (platform.slug, bool(platform.name), bool(platform.blueprints)) == (slug, True, True)
    assert http.get("/control/messages", query_string={"platform": slug}).get_json() == []
    assert slug in http.get("/control/state").get_json()
    missing = {"platform": slug, "message_id": "none", "person": "nobody", "key": "k"}
    assert http.post("/control/press", json=missing).status_code in (404, 409)
    page = http.get("/").get_data(as_text=True)
    with app.test_request_context():
        further = [address for _name, _about, address in platform.further_consoles()]
        addresses = platform.console_url(), platform.client_url(), *further
    for address in addresses:
        assert f'href="{address}"' in page
        assert http.get(address).status_code == 200
    assert http.post("/control/press", json=missing | {"platform": "nonesuch"}).status_code == 404
