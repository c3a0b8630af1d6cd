"""A long list of photos loads its next part, and its small pictures, only when they come into view."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from ibackup.simulator.life import photos_db
from ibackup.simulator.life.photos_db import MadeAsset
from ibackup.view.pages.photos_page import PART
from support import web
from support.minted import Mint, Spec
from support.program import programs
from support.runs import SMALL

pytestmark = pytest.mark.peer


def test_what_is_not_seen_is_not_loaded(chromium: Browser, tmp_path: Path) -> None:
    assets = tuple(MadeAsset(case="", name=f"IMG_{number:04}.HEIC") for number in range(PART + 7))
    files = photos_db.files(assets, (), ios=18)
    made = Mint(tmp_path)(None, specs=[Spec(each.domain, each.path, content=each.data) for each in files])
    with (
        programs(tmp_path) as make,
        web.running(make(SMALL), str(made.folder)) as view,
        web.visitor(chromium, view) as visitor,
    ):
        page = visitor.page
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        phone = page.locator("a[href^='/phone/']").first.get_attribute("href") or ""
        page.set_viewport_size({"width": 360, "height": 400})
        visitor.go(f"{phone.partition('?')[0]}/photos")
        page.wait_for_load_state("load")
        expect(page.locator(".photo")).to_have_count(PART)
        assert not [each for each in asked if "from=" in each]
        assert len([each for each in asked if "/small?" in each]) < PART
        page.locator(".more a").last.scroll_into_view_if_needed()
        expect(page.locator(".photo")).to_have_count(PART + 7)
        expect(page.locator(".more a")).to_have_count(0)
        assert len([each for each in asked if "from=" in each]) == 1
        assert page.locator("#months h2").filter(visible=True).count() == 1
        visitor.go(f"{phone.partition('?')[0]}/photos?from={PART}")
        expect(page.locator("#months h2")).to_be_visible()
        expect(page.locator("#months h2")).to_contain_text("June 2024")
