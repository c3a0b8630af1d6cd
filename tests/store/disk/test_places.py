"""Where a store does not belong, and that this is said once and refuses nothing."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from ibackup.base.errors import StoreMissing
from ibackup.store.disk.disk_errors import disk_error
from ibackup.store.disk.unsuitable_places import synced_by
from ibackup.store.records.used_stores import KnownStores
from ibackup.store.store import Store
from store.lab import UDID, Listener

Make = Callable[[Path], Path]


def inside(*parts: str) -> Make:
    return lambda home: home.joinpath(*parts)


def marked(folder: str, *sign: str, is_dir: bool = False) -> Make:
    """A folder outside of the user's own, with a service's sign at its top."""

    def make(home: Path) -> Path:
        top = home.parent / folder
        (top / "a" / "b").mkdir(parents=True)
        mark = top.joinpath(*sign)
        if is_dir:
            mark.mkdir()
        else:
            mark.write_bytes(b"")
        return top / "a" / "b"

    return make


def desktop_in_icloud(home: Path) -> Path:
    (home / "Library" / "Mobile Documents" / "com~apple~CloudDocs").mkdir(parents=True)
    (home / "Library" / "Mobile Documents" / "com~apple~CloudDocs" / "Desktop").symlink_to(home / "Desktop")
    return home / "Desktop" / "ibackup"


def moved_dropbox(home: Path) -> Path:
    (home / ".dropbox").mkdir()
    (home / ".dropbox" / "info.json").write_text(
        json.dumps({"personal": {"path": str(home.parent / "Box")}, "host": 1})
    )
    return home.parent / "Box" / "backups"


def cloud_storage(home: Path) -> Path:
    (home / "Library" / "CloudStorage" / "GoogleDrive-me@example.org" / "My Drive").mkdir(parents=True)
    return home / "Library" / "CloudStorage" / "GoogleDrive-me@example.org" / "My Drive" / "ibackup"


SYNCED: dict[str, tuple[Make, str]] = {
    "icloud": (inside("Library", "Mobile Documents", "com~apple~CloudDocs", "ibackup"), "iCloud Drive"),
    "desktop": (desktop_in_icloud, "iCloud Drive"),
    "mac": (cloud_storage, "GoogleDrive"),
    "windows icloud": (inside("iCloudDrive", "ibackup"), "iCloud Drive"),
    "dropbox": (inside("Dropbox", "ibackup"), "Dropbox"),
    "dropbox of a firm": (inside("Dropbox (Acme)"), "Dropbox"),
    "dropbox moved": (moved_dropbox, "Dropbox"),
    "dropbox sign": (marked("x", ".dropbox"), "Dropbox"),
    "dropbox cache": (marked("x", ".dropbox.cache", is_dir=True), "Dropbox"),
    "onedrive": (inside("OneDrive", "ibackup"), "OneDrive"),
    "onedrive of a firm": (inside("OneDrive - Acme", "ibackup"), "OneDrive"),
    "google": (inside("Google Drive"), "Google Drive"),
    "google sign": (marked("x", ".tmp.driveupload", is_dir=True), "Google Drive"),
    "nextcloud": (marked("cloud", ".sync_0a1b2c.db"), "Nextcloud"),
    "nextcloud log": (marked("cloud", ".nextcloudsync.log"), "Nextcloud"),
    "syncthing": (marked("Sync", ".stfolder", is_dir=True), "Syncthing"),
}


def settings(text: bytes) -> Make:
    """The folder where Dropbox keeps its settings, with what it may say about where its own folders are."""

    def make(home: Path) -> Path:
        (home / ".dropbox").mkdir()
        (home / ".dropbox" / "info.json").write_bytes(text)
        return home / "ibackup"

    return make


NOT_SYNCED: dict[str, Make] = {
    "plain": inside("ibackup"),
    "desktop": inside("Desktop", "ibackup"),
    "a like name": inside("Dropboxes", "ibackup"),
    "deeper": inside("old", "Dropbox", "ibackup"),
    "settings": settings(b"{}"),
    "nonsense": settings(b'{"personal": {"path": 7}}'),
    "no JSON": settings(b"{"),
}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    path = tmp_path / "home"
    path.mkdir()
    return path


@pytest.mark.parametrize("place", SYNCED)
def test_folders_that_are_kept_in_step(home: Path, place: str) -> None:
    make, service = SYNCED[place]
    path = make(home)
    assert synced_by(os.path.realpath(path), {"HOME": str(home)}).startswith(service.split(" ")[0])


@pytest.mark.parametrize("place", NOT_SYNCED)
def test_folders_that_are_not(home: Path, place: str) -> None:
    path = NOT_SYNCED[place](home)
    assert synced_by(os.path.realpath(path), {"HOME": str(home)}) == ""


def test_where_windows_names_it(tmp_path: Path) -> None:
    environ = {"HOME": str(tmp_path / "home"), "OneDriveCommercial": str(tmp_path / "work")}
    assert synced_by(str(tmp_path / "work" / "ibackup"), environ) == "OneDrive"


def test_it_is_said_once_a_run_and_refuses_nothing(
    home: Path, known: KnownStores, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(home))
    Store.open(home / "Dropbox" / "ibackup", known=known, observer=listener)
    (text,) = listener.cautions
    assert "Dropbox" in text
    listener.events.clear()
    Store.open(home / "Dropbox" / "ibackup", known=known, observer=listener, create=False)
    assert listener.events == [], "who only reads is not told"


@pytest.mark.skipif(os.name != "posix", reason="modes")
@pytest.mark.parametrize(
    ("store_mode", "phone_mode", "told"),
    [(0o755, 0o755, True), (0o750, 0o750, True), (0o755, 0o700, False), (0o700, 0o755, False)],
)
def test_a_store_that_others_can_read(
    home: Path, known: KnownStores, listener: Listener, store_mode: int, phone_mode: int, told: bool
) -> None:
    path = home / "store"
    Store.open(path, known=known).phone(UDID).make()
    path.chmod(store_mode)
    (path / UDID).chmod(phone_mode)
    Store.open(path, known=known, observer=listener)
    assert [text for text in listener.cautions if "can read" in text] == listener.cautions
    assert bool(listener.cautions) is told


@pytest.mark.skipif(os.name != "posix", reason="links need rights on Windows")
@pytest.mark.parametrize("below", ["", "backups"])
def test_a_link_to_a_disk_that_is_away_is_no_place_for_a_store(tmp_path: Path, below: str) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "mnt" / "disk")
    with pytest.raises(StoreMissing, match=r"is a link to .*, which does not exist"):
        Store.open(tmp_path / "link" / below, known=KnownStores(str(tmp_path / "state")))
    assert not (tmp_path / "mnt").exists()
    (tmp_path / "mnt" / "disk").mkdir(parents=True)
    assert Store.open(tmp_path / "link" / below, known=KnownStores(str(tmp_path / "state"))).id


def test_what_may_not_be_read_is_not_told_as_what_may_not_be_written() -> None:
    forbidden = PermissionError(13, "Permission denied", "/store")
    assert (
        disk_error("It could not be read.", forbidden, reading=True).why
        == "You do not have permission to read it ('/store')."
    )
    assert (
        disk_error("It could not be written.", forbidden).why == "You do not have permission to write there."
    )
