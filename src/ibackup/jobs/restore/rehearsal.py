"""The restore test: restores a backup into a virtual iPhone, which checks every file, checksum and key as a phone does.

The phone runs in this process and is reached over a real socket, so the restore is exactly what a real phone would
get. It keeps no content, so it needs neither disk nor memory.
"""

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from ibackup.apple.backup import Backup
from ibackup.apple.verify.findings import Finding, FindingKind, Level, named
from ibackup.apple.verify.verification import verify
from ibackup.base.errors import DamageFound, IbackupError, NotABackup, NotRestorable, PhoneRefused, UsageError
from ibackup.base.events import Caution, Observer, PhaseStarted, ignore
from ibackup.device.phones.phone import open_phone
from ibackup.device.phones.recognition import Strangers
from ibackup.jobs.backup_source import BackupSource
from ibackup.jobs.restore import backup_contents
from ibackup.jobs.restore.backup_contents import Contents
from ibackup.jobs.restore.restore_request import RestoreOptions
from ibackup.jobs.restore.sending_backup import Order, Sent, seal_of, send, unlock
from ibackup.simulator.restored import Restored
from ibackup.simulator.server import Server, serve
from ibackup.simulator.spec import PhoneSpec
from ibackup.simulator.virtual_phone import VirtualPhone
from ibackup.store.disk import record_times
from ibackup.store.disk.disk_errors import telling
from ibackup.store.flawed_summary import ADVICE
from ibackup.store.phone_folder import PhoneFolder
from ibackup.store.records.proof_records import Proof, Verdict
from ibackup.vault.unlocker import Unlocker

_ANOTHER = "`ibackup verify` says more. Use another snapshot (`ibackup list`), and make a new backup."
_ROOM = 1 << 50
_LONGEST_SOCKET = 100  # length of a socket's path that every system accepts
_UDID = "00000000-0000000000000000"  # belongs to no phone, because a phone's own contents do not matter


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """The result of a rehearsal; sizes in bytes.

    Attributes:
        source: the backup.
        when: it ended, UTC.
        error: why the backup cannot be restored; None if it can be.
        files, folders, links: what the phone accepted.
        digests: files that matched the phone's own checksum.
        sealed: whether every byte was compared with a seal.
        encrypted: whether it is encrypted.
        flawed: it failed on files as the phone sent them; nothing has changed since.
    """

    source: BackupSource
    when: datetime
    error: IbackupError | None
    bytes: int = 0
    files: int = 0
    folders: int = 0
    links: int = 0
    digests: int = 0
    sealed: bool = False
    encrypted: bool = False
    flawed: bool = False

    @property
    def result(self) -> Verdict:
        """For the record of proofs."""
        if self.error is None:
            return "good"
        return "flawed" if self.flawed else "damaged"

    @property
    def good(self) -> bool:
        """Whether the backup can be restored."""
        return self.error is None

    def to_members(self) -> dict[str, object]:
        """The result for programs, as docs/reference-json.md describes it."""
        source = self.source
        return {
            "snapshot": source.snapshot.id if source.snapshot else None,
            "path": source.path,
            "status": "restorable" if self.good else self.result,
            "when": record_times.written(self.when),
            "files": self.files,
            "bytes": self.bytes,
            "folders": self.folders,
            "links": self.links,
            "digests": self.digests,
            "sealed": self.sealed,
        }


def rehearse(source: BackupSource, unlocker: Unlocker, observe: Observer = ignore) -> Rehearsal:
    """Restore a backup into a virtual iPhone; for a snapshot, record the outcome.

    Raises:
        PasswordNeeded: it cannot be tried without one, or (PasswordWrong) it does not open this backup.
        NotABackup: a folder from another program is not a backup, or was never finished.
    """
    with (
        telling("The backup could not be read.", reading=True),
        Backup.open(source.path, known=True) as backup,
    ):
        _refuse_old_format(backup)
        given = unlock(backup, unlocker)
        outcome = replace(_tried(source, backup, given, observe), encrypted=given is not None)
    _write_down(outcome, observe)
    return outcome


def _refuse_old_format(backup: Backup) -> None:
    """The virtual iPhone reads the format that phones write since iOS 10.2."""
    with contextlib.suppress(NotABackup):  # the rehearsal itself finds damage
        if backup.flat or (backup.is_encrypted and backup.manifest.manifest_key is None):
            raise UsageError(
                "A backup in the format of iOS 10.1 or older cannot be rehearsed.",
                hint="`ibackup verify --level deep` reads and decrypts all of it.",
            )


