"""Alert text is hostile: pushed into every field, then read back on every page and on the card."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser

import pytest
from flask import Flask

from extensions import db
from models import AlertSource, Channel, Incident, Membership
from platforms.base import IncidentCard
from platforms.wecom import cards as wecom_cards
from services import alert_sources, integrations
from services.clock import utcnow
from services.notifications import notify
from tests.factories import drawn_card, make_channel, make_incident, make_integration, make_link, make_policy
from tests.web.conftest import Browser

SCRIPT = "<script>alert('canary')</script>"
HOSTILE = [
    SCRIPT,
    "<img src=x onerror=alert('canary')>",
    "\"><svg onload=alert('canary')>",
    "' onmouseover='alert(1)' x='",
    "</textarea></title></style><script>alert(1)</script>",
    "[重启](javascript:alert('canary'))",
    "[x](data:text/html;base64,PHNjcmlwdD4=)",
    "![](https://evil.example/pixel.png)",
    "[开始处理](https://evil.example/fake-button)",
    "<a href='https://evil.example'>开始处理</a>",
    "@all @everyone @所有人",
    "%s %d %n %(user)s %(password)s %",
    "{} {0} {user.password_hash} {{7*7}} {% raw %} ${7*7} #{7*7}",
    "{{ config.items() }} {{ ''.__class__.__mro__ }}",
    "a\u202egnp.exe\u202c b\u2066c\u2069",
    "line\r\nSet-Cookie: a=b\r\n\r\n<b>",
    "\x1b[31mred\x07\x08",
    "zero\u200bwidth\ufeff",
    "'; DROP TABLE incidents; --",
    '=HYPERLINK("https://evil.example")',
    "../../../etc/passwd",
    "😀" * 40,
]
PATHS = (
    *("/", "/incidents?filter=all", "/incidents/1", "/incidents/1/edit", "/deliveries"),
    *("/channels/{channel}", "/integrations/alerts/{source}"),
)
DANGEROUS_TAGS = {"script", "iframe", "object", "embed", "base", "form", "style", "link", "meta"}
BIDI = re.compile("[\u202a-\u202e\u2066-\u2069]")


class Page(HTMLParser):
    """What a browser would make of a page: its tags, the places it leads to, and attributes that act."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: dict[str, int] = {}
        self.targets: list[str] = []
        self.acting: list[str] = []
        self.foreign: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] = self.tags.get(tag, 0) + 1
        for name, value in attrs:
            if name.startswith("on") or name in {"style", "srcdoc"}:
                self.acting.append(f"{tag}.{name}")
            if name in {"href", "src", "action", "formaction", "hx-get", "hx-post", "data"}:
                self.targets.append(value or "")
                if "evil.example" in (value or ""):
                    self.foreign.append((tag, dict(attrs)))


def push(client: Browser, source: AlertSource, text: str, key: str) -> int:
    """Push `text` in every field of an alert; returns the status."""
    body = {
        "title_rule": text,
        "event_status": "Critical",
        "alert_key": f"{key}-{text}"[:255],
        "description": text,
        "labels": {"resource": text, "check": text, text[:100]: text, "generatorURL": "javascript:alert(1)"},
        "images": [{"alt": text[:100], "src": "javascript:alert(1)", "href": "data:text/html,x"}],
    }
    address = f"/event/push/alert/standard?integration_key={alert_sources.current_key(source)}"
    return client.post(address, json=body).status_code


@pytest.fixture
def channel(admin: Membership) -> Channel:
    found: Channel = make_channel()
    make_policy(found, admin)
    return found


@pytest.fixture
def source(admin: Membership, channel: Channel) -> AlertSource:
    made = alert_sources.create(channel.id, "standard", "来源", by=admin, now=utcnow())
    db.session.commit()
    return made


def pages(client: Browser, channel: Channel, source: AlertSource) -> dict[str, str]:
    found = {path: path.format(channel=channel.id, source=source.id) for path in PATHS}
    return {path: client.get(address).text for path, address in found.items()}


def test_every_page_stays_what_it_was(
    client: Browser, admin: Membership, channel: Channel, source: AlertSource
) -> None:
    """The same tags that act, and no new place to go, whatever was pushed."""
    client.sign_in(admin)
    assert push(client, source, "harmless", "0") == 200
    before = {path: Page(text) for path, text in pages(client, channel, source).items()}
    for number, text in enumerate(HOSTILE):
        assert push(client, source, text, str(number)) == 200, text
    incidents = db.session.scalars(db.select(Incident).order_by(Incident.id)).all()
    assert len(incidents) == len(HOSTILE) + 1
    texts = pages(client, channel, source)
    for incident in incidents[1:]:
        texts[f"/incidents/{incident.num}"] = client.get(f"/incidents/{incident.num}").text
    for path, text in texts.items():
        page, known = Page(text), before.get(path, before["/incidents/1"])
        assert page.acting == [], path
        for tag in DANGEROUS_TAGS - {"form"}:
            assert page.tags.get(tag, 0) == known.tags.get(tag, 0), (path, tag)
        for tag, attributes in page.foreign:  # Markdown's links: plain ones, that say nothing of where they were
            assert tag == "a", (path, tag)
            assert set(attributes) == {"href", "rel"}, (path, attributes)
            assert {"noopener", "noreferrer"} <= set((attributes["rel"] or "").split()), path
        for target in page.targets:
            assert not target.lower().lstrip().startswith(("javascript:", "data:text", "vbscript:")), (path, target)


