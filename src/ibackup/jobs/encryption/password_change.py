"""Changes the password without another full backup.

A phone that changes its password looks for a backup on the computer and wraps its keybag again; files, list of files
and keys stay the same (docs/format.md, Keybag). ibackup offers it a clone of the newest snapshot, and the result
becomes a new snapshot of the same data. Older snapshots keep their password.

The phone takes the new password before it touches the backup. So whatever interrupts this: the new password is saved
first; a working copy whose keybag is already wrapped again is left for the next backup to continue with; any other
copy is dropped, which costs a full backup at worst.
"""

import contextlib
from datetime import UTC, datetime

from ibackup import __version__
from ibackup.apple.backup import Backup
from ibackup.apple.crypto.keybag import ClassKeys
from ibackup.base.errors import DamageFound, IbackupError, NoRoom, NotABackup, UsageError
from ibackup.base.events import Caution, Note, Observer, PhaseStarted
from ibackup.device.devicelink import requests
from ibackup.device.devicelink.link import DeviceLink
from ibackup.device.folder.served_files import ServedFiles, nothing_to_show
from ibackup.device.folder.working_files import WorkingFiles
from ibackup.device.lockdown.phone_facts import PhoneFacts
from ibackup.device.phones.phone import Phone
from ibackup.jobs.backup import finishing
from ibackup.jobs.backup.receiving import open_to_phone
from ibackup.jobs.encryption.encryption_request import EncryptionOutcome, EncryptionRequest, NewPassword
from ibackup.jobs.encryption.password_request import Custody, Passwords, Refused, ask, settled, standing
from ibackup.store.disk.disk_errors import telling
from ibackup.store.disk.lock import PhoneLock
from ibackup.store.phone_folder import PhoneFolder
from ibackup.store.records.snapshot import Draft, Snapshot
from ibackup.store.store import Store
from ibackup.store.work.ledger_lines import Origin
from ibackup.store.work.working_copy import WorkingCopy
from ibackup.vault.unlocker import Unlocker

_FULL = "The next backup is sent in full."


def change(request: EncryptionRequest, observe: Observer) -> EncryptionOutcome:
    """Change the password of a phone's backups.

    Raises:
        UsageError: backups are not encrypted, or the new password is the old one.
        PasswordWrong: the phone has another password than the one given as the old one.
        PersonNeeded: the passcode was not entered.
        PhoneBusy: a backup of this phone is under way.
        IbackupError: any other error; its text says which setting the phone has now.
    """
    observe(PhaseStarted("find", "Looking for the phone."))
    with (
        telling("The password could not be changed."),
        request.open_phone(observe) as phone,
        contextlib.ExitStack() as stack,
    ):
        passwords, chosen = _passwords(request, phone.facts)
        custody = Custody(request.keychain, phone.udid, passwords, observe, keep=chosen.keep)
        job = _Change(request, phone, passwords, custody, observe)
        if request.store is None:
            return job.make(None)
        folder = request.store.phone(phone.udid, told_by_phone=True)
        job.lock = stack.enter_context(folder.lock())
        finishing.finish(folder, job.before, observe)
        return job.make(folder)


def _passwords(request: EncryptionRequest, facts: PhoneFacts) -> tuple[Passwords, NewPassword]:
    if facts.will_encrypt is False:
        raise UsageError(
            f"The backups of this {facts.noun} are not encrypted, so there is no password to change.",
            hint="`ibackup encryption on` sets one.",
        )
    old = request.answers.old(facts)
    chosen = request.answers.new(facts, "change")
    if chosen.text == old:
        raise UsageError(
            "The new password is the same as the old one.", hint="Choose another. Nothing was changed."
        )
    return Passwords(old, chosen.text), chosen


