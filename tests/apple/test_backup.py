"""Reading whole backups: compared with iphone_backup_decrypt, pyiosbackup and what was put in."""

import errno
import io
import os
import plistlib
import random
import shutil
import sqlite3
import stat
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from ibackup.apple import foreign_database, found_folders, manifest_db, stored_list
from ibackup.apple.backup import Backup
from ibackup.apple.format_errors import FormatError
from ibackup.apple.rows import BadRow, Kind
from ibackup.base.confined import PathRefused
from ibackup.base.errors import NoRoom, NotABackup, PasswordNeeded, PasswordWrong
from support.minted import Mint, Spec, default_specs
from support.readers import by_iphone_backup_decrypt, by_pyiosbackup

FIXTURE = Path(__file__).parents[3] / "shared" / "fixtures" / "real-ios-14.3"
PASSWORD = "pässwort 1"
FORMS = [(None, "10.2"), (PASSWORD, "10.2"), (None, "mbdb"), (PASSWORD, "mbdb"), (PASSWORD, "10.0")]

forms = pytest.mark.parametrize(
    ("password", "era"), FORMS, ids=[f"{e}-{'enc' if p else 'plain'}" for p, e in FORMS]
)


def opened(path: Path, password: str | None) -> Backup:
    found = Backup.open(path)
    if password is not None:
        found.unlock(password)
    return found


@forms
def test_every_form_of_backup_reads(
    mint: Mint, untouched: Callable[[Path], None], password: str | None, era: str
) -> None:
    made = mint(password, era=era)
    untouched(made.root)
    with opened(made.folder, password) as found:
        assert found.is_encrypted == (password is not None)
        assert found.unlocked
        assert found.udid == made.folder.name
        assert found.info.device_name == "Ann's iPhone"
        assert found.status.is_finished
        entries = {(entry.domain, entry.relative_path): entry for entry in found.entries()}
        assert len(entries) == len(made.specs)
        for spec in made.specs:
            entry = entries[spec.domain, spec.path]
            assert entry.kind == spec.flags
            assert entry.size == len(spec.content)
            assert entry.mtime == spec.mtime
            if entry.kind is Kind.FILE:
                assert made.folder / entry.blob_path == made.blob(spec.domain, spec.path)
                with entry.open() as source:
                    assert source.read() == spec.content
            else:
                assert entry.record.target == (spec.target or None)
                with pytest.raises(FileNotFoundError):
                    entry.open()


def with_live_files(mint: Mint) -> list[Spec]:
    """Among others, files whose records claim another size, as those of databases in use do."""
    live = [
        Spec("HomeDomain", f"live{size}.db", bytes(range(256)) * 16, size=size)
        for size in (0, 4000, 4112, 50_000)
    ]
    return default_specs(mint.tmp) + live


def test_what_iphone_backup_decrypt_reads_we_read(mint: Mint, tmp_path: Path) -> None:
    made = mint(PASSWORD, specs=with_live_files(mint))
    with (
        by_iphone_backup_decrypt(made.folder, PASSWORD) as peer,
        opened(made.folder, PASSWORD) as found,
    ):
        peer.save_manifest_file(str(tmp_path / "peer.db"))
        with closing(sqlite3.connect(f"file:{tmp_path / 'peer.db'}?immutable=1", uri=True)) as db:
            rows = db.execute("SELECT fileID, domain, relativePath, flags FROM Files").fetchall()
        entries = list(found.entries())
        assert sorted((e.file_id, e.domain, e.relative_path, int(e.kind)) for e in entries) == sorted(rows)
        for entry in entries:
            if entry.kind is Kind.FILE:
                with entry.open() as source:
                    assert source.read() == peer.extract_file_as_bytes(
                        entry.relative_path, domain_like=entry.domain
                    )


