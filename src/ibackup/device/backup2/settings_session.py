"""The settings that mobilebackup2 changes: the backup password, and iCloud Backup's switch."""

from collections.abc import Mapping
from dataclasses import replace

from ibackup.base.errors import IbackupError, Interrupted
from ibackup.device.backup2.phone_session import PhoneSession
from ibackup.device.devicelink import requests
from ibackup.device.folder.served_files import ServedFiles
from ibackup.device.refusals.backup_refusals import RefusalContext


class SettingsSession(PhoneSession[ServedFiles]):
    """Has a phone change one of its settings.

    Raises (both methods):
        PersonNeeded: nobody entered the passcode; the text says whether the prompt was cancelled or timed out.
        PhoneRefused: the phone reported an error.
        PathRefused, ProtocolBroken: the phone broke a rule.
        ConnectionLost: the phone is gone or silent, and it is unknown whether it made the change.
        Interrupted: it was cancelled on the phone.
        KeyboardInterrupt: it was cancelled here, and the phone knows.
    """

    purpose = "setting"
    activity = "it was asked to change a setting"
    most_requests = 1000  # far more than it takes to look for one file in two places

    def change_password(self, *, old: str | None, new: str | None) -> None:
        """Set, change or remove the backup password.

        The phone looks among the files for a backup, whose keybag it then encrypts with the new password.

        Args:
            old: the current password; None if there is none.
            new: the new password; None switches encryption off.

        Raises:
            PasswordWrong: ``old`` is not the current password.
        """
        message = {"MessageName": "ChangePassword", "TargetIdentifier": self._phone.udid}
        if old is not None:
            message["OldPassword"] = old
        if new is not None:
            message["NewPassword"] = new
        self.job, self._password_given = "encryption", old is not None
        self._ask(message)

    def enable_cloud_backup(self, *, on: bool) -> None:
        """Switch iCloud Backup on or off."""
        self.job = "icloud"
        self._ask(
            {
                "MessageName": "EnableCloudBackup",
                "TargetIdentifier": self._phone.udid,
                "CloudBackupState": on,
            }
        )

    def _serve(self, request: requests.PhoneRequest) -> None:
        self._link.waiting = self._link.limits.message_s
        super()._serve(request)

    def _take_last_word(self, message: Mapping[object, object]) -> None:
        self._hear()
        super()._take_last_word(message)

    def _refusal(self, code: int, said: str) -> IbackupError:
        # How long the prompt was on the screen shows why.
        self._is_heard_late(lambda: self._prompt.lasted_s > 0 and not self._prompt.stands)
        return super()._refusal(code, said)

    def _context(self) -> RefusalContext:
        return replace(super()._context(), prompt_s=self._prompt.lasted_s)

    def _cancelled(self) -> Interrupted:
        return Interrupted(
            f"It was cancelled on the {self._noun}.", hint="Run the command again when it suits."
        )

    def _prompt_changes(self, *, stands: bool) -> None:
        if stands:
            self._enter("passcode")
        else:
            self._phase = "prepare"
