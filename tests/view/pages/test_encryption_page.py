"""Encryption from the page: on, another password, off, each with the phone's own word at the end."""

from dataclasses import replace

import pytest
from playwright.sync_api import Browser, expect

from support import web
from support.program import MakeProgram
from support.runs import PASSWORD, SMALL

pytestmark = pytest.mark.peer
OTHER = "Elsterweg 19 im Regen"
_PAGE = "/phone/anns-iphone/encryption"


def test_on_another_password_and_off(chromium: Browser, make_program: MakeProgram) -> None:
    program = make_program(replace(SMALL, name="Ann\u2019s iPhone"))
    program.now()
    with web.running(program) as view, web.visitor(chromium, view) as visitor:
        page = visitor.page
        visitor.go(_PAGE)
        visitor.check("encryption-off")
        page.get_by_label("New backup password").fill(PASSWORD)
        page.get_by_label("The same again").fill("something else")
        page.get_by_role("button", name="Encrypt from now on").click()
        expect(page.locator("#main").get_by_text("The two passwords differ.")).to_be_visible()
        visitor.complaints.clear()  # the browser's word about the answer 422
        assert program.phone.backup_password is None
        page.get_by_label("New backup password").fill(PASSWORD)
        page.get_by_label("The same again").fill(PASSWORD)
        page.get_by_role("button", name="Encrypt from now on").click()
        expect(page.locator("#main").get_by_text("Backups from now on are encrypted.")).to_be_visible()
        assert program.phone.backup_password == PASSWORD

        visitor.go(_PAGE)
        expect(page.get_by_role("heading", name="Backups are encrypted")).to_be_visible()
        visitor.check("encryption-on")
        page.get_by_label("Present backup password").first.fill(PASSWORD)
        page.get_by_label("New backup password").fill(OTHER)
        page.get_by_label("The same again").fill(OTHER)
        page.get_by_role("button", name="Change the password").click()
        expect(
            page.locator("#main").get_by_text("The new backup password applies from now on.")
        ).to_be_visible()
        assert program.phone.backup_password == OTHER

        visitor.go(_PAGE)
        page.get_by_role("link", name="Switch encryption off").click()
        expect(page.get_by_role("dialog")).to_be_visible()
        assert visitor.violations() == []
        page.get_by_role("dialog").get_by_label("Present backup password").fill(OTHER)
        page.get_by_role("button", name="Switch it off").click()
        expect(page.locator("#main").get_by_text("Backups from now on are not encrypted.")).to_be_visible()
        assert program.phone.backup_password is None


def test_without_the_phone_it_says_what_to_connect(chromium: Browser, make_program: MakeProgram) -> None:
    program = make_program(replace(SMALL, name="Ann\u2019s iPhone"))
    program.now()
    away = {"USBMUXD_SOCKET_ADDRESS": str(program.folder / "nothing")}
    with web.running(program, environment=away) as view, web.visitor(chromium, view) as visitor:
        visitor.go(_PAGE)
        expect(visitor.page.get_by_text("Connect Ann\u2019s iPhone")).to_be_visible()
