"""Importing a backup that lost Info.plist or Status.plist: its data is all there, and the two can be made again."""

import os
import plistlib
from collections.abc import Callable
from pathlib import Path

import pytest

from ibackup.apple.backup import Backup
from ibackup.apple.verify.findings import Level
from ibackup.base.errors import DamageFound, NotABackup, PasswordNeeded
from ibackup.jobs.proving.backup_proof import prove
from ibackup.jobs.restore import backup_contents
from ibackup.store.store import Store
from ibackup.vault.unlocker import Unlocker
from jobs.keeping.test_adopting import assert_nothing_left, take
from support.minted import UDID, Mint
from support.runs import PASSWORD, Told

FLAWS: dict[str, Callable[[Path], object]] = {
    "missing": lambda path: path.unlink(),
    "empty": lambda path: path.write_bytes(b""),
    "zeros": lambda path: path.write_bytes(bytes(400)),
    "cut": lambda path: os.truncate(path, 60),
}


@pytest.fixture
def mint(tmp_path: Path) -> Mint:
    return Mint(tmp_path)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("IBACKUP_STATE_DIR", str(tmp_path / "state"))
    return Store.open(tmp_path / "store")


@pytest.mark.parametrize("flaw", FLAWS)
@pytest.mark.parametrize("name", ["Info.plist", "Status.plist"])
def test_it_is_made_from_the_rest(store: Store, mint: Mint, name: str, flaw: str) -> None:
    minted = mint()
    FLAWS[flaw](minted.folder / name)
    told = Told()
    snapshot = take(store, minted.folder, told).snapshot
    assert any(name in text and "No data is lost" in text for text in told.cautions)
    assert prove(snapshot.backup_path, Level.DEEP, snapshot=snapshot).good
    with Backup.open(snapshot.backup_path) as backup:
        assert backup.status.is_finished
        lockdown = backup.manifest.lockdown
        assert backup.info.target_identifier == UDID
        assert backup.info.product_version == lockdown.product_version
        assert backup.info.serial_number == lockdown.serial_number
    values = plistlib.loads((Path(snapshot.backup_path) / name).read_bytes())
    assert values.get("SnapshotState", "finished") == "finished"


def test_without_a_state_someone_must_say_that_nobody_is_writing(store: Store, mint: Mint) -> None:
    minted = mint()
    (minted.folder / "Status.plist").unlink()
    os.utime(minted.folder / "Info.plist", (1_700_000_000, 1_700_000_000))
    with pytest.raises(DamageFound, match="its files are not") as told:
        take(store, minted.folder, settled=False)
    assert "--settled" in told.value.hint
    assert_nothing_left(store)


def test_without_a_state_and_a_password_nobody_knows_whether_all_is_there(store: Store, mint: Mint) -> None:
    minted = mint(PASSWORD)
    (minted.folder / "Status.plist").unlink()
    with pytest.raises(PasswordNeeded, match="whether the backup is complete"):
        take(store, minted.folder)
    assert_nothing_left(store)
    assert (
        take(store, minted.folder, unlocker=Unlocker(lambda _: PASSWORD)).snapshot.meta.checked == "manifest"
    )


def test_without_a_state_a_file_that_is_missing_is_damage(store: Store, mint: Mint) -> None:
    minted = mint()
    (minted.folder / "Status.plist").unlink()
    minted.blob("CameraRollDomain", "Media/DCIM/100APPLE/IMG_0001.HEIC").unlink()
    with pytest.raises(DamageFound):
        take(store, minted.folder)
    assert_nothing_left(store)


def test_a_phone_wants_one_and_import_makes_it(store: Store, mint: Mint) -> None:
    """Nothing is sent to a phone that the backup does not hold: what is made is made once, by import."""
    minted = mint()
    (minted.folder / "Info.plist").unlink()
    with Backup.open(minted.folder) as backup, pytest.raises(NotABackup) as told:
        backup_contents.read(backup)
    assert "ibackup import" in told.value.hint
    with Backup.open(take(store, minted.folder).snapshot.backup_path) as backup:
        assert backup_contents.read(backup).udid == UDID


def test_one_of_apple_devices_on_windows(store: Store, mint: Mint) -> None:
    """It has no iTunes version, and keys of its own: nothing of it is missed, and nothing of it is changed."""
    minted = mint()
    path = minted.folder / "Info.plist"
    values = plistlib.loads(path.read_bytes()) | {
        "Devices Version": "1.1.0.0",
        "Windows OS Version": "10.0.22631",
        "Product Name": "iPhone 12",
        "Unique Identifier": UDID.upper(),
        "GUID": "0123456789ABCDEF0123456789ABCDEF",
    }
    assert "iTunes Version" not in values
    data = plistlib.dumps(values)
    path.write_bytes(data)
    assert prove(str(minted.folder), Level.DEEP).summary.notes == 0
    told = Told()
    snapshot = take(store, minted.folder, told).snapshot
    assert not told.cautions
    assert (Path(snapshot.backup_path) / "Info.plist").read_bytes() == data
    with Backup.open(snapshot.backup_path) as backup:
        assert backup.info.product_name == "iPhone 12"
        assert backup_contents.read(backup).ios_version == "17.1"
