"""A photo library, case by case, in the schema of each iOS."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

import pytest

from ibackup.apple.backup import Backup
from ibackup.contents.gaps import Gaps
from ibackup.contents.photos.camera_files import LooseFiles
from ibackup.contents.photos.only_in_icloud import OnlyInICloud
from ibackup.contents.photos.photo_asset import PhotoAsset
from ibackup.contents.photos.photo_library import PhotoLibrary
from ibackup.simulator.life import photo_cases, photos_db
from ibackup.simulator.life.life_file import LifeFile
from ibackup.simulator.life.made_database import with_torn_pages
from support.lives import backup_of
from support.minted import Mint

every_ios = pytest.mark.parametrize("ios", sorted(photos_db.JOINS))


def library_files(ios: int, database: bytes | None = None) -> Iterator[LifeFile]:
    for file in photos_db.files(photo_cases.ASSETS, photo_cases.ALBUMS, ios=ios):
        if database is not None and file.path == photos_db.LIBRARY:
            yield LifeFile(file.domain, file.path, database, file.modified)
        else:
            yield file
    for path in photo_cases.LOOSE:
        yield LifeFile(photos_db.DOMAIN, f"Media/{path}", photos_db.content_of(path), photos_db.TAKEN)


def read(backup: Backup) -> tuple[list[PhotoAsset], PhotoLibrary, Gaps]:
    gaps = Gaps()
    library = PhotoLibrary.open(backup, gaps)
    assert library is not None
    with library:
        return list(library.assets()), library, gaps


def said(asset: PhotoAsset, names: Iterable[str]) -> dict[str, object]:
    found: dict[str, object] = {}
    for name in names:
        value = getattr(asset, name)
        found[name] = value.isoformat() if isinstance(value, datetime) else value
    return found


@every_ios
def test_each_picture_says_what_is_true(mint: Mint, ios: int) -> None:
    with backup_of(mint, library_files(ios)) as backup:
        assets, _, gaps = read(backup)
    by_id = {asset.id: asset for asset in assets}
    assert len(by_id) == len(photo_cases.ASSETS)
    for made in photo_cases.ASSETS:
        asset = by_id[made.uuid]
        assert said(asset, made.says) == dict(made.says), made.case
        assert asset.name == made.name
    assert not gaps


@every_ios
def test_albums_have_their_folders_and_their_order(mint: Mint, ios: int) -> None:
    with backup_of(mint, library_files(ios)) as backup:
        assets, library, _ = read(backup)
    albums = {album.id: album for album in library.albums}
    shown = [made for made in photo_cases.ALBUMS if made.says is not None]
    assert set(albums) == {made.uuid for made in shown}
    for made in shown:
        album = albums[made.uuid]
        truth: Mapping[str, object] = {
            "folder": album.folder,
            "path": album.path,
            "members": tuple(album.rows),
            "shared": album.shared,
        }
        assert {name: truth[name] for name in made.says or ()} == made.says, made.title
    first = next(asset for asset in assets if asset.row == 1)
    assert first.albums == tuple(made.uuid for made in shown if 1 in made.members)


@pytest.mark.parametrize("password", [None, "Kurzhaar-Wisent 7"])
def test_what_is_only_in_icloud_is_counted(mint: Mint, password: str | None) -> None:
    with backup_of(mint, library_files(17), password) as backup:
        counted = OnlyInICloud.of(backup)
    assert counted == OnlyInICloud(**photo_cases.ONLY_IN_ICLOUD)


@every_ios
def test_the_quick_way_says_the_same(mint: Mint, ios: int) -> None:
    with backup_of(mint, library_files(ios)) as backup:
        assets, _, _ = read(backup)
        library = PhotoLibrary.open(backup, Gaps())
        assert library is not None
        with library:
            quick = list(library.presences())
    assert quick == [(asset.source, asset.trashed, asset.placeholder, asset.holds) for asset in assets]


def test_a_backup_without_a_library_has_no_count(mint: Mint) -> None:
    with backup_of(mint, [LifeFile("HomeDomain", "Library/x", b"x", 1_700_000_000)]) as backup:
        assert OnlyInICloud.of(backup) is None


def test_files_that_no_picture_names_are_found(mint: Mint) -> None:
    with backup_of(mint, library_files(17)) as backup:
        assets, _, _ = read(backup)
        loose = LooseFiles(backup)
        for asset in assets:
            for path in (asset.path, asset.film, asset.raw, asset.stand_in, *asset.edits):
                loose.claim(path)
        left = sorted(loose)
    # The notes of an edit belong to a picture, but are no picture.
    expected = [*photo_cases.LOOSE, "DCIM/100APPLE/IMG_0029.AAE"]
    assert left == sorted(f"Media/{path}" for path in expected)


def test_a_library_in_utf16_reads_the_same(mint: Mint) -> None:
    database = photos_db.library(photo_cases.ASSETS, photo_cases.ALBUMS, ios=17, utf16=True)
    with backup_of(mint, library_files(17, database)) as backup, backup_of(mint, library_files(17)) as other:
        assert read(backup)[0] == read(other)[0]


def test_a_view_that_bears_the_name_of_the_table_is_not_read(mint: Mint) -> None:
    made = photos_db.filled(photo_cases.ASSETS, photo_cases.ALBUMS, ios=17)
    made.run("ALTER TABLE ZASSET RENAME TO ZHIDDENASSET")
    made.run("CREATE VIEW ZASSET AS SELECT * FROM ZHIDDENASSET")
    with backup_of(mint, library_files(17, made.data())) as backup:
        assets, _, gaps = read(backup)
    assert assets == []
    assert [gap.damage for gap in gaps] == [True]


def test_missing_tables_cost_only_their_fields(mint: Mint) -> None:
    made = photos_db.filled(photo_cases.ASSETS, photo_cases.ALBUMS, ios=17)
    for table in (
        "ZADDITIONALASSETATTRIBUTES",
        "ZGENERICALBUM",
        "ZPERSON",
        "ZASSETDESCRIPTION",
        "Z_28ASSETS",
    ):
        made.run(f"DROP TABLE {table}")
    made.run("ALTER TABLE ZASSET DROP COLUMN ZFAVORITE")
    with backup_of(mint, library_files(17, made.data())) as backup:
        assets, library, gaps = read(backup)
    assert len(assets) == len(photo_cases.ASSETS)
    assert library.albums == []
    assert not any(asset.favorite or asset.people or asset.albums for asset in assets)
    assert not gaps


def test_a_torn_page_costs_only_what_was_on_it(mint: Mint) -> None:
    """Photos of many pages; one in the middle of the table is overwritten."""
    assets = tuple(
        photos_db.MadeAsset(case=f"{number}", name=f"IMG_{number:04}.HEIC", pk=number)
        for number in range(1, 2001)
    )
    whole = photos_db.library(assets, (), ios=17)
    torn = with_torn_pages(whole, 1 + whole.index(b"DCIM/100APPLEIMG_1000.HEIC") // 4096)
    with backup_of(mint, [LifeFile(photos_db.DOMAIN, photos_db.LIBRARY, torn, photos_db.TAKEN)]) as backup:
        found, _, gaps = read(backup)
    assert 1900 < len(found) < 2000
    assert {asset.row for asset in found} >= {1, 2000}
    assert [gap.damage for gap in gaps] == [True]


@pytest.mark.parametrize("data", [b"", b"not a database" * 400], ids=["empty", "not SQLite"])
def test_what_is_no_database_is_a_gap(mint: Mint, data: bytes) -> None:
    with backup_of(mint, library_files(17, data)) as backup:
        gaps = Gaps()
        library = PhotoLibrary.open(backup, gaps)
        found = list(library.assets()) if library else []
        assert found == []
        assert gaps.damaged