def test_answers_of_programs_hold_text_as_text(client: Browser, source: AlertSource) -> None:
    for number, text in enumerate(HOSTILE):
        body = {"title_rule": f"[TPL]{text}${{resource}}", "event_status": "Critical", "labels": {"resource": text}}
        address = f"/event/push/alert/standard?integration_key={alert_sources.current_key(source)}"
        answer = client.post(address, json=body | {"alert_key": str(number)})
        assert answer.status_code == 200, text
        assert answer.mimetype == "application/json"
        assert "\n" not in answer.headers.get("X-Request-Id", "")
    wrong = client.post(address, json={"title_rule": SCRIPT, "event_status": SCRIPT, "alert_key": "x"})
    assert wrong.status_code == 400
    assert wrong.mimetype == "application/json"
    assert wrong.headers["X-Content-Type-Options"] == "nosniff"


def card_of(app: Flask, admin: Membership, text: str) -> IncidentCard:
    integration = make_integration(settings={"trusted_domain": "localhost"})
    make_link(integration, admin)
    labels = {"resource": text, "check": text, "service": text, "env": text}
    channel = make_channel(f"x{text}"[:50])
    incident = make_incident(channel, title=text, description=text, labels=labels, responders=(admin,))
    notification = notify(incident, cause="assign", user_ids=[admin.user_id], now=utcnow())
    db.session.commit()
    card = drawn_card(incident, notification.deliveries[0], integration)
    db.session.commit()
    assert card.url == integrations.incident_url(integration, incident.num)
    return card


def test_a_card_shows_text_and_leads_only_to_us(app: Flask, admin: Membership) -> None:
    plain = card_of(app, admin, "harmless")
    for text in HOSTILE:
        check_card(plain, card_of(app, admin, text))


def check_card(plain: IncidentCard, hostile: IncidentCard) -> None:
    """The hostile one has the same buttons, leads to the same places and says nothing that acts."""
    assert [button.text for button in hostile.buttons] == [button.text for button in plain.buttons]
    drawn = wecom_cards.as_json(hostile)
    shown = json.dumps(drawn, ensure_ascii=False)
    assert "<a" not in shown.lower()
    assert "@all" not in shown.lower().replace(" ", "")
    assert "@所有人" not in shown
    assert not BIDI.search(shown)
    for address in re.findall(r'"url": "([^"]*)"', shown):
        assert address.startswith("http://localhost/h5/wecom/"), address
    assert {key for key in drawn if key.startswith("button") or key == "card_action"} == {
        key for key in wecom_cards.as_json(plain) if key.startswith("button") or key == "card_action"
    }
    xml = wecom_cards.as_reply_xml(hostile)
    assert xml.count("<![CDATA[") == xml.count("]]>")
    assert "\x1b" not in xml


def test_images_are_named_and_never_fetched(
    client: Browser, admin: Membership, channel: Channel, source: AlertSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Addresses in alerts are the reader's business: this server calls none of them, the policy loads none of them."""
    monkeypatch.setattr("socket.socket.connect", lambda *_: pytest.fail("connected"))
    body = {"title_rule": "x", "event_status": "Critical", "alert_key": "a"}
    images = [{"alt": "x", "src": "https://169.254.169.254/x.png", "href": "https://169.254.169.254/"}]
    address = f"/event/push/alert/standard?integration_key={alert_sources.current_key(source)}"
    assert client.post(address, json=body | {"images": images}).status_code == 200
    client.sign_in(admin)
    page = client.get("/incidents/1")
    policy = page.headers["Content-Security-Policy"]
    assert "img-src 'self' data:" in policy
    assert 'src="https://169.254' not in page.text


SEARCHES = ["/incidents", "/deliveries", "/members", "/channels", "/integrations/im"]


@pytest.mark.parametrize("path", SEARCHES)
def test_searches_show_what_was_asked_as_text(admin_client: Browser, path: str) -> None:
    plain = Page(admin_client.get(path, query_string={"q": "harmless"}).text)
    for text in HOSTILE:
        names = ("q", "filter", "severity", "role", "state", "before", "after", "channel", "people", "reason")
        for name in (names[0], names[1 + HOSTILE.index(text) % 9]):
            answer = admin_client.get(path, query_string={name: text})
            assert answer.status_code in {200, 400, 404}, (name, text)
            page = Page(answer.text)
            assert page.acting == [], (name, text)
            if answer.status_code == 200:
                assert page.tags.get("script") == plain.tags.get("script"), (name, text)
            assert "\r" not in str(answer.headers.get("Location", ""))
