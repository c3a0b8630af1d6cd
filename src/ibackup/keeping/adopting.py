"""Take over a backup that Finder, iTunes, idevicebackup2 or another program made, as a snapshot.

Its files are copied, as clones where that is possible, into a working copy that takes the same steps to a snapshot
as one that a phone filled. Until everything is there and checked, that working copy has no run.json: what an
interrupted import leaves is of no use to any run, and the next one removes it.
"""

import contextlib
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

from ibackup import __version__, confined
from ibackup.errors import IbackupError, NoRoom, NotABackup, UsageError
from ibackup.events import Caution, Observer, PhaseStarted, Progress, ignore
from ibackup.keeping import settling
from ibackup.keeping.checking import Password, check, refuse_damaged
from ibackup.keeping.copying import Copier
from ibackup.manifest.backup import Backup, folder_error
from ibackup.manifest.checks import check_plists
from ibackup.manifest.findings import Level
from ibackup.store import Draft, PhoneFolder, Snapshot, Store, WorkingCopy, durable, free_bytes, times
from ibackup.store.ledger import Ledger
from ibackup.store.recovery import close_complete, finish
from ibackup.store.run import Run, new_run_id
from ibackup.store.trees import Found, walk
from ibackup.store.trouble import telling
from ibackup.store.udids import is_udid, same
from ibackup.store.working import LEDGER_NAME, STAGING_NAME

TOOL = f"ibackup {__version__} import"

_UNDER_WAY = "Snapshot"
# What file managers leave behind; names that begin with a dot are left out in any case. And what SQLite leaves of
# somebody's look into the list of files: beside the list of a later backup it would be taken for a part of that.
_CLUTTER = frozenset(
    ["thumbs.db", "desktop.ini", "icon\r", "manifest.db-wal", "manifest.db-shm", "manifest.db-journal"]
)
_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Request:
    """A backup to take over.

    Attributes:
        store: where it goes.
        source: its folder, or one that holds exactly one backup.
        password: gives the password of an encrypted one, None where there is none.
        udid: the phone it is to be of; None for whichever it is.
        level: how far to check it.
        wait: seconds to wait for a backup that another program may still be writing.
        settled: take it as it is, however lately it was changed.
    """

    store: Store
    source: str
    password: Password = lambda _: None
    udid: str | None = None
    level: Level = Level.QUICK
    wait: float = 0.0
    settled: bool = False


@dataclass(slots=True)
class Adopted:
    """What came of it.

    Attributes:
        source: the folder that was taken over.
        cloned: whether its files share their blocks with it.
        left_out: names that no backup has, by path.
    """

    snapshot: Snapshot
    source: str
    cloned: bool
    left_out: tuple[str, ...]


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


def adopt(request: Request, observe: Observer = ignore) -> Adopted:
    """Make a snapshot of a backup; nothing in its folder is changed.

    Raises:
        NotABackup: there is none, or it cannot be read.
        PhoneBusy: another program may still be writing it, or a run has this phone.
        DamageFound: it is damaged or was never finished.
        PasswordWrong: the password that was given does not open it.
        UsageError: it is in the store already, or older than what is there.
        NoRoom: the disk is too small for a copy.
        IbackupError: it could not be written.
    """
    with Backup.open(request.source) as backup:
        path = os.path.realpath(backup.path)
    if path.startswith(os.path.join(request.store.path, "")):
        raise UsageError(f"{path} lies in this store already.", hint="`ibackup list` shows what is in it.")
    if not request.settled:
        settling.wait_until_settled(path, request.wait, observe)
    origin = _look(path)
    if request.udid is not None and not same(origin.udid, request.udid):
        raise UsageError(f"The backup {path} is of another phone: {origin.udid}.", hint="Leave --phone out.")
    folder = request.store.phone(origin.udid)
    with folder.lock() as lock:
        _clear_way(folder, observe)
        _refuse_old(folder, origin)
        job = _Job(folder, origin, observe)
        working = job.make(request)
        with working:
            lock.check()
            observe(PhaseStarted("seal", "Sealing it and writing it to the disk for good."))
            snapshot = finish(working, _draft_of)
    return Adopted(snapshot, path, job.cloned, tuple(job.left_out))


# -- before -------------------------------------------------------------------------------------------------


def _look(path: str) -> _Origin:
    with Backup.open(path, known=True) as backup:
        stamp = settling.stamp(path)
        refuse_damaged([finding for finding in check_plists(backup) if finding.is_damage])
        info, status, manifest = backup.info, backup.status, backup.manifest
        lockdown = manifest.lockdown
        udid = lockdown.unique_device_id or info.target_identifier or info.unique_identifier
        if not is_udid(udid):
            raise NotABackup(
                f"The backup {path} does not say which phone it is of.",
                why=f"Its plists name {udid[:80]!a}, which is no UDID."
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
            status.date or manifest.date or info.last_backup_date or _mtime(path),
            manifest.is_encrypted,
            stamp,
        )


def _mtime(path: str) -> datetime:
    return datetime.fromtimestamp(os.stat(os.path.join(path, "Status.plist")).st_mtime, UTC)


def _clear_way(folder: PhoneFolder, observe: Observer) -> None:
    """Remove or finish what an interrupted import left; what a phone sent is for `ibackup now`."""
    for left in folder.left_overs():
        if left.kind == "complete":
            close_complete(folder, left, observe)
        elif left.kind == "unfinished":
            if left.run is None or left.run.draft is None or left.run.draft.tool != TOOL:
                raise UsageError(
                    "A backup that was interrupted waits to be finished, and is newer than what is in the store.",
                    hint="Run `ibackup now` first; it finishes that one even without the phone.",
                )
            folder.discard(left.path)
    folder.clear_up()


