"""Verification: one flaw at a time, and exactly the finding that it should give."""

import errno
import hashlib
import os
import plistlib
import shutil
import sqlite3
import struct
import sys
import threading
import time
from collections.abc import Callable
from io import FileIO
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.keywrap import aes_key_unwrap

from ibackup.apple import foreign_database as database_module
from ibackup.apple.backup import Backup
from ibackup.apple.fitting import Stored
from ibackup.apple.format_errors import FormatError, SealDamaged
from ibackup.apple.manifest_db import ManifestDb
from ibackup.apple.reasons import Reason
from ibackup.apple.verify.findings import Finding, Level, Summary
from ibackup.apple.verify.findings import FindingKind as K
from ibackup.apple.verify.list_check import check_manifest
from ibackup.apple.verify.seal import Seal
from ibackup.apple.verify.stored_file_readers import Reader
from ibackup.apple.verify.verification import verify
from ibackup.base import isolated
from ibackup.base.errors import PasswordNeeded
from ibackup.base.events import Event, Progress
from support import endless_sql
from support.minted import CLASS, Mint, Minted, Spec, encrypt, endless, sqlite_bytes, tlv

FIXTURE = Path(__file__).parents[4] / "shared" / "fixtures" / "real-ios-14.3"
PASSWORD = "geheim"
LEVELS = list(Level)
FORMS = [(None, "10.2"), (PASSWORD, "10.2"), (None, "mbdb"), (PASSWORD, "mbdb"), (PASSWORD, "10.0")]
forms = pytest.mark.parametrize(
    ("password", "era"), FORMS, ids=[f"{e}-{'enc' if p else 'plain'}" for p, e in FORMS]
)

SMS = ("HomeDomain", "Library/SMS/sms.db")  # has a Digest
PLIST = ("HomeDomain", "Library/Preferences/a.plist")  # has a Digest
PHOTO = ("CameraRollDomain", "Media/DCIM/100APPLE/IMG_0001.HEIC")  # has none
PHOTO2 = ("CameraRollDomain", "Media/DCIM/100APPLE/IMG_0002.HEIC")


def run(
    made: Minted, level: Level = Level.FULL, *, sealed: bool = False, locked: bool = False, **more: object
) -> tuple[list[Finding], Summary]:
    seal: Seal | SealDamaged | None = None
    if sealed:
        try:
            seal = Seal.read(made.root / "SHA256SUMS")
        except SealDamaged as error:
            seal = error
    with Backup.open(made.folder, known=True) as backup:
        if made.password is not None and not locked:
            backup.unlock(made.password)
        check = verify(backup, level, seal=seal, **more)  # type: ignore[arg-type]
        findings = list(check)
    assert check.summary.finished
    assert check.summary.damage == sum(finding.is_damage for finding in findings)
    assert check.summary.flaws == sum(finding.is_flaw for finding in findings)
    assert check.summary.notes == len(findings) - check.summary.damage - check.summary.flaws
    return findings, check.summary


def kinds(findings: list[Finding]) -> list[tuple[str, bool, str]]:
    return sorted(
        (finding.kind.value, finding.is_damage, finding.path or finding.file) for finding in findings
    )


def files(made: Minted) -> list[Spec]:
    return [spec for spec in made.specs if spec.flags == 1]


@forms
@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("sealed", [False, True], ids=["unsealed", "sealed"])
def test_a_good_backup_is_good(
    mint: Mint, untouched: Callable[[Path], None], password: str | None, era: str, level: Level, sealed: bool
) -> None:
    made = mint(password, era=era)
    made.seal()
    untouched(made.root)
    findings, summary = run(made, level, sealed=sealed)
    assert findings == []
    assert summary.good
    assert summary.manifest_checked
    assert summary.rows == len(made.specs)
    assert summary.files == len(files(made))
    assert summary.bytes == sum(made.blob(spec.domain, spec.path).stat().st_size for spec in files(made))
    digested = sum(spec.domain == "HomeDomain" for spec in files(made))
    if level is Level.QUICK:
        assert (summary.by_seal, summary.by_digest, summary.by_size) == (0, 0, summary.files)
    elif sealed:
        assert (summary.by_seal, summary.by_digest, summary.by_size) == (summary.files, 0, 0)
    else:
        assert (summary.by_digest, summary.by_size) == (digested, summary.files - digested)
    if level is Level.DEEP:
        assert summary.decrypted == (summary.files if password else 0)
        assert summary.databases == 3
    assert threading.active_count() == 1


# -- the damage table -----------------------------------------------------------------------------------------


def flip(path: Path, place: int = 5) -> None:
    data = bytearray(path.read_bytes())
    data[place] ^= 0x10
    path.write_bytes(data)


def truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2 - 3)


def grow(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"more")


