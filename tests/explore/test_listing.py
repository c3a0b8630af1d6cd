import plistlib
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from explore.taking import files_below
from ibackup.apple.backup import Backup
from ibackup.apple.rows import BadRow, Kind
from ibackup.explore.app_owners import Apps
from ibackup.explore.extraction import Wanted, extract
from ibackup.explore.file_writer import Trouble
from ibackup.explore.listing import by_app, find, sizes_by_app, tree
from ibackup.explore.selection import Selection
from support.minted import Mint, Minted, Spec

REAL = Path(__file__).resolve().parents[2].parent / "shared/fixtures/real-ios-14.3"
Open = Callable[[Minted], Backup]


def refuse(row: BadRow) -> None:
    raise AssertionError(row)


def name_apps(minted: Minted, names: dict[str, str]) -> None:
    path = minted.folder / "Info.plist"
    info = plistlib.loads(path.read_bytes())
    info["Applications"] = {
        bundle: {"iTunesMetadata": plistlib.dumps({"itemName": name}), "ApplicationSINF": b""}
        for bundle, name in names.items()
    }
    path.write_bytes(plistlib.dumps(info))


def test_sizes_by_app(mint: Mint, opened: Open) -> None:
    specs = [
        Spec("AppDomain-com.example.app", "a", bytes(100)),
        Spec("AppDomainPlugin-com.example.app.widget", "b", bytes(20)),
        Spec("AppDomainGroup-group.com.example.app.shared", "c", bytes(3)),
        Spec("AppDomainGroup-group.com.apple.notes", "NoteStore.sqlite", bytes(60)),
        Spec("AppDomainGroup-group.com.unknown.thing", "d", bytes(50)),
        Spec("CameraRollDomain", "Media/DCIM/100APPLE/IMG_0001.HEIC", bytes(1000)),
        Spec("AppDomain-com.empty", "folder", flags=2),
    ]
    minted = mint(None, specs=specs)
    name_apps(minted, {"com.example.app": "Example\u202e"})
    backup = opened(minted)
    found = by_app(find(backup, None, refuse), Apps.of(backup))
    assert [(total.key, total.name, total.bytes, total.files) for total in found] == [
        ("CameraRollDomain", "Photos", 1000, 1),
        ("com.example.app", "Example\u202e", 123, 3),
        ("com.apple.mobilenotes", "Notes", 60, 1),
        ("AppDomainGroup-group.com.unknown.thing", "group.com.unknown.thing", 50, 1),
    ]
    assert found[1].domains["AppDomainPlugin-com.example.app.widget"] == 20
    assert sizes_by_app(backup, refuse) == found


@pytest.mark.parametrize(("era", "password"), [("10.0", "password"), ("10.2", "password"), ("mbdb", None)])
def test_sizes_of_all_files_are_those_of_the_files(
    mint: Mint, opened: Open, era: str, password: str | None
) -> None:
    backup = opened(mint(password, era=era))
    assert sizes_by_app(backup, refuse) == by_app(find(backup, None, refuse), Apps.of(backup))


def test_sizes_of_all_files_leave_out_what_cannot_be_read(mint: Mint, opened: Open) -> None:
    minted = mint(None, specs=[Spec("HomeDomain", "a", b"1234"), Spec("HomeDomain", "b", b"12")])
    name = Minted.file_id("HomeDomain", "a")
    minted.edit_database(lambda db: db.execute("UPDATE Files SET file = x'00' WHERE fileID = ?", (name,)))
    bad: list[BadRow] = []
    assert [(each.files, each.bytes) for each in sizes_by_app(opened(minted), bad.append)] == [(1, 2)]
    assert [each.file_id for each in bad] == [name]


def test_tree(mint: Mint, opened: Open) -> None:
    backup = opened(mint(None))
    root = tree(find(backup, None, refuse), 2)
    assert root.files == sum(entry.kind is not Kind.FOLDER for entry in backup.entries())
    home = root.folders["HomeDomain"]
    assert set(home.folders) == {"Library"}
    assert not home.folders["Library"].folders
    assert root.bytes == sum(folder.bytes for folder in root.folders.values())
    deeper = tree(find(backup, None, refuse), 3)
    assert set(deeper.folders["HomeDomain"].folders["Library"].folders) == {
        "SMS",
        "AddressBook",
        "Preferences",
    }


