"""A systemd user timer and its service, or a service that keeps running (systemd.timer(5), systemd.service(5))."""

import contextlib
import os
import re
import shutil
from datetime import time

from ibackup.base.errors import IbackupError, UsageError
from ibackup.base.programs import must, run
from ibackup.jobs.schedule.schedule_types import Installed, Piece, Program, ScheduledCommand, SchedulerKind
from ibackup.store.disk import durable

_NOTE = "# Made by `ibackup schedule install`, taken away by `ibackup schedule remove`.\n"
_AT = re.compile(r"^OnCalendar=\*-\*-\* ([0-9]{2}):([0-9]{2}):00$", re.MULTILINE)

_SERVICE = """\
[Unit]
Description=Back up the iPhones of this user (ibackup)

[Service]
Type=oneshot
{environment}{credential}ExecStart={command}
# 3: backed up, but the phone could not read some of its files; ibackup lists them.
SuccessExitStatus=3
UMask=0077
Nice=10
# ibackup itself prevents sleep during a backup (systemd-inhibit). It is not set here, for the whole night, because
# a system that refuses it would keep the backup from starting.
"""
_WATCH = """\
[Unit]
Description=Back up the iPhones of this user as they are plugged in (ibackup)

[Service]
Type=exec
{environment}{credential}ExecStart={command}
Restart=on-failure
RestartSec=60
# 130: asked to end.
SuccessExitStatus=130
UMask=0077
Nice=10

[Install]
WantedBy=default.target
"""
_TIMER = """\
[Unit]
Description=Back up the iPhones of this user every evening (ibackup)

[Timer]
OnCalendar=*-*-* {at:%H:%M}:00
# Makes up for a start missed because the computer was off or nobody was logged in.
Persistent=true
AccuracySec=1min

[Install]
WantedBy=timers.target
"""

PACKAGED = "/usr/lib/systemd/user"
"""Where a package of a distribution keeps units that each user can enable."""

_WHILE_LOGGED_IN = "It starts only while you are logged in. To start it always: `loginctl enable-linger`"
"""Without lingering the user's manager ends with the last session."""


