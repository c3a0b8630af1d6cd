"""Unsuitable places for a store: folders that a service copies elsewhere, and folders that others can read."""

import contextlib
import json
import os
import stat
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from ibackup.store.disk import windows_access

_SMALL_FILE: Final = 1 << 20

# Folders in the user's home that a service synchronizes; the name may continue after a dash, a space or a
# dot.
_IN_HOME: Final = {
    "Dropbox": "Dropbox",
    "OneDrive": "OneDrive",
    "Google Drive": "Google Drive",
    "GoogleDrive": "Google Drive",
    "iCloudDrive": "iCloud Drive",
    "Nextcloud": "Nextcloud",
    "ownCloud": "ownCloud",
}
_GO_ON: Final = ("", " ", "-", ".")


def synced_by(path: str, environ: Mapping[str, str] = os.environ) -> str:
    """The name of the service that synchronizes a folder with other places; empty if none is known.

    Args:
        path: absolute, links resolved.
        environ: names the user's home, and on Windows other folders.
    """
    above = _with_parents(path)
    for folder, service in (*_of_apple(environ), *_named(environ), *_of_dropbox(environ)):
        if os.path.realpath(folder) in above:
            return service
    home = _home(environ)
    for folder in above:
        if os.path.dirname(folder) == home:
            for name, service in _IN_HOME.items():
                rest = os.path.basename(folder).removeprefix(name)
                if rest != os.path.basename(folder) and (not rest or rest[0] in _GO_ON):
                    return service
        for sign, service in _SIGNS:
            if sign(folder):
                return service
    return ""


def read_by_others(path: str, phones: list[str]) -> bool:
    """Whether other users of the computer can reach the files of a store, through its folder and a phone's folder.

    Args:
        path: the store.
        phones: the folders of the phones in it.
    """
    if sys.platform == "win32":
        return bool(windows_access.others(path))
    with contextlib.suppress(OSError):  # a missing permission is reported elsewhere
        return _is_open(path) and any(_is_open(phone) for phone in phones)
    return False


def _is_open(path: str) -> bool:
    return bool(stat.S_IMODE(os.stat(path).st_mode) & 0o055)


def _with_parents(path: str) -> list[str]:
    """A folder and all folders above it, the nearest first."""
    found = [path]
    while (parent := os.path.dirname(found[-1])) != found[-1]:
        found.append(parent)
    return found


def _home(environ: Mapping[str, str]) -> str:
    home = environ.get("HOME") or environ.get("USERPROFILE") or os.path.expanduser("~")
    return os.path.realpath(home)


def _of_apple(environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Folders in iCloud Drive, and the folders of all other sync services on a Mac."""
    library = os.path.join(_home(environ), "Library")
    drive = os.path.join(library, "Mobile Documents")
    for name in ("Desktop", "Documents"):
        # They are there while "Desktop & Documents Folders" is switched on.
        if os.path.lexists(os.path.join(drive, "com~apple~CloudDocs", name)):
            yield os.path.join(_home(environ), name), "iCloud Drive"
    yield drive, "iCloud Drive"
    providers = os.path.join(library, "CloudStorage")
    with contextlib.suppress(OSError):  # on most computers there is none
        for name in os.listdir(providers):
            yield os.path.join(providers, name), name.partition("-")[0]


def _named(environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for name in ("OneDrive", "OneDriveConsumer", "OneDriveCommercial"):
        if environ.get(name):
            yield environ[name], "OneDrive"


def _of_dropbox(environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Folders of Dropbox, which records where they are."""
    places = [os.path.join(_home(environ), ".dropbox")]
    places += [
        os.path.join(environ[name], "Dropbox") for name in ("APPDATA", "LOCALAPPDATA") if environ.get(name)
    ]
    for place in places:
        # No content of that file is a reason not to make a backup.
        with contextlib.suppress(OSError, ValueError), open(os.path.join(place, "info.json"), "rb") as source:
            accounts = json.loads(source.read(_SMALL_FILE))
            if isinstance(accounts, dict):
                for account in accounts.values():
                    if isinstance(account, dict) and isinstance(account.get("path"), str):
                        yield account["path"], "Dropbox"


def _holds(*names: str) -> Callable[[str], bool]:
    return lambda folder: any(os.path.lexists(os.path.join(folder, name)) for name in names)


def _is_dropbox(folder: str) -> bool:
    # In the user's home, a folder of this name contains only the program's settings.
    return os.path.isfile(os.path.join(folder, ".dropbox")) or _holds(".dropbox.cache")(folder)


def _is_nextcloud(folder: str) -> bool:
    if _holds(".nextcloudsync.log", ".owncloudsync.log")(folder):
        return True
    try:
        with os.scandir(folder) as entries:
            return any(
                entry.name.startswith((".sync_", "._sync_")) and entry.name.endswith(".db")
                for entry in entries
            )
    except OSError:
        return False


# What a service leaves at the top of a folder that it synchronizes, wherever that is.
_SIGNS: Final[tuple[tuple[Callable[[str], bool], str], ...]] = (
    (_holds(".stfolder"), "Syncthing"),
    (_is_dropbox, "Dropbox"),
    (_is_nextcloud, "Nextcloud"),
    (_holds(".tmp.driveupload", ".tmp.drivedownload"), "Google Drive"),
)


def dangling(path: str) -> str | None:
    """A broken link in a path, as part of a sentence, or None."""
    folder, last = os.path.abspath(path), ""
    while folder != last:
        if os.path.islink(folder) and not os.path.exists(folder):
            return f"{folder!r} is a link to {os.readlink(folder)!r}, which does not exist"
        folder, last = os.path.dirname(folder), folder
    return None
