import http.client
import io
import os
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import pytest

from ibackup.apple.backup import Backup
from ibackup.simulator.jpeg import mosaic
from ibackup.view.opened.media import attachment, media_response
from ibackup.view.opened.media_kinds import kind_of
from support.minted import Mint, Spec
from support.opening import serving
from support.tiny_heic import HEIC

_FILM = b"\0\0\0\x14ftypqt  \0\0\0\0qt  " + bytes(range(256)) * 1300
_DOMAIN, _PATH = "CameraRollDomain", "Media/DCIM/100APPLE/IMG_0001.MOV"


def _png(width: int, height: int) -> bytes:
    head = width.to_bytes(4, "big") + height.to_bytes(4, "big") + b"\x08\x02\0\0\0"
    made = b"\x89PNG\r\n\x1a\n"
    for name, data in (
        (b"IHDR", head),
        (b"IDAT", zlib.compress(bytes(3 * width * height + height))),
        (b"IEND", b""),
    ):
        made += len(data).to_bytes(4, "big") + name + data + zlib.crc32(name + data).to_bytes(4, "big")
    return made


@pytest.fixture(params=[None, "secret"], ids=["plain", "encrypted"])
def film(request: pytest.FixtureRequest, mint: Mint) -> Callable[[], BinaryIO]:
    """Opens a film in a backup, plain and encrypted."""
    made = mint(request.param, specs=[Spec(_DOMAIN, _PATH, content=_FILM)])

    def opened() -> BinaryIO:
        with Backup.open(made.folder) as backup:
            backup.unlock(request.param)
            entry = backup.entry(_DOMAIN, _PATH)
            assert entry is not None
            return entry.open()

    return opened


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [
        ("bytes=0-", 0, len(_FILM)),
        ("bytes=0-0", 0, 1),
        ("bytes=17-40", 17, 41),
        ("bytes=300001-", 300_001, len(_FILM)),
        ("bytes=-5", len(_FILM) - 5, len(_FILM)),
        (f"bytes=-{10**17}", 0, len(_FILM)),
        (f"bytes=5-{10**17}", 5, len(_FILM)),
        (" bytes=15-16 ", 15, 17),
    ],
)
def test_a_range_of_a_film_is_sent_as_asked(
    film: Callable[[], BinaryIO], asked: str, start: int, end: int
) -> None:
    with serving(lambda headers: media_response(film(), headers, name="IMG_0001.MOV")) as served:
        status, headers, body = served.ask({"Range": asked})
    assert status == 206
    assert headers["content-range"] == f"bytes {start}-{end - 1}/{len(_FILM)}"
    assert headers["content-type"] == "video/quicktime"
    assert body == _FILM[start:end]


@pytest.mark.parametrize(
    "asked",
    [
        "bytes=0-4,9-12",
        "bytes=9-3",
        "bytes=-",
        "bytes=x-",
        "items=0-5",
        "bytes=1-2-3",
        f"bytes=0-{10**30}",
        "",
    ],
)
def test_what_is_no_single_range_gets_the_whole_file(film: Callable[[], BinaryIO], asked: str) -> None:
    with serving(lambda headers: media_response(film(), headers, name="a.mov")) as served:
        status, headers, body = served.ask({"Range": asked})
    assert (status, body) == (200, _FILM)
    assert headers["accept-ranges"] == "bytes"


@pytest.mark.parametrize("asked", [f"bytes={len(_FILM)}-", f"bytes={10**17}-", "bytes=-0"])
def test_a_range_behind_the_end_is_refused(film: Callable[[], BinaryIO], asked: str) -> None:
    with serving(lambda headers: media_response(film(), headers, name="a.mov")) as served:
        status, headers, body = served.ask({"Range": asked})
    assert (status, body) == (416, b"")
    assert headers["content-range"] == f"bytes */{len(_FILM)}"


def test_a_range_of_another_version_gets_the_whole_file(film: Callable[[], BinaryIO]) -> None:
    with serving(lambda headers: media_response(film(), headers, name="a.mov")) as served:
        status, _, body = served.ask({"Range": "bytes=1-2", "If-Range": '"other"'})
    assert (status, body) == (200, _FILM)


class _Counting(io.BytesIO):
    """Counts the bytes that are read."""

    taken = 0

    def read(self, size: int | None = -1, /) -> bytes:
        found = super().read(size)
        _Counting.taken += len(found)
        return found


def test_a_range_does_not_read_what_is_before_it() -> None:
    _Counting.taken = 0
    film = _FILM + bytes(50_000_000)
    with serving(lambda headers: media_response(_Counting(film), headers, name="a.mov")) as served:
        _, _, body = served.ask({"Range": f"bytes={len(film) - 100}-"})
    assert len(body) == 100
    assert _Counting.taken < 1000


def test_only_the_headers_are_sent_if_only_they_are_asked_for() -> None:
    _Counting.taken = 0
    with serving(lambda headers: media_response(_Counting(_FILM), headers, name="a.mov")) as served:
        status, headers, body = served.ask(method="HEAD")
    assert (status, body, headers["content-length"]) == (200, b"", str(len(_FILM)))
    assert _Counting.taken < 1000


