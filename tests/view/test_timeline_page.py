"""A phone's timeline in a real browser: every backup, what proves it, what came and went, what takes the space."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from ibackup.store.phone_folder import PhoneFolder
from ibackup.store.records.proof_records import Proof
from ibackup.store.records.snapshot import Snapshot
from support import web
from support.program import MakeProgram, Program
from support.runs import PASSWORD, SMALL

pytestmark = pytest.mark.peer
ANN = "/phone/anns-iphone"


def test_the_timeline_looks_right_and_names_each_backup(chromium: Browser, view: web.View) -> None:
    with web.visitor(chromium, view) as visitor:
        visitor.go(ANN)
        expect(visitor.page.get_by_role("heading", level=1)).to_have_text("The newest backup is good.")
        expect(visitor.page.locator(".plot a")).to_have_count(2)
        expect(visitor.page.locator(".dock .bead")).to_have_count(2)
        visitor.check("timeline")


def test_a_bead_shows_the_phone_as_it_was_and_keeps_the_focus(chromium: Browser, view: web.View) -> None:
    with web.visitor(chromium, view) as visitor:
        visitor.go(ANN)
        bead = visitor.page.locator(".dock .bead").first
        visitor.page.locator(".dock .bead[aria-current]").focus()
        visitor.page.keyboard.press("ArrowLeft")
        expect(bead).to_be_focused()
        visitor.page.keyboard.press("Enter")
        expect(visitor.page.locator("#past")).to_contain_text("as it was on")
        assert "at=" in visitor.page.url
        expect(visitor.page.locator(".dock .bead").first).to_be_focused()
        visitor.check("timeline-past")
        visitor.page.get_by_role("link", name="Photos").first.focus()
        assert "at=" in str(visitor.page.get_by_role("link", name="Photos").first.get_attribute("href"))
        visitor.page.go_back()
        expect(visitor.page.locator("#past")).to_have_count(0)


def test_what_came_and_went_and_how_the_apps_grew(chromium: Browser, view: web.View) -> None:
    with web.visitor(chromium, view) as visitor:
        visitor.go(ANN)
        visitor.page.get_by_role("button", name="Compare").click()
        expect(visitor.page.locator("#changes table")).to_be_visible()
        expect(visitor.page.locator("#changes")).to_contain_text("file")
        visitor.page.get_by_role("link", name="Show it").click()
        expect(visitor.page.locator("#grown .plot")).to_be_visible()
        expect(visitor.page.locator("#grown")).to_contain_text("Photos")
        visitor.check("timeline-read")


def test_it_works_without_script(chromium: Browser, view: web.View) -> None:
    with web.visitor(chromium, view, scripts=False) as visitor:
        visitor.go(ANN)
        visitor.page.locator(".dock .walk[rel=prev]").click()
        expect(visitor.page.locator("#past")).to_be_visible()
        visitor.page.get_by_role("button", name="Compare").click()
        expect(visitor.page.locator("#changes table")).to_be_visible()


def test_a_locked_phone_asks_for_its_password_in_the_place_of_what_needs_it(
    chromium: Browser, lived_in_encrypted: Program
) -> None:
    with web.running(lived_in_encrypted) as view, web.visitor(chromium, view) as visitor:
        visitor.go("/phone/bobs-iphone")
        expect(visitor.page.locator("#grown")).to_contain_text("locked")
        visitor.page.locator("#grown").get_by_role("link", name="Open them").click()
        visitor.page.locator("input[type=password]").fill(PASSWORD)
        visitor.page.locator("input[type=password]").press("Enter")
        visitor.page.get_by_role("link", name="Show it").click()
        expect(visitor.page.locator("#grown .plot")).to_be_visible()
        visitor.page.get_by_role("button", name="Lock", exact=True).click()
        visitor.go("/phone/bobs-iphone?growth=1")
        expect(visitor.page.locator("#grown")).to_contain_text("locked")


@pytest.fixture
def aged(make_program: MakeProgram) -> Program:
    """A store with one backup, to be changed."""
    program = make_program(SMALL)
    program.now()
    return program


def test_a_backup_is_kept_for_good_and_let_go_again(chromium: Browser, aged: Program) -> None:
    snapshot = Snapshot.open(str(aged.snapshots[0]))
    folder = PhoneFolder.of(snapshot)
    with web.running(aged) as view, web.visitor(chromium, view) as visitor:
        visitor.page.goto(view.origin + _phone(visitor))
        visitor.page.locator("summary", has_text="Keep for good").click()
        visitor.page.get_by_label("Why, for later").fill("before the <b>repair</b>")
        visitor.page.get_by_role("button", name="Keep it").click()
        expect(visitor.page.get_by_text("before the <b>repair</b>")).to_be_visible()
        assert folder.proofs(snapshot.id).pin_note == "before the <b>repair</b>"
        visitor.page.get_by_role("button", name="Let the rules decide").click()
        expect(visitor.page.locator("summary", has_text="Keep for good")).to_be_visible()
        assert not folder.proofs(snapshot.id).pinned


def test_it_is_read_again_in_full(chromium: Browser, aged: Program) -> None:
    snapshot = Snapshot.open(str(aged.snapshots[0]))
    with web.running(aged) as view, web.visitor(chromium, view) as visitor:
        visitor.page.goto(view.origin + _phone(visitor))
        visitor.page.get_by_role("button", name="Read it again").click()
        expect(visitor.page.locator(".job-here .notice.good")).to_be_visible()
        assert PhoneFolder.of(snapshot).proofs(snapshot.id).good("full") is not None
        visitor.page.reload()
        expect(visitor.page.get_by_text("Every byte was read.").first).to_be_visible()


def test_damage_is_told_with_where_the_file_is_whole(chromium: Browser, aged: Program) -> None:
    snapshot = Snapshot.open(str(aged.snapshots[0]))
    stored = next(each for each in Path(snapshot.backup_path).glob("??/*") if each.is_file())
    aged.now()
    hurt = f"{stored.parent.name}/{stored.name}"
    found = Proof("full", datetime.now(UTC) - timedelta(days=1), "damaged", (hurt,))
    PhoneFolder.of(snapshot).add_proof(snapshot.id, found)
    with web.running(aged) as view, web.visitor(chromium, view) as visitor:
        visitor.page.goto(f"{view.origin}{_phone(visitor)}?at={snapshot.id}")
        expect(visitor.page.get_by_text("1 file is damaged.")).to_be_visible()
        expect(visitor.page.locator("#whole")).to_contain_text("1 damaged file is whole in the backup of")
        expect(visitor.page.get_by_text(stored.name)).to_be_hidden()  # only for those who help
        visitor.check("timeline-damaged")
        visitor.page.locator("#whole a").click()
        expect(visitor.page.locator("#past")).to_have_count(0)


def test_what_is_taken_out_is_in_the_folder(chromium: Browser, lived_in: Program, view: web.View) -> None:
    target = lived_in.folder / "taken out"
    with web.visitor(chromium, view) as visitor:
        visitor.go(f"{ANN}/take-out")
        visitor.check("take-out")
        visitor.page.get_by_label("Where to").fill("somewhere")
        visitor.page.get_by_role("button", name="Take it out").click()
        expect(visitor.page.get_by_role("alert").first).to_contain_text("not a complete path")
        visitor.page.get_by_label("Where to").fill(str(target))
        visitor.page.evaluate(
            "for (const each of document.querySelectorAll('[name=kind]')) each.checked = each.value === 'contacts'"
        )
        visitor.page.get_by_role("button", name="Take it out").click()
        expect(visitor.page.locator(".job-here .notice.good")).to_be_visible()
        visitor.complaints.clear()  # the browser tells of the refused form
    assert list(target.rglob("*.vcf"))
    assert re.search("BEGIN:VCARD", next(target.rglob("*.vcf")).read_text(encoding="utf-8"))


def _phone(visitor: web.Visitor) -> str:
    """The address of the only phone."""
    visitor.go("/")
    found = visitor.page.locator("a[href^='/phone/']").first.get_attribute("href")
    assert found is not None
    return found.split("?")[0]
