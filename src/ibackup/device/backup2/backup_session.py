"""The backup session: the conversation over mobilebackup2 in which a phone makes a backup."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from ibackup.apple import plist_values
from ibackup.base.errors import IbackupError, Interrupted, PersonNeeded
from ibackup.base.events import Phase, Progress
from ibackup.device.backup2.phone_session import PhoneSession
from ibackup.device.devicelink import requests
from ibackup.device.folder.working_files import WorkingFiles
from ibackup.device.refusals.backup_refusals import PASSCODE_NOT_ENTERED, Job, RefusalContext
from ibackup.device.refusals.lockdown_refusals import PhoneLocked
from ibackup.device.services.sync_lock_and_notices import SyncLock

_ACTIVITIES: Final[dict[Phase, str]] = {
    "passcode": "it waited for its passcode",
    "scan": "it scanned its files",
    "receive": "it sent its files",
    "finish": "it assembled the backup",
}
_TEXTS: Final[dict[Phase, str]] = {
    "scan": "The {noun} is preparing. This can take 20 minutes; that is normal.",
    "receive": "Receiving files.",
    "finish": "The {noun} is assembling and checking the backup.",
}

_AT_ONCE_S: Final = 5.0
"""A phone that refuses this soon without a prompt is locked: before iOS 15.7.1 it does not ask for a passcode."""


@dataclass(frozen=True, slots=True)
class SessionOutcome:
    """A backup that the phone says is complete.

    Attributes:
        full: it was a full one, as the phone says if it does.
        received_bytes: bytes of the files that arrived.
    """

    full: bool
    received_bytes: int


class BackupSession(PhoneSession[WorkingFiles]):
    """Has a phone make a backup into a working copy.

    Args:
        phone: a trusted one.
        files: the working copy, with Info.plist in it.
        observer: gets phases, progress, and requests to someone at the phone.
        unplugged: called a few times a second; True if the phone is gone, which ends the session.
    """

    job: Job = "backup"
    purpose = "backup"
    activity = "it was asked for a backup"

    def run(self, *, full: bool = False) -> SessionOutcome:
        """Make the backup.

        Args:
            full: request a full backup. Otherwise the phone decides, from what it finds in the working copy.

        Raises:
            PhoneLocked: the phone must be unlocked first.
            PersonNeeded: nobody entered the passcode in time.
            PhoneBusy: another program is syncing with it.
            PhoneRefused: the phone ended the backup with an error.
            PathRefused, ProtocolBroken: the phone broke a rule.
            ConnectionLost: the phone is gone or silent.
            NoRoom: the disk is full, as the disk or the phone says.
            Interrupted: the backup was cancelled on the phone.
            KeyboardInterrupt: it was cancelled here, and the phone knows.
        """
        udid = self._phone.udid
        message: dict[str, object] = {
            "MessageName": "Backup",
            "TargetIdentifier": udid,
            "SourceIdentifier": udid,
        }
        if full:
            message["Options"] = {"ForceFullBackup": True}
        self._ask(message, SyncLock(self._phone, self._observer))
        files = self._files
        self._tell()
        return SessionOutcome(
            full=full if files.is_full is None else files.is_full,
            received_bytes=files.received_bytes,
        )

    def _begin(self) -> None:
        self._enter("scan")

    def _serve(self, request: requests.PhoneRequest) -> None:
        """Change the phase if a request shows that the phone has reached the next one."""
        if isinstance(request, requests.UploadFiles) and self._phase in {"passcode", "scan"}:
            self._enter("receive")
        elif isinstance(request, requests.MoveItems) and self._phase != "finish":
            self._enter("finish")
        super()._serve(request)

    def _take_last_word(self, message: Mapping[object, object]) -> None:
        super()._take_last_word(message)
        self._files.check_disk()

    def _refusal(self, code: int, said: str) -> IbackupError:
        # If our own disk is the cause, report the disk's error instead.
        self._files.check_disk(given_up=True)
        error = super()._refusal(code, said)
        at_once = time.monotonic() - self._sent_at < _AT_ONCE_S
        if not (isinstance(error, PersonNeeded) and code == PASSCODE_NOT_ENTERED and at_once):
            return error
        if self._is_heard_late(lambda: self._prompt.announced):
            return error
        return PhoneLocked(
            f"The {self._noun} is locked (MBErrorDomain {PASSCODE_NOT_ENTERED}).",
            why="It refused the backup at once.",
            hint=f"Unlock the {self._noun} with its passcode and run the command again.",
            error_code=PASSCODE_NOT_ENTERED,
        )

    def _context(self) -> RefusalContext:
        return replace(
            super()._context(),
            free_bytes=self._files.told_free,
            purge_bytes=self._files.purge_bytes,
            unreadable=tuple(
                plist_values.printable(f"{file.device_path or file.path}: {file.text or 'no reason given'}")
                for file in self._files.unreadable
            ),
        )

    def _cancelled(self) -> Interrupted:
        return Interrupted(
            f"The backup was cancelled on the {self._noun}.",
            hint=(
                "Run the command again when it suits: what has arrived is kept, and the backup "
                "continues from there."
            ),
        )

    # -- phases ---------------------------------------------------------------------------------------------

    def _enter(self, phase: Phase, text: str = "") -> None:
        link = self._link
        link.activity = _ACTIVITIES[phase]
        link.waiting = link.limits.scan_s if phase in {"passcode", "scan"} else link.limits.message_s
        super()._enter(phase, text or _TEXTS.get(phase, "").format(noun=self._noun))

    def _expects_prompt(self) -> bool:
        return self._phase == "scan"

    def _prompt_changes(self, *, stands: bool) -> None:
        if stands:
            self._enter("passcode")
        elif self._phase == "passcode":
            self._enter("scan")

    def _beat(self) -> None:
        self._files.pulse()
        super()._beat()

    def _tell(self) -> None:
        files = self._files
        self._observer(
            Progress(self._phase, self._percent, bytes=files.received_bytes, files=files.received_files)
        )
