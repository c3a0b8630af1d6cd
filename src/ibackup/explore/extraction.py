"""Taking files out of a backup: original names, times and folders, below one target folder and nowhere else.

A file that cannot be taken out is told of and the rest goes on. Files are decrypted and written by a few processes;
everything is made in a staging folder within the target and renamed into place, so that no half file ever has a
name that somebody looks for.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field

from ibackup.confined import Parts, PathRefused
from ibackup.errors import IbackupError
from ibackup.events import Caution, Observer, PhaseStarted, Progress, ignore
from ibackup.explore.helper import Helper
from ibackup.explore.names import RENAMED_LIST, STAGING, Namer, Renamed, Rules
from ibackup.explore.photos import PhotoDates
from ibackup.explore.pool import AnyWriter, Pool
from ibackup.explore.ready import Ready, can_start
from ibackup.explore.room import Room
from ibackup.explore.selection import PHOTOS_DOMAIN, Selection
from ibackup.explore.target import RenamedList, Target
from ibackup.explore.times import Times
from ibackup.explore.writing import Job, Setup, Trouble, TroubleKind, Writer, Written, no_room, raise_if_full
from ibackup.manifest.backup import Backup, Entry
from ibackup.manifest.examine import worker_count
from ibackup.manifest.flaws import FormatError
from ibackup.manifest.rows import BadRow, Kind

_MUCH_BYTES = 256 * 1024 * 1024
_MUCH_FILES = 4000

Notice = Trouble | Renamed
Tell = Callable[[Notice], None]


@dataclass(frozen=True)
class Wanted:
    """What to take out, and how.

    Attributes:
        selection: which files.
        to: the target folder; made with its parents where it is not there.
        links: write symbolic links; otherwise they are left out and counted.
        overwrite: replace files that are there and differ.
        portable: names must be good on every system, Windows too.
        photo_dates: give the files of the camera roll the time they were taken.
        keep_out: folders in which the target must not lie, besides the backup itself.
        damaged: stored files that are known not to be what they were, by their path below the backup folder; they are
            written and told of.
        writers: how many write; one is a thread, more are processes. None for as many as help.
    """

    selection: Selection
    to: str
    links: bool = False
    overwrite: bool = False
    portable: bool = False
    photo_dates: bool = False
    keep_out: tuple[str, ...] = ()
    damaged: frozenset[str] = frozenset()
    writers: int | None = None


@dataclass
class Extracted:
    """What was done; sizes in bytes.

    Attributes:
        files: written, with their ``bytes``.
        same: files that were there already, with the same size and time.
        links, left_links: symbolic links written, and left out.
        folders: made, or there.
        dated: files that got the time their picture was taken.
        renamed: names that had to change.
        troubles: how many files have which trouble.
        renamed_list: where the list of changed names is, empty when there are none.
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

    @property
    def damaged(self) -> int:
        """Files that are damaged or missing in the backup."""
        return sum(count for kind, count in self.troubles.items() if kind not in {"refused", "exists"})

    @property
    def kept_out(self) -> int:
        """Files that are good but could not be put in their place."""
        return self.troubles["refused"] + self.troubles["exists"]


def extract(
    backup: Backup,
    wanted: Wanted,
    tell: Tell = lambda _notice: None,
    observer: Observer = ignore,
    ready: Ready | None = None,
) -> Extracted:
    """Take files out of an unlocked backup.

    Args:
        backup: it is only read.
        wanted: what, and where to.
        tell: is given each trouble and each changed name as it comes.
        observer: is given the phase and the progress.
        ready: processes that were started already.

    Raises:
        UsageError: the target lies in the backup, is a file, or another run writes there.
        NoRoom: the target's disk is, or would be, full.
        FormatError: the manifest is damaged.
        PasswordNeeded: the backup is locked.
        IbackupError: the target cannot be written.
    """
    observer(PhaseStarted("extract", f"Taking files out of the backup to {wanted.to}."))
    room = ready.room if ready is not None and wanted.selection.is_everything else None
    if room is None:
        room = Room.of_records(backup, wanted.selection)
    with Target.open(wanted.to, keep_out=(backup.path, *wanted.keep_out)) as target:
        if target.was_empty and target.free < room.needed:
            # A single damaged record may claim any size.
            needed = min(room.needed, Room.of_stored(backup, wanted.selection).needed)
            if target.free < needed:
                raise no_room(f"The files need about {needed:,} bytes and {target.free:,} are free.")
        return _Extraction(backup, wanted, target, tell, observer, room, ready).run()


