"""The Restore request: every file is fetched, decrypted and checked, as a phone does before it trusts a backup."""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime

from ibackup.apple import mbfile
from ibackup.apple.format_errors import FormatError
from ibackup.simulator.afcfiles import AfcError
from ibackup.simulator.app_containers import SUPERVISION
from ibackup.simulator.content import FILE, LINK, PhoneFile
from ibackup.simulator.devicelink import LinkError
from ibackup.simulator.hostfiles import WrittenManifestPlist, WrittenStatusPlist, read_plist
from ibackup.simulator.keybags import PhoneKeybag
from ibackup.simulator.operations.arriving import Arriving
from ibackup.simulator.operations.attacks import strike_attacks
from ibackup.simulator.operations.operation_session import MBError, Session, in_groups
from ibackup.simulator.operations.plausible import refuse_impossible
from ibackup.simulator.operations.stored import (
    StoredBackup,
    Unusable,
    entries_of,
    list_files,
    open_backup,
    open_keybag,
    read_status,
)
from ibackup.simulator.restored import RESTORED, Restored, RestoredFile
from ibackup.simulator.written_manifest_db import WrittenRow

RESTORE_APPLICATIONS = "/iTunesRestore/RestoreApplications.plist"


@dataclass
class _Tally:
    """Counts during a restore."""

    files: dict[str, RestoredFile] = field(default_factory=dict)
    count: int = 0
    folders: int = 0
    links: int = 0
    digests: int = 0
    compared: int = 0
    bytes: int = 0


