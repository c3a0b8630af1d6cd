"""The tree itself, without a system to show it: names fit for every system, and a backup that cannot be opened."""

from pathlib import Path

import pytest

from explore.taking import PASSWORD
from ibackup.explore.opening import SnapshotTarget
from ibackup.explore.target_names import NameRules
from ibackup.mount.fuse_face import mount_options
from ibackup.mount.mount_nodes import FixedFolder, MountedFile, text_file
from ibackup.mount.mounted_backup import MountedBackup, OpenBackups
from ibackup.mount.path_lookup import PathLookup
from ibackup.vault.unlocker import Unlocker
from support.minted import Mint, Spec


def test_names_are_fit_for_every_system_and_each_file_stays(tmp_path: Path) -> None:
    names = ["CASE", "case", "a:b", "CON", "dot.", "x" * 300, "tab\there"]
    minted = Mint(tmp_path)(specs=[Spec("HomeDomain", f"L/{name}", name.encode()) for name in names])
    with OpenBackups(Unlocker(), NameRules.everywhere(), links=False, own_links=False) as opens:
        lookup = PathLookup(MountedBackup(opens, SnapshotTarget(str(minted.folder)), None))
        shown = lookup.children("/Files/HomeDomain/L") or {}
        assert {"CASE", "case (2)", "a_b", "_CON", "dot_", "tab_here"} <= set(shown)
        found = set()
        for name in shown:
            node = lookup.find(f"/Files/HomeDomain/L/{name}")
            assert isinstance(node, MountedFile)
            with node.open() as stream:
                found.add(stream.read().decode())
        assert found == set(names)
        for path in ("/Files/../Files", "/Files/HomeDomain/L/..", "/none/x", "/Files/HomeDomain/L/CASE/x"):
            assert lookup.find(path) is None


def test_the_newest_snapshot_is_the_newest_also_after_another_backup(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ibackup.mount.path_lookup._FRESH_S", 0.0)
    made = [FixedFolder(number, lambda number=number: {f"{number}": text_file("", 0)}) for number in (1, 2)]  # type: ignore[misc]
    newest = made[0]
    phone = FixedFolder(0, lambda: {"latest": newest})
    lookup = PathLookup(FixedFolder(0, lambda: {"ann": phone}), changing=1)
    assert set(lookup.children("/ann/latest") or {}) == {"1"}
    newest = made[1]
    assert lookup.find("/ann/latest/1") is None
    assert set(lookup.children("/ann/latest") or {}) == {"2"}


def test_a_backup_that_cannot_be_opened_says_why(tmp_path: Path) -> None:
    minted = Mint(tmp_path)(PASSWORD, specs=[Spec("HomeDomain", "a", b"a")])
    with OpenBackups(Unlocker(), NameRules(), links=False, own_links=True) as opens:
        lookup = PathLookup(MountedBackup(opens, SnapshotTarget(str(minted.folder)), None))
        [(name, node)] = (lookup.children("/") or {}).items()
        assert name == "This backup could not be opened.txt"
        assert isinstance(node, MountedFile)
        assert b"encrypted" in node.open().read()


def test_on_windows_the_files_belong_to_the_user_who_mounts() -> None:
    assert mount_options("win32").items() >= {"uid": -1, "gid": -1, "ro": True}.items()
    assert not {"uid", "allow_other"} & {*mount_options("linux"), *mount_options("darwin")}
