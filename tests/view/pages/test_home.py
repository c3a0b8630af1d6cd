"""Home in a real browser, against a virtual iPhone: is everybody safe, and a backup from the page to its end."""

from dataclasses import replace

import pytest
from playwright.sync_api import Browser, Locator, Page, Route, expect

from ibackup.simulator.faults import DropInPhase
from ibackup.simulator.spec import DomainSpec, Passcode, PhoneSpec, Trust
from support import web
from support.program import MakeProgram, Program
from support.runs import SMALL, assert_is_the_phone, assert_sealed
from view.running.conftest import A_LONG_TIME

pytestmark = pytest.mark.peer
ANN = replace(SMALL, name="Ann\u2019s iPhone")
SLOW = replace(
    ANN,
    domains=(DomainSpec(name="MediaDomain", count=150, min_size=500, max_size=9_000),),
    latency_s=0.02,
)
QUICK = replace(SLOW, latency_s=0.002)
WAITING = replace(ANN, passcode=Passcode(kind="late", delay_s=A_LONG_TIME))


def main(page: Page) -> Locator:
    """What the page shows, without the line for screen readers."""
    return page.locator("#main")


def press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name).first.click()


def test_from_the_first_backup_to_safe(chromium: Browser, make_program: MakeProgram) -> None:
    program = make_program(replace(SLOW, passcode=Passcode(kind="answered", delay_s=3.0)))
    with web.running(program) as view, web.visitor(chromium, view) as visitor:
        page = visitor.page
        expect(page.get_by_role("heading", level=1)).to_have_text("Ann\u2019s iPhone has no backup yet.")
        press(page, "Back up now")
        expect(page.get_by_role("heading", name="Enter the passcode")).to_be_visible()
        assert page.title().startswith("Passcode! Ann\u2019s iPhone")
        expect(page.locator(".countdown")).to_contain_text("0:5")
        # The page is closed, and opened again: it shows the same backup.
        page.goto(view.origin + "/")
        expect(page.get_by_role("heading", name="Receiving files")).to_be_visible()
        expect(page.locator(".figures").first).to_contain_text("files so far")
        expect(main(page).get_by_text("Backed up and checked.").first).to_be_visible()
        expect(page.get_by_role("heading", level=1)).to_have_text("Ann\u2019s iPhone is safe.")
        visitor.check("home-done")
        press(page, "OK")
        expect(main(page).get_by_text("Backed up and checked.")).to_have_count(0)
    assert_is_the_phone(program.snapshots[0], program.phone)
    assert_sealed(program.snapshots[0])


def test_two_tabs_show_the_same_backup_and_either_stops_it(
    chromium: Browser, make_program: MakeProgram
) -> None:
    program = make_program(WAITING)
    with web.running(program) as view, web.visitor(chromium, view) as visitor:
        one, other = visitor.page, visitor.page.context.new_page()
        other.goto(view.origin + "/")
        press(one, "Back up now")
        for page in (one, other):
            expect(page.get_by_role("heading", name="Enter the passcode")).to_be_visible()
        press(other, "Stop")
        for page in (one, other):
            expect(main(page).get_by_text("Stopped.").first).to_be_visible()
            expect(main(page).get_by_text("Nothing is lost").first).to_be_visible()
        # Each stays where it is; a job's own page has nothing more to say, and Home follows.
        expect(one).to_have_url(f"{view.origin}/run/anns-iphone")
        expect(other).to_have_url(f"{view.origin}/")
        press(one, "OK")
        expect(one).to_have_url(f"{view.origin}/")
        expect(main(other).get_by_text("Stopped.")).to_have_count(0)


def test_a_page_that_is_loaded_while_something_happens_shows_it(
    chromium: Browser, make_program: MakeProgram
) -> None:
    program = make_program(WAITING)
    with web.running(program) as view, web.visitor(chromium, view) as visitor:
        listens, loads = visitor.page, visitor.page.context.new_page()
        loads.goto(view.origin + "/")
        held: list[Route] = []
        loads.route("**/app.js*", lambda route: held.append(route))  # noqa: PLW0108 - Playwright looks into it
        loads.get_by_role("button", name="Back up now").first.click(no_wait_after=True)
        expect(listens.get_by_role("heading", name="Enter the passcode")).to_be_visible()
        expect(loads.get_by_role("button", name="Stop")).to_be_visible()
        for route in held:
            route.continue_()
        expect(loads.get_by_role("heading", name="Enter the passcode")).to_be_visible()


def test_a_broken_cable_says_what_to_do_and_the_button_does_it(
    chromium: Browser, make_program: MakeProgram
) -> None:
    program = make_program(QUICK)
    program.phone.set_faults(DropInPhase(phase="uploading"))
    with web.running(program) as view, web.visitor(chromium, view) as visitor:
        page = visitor.page
        press(page, "Back up now")
        expect(main(page).get_by_text("Check the cable").first).to_be_visible()
        expect(main(page).get_by_text("Nothing is lost").first).to_be_visible()
        visitor.check("job-cable")
        program.phone.set_faults()
        press(page, "Try again")
        expect(main(page).get_by_text("Backed up and checked.").first).to_be_visible()


def test_ctrl_c_on_the_server_stops_the_backup_as_in_a_terminal(
    chromium: Browser, make_program: MakeProgram
) -> None:
    program = make_program(WAITING)
    with web.running(program) as view, web.visitor(chromium, view) as visitor:
        press(visitor.page, "Back up now")
        expect(visitor.page.get_by_role("heading", name="Enter the passcode")).to_be_visible()
    assert program.phone.journal.wait("lock_released")
    assert program.snapshots == []


def test_a_phone_that_does_not_trust_this_computer_appears_with_what_to_do(
    chromium: Browser, make_program: MakeProgram
) -> None:
    program = make_program(replace(ANN, trust=Trust(kind="dialog", delay_s=1.0)))
    with web.running(program) as view, web.visitor(chromium, view) as visitor:
        expect(main(visitor.page).get_by_text("It does not trust this computer yet").first).to_be_visible()
        press(visitor.page, "Back up now")
        expect(main(visitor.page).get_by_text("Backed up and checked.").first).to_be_visible()


def test_a_run_elsewhere_is_shown_and_cannot_be_started_twice(chromium: Browser, program: Program) -> None:
    program.now()
    from ibackup.store.phone_folder import PhoneFolder

    folder = PhoneFolder(str(program.store / program.phone.udid))
    with folder.lock(), web.running(program) as view, web.visitor(chromium, view) as visitor:
        expect(main(visitor.page).get_by_text("A backup is running now.").first).to_be_visible()
        expect(visitor.page.get_by_role("button", name="Back up now")).to_have_count(0)


def test_without_script_a_backup_is_started_and_its_state_is_read(
    chromium: Browser, make_program: MakeProgram
) -> None:
    program = make_program(ANN, PhoneSpec(seed=7, name="Bob\u2019s iPhone", domains=SMALL.domains))
    with (
        web.running(program) as view,
        web.visitor(chromium, view, scripts=False) as visitor,
    ):
        page = visitor.page
        while page.get_by_role("button", name="Back up now").count() < 2:
            page.reload()
        press(page, "Back up now")
        while not main(page).get_by_text("Backed up and checked.").count():
            page.reload()
        page.goto(view.origin + "/")
        expect(page.get_by_role("heading", level=1)).to_have_text("Bob\u2019s iPhone has no backup yet.")
