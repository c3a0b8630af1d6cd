"""The job that is scheduled: this very installation's ``nightly`` or ``watch``, wherever the system starts it from."""

import os
import sys
from collections.abc import Mapping
from datetime import time

from ibackup.scheduling.types import Job, Program

# What a shell has and a scheduler's own environment has not: where programs are found (a password command), where
# config and state lie, where usbmuxd listens, how text is written, and the way to the desktop and its keychain.
_KEPT = (
    "PATH",
    "HOME",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "USBMUXD_SOCKET_ADDRESS",
    "IBACKUP_STATE_DIR",
    "IBACKUP_PASSWORD_FILE",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
    "XDG_STATE_HOME",
    "XDG_RUNTIME_DIR",
    "DBUS_SESSION_BUS_ADDRESS",
)
_PATHS = ("IBACKUP_STATE_DIR", "IBACKUP_PASSWORD_FILE")  # the job is started in another folder
# Others can read a unit file, a crontab in a backup, a task: no secret goes there.
_SECRET = ("IBACKUP_PASSWORD", "IBACKUP_HEARTBEAT_URL", "IBACKUP_NOTIFY_")


def make_job(
    at: time | None,
    *,
    options: tuple[str, ...] = (),
    password_file: str | None = None,
    environment: Mapping[str, str] = os.environ,
) -> Job:
    """The job for this installation and this user.

    Args:
        at: when it starts every day; None for ``ibackup watch``, which runs all the time.
        options: of the command.
        password_file: whose first line is the password of the backups.
        environment: of the shell in which the schedule is made.
    """
    program: Program = "watch" if at is None else "nightly"
    command = (_python(), "-m", "ibackup", program, *options)
    return Job(at, command, _passed_on(environment), password_file)


def not_passed_on(environment: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """Variables with secrets, which the scheduled job will not have."""
    return tuple(
        sorted(
            name
            for name in environment
            if name == _SECRET[0] or name == _SECRET[1] or name.startswith(_SECRET[2])
        )
    )


def _python() -> str:
    """This interpreter; on Windows the one that opens no window."""
    if sys.platform == "win32":
        windowless = os.path.join(os.path.dirname(sys.executable), "pythonw.exe")
        if os.path.isfile(windowless):
            return windowless
    return sys.executable


def _passed_on(environment: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    kept = {name: environment[name] for name in _KEPT if environment.get(name)}
    if kept.get("HOME") == _home_of_account():
        del kept["HOME"]
    for name in _PATHS:
        if name in kept:
            kept[name] = os.path.abspath(os.path.expanduser(kept[name]))
    if "PATH" in kept:
        kept["PATH"] = _tidied(kept["PATH"])
    runtime = kept.get("XDG_RUNTIME_DIR", "")
    if not _lasts(runtime):
        kept.pop("XDG_RUNTIME_DIR", None)
    if not runtime or not kept.get("DBUS_SESSION_BUS_ADDRESS", "").startswith(f"unix:path={runtime}/bus"):
        kept.pop("DBUS_SESSION_BUS_ADDRESS", None)
    return tuple(kept.items())


def _lasts(runtime: str) -> bool:
    """Whether a runtime folder is the one that each of this user's sessions has, not one that ends with this."""
    return hasattr(os, "getuid") and runtime == f"/run/user/{os.getuid()}"


def _home_of_account() -> str | None:
    try:
        import pwd
    except ImportError:
        return os.environ.get("HOME")  # Windows: tasks have the account's own environment
    try:
        return pwd.getpwuid(os.getuid()).pw_dir
    except KeyError:
        return None


def _tidied(path: str) -> str:
    """Folders that are there, each once: a crontab's line must not be long."""
    folders = dict.fromkeys(each for each in path.split(os.pathsep) if os.path.isabs(each))
    return os.pathsep.join(each for each in folders if os.path.isdir(each))
