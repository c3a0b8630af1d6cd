"""One restore: check everything first, then send the backup to the phone.

Checking the backup can take an hour, so the phone is disconnected meanwhile: its session would not last. Nothing is
ever written to the backup.
"""

import time
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Self

from ibackup.apple.backup import Backup
from ibackup.apple.reasons import WORDS
from ibackup.apple.verify.findings import Level, named
from ibackup.base.confined import shown
from ibackup.base.errors import (
    DamageFound,
    IbackupError,
    NotABackup,
    NotRestorable,
    PasswordNeeded,
    PhoneBusy,
)
from ibackup.base.events import Caution, Note, Observer, PhaseStarted
from ibackup.base.udids import same_udid
from ibackup.device.lockdown import restore_facts
from ibackup.device.lockdown.phone_facts import PhoneFacts
from ibackup.device.lockdown.restore_facts import RestoreFacts
from ibackup.jobs.backup.keep_awake import awake
from ibackup.jobs.backup_source import BackupSource
from ibackup.jobs.keeping.pruning import pin
from ibackup.jobs.proving.backup_proof import prove
from ibackup.jobs.restore import backup_contents, preflight
from ibackup.jobs.restore.backup_contents import Contents
from ibackup.jobs.restore.restore_request import PreflightCheck, RestoreRequest, RestoreResult
from ibackup.jobs.restore.sending_backup import Order, send, unlock
from ibackup.store import flawed_summary
from ibackup.store.disk.disk_errors import telling
from ibackup.store.phone_folder import PhoneFolder
from ibackup.store.records.snapshot import Flawed, Snapshot

_FRESH = timedelta(hours=24)
"""A backup verified this recently need not be compared with its seal again while it is sent."""