class _Change:
    """One running change; ``lock`` is the phone's, if it has a folder."""

    lock: PhoneLock | None = None

    def __init__(
        self,
        request: EncryptionRequest,
        phone: Phone,
        passwords: Passwords,
        custody: Custody,
        observe: Observer,
    ) -> None:
        self._request = request
        self._phone = phone
        self._passwords = passwords
        self._custody = custody
        self._observe = observe
        self._keys: ClassKeys | None = None
        self.before = Unlocker(lambda _udid: passwords.old, observe=observe)
        self._after = Unlocker(lambda _udid: passwords.new, observe=observe)
        self._aside: list[tuple[str, str]] = []
        self._copies = contextlib.ExitStack()

    def make(self, folder: PhoneFolder | None) -> EncryptionOutcome:
        """Make the change; whatever happens, the new password is saved first and no snapshot is lost."""
        with self._copies:
            return self._make(folder)

    def _make(self, folder: PhoneFolder | None) -> EncryptionOutcome:
        held = folder.snapshots() if folder is not None else []
        working = None
        try:
            if folder is not None and self._request.store is not None:
                working = self._clone(folder, self._request.store)
            self._custody.hold()
        except BaseException:
            self._undo(folder, working)  # nobody has been asked for anything yet
            raise
        try:
            self._ask(working)
            settled(self._phone, wanted=True)
        except Refused as refused:
            self._custody.drop()
            self._undo(folder, working)
            raise refused.error from None
        except IbackupError as error:
            self._tell_standing(error, self._after_loss(folder, working))
            raise
        except BaseException:
            self._after_loss(folder, working)
            raise
        kept = self._custody.took()
        made = self._finish(working)
        facts = self._phone.facts
        return EncryptionOutcome(
            "change",
            self._phone.udid,
            facts.name or facts.noun,
            encrypted=True,
            in_keychain=kept,
            snapshot=made.id if made else "",
            rewraps=made.meta.rewraps if made else "",
            older=tuple(each.id for each in held if each.meta.encrypted),
            next_is_full=made is None,
        )

    # -- what the phone is shown ----------------------------------------------------------------------------

    def _clone(self, folder: PhoneFolder, store: Store) -> WorkingCopy | None:
        """A clone of the newest snapshot, if the phone can wrap its keybag again."""
        base = folder.standing().base
        if base is None or not base.meta.encrypted or not self._opens(base):
            return None
        for left in folder.left_overs():
            if left.kind == "resumable":
                self._aside.append((folder.set_aside(left.path), left.path))
        self._observe(PhaseStarted("prepare", f"Preparing a copy of backup {base.id}."))
        try:
            working = self._copies.enter_context(
                WorkingCopy.create(folder, base, copies=store.copies, observer=self._observe)
            )
        except NoRoom as error:
            self._undo(folder, None)
            self._observe(
                Caution(f"ibackup cannot make a snapshot under the new password here. {error.message}", _FULL)
            )
            return None
        if working.cloned.left_out:
            # Cloning has reported what it left out. Neither the phone nor we would accept the rest as a whole backup.
            self._undo(folder, working)
            self._observe(
                Caution(
                    f"The newest snapshot, {base.id}, is damaged, so it is not used for a new one.", _FULL
                )
            )
            return None
        working.advance("receiving")
        return working

    def _opens(self, base: Snapshot) -> bool:
        """Whether the current password opens it; otherwise the phone could not wrap its keybag again."""
        self._observe(PhaseStarted("prepare", f"Opening backup {base.id} with the current password."))
        try:
            with Backup.open(base.backup_path, known=True) as backup:
                if self.before.opens(backup, self._passwords.old or ""):
                    self._keys = backup.keys
                    return True
        except NotABackup as error:
            self._observe(Caution(f"The newest snapshot, {base.id}, cannot be read. {error.message}", _FULL))
            return False
        self._observe(
            Caution(
                f"The current password does not open the newest snapshot, {base.id}.",
                f"That snapshot keeps its password. {_FULL}",
            )
        )
        return False

    def _ask(self, working: WorkingCopy | None) -> None:
        if working is None:
            with nothing_to_show(self._phone.udid) as nothing:
                ask(self._phone, nothing, self._passwords, self._observe)
            return
        with open_to_phone(_Rewrappable, working, self._phone.udid, self._observe) as files:
            ask(self._phone, files, self._passwords, self._observe)
            files.check_disk()

    # -- what it left ---------------------------------------------------------------------------------------

    def _finish(self, working: WorkingCopy | None) -> Snapshot | None:
        """A snapshot of the phone's result; the password is changed, whatever happens here."""
        if working is None:
            return None
        with working:
            try:
                return self._close(working)
            except IbackupError as error:
                self._observe(
                    Caution(
                        f"The password is changed, but there is no snapshot under it yet. {error.message}",
                        "Run `ibackup now`; it may be sent in full.",
                    )
                )
                return None

    def _close(self, working: WorkingCopy) -> Snapshot | None:
        base = working.base
        if base is None or not _is_rewrapped(working):
            working.discard()
            self._observe(Note(f"The {self._phone.facts.noun} did not use the copy it was offered. {_FULL}"))
            return None
        if not self._opens_anew(working):
            working.set_aside()
            raise DamageFound("The copy that the phone changed does not open with the new password.")
        working.advance("device_done", draft=_draft(working, base))
        return finishing.snapshot_of(working, self.lock, self._after, self._observe)

    def _opens_anew(self, working: WorkingCopy) -> bool:
        """Whether the new password opens the keybag, and it still contains the same keys."""
        self._observe(PhaseStarted("check", "Opening the backup with the new password."))
        try:
            with Backup.open(working.root, known=True) as backup:
                opens = self._after.opens(backup, self._passwords.new or "")
                return opens and self._keys is not None and _same(backup.keys, self._keys)
        except NotABackup:
            return False

    # -- if it fails ----------------------------------------------------------------------------------------

    def _undo(self, folder: PhoneFolder | None, working: WorkingCopy | None) -> None:
        """Undo everything: as far as is known, the phone has changed nothing."""
        if working is not None:
            working.discard()
        if folder is not None:
            for aside, path in self._aside:
                folder.reinstate(aside, path)
            self._aside.clear()

    def _after_loss(self, folder: PhoneFolder | None, working: WorkingCopy | None) -> WorkingCopy | None:
        """Keep a copy whose keybag is wrapped again, for the next backup; returns it, or None."""
        with contextlib.suppress(IbackupError, OSError):  # the error that ended it is the one to report
            if working is not None and _is_rewrapped(working):
                working.suspend()
                return working
            self._undo(folder, working)
        return None

    def _tell_standing(self, error: IbackupError, working: WorkingCopy | None) -> None:
        """Add the phone's state to an error; WillEncrypt is the same with either password."""
        if working is not None and self._opens_anew(working):
            self._custody.took()
            said = "The phone did accept the new password: the keybag that it sent opens with it."
            hint = "Run `ibackup now`: it continues from there, and only new data is sent."
        elif self._is_off():
            said = "Its backups are now not encrypted."
            hint = "Set a password with `ibackup encryption on`."
        else:
            said = "It is unknown whether the old or the new password applies: the phone does not report it."
            hint = (
                "Keep both. Run the same command again: if it says that the password is wrong, the new one "
                "applies, and the next backup is sent in full."
            )
        error.why, error.hint = f"{error.why} {said}".strip(), hint

    def _is_off(self) -> bool:
        facts = standing(self._phone, self._request.patience, self._observe)
        return facts is not None and facts.will_encrypt is False


