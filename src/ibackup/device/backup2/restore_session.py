"""The restore session: the conversation over mobilebackup2 in which a phone takes a backup back."""

import contextlib
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from ibackup.base.errors import IbackupError, Interrupted
from ibackup.base.events import Caution, Observer, Progress
from ibackup.device.backup2.phone_session import BackupPhone, PhoneSession
from ibackup.device.devicelink import requests
from ibackup.device.folder.restored_files import RestoredFiles, is_content
from ibackup.device.mux.channel import HasServices
from ibackup.device.refusals.backup_refusals import Job
from ibackup.device.services import afc as afc_service
from ibackup.device.services.afc import Afc
from ibackup.device.services.sync_lock_and_notices import SyncLock

_log = logging.getLogger(__name__)

FOLDER: Final = "/iTunesRestore"
APPLICATIONS: Final = f"{FOLDER}/RestoreApplications.plist"


class RestoreSession(PhoneSession[RestoredFiles]):
    """Has a phone restore itself from a backup.

    Args:
        phone: a trusted one.
        files: the backup.
        observer: gets phases, progress, and requests to someone at the phone.
        total_bytes: about how much will be sent; 0 if unknown.
        total_files: about how many files; 0 if unknown.
        unplugged: called a few times a second; True if the phone is gone, which ends the session.
    """

    job: Job = "restore"
    purpose = "restore"
    activity = "it was asked to restore itself"

    def __init__(
        self,
        phone: BackupPhone,
        files: RestoredFiles,
        observer: Observer,
        *,
        total_bytes: int = 0,
        total_files: int = 0,
        unplugged: Callable[[], bool] | None = None,
    ) -> None:
        super().__init__(phone, files, observer, unplugged=unplugged)
        self._total_bytes, self._total_files = total_bytes, total_files

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
            source: the UDID of the phone that made the backup.
            options: the request's options, including a password.
            only: restore only the data of these apps (bundle identifiers); empty for everything.
            applications: RestoreApplications.plist, the apps that the phone installs afterwards.

        Raises:
            PersonNeeded: the phone is locked or not set up.
            PhoneBusy: another program is syncing with it.
            PhoneRefused: the phone ended the restore with an error.
            PathRefused, ProtocolBroken: the phone broke a rule.
            ConnectionLost: the phone is gone or silent.
            NoRoom: the phone has too little space.
            Interrupted: the restore was cancelled on the phone.
            KeyboardInterrupt: it was cancelled here, and the phone knows.
        """
        message: dict[str, object] = {
            "MessageName": "Restore",
            "TargetIdentifier": self._phone.udid,
            "SourceIdentifier": source,
            "Options": dict(options),
        }
        if only:
            message["ApplicationIDs"] = list(only)
        self._password_given = "Password" in options
        phone, observer = self._phone, self._observer
        self._ask(message, SyncLock(phone, observer), _AppsToInstall(phone, applications, observer))

    def _begin(self) -> None:
        self._link.sending = self._link.limits.sending_restore_s
        self._enter("scan", f"The {self._noun} is checking the backup; nothing on it has changed yet.")

    def _serve(self, request: requests.PhoneRequest) -> None:
        """Change the phase if a request shows that the phone has reached the next one."""
        wanted = request.paths if isinstance(request, requests.DownloadFiles) else ()
        if self._phase == "scan" and any(map(is_content, wanted)):
            self._link.activity = "files were sent to it"
            self._enter("restore", "Sending files.")
        super()._serve(request)
        if self._files.stage == "sent" and self._phase == "restore":
            self._enter("finish", f"Everything is sent. The {self._noun} is putting the files in place.")

    def _take_last_word(self, message: Mapping[object, object]) -> None:
        super()._take_last_word(message)
        self._reached(100.0)
        self._beat()

    def _cancelled(self) -> Interrupted:
        return Interrupted(f"The restore was cancelled on the {self._noun}.")

    def _tell(self) -> None:
        files = self._files
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


class _AppsToInstall:
    """RestoreApplications.plist on the phone. It stays after a restore that succeeds, and is removed otherwise."""

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
                with contextlib.suppress(IbackupError):  # other programs may have put files there
                    afc.remove(FOLDER)
        except IbackupError as error:
            _log.debug("RestoreApplications.plist could not be removed: %s", type(error).__name__)
            self._observer(
                Caution(
                    "A list of apps to install could not be taken back from the phone.",
                    "This is harmless; the next restore replaces it.",
                )
            )

    def _afc(self) -> Afc:
        return Afc.to(self._phone, afc_service.SERVICE)