class _Extraction:
    """One run."""

    def __init__(
        self,
        backup: Backup,
        wanted: Wanted,
        target: Target,
        tell: Tell,
        observer: Observer,
        room: Room,
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
        self._list = RenamedList(target)
        rules = Rules.everywhere(target.path) if wanted.portable else Rules.probe(target.staging)
        self._namer = Namer(rules, self._renamed)
        self._made: set[Parts] = set()
        self._folder_times: list[tuple[Parts, int]] = []
        self._dates: PhotoDates | None = None

    def run(self) -> Extracted:
        """Do it all."""
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
            # Folders come last, the deepest first: whatever is written in one changes its time.
            for parts, modified in reversed(self._folder_times):
                self._target.set_times(own.target, parts, modified)
            self._result.renamed_list = self._finish_list(own)
        self._result.folders = len(self._made)
        return self._result

    def _finish_list(self, own: Writer) -> str:
        try:
            return self._list.finish(own.target)
        except (OSError, PathRefused) as error:
            if isinstance(error, OSError):
                raise_if_full(error)
            self._observer(
                Caution(f"The list of changed names could not be put into {self._target.path}: {error}.")
            )
            return ""

    def _is_much(self) -> bool:
        """Whether there is more work than starting processes is."""
        return self._room.bytes > _MUCH_BYTES or self._room.files > _MUCH_FILES

    def _setup(self) -> Setup:
        staging = self._target.make_staging()
        return Setup(self._backup.path, self._keys, self._target.path, staging, self._wanted.overwrite)

    def _writer(self) -> AnyWriter:
        if self._apart and can_start():
            with suppress(OSError):  # a system that lets us start nothing
                return Helper(self._setup(), self._ready)
        return Writer(self._setup())

    # -- what is to be done ---------------------------------------------------------------------------------

    def _jobs(self, own: Writer) -> Iterator[Job]:
        """The files to write; folders and links are made on the way."""
        for entry in self._wanted.selection.entries(self._backup, bad=self._bad):
            try:
                record = entry.record
            except FormatError as error:
                self._trouble(_of_entry(entry, "record", f"its record is damaged: {error.flaw}"))
                continue
            domain, path = entry.domain, entry.relative_path
            if entry.kind is Kind.FOLDER:
                parts = self._namer.folder(domain, path, entry.file_id)
                if self._make(own, parts, entry):
                    self._folder_times.append((parts, record.modified))
            elif entry.kind is Kind.LINK:
                self._link(own, entry)
            else:
                if self._backup.salvaged and record.encryption_key is not None:
                    self._trouble(_of_entry(entry, "key", "its key is lost with Manifest.plist"))
                    continue
                parts = self._namer.file(domain, path, entry.file_id)
                if self._make(own, parts[:-1], entry):
                    blob = tuple(entry.blob_path.split("/"))  # made of a checked fileID
                    size, key, times = record.size, record.encryption_key, self._times(entry)
                    yield Job(entry.file_id, domain, path, blob, size, key, parts, times)

    def _times(self, entry: Entry) -> Times:
        record = entry.record
        if self._dates is not None and entry.domain == PHOTOS_DOMAIN:
            taken = self._dates.date(entry.relative_path)
            if taken is not None:
                self._result.dated += 1
                return Times(taken, taken)
        return Times(record.modified, record.born)

    def _make(self, own: Writer, parts: Parts, entry: Entry) -> bool:
        """Make a folder; False, and told of, when its place is refused."""
        if parts in self._made:
            return True
        try:
            own.target.make_dir(parts, known=self._known_depth(parts))
        except OSError as error:
            raise_if_full(error)
            text = f"its folder cannot be made: {error.strerror or error}"
        except IbackupError as error:
            text = f"its folder was refused. {error.why}"
        else:
            self._made.update(parts[:depth] for depth in range(1, len(parts) + 1))
            return True
        self._trouble(_of_entry(entry, "refused", text))
        return False

    def _known_depth(self, parts: Parts) -> int:
        """How many of the folders on the way are made already."""
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
            self._trouble(_of_entry(entry, "exists", "something is there and was left as it is"))
        except (OSError, UnicodeEncodeError, IbackupError) as error:
            if isinstance(error, OSError):
                raise_if_full(error)
            said = (
                error.why if isinstance(error, IbackupError) else getattr(error, "strerror", "") or str(error)
            )
            self._trouble(_of_entry(entry, "refused", f"the link cannot be made: {said}"))
        else:
            self._result.links += 1

    @staticmethod
    def _is_link(own: Writer, parts: Parts) -> bool:
        try:
            return own.target.item(parts).kind == "other"
        except FileNotFoundError:
            return False

    # -- what came of it ------------------------------------------------------------------------------------

    def _written(self, jobs: list[Job], written: list[Written]) -> None:
        """Take note of a batch; called in the thread that runs this."""
        result, damaged = self._result, self._wanted.damaged
        for job, one in zip(jobs, written, strict=True):
            if damaged and one.trouble is None and "/".join(job.blob) in damaged:
                text = "`ibackup verify` found that it is not what was backed up"
                self._trouble(Trouble("changed", job.file_id, job.domain, job.path, text, written=True))
            if one.trouble is not None:
                self._trouble(one.trouble)
                if not one.trouble.written:
                    continue
            if one.new:
                result.files += 1
                result.bytes += one.bytes
            else:
                result.same += 1
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


__all__ = ["RENAMED_LIST", "STAGING", "Extracted", "Notice", "Wanted", "extract"]
