"""Imports a backup that Finder, iTunes, idevicebackup2 or another program made, as a snapshot.

Its files are copied, as clones if possible, into a working copy that goes through the same steps to a
snapshot as one that a phone filled. Until everything is there and checked, that working copy has no run.json.
So no run can use what an interrupted import leaves, and the next run removes it.
"""

import contextlib
import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

from ibackup import __version__
from ibackup.apple.backup import INFO, MANIFEST, STATUS, Backup
from ibackup.apple.fitting import MOST_UNRECORDED
from ibackup.apple.found_folders import UNDER_WAY, folder_error
from ibackup.apple.verify import whole_backup_checks
from ibackup.apple.verify.findings import Finding, FindingKind, Level
from ibackup.base import confined
from ibackup.base.errors import DamageFound, IbackupError, NoRoom, NotABackup, PasswordNeeded, UsageError
from ibackup.base.events import Caution, Observer, PhaseStarted, Progress, ignore
from ibackup.base.udids import may_be_udid, same_udid
from ibackup.jobs.keeping import settling, side_files
from ibackup.jobs.keeping.file_copier import Copier
from ibackup.jobs.keeping.import_checks import check, refuse_damaged
from ibackup.store.disk import durable, record_times
from ibackup.store.disk.disk_errors import telling
from ibackup.store.disk.free_space import free_bytes
from ibackup.store.phone_folder import PhoneFolder
from ibackup.store.records.run_record import RunState, new_run_id
from ibackup.store.records.snapshot import IMPORT, Draft, Flawed, Snapshot
from ibackup.store.store import Store
from ibackup.store.work.file_ledger import FileLedger
from ibackup.store.work.folder_trees import Found, walk
from ibackup.store.work.recovery import close, close_complete
from ibackup.store.work.working_copy import LEDGER_NAME, STAGING_NAME, WorkingCopy
from ibackup.vault.unlocker import Unlocker

TOOL = f"ibackup {__version__}{IMPORT}"

# What SQLite leaves when someone opens the manifest: beside the manifest of a later backup it would count as
# part of that.
_LOOKS = frozenset(["manifest.db-wal", "manifest.db-shm", "manifest.db-journal"])
_SHOWN = 3


@dataclass(frozen=True, slots=True)
class ImportRequest:
    """A backup to take over.

    Attributes:
        store: where it goes.
        source: its folder, or one that holds exactly one backup.
        unlocker: opens an encrypted one, as far as it can.
        udid: the phone that it must be from; None for any.
        level: how far to check it.
        wait: seconds to wait for a backup that another program may still be writing.
        settled: import it even if it changed a moment ago.
    """

    store: Store
    source: str
    unlocker: Unlocker = field(default_factory=Unlocker)
    udid: str | None = None
    level: Level = Level.QUICK
    wait: float = 0.0
    settled: bool = False


@dataclass(slots=True)
class Adopted:
    """The result of an import.

    Attributes:
        source: the imported folder.
        cloned: whether its files share their blocks with it.
        left_out: names that no backup has, by path.
        changed: what other programs did to it, so that no phone restores it; empty if nothing is known.
    """

    snapshot: Snapshot
    source: str
    cloned: bool
    left_out: tuple[str, ...]
    changed: str


@dataclass(frozen=True, slots=True)
class _Origin:
    """What the plists of a backup say."""

    path: str
    udid: str
    device_name: str
    product_type: str
    ios_version: str
    data_from: datetime
    encrypted: bool
    stamp: settling.Stamp
    lost: tuple[str, ...]
    caution: str


