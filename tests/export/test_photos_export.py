"""The export of photos: originals as they are, pairs and edits together, albums in their order."""

import io
import json
import os
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from PIL import Image

from ibackup.apple.backup import Backup
from ibackup.base.errors import UsageError
from ibackup.export.earlier_exports import RECORD
from ibackup.export.export_request import Exported, ExportRequest
from ibackup.export.exporting import export
from ibackup.export.photos_export import NO_JPEG, NO_LINKS, ONLY_IN_ICLOUD
from ibackup.simulator.life import photo_cases, photos_db
from ibackup.simulator.life.life_file import LifeFile
from support.lives import backup_of
from support.minted import Mint
from support.tiny_heic import HEIC

PASSWORD = "Kurzhaar-Wisent 7"


def life(assets: Iterable[photos_db.MadeAsset] = photo_cases.ASSETS) -> Iterator[LifeFile]:
    for file in photos_db.files(tuple(assets), photo_cases.ALBUMS, ios=18):
        picture = file.path.startswith("Media/DCIM") and file.path.endswith(".HEIC")
        yield LifeFile(file.domain, file.path, HEIC, file.modified) if picture else file
    for path in photo_cases.LOOSE:
        yield LifeFile(photos_db.DOMAIN, f"Media/{path}", photos_db.content_of(path), photos_db.TAKEN)


def exported(
    mint: Mint,
    to: Path,
    files: Iterable[LifeFile],
    *,
    password: str | None = None,
    later: Backup | None = None,
    **options: object,
) -> Exported:
    with backup_of(mint, files, password) as backup:
        return export(backup, ExportRequest(str(to), ("photos",), later=later, **options))  # type: ignore[arg-type]


def names(to: Path) -> set[str]:
    found = (
        each.relative_to(to / "Photos").as_posix() for each in (to / "Photos").rglob("*") if each.is_file()
    )
    return {name for name in found if not name.startswith("Albums/")}


@pytest.mark.parametrize("password", [None, PASSWORD])
def test_everything_lies_where_people_look_for_it(mint: Mint, tmp_path: Path, password: str | None) -> None:
    to = tmp_path / "out"
    result = exported(mint, to, life(), password=password)
    found = names(to)
    # A Live Photo is a pair, with its edits beside it.
    live = {f"2024-06/IMG_0024{end}" for end in (".HEIC", ".MOV", " (edited).jpg", " (edited).mov", ".json")}
    assert live <= found
    assert {"2024-06/IMG_0028.JPG", "2024-06/IMG_0028.DNG"} <= found
    assert "2024-06/beach.HEIC" in found  # imported under that name
    # One picture and one film of the same number, and two that differ in case only, do not mix.
    assert {"2024-06/IMG_0001.HEIC", "2024-06/IMG_0001 (2).MOV"} <= found
    assert "1970-01/IMG_0004.jpg" in found
    assert "Recently Deleted/2024-06/IMG_0030.HEIC" in found
    assert {"Only in iCloud/2024-06/IMG_5040.JPG", "Only in iCloud/2024-06/IMG_5042.JPG"} <= found
    assert "2024-06/IMG_0027 (edited).heic" in found
    assert "Without date/IMG_0052.HEIC" in found
    assert {"Not in the library/100APPLE/IMG_0099.HEIC", "Not in the library/102APPLE/IMG_2000.MOV"} <= found
    assert any(name.startswith("Shared albums/") for name in found)
    assert not any("44444444-DDDD" in name for name in found)  # shared with you: another person's
    exported_assets = sum(made.says.get("holds", "original") != "nothing" for made in photo_cases.ASSETS)
    assert result.counts["photos"] + result.counts["videos"] == exported_assets + len(photo_cases.LOOSE)
    assert (to / "Photos/2024-06/IMG_0024.HEIC").read_bytes() == HEIC
    assert {gap.reason: gap.count for gap in result.gaps}[ONLY_IN_ICLOUD] == 4
    assert result.code(everything=False) == 0


def test_times_are_those_of_the_pictures(mint: Mint, tmp_path: Path) -> None:
    exported(mint, tmp_path, life())
    for name in ("IMG_0024.HEIC", "IMG_0024.MOV", "IMG_0024 (edited).jpg", "IMG_0024.json"):
        assert os.stat(tmp_path / "Photos/2024-06" / name).st_mtime == photos_db.TAKEN


def test_the_sidecar_says_what_the_library_knows(mint: Mint, tmp_path: Path) -> None:
    exported(mint, tmp_path, life())
    said = json.loads((tmp_path / "Photos/2024-06/IMG_0001.json").read_text(encoding="utf-8"))
    assert said["taken"] == "2024-06-02T15:45:00+05:45"
    assert said["place"] == {"latitude": 27.7172, "longitude": 85.324}
    assert said["albums"] == ["Trips/2024/Nepal/Kathmandu", "Best of"]
    assert said["people"] == ["Ada Lovelace", "Alan Turing"]
    assert said["files"] == {"original": "IMG_0001.HEIC"}


