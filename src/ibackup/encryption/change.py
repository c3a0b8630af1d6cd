"""Another password, without another full backup.

A phone that is asked for one looks for a backup on the computer and wraps its keybag anew: files, list of files and
keys stay as they are (protocol.md 5.2). It is shown a clone of the newest snapshot, and what it leaves becomes a
snapshot of its own, of the same data: the older ones keep their password.

The phone takes the new password before it touches the backup. So whatever cuts this off, the new password is kept
first; a working copy whose keybag is wrapped anew already is left for the next backup to go on with; and one that is
not is dropped, which costs a full backup at worst.
"""

import contextlib
from datetime import UTC, datetime

from ibackup import __version__
from ibackup.backup import finishing
from ibackup.device import Phone, PhoneFacts, open_phone, requests
from ibackup.device.files import WorkingFiles
from ibackup.device.link import DeviceLink
from ibackup.device.serving import ServedFiles, nothing_to_show
from ibackup.encryption.asking import Custody, Passwords, Refused, ask, settled, standing
from ibackup.encryption.types import NewPassword, Outcome, Request
from ibackup.errors import DamageFound, IbackupError, NoRoom, NotABackup, PasswordWrong, UsageError
from ibackup.events import Caution, Note, Observer, PhaseStarted
from ibackup.manifest.backup import Backup
from ibackup.manifest.keybag import ClassKeys
from ibackup.store import Draft, PhoneFolder, Snapshot, Store, WorkingCopy, free_bytes
from ibackup.store.ledger import Origin
from ibackup.store.lock import PhoneLock
from ibackup.store.trouble import telling

_FULL = "The next backup is sent in full."


def change(request: Request, observe: Observer) -> Outcome:
    """Change the password of a phone's backups.

    Raises:
        UsageError: backups are not encrypted, or the new password is the old one.
        PasswordWrong: the phone has another password than the one given as the old one.
        PersonNeeded: the passcode was not entered.
        PhoneBusy: a backup of this phone is under way.
        IbackupError: whatever else; the text says where the phone stands.
    """
    observe(PhaseStarted("find", "Looking for the phone."))
    with (
        telling("The password could not be changed."),
        open_phone(request.udid, wait=request.wait, patience=request.patience, observer=observe) as phone,
        contextlib.ExitStack() as stack,
    ):
        passwords, chosen = _passwords(request, phone.facts)
        custody = Custody(request.keychain, phone.udid, passwords, observe, keep=chosen.keep)
        job = _Change(request, phone, passwords, custody, observe)
        if request.store is None:
            return job.make(None)
        folder = request.store.phone(phone.udid, told_by_phone=True)
        job.lock = stack.enter_context(folder.lock())
        finishing.finish(folder, lambda _udid: passwords.old, observe)
        return job.make(folder)


def _passwords(request: Request, facts: PhoneFacts) -> tuple[Passwords, NewPassword]:
    if facts.will_encrypt is False:
        raise UsageError(
            f"The backups of this {facts.noun} are not encrypted, so there is no password to change.",
            hint="`ibackup encryption on` sets one.",
        )
    old = request.answers.old(facts)
    chosen = request.answers.new(facts, "change")
    if chosen.text == old:
        raise UsageError("The new password is the old one.", hint="Choose another. Nothing was changed.")
    return Passwords(old, chosen.text), chosen


