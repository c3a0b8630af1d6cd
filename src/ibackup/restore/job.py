"""One restore: everything that can be known is looked at first, then the phone takes the backup back.

The phone is let go while the backup is looked at, which can take an hour: its session would not last. Nothing is ever
written to the backup.
"""

import time
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Self

from ibackup.backup.awake import awake
from ibackup.device import open_phone, restore_facts
from ibackup.device.facts import PhoneFacts
from ibackup.device.phone import Phone
from ibackup.device.restore_facts import RestoreFacts
from ibackup.errors import (
    DamageFound,
    IbackupError,
    NotABackup,
    PasswordNeeded,
    PhoneBusy,
)
from ibackup.events import Caution, Observer, PhaseStarted
from ibackup.manifest.backup import Backup
from ibackup.manifest.findings import Level
from ibackup.proving import prove
from ibackup.restore import contents, preflight
from ibackup.restore.contents import Contents
from ibackup.restore.sending import Order, send, unlock
from ibackup.restore.types import Check, Request, Result, Source
from ibackup.store import PhoneFolder, Snapshot
from ibackup.store.trouble import telling

_FRESH = timedelta(hours=24)
"""What was read and found good so lately need not be held against its seal again while it is sent."""


class Restoration:
    """A restore, looked at from all sides when the ``with`` block begins; ``carry_out`` does it.

    Attributes:
        checks: what was looked at, and what came of it.
        facts: of the phone.
        source: the backup.
        contents: what is in it.

    Raises (when the block begins):
        NoPhone, PersonNeeded, ConnectionLost, …: the phone cannot be reached.
        UsageError: there is no such backup.
        PhoneBusy: a run is working with the snapshots of that phone.
        NotABackup, DamageFound: the backup is damaged beyond restoring, or was never finished.
    """

    facts: PhoneFacts
    source: Source
    contents: Contents

    def __init__(self, request: Request, observe: Observer) -> None:
        self._request = request
        self._observe = observe
        self._stack = ExitStack()
        self._password: str | None = None
        self._proven: datetime | None = None
        self.checks: list[Check] = []

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._stack = stack
            self._look()
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    @property
    def failed(self) -> IbackupError | None:
        """Why it cannot be, by the first check that says so."""
        return next((check.error for check in self.checks if check.error is not None), None)

    # -- before anything is sent ------------------------------------------------------------------------------

    def _look(self) -> None:
        self._observe(PhaseStarted("find", "Looking for the phone."))
        with self._open_phone(self._request.udid) as phone:
            self.facts, more = phone.facts, restore_facts.read(phone)
            by_cable = phone.connection == "USB"
        self.source = self._request.find(self.facts.udid)
        self._hold(self.source.snapshot)
        self._observe(PhaseStarted("prepare", f"Looking at the backup {self.source.label}."))
        with telling("The backup could not be read."):
            self._look_at_backup(more, by_cable=by_cable)

    def _open_phone(self, udid: str | None) -> Phone:
        request = self._request
        return open_phone(
            udid,
            address=request.address,
            wait=request.wait,
            patience=request.patience,
            observer=self._observe,
        )

    def _hold(self, snapshot: Snapshot | None) -> None:
        """Keep others from removing the snapshot meanwhile."""
        folder = PhoneFolder.holding(snapshot) if snapshot is not None else None
        if folder is None:
            return
        try:
            self._stack.enter_context(folder.lock())
        except PhoneBusy:
            raise
        except IbackupError:
            # A second copy on a disk that is read-only can be restored all the same; nobody removes anything there.
            self._observe(Caution("The store cannot be written: nothing keeps others from changing it."))

    def _look_at_backup(self, more: RestoreFacts, *, by_cable: bool) -> None:
        source, facts, options = self.source, self.facts, self._request.options
        self._backup = backup = self._stack.enter_context(Backup.open(source.path, known=True))
        try:
            unlocked = self._unlock(backup)
            self.contents = contents.read(backup)
        except NotABackup as error:
            raise self._unusable(error) from error
        found = self.contents
        fits = preflight.fit_checks(facts, more, found, by_cable=by_cable)
        self.checks += [*fits, *preflight.phone_checks(facts, more), unlocked]
        self.checks.append(preflight.replaced(facts, found, options, self._newest_of_phone()))
        self.checks.append(self._prove())

    def _unusable(self, error: NotABackup) -> IbackupError:
        """A snapshot that no longer parses is damaged; of other folders it is not known whether they ever were."""
        snapshot = self.source.snapshot
        if snapshot is None:
            return error
        return DamageFound(f"Snapshot {snapshot.id} is damaged.", why=error.message, hint=error.hint)

    def _unlock(self, backup: Backup) -> Check:
        if backup.unlocked:
            return Check("password", "ok", "The backup is not encrypted and needs no password.")
        try:
            self._password = unlock(backup, self._request.password, self._request.keychain)
        except PasswordNeeded as error:
            return Check("password", "failed", error.message, error)
        return Check("password", "ok", "The password opens the backup.")

    def _prove(self) -> Check:
        source, label = self.source, self.source.label
        folder = PhoneFolder.holding(source.snapshot) if source.snapshot is not None else None
        proofs = folder.proofs(source.snapshot.id) if folder and source.snapshot else None
        if proofs is not None and not proofs.known_damaged:
            moments = [when for level in ("full", "deep") if (when := proofs.proven_since(level))]
            if moments:
                self._proven = max(moments)
                return Check("backup", "ok", f"Proven good on {max(moments).astimezone():%Y-%m-%d %H:%M}.")
        if not self._request.verify:
            known = " and is known to be damaged" if proofs is not None and proofs.known_damaged else ""
            return Check("backup", "warning", f"It was not verified{known}, by your own choice.")
        if self.failed is not None:
            return Check("backup", "skipped", "Not verified, since the restore cannot be anyway.")
        self._observe(PhaseStarted("verify", f"Verifying {label} first: every byte is read."))
        try:
            verdict = prove(
                source.path,
                Level.FULL,
                snapshot=source.snapshot,
                password=lambda _udid: self._password,
                observer=self._observe,
            )
        except (DamageFound, NotABackup) as error:
            return Check("backup", "failed", error.message, error)
        if verdict.good:
            self._proven = datetime.now(UTC)
            return Check("backup", "ok", "Every byte was read just now, and it is good.")
        where = f" {source.snapshot.id}" if source.snapshot else f" '{source.path}'"
        damage = DamageFound(
            f"The backup is damaged: {verdict.summary.damage:,} findings.",
            why="A phone gives a restore up when it meets a damaged file.",
            hint=f"`ibackup verify{where}` names them. Restore another snapshot (`ibackup list`), or have it tried all "
            "the same with --skip-verify.",
        )
        return Check("backup", "failed", damage.message, damage)

    def _newest_of_phone(self) -> datetime | None:
        snapshot = self.source.snapshot
        folder = PhoneFolder.holding(snapshot) if snapshot is not None else None
        newest = folder.newest() if folder is not None else None
        return newest.meta.data_from if newest is not None else None

    # -- the restore itself -----------------------------------------------------------------------------------

    def carry_out(self) -> Result:
        """Restore the phone.

        Raises:
            IbackupError: the hint says what state the phone is in, and what to do.
        """
        if self.failed is not None:
            raise self.failed
        began = time.monotonic()
        with awake(), telling("The backup could not be read."), self._open_phone(self.facts.udid) as phone:
            sent = send(phone, self.source, self._backup, self.contents, self._order, self._observe)
        return Result(
            source=self.source.label,
            udid=self.facts.udid,
            device_name=self.facts.name or self.facts.noun,
            files=sent.files,
            bytes=sent.bytes,
            restarts=self._request.options.reboot,
            duration_s=time.monotonic() - began,
        )

    @property
    def _order(self) -> Order:
        fresh = self._proven is not None and datetime.now(UTC) - self._proven < _FRESH
        return Order(self._request.options, self._password, again=not fresh)
