"""The backup session: what is said over mobilebackup2 from hello to the phone's last word."""

import queue
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Final

from ibackup.device import requests, values
from ibackup.device.dialogue import LATE_NOTICE_S, MOST_REQUESTS, SERVICE, BackupPhone, Dialogue
from ibackup.device.files import WorkingFiles
from ibackup.device.frames import broken
from ibackup.device.link import DeviceLink, Patience
from ibackup.device.lockdown_refusals import PhoneLocked
from ibackup.device.receiver import Unreadable
from ibackup.device.refusals import PASSCODE_NOT_ENTERED, RefusalContext
from ibackup.device.request_log import RequestLog
from ibackup.device.services import Notice, SyncLock, hearing
from ibackup.errors import Interrupted, PersonNeeded
from ibackup.events import Observer, Phase, PhaseStarted, Progress, Prompt, PromptDone

_ACTIVITIES: Final[dict[Phase, str]] = {
    "prepare": "it was asked for a backup",
    "passcode": "it waited for its passcode",
    "scan": "it looked through its files",
    "receive": "it sent its files",
    "finish": "it put the backup together",
}
_TEXTS: Final[dict[Phase, str]] = {
    "scan": "The {noun} looks through its files. It is silent meanwhile; that is normal and can take 20 minutes.",
    "receive": "Receiving files.",
    "finish": "The {noun} puts the backup together and checks it.",
}