def test_albums_are_links_in_their_folders_and_a_list_in_their_order(mint: Mint, tmp_path: Path) -> None:
    result = exported(mint, tmp_path, life())
    photos = tmp_path / "Photos"
    albums = json.loads((photos / "albums.json").read_text(encoding="utf-8"))
    by_title = {album["title"]: album for album in albums}
    assert by_title["Kathmandu"]["path"] == ["Trips", "2024/Nepal", "Kathmandu"]
    assert by_title["Kathmandu"]["pictures"] == [
        "2024-06/IMG_0024.HEIC",
        "2024-06/IMG_0001.HEIC",
        "2024-06/IMG_0004.JPG",
    ]
    assert by_title["Empty"]["pictures"] == []
    assert "Thrown away" not in by_title
    assert result.counts["albums"] == len(albums)
    link = photos / "Albums/Trips/2024 Nepal/Kathmandu/IMG_0024.MOV"
    assert link.samefile(photos / "2024-06/IMG_0024.MOV")
    assert (photos / "Albums/Best of/IMG_5040.JPG").samefile(photos / "Only in iCloud/2024-06/IMG_5040.JPG")


def test_without_hard_links_the_list_is_there(
    mint: Mint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(1, "no links here")

    monkeypatch.setattr("os.link", refuse)
    result = exported(mint, tmp_path, life())
    assert NO_LINKS in {gap.reason for gap in result.gaps}
    assert (tmp_path / "Photos/albums.json").is_file()


def test_a_second_export_writes_nothing_and_a_newer_backup_only_what_is_new(
    mint: Mint, tmp_path: Path
) -> None:
    to = tmp_path / "out"
    exported(mint, to, life())
    before = {path: path.stat().st_ino for path in to.rglob("*") if path.name != RECORD}
    again = exported(mint, to, life())
    assert again.files == 0
    assert not again.kept_out
    assert {path: path.stat().st_ino for path in to.rglob("*") if path.name != RECORD} == before
    new = photos_db.MadeAsset(
        case="new", name="IMG_0001.HEIC", folder="DCIM/103APPLE", files=("DCIM/103APPLE/IMG_0001.HEIC",)
    )
    gone = [
        asset
        for asset in photo_cases.ASSETS
        if asset.case != "same name in another folder, imported under its own name, no place"
    ]
    later = exported(mint, to, life([*gone, new]))
    assert not later.kept_out
    assert "2024-06/IMG_0001 (3).HEIC" in names(to)
    assert "2024-06/beach.HEIC" in names(to)


def test_only_what_a_later_backup_no_longer_has(mint: Mint, tmp_path: Path) -> None:
    kept = [asset for asset in photo_cases.ASSETS if asset.name != "IMG_0024.HEIC"]
    with backup_of(mint, life(kept)) as later:
        result = exported(mint, tmp_path, life(), later=later)
    assert result.counts == {"photos": 1, "albums": result.counts["albums"]}
    assert "2024-06/IMG_0024.HEIC" in names(tmp_path)
    assert not result.gaps  # what neither backup has is not left out


def test_dates_limit_what_is_exported(mint: Mint, tmp_path: Path) -> None:
    zone = timezone(timedelta(hours=2))
    exported(mint, tmp_path, life(), until=datetime(2000, 1, 1, tzinfo=zone))
    assert {name for name in names(tmp_path) if name.endswith(".jpg")} == {"1970-01/IMG_0004.jpg"}


def test_jpegs_of_heic_pictures_are_upright(mint: Mint, tmp_path: Path) -> None:
    result = exported(mint, tmp_path, life(), jpeg=True)
    data = (tmp_path / "Photos/2024-06/IMG_0001.jpg").read_bytes()
    with Image.open(io.BytesIO(data)) as picture:
        assert picture.format == "JPEG"
        assert picture.size == (32, 64)
        assert picture.getexif().get(0x0112) == 1
        red, _, blue = picture.convert("RGB").getpixel((5, 5))  # type: ignore[misc]
        assert blue > red
    assert (tmp_path / "Photos/Albums/Best of/IMG_0001.jpg").is_file()
    broken = {gap.reason: gap.count for gap in result.gaps}[NO_JPEG]  # those that are no pictures at all
    assert broken >= 1
    assert not result.damaged


@pytest.mark.parametrize("password", [None, PASSWORD])
def test_a_damaged_picture_costs_only_itself(mint: Mint, tmp_path: Path, password: str | None) -> None:
    with backup_of(mint, life(), password) as backup:
        for number, cut in ((1, 0), (24, 40)):
            entry = backup.entry(photos_db.DOMAIN, f"Media/DCIM/100APPLE/IMG_{number:04}.HEIC")
            assert entry is not None
            blob = Path(backup.path) / entry.blob_path
            blob.write_bytes(blob.read_bytes()[:cut])
        result = export(backup, ExportRequest(str(tmp_path / "out"), ("photos",), jpeg=True))
    assert result.damaged >= 2
    assert (tmp_path / "out/Photos/2024-06/beach.HEIC").read_bytes() == HEIC
    assert (tmp_path / "out/Photos/2024-06/beach.jpg").is_file()


def test_a_jpeg_is_made_once(mint: Mint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    to = tmp_path / "out"
    exported(mint, to, life(), jpeg=True)
    made: list[bytes] = []

    def convert(data: bytes) -> bytes:
        made.append(data)
        raise ValueError

    monkeypatch.setattr("ibackup.export.photos_export.converter", lambda: convert)
    again = exported(mint, to, life(), jpeg=True)
    assert HEIC not in made  # only pictures that could not be converted, and edits, are tried again
    assert not again.files
    (to / "Photos/2024-06/IMG_0001.jpg").unlink()
    exported(mint, to, life(), jpeg=True)
    assert made.count(HEIC) == 1


def test_jpeg_without_the_extra_says_what_to_install(
    mint: Mint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pi_heif", None)
    with pytest.raises(UsageError) as refused:
        exported(mint, tmp_path, life(), jpeg=True)
    assert "pi-heif" in str(refused.value.hint)


def test_immich_gets_xmp_and_no_thumbnails(mint: Mint, tmp_path: Path) -> None:
    exported(mint, tmp_path, life(), immich=True)
    found = names(tmp_path)
    assert "Only in iCloud/2024-06/IMG_5040.JPG" not in found
    assert "Only in iCloud/2024-06/IMG_5042.JPG" in found
    root = ET.fromstring((tmp_path / "Photos/2024-06/IMG_0001.HEIC.xmp").read_text(encoding="utf-8"))
    exif = "{http://ns.adobe.com/exif/1.0/}"
    [described] = root.iter("{http://www.w3.org/1999/02/22-rdf-syntax-ns#}Description")
    assert described.get(f"{exif}DateTimeOriginal") == "2024-06-02T15:45:00+05:45"
    assert described.get(f"{exif}GPSLatitude") == "27,43.032000N"
    assert "Monkeys, too" in "".join(described.itertext())


def test_hostile_names_stay_inside(mint: Mint, tmp_path: Path) -> None:
    assets = [
        photos_db.MadeAsset(
            case=name,
            name=f"IMG_{number:04}.HEIC",
            attributes={"ZORIGINALFILENAME": name, "ZTITLE": "</x:xmpmeta>\x00\x01&"},
            files=(f"DCIM/100APPLE/IMG_{number:04}.HEIC",),
        )
        for number, name in enumerate(
            ("../../../etc/x.heic", "CON.heic", "a/b\\c.heic", "x" * 400 + ".heic", ".heic", "\u202egpj.exe")
        )
    ]
    album = photos_db.MadeAlbum(pk=2, title="../..", parent=None, members=(1, 2))
    files = photos_db.files(tuple(assets), (album,), ios=17)
    to = tmp_path / "deep" / "out"
    result = exported(mint, to, files, immich=True)
    assert result.counts["photos"] == len(assets)
    assert {each.name for each in tmp_path.iterdir() if each.is_dir()} <= {"deep", "snapshot1"}
    for path in (to / "Photos").rglob("*.xmp"):
        ET.fromstring(path.read_text(encoding="utf-8"))


def test_a_backup_without_photos_has_nothing(mint: Mint, tmp_path: Path) -> None:
    result = exported(mint, tmp_path, [LifeFile("HomeDomain", "Library/x", b"x", 1)])
    assert result.unfound == (("photos", ""),)


def test_pictures_are_exported_without_their_library(mint: Mint, tmp_path: Path) -> None:
    files = [LifeFile(photos_db.DOMAIN, "Media/DCIM/100APPLE/IMG_0001.HEIC", HEIC, 1_700_000_000)]
    result = exported(mint, tmp_path, files)
    assert names(tmp_path) == {"Not in the library/100APPLE/IMG_0001.HEIC"}
    assert result.counts == {"photos": 1}
    assert (
        datetime.fromtimestamp(
            (tmp_path / "Photos/Not in the library/100APPLE/IMG_0001.HEIC").stat().st_mtime, UTC
        ).year
        == 2023
    )
