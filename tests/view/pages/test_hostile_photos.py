"""A photo library whose texts are script, and whose files are not what they are called."""

import re
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from ibackup.simulator.jpeg import mosaic
from ibackup.simulator.life import photos_db
from ibackup.simulator.life.photos_db import MadeAlbum, MadeAsset
from support import web
from support.minted import Mint, Spec
from support.program import programs
from support.runs import SMALL
from support.tiny_heic import HEIC

pytestmark = pytest.mark.peer
_SCRIPT = "\"'><img src=x onerror=window.hacked=1><script>window.hacked=1</script>\u202e{{7*7}}"
_CAMERA = "DCIM/100APPLE"


def _chunk(name: bytes, data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + name + data + zlib.crc32(name + data).to_bytes(4, "big")


_HUGE = (
    b"\x89PNG\r\n\x1a\n"
    + _chunk(b"IHDR", (10_000).to_bytes(4, "big") * 2 + b"\x08\x02\0\0\0")
    + _chunk(b"IDAT", zlib.compress(bytes(30_001)))
    + _chunk(b"IEND", b"")
)
_FILES = {
    "SVG.jpg": b"<svg xmlns='http://www.w3.org/2000/svg'><script>window.hacked=1</script></svg>",
    "PAGE.jpg": b"<!doctype html><script>window.hacked=1</script>",
    "HUGE.png": _HUGE,
    "CUT.heic": HEIC[:500],
    "EMPTY.jpg": b"",
    "GOOD.heic": HEIC,
    "FILM.mov": b"\0\0\0\x14ftypqt  \0\0\0\0qt  " + bytes(5000),
}


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[web.View]:
    """A view of a folder with that library."""
    folder = tmp_path_factory.mktemp("hostile")
    assets = tuple(
        MadeAsset(
            case="",
            pk=number,
            name=name,
            columns={
                "ZWIDTH": -5 if number % 2 else 10**12,
                "ZHEIGHT": 10**12,
                "ZDURATION": 1e300,
                "ZLATITUDE": 91.0,
            },
            attributes={"ZORIGINALFILENAME": f"{_SCRIPT}{name}", "ZTITLE": _SCRIPT, "ZTIMEZONENAME": _SCRIPT},
            caption=_SCRIPT,
            people=(_SCRIPT,),
            camera={
                "ZCAMERAMAKE": _SCRIPT,
                "ZCAMERAMODEL": _SCRIPT,
                "ZSHUTTERSPEED": 1e-300,
                "ZAPERTURE": 1e300,
            },
            files=(f"{_CAMERA}/{name}",),
        )
        for number, name in enumerate((*_FILES, "FINE.jpg"), start=1)
    )
    albums = (
        MadeAlbum(pk=1, title=None, kind=3999, parent=None),
        MadeAlbum(pk=2, title=_SCRIPT, members=(1, 2)),
    )
    content = _FILES | {"FINE.jpg": mosaic("fine")[0]}
    specs = [
        Spec(each.domain, each.path, content=content.get(each.path.rpartition("/")[2], each.data))
        for each in photos_db.files(assets, albums, ios=18)
    ]
    made = Mint(folder)(None, specs=specs)
    with programs(folder) as make, web.running(make(SMALL), str(made.folder)) as view:
        yield view


def _addresses(visitor: web.Visitor) -> dict[str, str]:
    """The addresses of the photos' pages by the endings of their files' names."""
    page = visitor.page
    visitor.go(Path(page.locator(".phone-card a, main a").first.get_attribute("href") or "").as_posix())
    visitor.go(page.url.partition("//")[2].partition("/")[2].join(("/", "/photos")))
    found = {}
    for link in [each.get_attribute("href") or "" for each in page.locator(".photo > a").all()]:
        visitor.go(link)
        name = page.locator(".facts dd").first.inner_text()
        found[name.rpartition("}}")[2]] = link
    return found


def test_texts_and_files_of_a_stranger_run_nothing(chromium: Browser, hostile: web.View) -> None:
    with web.visitor(chromium, hostile) as visitor:
        page = visitor.page
        links = _addresses(visitor)
        assert set(links) == {*_FILES, "FINE.jpg"}
        for name, link in links.items():
            visitor.go(link)
            assert page.evaluate("window.hacked") is None
            assert "onerror=window.hacked" in page.inner_text(".facts")
            assert "{{7*7}}" in page.inner_text(".facts")
            assert page.locator(".viewer figure :is(img, video)").count() == 1, name
        assert visitor.complaints == []
        visitor.go(links["FILM.mov"])
        expect(page.get_by_text("This browser cannot play this video")).to_be_visible()


@pytest.mark.parametrize("name", ["SVG.jpg", "PAGE.jpg", "HUGE.png", "CUT.heic", "EMPTY.jpg"])
def test_what_is_no_picture_is_never_shown_as_one(chromium: Browser, hostile: web.View, name: str) -> None:
    with web.visitor(chromium, hostile) as visitor:
        link = _addresses(visitor)[name]
        visitor.go(link)
        shown = visitor.page.locator(".viewer img")
        expect(shown).to_have_attribute("src", re.compile(r"/small\?"))
        expect(shown).to_have_js_property("naturalWidth", 1)
        download = visitor.page.get_by_role("link", name="Take it out").get_attribute("href")
        found = visitor.page.evaluate(
            """async address => {
                const answer = await fetch(address);
                return [answer.headers.get('content-type'), answer.headers.get('content-disposition'),
                        answer.headers.get('content-security-policy'), (await answer.arrayBuffer()).byteLength];
            }""",
            (download or "").replace("download=1", "x=1"),
        )
        assert found[0] == "application/octet-stream"
        assert found[1].startswith("attachment; filename=")
        assert found[1].count('"') == 2
        assert not set("<>'\\") & set(found[1].partition("UTF-8''")[0])
        assert "sandbox" in found[2]
        assert found[3] == len(_FILES[name])
