"""Every table of the console on a phone: read without scrolling sideways, whatever long words are in it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from playwright.sync_api import BrowserContext, Page
from sqlalchemy import select

from extensions import db
from models import (
    AccountLink,
    Alert,
    AlertSource,
    ApiToken,
    AuditEntry,
    Base,
    Channel,
    ContactSync,
    ContactSyncState,
    Delivery,
    Department,
    DispatchPolicy,
    GeneratedAccount,
    GroupChat,
    Incident,
    Integration,
    Invitation,
    Seat,
    SeatKind,
    SyncPerson,
    Team,
    Template,
    User,
)
from tests.e2e.demo_company import Company, company, new_phone  # noqa: F401  (fixtures)
from tests.e2e.test_accessibility import SIDEWAYS, in_english, sign_in
from tests.factories import NOW, make_tenant

LATER = NOW + timedelta(days=3650)
WIDTHS = (390, 320)
THUMB_PIXELS = 44
PAGES = (
    "/incidents?scope=all",
    "/incidents/1",
    "/channels",
    "/channels/1",
    "/channels/1/sources",
    "/channels/1/policies",
    "/templates",
    "/deliveries",
    "/integrations/im/1",
    "/integrations/im/2",
    "/integrations/alerts",
    "/integrations/alerts/1",
    "/members",
    "/members/invitations",
    "/teams",
    "/teams/1",
    "/departments",
    "/departments/1",
    "/audit",
    "/plan",
    "/me/links",
    "/me/tokens",
    "/system/third-party",
    "/system/third-party/1",
    "/system/third-party/1/bound",
    "/system/third-party/not-signed-in",
    "/system/third-party/syncs/1",
    "/system/third-party/syncs/2",
    "/instance/organisations",
    "/instance/organisations/0",
    "/instance/audit",
)
SCROLLING = """() => [...document.querySelectorAll(".table-frame, table, .row-list")]
    .filter(one => one.scrollWidth > one.clientWidth + 1)
    .map(one => `${one.className || one.tagName}: ${one.scrollWidth} in ${one.clientWidth} px`)"""
"""What has to be moved sideways to be read, or hides what does not fit."""
PRESSED = "main :is(button, .btn, summary, .form-control, .form-select), header button"
TOO_SMALL = f"""() => [...document.querySelectorAll("{PRESSED}")]
    .map(one => [one, one.getBoundingClientRect()])
    .filter(([one, box]) => box.width > 1 && box.height > 1 && box.height < {THUMB_PIXELS})
    .map(([one, box]) => `${{one.textContent.trim().slice(0, 20) || one.name}}: ${{Math.round(box.height)}} px high`)"""
WITHOUT_HEAD = """() => [...document.querySelectorAll(".table.data td")]
    .filter(one => /^[—\\d]+$/.test(one.innerText.trim()))
    .map(one => `only ${one.innerText.trim()} in ${one.closest(".table-frame").ariaLabel}`)"""
"""Cells whose value does not say what it is: the head of the table is not seen on a phone."""


TALL = """() => [...document.querySelectorAll(".table.data td :is(a, .btn), .table.data td")]
    .filter(one => one.innerText.trim().length > 1 && one.clientWidth && one.clientWidth < 40)
    .map(one => `${one.innerText.trim().slice(0, 30)} within ${one.clientWidth} px`)"""


def long(length: int, start: str = "") -> str:
    """One word that nothing but its end can break."""
    return (start + "abcdefghij" * length)[:length]


def stretch(company: Company) -> None:  # noqa: F811
    """Give the demo company names as long as people and machines make them, and one of whatever it lacks."""
    with company.product.app():
        _add_what_is_missing()
        _rename({User: "real_name", Channel: "name", AlertSource: "name", Template: "name", DispatchPolicy: "name"})
        _rename({Integration: "name", AccountLink: "external_name", GroupChat: "alias", Delivery: "recipient_name"})
        _rename({Incident: "title", Alert: "title", ApiToken: "name"})
        db.session.commit()


def _rename(columns: dict[type[Base], str]) -> None:
    for model, column in columns.items():
        most = min(int(getattr(model, column).type.length), 120)
        for row in db.session.scalars(select(model)):
            setattr(row, column, long(most, f"{row.id}x"))  # type: ignore[attr-defined]


def _add_what_is_missing() -> None:
    user = db.session.query(User).filter_by(username="lin").one()
    integration = db.session.query(Integration).filter_by(platform="wecom").one()
    here = {"tenant_id": 0}
    written = here | {"created_at": NOW}
    make_tenant(long(60), house_number=long(32, "HN"))
    sync = ContactSync(**here, integration_id=integration.id, state=ContactSyncState.DONE, started_by_id=user.id)
    sync.started_at = sync.finished_at = NOW
    db.session.add_all(
        [
            sync,
            Team(**written, name=long(59), description=long(200)),
            Department(**written, name=long(100)),
            Invitation(**written, token_hash=long(64), username=long(40), note=long(60), expires_at=LATER),
            ApiToken(**written, user_id=user.id, name="x", prefix="dby_abcdefgh", token_hash=long(64), scopes=["read"]),
            AuditEntry(**here, at=NOW, event="api_token.created", actor_name=long(128), target=long(200)),
            Seat(**here, user_id=user.id, kind=SeatKind.FIXED, assigned_at=NOW),
            Template(**written, name="x", description=long(200), texts={}, revision="1", changed_at=NOW),
        ]
    )
    db.session.add(
        GeneratedAccount(
            **written,
            user_id=user.id,
            platform_key=long(40),
            external_user_id=long(40),
            password_kind="random",
            password_until=LATER,
        )
    )
    compared = ContactSync(**here, integration_id=integration.id, state=ContactSyncState.COMPARING, started_at=NOW)
    db.session.add(compared)
    db.session.flush()
    for each, outcome in ((sync, "created"), (compared, None)):
        name = long(60, "p")
        person = SyncPerson(**here, sync_id=each.id, external_user_id=name, shown_id=name, name=name, outcome=outcome)
        db.session.add(person)


@pytest.fixture(scope="module")
def stretched(company: Company) -> Company:  # noqa: F811
    stretch(company)
    return company


def problems_of(page: Page, url: str) -> list[str]:
    answer = page.goto(url)
    assert answer is not None and answer.ok, f"{url}: {answer and answer.status}"
    found = []
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 800})
        pixels = page.evaluate(SIDEWAYS)
        problems = [f"{pixels} px too wide"] if pixels > 0 else []
        problems += page.evaluate(SCROLLING) + page.evaluate(TOO_SMALL) + page.evaluate(WITHOUT_HEAD)
        found += [f"{url} at {width}: {problem}" for problem in problems]
    return found


@pytest.mark.timeout(600)
@pytest.mark.parametrize("language", ["zh", "en"])
def test_every_table_is_read_with_a_thumb(stretched: Company, new_phone: Callable[..., Page], language: str):  # noqa: F811
    page = new_phone()
    sign_in(page, stretched, "admin")
    if language == "en":
        in_english(page)
    problems = [text for path in PAGES for text in problems_of(page, stretched.product.base_url + path)]
    assert not problems, "\n".join(dict.fromkeys(problems))


def test_on_a_desk_a_cell_is_no_column_of_single_letters(company: Company, context: BrowserContext):  # noqa: F811
    """Short names may wrap, but never to less than a few characters a line."""
    page = context.new_page()
    sign_in(page, company, "admin")
    problems = []
    for path in ("/incidents?scope=all", "/incidents/4", "/integrations/im/1", "/audit"):
        page.goto(company.product.base_url + path)
        problems += [f"{path}: {text}" for text in page.evaluate(TALL)]
    assert not problems, "\n".join(problems)
