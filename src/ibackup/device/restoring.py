"""The restore session: what is said over mobilebackup2 until a phone has taken a backup back."""

import contextlib
import logging
import queue
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import Final

from ibackup.device import afc as afc_service
from ibackup.device import requests
from ibackup.device.afc import Afc
from ibackup.device.dialogue import MOST_REQUESTS, SERVICE, BackupPhone, Dialogue
from ibackup.device.frames import broken
from ibackup.device.link import DeviceLink, Patience
from ibackup.device.refusals import RefusalContext
from ibackup.device.request_log import RequestLog
from ibackup.device.restored_files import RestoredFiles, is_content
from ibackup.device.services import HasServices, Notice, SyncLock, hearing
from ibackup.errors import IbackupError, Interrupted
from ibackup.events import Caution, Observer, Phase, PhaseStarted, Progress, Prompt, PromptDone

_log = logging.getLogger(__name__)

FOLDER: Final = "/iTunesRestore"
APPLICATIONS: Final = f"{FOLDER}/RestoreApplications.plist"


class RestoreSession:
    """Has a phone restore itself from a backup.

    Args:
        phone: a trusted one.
        files: the backup.
        observer: is told of phases, progress, and what somebody has to do.
        total_bytes: about what will be sent, 0 when nobody knows.
        total_files: likewise.
        patience: how long the phone may be silent.
        unplugged: asked a few times a second whether the phone is gone, which ends the session.
    """

    def __init__(
        self,
        phone: BackupPhone,
        files: RestoredFiles,
        observer: Observer,
        *,
        total_bytes: int = 0,
        total_files: int = 0,
        patience: Patience | None = None,
        unplugged: Callable[[], bool] | None = None,
    ) -> None:
        self._phone = phone
        self._files = files
        self._observer = observer
        self._total = (total_bytes, total_files)
        self._patience = patience
        self._unplugged = unplugged

    def run(
        self,
        source: str,
        options: Mapping[str, object],
        *,
        only: Sequence[str] = (),
        applications: bytes | None = None,
    ) -> None:
        """Restore.

        Args:
            source: the identifier of the phone that the backup is of.
            options: of the request (protocol.md 5), a password among them.
            only: bundle identifiers of the apps whose data alone is restored; empty for everything.
            applications: RestoreApplications.plist: which apps the phone is to install afterwards.

        Raises:
            PersonNeeded: the phone is locked, or not set up.
            PhoneBusy: another program is syncing with it.
            PhoneRefused: it ended with an error.
            PathRefused, ProtocolBroken: it did what it may not.
            ConnectionLost: it is gone, or fell silent.
            NoRoom: it has too little.
            Interrupted: the restore was cancelled on the phone.
            KeyboardInterrupt: it was cancelled here; the phone has been told.
        """
        notices: queue.SimpleQueue[Notice] = queue.SimpleQueue()
        phone = self._phone
        with ExitStack() as stack:
            stack.enter_context(hearing(phone, notices.put))
            sock = phone.start_service(SERVICE, escrow=True)
            link = stack.enter_context(DeviceLink(sock, noun=phone.facts.noun, patience=self._patience))
            talk = _Talk(link, phone, self._files, self._observer, self._total, notices, self._unplugged)
            try:
                talk.hello()
                with SyncLock(phone), _AppsToInstall(phone, applications, self._observer):
                    try:
                        talk.restore(source, options, only)
                    except BaseException:
                        # First of all the phone is told, so that it stops; the rest may take longer.
                        link.disconnect()
                        raise
            finally:
                link.disconnect()


