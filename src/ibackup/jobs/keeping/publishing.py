"""Puts a snapshot where Finder, iTunes or the Apple Devices app shows it: as a copy that these programs may change."""

import contextlib
import os
import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import tzinfo

from ibackup.apple.format_errors import SealDamaged
from ibackup.apple.found_folders import folder_error
from ibackup.apple.verify import seal
from ibackup.base import confined, held
from ibackup.base.errors import DamageFound, IbackupError, NoRoom, PhoneBusy, UsageError
from ibackup.base.events import Caution, Observer, PhaseStarted, Progress, ignore
from ibackup.jobs.keeping.file_copier import Copier
from ibackup.store.disk import durable, this_computer, unsuitable_places
from ibackup.store.disk.disk_errors import telling
from ibackup.store.disk.free_space import free_bytes
from ibackup.store.records.snapshot import META_NAME, Snapshot
from ibackup.store.store import STORE_NAME
from ibackup.store.work.folder_trees import folders

_UNFINISHED = re.compile(r"\.ibackup-unfinished-([0-9a-f]{16})-([0-9]+)-[0-9a-f]{8}")
_MARKS_OF_A_BACKUP = ("Manifest.db", "Manifest.plist", "Manifest.mbdb", META_NAME, STORE_NAME)
_AGAIN = (
    "`ibackup verify` names the damaged files; `ibackup list` shows other snapshots. No partial copy "
    "was left."
)


@dataclass(frozen=True, slots=True)
class Published:
    """The copy that was made.

    Attributes:
        path: the new backup folder.
        archived: whether its name has a date, because another backup of this phone has the plain name.
        cloned: whether it shares its blocks with the snapshot.
    """

    path: str
    archived: bool
    files: int
    bytes: int
    cloned: bool


def publish(
    snapshot: Snapshot, parent: str, *, zone: tzinfo | None = None, observe: Observer = ignore
) -> Published:
    """Copy a snapshot's backup into a folder of backups, every byte compared with the seal on the way.

    Args:
        snapshot: what to copy; it is not changed.
        parent: the folder of backups; made where it is not there.
        zone: in which the date of an archived name is written; None for this computer's.
        observe: gets the progress.

    Raises:
        UsageError: it is there already, or the folder is no place for it.
        NotABackup: the folder may not be read.
        DamageFound: the snapshot is not what it was; nothing is left behind.
        NoRoom: the disk is too small.
        IbackupError: it could not be written.
    """
    parent = os.path.abspath(os.path.expanduser(parent))
    _refuse_bad_place(parent)
    with telling(f"The folder {parent!r} could not be created."):
        durable.make_dir(parent, parents=True)
    try:
        names = os.listdir(parent)
    except OSError as error:
        raise folder_error(parent, error) from None
    _clear_up(parent, names, observe)
    name = _name(snapshot, parent, zone)
    staging = os.path.join(
        parent, f".ibackup-unfinished-{this_computer.machine()}-{os.getpid()}-{secrets.token_hex(4)}"
    )
    with telling(f"The backup could not be written to {parent!r}."):
        durable.make_dir(staging)
        try:
            job = _Job(snapshot, staging, observe)
            job.run()
            durable.sync_all(staging, job.paths(), job.folders())
            target = _put(staging, parent, name)
        except BaseException:
            held.remove_tree(staging, ignore_errors=True)  # the next run removes what is left
            raise
        durable.sync_dir(parent)
    return Published(target, name != snapshot.udid, job.files, job.bytes, job.cloned)


def _refuse_bad_place(parent: str) -> None:
    away = unsuitable_places.dangling(parent)
    if away is not None:
        raise UsageError(
            f"The backup cannot be put into {parent}: {away}.",
            hint=(
                "Connect the disk that the link points to, fix the link, or choose another folder with --to."
            ),
        )
    folder, last = os.path.realpath(parent), ""
    while folder != last:
        for mark in _MARKS_OF_A_BACKUP:
            if os.path.lexists(os.path.join(folder, mark)):
                kind = "a store of ibackup" if mark == STORE_NAME else "a backup"
                raise UsageError(
                    f"The backup cannot be put into {parent}: {folder} is {kind}.",
                    hint="Choose the folder that contains backups, or another one, with --to.",
                )
        folder, last = os.path.dirname(folder), folder


