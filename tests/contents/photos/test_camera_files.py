"""Which files of the camera roll a backup has, on the list of a real iPhone with iOS 14.3."""

import shutil
from pathlib import Path

import pytest

from ibackup.apple.backup import Backup
from ibackup.apple.rows import Kind
from ibackup.contents.photos.camera_files import CameraFiles
from ibackup.simulator.life.life_file import LifeFile
from support.lives import backup_of
from support.minted import Mint

REAL = Path(__file__).parents[4] / "shared" / "fixtures" / "real-ios-14.3" / "Manifest.db"


@pytest.mark.skipif(not REAL.exists(), reason="the real list is not here")
def test_the_list_of_a_real_phone(mint: Mint) -> None:
    made = mint(None, specs=[])
    shutil.copyfile(REAL, made.folder / "Manifest.db")
    with Backup.open(made.folder) as backup:
        files = CameraFiles(backup)
        entries = backup.entries("CameraRollDomain")
        paths = [entry.relative_path for entry in entries if entry.kind is Kind.FILE]
        assert files.cloud_is_on
        thumbnails = [path for path in paths if path.endswith("/5003.JPG")]
        assert len(thumbnails) == 64
        for thumbnail in thumbnails:
            folder, name = thumbnail.removeprefix("Media/PhotoData/Thumbnails/V2/").rsplit("/", 2)[:2]
            assert files.thumbnail_of(folder, name) == thumbnail
        assert "Media/DCIM/100APPLE/IMG_0011.MOV" in files
        assert "Media/DCIM/100APPLE/IMG_0011.mov" not in files
        pictures = [path for path in paths if path.startswith("Media/DCIM/") and path.count("/") == 3]
        assert len(pictures) >= 49
        assert all(path in files for path in pictures)


def test_the_largest_thumbnail_is_taken_whatever_its_number(mint: Mint) -> None:
    parent = "Media/PhotoData/Thumbnails/V2/DCIM/100APPLE"
    names = {
        "IMG_1.HEIC/5003.JPG": 10,
        "IMG_1.HEIC/5005.JPG": 20,
        "IMG_2.HEIC/5009.JPG": 30,
        "IMG_3.HEIC/x.ithmb": 9,
    }
    files = [LifeFile("CameraRollDomain", f"{parent}/{name}", bytes(size), 1) for name, size in names.items()]
    with backup_of(mint, files) as backup:
        found = CameraFiles(backup)
    assert found.thumbnail_of("DCIM/100APPLE", "IMG_2.HEIC") == f"{parent}/IMG_2.HEIC/5009.JPG"
    assert found.thumbnail_of("DCIM/100APPLE", "IMG_3.HEIC") == ""
    with backup_of(mint, files) as backup:
        assert (
            CameraFiles(backup).thumbnail_of("DCIM/100APPLE", "IMG_1.HEIC") == f"{parent}/IMG_1.HEIC/5005.JPG"
        )
