"""The fire drill: a backup is restored into a virtual iPhone, which checks every file, digest and key as a phone does.

The phone lives in this process and is reached over a real socket, so that the restore is the very one that a real
phone would get. It keeps no content, so that neither disk nor memory is needed for it.
"""

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Literal

from ibackup.device import open_phone
from ibackup.errors import DamageFound, IbackupError, NotABackup, PhoneRefused, UsageError
from ibackup.events import Caution, Observer, PhaseStarted, ignore
from ibackup.keychain import Keychain
from ibackup.manifest.backup import Backup
from ibackup.restore import contents
from ibackup.restore.contents import Contents
from ibackup.restore.sending import Order, Sent, send, unlock
from ibackup.restore.types import Options, PasswordSource, Source
from ibackup.simulator import PhoneSpec, Server, VirtualPhone, serve
from ibackup.simulator.operations.restore import Restored
from ibackup.store import PhoneFolder, Proof
from ibackup.store.trouble import telling

_ROOM = 1 << 50
_LONGEST_SOCKET = 100  # bytes of a socket's path that every system takes
_UDID = "00000000-0000000000000000"  # nobody's: what a phone itself holds plays no part


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What came of a rehearsal; sizes in bytes.

    Attributes:
        source: the backup.
        when: it ended, UTC.
        error: why the backup cannot be restored; None when it can be.
        files, folders, links: what the phone took.
        digests: files that had a digest in the phone's own list, which was right.
        sealed: whether every byte was held against a seal.
        encrypted: whether it is encrypted.
    """

    source: Source
    when: datetime
    error: IbackupError | None
    bytes: int = 0
    files: int = 0
    folders: int = 0
    links: int = 0
    digests: int = 0
    sealed: bool = False
    encrypted: bool = False

    @property
    def good(self) -> bool:
        """Whether the backup can be restored."""
        return self.error is None


def rehearse(
    source: Source, password: PasswordSource, observe: Observer = ignore, *, keychain: Keychain | None = None
) -> Rehearsal:
    """Restore a backup into a virtual iPhone, and write the outcome down for a snapshot.

    ``keychain`` has earlier passwords for older snapshots; None where the user named the one to use.

    Raises:
        PasswordNeeded: nothing could be tried without it, or (PasswordWrong) it does not open this backup.
        NotABackup: a folder made elsewhere is none, or was never finished.
    """
    with telling("The backup could not be read."), Backup.open(source.path, known=True) as backup:
        _refuse_old_format(backup)
        given = unlock(backup, password, keychain)
        outcome = replace(_tried(source, backup, given, observe), encrypted=given is not None)
    _write_down(outcome, observe)
    return outcome


def _refuse_old_format(backup: Backup) -> None:
    """The virtual iPhone reads the format that phones write since iOS 10.2."""
    with contextlib.suppress(NotABackup):  # what is damaged is for the rehearsal itself to find
        if backup.flat or (backup.is_encrypted and backup.manifest.manifest_key is None):
            raise UsageError(
                "A backup in the format of iOS 10.1 or older cannot be rehearsed.",
                hint="`ibackup verify --level deep` reads and decrypts all of it.",
            )


def _tried(source: Source, backup: Backup, password: str | None, observe: Observer) -> Rehearsal:
    observe(PhaseStarted("prepare", f"Rehearsing a restore of {source.label} on a virtual iPhone."))
    try:
        about = contents.read(backup)
        sent, restored = _restore(source, backup, about, password, observe)
    except NotABackup as error:
        if source.snapshot is None:
            raise
        return _outcome(source, DamageFound(f"Snapshot {source.label} is damaged.", why=error.message))
    except (DamageFound, PhoneRefused) as error:
        error.hint = (
            "`ibackup verify` says more. Use another snapshot (`ibackup list`), and make a new backup."
        )
        return _outcome(source, error)
    return _outcome(source, None, sent, restored)


def _restore(
    source: Source, backup: Backup, about: Contents, password: str | None, observe: Observer
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
    with _served(virtual) as server, open_phone(_UDID, address=server.address, observer=observe) as phone:
        sent = send(phone, source, backup, about, Order(Options(), password), observe)
        restored = virtual.restored
    if restored is None:
        raise PhoneRefused("The virtual iPhone took the backup and has nothing to show for it.")
    return sent, restored


@contextmanager
def _served(phone: VirtualPhone) -> Iterator[Server]:
    """Serve the phone where no other user of this computer reaches it, if the system can do that."""
    with tempfile.TemporaryDirectory(prefix="ibackup-") as folder:
        path = os.path.join(folder, "usbmuxd")
        private = sys.platform != "win32" and len(os.fsencode(path)) < _LONGEST_SOCKET
        with serve(phone, port=None, socket_path=path) if private else serve(phone) as server:
            yield server


def _outcome(
    source: Source, error: IbackupError | None, sent: Sent | None = None, restored: Restored | None = None
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
    result: Literal["good", "damaged"] = "good" if outcome.good else "damaged"
    try:
        folder.add_proof(snapshot.id, Proof("rehearse", outcome.when, result))
    except IbackupError as error:
        observe(Caution(f"The outcome could not be written down in the store. {error.why}".rstrip()))
