"""Why iCloud Backup fails, in the browser: what is found, what is asked, and the page for Apple Support."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from ibackup.simulator.cloudspec import LogSpec, SignalsSpec
from ibackup.simulator.spec import PhoneSpec
from support import web
from support.program import MakeProgram, Program
from support.runs import PASSWORD

pytestmark = pytest.mark.peer
DOCTOR = "/phone/anns-iphone/doctor"
LOOK = re.compile("Find the reason|Look again")  # the first time, and later


def look(page: Page) -> None:
    """Look without asking Apple, and wait for the verdict."""
    page.get_by_label("Also ask Apple").uncheck()
    page.get_by_role("button", name=LOOK).click()
    page.get_by_role("heading", name="A page for Apple Support").wait_for()


@pytest.mark.parametrize("scripts", [True, False])
def test_the_verdict_its_causes_and_what_to_do_first(
    chromium: Browser, view: web.View, *, scripts: bool
) -> None:
    with web.visitor(chromium, view, scripts=scripts) as visitor:
        visitor.go(DOCTOR)
        look(visitor.page)
        expect(visitor.page.get_by_role("heading", level=1)).to_contain_text("iCloud Backup cannot run")
        first = visitor.page.get_by_role("region", name="Do this first")
        expect(first).to_contain_text("Turn on Back Up This iPhone.")
        expect(first).to_contain_text("Settings \u203a")
        assert visitor.page.get_by_text("How this is known").first.is_visible()
        assert visitor.page.get_by_text("There is a local backup from the last 24 hours").is_visible()


def test_every_state_of_the_page_is_readable(chromium: Browser, view: web.View) -> None:
    with web.visitor(chromium, view) as visitor:
        visitor.go(DOCTOR)
        visitor.check("doctor-new")
        look(visitor.page)
        visitor.check("doctor-found")


def test_the_page_for_apple_support_names_nobody(
    chromium: Browser, lived_in: Program, view: web.View
) -> None:
    with web.visitor(chromium, view) as visitor:
        visitor.go(DOCTOR)
        look(visitor.page)
        visitor.page.get_by_label("How long has it failed?").fill("two weeks")
        visitor.page.get_by_label("Restarted the phone").check()
        with visitor.page.expect_download() as saved:
            visitor.page.get_by_role("button", name="Save the page").click()
        text = Path(saved.value.path()).read_text(encoding="utf-8")
        assert "You said: two weeks" in text
        assert "You said: restart" in text
        assert lived_in.phone.udid not in text
        assert "Ann" not in text


def test_an_answer_is_remembered_as_in_the_terminal(chromium: Browser, make_program: MakeProgram) -> None:
    program = make_program(PhoneSpec(name="Ann\u2019s iPhone", cloud_backup=True, apple_account=True))
    program.now()
    with web.running(program) as view, web.visitor(chromium, view) as visitor:
        visitor.go(DOCTOR)
        look(visitor.page)
        question = visitor.page.get_by_role("region", name="One question")
        question.get_by_role("combobox").select_option(index=1)
        question.get_by_role("button", name="Remember the answer").click()
        visitor.page.wait_for_load_state()
        kept = next((program.folder / "state" / "doctor").iterdir()).read_text(encoding="utf-8")
        assert '"sentence"' in kept or '"plan"' in kept


def test_an_attempt_is_watched_until_it_is_stopped(chromium: Browser, make_program: MakeProgram) -> None:
    lines = (
        LogSpec(text="[Off condition] enabled:1, locked:0, onPower:1, onWiFi:1, onCellular:0(0)"),
        LogSpec(text="Starting automatic backup"),
        LogSpec(text="Failed to upload AppDomain-org.example.flip:Library/x: MBErrorDomain:303"),
    )
    spec = PhoneSpec(
        name="Ann\u2019s iPhone", cloud_backup=True, apple_account=True, signals=SignalsSpec(log=lines)
    )
    program = make_program(spec)
    program.now()
    with web.running(program) as view, web.visitor(chromium, view) as visitor:
        page = visitor.page
        visitor.go(DOCTOR)
        page.get_by_role("button", name="Watch an attempt").click()
        watched = page.locator("#watched")
        expect(watched).to_contain_text("An attempt is under way")
        expect(watched).to_contain_text("Error 303: iCloud storage is full")
        expect(watched.locator("[data-until]")).to_contain_text("2:")
        visitor.check("doctor-watching")
        visitor.go("/")  # it continues meanwhile
        visitor.go(DOCTOR)
        expect(page.get_by_role("heading", level=1)).to_have_text("Watching Ann\u2019s iPhone")
        page.get_by_role("button", name="Stop, and judge by this").click()
        page.get_by_role("heading", name="A page for Apple Support").wait_for()
        expect(page.get_by_role("heading", level=1)).to_contain_text("storage")


def test_without_its_phone_it_says_so(chromium: Browser, make_program: MakeProgram) -> None:
    program = make_program(PhoneSpec(name="Ann\u2019s iPhone"))
    program.now()
    program.server.detach(program.phone)
    with web.running(program) as view, web.visitor(chromium, view) as visitor:
        visitor.go(DOCTOR)
        look(visitor.page)
        assert visitor.page.get_by_text("was not connected").is_visible()


def test_a_locked_backup_is_offered_to_be_opened(chromium: Browser, lived_in_encrypted: Program) -> None:
    with web.running(lived_in_encrypted) as view, web.visitor(chromium, view) as visitor:
        visitor.go("/phone/bobs-iphone/doctor")
        visitor.page.get_by_role("link", name="Open the backup").click()
        visitor.page.get_by_label("Backup password").fill(PASSWORD)
        visitor.page.get_by_role("button", name="Open the backup").click()
        visitor.page.get_by_role("heading", name="Why does iCloud Backup fail?").wait_for()
        assert not visitor.page.get_by_text("The newest backup is locked").is_visible()
        look(visitor.page)
        visitor.page.get_by_role("button", name="Lock").click()
        visitor.go("/phone/bobs-iphone/doctor")
        assert visitor.page.get_by_text(
            "Why does iCloud Backup fail?"
        ).is_visible()  # forgotten with the lock
