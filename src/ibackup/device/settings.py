"""What mobilebackup2 does besides backups: the backup password, and iCloud Backup's switch."""

import queue
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Final

from ibackup.device import requests
from ibackup.device.greeting import SERVICE, greet, last_word, send
from ibackup.device.link import DeviceLink, Patience
from ibackup.device.refusals import PASSCODE_NOT_ENTERED, Job, RefusalContext, refusal
from ibackup.device.request_log import RequestLog
from ibackup.device.services import Notice, Notifications
from ibackup.device.serving import ServedFiles
from ibackup.device.session import BackupPhone
from ibackup.errors import Interrupted
from ibackup.events import Observer, PhaseStarted, Prompt, PromptDone

_LATE_NOTICE_S: Final = 1.0
"""The prompt's notices come over another connection than the answer, and may come after it."""


class SettingsSession:
    """Has a phone change one of its settings; each call is a conversation of its own.

    Args:
        phone: a trusted one.
        observer: is told when somebody has to enter the passcode, and that it is done.
        patience: how long the phone may be silent.
        unplugged: asked a few times a second whether the phone is gone, which ends the conversation.

    Raises (both methods):
        PersonNeeded: the passcode was not entered; ``why`` tells whether it was refused or ran out.
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
        phone, facts = self._phone, self._phone.facts
        with ExitStack() as stack:
            prompt = _Prompt(self._observer, facts.noun)
            stack.enter_context(Notifications(phone, prompt.notice))
            link = stack.enter_context(
                DeviceLink(
                    phone.start_service(SERVICE, escrow=True), noun=facts.noun, patience=self._patience
                )
            )
            try:
                link.activity = "it was asked to change a setting"
                code, description = greet(link, facts.noun)
                if not code:
                    link.pulse = lambda: self._pulse(link, prompt)
                    send(link, message)
                    # It may wait for its passcode before it does anything.
                    link.waiting = link.patience.scan
                    code, description = self._follow(link, files, prompt)
            finally:
                link.disconnect()
            prompt.settle(expected=code == PASSCODE_NOT_ENTERED)
        if code:
            raise refusal(
                code,
                description,
                context=RefusalContext(
                    noun=facts.noun,
                    job=job,
                    encrypted=bool(facts.will_encrypt),
                    requires_encryption=bool(facts.requires_encryption),
                    password_given=password_given,
                    prompt_s=prompt.seconds,
                ),
            )

    def _follow(self, link: DeviceLink, files: ServedFiles, prompt: "_Prompt") -> tuple[int, str]:
        """Do what the phone asks for until its last word."""
        log = RequestLog()
        try:
            while True:
                request = requests.parse(link.receive())
                log.note(request, 0, 0)
                prompt.hear()
                if isinstance(request, requests.Process):
                    return last_word(request.message, self._phone.facts.noun)
                link.waiting = link.patience.message
                files.handle(link, request)
        finally:
            log.end(0, 0)

    def _pulse(self, link: DeviceLink, prompt: "_Prompt") -> None:
        if self._unplugged is not None and self._unplugged():
            raise link.unplugged()
        prompt.hear()


class _Prompt:
    """The passcode prompt on the phone's screen, as far as the phone's notices tell of it.

    Attributes:
        seconds: how long it stood, 0 when it was not seen.
    """

    def __init__(self, observer: Observer, noun: str) -> None:
        self._observer = observer
        self._noun = noun
        self._notices: queue.SimpleQueue[tuple[Notice, float]] = queue.SimpleQueue()
        self._since: float | None = None
        self.seconds = 0.0

    def notice(self, notice: Notice) -> None:
        """The phone says something; called from another thread."""
        self._notices.put((notice, time.monotonic()))

    def hear(self, wait: float = 0.0) -> None:
        """Act on what the phone has said, after so many seconds at most."""
        try:
            notice, moment = self._notices.get(timeout=wait) if wait > 0 else self._notices.get_nowait()
        except queue.Empty:
            return
        if notice is Notice.CANCEL_REQUESTED:
            raise Interrupted(
                f"It was cancelled on the {self._noun}.", hint="Run the command again when it suits."
            )
        if notice is Notice.PASSCODE_ASKED and self._since is None:
            self._since = moment
            self._observer(PhaseStarted("passcode"))
            text = f"Enter the {self._noun}'s own passcode on the {self._noun} to allow this."
            self._observer(Prompt("passcode", text))
        elif notice is Notice.PASSCODE_DONE and self._since is not None:
            self.seconds, self._since = max(moment - self._since, 0.001), None
            self._observer(PromptDone("passcode"))
        self.hear()

    def settle(self, *, expected: bool) -> None:
        """Hear what is still on its way; for a moment even when nothing was heard of a prompt yet."""
        self.hear()
        end = time.monotonic() + _LATE_NOTICE_S
        while (self._since is not None or (expected and not self.seconds)) and time.monotonic() < end:
            self.hear(max(end - time.monotonic(), 0.01))