class Systemd:
    """The user manager of the user who runs this."""

    kind: SchedulerKind = "systemd"

    def __init__(self, program: Program = "nightly") -> None:
        self.program = program
        self._name = f"ibackup-{program}"
        # What is enabled, and the target that wants it.
        self._main, self._target = ("service", "default") if program == "watch" else ("timer", "timers")

    def missing(self) -> str:
        """A running systemd that has a manager for this user."""
        if not os.path.isdir("/run/systemd/system") or shutil.which("systemctl") is None:
            return "systemd does not run on this computer."
        if run("systemctl", "--user", "show-environment").code:
            return "systemd has no manager for this user (su or ssh without a session, or root)."
        return ""

    def pieces(self, job: ScheduledCommand) -> tuple[Piece, ...]:
        """The service, and the timer that starts it."""
        return tuple(
            Piece(os.path.join(_folder(), name), _NOTE + text) for name, text in self.units(job).items()
        )

    def units(self, job: ScheduledCommand) -> dict[str, str]:
        """The texts of the units by file name, as a package has them too.

        Raises:
            UsageError: the job cannot be written for this kind.
        """
        environment = "".join(
            f"Environment={_quoted(f'{name}={value}')}\n" for name, value in job.environment
        )
        service = (_WATCH if job.at is None else _SERVICE).format(
            environment=environment,
            credential=_credential(job.password_file),
            command=" ".join(_quoted(word, command=True) for word in job.command),
        )
        made = {f"{self._name}.service": service}
        return made if job.at is None else made | {f"{self._name}.timer": _TIMER.format(at=job.at)}

    def install(self, job: ScheduledCommand) -> None:
        """Write the files and start the timer or the service."""
        pieces = self.pieces(job)
        before = self.find()
        try:
            for piece in pieces:
                durable.make_dir(os.path.dirname(piece.place), parents=True)
                durable.write_file(piece.place, piece.content.encode(), mode=0o644)
            must("systemctl", "--user", "daemon-reload")
            must("systemctl", "--user", "enable", f"{self._name}.{self._main}")
            # A running service keeps its old settings until it restarts.
            must("systemctl", "--user", "restart", f"{self._name}.{self._main}")
        except BaseException:
            if before is None:
                with contextlib.suppress(IbackupError, OSError):
                    self.remove()
            raise

    def remove(self) -> bool:
        """Stop it and remove its files, the link that enabled it, and the mark of its last start."""
        found = [path for path in self._traces() if os.path.lexists(path)]
        if not found:
            return False
        # A running night may finish; a watch is stopped. Without a user manager there are only the files.
        with contextlib.suppress(IbackupError):
            run("systemctl", "--user", "disable", "--now", f"{self._name}.{self._main}")
        for path in found:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
        with contextlib.suppress(IbackupError):
            run("systemctl", "--user", "daemon-reload")
            run("systemctl", "--user", "reset-failed", f"{self._name}.service")
        return True

    def find(self) -> Installed | None:
        """The file of the unit that is enabled; a packaged one counts only where this user enabled it."""
        enabled = os.path.lexists(self._wanted())
        place = self._unit(self._main)
        if enabled and not os.path.lexists(place):
            place = os.path.join(PACKAGED, os.path.basename(place))
        try:
            with open(place, encoding="utf-8") as file:
                text = file.read(65536)
        except (OSError, UnicodeDecodeError):
            return None
        match = _AT.search(text)
        return Installed(
            self.kind,
            time(int(match[1]), int(match[2])) if match else None,
            place,
            ""
            if enabled
            else f"It is switched off: `systemctl --user enable --now {self._name}.{self._main}`.",
            self.program,
            "" if is_lingering() else _WHILE_LOGGED_IN,
        )

    def caveat(self) -> str:
        """None: what it depends on, each look at it says."""
        return ""

    def _unit(self, suffix: str) -> str:
        return os.path.join(_folder(), f"{self._name}.{suffix}")

    def _wanted(self) -> str:
        return os.path.join(_folder(), f"{self._target}.target.wants", f"{self._name}.{self._main}")

    def _traces(self) -> tuple[str, ...]:
        data = os.environ.get("XDG_DATA_HOME") or os.path.expanduser("~/.local/share")
        stamp = os.path.join(data, "systemd", "timers", f"stamp-{self._name}.timer")
        return (self._unit("timer"), self._unit("service"), self._wanted(), stamp)


def is_lingering() -> bool:
    """Whether this user's manager runs without a session (loginctl(1))."""
    import getpass

    try:
        return os.path.exists(f"/var/lib/systemd/linger/{getpass.getuser()}")
    except (OSError, KeyError):  # this user has no name
        return False


def _folder() -> str:
    config = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    return os.path.join(config, "systemd", "user")


def _credential(password_file: str | None) -> str:
    """Passed only to the service, as ``$CREDENTIALS_DIRECTORY/ibackup-password``.

    A file that ends in ``.cred`` was encrypted by systemd-creds(1).
    """
    if password_file is None:
        return ""
    how = "LoadCredentialEncrypted" if password_file.endswith(".cred") else "LoadCredential"
    if any(char in password_file for char in '"\\\n\r'):
        raise UsageError("systemd cannot pass on a password file with this name.", hint="Rename it.")
    return f"{how}=ibackup-password:{password_file.replace('%', '%%')}\n"


def _quoted(text: str, *, command: bool = False) -> str:
    """One word of a unit file; % and, in a command, $ are escaped."""
    if any(ord(char) < 32 for char in text):
        raise UsageError(
            "A unit file cannot contain a path or variable with a control character.",
            hint="Choose another --kind.",
        )
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    if command:
        escaped = escaped.replace("$", "$$")
    return f'"{escaped}"'