class Restoration:
    """A restore. Entering the ``with`` block checks everything; ``carry_out`` restores.

    Attributes:
        checks: what was checked, and the results.
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
    source: BackupSource
    contents: Contents

    def __init__(self, request: RestoreRequest, observe: Observer) -> None:
        self._request = request
        self._observe = observe
        self._stack = ExitStack()
        self._password: str | None = None
        self._proven: datetime | None = None
        self.checks: list[PreflightCheck] = []

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
        """Why it is not possible, from the first failed check."""
        return next((check.error for check in self.checks if check.error is not None), None)

    # -- before anything is sent ------------------------------------------------------------------------------

    def _look(self) -> None:
        self._observe(PhaseStarted("find", "Looking for the phone."))
        with self._request.open_phone(self._observe) as phone:
            self.facts, more = phone.facts, restore_facts.read(phone)
            by_cable = phone.connection == "USB"
        self.source = self._request.find(self.facts.udid)
        self._hold(self.source.snapshot)
        if self._request.pin and preflight.may_erase(self.facts):
            self._pin(self.source.snapshot)
        self._observe(PhaseStarted("prepare", f"Checking backup {self.source.label}."))
        with telling("The backup could not be read.", reading=True):
            self._look_at_backup(more, by_cable=by_cable)

    def _hold(self, snapshot: Snapshot | None) -> None:
        """Keep others from removing the snapshot in the meantime."""
        folder = PhoneFolder.holding(snapshot) if snapshot is not None else None
        if folder is None:
            return
        try:
            self._stack.enter_context(folder.lock())
        except PhoneBusy:
            raise
        except IbackupError:
            # A second copy on a read-only disk can still be restored; nobody removes anything there.
            self._observe(
                Caution("ibackup cannot write to the store, so it cannot keep others from changing it.")
            )

    def _pin(self, snapshot: Snapshot | None) -> None:
        """Protect it from prune: the phone should be backed up before the restore, and prune follows each backup."""
        folder = PhoneFolder.holding(snapshot) if snapshot is not None else None
        if snapshot is None or folder is None or folder.proofs(snapshot.id).pinned:
            return
        try:
            pin(folder, snapshot, f"chosen for a restore on {datetime.now().astimezone():%Y-%m-%d}")
        except IbackupError as error:
            self._observe(Caution(f"Snapshot {snapshot.id} could not be pinned. {error.message}", error.hint))
            return
        self._observe(
            Note(
                f"Snapshot {snapshot.id} is pinned, so that a backup before the restore does not prune it. "
                f"It stays pinned until `ibackup pin {snapshot.id} --remove`."
            )
        )

    def _look_at_backup(self, more: RestoreFacts, *, by_cable: bool) -> None:
        source, facts, options = self.source, self.facts, self._request.options
        self._backup = backup = self._stack.enter_context(Backup.open(source.path, known=True))
        try:
            unlocked = self._unlock(backup)
            self.contents = backup_contents.read(backup)
        except NotABackup as error:
            raise self._unusable(error) from error
        found = self.contents
        fits = preflight.fit_checks(facts, more, found, by_cable=by_cable)
        self.checks += [*fits, *preflight.phone_checks(facts, more), unlocked]
        if erasing := self._erasing():
            self.checks.append(erasing)
        self.checks.append(preflight.replaced(facts, found, options, self._newest_of_phone()))
        if flawed_summary.are_older(self._flawed):
            names = [shown(file.device_path or file.path) for file in self._flawed]
            self.checks.append(preflight.older(names, facts.noun))
        self._tell_flaws(
            [f"{shown(file.device_path or file.path)} ({WORDS[file.reason]})" for file in self._flawed]
        )
        self.checks.append(self._prove())

    def _unusable(self, error: NotABackup) -> IbackupError:
        """A snapshot that no longer parses is damaged; other folders may never have been backups."""
        snapshot = self.source.snapshot
        if snapshot is None or isinstance(error, NotRestorable):
            return error
        return DamageFound(f"Snapshot {snapshot.id} is damaged.", why=error.message, hint=error.hint)

    def _unlock(self, backup: Backup) -> PreflightCheck:
        if backup.unlocked:
            return PreflightCheck("password", "ok", "The backup is not encrypted and needs no password.")
        try:
            self._password = unlock(backup, self._request.unlocker)
        except PasswordNeeded as error:
            return PreflightCheck("password", "failed", error.message, error)
        return PreflightCheck("password", "ok", "The password opens the backup.")

    @property
    def _flawed(self) -> tuple[Flawed, ...]:
        return self.source.snapshot.meta.flawed if self.source.snapshot is not None else ()

    def _tell_flaws(self, names: list[str], count: int = 0) -> None:
        if names and all(check.name != "flaws" for check in self.checks):
            noun, despite = self.facts.noun, self._request.despite_flaws
            self.checks.append(preflight.flaws(names, max(count, len(names)), noun, despite=despite))

    def _prove(self) -> PreflightCheck:
        source, label = self.source, self.source.label
        folder = PhoneFolder.holding(source.snapshot) if source.snapshot is not None else None
        known = folder.known(source.snapshot) if folder and source.snapshot else None
        self._proven = known.verified if known and not known.damage else None
        if self._proven is not None:
            proven = "Proven to be what the phone sent" if self._flawed else "Proven good"
            return PreflightCheck("backup", "ok", f"{proven} on {self._proven.astimezone():%Y-%m-%d %H:%M}.")
        if not self._request.verify:
            damaged = " and is known to be damaged" if known and known.damage else ""
            return PreflightCheck("backup", "warning", f"It was not verified{damaged}, as you chose.")
        if self.failed is not None:
            return PreflightCheck("backup", "skipped", "Skipped: the restore is not possible yet.")
        self._observe(PhaseStarted("verify", f"Verifying {label} first: ibackup reads every byte."))
        try:
            verdict = prove(
                source.path,
                Level.FULL,
                snapshot=source.snapshot,
                unlocker=self._request.unlocker,
                observer=self._observe,
            )
        except (DamageFound, NotABackup) as error:
            return PreflightCheck("backup", "failed", error.message, error)
        flawed = [shown(f"{each.domain} {each.path}") for each in verdict.findings if each.is_flaw]
        self._tell_flaws(flawed, verdict.summary.flaws)
        if verdict.status != "damaged":
            self._proven = datetime.now(UTC)
            good = "it is good" if verdict.good else "it is what the phone sent"
            return PreflightCheck("backup", "ok", f"Every byte was read just now, and {good}.")
        where = f" {source.snapshot.id}" if source.snapshot else f" '{source.path}'"
        another = "Restore another snapshot (`ibackup list`), or try this one anyway with --skip-verify."
        if verdict.has_all_files:
            damage = DamageFound(
                "No file of the backup is lost, but a phone does not take it like this.",
                why=named([each for each in verdict.findings if each.is_damage]),
                hint=f"`ibackup verify{where}` says what to do about that. {another}",
            )
        else:
            count = verdict.summary.damage
            damage = DamageFound(
                f"The backup is damaged: {count:,} finding{'' if count == 1 else 's'}.",
                why="A phone ends a restore when it reaches a damaged file.",
                hint=f"`ibackup verify{where}` names everything. {another}",
            )
        return PreflightCheck("backup", "failed", damage.message, damage)

    def _erasing(self) -> PreflightCheck | None:
        request, facts = self._request, self.facts
        made = self._backed_up() if preflight.may_erase(facts) else None
        return preflight.erasing(facts, request.options, made, allowed=request.may_erase)

    def _backed_up(self) -> datetime | None:
        """Of when the newest good backup of this phone is: in the store, or else beside the snapshot."""
        store, snapshot, udid = self._request.store, self.source.snapshot, self.facts.udid
        if store is not None:
            return store.phone(udid).standing().made
        folder = PhoneFolder.holding(snapshot) if snapshot is not None else None
        return folder.standing().made if folder is not None and same_udid(folder.udid, udid) else None

    def _newest_of_phone(self) -> datetime | None:
        snapshot = self.source.snapshot
        folder = PhoneFolder.holding(snapshot) if snapshot is not None else None
        newest = folder.newest() if folder is not None else None
        return newest.meta.data_from if newest is not None else None

    # -- the restore itself -----------------------------------------------------------------------------------

    def carry_out(self) -> RestoreResult:
        """Restore the phone.

        Raises:
            IbackupError: the hint says what state the phone is in and what to do.
        """
        if self.failed is not None:
            raise self.failed
        began = time.monotonic()
        with (
            awake(),
            telling("The backup could not be read.", reading=True),
            replace(self._request, udid=self.facts.udid).open_phone(self._observe) as phone,
        ):
            sent = send(phone, self.source, self._backup, self.contents, self._order, self._observe)
        return RestoreResult(
            device_name=self.facts.name or self.facts.noun,
            files=sent.files,
            bytes=sent.bytes,
            restarts=self._request.options.reboot,
            installs=self._request.options.install_apps and self.contents.installs,
            duration_s=time.monotonic() - began,
        )

    @property
    def _order(self) -> Order:
        fresh = self._proven is not None and datetime.now(UTC) - self._proven < _FRESH
        return Order(self._request.options, self._password, again=not fresh)