class _Change:
    """One change under way; ``lock`` is the phone's, where there is a folder."""

    lock: PhoneLock | None = None

    def __init__(
        self, request: Request, phone: Phone, passwords: Passwords, custody: Custody, observe: Observer
    ) -> None:
        self._request = request
        self._phone = phone
        self._old, self._new = passwords.old or "", passwords.new or ""
        self._passwords = passwords
        self._custody = custody
        self._observe = observe
        self._keys: ClassKeys | None = None
        self._aside: list[tuple[str, str]] = []

    def make(self, folder: PhoneFolder | None) -> Outcome:
        """Do it; whatever happens, the new password is kept first and no snapshot is lost."""
        held = folder.snapshots() if folder is not None else []
        working = None
        try:
            if folder is not None and self._request.store is not None:
                working = self._clone(folder, self._request.store)
            self._custody.hold()
        except BaseException:
            self._undo(folder, working)  # nobody was asked for anything yet
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
        return Outcome(
            "change",
            self._phone.udid,
            facts.name or facts.noun,
            facts.noun,
            encrypted=True,
            in_keychain=kept,
            snapshot=made.id if made else "",
            rewraps=made.meta.rewraps if made else "",
            older=tuple(each.id for each in held if each.meta.encrypted),
            next_is_full=made is None,
        )

    # -- what the phone is shown ----------------------------------------------------------------------------

    def _clone(self, folder: PhoneFolder, store: Store) -> WorkingCopy | None:
        """A clone of the newest snapshot, if that is one that the phone can wrap anew."""
        base = folder.base()
        if base is None or not base.meta.encrypted or not self._opens(base):
            return None
        for left in folder.left_overs():
            if left.kind == "resumable":
                self._aside.append((folder.set_aside(left.path), left.path))
        self._observe(PhaseStarted("prepare", f"Preparing a copy of the backup {base.id}."))
        try:
            working = WorkingCopy.create(folder, base, copies=store.copies, observer=self._observe)
        except NoRoom as error:
            self._undo(folder, None)
            self._observe(
                Caution(f"No snapshot under the new password can be made here. {error.message}", _FULL)
            )
            return None
        if working.cloned.left_out:
            # The clone was told of it. The phone would take what is left for a whole backup no more than we do.
            self._undo(folder, working)
            self._observe(Caution(f"The newest snapshot, {base.id}, is damaged: none is made of it.", _FULL))
            return None
        working.advance("receiving")
        return working

    def _opens(self, base: Snapshot) -> bool:
        """Whether the password so far opens it; else the phone could not wrap its keybag anew."""
        self._observe(PhaseStarted("prepare", f"Opening the backup {base.id} with the password so far."))
        try:
            with Backup.open(base.backup_path, known=True) as backup:
                backup.unlock(self._old)
                self._keys = backup.keys
        except PasswordWrong:
            self._observe(
                Caution(
                    f"The password so far does not open the newest snapshot, {base.id}.",
                    f"That one keeps the password that it has. {_FULL}",
                )
            )
            return False
        except NotABackup as error:
            self._observe(Caution(f"The newest snapshot, {base.id}, cannot be read. {error.message}", _FULL))
            return False
        return True

    def _ask(self, working: WorkingCopy | None) -> None:
        if working is None:
            with nothing_to_show(self._phone.udid) as nothing:
                ask(self._phone, nothing, self._passwords, self._observe)
            return
        with _Shown(
            working.root,
            working.staging,
            self._phone.udid,
            working.ledger,
            free_space=lambda: free_bytes(working.path),
            barrier=working.barrier,
            settled=working.settled,
            checkpoint=working.checkpoint,
            observer=self._observe,
        ) as files:
            ask(self._phone, files, self._passwords, self._observe)
            files.check_disk()

    # -- what it left ---------------------------------------------------------------------------------------

    def _finish(self, working: WorkingCopy | None) -> Snapshot | None:
        """A snapshot of what the phone left; the password is changed, whatever comes of this."""
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
            self._observe(
                Note(f"The {self._phone.facts.noun} did not touch the copy that it was shown. {_FULL}")
            )
            return None
        if not self._opens_anew(working):
            working.set_aside()
            raise DamageFound("What the phone left does not open with the new password.")
        working.advance("device_done", draft=_draft(working, base))
        finishing.check(working, lambda _udid: self._new, self._observe)
        if self.lock is not None:
            self.lock.check()
        return finishing.close(working, self._observe)

    def _opens_anew(self, working: WorkingCopy) -> bool:
        """Whether the new password opens the keybag, with the very keys that were in it before."""
        self._observe(PhaseStarted("check", "Opening the backup with the new password."))
        try:
            with Backup.open(working.root, known=True) as backup:
                backup.unlock(self._new)
                return self._keys is not None and _same(backup.keys, self._keys)
        except (PasswordWrong, NotABackup):
            return False

    # -- when it goes wrong ---------------------------------------------------------------------------------

    def _undo(self, folder: PhoneFolder | None, working: WorkingCopy | None) -> None:
        """Put everything back: the phone has changed nothing, as far as is known."""
        if working is not None:
            working.discard()
        if folder is not None:
            for aside, path in self._aside:
                folder.reinstate(aside, path)
            self._aside.clear()

    def _after_loss(self, folder: PhoneFolder | None, working: WorkingCopy | None) -> WorkingCopy | None:
        """Keep a copy whose keybag is wrapped anew, for the next backup; gives it, or None."""
        with contextlib.suppress(IbackupError, OSError):  # the error that ended it is the one to tell
            if working is not None and _is_rewrapped(working):
                working.suspend()
                return working
            self._undo(folder, working)
        return None

    def _tell_standing(self, error: IbackupError, working: WorkingCopy | None) -> None:
        """Add to an error in the middle where the phone stands; WillEncrypt is the same with either password."""
        if working is not None and self._opens_anew(working):
            self._custody.took()
            said = "It has taken the new password all the same: the keybag that it sent opens with that."
            hint = "Run `ibackup now`: it goes on from there, and only what is new is sent."
        elif self._is_off():
            said = "Its backups are not encrypted now."
            hint = "Set a password with `ibackup encryption on`."
        else:
            said = "Whether the old or the new password is in force is not known: the phone does not tell."
            hint = (
                "Keep both. Run the same command again: if it says that the password is wrong, the new one is in "
                "force, and the next backup is sent in full."
            )
        error.why, error.hint = f"{error.why} {said}".strip(), hint

    def _is_off(self) -> bool:
        facts = standing(self._phone, self._request.patience, self._observe)
        return facts is not None and facts.will_encrypt is False


class _Shown(WorkingFiles):
    """A clone that a phone may look at, and store one file in: nothing may be moved, removed or copied there."""

    def handle(self, link: DeviceLink, request: requests.Request) -> None:
        """Do what the phone asks for and answer.

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
    """What is known of the snapshot to be: the base's data, under another password."""
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
        unreadable=base.meta.unreadable,
        rewraps=base.id,
    )
