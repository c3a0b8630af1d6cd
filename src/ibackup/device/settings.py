"""What mobilebackup2 does besides backups: the backup password, and iCloud Backup's switch."""

import queue
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Final

from ibackup.device import requests
from ibackup.device.dialogue import LATE_NOTICE_S, SERVICE, BackupPhone, Dialogue
from ibackup.device.frames import broken
from ibackup.device.link import DeviceLink, Patience
from ibackup.device.refusals import Job, RefusalContext
from ibackup.device.request_log import RequestLog
from ibackup.device.services import Notice, hearing
from ibackup.device.serving import ServedFiles
from ibackup.errors import Interrupted
from ibackup.events import Observer, PhaseStarted, Prompt, PromptDone

_MOST_REQUESTS: Final = 1000
"""Far more than looking for one file in two places takes."""


class SettingsSession:
    """Has a phone change one of its settings; each call is a conversation of its own.

    Args:
        phone: a trusted one.
        observer: is told when somebody has to enter the passcode, and that it is done.
        patience: how long the phone may be silent.
        unplugged: asked a few times a second whether the phone is gone, which ends the conversation.

    Raises (both methods):
        PersonNeeded: the passcode was not entered; the text tells whether it was refused or ran out.
        PhoneRefused: it ended with an error.
        PathRefused, ProtocolBroken: it did what it may not.
        ConnectionLost: it is gone, or fell silent; whether it has changed anything is not known then.
        Interrupted: it was cancelled on the phone.
        KeyboardInterrupt: it was cancelled here; the phone has been told.
    """

    def __init__(
        self,
        phone: BackupPhone,
        observer: Observer,
        *,
        patience: Patience | None = None,
        unplugged: Callable[[], bool] | None = None,
    ) -> None:
        self._phone = phone
        self._observer = observer
        self._patience = patience
        self._unplugged = unplugged

    def change_password(self, files: ServedFiles, *, old: str | None, new: str | None) -> None:
        """Set, change or remove the backup password (protocol.md 5.2).

        Args:
            files: what the phone finds when it looks for a backup whose keybag it shall wrap anew.
            old: the password so far, None when there is none.
            new: the new one, None to switch encryption off.

        Raises:
            PasswordWrong: ``old`` is not the password so far.
        """
        message = {"MessageName": "ChangePassword", "TargetIdentifier": self._phone.udid}
        if old is not None:
            message["OldPassword"] = old
        if new is not None:
            message["NewPassword"] = new
        self._ask(message, files, "encryption", password_given=old is not None)

    def enable_cloud_backup(self, files: ServedFiles, *, on: bool) -> None:
        """Switch iCloud Backup on or off."""
        message = {
            "MessageName": "EnableCloudBackup",
            "TargetIdentifier": self._phone.udid,
            "CloudBackupState": on,
        }
        self._ask(message, files, "icloud")

    def _ask(
        self, message: Mapping[str, object], files: ServedFiles, job: Job, *, password_given: bool = False
    ) -> None:
        phone = self._phone
        notices: queue.SimpleQueue[Notice] = queue.SimpleQueue()
        with ExitStack() as stack:
            stack.enter_context(hearing(phone, notices.put))
            link = stack.enter_context(
                DeviceLink(
                    phone.start_service(SERVICE, escrow=True), noun=phone.facts.noun, patience=self._patience
                )
            )
            talk = _Settings(
                link,
                phone,
                self._observer,
                notices=notices,
                unplugged=self._unplugged,
                job=job,
                password_given=password_given,
            )
            try:
                talk.hello()
                talk.change(message, files)
            finally:
                link.disconnect()


class _Settings(Dialogue):
    """What is said about one setting.

    Args:
        job: what errors call it.
        password_given: the password so far is sent along.
    """

    def __init__(
        self,
        link: DeviceLink,
        phone: BackupPhone,
        observer: Observer,
        *,
        notices: "queue.SimpleQueue[Notice]",
        unplugged: Callable[[], bool] | None,
        job: Job,
        password_given: bool,
    ) -> None:
        super().__init__(link, phone, observer, notices=notices, unplugged=unplugged)
        link.activity = "it was asked to change a setting"
        self._job = job
        self._password_given = password_given
        self._prompted_at: float | None = None
        self._prompt_s = 0.0

    def change(self, message: Mapping[str, object], files: ServedFiles) -> None:
        """Ask for it, and do what the phone asks for until its last word."""
        self._send(message)
        # It may wait for its passcode before it does anything.
        self._link.waiting = self._link.patience.scan
        log = RequestLog()
        try:
            for _ in range(_MOST_REQUESTS):
                request = requests.parse(self._link.receive())
                log.note(request, 0, 0)
                self._hear()
                if isinstance(request, requests.Process):
                    self._finish(request.message)
                    return
                self._link.waiting = self._link.patience.message
                files.handle(self._link, request)
        finally:
            log.end(0, 0)
        raise broken(f"The {self._noun} has asked for {_MOST_REQUESTS:,} things and is still not done.")

    def _refused(self) -> None:
        # What the phone says of its prompt tells why, and may still be on its way.
        end = time.monotonic() + LATE_NOTICE_S
        while (self._prompted_at is not None or not self._prompt_s) and time.monotonic() < end:
            time.sleep(0.01)
            self._hear()

    def _context(self) -> RefusalContext:
        facts = self._phone.facts
        return RefusalContext(
            noun=self._noun,
            job=self._job,
            encrypted=bool(facts.will_encrypt),
            requires_encryption=bool(facts.requires_encryption),
            password_given=self._password_given,
            prompt_s=self._prompt_s,
        )

    def _heed(self, notice: Notice) -> None:
        now = time.monotonic()
        if notice is Notice.CANCEL_REQUESTED:
            raise Interrupted(
                f"It was cancelled on the {self._noun}.", hint="Run the command again when it suits."
            )
        if notice is Notice.PASSCODE_ASKED and self._prompted_at is None:
            self._prompted_at = now
            self._observer(PhaseStarted("passcode"))
            text = f"Enter the {self._noun}'s own passcode on the {self._noun} to allow this."
            self._observer(Prompt("passcode", text))
        elif notice is Notice.PASSCODE_DONE and self._prompted_at is not None:
            # One that was gone before it was heard of still stood.
            self._prompt_s, self._prompted_at = max(now - self._prompted_at, 0.001), None
            self._observer(PromptDone("passcode"))
