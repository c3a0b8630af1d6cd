"""People, calls, notes and the like in a real browser."""

import pytest
from playwright.sync_api import Browser, expect

from support import web
from support.page_calls import PHONE

pytestmark = pytest.mark.peer

KINDS = ("people", "calls", "notes", "calendar", "reminders", "memos", "voicemail", "safari", "health")


@pytest.mark.parametrize("kind", KINDS)
def test_a_list_and_a_detail_are_for_everyone(chromium: Browser, view: web.View, kind: str) -> None:
    with web.visitor(chromium, view) as visitor:
        visitor.go(f"{PHONE}/{kind}")
        visitor.check(f"{kind}-list")
        if visitor.page.locator("#entries a.row").count():
            visitor.page.locator("#entries a.row").first.click()
            visitor.page.locator(".pane-detail h2[tabindex]").wait_for()
            assert "id=" in visitor.page.url
            visitor.check(f"{kind}-detail")
        assert visitor.elsewhere == []


def test_typing_in_the_field_narrows_the_list_and_the_address(chromium: Browser, view: web.View) -> None:
    with web.visitor(chromium, view) as visitor:
        visitor.go(f"{PHONE}/people")
        everyone = visitor.page.locator("#entries a.row").count()
        visitor.page.locator(".lookup input[type=search]").fill("turing")
        expect(visitor.page.locator("#entries a.row")).to_have_count(1, timeout=web.PATIENCE_MS)
        assert everyone > 1
        assert "q=turing" in visitor.page.url
        visitor.page.reload()
        assert visitor.page.locator("#entries a.row").count() == 1


def test_a_card_is_downloaded_as_it_was(chromium: Browser, view: web.View) -> None:
    with web.visitor(chromium, view) as visitor:
        visitor.go(f"{PHONE}/people?q=turing")
        visitor.page.locator("#entries a.row").first.click()
        with visitor.page.expect_download() as download:
            visitor.page.get_by_text("Take this card out").click()
        assert download.value.suggested_filename == "Alan Turing.vcf"
        assert b"Turing" in download.value.path().read_bytes()


def test_without_scripts_all_of_it_can_still_be_read(chromium: Browser, view: web.View) -> None:
    with web.visitor(chromium, view, scripts=False) as visitor:
        visitor.go(f"{PHONE}/notes")
        visitor.page.locator("#entries a.row").first.click()
        visitor.page.locator(".pane-detail h2[tabindex]").wait_for()
        visitor.page.locator(".lookup input[type=search]").fill("router")
        visitor.page.get_by_role("button", name="Find").click()
        visitor.page.wait_for_url("**q=router**")
        assert visitor.page.locator("#entries a.row").count() == 1
