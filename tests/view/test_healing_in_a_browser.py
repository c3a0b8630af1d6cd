"""A damaged backup is repaired from a second copy with one button, where its damage is said."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, expect

from support import web
from support.program import Program
from support.runs import assert_sealed, blob, flip

pytestmark = pytest.mark.peer


def test_a_button_repairs_a_damaged_backup_from_a_second_copy(
    chromium: Browser, program: Program, require_tool: Callable[[str], str]
) -> None:
    require_tool("rclone")
    program.now()
    program.run("copy", "add", "usb", "--to", str(program.folder / "disk"), "--engine", "rclone")
    program.run("copy", "run", "usb")
    (snapshot,) = program.snapshots
    stored, _ = blob(snapshot, program.phone, "HomeDomain")
    before = stored.read_bytes()
    flip(stored)
    with web.running(program) as view, web.visitor(chromium, view) as visitor:
        page = visitor.page
        main = page.locator("#main")
        page.get_by_role("link", name="Look inside").first.click()
        main.get_by_role("button", name="Read it again").click()
        expect(main.get_by_text("repair it from there").first).to_be_visible()
        visitor.check("healing-found")
        page.goto(f"{view.origin}/")
        visitor.check("healing-home")
        main.get_by_role("button", name="Repair it").first.click()
        expect(main.get_by_text("Whole again.").first).to_be_visible()
        expect(main.get_by_text("1 file was repaired from usb.").first).to_be_visible()
        visitor.check("healing-done")
        page.goto(f"{view.origin}/")
        main.get_by_role("button", name="OK").first.click()
        expect(page.get_by_role("heading", level=1)).to_contain_text("is safe")
    assert stored.read_bytes() == before
    assert_sealed(snapshot)
