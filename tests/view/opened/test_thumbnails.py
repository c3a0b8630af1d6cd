import io
import zlib
from collections.abc import Iterable, Iterator

import pytest

from ibackup.apple.entry import Entry
from ibackup.simulator.jpeg import mosaic
from ibackup.view.guard.browser_sessions import BrowserSession
from ibackup.view.opened import pictures
from ibackup.view.opened.opened_backups import OpenedBackup, OpenedBackups
from ibackup.view.opened.pictures import PictureRefused, as_jpeg
from ibackup.view.opened.thumbnails import Thumbnail, Thumbnails, thumbnail, thumbnail_response
from support.minted import Mint, Spec
from support.opening import chosen
from support.tiny_heic import HEIC

_DOMAIN = "CameraRollDomain"


def _chunk(name: bytes, data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + name + data + zlib.crc32(name + data).to_bytes(4, "big")


def _png(width: int, height: int, rows: bytes) -> bytes:
    head = width.to_bytes(4, "big") + height.to_bytes(4, "big") + b"\x08\x02\0\0\0"
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", head) + _chunk(b"IDAT", rows) + _chunk(b"IEND", b"")


def _large_jpeg() -> bytes:
    from PIL import Image

    out = io.BytesIO()
    picture = Image.effect_noise((3000, 2000), 90).convert("RGB")
    exif = Image.Exif()
    exif[0x0112] = 6  # to be shown turned
    picture.save(out, "JPEG", quality=80, exif=exif)
    return out.getvalue()


_BOMB = _png(10_000, 10_000, zlib.compress(bytes(30_001)))
_LARGE = _large_jpeg()


def _of(*paths: str) -> object:
    def files(opened: OpenedBackup) -> Iterable[Entry]:
        found = (opened.backup.entry(_DOMAIN, path) for path in paths)
        return (entry for entry in found if entry is not None)

    return files


@pytest.fixture(params=[None, "secret"], ids=["plain", "encrypted"])
def house(
    request: pytest.FixtureRequest, mint: Mint
) -> Iterator[tuple[OpenedBackups, object, BrowserSession]]:
    """A backup with pictures of each kind."""
    specs = {
        "own.jpg": mosaic("own")[0],
        "large.jpg": _LARGE,
        "picture.heic": HEIC,
        "cut.heic": HEIC[:400],
        "bomb.png": _BOMB,
        "empty.jpg": b"",
        "script.jpg": b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
        "cut.jpg": _LARGE[:30],
    }
    made = mint(request.param, specs=[Spec(_DOMAIN, path, content=data) for path, data in specs.items()])
    house, shown, session = OpenedBackups(), chosen(made), BrowserSession()
    if request.param:
        house.unlock(shown, session, request.param)
    yield house, shown, session
    house.close()


def _thumbnail(house: tuple[OpenedBackups, object, BrowserSession], *paths: str) -> Thumbnail | None:
    opened, shown, session = house
    return thumbnail(opened.use(shown, session), paths[0], _of(*paths))  # type: ignore[arg-type]


def test_the_phones_own_thumbnail_is_sent_as_it_is(
    house: tuple[OpenedBackups, object, BrowserSession],
) -> None:
    assert _thumbnail(house, "own.jpg", "large.jpg") == Thumbnail(mosaic("own")[0], "image/jpeg")


def test_nothing_is_looked_for_behind_the_phones_own_thumbnail(
    house: tuple[OpenedBackups, object, BrowserSession],
) -> None:
    def files(opened: OpenedBackup) -> Iterable[Entry]:
        yield from _of("own.jpg")(opened)  # type: ignore[operator]
        pytest.fail("the next was looked for")

    opened, shown, session = house
    assert thumbnail(opened.use(shown, session), "own.jpg", files) is not None  # type: ignore[arg-type]


@pytest.mark.parametrize(("path", "size"), [("large.jpg", (240, 360)), ("picture.heic", (32, 64))])
def test_other_pictures_are_scaled_and_turned_upright(
    house: tuple[OpenedBackups, object, BrowserSession], path: str, size: tuple[int, int]
) -> None:
    from PIL import Image

    found = _thumbnail(house, path)
    assert found is not None
    assert found.content_type == "image/jpeg"
    with Image.open(io.BytesIO(found.data)) as picture:
        assert picture.size == size
        assert not picture.getexif()


@pytest.mark.parametrize("path", ["bomb.png", "empty.jpg", "script.jpg", "cut.heic", "cut.jpg", "not there"])
def test_what_is_no_harmless_picture_has_none(
    house: tuple[OpenedBackups, object, BrowserSession], path: str
) -> None:
    assert _thumbnail(house, path) is None
    answer = thumbnail_response(None)
    assert (answer.status_code, answer.media_type) == (200, "image/gif")
    assert answer.headers["content-security-policy"] == "sandbox; default-src 'none'"


def test_the_next_file_is_taken_if_the_first_is_damaged(
    house: tuple[OpenedBackups, object, BrowserSession],
) -> None:
    assert _thumbnail(house, "cut.jpg", "own.jpg") == Thumbnail(mosaic("own")[0], "image/jpeg")


def test_a_second_look_reads_nothing(house: tuple[OpenedBackups, object, BrowserSession]) -> None:
    opened, shown, session = house
    first = _thumbnail(house, "own.jpg")
    again = thumbnail(opened.use(shown, session), "own.jpg", lambda _: pytest.fail("it was read again"))  # type: ignore[arg-type]
    assert again is first


def test_a_bomb_is_refused_before_anything_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "_jpeg", lambda *_args, **_more: pytest.fail("it was decoded"))
    with pytest.raises(PictureRefused, match="too many pixels"):
        as_jpeg(io.BytesIO(_BOMB))


def test_without_the_extra_nothing_is_decoded(
    house: tuple[OpenedBackups, object, BrowserSession], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pictures, "can_decode", lambda: False)
    assert _thumbnail(house, "large.jpg") is None
    assert _thumbnail(house, "own.jpg") is not None


def test_the_thumbnails_of_a_backup_take_no_more_memory_than_they_may() -> None:
    shelf = Thumbnails(most=10_000)
    for number in range(100):
        shelf.keep(str(number), Thumbnail(bytes(1000), "image/jpeg"))
    known = [number for number in range(100) if shelf.get(str(number))[0]]
    assert known == list(range(93, 100))