class _Rewrappable(WorkingFiles):
    """A clone that a phone may read and store one file in; it may not move, remove or copy anything there."""

    def handle(self, link: DeviceLink, request: requests.PhoneRequest) -> None:
        """Carry out the phone's requests and answer them.

        Raises:
            ProtocolBroken: for what a change of the password does not need.
        """
        if isinstance(request, requests.UploadFiles):
            super().handle(link, request)
        else:
            ServedFiles.handle(self, link, request)


def _is_rewrapped(working: WorkingCopy) -> bool:
    line = working.ledger.line(finishing.REWRAPPED)
    return line is not None and line.origin is not Origin.CARRIED


def _same(one: ClassKeys, other: ClassKeys) -> bool:
    return one.classes == other.classes and all(one.key(each) == other.key(each) for each in one.classes)


def _draft(working: WorkingCopy, base: Snapshot) -> Draft:
    """The record of the new snapshot: the base's data, under another password."""
    line = working.ledger.line(finishing.REWRAPPED)
    return Draft(
        udid=base.meta.udid,
        device_name=base.meta.device_name,
        product_type=base.meta.product_type,
        ios_version=base.meta.ios_version,
        started=working.run.started,
        finished=datetime.now(UTC),
        data_from=base.meta.data_from,
        full=False,
        encrypted=True,
        checked="phone",
        received_bytes=line.size if line is not None else 0,
        tool=f"ibackup {__version__}",
        flawed=base.meta.flawed,
        rewraps=base.id,
    )