def zero(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


def remove(path: Path) -> None:
    path.unlink()


BLOB_FLAWS: dict[str, tuple[Callable[[Path], None], K, Level]] = {
    "bit flipped": (flip, K.CONTENT_CHANGED, Level.FULL),
    "zeroed": (zero, K.CONTENT_CHANGED, Level.FULL),
    "truncated": (truncate, K.SIZE_DIFFERS, Level.QUICK),
    "grown": (grow, K.SIZE_DIFFERS, Level.QUICK),
    "emptied": (lambda path: os.truncate(path, 0), K.SIZE_DIFFERS, Level.QUICK),
    "missing": (remove, K.MISSING, Level.QUICK),
}


@pytest.mark.promise("Any later change is found")
@pytest.mark.parametrize("flaw", BLOB_FLAWS)
@pytest.mark.parametrize("password", [None, PASSWORD], ids=["plain", "encrypted"])
@pytest.mark.parametrize("what", ["sealed", "digest"])
def test_a_damaged_file_is_named(mint: Mint, flaw: str, password: str | None, what: str) -> None:
    damage, kind, least = BLOB_FLAWS[flaw]
    made = mint(password)
    made.seal()
    names = PHOTO if what == "sealed" else PLIST
    damage(made.blob(*names))
    for level in LEVELS[LEVELS.index(least) :]:
        findings, summary = run(made, level, sealed=what == "sealed")
        assert [(f.kind, f.is_damage, f.domain, f.path) for f in findings] == [(kind, True, *names)]
        assert findings[0].file_id == Minted.file_id(*names)
        assert made.folder / findings[0].file == made.blob(*names)
        assert findings[0].expected
        assert findings[0].found
        assert not summary.good
    if least is Level.FULL:
        assert run(made, Level.QUICK, sealed=what == "sealed")[0] == []


@pytest.mark.parametrize("flaw", ["truncated", "grown", "missing"])
@pytest.mark.parametrize("password", [None, PASSWORD], ids=["plain", "encrypted"])
def test_a_damaged_file_is_named_without_seal_and_digest(mint: Mint, flaw: str, password: str | None) -> None:
    damage, kind, _ = BLOB_FLAWS[flaw]
    made = mint(password)
    damage(made.blob(*PHOTO))
    for level in LEVELS:
        assert kinds(run(made, level)[0]) == [(kind.value, True, PHOTO[1])]


@pytest.mark.parametrize("password", [None, PASSWORD], ids=["plain", "enc"])
@pytest.mark.parametrize("level", [Level.FULL, Level.DEEP])
def test_what_a_phone_sent_otherwise_than_its_list_says(
    mint: Mint, level: Level, password: str | None
) -> None:
    """The seal vouches for what came; a restore compares with the phone's own checksum and would refuse the file."""
    made = mint(password)
    flip(made.blob(*PLIST))
    made.seal()
    findings, summary = run(made, level, sealed=True)
    assert kinds(findings) == [("content-changed", False, PLIST[1])]
    assert findings[0].is_flaw
    assert findings[0].reason is Reason.DIGEST
    assert findings[0].expected.startswith("SHA-1 ")
    assert not summary.good
    assert (summary.damage, summary.flaws) == (0, 1)
    findings, summary = run(made, level)
    assert kinds(findings) == [("content-changed", True, PLIST[1])]


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("what", [PHOTO, PLIST])
def test_an_emptied_file_of_an_encrypted_backup(mint: Mint, what: tuple[str, str], level: Level) -> None:
    made = mint(PASSWORD)
    made.blob(*what).write_bytes(b"")
    findings, _ = run(made, level)
    assert kinds(findings) == [("size-differs", True, what[1])]
    assert findings[0].reason is Reason.EMPTY
    made.seal()  # as a phone sent it
    findings, summary = run(made, level, sealed=True)
    assert [(f.reason, f.is_flaw) for f in findings] == [(Reason.EMPTY, True)]
    assert (summary.damage, summary.flaws) == (0, 1)


@pytest.mark.parametrize("level", LEVELS)
def test_a_flaw_that_was_known_stays_known(mint: Mint, level: Level) -> None:
    """Also where the level reads nothing; and it excuses nothing that happened since."""
    made = mint()
    flip(made.blob(*PLIST))
    made.seal()
    path = made.blob(*PLIST).relative_to(made.folder).as_posix()
    findings, summary = run(made, level, sealed=True, flawed={path: Reason.DIGEST})
    assert [(f.kind, f.is_flaw, f.path) for f in findings] == [(K.CONTENT_CHANGED, True, PLIST[1])]
    assert summary.files == len(files(made))
    made.blob(*PLIST).unlink()
    findings, _ = run(made, level, sealed=True, flawed={path: Reason.DIGEST})
    assert kinds(findings) == [("missing", True, PLIST[1])]


def test_a_file_that_never_came_is_a_flaw_where_no_row_speaks_of_it(mint: Mint) -> None:
    made = mint()
    made.seal()
    for level in LEVELS:
        findings, _ = run(made, level, sealed=True, flawed={EXTRA: Reason.UNREADABLE})
        assert [(f.kind, f.is_flaw, f.file) for f in findings] == [(K.UNREADABLE, True, EXTRA)]


@pytest.mark.parametrize("sealed", [True, False])
def test_two_files_swapped(mint: Mint, sealed: bool) -> None:
    first, second = ("HomeDomain", "a"), ("HomeDomain", "b")
    made = mint(specs=[Spec(*first, content=b"one"), Spec(*second, content=b"two")])
    made.seal()
    one, two = made.blob(*first), made.blob(*second)
    contents = one.read_bytes(), two.read_bytes()
    two.write_bytes(contents[0])
    one.write_bytes(contents[1])
    assert kinds(run(made, sealed=sealed)[0]) == [
        ("content-changed", True, "a"),
        ("content-changed", True, "b"),
    ]


EXTRA = "00/00" + "ab" * 19


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("name", [EXTRA, "note.txt", "00/thumbs", "deep/er/file"])
def test_a_file_too_many(mint: Mint, level: Level, name: str) -> None:
    made = mint(PASSWORD)
    made.seal()
    path = made.folder / name
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_bytes(b"extra")
    assert kinds(run(made, level, sealed=True)[0]) == [("not-sealed", True, name)]
    assert kinds(run(made, level)[0]) == [("not-in-manifest", False, name)]


@pytest.mark.parametrize("level", LEVELS)
def test_a_sealed_file_that_no_row_names_is_a_note(mint: Mint, level: Level) -> None:
    made = mint()
    path = made.folder / EXTRA
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"extra")
    made.seal()
    assert kinds(run(made, level, sealed=True)[0]) == [("not-in-manifest", False, EXTRA)]
    flip(path, 0)
    expected = [("not-in-manifest", False, EXTRA)]
    if level is not Level.QUICK:
        expected.insert(0, ("content-changed", True, EXTRA))
    assert kinds(run(made, level, sealed=True)[0]) == expected


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("password", [None, PASSWORD])
def test_a_row_without_its_file(mint: Mint, level: Level, password: str | None) -> None:
    made = mint(password)
    made.blob(*PHOTO).unlink()
    made.seal()
    assert kinds(run(made, level, sealed=True)[0]) == [("missing", True, PHOTO[1])]


@pytest.mark.parametrize("by", ["id", "path"])
def test_what_the_phone_could_not_read_is_a_flaw(mint: Mint, by: str) -> None:
    made = mint()
    path = made.blob(*PHOTO)
    path.unlink()
    name = path.name if by == "id" else f"{path.parent.name}/{path.name}"
    for level in LEVELS:
        findings, summary = run(made, level, flawed={name: Reason.UNREADABLE})
        assert kinds(findings) == [("missing", False, PHOTO[1])]
        assert findings[0].is_flaw
        assert not summary.good


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("password", [None, PASSWORD])
def test_a_wrong_file_id(mint: Mint, password: str | None, level: Level) -> None:
    made = mint(password)
    made.edit_database(
        lambda db: db.execute("UPDATE Files SET fileID = ? WHERE relativePath = ?", ("ab" * 20, PHOTO[1]))
    )
    blob = made.blob(*PHOTO)
    assert kinds(run(made, level)[0]) == [
        ("not-in-manifest", False, f"{blob.parent.name}/{blob.name}"),
        ("wrong-file-id", True, PHOTO[1]),
    ]