@pytest.mark.parametrize("password", [None, PASSWORD])
def test_what_pyiosbackup_reads_we_read(mint: Mint, password: str | None) -> None:
    made = mint(password, specs=with_live_files(mint))
    with by_pyiosbackup(made.folder, password) as peer:
        theirs = {(e.domain, e.relative_path): e.read_bytes() for e in peer.iter_files()}
    with opened(made.folder, password) as found:
        ours = {}
        for entry in found.entries():
            if entry.kind is Kind.FILE:
                with entry.open() as source:
                    ours[entry.domain, entry.relative_path] = source.read()
    assert ours == theirs


@pytest.mark.parametrize("password", [None, PASSWORD])
def test_random_access(mint: Mint, password: str | None) -> None:
    made = mint(password)
    content = made.specs[7].content
    rng = random.Random(1)
    with opened(made.folder, password) as found:
        entry = found.entry("CameraRollDomain", "Media/DCIM/100APPLE/IMG_0001.HEIC")
        assert entry is not None
        with entry.open() as source:
            reference = io.BytesIO(content)
            assert source.seekable()
            for _ in range(300):
                place, count = rng.randrange(len(content) + 50), rng.choice([1, 5, 16, 1000, 200_000])
                assert source.seek(place) == reference.seek(place)
                assert source.read(count) == reference.read(count)
                assert source.tell() == reference.tell()
            assert source.seek(-20, os.SEEK_END) == reference.seek(-20, os.SEEK_END)
            assert source.read() == reference.read()
            with pytest.raises(OSError, match="Invalid"):
                source.seek(-1)


def test_filters(mint: Mint) -> None:
    with opened(mint(PASSWORD).folder, PASSWORD) as found:
        assert {entry.domain for entry in found.entries("HomeDomain")} == {"HomeDomain"}
        assert [entry.relative_path for entry in found.entries(like="*/IMG_000[12].HEIC")] == [
            "Media/DCIM/100APPLE/IMG_0001.HEIC",
            "Media/DCIM/100APPLE/IMG_0002.HEIC",
        ]
        assert len(list(found.entries("HomeDomain", "*.plist"))) == 1
        assert list(found.entries("NoDomain")) == []
        assert found.entry("HomeDomain", "nothing") is None


def test_entries_of_a_real_manifest() -> None:
    if not FIXTURE.is_dir():
        pytest.skip("no fixtures here")
    db = sqlite3.connect(f"file:{FIXTURE / 'Manifest.db'}?immutable=1", uri=True)
    rows = db.execute("SELECT fileID, domain, relativePath, flags FROM Files").fetchall()
    db.close()
    manifest = manifest_db.ManifestDb.open_path(str(FIXTURE / "Manifest.db"))
    try:
        found = list(manifest.rows())
        assert [tuple(row)[:4] for row in found] == rows
        assert list(manifest.flaws()) == []
        assert manifest.count() == 3721
    finally:
        manifest.close()


def test_no_room_for_the_decrypted_list_of_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def chunks() -> Iterator[bytes]:
        yield b"SQLite format 3\0"
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(foreign_database, "MEMORY_LIMIT", 0)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(NoRoom, match="1,000 bytes in") as told:
        manifest_db.ManifestDb.open_plaintext(chunks(), 1000)
    assert "TMPDIR" in told.value.hint
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("limit", [0, 1 << 30], ids=["file", "memory"])
@pytest.mark.parametrize("password", [None, PASSWORD])
def test_large_and_small_manifests(
    mint: Mint,
    untouched: Callable[[Path], None],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    password: str | None,
    limit: int,
) -> None:
    monkeypatch.setattr(foreign_database, "MEMORY_LIMIT", limit)
    monkeypatch.setattr(stored_list, "MEMORY_LIMIT", limit)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    modes: list[int] = []
    sizes: list[int] = []
    remove = shutil.rmtree

    def seen(folder: str, ignore_errors: bool = False) -> None:
        modes.extend(stat.S_IMODE(path.stat().st_mode) for path in [Path(folder), *Path(folder).iterdir()])
        sizes.extend(path.stat().st_size for path in Path(folder).iterdir())
        remove(folder, ignore_errors=ignore_errors)

    monkeypatch.setattr(shutil, "rmtree", seen)
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    made = mint(password)
    untouched(made.root)
    with opened(made.folder, password) as found:
        assert len(list(found.entries())) == len(made.specs)
        assert list(found.rows.flaws()) == []
        other = found.rows.another()
        assert (other is None) == (limit > 0)
        if other is not None:
            assert len(list(other.rows())) == len(made.specs)
            other.close()
        if sys.platform != "win32":
            assert list(scratch.iterdir()) == []  # a crash would leave nothing
    assert list(scratch.iterdir()) == []
    in_file = password is not None and limit == 0
    if sys.platform != "win32":
        assert modes == ([0o700, 0o600] if in_file else [])
        assert sizes == ([0] if in_file else [])  # it has no name any more when its first byte is written


