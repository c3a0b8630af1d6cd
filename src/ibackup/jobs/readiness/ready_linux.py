"""What Linux needs: usbmuxd with its udev rule, access to its socket, and a scheduler for the nights."""

import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

from ibackup.device.mux.usbmux import parse_address
from ibackup.jobs.readiness.check_result import ComputerCheck
from ibackup.jobs.schedule.cron import Cron, is_running
from ibackup.jobs.schedule.systemd import Systemd, is_lingering

NO_USBMUXD = ComputerCheck(
    "usbmuxd",
    "advice",
    "Its udev rule starts it when you plug in a phone. With a phone connected, it must answer.",
    ("sudo systemctl start usbmuxd",),
)
_RULES = ("etc/udev/rules.d", "run/udev/rules.d", "usr/lib/udev/rules.d", "lib/udev/rules.d")
_INSTALL = {
    "debian": "sudo apt install {}",
    "ubuntu": "sudo apt install {}",
    "fedora": "sudo dnf install {}",
    "rhel": "sudo dnf install {}",
    "arch": "sudo pacman -S --needed {}",
    "suse": "sudo zypper install {}",
    "alpine": "sudo apk add {}",
}
_WATCH_IN_CONTAINER = "run/ibackup/services/watch"
"""A service that container/start makes; the file ``waiting`` in it says that it ended and is started again later."""
_CRON = {"fedora": "cronie", "rhel": "cronie", "arch": "cronie"}


def before(root: Path = Path("/")) -> Iterator[ComputerCheck]:
    """The program usbmuxd and its udev rule.

    Args:
        root: the folder that contains the system's files.
    """
    yield _program(root)
    yield _udev_rule(root)
    yield from _socket()


def after(root: Path = Path("/")) -> Iterator[ComputerCheck]:
    """The scheduler for the nights, and whether it runs while nobody is logged in; nothing in our own container."""
    if watch_of_container(root) is not None:
        return
    if not Systemd().missing():
        yield _lingering()
    elif Cron().missing():
        yield ComputerCheck(
            "scheduler",
            "missing",
            "There is neither a systemd user manager nor cron, so nothing can start backups automatically.",
            (_install(root, "cron"),),
        )
    else:
        yield _cron_daemon(root)


def watch_of_container(root: Path = Path("/")) -> bool | None:
    """Whether `ibackup watch` runs in ibackup's own container, which keeps it running; None elsewhere."""
    service = root / _WATCH_IN_CONTAINER
    return not (service / "waiting").exists() if service.is_dir() else None


def _program(root: Path) -> ComputerCheck:
    path = os.pathsep.join(str(root / each) for each in ("usr/sbin", "usr/bin", "usr/local/sbin", "sbin"))
    if shutil.which("usbmuxd", path=path):
        return ComputerCheck("usbmuxd program", "good", "usbmuxd is installed.")
    if os.environ.get("USBMUXD_SOCKET_ADDRESS"):
        return ComputerCheck("usbmuxd program", "good", f"Another one is used, at {parse_address()}.")
    return ComputerCheck(
        "usbmuxd program", "missing", "usbmuxd is not installed.", (_install(root, "usbmuxd"),)
    )


def _udev_rule(root: Path) -> ComputerCheck:
    found = [rule for folder in _RULES for rule in (root / folder).glob("*usbmuxd*.rules")]
    if found:
        return ComputerCheck("udev rule", "good", f"usbmuxd starts when you plug in a phone ({found[0]}).")
    if os.environ.get("USBMUXD_SOCKET_ADDRESS"):
        return ComputerCheck("udev rule", "good", "Not needed, because usbmuxd is used at another address.")
    return ComputerCheck(
        "udev rule",
        "missing",
        "The udev rule that starts usbmuxd when you plug in a phone is missing. It is part of the usbmuxd package.",
        (_install(root, "usbmuxd"), "sudo udevadm control --reload"),
    )


def _socket() -> Iterator[ComputerCheck]:
    """Whether this user may use usbmuxd's socket, or which group may; nothing without a socket."""
    path = parse_address().path
    try:
        facts = os.stat(path) if path else None
    except OSError:
        return
    if facts is None or not stat.S_ISSOCK(facts.st_mode):
        return
    if os.access(path, os.R_OK | os.W_OK):
        yield ComputerCheck("group", "good", "You may talk to usbmuxd.")
        return
    name = _group(facts.st_gid)
    if facts.st_mode & 0o060 == 0o060:
        yield ComputerCheck(
            "group",
            "missing",
            f"Only the group {name} may talk to usbmuxd ({path}). Run the command, then log out and in again.",
            (f"sudo usermod --append --groups {name} {_user()}",),
        )
    else:
        yield ComputerCheck(
            "group",
            "missing",
            f"Only its owner may talk to usbmuxd ({path}).",
            (f"sudo chmod 666 {path}",),
        )


def _group(number: int) -> str:
    import grp

    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)


def _user() -> str:
    import getpass

    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return '"$USER"'


def _lingering() -> ComputerCheck:
    if is_lingering():
        return ComputerCheck("lingering", "good", "Your timers run while you are not logged in.")
    return ComputerCheck(
        "lingering",
        "advice",
        "Your timers and services end when you log out. On a server or a Raspberry Pi, run this:",
        ("loginctl enable-linger",),
    )


def _cron_daemon(root: Path) -> ComputerCheck:
    if is_running(root):
        return ComputerCheck("cron", "good", "cron runs.")
    return ComputerCheck(
        "cron", "missing", "cron is installed but not running.", ("sudo service cron start",)
    )


def _install(root: Path, package: str) -> str:
    """The command that installs a package on this distribution."""
    try:
        text = (root / "etc" / "os-release").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        text = ""
    said = dict(line.partition("=")[::2] for line in text.splitlines())
    kinds = [said.get("ID", ""), *said.get("ID_LIKE", "").strip("\"'").split()]
    for kind in (each.strip("\"'").partition("-")[0] for each in kinds):
        if kind in _INSTALL or kind == "opensuse":
            name = _CRON.get(kind, package) if package == "cron" else package
            return _INSTALL["suse" if kind == "opensuse" else kind].format(name)
    return _INSTALL["debian"].format(package)