@pytest.mark.parametrize("level", LEVELS)
def test_a_row_that_cannot_be_used(mint: Mint, level: Level) -> None:
    made = mint()
    made.edit_database(lambda db: db.execute("UPDATE Files SET fileID = '../../x' WHERE flags = 4"))
    findings, _ = run(made, level)
    assert kinds(findings) == [("row-unusable", True, "Library/link")]
    assert findings[0].file == ""


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("column", ["fileID", "domain", "relativePath"])
def test_a_missing_file_whose_row_holds_bytes_for_text(mint: Mint, column: str, level: Level) -> None:
    """SQLite finds no bytes when it is asked for text: a quick check passed over what did not fit."""
    made = mint()
    made.edit_database(lambda db: db.execute(f"UPDATE Files SET {column} = CAST({column} AS BLOB)"))
    findings = run(made, level)[0]
    assert len(findings) == len(made.specs)  # each is none that a phone can have written, and nothing else
    assert {finding.kind for finding in findings} == {K.ROW_IMPOSSIBLE}
    made.blob(*PHOTO).unlink()
    findings = [each for each in run(made, level)[0] if each.kind is not K.ROW_IMPOSSIBLE]
    assert kinds(findings) == [("missing", True, PHOTO[1])]
    with Backup.open(made.folder) as backup:
        assert backup.entry(*PLIST) is not None
        assert len(list(backup.entries("HomeDomain"))) == 10


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("password", [None, PASSWORD])
@pytest.mark.parametrize("kind", [1, 2, 4])
def test_a_row_that_is_there_twice(mint: Mint, kind: int, password: str | None, level: Level) -> None:
    """Apple's table forbids it, another one need not."""
    made = mint(password)
    made.edit_database(
        lambda db: db.executescript(
            "CREATE TABLE Copy AS SELECT * FROM Files; DROP TABLE Files; ALTER TABLE Copy RENAME TO Files;"
            f"INSERT INTO Files SELECT * FROM Files WHERE flags = {kind} LIMIT 1"
        )
    )
    findings = [finding for finding in run(made, level)[0] if finding.is_damage]
    assert [finding.kind for finding in findings] == [K.MANIFEST_DAMAGED]
    assert "is there twice" in findings[0].found


@pytest.mark.parametrize("level", LEVELS)
def test_rows_are_counted_alike(mint: Mint, level: Level) -> None:
    made = mint(specs=[*many(50), Spec("HomeDomain", "Library/gone", b"gone")])
    made.blob("HomeDomain", "Library/gone").unlink()
    with sqlite3.connect(made.folder / "Manifest.db") as db:
        count = db.execute("SELECT count(*) FROM Files").fetchone()[0]
    db.close()
    assert run(made, level)[1].rows == count


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("size", [-1, -17, -(1 << 63), 1 << 62, (1 << 64) - 2, (1 << 64) - 1])
def test_a_size_that_no_file_has(mint: Mint, size: int, level: Level) -> None:
    made = mint(specs=[Spec(*PHOTO, content=b"x" * 100, size=size)])
    assert kinds(run(made, level)[0]) == [("size-differs", True, PHOTO[1])]
    made = mint(PASSWORD, specs=[Spec(*PHOTO, content=b"x" * 100, size=size)])
    assert kinds(run(made, level)[0]) == [
        ("size-differs", False, PHOTO[1])
    ]  # its padding says that it is whole


@pytest.mark.parametrize("level", LEVELS)
def test_a_record_that_cannot_be_read(mint: Mint, level: Level) -> None:
    made = mint()
    made.edit_database(
        lambda db: db.execute("UPDATE Files SET file = x'00' WHERE relativePath = ?", PHOTO[1:])
    )
    assert kinds(run(made, level)[0]) == [("record-unreadable", True, PHOTO[1])]


@pytest.mark.parametrize("claimed", [299_000, 301_000])
@pytest.mark.parametrize("password", [None, PASSWORD])
def test_a_wrong_size_in_the_record(mint: Mint, claimed: int, password: str | None) -> None:
    """Without a checksum and without padding nothing vouches for the file."""
    made = mint(password, specs=[Spec(*PHOTO, content=os.urandom(300_000), size=claimed)])
    made.seal()
    for level in LEVELS:
        findings, _ = run(made, level)
        assert kinds(findings) == [("size-differs", password is None, PHOTO[1])]
        findings, _ = run(made, level, sealed=True)
        assert kinds(findings) == [("size-differs", False, PHOTO[1])]
        assert findings[0].is_flaw == (password is None)


@pytest.mark.parametrize("password", [None, PASSWORD])
@pytest.mark.parametrize("domain", ["HomeDomain", "AppDomain-com.example.app"], ids=["digest", "no digest"])
def test_a_database_that_was_in_use_is_no_damage(mint: Mint, password: str | None, domain: str) -> None:
    content = sqlite_bytes(500, mint.tmp)
    made = mint(password, specs=[Spec(domain, "live.db", content, size=len(content) + 8192)])
    for level in LEVELS:
        findings, summary = run(made, level)
        assert kinds(findings) == [("size-differs", False, "live.db")]
        assert "in use" in findings[0].found
        assert summary.good


PLIST_FLAWS: dict[str, Callable[[Path], object]] = {
    "cut": lambda path: os.truncate(path, path.stat().st_size - 20),
    "empty": lambda path: os.truncate(path, 0),
    "missing": lambda path: path.unlink(),
}


@pytest.mark.parametrize("flaw", PLIST_FLAWS)
@pytest.mark.parametrize("name", ["Info.plist", "Status.plist", "Manifest.plist"])
@pytest.mark.parametrize("level", LEVELS)
def test_a_damaged_plist(mint: Mint, flaw: str, name: str, level: Level) -> None:
    made = mint()
    PLIST_FLAWS[flaw](made.folder / name)
    findings = run(made, level)[0]
    # The computer wrote Info.plist, and no data of the phone is in it.
    assert kinds(findings) == [("plist-unreadable", name != "Info.plist", name)]
    assert ("no data is lost" in findings[0].found) is (name == "Info.plist")
    assert ("no file is lost" in findings[0].found) is (name == "Status.plist")