def _refuse_old(folder: PhoneFolder, origin: _Origin) -> None:
    """The snapshot made last is what ``latest`` means and the next run builds upon: nothing older may become it."""
    newest = max(folder.snapshots(), key=lambda each: each.meta.data_from, default=None)
    if newest is None or origin.data_from > newest.meta.data_from:
        return
    if origin.data_from == newest.meta.data_from:
        raise UsageError(
            f"This backup is in the store already: it is snapshot {newest.id}.",
            hint=f"`ibackup show {newest.id}` says more.",
        )
    raise UsageError(
        f"This backup is older than what is in the store: it is of {times.written(origin.data_from)}, snapshot "
        f"{newest.id} is of {times.written(newest.meta.data_from)}.",
        why="The next backup would build upon it, and `latest` would mean it.",
        hint="Keep it where it is (`ibackup verify` proves it there), or import it into a store of its own with "
        "--store. To import several, begin with the oldest.",
    )


# -- copying ------------------------------------------------------------------------------------------------


@dataclass
class _Job:
    """One import under way."""

    folder: PhoneFolder
    origin: _Origin
    observe: Observer
    cloned: bool = False
    left_out: list[str] = field(default_factory=list)

    def make(self, request: Request) -> WorkingCopy:
        """A working copy with everything in it, checked, at ``verified``."""
        working = self._begin()
        try:
            self._copy(working)
            draft = self._draft(working)
            self.observe(PhaseStarted("check", "Checking every file against the phone's list."))
            draft = check(working, draft, request.level, request.password, self.observe)
            settling.refuse_changed(self.origin.path, self.origin.stamp)
            working.advance("device_done", draft=draft)
            working.advance("verified")
        except BaseException:
            with contextlib.suppress(OSError, IbackupError):  # the next command removes what is left of it
                working.discard()
            raise
        return working

    def _begin(self) -> WorkingCopy:
        started = times.now()
        run_id = new_run_id(started)
        path = self.folder.working_path(run_id)
        with telling("The working copy could not be made."):
            for each in (path, os.path.join(path, self.folder.udid), os.path.join(path, STAGING_NAME)):
                durable.make_dir(each)
            ledger = Ledger.create(os.path.join(path, LEDGER_NAME))
        return WorkingCopy(
            self.folder, path, Run(run_id, "prepared", "", started), ledger, None, self.observe
        )

    def _copy(self, working: WorkingCopy) -> None:
        self.observe(PhaseStarted("receive", f"Importing {self.origin.path}."))
        total, size, probe = self._measure()
        with self._reading(), Copier(self.origin.path, working.root) as copier:
            if probe is not None and not copier.try_clone(probe.folder, probe.name):
                _need_room(working.path, size)
            done = count = 0

            def enter(folder: str) -> None:
                copier.target.folder(folder)  # an empty one is part of the backup too
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

    def _measure(self) -> tuple[int, int, Found | None]:
        """Number and bytes of the files, and one to try clones with."""
        total = size = 0
        probe = None
        with self._reading():
            for found in self._files():
                total, size = total + 1, size + found.stat.st_size
                probe = found if probe is None and found.stat.st_size else probe
        self.left_out.clear()
        return total, size, probe

    def _files(self, enter: Callable[[str], None] = lambda _folder: None) -> Iterator[Found]:
        """The files that belong to the backup; ``enter`` is told of each folder first."""
        for folder, held in walk(self.origin.path):
            if folder and not self._belongs(folder):
                continue
            enter(folder)
            for found in held:
                if stat.S_ISREG(found.stat.st_mode) and self._belongs(found.path):
                    yield found
                elif not stat.S_ISDIR(found.stat.st_mode):
                    self.left_out.append(found.path)

    def _belongs(self, path: str) -> bool:
        parts = path.split("/")
        if parts[0] == _UNDER_WAY or any(part.startswith(".") or part.lower() in _CLUTTER for part in parts):
            return False
        return not any(confined.name_flaw(part) for part in parts)

    @contextlib.contextmanager
    def _reading(self) -> Iterator[None]:
        """Tell errors of the source from those of the store."""
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
            self.observe(Caution(f"Left out, since no backup has such files: {names}{more}."))

    def _draft(self, working: WorkingCopy) -> Draft:
        origin = self.origin
        return Draft(
            udid=self.folder.udid,
            device_name=origin.device_name,
            product_type=origin.product_type,
            ios_version=origin.ios_version,
            started=working.run.started,
            finished=times.now(),
            data_from=origin.data_from,
            full=True,
            encrypted=origin.encrypted,
            checked="phone",
            received_bytes=0,
            tool=TOOL,
        )


def _draft_of(working: WorkingCopy) -> Draft:
    """What was found when it was checked, for a copy that is past that."""
    draft = working.run.draft
    if draft is None:
        raise IbackupError("The record of this import is incomplete.", hint="Run the command again.")
    return draft


def _need_room(path: str, size: int) -> None:
    free = free_bytes(path)
    if free < size:
        raise NoRoom(
            f"A copy of this backup needs {size:,} bytes; {free:,} are free.",
            hint="Make room, or use another --store. Nothing was imported.",
        )
