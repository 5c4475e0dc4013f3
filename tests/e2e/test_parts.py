"""Parts of a page: renewed never over what somebody is doing, pressed in order, and left only once."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, Route, expect

from tests.e2e.demo_company import Company, company  # noqa: F401  (fixtures)
from tests.e2e.wecom_console import PATIENCE_MS

Act = Callable[[Page], None]
PART = """
<div id="part" hx-get="/part" hx-trigger="every 600s" hx-target="this" hx-swap="outerHTML">
  <button type="button">Press</button><output></output>
  <input type="checkbox" aria-label="Plain"><input type="checkbox" aria-label="Ticked" checked>
  <input aria-label="Typed"><input aria-label="Copied" readonly>
</div>
"""
LISTEN = """
addEventListener("click", event => { event.target.nextElementSibling.value = "pressed" });
window.answered = new Promise(done => part.addEventListener("htmx:finally:request", () => done(true)));
undefined
"""
COME_ROUND_ONCE_MORE = """
const comeRound = () => part.dispatchEvent(new Event("every"));
part.addEventListener("htmx:finally:request", () => setTimeout(comeRound), {once: true});
"""
FORM = """
<form action="/{0}" method="post" hx-post="/{0}" hx-disable="find button" hx-sync="this:drop" data-guard>
  <button>{0}</button>
