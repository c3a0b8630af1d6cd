"""The job that is scheduled: this installation's ``nightly`` or ``watch``, wherever the system starts it from."""

import contextlib
import os
import sys
from collections.abc import Mapping
from datetime import time

from ibackup.base.programs import this_program
from ibackup.config.config_schema import Config
from ibackup.config.value_kinds import MORNING, HoursWindow
from ibackup.jobs.schedule.schedule_types import Program, ScheduledCommand, SchedulerKind

# Variables that a shell has and a scheduler's environment lacks: where to find programs (a password command), config
# and state, and usbmuxd, the text encoding, and how to reach the desktop and its keychain.
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
_PATHS = ("IBACKUP_STATE_DIR", "IBACKUP_PASSWORD_FILE")  # the job starts in another folder
_SETTINGS = ("IBACKUP_PASSWORD_FILE", "IBACKUP_STATE_DIR", "USBMUXD_SOCKET_ADDRESS")
# Others can read a unit file, a task, or a crontab in a backup, so no secret goes there.
_SECRET = ("IBACKUP_PASSWORD", "IBACKUP_HEARTBEAT_URL", "IBACKUP_NOTIFY_")


def make_job(
    at: time | None,
    *,
    options: tuple[str, ...] = (),
    password_file: str | None = None,
    environment: Mapping[str, str] = os.environ,
) -> ScheduledCommand:
    """The job for this installation and this user.

    Args:
        at: when it starts every day; None for ``ibackup watch``, which always runs.
        options: of the command.
        password_file: the file whose first line is the backup password.
        environment: of the shell that creates the schedule.
    """
    program: Program = "watch" if at is None else "nightly"
    command = (*this_program(), program, *options)
    return ScheduledCommand(at, command, _passed_on(environment), password_file)


def job_of(
    config: Config,
    at: time | None,
    *,
    store: str,
    config_path: str | None = None,
    udid: str | None = None,
    password_file: str | None = None,
) -> ScheduledCommand:
    """The job for a store and a config: nightly at a time, or watch for None.

    Args:
        config: its window applies; without one, the job waits for phones from ``at`` to the morning.
        at: when it starts every day.
        store: the path of the store.
        config_path: of the config file, if it is not the usual one.
        udid: of the only phone.
        password_file: to pass on.
    """
    options = ["--store", store]
    if config_path:
        options += ["--config", os.path.abspath(os.path.expanduser(config_path))]
    if udid:
        options += ["--phone", udid]
    if at is not None and config.nightly.window is None and not any(phone.window for phone in config.phones):
        options += ["--window", f"{HoursWindow(at, MORNING)}"]
    given = os.path.abspath(os.path.expanduser(password_file)) if password_file else None
    return make_job(at, options=tuple(options), password_file=given)


def not_passed_on(environment: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """Variables with secrets, which the scheduled job will not have."""
    return tuple(
        sorted(
            name
            for name in environment
            if name == _SECRET[0] or name == _SECRET[1] or name.startswith(_SECRET[2])
        )
    )


def only_in_the_shell(
    kind: SchedulerKind, environment: Mapping[str, str] = os.environ, lasting: Mapping[str, str] | None = None
) -> tuple[str, ...]:
    """Settings of this shell that the scheduled job will not have, without those with secrets.

    A Windows task starts with the account's own environment, and nothing can be added to it.

    Args:
        kind: of the schedule; only Windows leaves any out.
        environment: of the shell.
        lasting: the account's own; None to look it up.
    """
    if kind != "windows":
        return ()
    kept = _of_the_account() if lasting is None else lasting
    return tuple(
        name for name in _SETTINGS if environment.get(name) and environment.get(name) != kept.get(name)
    )


def _of_the_account() -> dict[str, str]:
    """The variables that Windows keeps for this user and for the computer."""
    if sys.platform != "win32":
        return {}
    import winreg

    found: dict[str, str] = {}
    for root, path in (
        (winreg.HKEY_LOCAL_MACHINE, r"SYSTEM\CurrentControlSet\Control\Session Manager\Environment"),
        (winreg.HKEY_CURRENT_USER, "Environment"),
    ):
        with contextlib.suppress(OSError), winreg.OpenKey(root, path) as key:
            for number in range(winreg.QueryInfoKey(key)[1]):
                name, value, _ = winreg.EnumValue(key, number)
                found[name.upper()] = winreg.ExpandEnvironmentStrings(str(value))
    return found


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
    """Whether a runtime folder is shared by all of this user's sessions, not one that ends with this session."""
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
    """The folders that exist, each once, because a crontab line must be short."""
    folders = dict.fromkeys(each for each in path.split(os.pathsep) if os.path.isabs(each))
    return os.pathsep.join(each for each in folders if os.path.isdir(each))