def test_a_damaged_plist_of_an_encrypted_backup(mint: Mint) -> None:
    made = mint(PASSWORD)
    (made.folder / "Manifest.plist").unlink()
    with Backup.open(made.folder) as backup:
        check = verify(backup)
        assert [finding.kind for finding in check] == [K.PLIST_UNREADABLE]
    assert not check.summary.manifest_checked


def change_plist(path: Path, **values: object) -> None:
    path.write_bytes(plistlib.dumps(plistlib.loads(path.read_bytes()) | values))


@pytest.mark.parametrize(
    ("state", "before", "means"),
    [
        ("uploading", "old", "the previous one is still in place"),
        ("uploading", "empty", "cannot be restored"),
        ("moving", "new", "not yet put in place"),
        ("removing", "new", "not removed"),
    ],
)
def test_an_unfinished_backup(mint: Mint, state: str, before: str, means: str) -> None:
    """A cable that was pulled is the commonest flaw there is; what it means for the owner differs widely."""
    made = mint()
    change_plist(made.folder / "Status.plist", SnapshotState=state, BackupState=before)
    findings, _ = run(made, Level.QUICK)
    assert kinds(findings) == [("not-finished", True, "Status.plist")]
    assert findings[0].found.startswith(f"{state}, {before}: ")
    assert means in findings[0].found


def test_a_plist_that_denies_the_encryption(mint: Mint) -> None:
    """Not damage: with the key to the list, every file can be read; but no phone takes it back."""
    made = mint(PASSWORD)
    change_plist(made.folder / "Manifest.plist", IsEncrypted=False)
    (finding,) = run(made, Level.DEEP)[0]
    assert (finding.kind, finding.is_damage or finding.is_flaw) == (K.MIXED_UP, False)
    assert "says that nothing is encrypted" in finding.found


def test_plists_of_two_phones(mint: Mint) -> None:
    made = mint()
    change_plist(made.folder / "Info.plist", **{"Target Identifier": "another"})
    assert kinds(run(made)[0]) == [("plists-disagree", True, "Info.plist")]


@pytest.mark.parametrize("name", ["Target Identifier", "Unique Identifier"])
def test_an_identifier_without_its_dash_is_the_same(mint: Mint, name: str) -> None:
    """Some programs write it as usbmuxd spells it."""
    made = mint()
    values: dict[str, object] = {"Target Identifier": "", name: "00008101000a0b0c0d0e0f01"}
    change_plist(made.folder / "Info.plist", **values)
    assert run(made, Level.QUICK)[0] == []


@pytest.mark.parametrize("password", [None, PASSWORD])
@pytest.mark.parametrize("place", [30, 110])
def test_a_manifest_damaged_on_its_first_page(mint: Mint, password: str | None, place: int) -> None:
    made = mint(password)
    flip(made.folder / "Manifest.db", place)
    findings, _ = run(made, Level.QUICK)
    assert K.MANIFEST_DAMAGED in {finding.kind for finding in findings}
    assert sum(finding.kind is K.MANIFEST_DAMAGED for finding in findings) == 1


def many(count: int) -> list[Spec]:
    return [Spec("AppDomain-x", f"Documents/{number}", flags=2) for number in range(count)]


@pytest.mark.parametrize("password", [None, PASSWORD])
def test_a_manifest_damaged_in_the_middle(mint: Mint, password: str | None) -> None:
    made = mint(password, specs=many(300))
    path = made.folder / "Manifest.db"
    data = bytearray(path.read_bytes())
    middle = len(data) // 2 // 4096 * 4096
    data[middle : middle + 64] = bytes(64)
    path.write_bytes(data)
    findings, summary = run(made, Level.QUICK)
    assert sum(finding.kind is K.MANIFEST_DAMAGED for finding in findings) == 1
    assert not summary.good


@pytest.mark.skipif(not hasattr(sqlite3.Connection, "deserialize"), reason="of Python 3.11")
@pytest.mark.parametrize("level", [Level.QUICK, Level.FULL])
def test_a_manifest_that_never_ends(mint: Mint, level: Level, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database_module, "_MIN_STEPS", 100_000)  # to be done soon
    made = mint()
    database = made.folder / "Manifest.db"
    database.write_bytes(endless(database.read_bytes(), "Files"))
    findings = [finding for finding in run(made, level)[0] if finding.is_damage]
    assert [finding.kind for finding in findings] == [K.MANIFEST_DAMAGED]
    assert "\n" not in findings[0].found  # SQLite says a hundred lines at once
    assert findings[0].found.endswith(" and 99 more flaws")
    with Backup.open(made.folder) as backup:
        with pytest.raises(FormatError, match=r"[Rr]eading it never ends"):
            list(backup.entries())
        bad: list[object] = []
        assert sum(1 for _ in backup.entries(bad=bad.append)) < 100_000
        assert len(bad) == 1


def test_a_manifest_index_that_lost_rows(mint: Mint) -> None:
    made = mint(specs=many(50))

    def lose(db: sqlite3.Connection) -> None:
        db.execute("PRAGMA writable_schema = ON")
        db.execute("UPDATE sqlite_master SET sql = sql || ' WHERE flags = 1' WHERE name = 'FilesDomainIdx'")

    made.edit_database(lose)
    assert [finding.kind for finding in run(made, Level.QUICK)[0]] == [K.MANIFEST_DAMAGED]