@pytest.mark.parametrize(
    "content",
    [
        b"<html><script>alert(1)</script>",
        b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
        b"\xff\xfe<\0h\0t\0m\0l\0>\0",
        b"\xef\xbb\xbf<!doctype html>",
        b"%PDF-1.7",
        b"\0\0\0\x1cftypevil\0\0\0\0",
        b"RIFF\0\0\0\0AVI LIST",
        b"\xff\xd8",
        b"",
        _png(10_000, 10_000)[:40_000],
    ],
    ids=["html", "svg", "utf-16", "bom", "pdf", "brand", "avi", "two bytes", "empty", "10,000 x 10,000"],
)
def test_what_is_not_known_to_be_harmless_is_a_download(content: bytes) -> None:
    with serving(lambda headers: media_response(io.BytesIO(content), headers, name="cat.jpg")) as served:
        status, headers, body = served.ask()
    assert (status, body) == (200, content)
    assert headers["content-type"] == "application/octet-stream"
    assert headers["content-disposition"].startswith('attachment; filename="cat.jpg"')
    assert headers["content-security-policy"] == "sandbox; default-src 'none'"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("content", "content_type"),
    [
        (mosaic("a")[0], "image/jpeg"),
        (_png(3, 2), "image/png"),
        (b"GIF89a\x02\0\x02\0\0\0\0;", "image/gif"),
        (b"RIFF\x1e\0\0\0WEBPVP8L\x11\0\0\0\x2f\x01\x40\0\0" + bytes(20), "image/webp"),
        (b"\0\0\0\x18ftypmp42\0\0\0\0", "video/mp4"),
        (b"\0\0\0\x18ftypM4A \0\0\0\0", "audio/mp4"),
        (b"caff\0\x01\0\0desc", "audio/x-caf"),
        (b"#!AMR\n", "audio/amr"),
        (b"RIFF\0\0\0\0WAVEfmt ", "audio/wav"),
        (b"ID3\x04\0", "audio/mpeg"),
        (b"\xff\xfb\x90\x64\0\0", "audio/mpeg"),
    ],
)
def test_pictures_films_and_sounds_are_shown_whatever_they_are_called(
    content: bytes, content_type: str
) -> None:
    with serving(lambda headers: media_response(io.BytesIO(content), headers, name="a.html")) as served:
        status, headers, body = served.ask()
    assert (status, body, headers["content-type"]) == (200, content, content_type)
    assert "content-disposition" not in headers
    assert headers["content-security-policy"] == "sandbox; default-src 'none'"


def test_a_heic_picture_is_shown_as_a_jpeg_and_downloaded_as_it_is() -> None:
    from PIL import Image

    with serving(lambda headers: media_response(io.BytesIO(HEIC), headers, name="a.heic")) as served:
        status, headers, body = served.ask()
    assert (status, headers["content-type"]) == (200, "image/jpeg")
    with Image.open(io.BytesIO(body)) as picture:
        assert picture.size == (32, 64)
    download = lambda headers: media_response(io.BytesIO(HEIC), headers, name="a.heic", download=True)  # noqa: E731
    with serving(download) as served:
        _, headers, body = served.ask()
    assert body == HEIC
    assert headers["content-disposition"].startswith("attachment")


@pytest.mark.parametrize("length", [0, 40, 600, len(HEIC) - 30])
def test_a_heic_picture_that_is_cut_off_is_a_download(length: int) -> None:
    with serving(lambda headers: media_response(io.BytesIO(HEIC[:length]), headers, name="a.heic")) as served:
        status, headers, body = served.ask()
    assert status == 200
    assert body == HEIC[:length] or headers["content-type"] == "image/jpeg"


def test_a_file_that_becomes_unreadable_breaks_the_answer_off() -> None:
    class Failing(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            if self.tell() > 300_000:
                raise OSError("gone")
            return super().read(size)

    content = bytes(5_000_000)
    broken = pytest.raises((http.client.IncompleteRead, ConnectionError))
    with serving(lambda headers: media_response(Failing(content), headers, name="a")) as served, broken:
        served.ask()


def test_the_file_is_closed_when_the_browser_goes_away(tmp_path: Path) -> None:
    path = tmp_path / "large"
    path.write_bytes(b"")
    os.truncate(path, 1 << 33)
    sources: list[io.BufferedReader] = []

    def answer(headers: dict[str, str]) -> object:
        sources.append(path.open("rb"))
        return media_response(sources[-1], headers, name="a")

    with serving(answer) as served:  # type: ignore[arg-type]
        connection = http.client.HTTPConnection("127.0.0.1", served.port)
        connection.request("GET", "/")
        connection.getresponse().read(10)
        connection.close()
    assert [source.closed for source in sources] == [True]


@pytest.mark.parametrize(
    ("name", "header"),
    [
        ("IMG_1.HEIC", "attachment; filename=\"IMG_1.HEIC\"; filename*=UTF-8''IMG_1.HEIC"),
        (
            'a"\r\nSet-Cookie: x=1.jpg',
            "attachment; filename=\"a_Set-Cookie_ x_1.jpg\"; filename*=UTF-8''a_Set-Cookie_%20x%3D1.jpg",
        ),
        ("../../etc/passwd", "attachment; filename=\"_.._etc_passwd\"; filename*=UTF-8''_.._etc_passwd"),
        ("\u202egpj.exe", "attachment; filename=\"gpj.exe\"; filename*=UTF-8''gpj.exe"),
        ("Grüße.jpg", "attachment; filename=\"Grue.jpg\"; filename*=UTF-8''Gr%C3%BC%C3%9Fe.jpg"),
        ("", "attachment; filename=\"file\"; filename*=UTF-8''file"),
        ("日本", "attachment; filename=\"file\"; filename*=UTF-8''%E6%97%A5%E6%9C%AC"),
    ],
)
def test_a_name_of_a_download_can_say_nothing_but_a_name(name: str, header: str) -> None:
    assert attachment(name) == header


def test_a_long_name_keeps_its_ending() -> None:
    assert attachment("a" * 5000 + ".heic").endswith(f"{'a' * 130}.heic")


def test_only_layer_three_counts_as_mp3() -> None:
    assert kind_of(b"\xff\xfe<\0") is None
    assert kind_of(b"\xff\xfb\xf0\0") is None