class Restore:
    """One Restore request.

    Args:
        session: the operation.
        source: the identifier whose backup it is.
        options: the options of the request.
        only: bundle identifiers of the apps to restore; empty restores everything.
    """

    def __init__(
        self, session: Session, source: str, options: Mapping[str, object], only: tuple[str, ...] = ()
    ) -> None:
        self._session = session
        self._phone = session.phone
        self._source = source
        self._options = options
        self._only = only
        password = options.get("Password")
        self._password = password if isinstance(password, str) else None
        self._keybag: tuple[bytes, PhoneKeybag] | None = None
        self._own: dict[str, PhoneFile] = {}

    def run(self) -> None:
        """Restore the backup.

        Raises:
            MBError: it failed, or the phone refuses.
            LinkError: the computer broke the protocol.
        """
        session, phone = self._session, self._phone
        session.may_fail("start")
        if not phone.spec.setup_done:
            raise MBError(212, "The setup assistant is not finished")
        with suppress(Unusable), self._open(self._source):
            pass  # only the password matters here: Status.plist says later where the manifests are
        if phone.spec.find_my:
            raise MBError(211, "Find My must be turned off before this device can be restored")
        status = self._usable_status()
        strike_attacks(session, self._source)
        try:
            with self._manifests(status) as (stored, in_snapshot):
                tally = self._take(stored, in_snapshot)
        except Unusable as error:
            raise MBError(205, f"Error reading backup properties: {error}") from error
        session.may_fail("end")
        phone.memory[RESTORED] = Restored(
            self._source,
            self._options,
            tally.files,
            tally.count,
            tally.folders,
            tally.links,
            tally.digests,
            tally.compared,
            self._only,
            self._apps_to_install(),
        )
        phone.needs_restart = True

    def _take(self, stored: StoredBackup, in_snapshot: set[str]) -> _Tally:
        """Everything that follows once the manifests are there."""
        self._check_version()
        self._check_supervision(stored, in_snapshot)
        refuse_impossible(stored.manifest, encrypted=stored.plist.encrypted)
        size = sum(_size_of(row) for row in self._rows(stored))
        free = self._phone.free
        if size > free:
            raise MBError(106, f"Insufficient free disk space on device to restore ({free} < {size})")
        if not self._options.get("RestoreDontCopyBackup", False):
            self._copy_backup()
        tally = self._fetch_all(stored, in_snapshot, size)
        if self._phone.needs_restart:
            raise MBError(
                102, 'Failed to move the incomplete restore directory into place at path "/var/.backup.i"'
            )
        return tally

    def _rows(self, stored: StoredBackup) -> Iterator[WrittenRow]:
        """The regular files to restore."""
        wanted = {f"AppDomain-{app}" for app in self._only}
        plugins = tuple(f"AppDomainPlugin-{app}." for app in self._only)
        for row in stored.manifest.rows():
            if row.kind == FILE and (
                not self._only or row.domain in wanted or row.domain.startswith(plugins)
            ):
                yield row

    def _open(self, folder: str) -> AbstractContextManager[StoredBackup]:
        return open_backup(self._session, folder, self._password, self._unlock)

    def _unlock(self, plist: WrittenManifestPlist, password: str | None) -> PhoneKeybag:
        """Open the keybag once, because that takes seconds and the manifests are fetched twice."""
        if self._keybag is None or self._keybag[0] != plist.keybag:
            self._keybag = plist.keybag, open_keybag(plist, password)
        return self._keybag[1]

    def _apps_to_install(self) -> tuple[str, ...]:
        try:
            found = self._phone.afc.node(RESTORE_APPLICATIONS).data
        except AfcError:
            return ()
        return tuple(sorted(read_plist(bytes(found or b"")) or ()))

    # --- what is on the computer

    def _usable_status(self) -> WrittenStatusPlist:
        status = read_status(self._session, self._source)
        if status is None:
            raise MBError(205, "Error reading backup status")
        if status.backup_state == "empty":
            raise MBError(204, "Backup is empty")
        if status.backup_state == "old":
            raise MBError(203, "Backup is not complete")
        return status

    @contextmanager
    def _manifests(self, status: WrittenStatusPlist) -> Iterator[tuple[StoredBackup, set[str]]]:
        """The manifests, and the IDs of the files that are still in Snapshot."""
        session, source = self._session, self._source
        folder, in_snapshot = source, set[str]()
        if status.snapshot_state in ("uploading", "moving") and "Snapshot" in entries_of(session, source):
            in_snapshot = set(list_files(session, f"{source}/Snapshot"))
            if "Manifest.db" in entries_of(session, f"{source}/Snapshot"):
                folder = f"{source}/Snapshot"
        with self._open(folder) as stored:
            yield stored, in_snapshot

    def _check_version(self) -> None:
        data = self._session.fetch(f"{self._source}/Info.plist")
        info = read_plist(data or b"")
        if info is None:
            raise MBError(205, "Error reading Info.plist")
        theirs = _version(str(info.get("Product Version", "0")))
        if theirs > _version(self._phone.spec.ios_version):
            raise MBError(203, "Backup was made by a newer version of iOS")

    def _check_supervision(self, stored: StoredBackup, in_snapshot: set[str]) -> None:
        row = stored.manifest.find(*SUPERVISION)
        if row is None or self._phone.spec.supervised:
            return
        parts = _Whole(row, stored)
        if self._session.link.download([self._place(row, in_snapshot)], lambda _: parts):
            raise MBError(205, "Multiple errors downloading files")
        details = read_plist(bytes(parts.plain))
        if details is not None and details.get("IsSupervised"):
            raise MBError(1, "A backup of a supervised device can only be restored to a supervised device")

    def _place(self, row: WrittenRow, in_snapshot: set[str]) -> str:
        middle = "Snapshot/" if row.file_id in in_snapshot else ""
        return f"{self._source}/{middle}{row.file_id[:2]}/{row.file_id}"

    def _copy_backup(self) -> None:
        """Let the computer keep a copy of this phone's own backup."""
        session, target = self._session, self._phone.udid
        info = session.fetch(f"{target}/Info.plist")
        if info is None:
            return
        try:
            size = self._tree_size(target)
            free = session.link.free_space()
            if free is not None and free <= size:
                raise MBError(105, "Insufficient free disk space on drive to copy the backup")
            copy = f"{target}-{datetime.now(UTC):%Y%m%d-%H%M%S}"
            session.link.copy(target, copy, size)
        except LinkError as error:
            raise MBError(error.mb_error, f"Error copying the backup: {error.text}") from error
        session.store(f"{copy}/Info.plist", [info], len(info))

    def _tree_size(self, folder: str) -> int:
        size = 0
        for name, listed in (self._session.link.contents(folder) or {}).items():
            size += self._tree_size(f"{folder}/{name}") if listed.directory else listed.size
        return size

    # --- the files

    def _fetch_all(self, stored: StoredBackup, in_snapshot: set[str], size: int) -> _Tally:
        tally = _Tally()
        self._own = self._own_files(stored)
        self._session.enter_phase("restoring")
        for group in in_groups(self._rows(stored), self._phone.spec.batch_size):
            self._fetch_group(group, stored, in_snapshot, tally, size)
        self._session.enter_phase(None)
        for row in stored.manifest.rows() if not self._only else ():
            tally.links += row.kind == LINK
            tally.folders += row.kind not in (FILE, LINK)
        return tally

    def _fetch_group(
        self, group: list[WrittenRow], stored: StoredBackup, in_snapshot: set[str], tally: _Tally, size: int
    ) -> None:
        keep = self._phone.keeps_restored_files
        sinks: dict[str, Arriving] = {}
        for row in group:
            sink = Arriving(row, stored, keep=keep)
            own = self._own.get(row.file_id)
            if own is not None and own.modified == sink.modified:
                sink.like = self._phone.files.chunks(own)
            sinks[self._place(row, in_snapshot)] = sink
        total = sum(sink.expected for sink in sinks.values())
        self._session.progress(100.0 * (tally.bytes + total) / max(size, 1))
        if self._session.link.download(list(sinks), sinks.__getitem__, total):
            raise MBError(205, "Multiple errors downloading files")
        for sink in sinks.values():
            file = sink.finished()
            if keep:
                tally.files[sink.row.file_id] = file
            tally.count += 1
            tally.bytes += file.size
            tally.digests += sink.digest is not None
            tally.compared += sink.like is not None

    def _own_files(self, stored: StoredBackup) -> dict[str, PhoneFile]:
        """The files on this phone by file ID, if it made the backup; arriving files are compared with them."""
        lockdown = stored.plist.rest.get("Lockdown")
        if not isinstance(lockdown, dict) or lockdown.get("UniqueDeviceID") != self._phone.udid:
            return {}
        return {entry.file_id: entry for entry in self._phone.files.files()}


def restarts(request: Mapping[str, object]) -> bool:
    """Whether the phone restarts after this Restore request; it does unless the request says otherwise."""
    options = request.get("Options")
    return not isinstance(options, dict) or options.get("RestoreShouldReboot", True) is not False


def _size_of(row: WrittenRow) -> int:
    """Plaintext bytes from a row's record. A flawed record is reported when the file's turn comes."""
    try:
        return mbfile.decode(row.record).size
    except FormatError:
        return 0


class _Whole:
    """Collects a small file, decrypted."""

    def __init__(self, row: WrittenRow, stored: StoredBackup) -> None:
        self._arriving = Arriving(row, stored, keep=False)
        self.plain = bytearray()

    def write(self, data: memoryview, /) -> None:
        """Take the next bytes."""
        self.plain += self._arriving.decrypted(data)


def _version(text: str) -> tuple[int, ...]:
    numbers = [int(part) for part in text.split(".") if part.isdecimal()]
    while numbers and not numbers[-1]:
        numbers.pop()  # 18.6.0 means 18.6
    return tuple(numbers)