def test_a_row_that_its_index_does_not_find_again(mint: Mint, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that does not fit is named anyway, not passed over."""
    made = mint()
    made.blob(*PHOTO).unlink()
    monkeypatch.setattr(ManifestDb, "row", lambda *_: None)
    findings, _ = run(made, Level.QUICK)
    assert [(f.kind, f.file_id) for f in findings] == [(K.ROW_UNUSABLE, Minted.file_id(*PHOTO))]


@pytest.mark.parametrize("era", ["10.2", "mbdb"])
def test_a_manifest_that_is_missing_or_cut(mint: Mint, era: str) -> None:
    made = mint(era=era)
    path = made.folder / ("Manifest.mbdb" if era == "mbdb" else "Manifest.db")
    os.truncate(path, path.stat().st_size - 30)
    if era == "mbdb":
        findings, _ = run(made, Level.QUICK)
        assert {finding.kind for finding in findings if finding.is_damage} == {K.MANIFEST_DAMAGED}
    path.unlink()
    findings, summary = run(made, Level.QUICK)
    assert {finding.kind for finding in findings if finding.is_damage} == {K.MANIFEST_DAMAGED}
    assert not summary.manifest_checked


# -- keys -----------------------------------------------------------------------------------------------------


def change_keybag(made: Minted, change: Callable[[bytes], bytes]) -> None:
    path = made.folder / "Manifest.plist"
    change_plist(path, BackupKeyBag=change(plistlib.loads(path.read_bytes())["BackupKeyBag"]))


def class_flaw(number: int) -> Callable[[bytes], bytes]:
    def change(bag: bytes) -> bytes:
        start = bag.index(b"CLAS" + struct.pack(">II", 4, number))
        place = bag.index(b"WPKY", start) + 20
        return bag[:place] + bytes([bag[place] ^ 1]) + bag[place + 1 :]

    return change


def test_one_class_key_wrong(mint: Mint) -> None:
    made = mint(PASSWORD)
    change_keybag(made, class_flaw(9))
    assert run(made, Level.FULL)[0] == []
    findings, _ = run(made, Level.DEEP)
    assert kinds(findings) == [("class-key-damaged", True, "Manifest.plist")]
    assert "class 9" in findings[0].found


def test_the_class_key_of_all_files_wrong(mint: Mint) -> None:
    made = mint(PASSWORD)
    change_keybag(made, class_flaw(CLASS))
    findings, _ = run(made, Level.DEEP)
    assert sum(finding.kind is K.FILE_KEY_DAMAGED for finding in findings) == len(files(made))
    assert sum(finding.kind is K.CLASS_KEY_DAMAGED for finding in findings) == 1


def change_record(
    made: Minted, names: tuple[str, str], change: Callable[[dict[str, object], list[object]], None]
) -> None:
    def edit(db: sqlite3.Connection) -> None:
        (blob,) = db.execute("SELECT file FROM Files WHERE domain = ? AND relativePath = ?", names).fetchone()
        archive = plistlib.loads(blob)
        change(archive["$objects"][1], archive["$objects"])
        packed = plistlib.dumps(archive, fmt=plistlib.FMT_BINARY, sort_keys=False)
        db.execute("UPDATE Files SET file = ? WHERE domain = ? AND relativePath = ?", (packed, *names))

    made.edit_database(edit)


def file_key(made: Minted, names: tuple[str, str]) -> bytes:
    found: list[bytes] = []

    def look(_fields: dict[str, object], objects: list[object]) -> None:
        found.extend(each["NS.data"] for each in objects if isinstance(each, dict) and "NS.data" in each)

    change_record(made, names, look)
    return aes_key_unwrap(made.keys[CLASS], found[0][4:])


def test_one_file_key_wrong(mint: Mint) -> None:
    made = mint(PASSWORD)

    def damage(_fields: dict[str, object], objects: list[object]) -> None:
        for each in objects:
            if isinstance(each, dict) and "NS.data" in each:
                each["NS.data"] = each["NS.data"][:-1] + bytes([each["NS.data"][-1] ^ 1])

    change_record(made, PHOTO, damage)
    assert run(made, Level.QUICK)[0] == []
    for level in (Level.FULL, Level.DEEP):
        assert kinds(run(made, level)[0]) == [("file-key-damaged", True, PHOTO[1])]


def test_wrong_padding(mint: Mint) -> None:
    made = mint(PASSWORD)
    key = file_key(made, PHOTO)
    content = next(spec.content for spec in made.specs if (spec.domain, spec.path) == PHOTO)
    encryptor = Cipher(algorithms.AES(key), modes.CBC(bytes(16))).encryptor()
    whole = content + b"\0" * (16 - len(content) % 16)
    made.blob(*PHOTO).write_bytes(encryptor.update(whole))
    made.seal()
    assert run(made, Level.QUICK, sealed=True)[0] == []
    for level in (Level.FULL, Level.DEEP):
        assert kinds(run(made, level)[0]) == [("padding-wrong", True, PHOTO[1])]
        findings, _ = run(made, level, sealed=True)
        assert [(f.kind, f.is_flaw, f.path) for f in findings] == [(K.PADDING_WRONG, True, PHOTO[1])]


def test_a_keybag_that_was_cut(mint: Mint) -> None:
    made = mint()
    change_keybag(made, lambda bag: bag[:-5])
    assert run(made, Level.FULL)[0] == []
    assert kinds(run(made, Level.DEEP)[0]) == [("keybag-damaged", True, "Manifest.plist")]


def test_a_manifest_key_that_is_damaged(mint: Mint) -> None:
    made = mint(PASSWORD)
    change_keybag(made, class_flaw(4))
    findings = run(made, Level.QUICK)[0]
    assert kinds(findings) == [("manifest-damaged", True, "Manifest.db")]
    assert findings[0].found == (
        "The backup's list of files cannot be opened. The key of protection class 4 is damaged."
    )


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("count", [0, 4_000_000_000])
def test_a_keybag_that_asks_for_too_many_rounds(mint: Mint, count: int, level: Level) -> None:
    """No password can be tried then, so that asking for one would be wrong."""
    made = mint(PASSWORD)
    change_keybag(made, lambda bag: bag.replace(tlv("DPIC", 50), tlv("DPIC", count)))
    assert kinds(run(made, level, locked=True)[0]) == [("keybag-damaged", True, "Manifest.plist")]


# -- databases ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("password", [None, PASSWORD])
def test_an_apps_database_that_is_damaged(mint: Mint, password: str | None) -> None:
    content = bytearray(sqlite_bytes(2000, mint.tmp))
    content[3 * 4096 : 3 * 4096 + 100] = bytes(100)
    made = mint(password, specs=[Spec(*SMS, content=bytes(content))])
    assert run(made, Level.FULL)[0] == []
    findings, summary = run(made, Level.DEEP)
    assert kinds(findings) == [("database-damaged", True, SMS[1])]
    assert "messages" in findings[0].expected
    assert summary.databases == 1


def test_a_database_is_checked_with_its_log(mint: Mint, tmp_path: Path) -> None:
    db = sqlite3.connect(tmp_path / "live.db", isolation_level=None)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("CREATE TABLE t (x)")
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.executemany("INSERT INTO t VALUES (?)", [("x" * 500,) for _ in range(50)])
    main, log = (tmp_path / "live.db").read_bytes(), (tmp_path / "live.db-wal").read_bytes()
    db.close()
    torn = main[:4096] + bytes(len(main) - 4096)  # what the log will overwrite
    made = mint(PASSWORD, specs=[Spec(*SMS, content=torn), Spec(SMS[0], SMS[1] + "-wal", content=log)])
    assert run(made, Level.DEEP)[0] == []


def test_a_database_with_sort_orders_of_its_own(mint: Mint, tmp_path: Path) -> None:
    db = sqlite3.connect(tmp_path / "own.db")
    db.create_collation("CPRecordSort", lambda a, b: (a < b) - (a > b))
    with db:
        db.execute("CREATE TABLE t (x TEXT COLLATE CPRecordSort)")
        db.execute("CREATE INDEX i ON t(x)")
        db.executemany("INSERT INTO t VALUES (?)", [(str(n),) for n in range(50)])
    db.close()
    made = mint(specs=[Spec(*SMS, content=(tmp_path / "own.db").read_bytes())])
    assert run(made, Level.DEEP)[0] == []


@pytest.mark.parametrize("change", [endless_sql.generated, endless_sql.expression, endless_sql.partial])
def test_an_apps_schema_that_would_take_for_ever(
    mint: Mint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: endless_sql.Change
) -> None:
    """Its apps may well call functions there; so it is given its time and then let be."""
    monkeypatch.setattr(isolated, "seconds_for", lambda _size: 1.0)
    made = mint(specs=[Spec(*SMS, content=endless_sql.database(tmp_path, change))])
    findings, summary = run(made, Level.DEEP)
    assert kinds(findings) == [("database-unchecked", False, SMS[1])]
    assert "longer than 1 second" in findings[0].found
    assert summary.databases == 0


def test_checks_of_an_app_are_not_evaluated(mint: Mint, tmp_path: Path) -> None:
    made = mint(specs=[Spec(*SMS, content=endless_sql.database(tmp_path, endless_sql.check))])
    assert run(made, Level.DEEP)[0] == []


# -- seals ----------------------------------------------------------------------------------------------------


def edit_seal(made: Minted, change: Callable[[list[str]], list[str]]) -> None:
    path = made.seal()
    path.write_text("".join(change(path.read_text().splitlines(keepends=True))))


def blob_line(lines: list[str], made: Minted, names: tuple[str, str]) -> int:
    return next(number for number, line in enumerate(lines) if made.blob(*names).name in line)


@pytest.mark.parametrize("names", [PHOTO, SMS])
def test_a_changed_line_in_the_seal(mint: Mint, names: tuple[str, str]) -> None:
    made = mint(PASSWORD)

    def change(lines: list[str]) -> list[str]:
        place = blob_line(lines, made, names)
        lines[place] = ("0" if lines[place][0] != "0" else "1") + lines[place][1:]
        return lines

    edit_seal(made, change)
    assert kinds(run(made, sealed=True)[0]) == [("content-changed", True, names[1])]


@pytest.mark.parametrize("level", LEVELS)
def test_a_seal_that_lacks_a_file(mint: Mint, level: Level) -> None:
    made = mint(PASSWORD)
    edit_seal(made, lambda lines: [line for line in lines if made.blob(*PHOTO).name not in line])
    assert kinds(run(made, level, sealed=True)[0]) == [("not-sealed", True, PHOTO[1])]


@pytest.mark.parametrize("name", ["Info.plist", EXTRA])
def test_a_seal_that_lists_a_file_too_many(mint: Mint, name: str) -> None:
    made = mint()
    edit_seal(made, lambda lines: [*lines, f"{'0' * 64}  {made.folder.name}/{name}x\n"][: len(lines) + 1])
    assert kinds(run(made, Level.QUICK, sealed=True)[0]) == [("missing", True, name + "x")]


def test_a_seal_that_is_itself_damaged(mint: Mint) -> None:
    made = mint()
    path = made.seal()
    good = hashlib.sha256(path.read_bytes()).hexdigest()
    assert run(made, sealed=True, sealed_as=good)[0] == []
    findings, _ = run(made, sealed=True, sealed_as="0" * 64)
    assert [finding.kind for finding in findings] == [K.SEAL_DAMAGED]
    path.write_text(path.read_text()[:-10])
    findings, summary = run(made, sealed=True)
    assert [finding.kind for finding in findings] == [K.SEAL_DAMAGED]
    assert summary.by_digest


@pytest.mark.parametrize("name", ["Manifest.db", "Info.plist"])
def test_the_seal_covers_the_plists_and_the_manifest(mint: Mint, name: str) -> None:
    made = mint(PASSWORD)
    made.seal()
    path = made.folder / name
    if name == "Info.plist":
        path.write_bytes(path.read_bytes().replace(b"17.1", b"17.2"))
    else:
        data = bytearray(path.read_bytes())
        data[-1] ^= 1  # in the padding block, where SQLite never looks
        path.write_bytes(data)
    assert kinds(run(made, sealed=True)[0]) == [("content-changed", True, name)]


# -- without the password -------------------------------------------------------------------------------------


def test_a_locked_backup_is_checked_against_its_seal(mint: Mint) -> None:
    made = mint(PASSWORD)
    made.seal()
    for level in (Level.QUICK, Level.FULL):
        findings, summary = run(made, level, sealed=True, locked=True)
        assert findings == []
        assert summary.good
        assert not summary.manifest_checked
        assert summary.files == len(files(made))
    assert summary.by_seal == summary.files
    flip(made.blob(*PHOTO))
    findings, _ = run(made, sealed=True, locked=True)
    assert [(f.kind, f.file_id, f.path) for f in findings] == [
        (K.CONTENT_CHANGED, Minted.file_id(*PHOTO), "")
    ]
    made.blob(*PHOTO).unlink()
    findings, _ = run(made, Level.QUICK, sealed=True, locked=True)
    assert [(f.kind, f.file_id) for f in findings] == [(K.MISSING, Minted.file_id(*PHOTO))]


@pytest.mark.parametrize(("level", "sealed"), [(Level.QUICK, False), (Level.FULL, False), (Level.DEEP, True)])
def test_what_cannot_be_checked_without_the_password(mint: Mint, level: Level, sealed: bool) -> None:
    made = mint(PASSWORD)
    made.seal()
    with pytest.raises(PasswordNeeded, match="Not checked: this needs the password"):
        run(made, level, sealed=sealed, locked=True)


@pytest.mark.parametrize("level", [Level.QUICK, Level.FULL])
def test_a_damaged_seal_of_a_locked_backup(mint: Mint, level: Level) -> None:
    """That the seal is damaged is known without the password, and is no reason to ask for one alone."""
    made = mint(PASSWORD)
    truncate(made.seal())
    findings, summary = run(made, level, sealed=True, locked=True)
    assert kinds(findings) == [("seal-damaged", True, "")]
    assert not summary.manifest_checked


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("sealed", [False, True])
def test_a_keybag_of_an_encrypted_backup_that_was_cut(mint: Mint, level: Level, sealed: bool) -> None:
    """No password opens it any more: that is damage, and not a password that is missing."""
    made = mint(PASSWORD)
    change_plist(made.folder / "Manifest.plist", BackupKeyBag=b"VERS\0\0")
    made.seal()
    findings, _ = run(made, level, sealed=sealed, locked=True)
    assert kinds(findings) == [("keybag-damaged", True, "Manifest.plist")]


# -- the rest -------------------------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege")
@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("sealed", [False, True])
def test_links_in_the_place_of_files(mint: Mint, tmp_path: Path, level: Level, sealed: bool) -> None:
    made = mint()
    made.seal()
    blob = made.blob(*PHOTO)
    blob.rename(tmp_path / "outside")
    blob.symlink_to(tmp_path / "outside")
    assert kinds(run(made, level, sealed=sealed)[0]) == [("not-a-file", True, PHOTO[1])]
    blob.unlink()
    blob.mkdir()
    (finding,) = run(made, level, sealed=sealed)[0]
    assert (finding.kind, finding.expected, finding.found) == (K.NOT_A_FILE, "a file", "a folder")


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege")
def test_a_folder_that_became_a_link(mint: Mint, tmp_path: Path) -> None:
    made = mint(specs=[Spec(*PHOTO, content=b"x")])
    made.seal()
    folder = made.blob(*PHOTO).parent
    folder.rename(tmp_path / "outside")
    folder.symlink_to(tmp_path / "outside")
    for level in LEVELS:
        found = {(f.kind, f.path or f.file) for f in run(made, level, sealed=True)[0]}
        assert found == {(K.MISSING, PHOTO[1]), (K.NOT_A_FILE, folder.name)}


@pytest.mark.parametrize("level", LEVELS)
def test_a_folder_that_cannot_be_listed(mint: Mint, monkeypatch: pytest.MonkeyPatch, level: Level) -> None:
    """A bad sector cannot be made here, so its error is."""
    made = mint()
    bad = made.blob(*PHOTO).parent.name
    real = os.scandir
    inode = made.blob(*PHOTO).parent.stat().st_ino

    def scandir(folder: int) -> "os._ScandirIterator[str]":
        if os.fstat(folder).st_ino == inode:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return real(folder)

    monkeypatch.setattr(os, "scandir", scandir)
    findings, summary = run(made, level)
    assert kinds(findings) == [("unreadable", True, bad)]
    assert summary.rows == len(made.specs)


def test_progress_is_reported(mint: Mint) -> None:
    made = mint(PASSWORD)
    events: list[Event] = []
    run(made, observer=events.append)
    progress = [event for event in events if isinstance(event, Progress)]
    assert progress[-1].percent == 100
    assert progress[-1].bytes == progress[-1].total_bytes
    assert progress[-1].files == progress[-1].total_files == len(files(made))


def test_progress_is_reported_within_a_large_file(mint: Mint, monkeypatch: pytest.MonkeyPatch) -> None:
    """A phone's film of 40 GB is read for minutes; a bar that stands still for so long looks broken."""
    made = mint(specs=[Spec(*PHOTO, content=bytes(1_000_000))])
    fill = Reader._fill

    def slow(reader: Reader, source: FileIO) -> int:
        time.sleep(0.15)
        return fill(reader, source)

    monkeypatch.setattr(Reader, "_fill", slow)
    events: list[Event] = []
    run(made, observer=events.append)
    told = [event.bytes for event in events if isinstance(event, Progress)]
    assert [size for size in told if 0 < size < 1_000_000]
    assert told == sorted(told)


def test_a_verification_can_be_left(mint: Mint) -> None:
    made = mint()
    for spec in files(made):
        made.blob(spec.domain, spec.path).unlink()
    with Backup.open(made.folder) as backup:
        check = verify(backup)
        assert next(iter(check)).kind is K.MISSING
        check.close()
    assert threading.active_count() == 1
    assert not check.summary.finished


def test_a_real_manifest_with_sanitised_files(tmp_path: Path) -> None:
    """All of its rows are right; of its files only a few are there, and those are not what the phone sent."""
    if not FIXTURE.is_dir():
        pytest.skip("no fixtures here")
    folder = tmp_path / "backup"
    shutil.copytree(FIXTURE, folder)
    db = sqlite3.connect(f"file:{FIXTURE / 'Manifest.db'}?immutable=1", uri=True)
    rows = db.execute("SELECT fileID, file FROM Files WHERE flags = 1").fetchall()
    db.close()
    sizes, missing = {}, set()
    for file_id, blob in rows:
        path = FIXTURE / file_id[:2] / file_id
        if path.exists():
            sizes[file_id] = (plistlib.loads(blob)["$objects"][1]["Size"], path.stat().st_size)
        else:
            missing.add(file_id)
    with Backup.open(folder) as backup:
        check = verify(backup, Level.FULL)
        findings = list(check)
    assert check.summary.rows == 3721
    assert {f.file for f in findings if f.kind is K.PLIST_UNREADABLE} == {"Status.plist", "Manifest.plist"}
    assert {f.file_id for f in findings if f.kind is K.MISSING} == missing
    stray = {path.name for path in FIXTURE.glob("??/*")} - {file_id for file_id, _ in rows}
    assert {f.file_id for f in findings if f.kind is K.NOT_IN_MANIFEST and f.file_id} == stray
    others = [f for f in findings if f.file_id in sizes]
    assert {f.kind for f in others} <= {K.SIZE_DIFFERS, K.CONTENT_CHANGED}
    # Its list was decrypted by another program, and the licence lies beside it.
    assert {f.file for f in findings if f.kind is K.MIXED_UP} == {"Manifest.db"}
    assert len(findings) == 2 + len(missing) + len(stray) + len(others) + 2
    differ = {file_id for file_id, (claimed, found) in sizes.items() if claimed != found}
    assert {f.file_id for f in others if f.kind is K.SIZE_DIFFERS} == differ


def sizes_of(made: Minted) -> Callable[[str], dict[str, Stored]]:
    def sizes(folder: str) -> dict[str, Stored]:
        full = made.folder / folder
        listed = full.iterdir() if full.is_dir() else ()
        return {path.name: Stored(path.stat().st_size) for path in listed if path.is_file()}

    return sizes


@forms
def test_check_manifest(
    mint: Mint, untouched: Callable[[Path], None], password: str | None, era: str
) -> None:
    made = mint(password, era=era)
    untouched(made.root)
    with Backup.open(made.folder) as backup:
        if password:
            backup.unlock(password)
        assert list(check_manifest(backup, sizes_of(made))) == []
        assert len(list(check_manifest(backup, lambda _folder: {}))) == len(files(made))


def test_check_manifest_names_what_is_wrong(mint: Mint) -> None:
    content = sqlite_bytes(500, mint.tmp)
    specs = [
        *many(20),
        Spec("AppDomain-x", "live.db", content, size=12),
        Spec("AppDomain-x", "cut", b"z" * 1000),
        Spec("AppDomain-x", "gone", b"z"),
        Spec("AppDomain-x", "good", b"z"),
    ]
    for password in (None, PASSWORD):
        made = mint(password, specs=specs)
        os.truncate(made.blob("AppDomain-x", "cut"), 700)
        made.blob("AppDomain-x", "gone").unlink()
        made.edit_database(
            lambda db: db.execute("UPDATE Files SET domain = 'Y' WHERE relativePath LIKE '%/7'")
        )
        with Backup.open(made.folder) as backup:
            if password is not None:
                with pytest.raises(PasswordNeeded):
                    list(check_manifest(backup, sizes_of(made)))
                backup.unlock(password)
            assert kinds(list(check_manifest(backup, sizes_of(made)))) == [
                ("missing", True, "gone"),
                ("size-differs", False, "live.db"),
                ("size-differs", True, "cut"),
                ("wrong-file-id", True, "Documents/7"),
            ]


@pytest.mark.parametrize("password", [None, PASSWORD], ids=["plain", "enc"])
@pytest.mark.parametrize("era", ["10.2", "mbdb"])
def test_check_manifest_compares_every_digest_and_reads_only_what_is_not_known(
    mint: Mint, password: str | None, era: str
) -> None:
    made = mint(password, era=era)
    flip(made.blob(*PLIST))
    flip(made.blob(*PHOTO))  # has no Digest: nobody can tell
    taken: dict[str, bytes] = {}

    def check(stored: Callable[[str], dict[str, Stored]]) -> list[Finding]:
        with Backup.open(made.folder) as backup:
            if password is not None:
                backup.unlock(password)
            return list(check_manifest(backup, stored, taken.__setitem__))

    findings = check(sizes_of(made))
    assert kinds(findings) == [("content-changed", True, PLIST[1])]
    assert findings[0].reason is Reason.DIGEST
    digested = [spec for spec in files(made) if spec.domain == "HomeDomain"]
    assert taken == {
        made.blob(spec.domain, spec.path).relative_to(made.folder).as_posix(): hashlib.sha1(
            made.blob(spec.domain, spec.path).read_bytes()
        ).digest()
        for spec in digested
    }
    known = dict(taken)
    taken.clear()

    def remembered(folder: str) -> dict[str, Stored]:
        prefix = f"{folder}/" if folder else ""
        return {
            name: Stored(each.size, known.get(prefix + name)) for name, each in sizes_of(made)(folder).items()
        }

    for spec in digested:
        made.blob(spec.domain, spec.path).chmod(0)  # nothing is read any more
    assert check(remembered) == findings
    assert taken == {}


def test_check_manifest_of_a_damaged_one(mint: Mint) -> None:
    made = mint()
    os.truncate(made.folder / "Manifest.db", 4096)
    with Backup.open(made.folder) as backup:
        assert K.MANIFEST_DAMAGED in {finding.kind for finding in check_manifest(backup, sizes_of(made))}


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("era", ["10.2", "mbdb"])
def test_a_manifest_that_lists_nothing(mint: Mint, era: str, level: Level) -> None:
    made = mint(era=era)
    if era == "mbdb":
        os.truncate(made.folder / "Manifest.mbdb", 6)
    else:
        made.edit_database(lambda db: db.execute("DELETE FROM Files"))
    damage = [finding for finding in run(made, level)[0] if finding.is_damage]
    assert [(finding.kind, finding.found) for finding in damage] == [
        (K.MANIFEST_DAMAGED, "it lists no files at all")
    ]
    with Backup.open(made.folder) as backup:
        assert [finding.kind for finding in check_manifest(backup, sizes_of(made))] == [K.MANIFEST_DAMAGED]


@pytest.mark.parametrize("level", LEVELS)
def test_a_phone_that_has_nothing(mint: Mint, level: Level) -> None:
    made = mint(specs=[])
    assert not [finding for finding in run(made, level)[0] if finding.is_damage]
    with Backup.open(made.folder) as backup:
        assert list(check_manifest(backup, sizes_of(made))) == []


def test_empty_files_may_be_stored_in_two_ways(mint: Mint) -> None:
    made = mint(PASSWORD, specs=[Spec("AppDomain-x", "empty")])
    for level in LEVELS:
        assert run(made, level)[0] == []
    made.blob("AppDomain-x", "empty").write_bytes(b"")
    for level in LEVELS:
        assert run(made, level)[0] == []


def test_the_helper_encrypts_as_the_phone_does() -> None:
    assert len(encrypt(bytes(32), b"x" * 16)) == 32