def test_damaged_rows_do_not_end_the_list(mint: Mint, opened: Open) -> None:
    minted = mint(None)
    minted.edit_database(
        lambda db: [
            db.execute("UPDATE Files SET file = x'00' WHERE relativePath = 'Library/empty'"),
            db.execute("UPDATE Files SET flags = 3 WHERE relativePath = 'Library/link'"),
        ]
    )
    bad: list[BadRow] = []
    names = [entry.relative_path for entry in find(opened(minted), None, bad.append)]
    assert sorted(row.relative_path for row in bad) == ["Library/empty", "Library/link"]
    assert len(names) == len(minted.specs) - 2


@pytest.fixture
def real(tmp_path: Path) -> Path:
    """The real iOS 14.3 manifest, with the plist that its donors left out."""
    if not REAL.is_dir():
        pytest.skip("the real backup is not here")
    folder = tmp_path / "real"
    shutil.copytree(REAL, folder)
    (folder / "Manifest.plist").write_bytes(
        plistlib.dumps({"Version": "10.0", "IsEncrypted": False, "Lockdown": {}, "Applications": {}})
    )
    return folder


def rows(folder: Path) -> list[tuple[str, str, int]]:
    db = sqlite3.connect(f"file:{folder / 'Manifest.db'}?mode=ro&immutable=1", uri=True)
    try:
        return list(db.execute("SELECT domain, relativePath, flags FROM Files"))
    finally:
        db.close()


def test_a_real_manifest_is_listed_as_sqlite_lists_it(real: Path) -> None:
    with Backup.open(real) as backup:
        found = [(entry.domain, entry.relative_path, int(entry.kind)) for entry in find(backup, None, refuse)]
        assert sorted(found) == sorted(rows(real))
        messages = [entry.relative_path for entry in find(backup, "Library/SMS/*", refuse)]
        assert sorted(messages) == sorted(
            path for _, path, _ in rows(real) if path.startswith("Library/SMS/")
        )
        apps = by_app(find(backup, None, refuse), Apps.of(backup))
        sizes = sum(entry.size for entry in backup.entries() if entry.kind is Kind.FILE)
        assert sum(total.bytes for total in apps) == sizes
        assert apps[0].bytes >= apps[-1].bytes


def test_what_is_there_of_a_real_backup_comes_out(real: Path, tmp_path: Path) -> None:
    told: list[object] = []
    with Backup.open(real) as backup:
        done = extract(backup, Wanted(Selection(), str(tmp_path / "out")), told.append)
    blobs = {path.name: path.read_bytes() for path in real.glob("??/*")}
    named = {
        Minted.file_id(domain, path): f"{domain}/{path}" for domain, path, flags in rows(real) if flags == 1
    }
    # one of the donated files is in no row
    there = {named[name]: data for name, data in blobs.items() if name in named}
    assert len(there) == len(blobs) - 1
    assert files_below(tmp_path / "out") == there
    missing = [each.path for each in told if isinstance(each, Trouble) and each.kind == "missing"]
    assert done.files == len(there)
    assert len(missing) == len(named) - len(there)
    assert done.folders >= sum(flags == 2 for *_, flags in rows(real))
    assert done.renamed == 0


def test_a_bad_row_is_reported_only_to_those_whose_it_is(mint: Mint, opened: Open) -> None:
    minted = mint(None, specs=[Spec("AppDomain-org.one", "a", b"1"), Spec("AppDomain-org.two", "b", b"2")])
    minted.edit_database(lambda db: db.execute("UPDATE Files SET flags = 7 WHERE relativePath = 'b'"))
    for app, expected in (("org.one", []), ("org.two", ["b"])):
        bad: list[BadRow] = []
        list(Selection.of(apps=[app]).entries(opened(minted), bad.append))
        assert [row.relative_path for row in bad] == expected