def adopt(request: ImportRequest, observe: Observer = ignore) -> Adopted:
    """Make a snapshot of a backup; nothing in its folder is changed.

    Raises:
        NotABackup: it is not a backup, or cannot be read.
        PhoneBusy: another program may still be writing it, or a run has this phone.
        DamageFound: it is damaged or was never finished.
        PasswordWrong: the given password does not open it.
        UsageError: it is in the store already, or older than the store's snapshots.
        NoRoom: the disk is too small for a copy.
        IbackupError: it could not be written.
    """
    with Backup.open(request.source) as backup:
        path = os.path.realpath(backup.path)
    if path.startswith(os.path.join(request.store.path, "")):
        raise UsageError(f"{path} is already in this store.", hint="`ibackup list` shows its snapshots.")
    if not request.settled:
        settling.wait_until_settled(path, request.wait, observe)
    origin = _look(path, settled=request.settled)
    if request.udid is not None and not same_udid(origin.udid, request.udid):
        raise UsageError(
            f"The backup {path} is from another phone: {origin.udid}.", hint="Leave --phone out."
        )
    folder = request.store.phone(origin.udid)
    with folder.lock() as lock:
        _clear_way(folder, observe)
        _refuse_old(folder, origin)
        job = _Job(folder, origin, observe)
        working = job.make(request)
        with working:
            lock.check()
            snapshot = close(working, observe)
    return Adopted(snapshot, path, job.cloned, tuple(job.left_out), job.changed)


# -- before -------------------------------------------------------------------------------------------------


def _look(path: str, *, settled: bool) -> _Origin:
    with Backup.open(path, known=True) as backup:
        stamp = settling.stamp(path)
        lost = side_files.lost(backup)
        if STATUS in lost and not settled:
            raise DamageFound(
                f"{STATUS} is missing or damaged: the state of this backup is lost, its files are not.",
                why="Without it, ibackup does not know whether the backup was finished.",
                hint=(
                    "If no other program is still writing it, import it with --settled: ibackup then "
                    "compares each file with the phone's list. Nothing was imported."
                ),
            )
        refuse_damaged(
            [finding for finding in whole_backup_checks.check_plists(backup) if _is_in_the_way(finding)]
        )
        info, status, manifest = side_files.info_of(backup), side_files.status_of(backup), backup.manifest
        lockdown = manifest.lockdown
        udid = lockdown.unique_device_id or info.target_identifier or info.unique_identifier
        if not may_be_udid(udid):
            raise NotABackup(
                f"The backup {path} does not say which phone it is from.",
                why=f"Its plists name {udid[:80]!a}, which is not a UDID."
                if udid
                else "Its plists name no UDID.",
                hint="`ibackup verify` can still check it.",
            )
        return _Origin(
            path,
            udid,
            info.device_name or info.display_name or lockdown.device_name or "iPhone",
            info.product_type or lockdown.product_type,
            info.product_version or lockdown.product_version,
            (status and status.date) or manifest.date or info.last_backup_date or _mtime(path),
            manifest.is_encrypted,
            stamp,
            lost,
            whole_backup_checks.caution(backup),
        )


def _mtime(path: str) -> datetime:
    return datetime.fromtimestamp(os.stat(os.path.join(path, MANIFEST)).st_mtime, UTC)


def _is_in_the_way(finding: Finding) -> bool:
    """Whether it prevents an import; a lost state alone is handled earlier."""
    state_lost = finding.file == STATUS and finding.kind is FindingKind.PLIST_UNREADABLE
    return finding.is_damage and not state_lost


def _clear_way(folder: PhoneFolder, observe: Observer) -> None:
    """Remove or finish what an interrupted import left; `ibackup now` handles what a phone sent."""
    for left in folder.left_overs():
        if left.kind == "complete":
            close_complete(folder, left, observe)
        elif left.kind == "unfinished":
            if left.run is None or left.run.draft is None or left.run.draft.tool != TOOL:
                raise UsageError(
                    "An interrupted backup is still unfinished, and is newer than the store's snapshots.",
                    hint="Run `ibackup now` first; it finishes that backup even without the phone.",
                )
            folder.discard(left.path)
    folder.clear_up()