_AT_ONCE_S: Final = 5.0
"""A phone that says no so soon, and showed no prompt, is locked: before iOS 15.7.1 it asks for no passcode."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """A backup that the phone says is complete.

    Attributes:
        full: it was a full one, by the phone's own word where it gave it.
        received_bytes: bytes of files that came.
        received_files: files that came whole, Status.plist and manifests among them.
        sent_bytes: bytes of files that the phone asked back.
        unreadable: what the phone could not read; ``expected`` ones do not count against the backup.
        unknown: paths, relative to the ``<UDID>`` folder, that the format does not know.
    """

    full: bool
    received_bytes: int
    received_files: int
    sent_bytes: int
    unreadable: tuple[Unreadable, ...]
    unknown: tuple[str, ...]


class BackupSession:
    """Has a phone make a backup into a working copy.

    Args:
        phone: a trusted one.
        files: the working copy, with Info.plist in it.
        observer: is told of phases, progress, and what somebody has to do.
        patience: how long the phone may be silent.
        unplugged: asked a few times a second whether the phone is gone, which ends the session.
    """

    def __init__(
        self,
        phone: BackupPhone,
        files: WorkingFiles,
        observer: Observer,
        *,
        patience: Patience | None = None,
        unplugged: Callable[[], bool] | None = None,
    ) -> None:
        self._phone = phone
        self._files = files
        self._observer = observer
        self._patience = patience
        self._unplugged = unplugged

    def run(self, *, full: bool = False) -> Outcome:
        """Make the backup.

        Args:
            full: ask the phone for a full one. The phone decides by what it finds in the working copy.

        Raises:
            PhoneLocked: unlock it and run it again.
            PersonNeeded: its passcode was not entered in time.
            PhoneBusy: another program is syncing with it.
            PhoneRefused: it ended with an error.
            PathRefused, ProtocolBroken: it did what it may not.
            ConnectionLost: it is gone, or fell silent.
            NoRoom: the disk is full, by its own word or the phone's.
            Interrupted: the backup was cancelled on the phone.
            KeyboardInterrupt: it was cancelled here; the phone has been told.
        """
        notices: queue.SimpleQueue[Notice] = queue.SimpleQueue()
        phone = self._phone
        with ExitStack() as stack:
            stack.enter_context(hearing(phone, notices.put))
            link = stack.enter_context(
                DeviceLink(
                    phone.start_service(SERVICE, escrow=True), noun=phone.facts.noun, patience=self._patience
                )
            )
            talk = Conversation(
                link, phone, self._files, self._observer, notices=notices, unplugged=self._unplugged
            )
            try:
                talk.hello()
                with SyncLock(phone):
                    try:
                        return talk.back_up(full=full)
                    except BaseException:
                        # First of all the phone is told, so that it stops; the lock's release may take longer.
                        link.disconnect()
                        raise
            finally:
                link.disconnect()


class Conversation(Dialogue):
    """What is said over one DeviceLink about a backup.

    Args:
        link: fresh.
        phone: whose backup it is.
        files: the working copy.
        observer: is told of phases and progress.
        notices: what the phone's notification service says, from another thread.
        unplugged: see BackupSession.
    """

    def __init__(
        self,
        link: DeviceLink,
        phone: BackupPhone,
        files: WorkingFiles,
        observer: Observer,
        *,
        notices: "queue.SimpleQueue[Notice] | None" = None,
        unplugged: Callable[[], bool] | None = None,
    ) -> None:
        super().__init__(link, phone, observer, notices=notices, unplugged=unplugged)
        link.activity = _ACTIVITIES["prepare"]
        self._files = files
        self._phase: Phase = "prepare"
        self._percent: float | None = None
        self._prompted = False
        self._requests = RequestLog()

    def back_up(self, *, full: bool) -> Outcome:
        """Ask for a backup and do what the phone says until it is done."""
        udid = self._phone.udid
        message: dict[str, object] = {
            "MessageName": "Backup",
            "TargetIdentifier": udid,
            "SourceIdentifier": udid,
        }
        if full:
            message["Options"] = {"ForceFullBackup": True}
        self._send(message)
        self._enter("scan")
        began = time.monotonic()
        try:
            self._follow_until_done()
        except PersonNeeded as error:
            at_once = time.monotonic() - began < _AT_ONCE_S
            if error.error_code == PASSCODE_NOT_ENTERED and at_once and not self._was_prompted():
                raise PhoneLocked(
                    f"The {self._noun} is locked (MBErrorDomain {PASSCODE_NOT_ENTERED}).",
                    why="It refused the backup at once.",
                    hint=f"Unlock the {self._noun} with its passcode and run the command again.",
                    error_code=PASSCODE_NOT_ENTERED,
                ) from error
            raise
        finally:
            self._requests.end(self._files.received_files, self._files.received_bytes)
        files = self._files
        self._tell()
        return Outcome(
            full=full if files.is_full is None else files.is_full,
            received_bytes=files.received_bytes,
            received_files=files.received_files,
            sent_bytes=files.sent_bytes,
            unreadable=files.unreadable,
            unknown=files.unknown,
        )

    def _follow_until_done(self) -> None:
        files = self._files
        for _ in range(MOST_REQUESTS):
            request = requests.parse(self._link.receive())
            self._requests.note(request, files.received_files, files.received_bytes)
            if isinstance(request, requests.Process):
                self._finish(request.message)
                files.check_disk()
                return
            self._follow(request)
            files.handle(self._link, request)
        raise broken(
            f"The {self._noun} has asked for {MOST_REQUESTS:,} things and is still not done.",
            "No backup takes that many.",
        )

    def _was_prompted(self) -> bool:
        """Whether the phone showed its passcode prompt; word of it may still be on its way."""
        end = time.monotonic() + LATE_NOTICE_S
        while not self._prompted and time.monotonic() < end:
            time.sleep(0.01)
            self._hear()
        return self._prompted

    def _refused(self) -> None:
        # An error that our own disk caused is named after its cause.
        self._files.check_disk(given_up=True)

    def _context(self) -> RefusalContext:
        facts = self._phone.facts
        return RefusalContext(
            noun=self._noun,
            job="backup",
            encrypted=bool(facts.will_encrypt),
            requires_encryption=bool(facts.requires_encryption),
            free_bytes=self._files.told_free,
            purge_bytes=self._files.purge_bytes,
            unreadable=tuple(
                values.printable(f"{file.device_path or file.path}: {file.text or 'no reason given'}")
                for file in self._files.unreadable
                if not file.expected
            ),
        )

    # -- phases ---------------------------------------------------------------------------------------------

    def _follow(self, request: requests.Request) -> None:
        """See from a request how far the phone is."""
        self._hear()
        if request.progress is not None:
            self._percent = request.progress
        if isinstance(request, requests.UploadFiles) and self._phase in {"passcode", "scan"}:
            self._enter("receive")
        elif isinstance(request, requests.MoveItems) and self._phase != "finish":
            self._enter("finish")

    def _enter(self, phase: Phase) -> None:
        self._phase = phase
        link = self._link
        link.activity = _ACTIVITIES[phase]
        link.waiting = link.patience.scan if phase in {"passcode", "scan"} else link.patience.message
        self._observer(PhaseStarted(phase, _TEXTS.get(phase, "").format(noun=self._noun)))

    def _beat(self) -> None:
        self._files.pulse()
        if self._phase != "prepare":
            self._tell()

    def _tell(self) -> None:
        files = self._files
        self._observer(
            Progress(self._phase, self._percent, bytes=files.received_bytes, files=files.received_files)
        )

    def _heed(self, notice: Notice) -> None:
        if notice is Notice.CANCEL_REQUESTED:
            raise Interrupted(
                f"The backup was cancelled on the {self._noun}.",
                hint="Run the command again when it suits: what has arrived is kept, and it goes on from there.",
            )
        if notice is Notice.PASSCODE_ASKED and self._phase == "scan":
            self._enter("passcode")
            self._prompted = True
            text = f"Enter the passcode on the {self._noun} to start the backup."
            self._observer(Prompt("passcode", text))
        elif notice is Notice.PASSCODE_DONE and self._phase == "passcode":
            self._observer(PromptDone("passcode"))
            self._enter("scan")
