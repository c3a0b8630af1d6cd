"""The first run: from nothing to the first encrypted backup, with the nights and what is kept."""

import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from support import web
from support.program import MakeProgram
from support.runs import PASSWORD, SMALL

pytestmark = pytest.mark.peer


def test_from_nothing_to_the_first_encrypted_backup(
    chromium: Browser, make_program: MakeProgram, tmp_path: Path
) -> None:
    program = make_program(replace(SMALL, name="Ann\u2019s iPhone"))
    folder = tmp_path / "Blue disk"
    with (
        web.running(program, environment={"IBACKUP_STORE": None}) as view,
        web.visitor(chromium, view) as visitor,
    ):
        page = visitor.page
        page.get_by_role("link", name="Set it up").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Where and when")
        visitor.check("first-place")
        page.get_by_label("Folder for the backups").fill(str(folder))
        page.get_by_label("No, I start them myself").check()
        page.get_by_role("button", name="Go on").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("A password for the backups")
        visitor.check("first-password")
        page.get_by_label("New backup password").fill(PASSWORD)
        page.get_by_label("The same again").fill("something else")
        page.get_by_role("button", name="Set up and back up now").click()
        expect(page.locator("#main").get_by_text("The two passwords differ.")).to_be_visible()
        visitor.complaints.clear()  # the browser's word about the answer 409
        assert not folder.exists()
        page.get_by_label("New backup password").fill(PASSWORD)
        page.get_by_label("The same again").fill(PASSWORD)
        page.get_by_role("button", name="Set up and back up now").click()
        expect(page.locator("#main").get_by_text("Backups from now on are encrypted.")).to_be_visible()
        expect(
            page.locator("#main").get_by_text("The nights find the password in the file").first
        ).to_be_visible()
        page.get_by_role("button", name="Back up now").click()
        expect(page.locator("#main").get_by_text("Backed up").first).to_be_visible()
        visitor.go("/")
        expect(page.get_by_role("heading", level=1)).to_have_text("Ann\u2019s iPhone is safe.")
    config = tomllib.loads(next((tmp_path / "home").rglob("config.toml")).read_text())
    assert config["store"] == str(folder)
    assert [each["name"] for each in config["phones"]] == ["Ann\u2019s iPhone"]
    assert Path(config["phones"][0]["password_file"]).read_text() == f"{PASSWORD}\n"
    assert config["prune"]["keep_last"] == 7
    assert program.phone.backup_password == PASSWORD
    assert list(folder.rglob("snapshot.json"))


def test_without_a_phone_it_says_what_to_connect(chromium: Browser, make_program: MakeProgram) -> None:
    program = make_program()
    with web.running(program) as view, web.visitor(chromium, view) as visitor:
        expect(visitor.page.get_by_text("No phone yet")).to_be_visible()
        visitor.go("/start")
        expect(visitor.page.get_by_role("heading", level=1)).to_have_text("Connect the phone")
        visitor.check("first-phone")