def _refuse_old(folder: PhoneFolder, origin: _Origin) -> None:
    """Refuse an old backup: ``latest`` and the next run use the snapshot made last, so it must be the newest."""
    newest = max(folder.snapshots(), key=lambda each: each.meta.data_from, default=None)
    if newest is None or origin.data_from > newest.meta.data_from:
        return
    if origin.data_from == newest.meta.data_from:
        raise UsageError(
            f"This backup is already in the store: it is snapshot {newest.id}.",
            hint=f"For details: `ibackup show {newest.id}`.",
        )
    raise UsageError(
        "This backup is older than the newest in the store: it is from "
        f"{record_times.written(origin.data_from)}, snapshot {newest.id} is from "
        f"{record_times.written(newest.meta.data_from)}.",
        why="The next backup would build on it, and `latest` would stand for it.",
        hint=(
            "Leave it where it is (`ibackup verify` can check it there), or import it into a separate "
            "store with --store. To import several, begin with the oldest."
        ),
    )


# -- copying ------------------------------------------------------------------------------------------------


@dataclass
class _Job:
    """One running import."""

    folder: PhoneFolder
    origin: _Origin
    observe: Observer
    cloned: bool = False
    left_out: list[str] = field(default_factory=list)
    changed: str = ""

    def make(self, request: ImportRequest) -> WorkingCopy:
        """A working copy with everything in it, checked, at ``verified``."""
        working = self._begin()
        try:
            self._copy(working)
            self._make_up(working)
            draft = self._draft(working)
            self.observe(PhaseStarted("check", "Checking the copied files."))
            draft, self.changed = check(working, draft, request.level, request.unlocker, self.observe)
            self._refuse_unknown(draft)
            settling.refuse_changed(self.origin.path, self.origin.stamp)
            working.advance("device_done", draft=draft)
            working.advance("verified")
        except BaseException:
            with contextlib.suppress(OSError, IbackupError):  # the next command removes what is left
                working.discard()
            raise
        return working

    def _begin(self) -> WorkingCopy:
        started = record_times.now()
        run_id = new_run_id(started)
        path = self.folder.working_path(run_id)
        with telling("The working copy could not be created."):
            for each in (path, os.path.join(path, self.folder.udid), os.path.join(path, STAGING_NAME)):
                durable.make_dir(each)
            ledger = FileLedger.create(os.path.join(path, LEDGER_NAME))
        return WorkingCopy(
            self.folder, path, RunState(run_id, "prepared", "", started), ledger, None, self.observe
        )

    def _copy(self, working: WorkingCopy) -> None:
        self.observe(PhaseStarted("receive", f"Importing {self.origin.path}."))
        total, size, probe = self._measure()
        with self._reading(), Copier(self.origin.path, working.root) as copier:
            if probe is not None and not copier.try_clone(probe.folder, probe.name):
                _need_room(working.path, size)
            done = count = 0

            def enter(folder: str) -> None:
                copier.target.folder(folder)  # an empty folder is part of the backup too
                working.ledger.made_dir(folder)

            for found in self._files(enter):
                copied = copier.copy(found.folder, found.name)
                if copied.size != found.stat.st_size:
                    raise settling.changed(self.origin.path)
                working.ledger.stored(found.path, copied.size, copied.sha256, copied.mtime)
                done, count = done + copied.size, count + 1
                self.observe(Progress("receive", None, done, size, count, total))
            self.cloned = copier.clones
        self._tell_left_out()

    def _refuse_unknown(self, draft: Draft) -> None:
        """A backup that lost its state is complete if everything in its manifest is there."""
        if STATUS in self.origin.lost and draft.checked != "manifest":
            raise PasswordNeeded(
                (
                    f"Its {STATUS} is lost, and only the phone's list of files shows whether the backup "
                    "is complete."
                ),
                why="That list is encrypted.",
                hint="Give its backup password. Nothing was imported.",
            )

    def _make_up(self, working: WorkingCopy) -> None:
        """Create the lost files of the backup that can be made from the rest."""
        for name in self.origin.lost:
            with Backup.open(working.root, known=True) as backup:
                data = side_files.made(name, backup, self.origin.udid, self.origin.data_from)
            path = os.path.join(working.root, name)
            with telling(f"{name} could not be written."):
                durable.write_file(path, data)
                written = os.stat(path).st_mtime
            working.ledger.stored(name, len(data), hashlib.sha256(data).digest(), written)
            self.observe(
                Caution(
                    f"{name} was missing or could not be read; ibackup made one from {MANIFEST}. No data is lost.",
                    "After a restore, install the apps yourself." if name == INFO else "",
                )
            )

    def _measure(self) -> tuple[int, int, Found | None]:
        """Number and bytes of the files, and one file to try clones with."""
        total = size = 0
        probe = None
        with self._reading():
            for found in self._files():
                if found.stat.st_size > MOST_UNRECORDED:
                    raise DamageFound(
                        f"{confined.shown(found.path)} is too large for a file of a backup.",
                        why=f"It has {found.stat.st_size:,} bytes.",
                        hint="`ibackup verify` shows what the phone's list says about it. Nothing was imported.",
                    )
                total, size = total + 1, size + found.stat.st_size
                probe = found if probe is None and found.stat.st_size else probe
        self.left_out.clear()
        return total, size, probe

    def _files(self, enter: Callable[[str], None] = lambda _folder: None) -> Iterator[Found]:
        """The files that belong to the backup; ``enter`` is called with each folder first."""
        for folder, held in walk(self.origin.path):
            if folder and not self._belongs(folder):
                continue
            enter(folder)
            for found in held:
                if found.path in self.origin.lost:
                    continue
                if stat.S_ISREG(found.stat.st_mode) and self._belongs(found.path):
                    yield found
                elif not stat.S_ISDIR(found.stat.st_mode):
                    self.left_out.append(found.path)

    def _belongs(self, path: str) -> bool:
        parts = path.split("/")
        if parts[0] == UNDER_WAY or any(part.startswith(".") or part.lower() in _LOOKS for part in parts):
            return False
        return not any(confined.name_flaw(part) for part in parts)

    @contextlib.contextmanager
    def _reading(self) -> Iterator[None]:
        """Distinguish errors of the source from those of the store."""
        try:
            yield
        except confined.PathRefused as refused:
            raise NotABackup(f"{self.origin.path} is not a backup.", why=refused.why) from None
        except FileNotFoundError:
            raise settling.changed(self.origin.path) from None
        except PermissionError as error:
            raise folder_error(self.origin.path, error) from None
        except OSError as error:
            with telling("The backup could not be copied into the store."):
                raise error from None

    def _tell_left_out(self) -> None:
        if self.left_out:
            more = f" and {len(self.left_out) - _SHOWN} more" if len(self.left_out) > _SHOWN else ""
            names = ", ".join(confined.shown(path) for path in self.left_out[:_SHOWN])
            self.observe(
                Caution(f"Left out, because no backup has such files: {names}{more}.", self.origin.caution)
            )

    def _draft(self, working: WorkingCopy) -> Draft:
        origin = self.origin
        return Draft(
            udid=self.folder.udid,
            device_name=origin.device_name,
            product_type=origin.product_type,
            ios_version=origin.ios_version,
            started=working.run.started,
            finished=record_times.now(),
            data_from=origin.data_from,
            full=True,
            encrypted=origin.encrypted,
            checked="phone",
            received_bytes=0,
            tool=TOOL,
            flawed=_known_flaws(origin, working),
        )


def _known_flaws(origin: _Origin, working: WorkingCopy) -> tuple[Flawed, ...]:
    """The known flaws of a snapshot from another store, for files unchanged since they were sealed."""
    try:
        snapshot = Snapshot.open(os.path.dirname(origin.path))
        sealed = snapshot.seal
    except (IbackupError, OSError):
        return ()  # it is not a snapshot, or not a reliable one
    if os.path.realpath(snapshot.backup_path) != origin.path:
        return ()
    kept = []
    for file in snapshot.meta.flawed:
        line = working.ledger.line(file.path)
        if sealed.get(file.path) == (None if line is None else line.sha256):
            kept.append(file)
    return tuple(kept)


def _need_room(path: str, size: int) -> None:
    free = free_bytes(path)
    if free < size:
        raise NoRoom(
            f"A copy of this backup needs {size:,} bytes; {free:,} are free.",
            hint="Free some space, or use another --store. Nothing was imported.",
        )