def _name(snapshot: Snapshot, parent: str, zone: tzinfo | None) -> str:
    """The phone's UDID or, if that name is used, the name that Finder gives to an archived backup."""
    if not os.path.lexists(os.path.join(parent, snapshot.udid)):
        return snapshot.udid
    archived = f"{snapshot.udid}-{snapshot.meta.data_from.astimezone(zone):%Y%m%d-%H%M%S}"
    if os.path.lexists(os.path.join(parent, archived)):
        raise UsageError(
            f"The backup exists already: {os.path.join(parent, archived)}.",
            hint=(
                "ibackup never replaces a backup. Remove or rename that one first, or choose another "
                "folder with --to."
            ),
        )
    return archived


def _put(staging: str, parent: str, name: str) -> str:
    target = os.path.join(parent, name)
    try:
        durable.rename_new(staging, target)
    except FileExistsError:
        raise PhoneBusy(
            f"{target} appeared while the backup was being copied.",
            why="Another program has just made a backup of this phone.",
            hint="Run the command again; the backup then gets a name with its date.",
        ) from None
    return target


def _clear_up(parent: str, names: list[str], observe: Observer) -> None:
    """Remove what a killed run left there."""
    for name in names:
        found = _UNFINISHED.fullmatch(name)
        if found and found[1] == this_computer.machine() and not this_computer.alive(int(found[2])):
            observe(Caution(f"Removing {name}, which an interrupted run left in {parent}."))
            with telling(f"{name} could not be removed."):
                held.remove_tree(os.path.join(parent, name))


class _Job:
    """One running copy."""

    def __init__(self, snapshot: Snapshot, staging: str, observe: Observer) -> None:
        self.files = 0
        self.bytes = 0
        self.cloned = False
        self._snapshot = snapshot
        self._staging = staging
        self._observe = observe

    def run(self) -> None:
        """Copy every sealed file and compare it with its checksum; also make the empty folders."""
        meta = self._snapshot.meta
        self._snapshot.verify_seal_file()
        self._observe(PhaseStarted("extract", f"Copying snapshot {self._snapshot.id}."))
        with Copier(self._snapshot.backup_path, self._staging) as copier:
            self._try_clone(copier)
            for path, expected in self._lines():
                folder, _, name = path.rpartition("/")
                try:
                    copied = copier.copy(folder, name)
                except (FileNotFoundError, NotADirectoryError):
                    raise self._damaged(path, "is missing") from None
                if copied.sha256 != expected:
                    raise self._damaged(path, "has changed since it was sealed")
                self.files += 1
                self.bytes += copied.size
                self._observe(Progress("extract", None, self.bytes, meta.bytes, self.files, meta.files))
            if (self.files, self.bytes) != (meta.files, meta.bytes):
                raise self._damaged("the backup", "does not have as many files and bytes as it had")
            for folder in folders(self._snapshot.backup_path):
                copier.target.folder(folder)
            self.cloned = copier.clones

    def paths(self) -> Iterator[str]:
        """Every file that was written."""
        return (os.path.join(self._staging, *path.split("/")) for path, _ in self._lines())

    def folders(self) -> list[str]:
        """Every folder that was made, those below first."""
        return [os.path.join(self._staging, *path.split("/")) for path in folders(self._staging)][::-1]

    def _try_clone(self, copier: Copier) -> None:
        path = next((path for path, _ in self._lines()), "")
        folder, _, name = path.rpartition("/")
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):  # damage, which copying reports
            if copier.try_clone(folder, name):
                return
        needed, free = self._snapshot.meta.bytes, free_bytes(self._staging)
        if free < needed:
            raise NoRoom(
                f"A copy of this snapshot needs {needed:,} bytes; {free:,} are free.",
                hint="Free some space there, or choose another folder with --to.",
            )

    def _lines(self) -> Iterator[tuple[str, bytes]]:
        """Path and checksum of every sealed file, validated because the store may be anyone's."""
        prefix = f"{self._snapshot.udid}/"
        with open(self._snapshot.seal_path, "rb") as source:
            try:
                for path, sha256 in seal.read(source):
                    below = path.removeprefix(prefix)
                    if below == path or "/".join(confined.parse(below)) != below:
                        raise self._damaged(
                            confined.shown(path), "is in its seal, but no backup contains such a file"
                        )
                    yield below, bytes.fromhex(sha256)
            except (SealDamaged, confined.PathRefused) as error:
                raise self._damaged("SHA256SUMS", f"cannot be read: {error.message}") from None

    def _damaged(self, path: str, flaw: str) -> IbackupError:
        return DamageFound(f"Snapshot {self._snapshot.id} is damaged: {path} {flaw}.", hint=_AGAIN)
