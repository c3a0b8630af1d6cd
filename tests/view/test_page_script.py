"""What app.js makes smooth, in a real browser: swapped parts, lists that grow, dialogs, a view that has ended."""

import pytest
from playwright.sync_api import Browser, expect

from support import web
from support.program import Program

pytestmark = pytest.mark.peer
ANN = "/phone/anns-iphone"


def test_another_page_gets_the_focus_and_the_frame_stays(chromium: Browser, view: web.View) -> None:
    with web.visitor(chromium, view) as visitor:
        visitor.go(f"{ANN}/take-out")
        visitor.page.evaluate("window.sameWindow = true")
        visitor.page.locator(".rail").get_by_role("link", name="Timeline").click()
        expect(visitor.page.get_by_role("heading", level=1)).to_be_focused()
        assert visitor.page.evaluate("window.sameWindow"), "only the parts are loaded"
        assert visitor.page.title().startswith("Timeline")
        visitor.page.evaluate("document.querySelector('#main').dataset.same = 'yes'")
        visitor.page.locator(".skip").focus()
        visitor.page.keyboard.press("Enter")
        visitor.page.wait_for_url("**#main")
        visitor.page.go_back()
        expect(visitor.page.locator("#main")).to_have_attribute("data-same", "yes")
        visitor.page.go_back()
        expect(visitor.page.get_by_role("heading", level=1)).to_have_text("Take out")


def test_a_page_that_waits_for_its_backup_becomes_the_page_that_was_asked_for(
    chromium: Browser, view: web.View
) -> None:
    with web.visitor(chromium, view) as visitor:
        visitor.go(f"{ANN}/files")
        waiting = '<section id="reading"><h1 data-again="#reading" data-after="10">Reading</h1></section>'
        visitor.page.evaluate(
            """html => {
              document.querySelector('#main').innerHTML = html;
              document.dispatchEvent(new CustomEvent('added', { detail: { root: document } }));
            }""",
            waiting,
        )
        heading = visitor.page.get_by_role("heading", level=1)
        expect(heading).to_have_text("Files")
        expect(heading).to_be_focused()


def test_a_list_grows_at_its_end_and_says_so_without_a_jump(chromium: Browser, view: web.View) -> None:
    with web.visitor(chromium, view) as visitor:
        visitor.go(ANN)
        visitor.page.evaluate("document.querySelector('.as-list').open = true")
        expect(visitor.page.locator(".as-list tbody tr")).to_have_count(2)
        more = f'<p class="more"><a href="{ANN}" data-more=".as-list tbody">Show more</a></p>'
        visitor.page.evaluate(
            "html => document.querySelector('.as-list').insertAdjacentHTML('beforeend', html)", more
        )
        visitor.page.locator(".more a").click()
        expect(visitor.page.locator(".as-list tbody tr")).to_have_count(4)
        expect(visitor.page.locator(".more")).to_have_count(0)


def test_a_name_must_be_typed_before_the_button_works(chromium: Browser, view: web.View) -> None:
    with web.visitor(chromium, view) as visitor:
        visitor.go(ANN)
        gate = (
            '<label>Name <input type="text" data-gate="#go" data-name="Ann\u2019s iPhone"></label>'
            '<button id="go" disabled>Restore</button><button data-open="#ask">Ask</button>'
            '<dialog id="ask"><button data-close autofocus>Keep</button></dialog>'
        )
        visitor.page.evaluate(
            "html => document.querySelector('#main').insertAdjacentHTML('beforeend', html)", gate
        )
        field, button = visitor.page.get_by_label("Name", exact=True), visitor.page.locator("#go")
        field.fill("Bob's iPhone")
        expect(button).to_be_disabled()
        field.fill("  ann's  IPHONE ")
        expect(button).to_be_enabled()
        visitor.page.get_by_role("button", name="Ask").click()
        expect(visitor.page.get_by_role("button", name="Keep")).to_be_focused()
        visitor.page.keyboard.press("Enter")
        expect(visitor.page.locator("#ask")).to_be_hidden()


def test_a_password_can_be_seen(chromium: Browser, lived_in_encrypted: Program) -> None:
    with web.running(lived_in_encrypted) as view, web.visitor(chromium, view) as visitor:
        visitor.go("/phone/bobs-iphone?open=1")
        field = visitor.page.locator("main input[name=password]")
        field.fill("letmein")
        visitor.page.get_by_role("button", name="Show").click()
        expect(field).to_have_attribute("type", "text")
        visitor.page.get_by_role("button", name="Hide").click()
        expect(field).to_have_attribute("type", "password")


def test_when_ibackup_was_closed_the_page_says_so_and_nothing_old_stays(
    chromium: Browser, lived_in: Program
) -> None:
    with web.running(lived_in) as view, web.visitor(chromium, view) as visitor:
        visitor.page.clock.install()
        visitor.go(ANN)
        # The browser says that nobody answers, as it does when the program has ended.
        visitor.page.context.set_offline(True)
        visitor.page.evaluate("0")
        view.process.send_signal(2)
        view.process.wait()
        expect(visitor.page.locator("#lost")).to_be_hidden()
        for _ in range(120):
            visitor.page.clock.run_for(500)
            if visitor.page.get_by_role("heading", name="ibackup was closed").is_visible():
                break
        expect(visitor.page.get_by_role("heading", name="ibackup was closed")).to_be_focused()
        expect(visitor.page.locator(".plot")).to_have_count(0)
        visitor.complaints.clear()
