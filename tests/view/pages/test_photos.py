"""Photos as somebody looks at them in a browser."""

import io
import zipfile

import pytest
from playwright.sync_api import Browser, expect

from ibackup.apple.backup import Backup
from ibackup.apple.file_ids import file_id_of
from support import web
from support.program import Program
from support.runs import PASSWORD

pytestmark = pytest.mark.peer
_CAMERA = "CameraRollDomain"
_PHOTOS = "/phone/anns-iphone/photos"


def _stored(program: Program, snapshot: int, path: str) -> bytes:
    """A file's bytes in an unencrypted snapshot."""
    name = file_id_of(_CAMERA, f"Media/DCIM/100APPLE/{path}")
    return (program.snapshots[snapshot] / program.phone.udid / name[:2] / name).read_bytes()


def test_the_photos_of_a_phone_by_month(chromium: Browser, view: web.View) -> None:
    with web.visitor(chromium, view) as visitor:
        visitor.go(_PHOTOS)
        page = visitor.page
        expect(page.get_by_role("heading", level=1)).to_have_text("Photos")
        squares = page.locator(".photo")
        assert squares.count() > 10
        expect(page.locator(".photo img").first).to_have_js_property("complete", True)
        assert page.locator(".photo img").first.evaluate("image => image.naturalWidth") > 1
        visitor.check("photos")


def test_a_photo_that_is_gone_is_found_and_taken_out_byte_for_byte(
    chromium: Browser, lived_in: Program, view: web.View
) -> None:
    with web.visitor(chromium, view) as visitor:
        page = visitor.page
        visitor.go(_PHOTOS)
        page.get_by_role("link", name="Gone from the phone").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Photos that are gone from the phone")
        expect(page.locator(".photo.is-gone")).to_have_count(1)
        expect(page.get_by_role("heading", level=2)).to_contain_text("Went between")
        visitor.check("photos-gone")
        page.locator(".photo a").click()
        expect(page.get_by_text("No longer on the phone")).to_be_visible()
        expect(page.get_by_text("It went between")).to_be_visible()
        visitor.check("photo-gone")
        with page.expect_download() as download:
            page.get_by_role("link", name="Take it out").click()
        taken = download.value.path().read_bytes()
        name = download.value.suggested_filename
        assert taken == _stored(lived_in, 0, name)


def test_keys_walk_through_the_photos(chromium: Browser, view: web.View) -> None:
    with web.visitor(chromium, view) as visitor:
        page = visitor.page
        visitor.go(_PHOTOS)
        first, second = (page.locator(".photo a").nth(number).get_attribute("href") for number in (0, 1))
        page.locator(".photo a").first.click()
        expect(page.locator(".viewer")).to_be_visible()
        visitor.check("photo")
        page.keyboard.press("ArrowRight")
        page.wait_for_url(f"**{second}")
        page.keyboard.press("ArrowLeft")
        page.wait_for_url(f"**{first}")
        page.keyboard.press("Escape")  # back to the grid, where the keys walk, too
        page.wait_for_url(f"**{_PHOTOS}*")
        expect(page.locator(".photo").first).to_be_visible()
        page.locator(".photo a").first.focus()
        page.keyboard.press("ArrowRight")
        expect(page.locator(".photo a").nth(1)).to_be_focused()
        page.keyboard.press("ArrowDown")
        page.keyboard.press("ArrowUp")
        expect(page.locator(".photo a").nth(1)).to_be_focused()


def test_several_are_chosen_and_come_as_one_archive(
    chromium: Browser, lived_in: Program, view: web.View
) -> None:
    with web.visitor(chromium, view) as visitor:
        page = visitor.page
        visitor.go(_PHOTOS)
        expect(page.locator("#picked-bar")).to_be_hidden()
        page.get_by_role("button", name="Choose").click()
        for number in range(3):
            page.locator(".photo a").nth(number).click()
        expect(page.locator("#picked-count")).to_have_text("3 photos chosen")
        with page.expect_download() as download:
            page.get_by_role("button", name="Take out").click()
        with zipfile.ZipFile(io.BytesIO(download.value.path().read_bytes())) as archive:
            assert archive.testzip() is None
            names = archive.namelist()
            assert len(names) >= 3
            for name in names:
                assert archive.read(name) == _stored(lived_in, 1, name)
        page.get_by_role("button", name="Cancel").click()
        expect(page.locator("#picked-bar")).to_be_hidden()


def test_albums_favorites_and_an_earlier_day_without_scripts(
    chromium: Browser, lived_in: Program, view: web.View
) -> None:
    earlier = lived_in.snapshots[0].name
    with web.visitor(chromium, view, scripts=False) as visitor:
        page = visitor.page
        visitor.go(_PHOTOS)
        number = page.locator(".photo").count()
        page.get_by_label("Album").select_option(label="Garden (3)")
        page.get_by_role("button", name="Show").first.click()
        assert page.locator(".photo").count() == 3
        visitor.go(f"{_PHOTOS}?at={earlier}")
        assert page.locator(".photo").count() == number + 1
        assert page.locator(".photo.is-gone").count() == 1
        page.locator(".photo.is-gone a").click()
        expect(page.get_by_text("No longer on the phone")).to_be_visible()
        gone = page.url.partition("id=")[2].partition("&")[0]
        visitor.go(f"{_PHOTOS}/photo?id={gone}")
        expect(page.get_by_role("heading", level=1)).to_have_text("This photo is not in this backup")
        expect(page.get_by_text("It was gone by then")).to_be_visible()
        page.get_by_role("link", name="Show it in the backup of").click()
        expect(page.get_by_text("No longer on the phone")).to_be_visible()


def test_what_is_encrypted_needs_the_password_and_is_shown_then(
    chromium: Browser, lived_in_encrypted: Program
) -> None:
    with web.running(lived_in_encrypted) as view, web.visitor(chromium, view) as visitor:
        page = visitor.page
        visitor.go("/phone/bobs-iphone/photos")
        page.locator("input[type=password]").fill(PASSWORD)
        page.locator("input[type=password]").press("Enter")
        expect(page.get_by_role("heading", level=1)).to_have_text("Photos")
        visitor.go("/phone/bobs-iphone/photos?only=gone")
        expect(page.locator(".photo.is-gone")).to_have_count(1)
        page.locator(".photo a").click()
        with page.expect_download() as download:
            page.get_by_role("link", name="Take it out").click()
        snapshot = lived_in_encrypted.snapshots[0] / lived_in_encrypted.phone.udid
        with Backup.open(snapshot) as backup:
            backup.unlock(PASSWORD)
            entry = backup.entry(_CAMERA, f"Media/DCIM/100APPLE/{download.value.suggested_filename}")
            assert entry is not None
            with entry.open() as source:
                assert source.read() == download.value.path().read_bytes()
        small = page.locator("video, .viewer img").first.get_attribute("src")
        page.request.post(f"{view.origin}/lock")
        assert small is not None
