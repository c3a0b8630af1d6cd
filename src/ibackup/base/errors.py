"""Every error a user can meet, in one tree; each class has one exit code.

    IbackupError                     1   unexpected failure
    ├── UsageError                   2   wrong usage
    ├── DamageFound                  4   a snapshot or folder is damaged
    ├── NoPhone                     10   no phone found
    ├── PersonNeeded                11   trust, unlock or passcode not given in time
    ├── PhoneRefused                12   the phone refused, with its MBErrorDomain code
    │   └── ProtocolBroken          12   the phone broke the protocol, or asked for what it may not have
    ├── ConnectionLost              13   the connection was lost or stalled
    ├── NoRoom                      14   not enough room on the computer or on the phone
    ├── PhoneBusy                   15   another run, ours or Finder's, has this phone
    ├── StoreMissing                16   the store is not there
    ├── PasswordNeeded              20   password missing
    │   └── PasswordWrong           20   password wrong
    ├── NotABackup                  21   not a backup, or not readable
    │   └── NotRestorable                sound, and still nothing that a phone takes back
    └── Interrupted                130   interrupted here or on the phone

An error says what happened, why (as far as known) and what to do next. No part of it ever holds a secret.
"""

from typing import ClassVar

from ibackup.base.exit_codes import ExitCode


class IbackupError(Exception):
    """Something went wrong that the user should read about.

    Attributes:
        what: what happened, one sentence.
        why: the reason as far as it is known, or an empty string.
        hint: what to do next, or an empty string.
        error_code: the phone's MBErrorDomain code, if there is one.
        lasting: trying again without fixing the cause fails in the same way.
        reason: a word for programs, where one exit code has several causes.
    """

    exit_code: ClassVar[ExitCode] = ExitCode.FAILED
    lasting: bool = False
    reason: str = ""

    def __init__(self, what: str, *, why: str = "", hint: str = "", error_code: int | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.why = why
        self.hint = hint
        self.error_code = error_code

    @property
    def message(self) -> str:
        """What happened and why, without the hint."""
        return f"{self.what} {self.why}".strip()

    def __str__(self) -> str:
        return self.message


class UsageError(IbackupError):
    """The command line or the configuration does not make sense."""

    exit_code = ExitCode.USAGE


class FlawsFound(IbackupError):
    """A backup has files that differ from the phone's own list; a restore may fail on them."""

    exit_code = ExitCode.FLAWED


class DamageFound(IbackupError):
    """A snapshot or a backup folder is damaged, or does not match its manifest.

    Attributes:
        files: the damaged files, by their path below the backup folder, as far as they are known.
    """

    exit_code = ExitCode.DAMAGE
    files: tuple[str, ...] = ()


class NoPhone(IbackupError):
    """No phone is connected, or not the one asked for."""

    exit_code = ExitCode.NO_PHONE


class PersonNeeded(IbackupError):
    """Someone must unlock the phone, trust this computer or enter the passcode."""

    exit_code = ExitCode.PERSON_NEEDED


class PhoneRefused(IbackupError):
    """The phone answered with an error."""

    exit_code = ExitCode.PHONE_REFUSED


class ProtocolBroken(PhoneRefused):
    """The phone sent what the protocol does not allow, or asked for a path it may not have."""


class ConnectionLost(IbackupError):
    """The connection to the phone ended or stalled."""

    exit_code = ExitCode.CONNECTION_LOST


class NoRoom(IbackupError):
    """Not enough space on the computer or on the phone."""

    exit_code = ExitCode.NO_ROOM
    lasting = True


class PhoneBusy(IbackupError):
    """Another run, ours or another program's, has this phone."""

    exit_code = ExitCode.BUSY


class StoreMissing(IbackupError):
    """The store is not where it was: disk not mounted, share offline."""

    exit_code = ExitCode.STORE_MISSING


class PasswordNeeded(IbackupError):
    """A password is needed and no source gave one."""

    exit_code = ExitCode.PASSWORD


class PasswordWrong(PasswordNeeded):
    """The password does not open this backup."""


class NotABackup(IbackupError):
    """This is not a backup, or it cannot be read."""

    exit_code = ExitCode.NOT_A_BACKUP


class NotRestorable(NotABackup):
    """Nothing of it is damaged, and yet no phone takes it back: another program changed it."""


class Interrupted(IbackupError):
    """Someone stopped the run, here or on the phone."""

    exit_code = ExitCode.INTERRUPTED
