"""The short form of a library agrees with the long one, case by case, and is in the order in which people look."""

import pytest

from ibackup.contents.gaps import Gaps
from ibackup.contents.photos.photo_asset import Holds, PhotoAsset
from ibackup.contents.photos.photo_library import PhotoLibrary
from ibackup.contents.photos.photo_lines import PhotoIndex, PhotoMark
from ibackup.simulator.life import photo_cases, photos_db
from ibackup.simulator.life.made_database import stamp
from ibackup.simulator.life.photos_db import TAKEN, MadeAsset
from support.lives import backup_of
from support.minted import Mint


def _marks_of(asset: PhotoAsset) -> dict[PhotoMark, bool]:
    return {
        PhotoMark.VIDEO: asset.kind == "video",
        PhotoMark.FAVORITE: asset.favorite,
        PhotoMark.SCREENSHOT: asset.style == "screenshot",
        PhotoMark.LIVE: bool(asset.live),
        PhotoMark.TRASHED: asset.trashed,
        PhotoMark.HIDDEN: asset.hidden,
        PhotoMark.OF_OTHERS: asset.source in ("shared with you", "moment share"),
        PhotoMark.LACKING: asset.holds is not Holds.ORIGINAL,
    }


@pytest.mark.parametrize("ios", sorted(photos_db.JOINS))
def test_a_line_says_the_same_as_the_whole_record(mint: Mint, ios: int) -> None:
    files = photos_db.files(photo_cases.ASSETS, photo_cases.ALBUMS, ios=ios)
    with backup_of(mint, files) as backup:
        library = PhotoLibrary.open(backup, Gaps())
        assert library is not None
        with library:
            assets = {asset.row: asset for asset in library.assets()}
            lines = list(library.lines())
            assert {line.row for line in lines} == set(assets)
            for line in lines:
                asset = assets[line.row]
                assert (line.id, line.path, line.duration_s) == (asset.id, asset.path, asset.duration_s)
                assert line.taken == asset.taken
                assert line.taken is None or line.taken.utcoffset() == asset.taken.utcoffset()  # type: ignore[union-attr]
                found = {mark: bool(line.marks & mark) for mark in _marks_of(asset)}
                assert found == _marks_of(asset), asset.name
                assert library.asset(line.row) == asset
            assert library.asset(987_654) is None


def _made(name: str, at: int, offset: int = 0, **columns: object) -> MadeAsset:
    return MadeAsset(
        case="",
        name=name,
        columns={"ZDATECREATED": stamp(at)} | columns,
        attributes={"ZTIMEZONEOFFSET": offset},
        files=(f"DCIM/100APPLE/{name}",),
    )


def test_the_newest_comes_first_by_the_clock_of_the_place(mint: Mint) -> None:
    hour = 3600
    assets = (
        _made("here.JPG", TAKEN),
        _made("tokyo.JPG", TAKEN - hour, 9 * hour),
        _made("never.JPG", TAKEN, ZDATECREATED=None),
        _made("later.JPG", TAKEN + hour, ZFAVORITE=1),
    )
    with backup_of(mint, photos_db.files(assets, (), ios=18)) as backup:
        library = PhotoLibrary.open(backup, Gaps())
        assert library is not None
        with library:
            index = PhotoIndex(library.lines())
    by_id = {asset.uuid: asset.name for asset in assets}
    assert [by_id[ident] for ident in index.ids] == ["tokyo.JPG", "later.JPG", "here.JPG", "never.JPG"]
    assert str(index.taken(0)) == "2024-06-02 18:00:00"
    assert index.month(3) is None
    assert index.month(0) == (2024, 6)
    assert list(index.chosen(PhotoMark.FAVORITE, 0)) == [1]
    assert list(index.chosen(0, PhotoMark.FAVORITE)) == [0, 2, 3]
    assert index.number_of(assets[0].uuid) == 2
    assert index.number_of("another") is None


def test_the_library_says_what_a_photo_was_taken_with(mint: Mint) -> None:
    with backup_of(mint, photos_db.files(photo_cases.ASSETS, (), ios=18)) as backup:
        library = PhotoLibrary.open(backup, Gaps())
        assert library is not None
        with library:
            camera = library.camera(1)
            assert camera is not None
            assert (camera.make, camera.model, camera.lens, camera.iso) == ("Apple", "iPhone 15 Pro", "", 64)
            assert (round(camera.aperture, 2), round(1 / camera.exposure_s)) == (1.78, 120)
            assert library.camera(2) is None
            assert library.camera(987_654) is None