def _tried(source: BackupSource, backup: Backup, password: str | None, observe: Observer) -> Rehearsal:
    observe(PhaseStarted("prepare", f"Rehearsing a restore of {source.label} on a virtual iPhone."))
    try:
        about = backup_contents.read(backup)
        sent, restored = _restore(source, backup, about, password, observe)
    except NotABackup as error:
        if source.snapshot is None or isinstance(error, NotRestorable):
            raise
        return _outcome(source, DamageFound(f"Snapshot {source.label} is damaged.", why=error.message))
    except (DamageFound, PhoneRefused) as error:
        # Everything sent matches the seal, so if the phone refuses it, it refuses what a phone once sent.
        flawed = isinstance(error, PhoneRefused) and seal_of(source, ignore) is not None
        error.hint = f"{ADVICE} Until then use another snapshot (`ibackup list`)." if flawed else _ANOTHER
        return replace(_outcome(source, error), flawed=flawed)
    wrong = _unseen(source, backup)
    unlisted = next((each for each in wrong if each.kind is FindingKind.UNLISTED_CONTENT), None)
    if unlisted is not None:
        refused = DamageFound(
            "The phone accepted everything on the list of files, but that is only part of the backup.",
            why=f"There are {unlisted.found}.",
            hint=_ANOTHER,
        )
        return replace(_outcome(source, refused, sent, restored), flawed=unlisted.is_flaw)
    if wrong:
        lost = any(each.loses_data for each in wrong)
        refused = DamageFound(
            "The virtual iPhone accepted every file, but not everything here belongs to this backup.",
            why=named(wrong),
            hint=_ANOTHER if lost else "No file is lost: `ibackup verify` says what to do.",
        )
        refused.files = tuple(each.file for each in wrong if each.is_damage and each.file)
        return _outcome(source, refused, sent, restored)
    return _outcome(source, None, sent, restored)


def _unseen(source: BackupSource, backup: Backup) -> list[Finding]:
    """What ``verify`` finds wrong and the virtual iPhone cannot see, for example files that are not on the list.

    Nothing may be called proven here that ``verify`` calls damaged.
    """
    found = verify(backup, Level.QUICK, seal=seal_of(source, ignore))
    return [each for each in found if each.is_damage or each.kind is FindingKind.UNLISTED_CONTENT]


def _restore(
    source: BackupSource, backup: Backup, about: Contents, password: str | None, observe: Observer
) -> tuple[Sent, Restored]:
    spec = PhoneSpec(
        udid=_UDID,
        name="Virtual iPhone",
        product_type=about.product_type or "iPhone13,2",
        ios_version=about.ios_version or "99",
        supervised=bool(about.supervised),
        capacity=_ROOM,
        free=_ROOM,
    )
    virtual = VirtualPhone(spec)
    virtual.keeps_restored_files = False
    with (
        _served(virtual) as server,
        open_phone(_UDID, address=server.address, observer=observe, recognition=Strangers()) as phone,
    ):
        sent = send(phone, source, backup, about, Order(RestoreOptions(), password), observe)
        restored = virtual.restored
    if restored is None:
        raise PhoneRefused("The virtual iPhone accepted the backup, but has nothing to show for it.")
    return sent, restored


@contextmanager
def _served(phone: VirtualPhone) -> Iterator[Server]:
    """Serve the phone where no other user of this computer can reach it, if the system allows that."""
    with tempfile.TemporaryDirectory(prefix="ibackup-") as folder:
        path = os.path.join(folder, "usbmuxd")
        private = sys.platform != "win32" and len(os.fsencode(path)) < _LONGEST_SOCKET
        with serve(phone, port=None, socket_path=path) if private else serve(phone) as server:
            yield server


def _outcome(
    source: BackupSource,
    error: IbackupError | None,
    sent: Sent | None = None,
    restored: Restored | None = None,
) -> Rehearsal:
    when = datetime.now(UTC).replace(microsecond=0)
    if sent is None or restored is None:
        return Rehearsal(source, when, error)
    return Rehearsal(
        source,
        when,
        error,
        bytes=sent.bytes,
        files=restored.count,
        folders=restored.folders,
        links=restored.links,
        digests=restored.digests,
        sealed=sent.sealed,
    )


def _write_down(outcome: Rehearsal, observe: Observer) -> None:
    snapshot = outcome.source.snapshot
    folder = PhoneFolder.holding(snapshot) if snapshot is not None else None
    if snapshot is None or folder is None:
        return
    snapshot.refuse_if_removed()
    files = outcome.error.files if isinstance(outcome.error, DamageFound) else ()
    try:
        folder.add_proof(snapshot.id, Proof("rehearse", outcome.when, outcome.result, files))
    except IbackupError as error:
        observe(Caution(f"The outcome could not be recorded in the store. {error.why}".rstrip()))
