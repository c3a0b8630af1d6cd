import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from explore.taking import PASSWORD, Take
from ibackup.base import isolated
from ibackup.explore.selection import Selection
from support import endless_sql
from support.minted import Mint, Minted, Spec, endless

EPOCH = 978_307_200
TAKEN = 1_500_000_000
MTIME = 1_700_000_000
FILES = (
    "Media/DCIM/100APPLE/IMG_0001.HEIC",
    "Media/DCIM/100APPLE/IMG_0001.MOV",
    "Media/DCIM/100APPLE/IMG_0001.AAE",
    "Media/DCIM/100APPLE/IMG_0002.JPG",
    "Media/DCIM/100APPLE/UNKNOWN.JPG",
    "Media/PhotoData/CPLAssets/group12/8A.JPG",
    "Media/PhotoData/Mutations/DCIM/100APPLE/IMG_0001/Adjustments/FullSizeRender.jpg",
)
Make = Callable[[sqlite3.Connection], object]


def modern(db: sqlite3.Connection, table: str = "ZASSET") -> None:
    db.execute(
        f"CREATE TABLE {table} (Z_PK INTEGER PRIMARY KEY, ZDIRECTORY, ZFILENAME, ZDATECREATED TIMESTAMP)"
    )
    db.executemany(
        f"INSERT INTO {table} (ZDIRECTORY, ZFILENAME, ZDATECREATED) VALUES (?, ?, ?)",
        [
            ("DCIM/100APPLE", "IMG_0001.HEIC", TAKEN - EPOCH + 0.25),
            ("DCIM/100APPLE", "IMG_0002.JPG", -2_000_000_000.0),  # a scan of 1937
            ("PhotoData/CPLAssets/group12", "8A.JPG", TAKEN - EPOCH + 60),
            ("DCIM/100APPLE", None, 5),
            (None, "x", 5),
            ("DCIM/100APPLE", "UNKNOWN.JPG", None),
            ("DCIM/100APPLE", "INFINITE.JPG", float("inf")),
        ],
    )


def old(db: sqlite3.Connection) -> None:
    modern(db, "ZGENERICASSET")


def without_dates(db: sqlite3.Connection) -> None:
    db.execute("CREATE TABLE ZASSET (Z_PK INTEGER PRIMARY KEY, ZDIRECTORY, ZFILENAME)")
    db.execute("INSERT INTO ZASSET VALUES (1, 'DCIM/100APPLE', 'IMG_0001.HEIC')")


def a_view(db: sqlite3.Connection) -> None:
    modern(db, "TRUE_ONE")
    db.execute("CREATE VIEW ZASSET AS SELECT * FROM TRUE_ONE")


def library(tmp: Path, make: Make) -> bytes:
    path = tmp / "Photos.sqlite"
    db = sqlite3.connect(path)
    with db:
        make(db)
    db.close()
    data = path.read_bytes()
    path.unlink()
    return data


def camera_roll(mint: Mint, photos: bytes | None) -> Minted:
    specs = [Spec("CameraRollDomain", path, path.encode(), mtime=MTIME) for path in FILES]
    if photos is not None:
        specs.append(Spec("CameraRollDomain", "Media/PhotoData/Photos.sqlite", photos))
    return mint(PASSWORD, specs=specs)


def times(out: Path) -> list[float]:
    return [(out / "CameraRollDomain" / path).stat().st_mtime for path in FILES]


@pytest.mark.parametrize("make", [modern, old])
def test_pictures_have_the_time_they_were_taken(mint: Mint, take: Take, tmp_path: Path, make: Make) -> None:
    minted = camera_roll(mint, library(tmp_path, make))
    taken = take(minted, tmp_path / "out", Selection.of(presets=["photos"]), photo_dates=True)
    scan = EPOCH - 2_000_000_000.0
    picture = TAKEN + 0.25
    assert times(tmp_path / "out") == [picture, picture, picture, scan, MTIME, TAKEN + 60, picture]
    assert taken.done.dated == 6
    assert not taken.troubles
    again = take(minted, tmp_path / "out", Selection.of(presets=["photos"]), photo_dates=True)
    assert again.done.same == len(FILES)


@pytest.mark.parametrize("make", [without_dates, a_view, lambda _db: None])
def test_a_library_of_another_kind_leaves_the_records_times(
    mint: Mint, take: Take, tmp_path: Path, make: Make
) -> None:
    minted = camera_roll(mint, library(tmp_path, make))
    taken = take(minted, tmp_path / "out", Selection.of(presets=["photos"]), photo_dates=True)
    assert times(tmp_path / "out") == [MTIME] * len(FILES)
    assert taken.done.dated == 0


@pytest.mark.parametrize(
    "photos", [None, b"", b"SQLite format 3\0" + bytes(5000), b"not a database at all" * 400]
)
def test_no_library_or_a_broken_one(mint: Mint, take: Take, tmp_path: Path, photos: bytes | None) -> None:
    taken = take(
        camera_roll(mint, photos), tmp_path / "out", Selection.of(presets=["photos"]), photo_dates=True
    )
    assert times(tmp_path / "out") == [MTIME] * len(FILES)
    assert not taken.troubles


@pytest.mark.skipif(not hasattr(sqlite3.Connection, "deserialize"), reason="of Python 3.11")
def test_a_library_that_never_ends(mint: Mint, take: Take, tmp_path: Path) -> None:
    minted = camera_roll(mint, endless(library(tmp_path, modern), "ZASSET"))
    taken = take(minted, tmp_path / "out", Selection.of(presets=["photos"]), photo_dates=True)
    assert taken.done.dated == 6


def test_a_library_that_would_take_for_ever(
    mint: Mint, take: Take, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(isolated, "seconds_for", lambda _size: 1.0)

    def change(db: sqlite3.Connection) -> None:
        db.execute("CREATE TABLE ZASSET (Z_PK INTEGER PRIMARY KEY, ZDIRECTORY, ZFILENAME)")
        db.execute("INSERT INTO ZASSET (ZDIRECTORY, ZFILENAME) VALUES ('DCIM/100APPLE', 'IMG_0002.JPG')")
        endless_sql.swap(db, "ZASSET", "ZFILENAME)", f"ZFILENAME, ZDATECREATED AS ({endless_sql.FOR_EVER}))")

    minted = camera_roll(mint, endless_sql.database(tmp_path, change))
    taken = take(minted, tmp_path / "out", Selection.of(presets=["photos"]), photo_dates=True)
    assert times(tmp_path / "out") == [MTIME] * len(FILES)
    assert not taken.troubles
