"""Folders that other programs changed: what is on the disk is believed, and what cannot be read is named."""

import io
import plistlib
from pathlib import Path

import pytest

from apple.verify.test_verify import PASSWORD
from ibackup.apple.backup import Backup
from ibackup.apple.crypto import aes_and_keys
from ibackup.apple.verify.findings import Level
from ibackup.apple.verify.verification import verify
from ibackup.base.errors import NotABackup
from ibackup.base.exit_codes import ExitCode
from ibackup.jobs.restore import backup_contents
from support.minted import Mint, Minted, tree_of


def contents_of(backup: Backup) -> dict[str, bytes]:
    """Every file's content as it is read, by where it lies."""
    contents = {}
    for entry in backup.entries():
        if entry.record.is_file:
            with entry.open() as source:
                contents[entry.blob_path] = source.read()
    return contents


def decrypt_in_place(made: Minted) -> None:
    """As MVT and others do it: plain files and a plain list, beside plists and records that say otherwise."""
    with Backup.open(made.folder) as backup:
        backup.unlock(PASSWORD)
        contents = contents_of(backup)
        key = backup.keys.unwrap(backup.manifest.manifest_key or b"")
        with (made.folder / "Manifest.db").open("rb", buffering=0) as source:
            plain = b"".join(map(bytes, aes_and_keys.decrypt_blocks(source, key)))
    contents["Manifest.db"] = plain[: len(plain) // 4096 * 4096]
    for path, content in contents.items():
        (made.folder / path).write_bytes(content)


def test_decrypted_by_another_program(mint: Mint) -> None:
    made = mint(PASSWORD)
    with Backup.open(made.folder) as backup:
        backup.unlock(PASSWORD)
        wanted = contents_of(backup)
    decrypt_in_place(made)
    assert plistlib.loads((made.folder / "Manifest.plist").read_bytes())["IsEncrypted"]
    with Backup.open(made.folder) as backup:
        assert backup.decrypted
        assert backup.unlocked
        assert contents_of(backup) == wanted
        with pytest.raises(NotABackup, match="cannot be restored"):
            backup_contents.read(backup)
        findings = list(verify(backup, Level.DEEP))
    assert [finding.severity for finding in findings if finding.is_damage] == []
    assert any("another program has decrypted" in finding.found for finding in findings)


def still_encrypted(made: Minted) -> dict[str, bytes]:
    return {
        path.relative_to(made.folder).as_posix(): path.read_bytes()
        for path in made.folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize("era", ["10.2", "10.0", "mbdb"])
@pytest.mark.parametrize("kept", ["list", "one file", "half", "every file"])
def test_decrypted_in_part(mint: Mint, era: str, kept: str) -> None:
    """What is plain is taken as it is, what is not is decrypted: whatever the list and the records say."""
    made = mint(PASSWORD, era=era)
    before = still_encrypted(made)
    with Backup.open(made.folder) as backup:
        backup.unlock(PASSWORD)
        wanted = contents_of(backup)
        key = backup.keys.unwrap(backup.manifest.manifest_key) if backup.manifest.manifest_key else None
    files = sorted(wanted)
    stay = {"list": [], "one file": files[:1], "half": files[::2], "every file": files}[kept]
    for path in set(files) - set(stay):
        (made.folder / path).write_bytes(wanted[path])
    if key is not None and kept != "list":
        plain = b"".join(map(bytes, aes_and_keys.decrypt_blocks(io.BytesIO(before["Manifest.db"]), key)))
        (made.folder / "Manifest.db").write_bytes(plain[: len(plain) // 4096 * 4096])
    with Backup.open(made.folder) as backup:
        # The list itself, or what it says of each file (iOS 10.0), may still ask for the password.
        asks = kept == "list" if key is not None else era == "10.0"
        assert backup.unlocked == (not stay and not asks)
        backup.unlock(PASSWORD)
        assert contents_of(backup) == wanted
        findings = list(verify(backup, Level.DEEP))
    assert [finding for finding in findings if finding.is_damage] == []
    if kept in ("one file", "half"):
        assert any("another program has decrypted" in finding.found for finding in findings)


def test_an_old_list_under_the_new_name(mint: Mint) -> None:
    made = mint(era="mbdb")
    with Backup.open(made.folder) as backup:
        wanted = [(entry.domain, entry.relative_path) for entry in backup.entries()]
    (made.folder / "Manifest.mbdb").rename(made.folder / "Manifest.db")
    with Backup.open(made.folder) as backup:
        assert backup.flat
        assert [(entry.domain, entry.relative_path) for entry in backup.entries()] == wanted
        assert [finding for finding in verify(backup, Level.FULL) if finding.is_damage] == []


@pytest.mark.parametrize(
    ("names", "says"),
    [
        (("0a" * 20 + ".mdinfo", "0a" * 20 + ".mddata"), "iOS 2 or 3"),
        (("0a" * 20 + ".mdbackup",), "iOS 2 or 3"),
        (("Info.plist", "Manifest.plist", "Status.plist", "0a" * 20 + ".mddata"), "iOS 2 or 3"),
        (("Manifest.plist", "Manifest.db", "HomeDomain/Library/SMS/sms.db"), "unpacked"),
        (("CameraRollDomain/Media/DCIM/IMG_1.JPG", "AppDomain-org.example/x"), "unpacked"),
    ],
)
def test_what_is_no_backup_as_it_is_is_named(tmp_path: Path, names: tuple[str, ...], says: str) -> None:
    folder = tmp_path / "old"
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")
    before = tree_of(tmp_path)
    with pytest.raises(NotABackup, match=says) as told:
        Backup.open(folder)
    assert told.value.exit_code == ExitCode.NOT_A_BACKUP
    assert "make a new backup" not in told.value.hint
    assert tree_of(tmp_path) == before
