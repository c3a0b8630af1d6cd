"""A list and a key, or a list and files, of different backups of one phone; and a row that is none."""

import json
import shutil
from pathlib import Path

import pytest

from ibackup.apple.backup import Backup
from ibackup.apple.verify.findings import FindingKind as K
from ibackup.apple.verify.findings import Level
from ibackup.apple.verify.verification import verify
from ibackup.base.errors import NotABackup
from ibackup.jobs.backup_source import BackupSource
from ibackup.jobs.restore.rehearsal import rehearse
from ibackup.vault.unlocker import Unlocker
from support.minted import Mint, Minted, Spec

PASSWORD = "geheim"
PHOTOS = [Spec("CameraRollDomain", f"Media/{number:02}.jpg", b"photo") for number in range(40)]


@pytest.fixture
def mint(tmp_path: Path) -> Mint:
    return Mint(tmp_path)


def damage(made: Minted, level: Level) -> list[tuple[K, str]]:
    with Backup.open(made.folder) as backup:
        if made.password is not None:
            backup.unlock(made.password)
        return [(each.kind, each.found) for each in verify(backup, level) if each.is_damage]


def test_a_key_of_another_backup(mint: Mint) -> None:
    older, newer = mint(PASSWORD, specs=PHOTOS), mint(PASSWORD, specs=PHOTOS)
    shutil.copy(older.folder / "Manifest.db", newer.folder / "Manifest.db")
    for level in Level:
        ((kind, found), *_) = damage(newer, level)
        assert kind is K.MIXED_UP
        assert "different backups" in found
    with pytest.raises(NotABackup, match="different backups"):
        rehearse(BackupSource(str(newer.folder)), Unlocker(lambda _: PASSWORD))


def test_an_encrypted_list_beside_a_plain_backups_key(mint: Mint) -> None:
    older, newer = mint(PASSWORD, specs=PHOTOS), mint(specs=PHOTOS)
    shutil.copy(older.folder / "Manifest.db", newer.folder / "Manifest.db")
    for level in Level:
        assert any("from another backup than" in found for _, found in damage(newer, level))


def test_a_list_whose_beginning_is_damaged_is_not_called_anothers(mint: Mint) -> None:
    made = mint(PASSWORD, specs=PHOTOS)
    path = made.folder / "Manifest.db"
    data = bytearray(path.read_bytes())
    data[3] ^= 1
    path.write_bytes(data)
    ((kind, found), *_) = damage(made, Level.QUICK)
    assert kind is K.MANIFEST_DAMAGED
    assert "different backups" not in found


@pytest.mark.parametrize("level", Level)
def test_a_list_that_names_only_a_part_of_what_is_there(mint: Mint, level: Level) -> None:
    older, newer = mint(specs=PHOTOS[:16]), mint(specs=PHOTOS)
    shutil.copy(older.folder / "Manifest.db", newer.folder / "Manifest.db")
    assert [kind for kind, _ in damage(newer, level)] == [K.UNLISTED_CONTENT]
    outcome = rehearse(BackupSource(str(newer.folder)), Unlocker())
    assert outcome.error is not None
    assert "24" in outcome.error.message
    few = mint(specs=PHOTOS)
    few.edit_database(lambda db: db.execute("DELETE FROM Files WHERE relativePath = 'Media/00.jpg'"))
    assert damage(few, level) == []  # a note


def test_a_record_that_is_none_is_named(mint: Mint) -> None:
    made = mint(specs=PHOTOS)
    made.edit_database(
        lambda db: db.execute("UPDATE Files SET file = X'00' WHERE relativePath = 'Media/07.jpg'")
    )
    outcome = rehearse(BackupSource(str(made.folder)), Unlocker())
    assert outcome.error is not None
    assert "Media/07.jpg" in json.dumps([outcome.error.message, outcome.error.why])
    for level in Level:
        assert [kind for kind, _ in damage(made, level)] == [K.RECORD_UNREADABLE]


@pytest.mark.parametrize("odd", [(b"Ann's", b"Ann\x01s"), (b"2026-11-22T", b"2026-13-45T")])
def test_an_odd_info_plist_is_rehearsed(mint: Mint, odd: tuple[bytes, bytes]) -> None:
    made = mint(specs=PHOTOS)
    path = made.folder / "Info.plist"
    path.write_bytes(path.read_bytes().replace(*odd))
    assert rehearse(BackupSource(str(made.folder)), Unlocker()).error is None