</form>
"""
FORMS = FORM.format("first") + FORM.format("second")
PRESSED = (
    f'<section id="pressed" hx-target:inherited="#pressed" hx-swap:inherited="outerHTML"><h2>{{}}</h2>{FORMS}</section>'
)
RENEWED = PART.replace("<output></output>", "<output>renewed</output>")


class Held:
    """Answers to what a page asks for, given when the test says so."""

    def __init__(self, page: Page, path: str):
        self.routes: list[Route] = []
        page.route(f"**{path}", self.keep)

    def keep(self, route: Route) -> None:
        self.routes.append(route)

    def wait(self, page: Page) -> None:
        """Until the page has asked."""
        while not self.routes:
            page.evaluate("new Promise(requestAnimationFrame)")

    def answer(self, page: Page, body: str, status: int = 200) -> None:
        """The oldest question, once it is there."""
        self.wait(page)
        self.routes.pop(0).fulfill(status=status, body=body, content_type="text/html")


@pytest.fixture
def page_with_part(company: Company, page: Page) -> Page:  # noqa: F811
    expect.set_options(timeout=PATIENCE_MS)
    page.goto(f"{company.product.base_url}/sign-in")
    html = PART + PRESSED.format("nothing yet")
    page.evaluate("html => { main.insertAdjacentHTML('beforeend', html); htmx.process(main) }", html)
    return page


def come_round(page: Page) -> None:
    """The time between two questions is over."""
    page.locator("#part").dispatch_event("every")


def come_round_until_asked(page: Page, held: Held) -> None:
    """Time after time: one that comes before a press is over, or an answer in place, is left out."""
    while not held.routes:
        come_round(page)


def test_a_part_renews_itself(page_with_part: Page):
    page, held = page_with_part, Held(page_with_part, "/part")

    come_round(page)
    held.answer(page, body=RENEWED)

    expect(page.locator("#part")).to_contain_text("renewed")


def test_a_button_held_down_stays_until_it_is_let_go(page_with_part: Page):
    page, held = page_with_part, Held(page_with_part, "/part")
    page.evaluate(LISTEN)
    come_round(page)
    page.get_by_role("button", name="Press").hover()
    page.mouse.down()

    held.answer(page, body=RENEWED)
    page.evaluate("answered")
    page.mouse.up()

    expect(page.locator("#part")).to_contain_text("pressed")
    come_round_until_asked(page, held)
    held.answer(page, body=RENEWED)
    expect(page.locator("#part")).to_contain_text("renewed")


def change_a_box(page: Page) -> None:
    page.get_by_label("Plain").check()


def change_it_back(page: Page) -> None:
    page.get_by_label("Plain").uncheck()
    page.get_by_label("Plain").blur()


def go_into_a_field(page: Page) -> None:
    page.get_by_label("Typed").focus()


def go_to_an_address_to_copy(page: Page) -> None:
    page.get_by_label("Copied").focus()


@pytest.mark.parametrize(
    ("begin", "end"), [(change_a_box, change_it_back), (go_into_a_field, go_to_an_address_to_copy)]
)
def test_work_in_a_part_keeps_it_until_it_ends(page_with_part: Page, begin: Act, end: Act):
    page, held = page_with_part, Held(page_with_part, "/part")
    begin(page)
    come_round(page)
    page.evaluate("fetch('/healthz')")  # what the part asked for would have come before it
    assert not held.routes
    end(page)

    come_round_until_asked(page, held)
    held.answer(page, body=RENEWED)

    expect(page.locator("#part")).to_contain_text("renewed")


def test_a_button_of_the_mouse_let_go_unheard_keeps_nothing(page_with_part: Page):
    page, held = page_with_part, Held(page_with_part, "/part")
    page.get_by_role("button", name="Press").hover()
    page.mouse.down()
    page.evaluate("addEventListener('pointerup', event => event.stopImmediatePropagation(), true)")
    page.mouse.up()
    page.mouse.move(0, 0)

    come_round_until_asked(page, held)
    held.answer(page, body=RENEWED)

    expect(page.locator("#part")).to_contain_text("renewed")


def test_a_part_that_leads_away_does_so_once(page_with_part: Page):
    page = page_with_part
    asked: list[str] = []

    def lead_away(route: Route) -> None:
        asked.append(route.request.url)
        route.fulfill(status=204, headers={"HX-Redirect": "/there"})

    page.route("**/part", lead_away)
    page.route("**/there", lambda route: route.fulfill(body="arrived", content_type="text/html"))
    page.evaluate(COME_ROUND_ONCE_MORE)

    come_round(page)

    expect(page.get_by_text("arrived")).to_be_visible()
    assert len(asked) == 1


def press_both(page: Page) -> tuple[Held, Held]:
    """One button right after the other, both in one part; what they ask."""
    held = Held(page, "/first"), Held(page, "/second")
    for name in ("first", "second"):
        page.get_by_role("button", name=name).click()
    return held


def test_two_presses_of_one_part_are_answered_in_order(page_with_part: Page):
    page = page_with_part
    first, second = press_both(page)
    first.wait(page)
    page.evaluate("fetch('/healthz')")  # a second press on its way would have come before it
    assert not second.routes
    first.answer(page, PRESSED.format("what came of the first"))
    expect(page.get_by_role("heading", name="what came of the first")).to_be_visible()
    second.answer(page, PRESSED.format("what came of both"))

    expect(page.get_by_role("heading", name="what came of both")).to_be_visible()
    expect(page.get_by_role("button", name="second")).to_be_enabled()


def test_a_second_press_that_is_refused_says_so(page_with_part: Page):
    page = page_with_part
    first, second = press_both(page)
    first.answer(page, PRESSED.format("what came of the first"))
    second.answer(page, "<p>Somebody was quicker.</p>", status=409)

    expect(page.locator("#notice")).to_contain_text("Somebody was quicker.")
    expect(page.get_by_role("heading", name="what came of the first")).to_be_visible()


def test_a_press_that_is_lost_lets_the_next_one_go(page_with_part: Page):
    page = page_with_part
    first, second = press_both(page)
    first.wait(page)
    first.routes.pop().abort()
    second.answer(page, PRESSED.format("what came of the second"))

    expect(page.get_by_role("heading", name="what came of the second")).to_be_visible()


def test_an_answer_does_not_take_away_what_is_held_down(page_with_part: Page):
    page = page_with_part
    first, second = Held(page, "/first"), Held(page, "/second")
    page.get_by_role("button", name="first").click()
    first.wait(page)
    page.get_by_role("button", name="second").hover()
    page.mouse.down()

    with page.expect_response("**/first"):
        first.answer(page, PRESSED.format("what came of the first"))
    page.mouse.up()
    second.answer(page, PRESSED.format("what came of both"))

    expect(page.get_by_role("heading", name="what came of both")).to_be_visible()


def test_news_from_before_a_press_are_not_shown_after_it(page_with_part: Page):
    page = page_with_part
    polled, first = Held(page, "/part"), Held(page, "/first")
    come_round(page)
    polled.wait(page)
    page.get_by_role("button", name="first").click()
    first.answer(page, PRESSED.format("what came of it"))
    expect(page.get_by_role("heading", name="what came of it")).to_be_visible()
    page.evaluate(LISTEN)

    polled.answer(page, body=RENEWED.replace("renewed", "old"))
    page.evaluate("answered")

    assert "old" not in page.locator("#part").inner_text()
    come_round_until_asked(page, polled)
    polled.answer(page, body=RENEWED)
    expect(page.locator("#part")).to_contain_text("renewed")


def test_a_card_held_down_in_the_simulated_chat_is_pressed(company: Company, page: Page):  # noqa: F811
    page.set_default_timeout(PATIENCE_MS)
    expect.set_options(timeout=PATIENCE_MS)
    title = company.push()
    lin = company.client(page, "lin")
    lin.open_chats()
    button = lin.card(title).get_by_role("button", name="开始处理", exact=True)
    button.hover()
    held = Held(page, "/live*")
    held.wait(page)
    page.mouse.down()

    with page.expect_response("**/live*"):
        held.answer(page, body=page.locator("#live").inner_html())
    page.unroute_all()
    page.mouse.up()

    expect(lin.card(title)).to_contain_text("处理中")
