"""Restore from the page: what it finds, what it refuses, and the phone's name that must be typed."""

from dataclasses import replace

import pytest
from playwright.sync_api import Browser, expect

from support import web
from support.program import MakeProgram
from support.runs import PASSWORD, SMALL

pytestmark = pytest.mark.peer
ANN = replace(SMALL, name="Ann\u2019s iPhone", backup_password=PASSWORD)


def test_a_restore_wants_the_password_and_the_name(chromium: Browser, make_program: MakeProgram) -> None:
    program = make_program(ANN)
    program.now()
    with web.running(program) as view, web.visitor(chromium, view) as visitor:
        page = visitor.page
        visitor.go("/phone/anns-iphone/restore")
        page.get_by_label("Backup password").fill(PASSWORD)
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", level=1)).to_have_text("Restore a backup")
        page.get_by_role("button", name="Look whether it would work").click()
        found = page.get_by_role("heading", level=2).first
        # The page shows the look while it lasts, and then links to what it found.
        expect(
            page.get_by_role("link", name="See what it found").or_(page.get_by_text("Look again"))
        ).to_be_visible()
        visitor.go("/phone/anns-iphone/restore")
        expect(found).to_contain_text("It can be restored.")
        visitor.check("restore-found")
        go_on = page.get_by_role("button", name="Replace and restore")
        name = page.get_by_label("Type the phone")
        name.fill("Bob's iPhone")
        expect(go_on).to_be_disabled()
        # Whoever gets around the page's script is refused by the server.
        page.evaluate("document.querySelector('#go-on').disabled = false")
        go_on.click()
        expect(page.get_by_role("heading", level=1)).to_contain_text("Nothing was sent")
        assert program.phone.restored is None
        visitor.go("/phone/anns-iphone/restore")
        name.fill("  ann's   iPhone ")
        expect(go_on).to_be_enabled()
        go_on.click()
        expect(page.locator("#main").get_by_text("Ann\u2019s iPhone is restored.")).to_be_visible()
        assert program.phone.restored is not None