def test_a_manifest_without_its_padding_block(mint: Mint) -> None:
    made = mint(PASSWORD)
    path = made.folder / "Manifest.db"
    path.write_bytes(path.read_bytes()[:-16])
    with opened(made.folder, PASSWORD) as found:
        assert len(list(found.entries())) == len(made.specs)


def test_locked(mint: Mint) -> None:
    with Backup.open(mint(PASSWORD).folder) as found:
        assert not found.unlocked
        with pytest.raises(PasswordNeeded):
            list(found.entries())
        with pytest.raises(PasswordWrong):
            found.unlock("wrong")
        with pytest.raises(PasswordNeeded):
            found.unlock(None)
        assert not found.unlocked
        found.unlock(PASSWORD)
        assert list(found.entries())


def test_an_unencrypted_backups_keybag_opens_with_the_empty_password(mint: Mint) -> None:
    with Backup.open(mint().folder) as found:
        assert len(found.keys.classes) == 11


# -- files that are not as long as their record says ----------------------------------------------------------


@pytest.mark.parametrize("claimed", [0, 10, 4000, 4096, 4111, 5000, 10**9])
def test_a_database_that_was_in_use_is_read_whole(mint: Mint, claimed: int) -> None:
    content = bytes(range(256)) * 16
    for password in (None, PASSWORD):
        made = mint(password, specs=[Spec("HomeDomain", "a.db", content, size=claimed)])
        with opened(made.folder, password) as found:
            entry = next(found.entries())
            assert entry.size == claimed
            with entry.open() as source:
                got = source.read()
        # Within a block of the truth nothing tells the record's size from the padding's.
        assert got == (content if claimed != 4111 or password is None else got)
        assert got[:4096] == content


