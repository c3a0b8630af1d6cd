"""What a bug report needs to know about this installation, and nothing about whose it is.

No name, no UDID, no user, no folder that someone named: a path is shown only where it is the default.
"""

import contextlib
import os
import platform
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path, PurePath

from ibackup import __version__
from ibackup.base import programs
from ibackup.base.counts import count_text
from ibackup.base.disks import file_system
from ibackup.base.errors import IbackupError
from ibackup.config import config_file
from ibackup.config.config_schema import DEFAULT_STORE, Config
from ibackup.copies import rclone_program, restic_program
from ibackup.device.mux.usbmux import ADDRESS_VARIABLE, NoUsbmuxd, Usbmux, parse_address

_UNKNOWN = "unknown"
_USUAL = {"Users", "Volumes", "home", "media", "mnt", "opt", "run", "srv", "tmp", "var"}
"""Folders of a system, whose names say nothing about its user."""


@dataclass(frozen=True, slots=True)
class BugReport:
    """What ``ibackup --version --verbose`` says.

    Attributes:
        installed_by: what installed it, in a few words.
        packages: the version of each that ibackup asks for; None if it is not installed.
        usbmuxd: whether the service that talks to phones answers, and how many it knows.
        tools: the version of each program of others that ibackup can use; None if it is not here.
    """

    ibackup: str
    installed_by: str
    python: str
    system: str
    text: str
    packages: Mapping[str, str | None]
    usbmuxd: str
    config: str
    store: str
    tools: Mapping[str, str | None]


def bug_report(config_option: str | None = None, store_option: str | None = None) -> BugReport:
    """Look around; whatever is missing or damaged becomes a word in the report.

    Args:
        config_option: the config file, if it was named.
        store_option: the store, if it was named.
    """
    config, config_text = _config(config_option)
    return BugReport(
        ibackup=__version__,
        installed_by=programs.installed_by(),
        python=f"{platform.python_implementation()} {platform.python_version()}, {platform.architecture()[0]}",
        system=_system(),
        text=f"{getattr(sys.stdout, 'encoding', None) or 'none'}, file names {sys.getfilesystemencoding()}",
        packages=_packages(),
        usbmuxd=_usbmuxd(),
        config=config_text,
        store=_store(store_option, config),
        tools={
            "restic": _tool(restic_program.find_restic, restic_program.version_of),
            "rclone": _tool(rclone_program.find_rclone, rclone_program.version_of),
        },
    )


def _system() -> str:
    """The system with its version, the kernel, and the processor's kind."""
    name = f"{platform.system()} {platform.release()}"
    if sys.platform == "darwin":
        name = f"macOS {platform.mac_ver()[0]}"
    elif sys.platform == "win32":
        name = f"Windows {platform.release()} ({platform.version()})"
    else:
        with contextlib.suppress(OSError, KeyError):  # not every system has the file
            name = f"{platform.freedesktop_os_release()['PRETTY_NAME']}, {name}"
    return f"{name}, {platform.machine() or _UNKNOWN}"


def _packages() -> dict[str, str | None]:
    try:
        asked = requires("ibackup") or []
    except PackageNotFoundError:  # run from a folder, without an installation
        asked = ["pymobiledevice3"]
    names = {_name_of(text) for text in asked}
    return {name: _version_of(name) for name in sorted(names)}


def _name_of(requirement: str) -> str:
    end = next((at for at, char in enumerate(requirement) if not (char.isalnum() or char in "-_.")), None)
    return requirement[:end]


def _version_of(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _usbmuxd() -> str:
    where = f" at the address in {ADDRESS_VARIABLE}" if os.environ.get(ADDRESS_VARIABLE) else ""
    try:
        found = Usbmux(parse_address()).devices()
    except NoUsbmuxd:
        return f"does not answer{where}"
    except (IbackupError, OSError) as error:
        return f"fails{where}: {type(error).__name__}"
    cables = sum(each.connection == "USB" for each in found)
    return f"answers{where}; {count_text(cables, 'phone')} by cable, {len(found) - cables} over the network"


def _config(option: str | None) -> tuple[Config | None, str]:
    """The config, if it can be used, and the words about it."""
    default = config_file.default_path()
    path = Path(option) if option else default
    place = _place(path, default)
    try:
        config = config_file.load(option)
    except (IbackupError, OSError, RuntimeError):
        return None, f"{place}, with an error: `ibackup config check` says which"
    return config, place if config.path else f"{place}, not there"


def _store(option: str | None, config: Config | None) -> str:
    if config is None and not option and not os.environ.get("IBACKUP_STORE"):
        return "unknown, because of the config file"
    try:
        path = config_file.store_path(option, config or Config())
        place = _place(path, Path(DEFAULT_STORE).expanduser())
        if not path.is_dir():
            return f"{place}, not there"
        writable = os.access(path, os.W_OK)
    except (IbackupError, OSError, RuntimeError) as error:
        return f"cannot be looked at: {type(error).__name__}"
    return f"{place}, on {file_system(path) or 'an unknown file system'}{'' if writable else ', read-only'}"


def _place(path: Path, default: Path) -> str:
    """Where something is: in full if it is where it is by default, else only below what."""
    try:
        home = Path.home()
    except RuntimeError:
        home = Path("/nonexistent")
    if path.is_relative_to(home):
        return f"~{os.sep}{path.relative_to(home)}" if path == default else "elsewhere in the home folder"
    return f"elsewhere{_below(path.absolute())}"


def _below(path: PurePath) -> str:
    if path.drive:
        return ", on a network share" if path.drive.startswith("\\\\") else f", on {path.drive}"
    first = path.parts[1] if len(path.parts) > 1 else ""
    return f", below /{first}" if first in _USUAL else ""


def _tool(find: Callable[[], str], version_of: Callable[[str], tuple[int, int, int]]) -> str | None:
    try:
        program = find()
    except IbackupError:
        return None
    try:
        return ".".join(map(str, version_of(program)))
    except IbackupError:
        return "found, but not usable: `ibackup setup --check` says why"
