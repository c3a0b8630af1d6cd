"""What Linux needs: usbmuxd with its udev rule, the right to its socket, and something that starts the night."""

import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

from ibackup.device import parse_address
from ibackup.readiness.types import Check
from ibackup.scheduling.cron import Cron
from ibackup.scheduling.systemd import Systemd, is_lingering

NO_USBMUXD = Check(
    "usbmuxd",
    "advice",
    "Its udev rule starts it when a phone is plugged in; with a phone connected it must answer.",
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
_CRON = {"fedora": "cronie", "rhel": "cronie", "arch": "cronie"}


def before(root: Path = Path("/")) -> Iterator[Check]:
    """The program usbmuxd and its udev rule.

    Args:
        root: below which the system's files are.
    """
    yield _program(root)
    yield _udev_rule(root)
    yield from _socket()


def after(root: Path = Path("/")) -> Iterator[Check]:
    """What starts the nights, and whether it does so while nobody is logged in."""
    if not Systemd().missing():
        yield _lingering()
    elif Cron().missing():
        yield Check(
            "scheduler",
            "missing",
            "There is neither a systemd user manager nor cron; nothing could start backups by itself.",
            (_install(root, "cron"),),
        )
    else:
        yield _cron_daemon(root)


def _program(root: Path) -> Check:
    path = os.pathsep.join(str(root / each) for each in ("usr/sbin", "usr/bin", "usr/local/sbin", "sbin"))
    if shutil.which("usbmuxd", path=path):
        return Check("usbmuxd program", "good", "usbmuxd is installed.")
    if os.environ.get("USBMUXD_SOCKET_ADDRESS"):
        return Check("usbmuxd program", "good", f"Another one is used, at {parse_address()}.")
    return Check("usbmuxd program", "missing", "usbmuxd is not installed.", (_install(root, "usbmuxd"),))


def _udev_rule(root: Path) -> Check:
    found = [rule for folder in _RULES for rule in (root / folder).glob("*usbmuxd*.rules")]
    if found:
        return Check("udev rule", "good", f"usbmuxd is started when a phone is plugged in ({found[0]}).")
    if os.environ.get("USBMUXD_SOCKET_ADDRESS"):
        return Check("udev rule", "good", "Not needed for a usbmuxd at an address of its own.")
    return Check(
        "udev rule",
        "missing",
        "The udev rule that starts usbmuxd when a phone is plugged in is missing; usbmuxd's package brings it.",
        (_install(root, "usbmuxd"), "sudo udevadm control --reload"),
    )


def _socket() -> Iterator[Check]:
    """The group that may talk to usbmuxd, where not everybody may; nothing to say without a socket."""
    path = parse_address().path
    try:
        facts = os.stat(path) if path else None
    except OSError:
        return
    if facts is None or not stat.S_ISSOCK(facts.st_mode):
        return
    if os.access(path, os.R_OK | os.W_OK):
        yield Check("group", "good", "You may talk to usbmuxd.")
        return
    name = _group(facts.st_gid)
    if facts.st_mode & 0o060 == 0o060:
        yield Check(
            "group",
            "missing",
            f"Only the group {name} may talk to usbmuxd ({path}). After the command, log out and in again.",
            (f"sudo usermod --append --groups {name} {_user()}",),
        )
    else:
        yield Check(
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


def _lingering() -> Check:
    if is_lingering():
        return Check("lingering", "good", "Your timers run while you are not logged in.")
    return Check(
        "lingering",
        "advice",
        "Timers and services of yours end when you log out. A server or a Raspberry Pi needs this:",
        ("loginctl enable-linger",),
    )


def _cron_daemon(root: Path) -> Check:
    for name in ("crond.pid", "cron.pid"):
        try:
            process = int((root / "run" / name).read_text(encoding="ascii"))
        except (OSError, ValueError):
            continue
        if (root / "proc" / str(process)).exists():
            return Check("cron", "good", "cron runs.")
    return Check("cron", "missing", "cron is installed and does not run.", ("sudo service cron start",))


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
