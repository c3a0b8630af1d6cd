"""Extracts files from a backup with original names, times and folders, and only below one target folder.

If a file cannot be extracted, that is reported and the others follow. A few processes decrypt and write the
files. Everything is made in a staging folder within the target and renamed into place, so that no
half-written file ever has its final name.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field

from ibackup.apple import mixture
from ibackup.apple.app_places import PHOTOS
from ibackup.apple.backup import Backup
from ibackup.apple.entry import Entry
from ibackup.apple.fitting import digest_of
from ibackup.apple.format_errors import FormatError
from ibackup.apple.mixture import Mixture
from ibackup.apple.rows import BadRow, Kind
from ibackup.apple.verify.stored_file_readers import worker_count
from ibackup.base import isolated
from ibackup.base.confined import Parts, PathRefused
from ibackup.base.errors import IbackupError
from ibackup.base.events import Caution, Observer, PhaseStarted, Progress, ignore
from ibackup.base.exit_codes import ExitCode
from ibackup.explore.file_times import Times
from ibackup.explore.file_writer import (
    Setup,
    Trouble,
    TroubleKind,
    WriteJob,
    Writer,
    Written,
    count_written,
    no_room,
    raise_if_full,
)
from ibackup.explore.head_start import Ready
from ibackup.explore.photo_dates import PhotoDates
from ibackup.explore.selection import Choice, Selection, Unfound
from ibackup.explore.snapshot_facts import guarded_folders, known_damage
from ibackup.explore.target_folder import RenamedList, TargetFolder
from ibackup.explore.target_names import Namer, NameRules, Renamed
from ibackup.explore.target_room import TargetRoom
from ibackup.explore.why_absent import why
from ibackup.explore.writer_pool import AnyWriter, Pool
from ibackup.explore.writer_process import Helper
from ibackup.store.records.snapshot import Snapshot

_MUCH_BYTES = 256 * 1024 * 1024
_MUCH_FILES = 4000

Notice = Trouble | Renamed
Tell = Callable[[Notice], None]


@dataclass(frozen=True)
class Wanted:
    """What to extract, and how.

    Attributes:
        selection: which files.
        to: the target folder; created with its parents if it does not exist.
        links: write symbolic links; otherwise they are left out and counted.
        overwrite: replace existing files that differ.
        portable: use only names that are valid on every system, including Windows.
        photo_dates: give the files of the camera roll the time at which they were taken.
        snapshot: the snapshot that the backup is, None for a folder from another program. The target must not be in
            its store. Files that a verification found damaged are written and reported.
        writers: how many write; one is a thread, more are processes. None for as many as are useful.
    """

    selection: Selection
    to: str
    links: bool = False
    overwrite: bool = False
    portable: bool = False
    photo_dates: bool = False
    snapshot: Snapshot | None = None
    writers: int | None = None


@dataclass
class Extracted:
    """The result; sizes in bytes.

    Attributes:
        files: files written, with their ``bytes``.
        same: files that already existed with the same size and time.
        links, left_links: symbolic links written, and left out.
        folders: folders made or already there.
        dated: files that got the time at which their picture was taken.
        renamed: how many names had to change.
        troubles: how many files have each problem.
        renamed_list: the list of changed names; empty if there are none.
        mixture: describes a backup that mixes parts of different backups; None for a normal one.
        list_lost: the manifest cannot be read, or only in part: there may be more files of the choices.
        unfound: choices without any file or link, each with the reason, empty if unknown.
    """

    files: int = 0
    bytes: int = 0
    same: int = 0
    links: int = 0
    left_links: int = 0
    folders: int = 0
    dated: int = 0
    renamed: int = 0
    troubles: "Counter[str]" = field(default_factory=Counter)
    renamed_list: str = ""
    list_lost: bool = False
    unfound: tuple[tuple[Choice, str], ...] = ()
    mixture: Mixture | None = None

    @property
    def locked(self) -> int:
        """Encrypted files without a key in the backup; they also count as damaged."""
        return self.troubles["locked"]

    @property
    def damaged(self) -> int:
        """Files that are damaged or missing in the backup."""
        return sum(count for kind, count in self.troubles.items() if kind not in {"refused", "exists"})

    @property
    def is_mixture(self) -> bool:
        """Whether all that seems damaged is of another backup than the list."""
        return self.mixture is not None and 0 < self.locked == self.damaged

    @property
    def code(self) -> ExitCode:
        """The exit code: damage is worst; then what could not be written, and what was not found."""
        if self.damaged or self.list_lost:
            return ExitCode.DAMAGE
        return ExitCode.FAILED if self.kept_out or self.unfound else ExitCode.OK

    @property
    def kept_out(self) -> int:
        """Good files that could not be written to their place."""
        return self.troubles["refused"] + self.troubles["exists"]


def extract(
    backup: Backup,
    wanted: Wanted,
    tell: Tell = lambda _notice: None,
    observer: Observer = ignore,
    ready: Ready | None = None,
) -> Extracted:
    """Extract files from an unlocked backup.

    Args:
        backup: the backup; it is only read.
        wanted: what to extract, and where to.
        tell: called with each problem and each changed name.
        observer: gets the phase and the progress.
        ready: processes that are already running.

    Raises:
        UsageError: the target is in the backup or is a file, or another run writes there.
        NoRoom: the target's disk is full, or would be.
        FormatError: the manifest is damaged.
        PasswordNeeded: the backup is locked.
        NotABackup: the snapshot was removed meanwhile.
        IbackupError: the target cannot be written.
    """
    observer(PhaseStarted("extract", f"Extracting files to {wanted.to}."))
    room = ready.room if ready is not None and wanted.selection.is_everything else None
    if room is None:
        room = TargetRoom.of_records(backup, wanted.selection)
    with TargetFolder.open(wanted.to, keep_out=(backup.path, *guarded_folders(wanted.snapshot))) as target:
        if target.was_empty and target.free < room.needed:
            # A single damaged record may claim any size.
            needed = min(room.needed, TargetRoom.of_stored(backup, wanted.selection).needed)
            if target.free < needed:
                raise no_room(f"The files need about {needed:,} bytes and {target.free:,} are free.")
        return _Extraction(backup, wanted, target, tell, observer, room, ready).run()


class _Extraction:
    """One run."""

    def __init__(
        self,
        backup: Backup,
        wanted: Wanted,
        target: TargetFolder,
        tell: Tell,
        observer: Observer,
        room: TargetRoom,
        ready: Ready | None,
    ) -> None:
        self._backup = backup
        self._wanted = wanted
        self._target = target
        self._tell = tell
        self._observer = observer
        self._room = room
        self._done_files = 0
        self._keys = backup.keys if backup.is_encrypted else None
        self._apart = False
        self._ready = ready
        self._pool: Pool | None = None
        self._result = Extracted()
        self._damaged = known_damage(wanted.snapshot)
        self._unfound = Unfound(wanted.selection)
        self._list = RenamedList(target)
        rules = NameRules.everywhere(target.path) if wanted.portable else NameRules.probe(target.staging)
        self._namer = Namer(rules, self._renamed)
        self._made: set[Parts] = set()
        self._folder_times: list[tuple[Parts, int]] = []
        self._dates: PhotoDates | None = None

    def run(self) -> Extracted:
        """Do the whole extraction."""
        wanted = self._wanted
        with ExitStack() as stack:
            own = stack.enter_context(Writer(self._setup()))
            stack.callback(self._list.close)
            if wanted.photo_dates:
                self._dates = PhotoDates.read(self._backup, self._target.private_file)
            count = wanted.writers or (worker_count() if self._is_much() else 1)
            self._apart = count > 1
            pool = self._pool = stack.enter_context(Pool(self._writer, self._written, count))
            for job in self._jobs(own):
                pool.add(job)
            pool.finish()
            # Folders come last, the deepest first, because every file written into a folder changes its time.
            for parts, modified in reversed(self._folder_times):
                self._target.set_times(own.target, parts, modified)
            self._result.renamed_list = self._finish_list(own)
        self._result.folders = len(self._made)
        self._result.list_lost = self._backup.list_lost is not None
        self._result.mixture = mixture.of(self._backup, plain=0, locked=self._result.locked)
        self._result.unfound = tuple((choice, why(self._backup, choice)) for choice in self._unfound.choices)
        if self._result.damaged and self._wanted.snapshot is not None:
            self._wanted.snapshot.refuse_if_removed()
        return self._result

    def _finish_list(self, own: Writer) -> str:
        try:
            return self._list.finish(own.target)
        except (OSError, PathRefused) as error:
            if isinstance(error, OSError):
                raise_if_full(error)
            self._observer(
                Caution(f"The list of changed names could not be written to {self._target.path}: {error}.")
            )
            return ""

    def _is_much(self) -> bool:
        """Whether there is enough work to be worth starting processes."""
        return self._room.bytes > _MUCH_BYTES or self._room.files > _MUCH_FILES

    def _setup(self) -> Setup:
        staging = self._target.make_staging()
        backup, wanted = self._backup, self._wanted
        return Setup(
            backup.path,
            self._keys,
            self._target.path,
            staging,
            wanted.overwrite,
            backup.signs,
            backup.why_locked,
        )

    def _writer(self) -> AnyWriter:
        if self._apart and isolated.can_start():
            with suppress(OSError):  # a system that does not let us start any
                return Helper(self._setup(), self._ready)
        return Writer(self._setup())

    # -- the work to do -------------------------------------------------------------------------------------

    def _jobs(self, own: Writer) -> Iterator[WriteJob]:
        """The files to write; folders and links are created on the way."""
        for entry in self._wanted.selection.entries(self._backup, bad=self._bad):
            try:
                record = entry.record
            except FormatError as error:
                self._unfound.saw(entry.domain, entry.relative_path)
                self._trouble(_of_entry(entry, "record", f"its record is damaged: {error.flaw}"))
                continue
            domain, path = entry.domain, entry.relative_path
            if entry.kind is not Kind.FOLDER:
                self._unfound.saw(domain, path)
            if entry.kind is Kind.FOLDER:
                parts = self._namer.folder(domain, path, entry.file_id)
                if self._make(own, parts, entry):
                    self._folder_times.append((parts, record.modified))
            elif entry.kind is Kind.LINK:
                self._link(own, entry)
            else:
                parts = self._namer.file(domain, path, entry.file_id)
                if self._make(own, parts[:-1], entry):
                    blob = tuple(entry.blob_path.split("/"))  # made from a checked fileID
                    size, key, times = record.size, record.encryption_key, self._times(entry)
                    yield WriteJob(
                        entry.file_id, domain, path, blob, size, key, parts, times, digest_of(record)
                    )

    def _times(self, entry: Entry) -> Times:
        record = entry.record
        if self._dates is not None and entry.domain == PHOTOS.domain:
            taken = self._dates.date(entry.relative_path)
            if taken is not None:
                self._result.dated += 1
                return Times(taken, taken)
        return Times(record.modified, record.born)

    def _make(self, own: Writer, parts: Parts, entry: Entry) -> bool:
        """Create a folder; False, with a report, if it is refused."""
        if parts in self._made:
            return True
        try:
            own.target.make_dir(parts, known=self._known_depth(parts))
        except OSError as error:
            raise_if_full(error)
            text = f"its folder cannot be created: {error.strerror or error}"
        except IbackupError as error:
            text = f"its folder was refused. {error.why}"
        else:
            self._made.update(parts[:depth] for depth in range(1, len(parts) + 1))
            return True
        self._trouble(_of_entry(entry, "refused", text))
        return False

    def _known_depth(self, parts: Parts) -> int:
        """How many of the folders on the way already exist."""
        depth = len(parts) - 1
        while depth and parts[:depth] not in self._made:
            depth -= 1
        return depth

    def _link(self, own: Writer, entry: Entry) -> None:
        target = entry.record.target
        if not self._wanted.links or not target or "\0" in target:
            self._result.left_links += 1
            return
        parts = self._namer.file(entry.domain, entry.relative_path, entry.file_id)
        if not self._make(own, parts[:-1], entry):
            return
        try:
            if self._wanted.overwrite and self._is_link(own, parts):
                own.target.remove(parts)
            own.target.make_link(target, parts)
        except FileExistsError:
            self._trouble(_of_entry(entry, "exists", "something is already there and was left unchanged"))
        except (OSError, UnicodeEncodeError, IbackupError) as error:
            if isinstance(error, OSError):
                raise_if_full(error)
            said = (
                error.why if isinstance(error, IbackupError) else getattr(error, "strerror", "") or str(error)
            )
            self._trouble(_of_entry(entry, "refused", f"the link cannot be created: {said}"))
        else:
            self._result.links += 1

    @staticmethod
    def _is_link(own: Writer, parts: Parts) -> bool:
        try:
            return own.target.item(parts).kind == "other"
        except FileNotFoundError:
            return False

    # -- the results ----------------------------------------------------------------------------------------

    def _written(self, jobs: list[WriteJob], written: list[Written]) -> None:
        """Count a finished batch; called in the thread that runs the extraction."""
        count_written(self._result, jobs, written, self._damaged, self._trouble)
        self._done_files += len(jobs)
        self._observer(
            Progress(
                "extract",
                bytes=self._pool.moved if self._pool else 0,
                total_bytes=self._room.bytes,
                files=self._done_files,
                total_files=self._room.files,
            )
        )

    def _bad(self, row: BadRow) -> None:
        text = f"its row in the manifest cannot be used: {row.flaw}"
        self._trouble(Trouble("record", row.file_id, row.domain, row.relative_path, text))

    def _trouble(self, trouble: Trouble) -> None:
        self._result.troubles[trouble.kind] += 1
        self._tell(trouble)

    def _renamed(self, renamed: Renamed) -> None:
        self._result.renamed += 1
        self._list.add(renamed)
        self._tell(renamed)


def _of_entry(entry: Entry, kind: TroubleKind, text: str) -> Trouble:
    return Trouble(kind, entry.file_id, entry.domain, entry.relative_path, text)
