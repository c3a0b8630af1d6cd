"""What someone names as a backup and that is none: it is recognised, and the next command is said."""

import shutil
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from ibackup.apple.backup import Backup
from ibackup.base.errors import NotABackup
from ibackup.base.exit_codes import ExitCode
from support.minted import UDID, Mint, Minted


def store(top: Path, made: Minted) -> Path:
    """A store with a snapshot, as far as its names tell."""
    snapshot = top / "a store" / UDID / "snapshots" / "20261130T120000Z"
    snapshot.mkdir(parents=True)
    (top / "a store" / "store.json").touch()
    (snapshot / "snapshot.json").touch()
    shutil.copytree(made.folder, snapshot / UDID)
    return top / "a store"


def zipped(top: Path, made: Minted) -> Path:
    with zipfile.ZipFile(top / "x", "w") as target:
        target.write(made.folder / "Manifest.db", "Manifest.db")
    return top / "x"


def tarred(top: Path, made: Minted, mode: str = "") -> Path:
    with tarfile.open(top / "x", f"w{mode}") as target:  # type: ignore[call-overload]
        target.add(made.folder, "backup")
    return top / "x"


def copies(top: Path, made: Minted) -> Path:
    kept = store(top, made) / UDID / "snapshots"
    (top / "copied").mkdir()
    kept.rename(top / "copied" / "all of them")
    return top / "copied" / "all of them"


CASES: dict[str, tuple[Callable[[Path, Minted], Path], str, str]] = {
    "a store": (store, "a store of ibackup", "--store '"),
    "a phone in it": (lambda top, made: store(top, made) / UDID, "one phone in a store", f"--udid {UDID}"),
    "its snapshots": (lambda top, made: store(top, made) / UDID / "snapshots", "keeps the snapshots", UDID),
    "the disk of a store": (
        lambda top, made: store(top, made).parent,
        "with a store of ibackup in it",
        "--store '",
    ),
    "copied snapshots": (copies, "with snapshots of ibackup in it", "20261130T120000Z"),
    "a zip": (zipped, "a zip archive", "Unpack it"),
    "a tar": (tarred, "a tar archive", "Unpack it"),
    "a tar.gz": (lambda top, made: tarred(top, made, ":gz"), "a gzip archive", "Unpack it"),
    "a tar.xz": (lambda top, made: tarred(top, made, ":xz"), "an xz archive", "Unpack it"),
    "its list": (lambda _, made: made.folder / "Manifest.db", "a file of a backup", UDID),
    "a part": (lambda _, made: next(made.folder.glob("??")), "only part of a backup", UDID),
}


@pytest.mark.parametrize("case", CASES)
def test_it_is_recognised(mint: Mint, tmp_path: Path, case: str) -> None:
    make, what, hint = CASES[case]
    top = tmp_path / "top"
    top.mkdir()
    named = make(top, mint())
    with pytest.raises(NotABackup) as told:
        Backup.open(named)
    assert told.value.exit_code == ExitCode.NOT_A_BACKUP
    assert what in told.value.message
    assert hint in told.value.hint


def test_the_only_backup_of_finder_is_meant_by_the_folders_around_it(mint: Mint, tmp_path: Path) -> None:
    kept = tmp_path / "MobileSync" / "Backup"
    kept.mkdir(parents=True)
    mint().folder.rename(kept / UDID)
    for named in (kept, kept.parent):
        with Backup.open(named) as backup:
            assert backup.path == str(kept / UDID)
    mint().folder.rename(kept / "another")
    with pytest.raises(NotABackup, match="2 backups"):
        Backup.open(kept.parent)


@pytest.mark.parametrize("name", ["manifest.db", "MANIFEST.PLIST", "Manifest (1).db", "Manifest.db.bak"])
def test_a_backup_whose_files_were_renamed_is_reported_from_any_folder(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"x")
    with pytest.raises(NotABackup, match="files were renamed") as caught:
        Backup.open(tmp_path)
    true = "Manifest.plist" if "plist" in name.lower() else "Manifest.db"
    assert f"was {true}." in caught.value.hint


def test_a_list_under_another_name_is_pointed_out(mint: Mint) -> None:
    made = mint(None)
    (made.folder / "Manifest.db").rename(made.folder / "Manifest (1).db")
    with (
        Backup.open(made.folder) as found,
        pytest.raises(NotABackup, match=r"'Manifest \(1\)\.db' may be it"),
    ):
        found.refuse_without_list()