class _Talk(Dialogue):
    """What is said over one DeviceLink about a restore."""

    def __init__(
        self,
        link: DeviceLink,
        phone: BackupPhone,
        files: RestoredFiles,
        observer: Observer,
        total: tuple[int, int],
        notices: queue.SimpleQueue[Notice],
        unplugged: Callable[[], bool] | None,
    ) -> None:
        super().__init__(link, phone, observer, notices=notices, unplugged=unplugged)
        link.activity = "it was asked to restore itself"
        self._files = files
        self._total_bytes, self._total_files = total
        self._percent: float | None = None
        self._requests = RequestLog()
        self._with_password = False
        self._phase: Phase = "prepare"

    def restore(self, source: str, options: Mapping[str, object], only: Sequence[str]) -> None:
        """Ask for a restore and do what the phone says until it is done."""
        message: dict[str, object] = {
            "MessageName": "Restore",
            "TargetIdentifier": self._phone.udid,
            "SourceIdentifier": source,
            "Options": dict(options),
        }
        if only:
            message["ApplicationIDs"] = list(only)
        self._with_password = "Password" in options
        self._send(message)
        link = self._link
        # It is silent while it makes room, and at the end, while it puts everything in its place.
        link.waiting = link.patience.scan
        self._enter("scan", f"The {self._noun} looks at the backup; nothing on it has changed yet.")
        try:
            self._follow_until_done()
        finally:
            self._requests.end(self._files.sent_files, self._files.sent_bytes)

    def _follow_until_done(self) -> None:
        for _ in range(MOST_REQUESTS):
            request = requests.parse(self._link.receive())
            self._requests.note(request, self._files.sent_files, self._files.sent_bytes)
            if isinstance(request, requests.Process):
                self._finish(request.message)
                self._percent = 100.0
                self._beat()
                return
            self._hear()
            if request.progress is not None:
                self._percent = request.progress
            self._follow(request)
            self._files.handle(self._link, request)
            if self._files.stage == "sent" and self._phase == "restore":
                self._enter("finish", f"Everything is sent. The {self._noun} puts it in its place.")
        raise broken(f"The {self._noun} has asked for {MOST_REQUESTS:,} things and is still not done.")

    def _follow(self, request: requests.Request) -> None:
        """See from a request how far the phone is."""
        wanted = request.paths if isinstance(request, requests.DownloadFiles) else ()
        if self._phase == "scan" and any(map(is_content, wanted)):
            self._link.activity = "files were sent to it"
            self._enter("restore", "Sending files.")

    def _enter(self, phase: Phase, text: str) -> None:
        self._phase = phase
        self._observer(PhaseStarted(phase, text))

    def _context(self) -> RefusalContext:
        return RefusalContext(noun=self._noun, job="restore", password_given=self._with_password)

    def _beat(self) -> None:
        files = self._files
        if self._phase == "prepare":
            return
        self._observer(
            Progress(
                self._phase,
                self._percent,
                bytes=files.content_bytes,
                total_bytes=self._total_bytes or None,
                files=files.sent_files,
                total_files=self._total_files or None,
            )
        )

    def _heed(self, notice: Notice) -> None:
        if notice is Notice.CANCEL_REQUESTED:
            raise Interrupted(f"The restore was cancelled on the {self._noun}.")
        if notice is Notice.PASSCODE_ASKED:
            text = f"Enter the passcode on the {self._noun} to start the restore."
            self._observer(Prompt("passcode", text))
        elif notice is Notice.PASSCODE_DONE:
            self._observer(PromptDone("passcode"))


class _AppsToInstall:
    """RestoreApplications.plist on the phone: there after a restore that succeeds, else taken away again."""

    def __init__(self, phone: HasServices, content: bytes | None, observer: Observer) -> None:
        self._phone = phone
        self._content = content
        self._observer = observer

    def __enter__(self) -> None:
        if self._content is None:
            return
        try:
            with self._afc() as afc:
                afc.make_folder(FOLDER)
                afc.write_file(APPLICATIONS, self._content)
        except BaseException:
            self._remove()
            raise

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None and self._content is not None:
            self._remove()

    def _remove(self) -> None:
        try:
            with self._afc() as afc:
                afc.remove(APPLICATIONS)
                with contextlib.suppress(IbackupError):  # it may hold what others have put there
                    afc.remove(FOLDER)
        except IbackupError as error:
            _log.debug("RestoreApplications.plist could not be removed: %s", type(error).__name__)
            self._observer(
                Caution(
                    "A list of apps to install could not be taken back from the phone.",
                    "It does no harm; the next restore replaces it.",
                )
            )

    def _afc(self) -> Afc:
        return Afc(self._phone.start_service(afc_service.SERVICE), afc_service.SERVICE)