@pytest.mark.parametrize("keep", [0, 8, 16, 160, 170])
def test_a_file_that_was_cut_gives_what_is_there(mint: Mint, keep: int) -> None:
    made = mint(PASSWORD, specs=[Spec("HomeDomain", "a", b"z" * 1000)])
    blob = made.blob("HomeDomain", "a")
    blob.write_bytes(blob.read_bytes()[:keep])
    with opened(made.folder, PASSWORD) as found, next(found.entries()).open() as source:
        assert source.read() == b"z" * (keep // 16 * 16)


def test_a_file_that_shrinks_while_it_is_open(mint: Mint) -> None:
    made = mint(PASSWORD)
    with opened(made.folder, PASSWORD) as found:
        entry = found.entry("CameraRollDomain", "Media/DCIM/100APPLE/IMG_0001.HEIC")
        assert entry is not None
        with entry.open() as source:
            os.truncate(made.folder / entry.blob_path, 1000)
            assert source.read()[:992] == made.specs[7].content[:992]
            source.seek(200_000)
            assert source.read() == b""


def test_files_are_read_by_many_threads(mint: Mint) -> None:
    made = mint(PASSWORD)
    wrong: list[str] = []
    with opened(made.folder, PASSWORD) as found:
        entries = [entry for entry in found.entries() if entry.kind is Kind.FILE]
        contents = {(spec.domain, spec.path): spec.content for spec in made.specs}

        def read() -> None:
            for entry in entries:
                with entry.open() as source:
                    if source.read() != contents[entry.domain, entry.relative_path]:
                        wrong.append(entry.relative_path)

        threads = [threading.Thread(target=read) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert wrong == []


# -- finding a backup -----------------------------------------------------------------------------------------


def test_a_folder_that_holds_one_backup(mint: Mint) -> None:
    made = mint()
    with Backup.open(made.root) as found:
        assert Path(found.path) == made.folder


def test_a_folder_that_holds_two(mint: Mint) -> None:
    made = mint()
    other = made.root / "other"
    other.mkdir()
    (other / "Manifest.db").touch()
    with pytest.raises(NotABackup, match=r"contains 2 backups.*other"):
        Backup.open(made.root)


def test_folders_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(NotABackup, match="not a backup"):
        Backup.open(tmp_path)
    with pytest.raises(NotABackup, match="no folder"):
        Backup.open(tmp_path / "nowhere")
    (tmp_path / "file").touch()
    with pytest.raises(NotABackup, match="not a folder"):
        Backup.open(tmp_path / "file")


def test_macos_is_told_about_full_disk_access() -> None:
    error = found_folders.folder_error("/x", PermissionError(1, "Operation not permitted"), "darwin")
    assert "Full Disk Access" in error.hint
    assert error.exit_code == 21
    assert "Full Disk Access" not in found_folders.folder_error("/x", PermissionError(13, ""), "linux").hint


@pytest.mark.parametrize("name", ["Manifest.plist", "Status.plist", "Info.plist"])
@pytest.mark.parametrize("flaw", ["missing", "empty", "cut"])
def test_damaged_plists_are_named(mint: Mint, name: str, flaw: str) -> None:
    made = mint()
    path = made.folder / name
    if flaw == "missing":
        path.unlink()
    else:
        path.write_bytes(b"" if flaw == "empty" else path.read_bytes()[:-40])
    attribute = {"Manifest.plist": "manifest", "Status.plist": "status", "Info.plist": "info"}[name]
    with Backup.open(made.folder) as found:
        with pytest.raises(NotABackup, match=name):
            getattr(found, attribute)
        assert found.udid == made.folder.name


# -- hostile folders ------------------------------------------------------------------------------------------


def read_all(found: Backup) -> tuple[object, ...]:
    return found.status, list(found.entries(bad=lambda _row: None))


needs_links = pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege")


@needs_links
@pytest.mark.parametrize("name", ["Manifest.plist", "Manifest.db", "Status.plist"])
def test_links_at_the_top_are_not_followed(mint: Mint, tmp_path: Path, name: str) -> None:
    made = mint()
    path = made.folder / name
    path.rename(tmp_path / "outside")
    path.symlink_to(tmp_path / "outside")
    with Backup.open(made.folder, known=True) as found, pytest.raises(NotABackup, match="link"):
        read_all(found)


@pytest.mark.promise("The phone is not trusted with the computer")
@needs_links
@pytest.mark.parametrize("what", ["file", "folder"])
def test_links_among_the_files_are_not_followed(mint: Mint, tmp_path: Path, what: str) -> None:
    made = mint()
    blob = made.blob("HomeDomain", "Library/SMS/sms.db")
    path = blob if what == "file" else blob.parent
    path.rename(tmp_path / "outside")
    path.symlink_to(tmp_path / "outside")
    with Backup.open(made.folder) as found:
        entry = found.entry("HomeDomain", "Library/SMS/sms.db")
        assert entry is not None
        with pytest.raises(PathRefused):
            entry.open()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_named_pipe_does_not_hang_us(mint: Mint) -> None:
    made = mint()
    (made.folder / "Status.plist").unlink()
    os.mkfifo(made.folder / "Status.plist")
    with Backup.open(made.folder) as found, pytest.raises(NotABackup, match=r"Status\.plist"):
        read_all(found)


IDS = [
    "../../../etc/passwd",
    "/etc/passwd",
    "ab/../../x",
    "A" * 40,
    "a" * 39,
    "a" * 41,
    "a" * 39 + "\0",
    "ü" * 40,
    "",
]


@pytest.mark.promise("The phone is not trusted with the computer")
@pytest.mark.parametrize("file_id", IDS)
@pytest.mark.parametrize("password", [None, PASSWORD])
def test_hostile_ids_are_never_paths(mint: Mint, file_id: str, password: str | None) -> None:
    made = mint(password)
    made.edit_database(
        lambda db: db.execute("UPDATE Files SET fileID = ? WHERE relativePath = 'Library'", (file_id,))
    )
    bad: list[BadRow] = []
    with opened(made.folder, password) as found:
        assert len(list(found.entries(bad=bad.append))) == len(made.specs) - 1
        with pytest.raises(NotABackup):
            list(found.entries())
    assert [row.flaw for row in bad] == ["its fileID is not 40 hexadecimal digits"]


@pytest.mark.parametrize(
    "path",
    ["../../escape", "/absolute", "nul\0byte", "/".join(["a"] * 10_000), "\udcff\udcfe", "x" * 100_000],
)
def test_hostile_paths_are_only_names(mint: Mint, path: str) -> None:
    made = mint()
    cell = path.encode("utf-8", "surrogateescape")
    made.edit_database(
        lambda db: db.execute("UPDATE Files SET relativePath = CAST(? AS TEXT) WHERE flags = 4", (cell,))
    )
    with opened(made.folder, None) as found:
        assert [entry.relative_path for entry in found.entries() if entry.kind is Kind.LINK] == [path]


SCHEMES = {
    "a view": "ALTER TABLE Files RENAME TO Real; CREATE VIEW Files AS SELECT * FROM Real",
    "a trigger": "CREATE TRIGGER t AFTER INSERT ON Files BEGIN DELETE FROM Files; END",
    "a virtual table": "DROP TABLE Files; CREATE VIRTUAL TABLE Files"
    " USING fts5(fileID, domain, relativePath, flags, file)",
    "a computed column": "DROP TABLE Files; CREATE TABLE Files (fileID TEXT, domain TEXT, relativePath TEXT,"
    " flags INTEGER, file BLOB AS (zeroblob(1000000000)))",
    "no table": "DROP TABLE Files",
    "a column short": "ALTER TABLE Files DROP COLUMN file",
}


@pytest.mark.parametrize("name", SCHEMES)
@pytest.mark.parametrize("password", [None, PASSWORD])
def test_hostile_schemes_are_refused(mint: Mint, name: str, password: str | None) -> None:
    made = mint(password)
    try:
        made.edit_database(lambda db: db.executescript(SCHEMES[name]))
    except sqlite3.OperationalError as error:
        pytest.skip(str(error))
    with opened(made.folder, password) as found, pytest.raises(NotABackup, match=r"Manifest\.db"):
        list(found.entries())


@pytest.mark.parametrize(
    ("change", "flaw"),
    [
        ("flags = 64", "flags"),
        ("flags = 'x'", "flags"),
        ("file = NULL", "record"),
        ("domain = NULL", "texts"),
        ("relativePath = x'00'", None),
    ],
)
def test_odd_cells(mint: Mint, change: str, flaw: str | None) -> None:
    made = mint()
    made.edit_database(lambda db: db.execute(f"UPDATE Files SET {change} WHERE flags = 4"))
    bad: list[BadRow] = []
    with opened(made.folder, None) as found:
        assert len(list(found.entries(bad=bad.append))) == len(made.specs) - bool(flaw)
    assert [flaw in row.flaw for row in bad if flaw] == [True] * bool(flaw)


@pytest.mark.parametrize("place", [0, 16, 100, 4096, -5000])
def test_a_damaged_manifest_is_an_error_not_a_crash(mint: Mint, place: int) -> None:
    made = mint()
    path = made.folder / "Manifest.db"
    data = bytearray(path.read_bytes())
    data[place : place + 600] = bytes(600)
    path.write_bytes(data)
    with opened(made.folder, None) as found:
        try:
            read_all(found)
        except NotABackup as error:
            text = str(error)
        else:
            text = "Manifest.db, where nothing looks at"
    assert "Manifest.db" in text


def test_a_manifest_key_that_does_not_open(mint: Mint) -> None:
    made = mint(PASSWORD)
    path = made.folder / "Manifest.plist"
    values = plistlib.loads(path.read_bytes())
    values["ManifestKey"] = values["ManifestKey"][:-1] + b"\0"
    path.write_bytes(plistlib.dumps(values))
    from ibackup.base.errors import DamageFound

    with opened(made.folder, PASSWORD) as found, pytest.raises(DamageFound):
        list(found.entries())


@pytest.mark.parametrize("password", [None, PASSWORD])
@pytest.mark.parametrize("domain", [None, "HomeDomain"])
@pytest.mark.parametrize("pages", [1, 3])
def test_a_damaged_page_costs_its_own_entries_alone(
    mint: Mint, password: str | None, domain: str | None, pages: int
) -> None:
    specs = [Spec(f"{'Home' if n % 2 else 'Media'}Domain", f"Documents/{n:04}", b"x") for n in range(400)]
    made = mint(password, specs=specs, parents=False)

    def damage(db: sqlite3.Connection) -> None:
        path = Path(db.execute("PRAGMA database_list").fetchone()[2])
        db.commit()
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        data = bytearray(path.read_bytes())
        leaves = [at for at in range(4096, len(data), 4096) if data[at] == 13]
        for at in leaves[len(leaves) // 2 :][: 2 * pages : 2]:  # a good one between two
            data[at : at + 8] = b"\xff" * 8
        path.write_bytes(data)

    made.edit_database(damage)
    bad: list[BadRow] = []
    with opened(made.folder, password) as found:
        names = [entry.relative_path for entry in found.entries(domain, bad=bad.append)]
        with pytest.raises(FormatError):
            list(found.entries(domain))
    whole = [spec.path for spec in specs if domain in (None, spec.domain)]
    assert sorted(set(names)) == sorted(names)
    assert len(whole) - 12 * pages <= len(names) < len(whole)
    assert len(bad) == pages
    assert all(row.flaw.startswith("entries are lost") for row in bad)


def test_of_a_list_that_was_cut_the_beginning_can_be_read(mint: Mint) -> None:
    made = mint(era="mbdb")
    path = made.folder / "Manifest.mbdb"
    os.truncate(path, path.stat().st_size - 5)
    bad: list[BadRow] = []
    with opened(made.folder, None) as found:
        assert len(list(found.entries(bad=bad.append))) == len(made.specs) - 1
    assert [row.flaw[:16] for row in bad] == ["entries are lost"]


@pytest.mark.parametrize("password", [None, PASSWORD], ids=["plain", "encrypted"])
def test_a_list_of_zeros_is_no_list_of_another_backup(mint: Mint, password: str | None) -> None:
    """A copy that broke left room for it and no bytes: the list is lost, and not merely misplaced."""
    made = mint(password, era="10.2")
    database = made.folder / "Manifest.db"
    database.write_bytes(bytes(database.stat().st_size))
    with opened(made.folder, password) as found, pytest.raises(FormatError, match="It holds zeros") as caught:
        _ = found.rows
    assert "of different backups" not in str(caught.value)
