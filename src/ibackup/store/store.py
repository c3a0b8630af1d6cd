"""The store: one folder with everything, identified by the ``store.json`` in it."""

import contextlib
import os
import secrets
import shlex
import stat
import sys
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Self

from ibackup.apple import recognising
from ibackup.base import held
from ibackup.base.errors import DamageFound, IbackupError, ProtocolBroken, StoreMissing, UsageError
from ibackup.base.events import Caution, Observer, ignore
from ibackup.base.udids import may_be_udid, same_udid
from ibackup.store.disk import durable, unsuitable_places, windows_access
from ibackup.store.disk.disk_errors import telling
from ibackup.store.disk.json_records import JsonRecord, RecordFlaw
from ibackup.store.phone_folder import PhoneFolder
from ibackup.store.records.last_seen import LastSeen
from ibackup.store.records.snapshot import META_NAME, Snapshot
from ibackup.store.records.used_stores import KnownStores

SCHEMA = 1
STORE_NAME = recognising.STORE
_MARKS_OF_A_BACKUP = ("Manifest.db", "Manifest.plist", "Manifest.mbdb", META_NAME)
_PROBE_BYTES = 64 * 1024


class Store:
    """An open store. ``path`` is absolute with links resolved; ``id`` distinguishes it from every other store."""

    def __init__(self, path: str, store_id: str) -> None:
        self.path = path
        self.id = store_id

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str],
        *,
        create: bool = True,
        new_store: bool = False,
        known: KnownStores | None = None,
        observer: Observer = ignore,
    ) -> Self:
        """Open the store at a path.

        Args:
            path: its folder; created with its parents if it does not exist.
            create: whether to create a missing store and check that it is writable; False for commands that
                only read.
            new_store: create one even if another was used at this path before.
            known: the stores that this user used before; by default from the user's own state.
            observer: warned if others can read the folder.

        Raises:
            StoreMissing: it does not exist, the one used there before is not mounted, or a newer version made
                it.
            UsageError: the path is a file, or is inside a backup, a snapshot or another store.
            DamageFound: ``store.json`` is damaged.
            NoRoom: the disk is full.
            IbackupError: it cannot be written.
        """
        _refuse_dangling(os.path.abspath(path))
        full = os.path.realpath(path)
        known = KnownStores() if known is None else known
        with telling(f"The store {full!r} could not be read.", reading=True):
            _refuse_bad_place(full)
            there = _is_there(os.path.join(full, STORE_NAME))
        store_id = None
        if there:
            try:
                store_id = _read(full)
            except DamageFound:
                if not (new_store and create):
                    raise
        if store_id is None:
            store_id = _create(full, known, new_store=new_store) if create else _missing(full, known)
        keeps_modes = _probe(full) if create else True
        known.remember(full, store_id)
        store = cls(full, store_id)
        if create:
            store._point_out_place(observer, keeps_modes=keeps_modes)
        return store

    def _point_out_place(self, observer: Observer, *, keeps_modes: bool) -> None:
        """Warn if the store is in an unsuitable place; it is used anyway."""
        service = unsuitable_places.synced_by(self.path)
        if service:
            observer(
                Caution(
                    f"The store {self.path!r} is in a folder that {service} synchronizes with other places.",
                    "It would be uploaded, and files may change or disappear without ibackup's "
                    "knowledge. Move it out of there, or choose another folder with --store.",
                )
            )
        if not keeps_modes:
            observer(
                Caution(
                    (
                        "Others on this computer may be able to read the store: its file system does not "
                        "support permissions."
                    ),
                    "Encrypt the backups, or mount it so that only you can read it.",
                )
            )
        elif unsuitable_places.read_by_others(self.path, [phone.path for phone in self.phones()]):
            observer(
                Caution(
                    f"Others on this computer can read the store {self.path!r}.",
                    f"Remove that access: {_taking_away(self.path)}",
                )
            )

    @property
    def copies(self) -> bool:
        """Whether snapshots may be copied here at full size, if the file system has no links."""
        with _reading(self.path):
            record = JsonRecord.read(os.path.join(self.path, STORE_NAME))
            return "copies" in record and record.flag("copies")

    def remember_copies(self, wanted: bool) -> None:
        """Remember whether snapshots may be copied at full size."""
        if self.copies != wanted:
            members = {"schema": SCHEMA, "id": self.id, "copies": wanted}
            with telling(f"The store {self.path!r} is not writable."):
                durable.write_file(os.path.join(self.path, STORE_NAME), JsonRecord(members).render())

    def remember(
        self, udid: str, name: str | None, cloud_backup: bool | None, last_cloud_backup: datetime | None
    ) -> None:
        """Keep what a phone reports now, if it has a folder here; a failure stops nothing."""
        with contextlib.suppress(IbackupError):
            folder = self.phone(udid)
            if os.path.isdir(folder.path):
                with folder.lock():
                    folder.remember(LastSeen.told(name, cloud_backup, last_cloud_backup, datetime.now(UTC)))

    def phones(self) -> list[PhoneFolder]:
        """The phones that have a folder here, in order of UDID."""
        with telling(f"The store {self.path!r} could not be listed."), os.scandir(self.path) as entries:
            names = [
                each.name for each in entries if may_be_udid(each.name) and each.is_dir(follow_symlinks=False)
            ]
        return [PhoneFolder(os.path.join(self.path, name)) for name in sorted(names)]

    def phone(self, udid: str, *, told_by_phone: bool = False) -> PhoneFolder:
        """The folder of a phone; it may not exist yet.

        Args:
            udid: as lockdown spells it. A spelling that differs in dashes or case finds the folder that
                exists.
            told_by_phone: whether the phone sent it, so that an invalid one is the phone's fault and not the
                user's.

        Raises:
            UsageError, ProtocolBroken: it is not a UDID.
        """
        if not may_be_udid(udid):
            what = f"{udid[:80]!a} is not a UDID."
            if told_by_phone:
                raise ProtocolBroken(what, why="The phone reports this name.", hint="ibackup wrote nothing.")
            raise UsageError(what, hint="`ibackup devices` and `ibackup list` show the UDIDs.")
        if not os.path.isdir(os.path.join(self.path, udid)):
            for known in self.phones():
                if same_udid(known.udid, udid):
                    return known
        return PhoneFolder(os.path.join(self.path, udid))

    def snapshot(self, ref: str, udid: str | None = None) -> Snapshot:
        """A snapshot by its id, a unique beginning of one, ``latest``, or a path.

        Args:
            ref: the user's name for it.
            udid: the phone; optional if the store has only one, or for an id that only one phone has.

        Raises:
            UsageError: the reference matches none or several.
            DamageFound: its record is damaged.
        """
        if os.sep in ref or (os.altsep and os.altsep in ref):
            return Snapshot.open(os.path.realpath(ref))
        if udid is not None:
            return self.phone(udid).find(ref)
        phones = self.phones()
        if len(phones) == 1:
            return phones[0].find(ref)
        phones = [phone for phone in phones if phone.entries()]
        if not phones:
            raise UsageError("There is no snapshot in this store yet.", hint="Make one with `ibackup now`.")
        if ref == "latest":
            having = phones
        else:
            having = [phone for phone in phones if any(each.id.startswith(ref) for each in phone.entries())]
        if not having:
            raise UsageError(
                f"No snapshot begins with {ref!r}.", hint="`ibackup list` shows the existing ones."
            )
        if len(having) == 1:
            return having[0].find(ref)
        names = ", ".join(f"{phone.udid} ({phone.device_name()})" for phone in having)
        raise UsageError("Several phones have backups here.", hint=f"Choose one with --phone: {names}.")


def if_made(opening: Callable[[], Store]) -> Store | None:
    """What ``opening`` opens; None if there never was a store.

    Raises:
        StoreMissing: it is not mounted, or of a newer version.
    """
    try:
        return opening()
    except StoreMissing as error:
        if error.why:  # there is none at all otherwise
            raise
        return None


def _refuse_bad_place(path: str) -> None:
    if _is_there(path) and not stat.S_ISDIR(os.stat(path).st_mode):
        raise UsageError(f"The store {path!r} is not a folder.", hint="Choose a folder with --store.")
    folder, last = path, ""
    while folder != last:
        for name in _MARKS_OF_A_BACKUP:
            if _is_there(os.path.join(folder, name)):
                raise UsageError(
                    f"The store cannot be {path!r}: {folder!r} is a backup.",
                    why=f"It contains {name}; a store inside would change it.",
                    hint="Choose another folder with --store.",
                )
        if folder != path and _is_there(os.path.join(folder, STORE_NAME)):
            raise UsageError(
                f"The store cannot be {path!r}: it is inside the store {folder!r}.",
                hint=f"Use --store {folder!r}, or a folder outside of it.",
            )
        folder, last = os.path.dirname(folder), folder


def _refuse_dangling(path: str) -> None:
    """Refuse a broken link: its disk is away, so this is no place to create a store."""
    found = unsuitable_places.dangling(path)
    if found is not None:
        raise StoreMissing(
            f"The store {path!r} does not exist: {found}.",
            why="Its disk may not be connected, or its share not mounted.",
            hint="Connect or mount it, or choose another folder with --store.",
        )


def _is_there(path: str) -> bool:
    """Whether something has this name; unlike ``lexists``, a failing disk does not count as an empty one."""
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


@contextlib.contextmanager
def _reading(path: str) -> Iterator[None]:
    with telling(f"The store {path!r} could not be read.", reading=True):
        try:
            yield
        except RecordFlaw as flaw:
            raise DamageFound(
                f"{os.path.join(path, STORE_NAME)!r} is damaged: it {flaw}.",
                hint=f"The snapshots are not affected. To write it again, run `{_anew(path)}`.",
            ) from None


def _read(path: str) -> str:
    with _reading(path):
        record = JsonRecord.read(os.path.join(path, STORE_NAME))
        schema, store_id = record.number("schema"), record.text("id")
    if schema > SCHEMA:
        raise StoreMissing(
            f"The store {path!r} was made by a newer ibackup.",
            why=f"It has schema {schema}; this version knows {SCHEMA}.",
            hint=(
                "Use the newer version, or another --store; `ibackup --version` shows which version this is."
            ),
        )
    return store_id


def _missing(path: str, known: KnownStores) -> str:
    if known.at(path):
        raise _not_mounted(path)
    if _has_phones(path):
        raise StoreMissing(
            f"The store {path!r} has no store.json.",
            why="It has the folders of phones, but not the file that says that it is a store.",
            hint=f"If everything else is there, write it again: `{_anew(path)}`.",
        )
    raise StoreMissing(
        f"There is no store at {path!r}.",
        hint="Name the store with --store or $IBACKUP_STORE; `ibackup now` creates one.",
    )


def _has_phones(path: str) -> bool:
    """Whether a folder has the folders of phones, as a store has them."""
    with telling(f"The store {path!r} could not be read.", reading=True):
        try:
            names = os.listdir(path)
        except (FileNotFoundError, NotADirectoryError):
            return False
        folders = (PhoneFolder(os.path.join(path, name)) for name in names if may_be_udid(name))
        return any(os.path.isdir(folder.snapshots_path) for folder in folders)


def _not_mounted(path: str) -> StoreMissing:
    return StoreMissing(
        f"The store {path!r} is not mounted.",
        why="It was used before, but its store.json is missing now.",
        hint="Connect its disk or mount its share. If you moved it, give its new place: --store FOLDER, "
        f"or `store` in the config file. To begin a new, empty store there: `{_anew(path)}`.",
    )


def _anew(path: str) -> str:
    """The command that creates a store again; most commands that miss one have no --new-store option."""
    return f"ibackup now --new-store --store {shlex.quote(path)}"


def _create(path: str, known: KnownStores, *, new_store: bool) -> str:
    if known.at(path) and not new_store:
        raise _not_mounted(path)
    store_id = str(uuid.uuid4())
    with telling(f"The store {path!r} could not be created."):
        if durable.make_dir(path, parents=True) and sys.platform == "win32":
            with contextlib.suppress(IbackupError):  # then others have access, and every store gets a warning
                windows_access.restrict(path)
        durable.write_file(
            os.path.join(path, STORE_NAME), JsonRecord({"schema": SCHEMA, "id": store_id}).render()
        )
    return store_id


def _taking_away(path: str) -> str:
    """The command that keeps others out."""
    if sys.platform == "win32":
        return f'icacls "{path}" /inheritance:r /grant:r "%USERNAME%:(OI)(CI)F"'
    return f"chmod -R go= {shlex.quote(path)}"


def _probe(path: str) -> bool:
    """Whether the store supports modes, tried with a file that is removed again.

    Raises:
        NoRoom, IbackupError: the store is not writable.
    """
    probe = os.path.join(path, f".probe-{secrets.token_hex(4)}")
    with telling(f"The store {path!r} is not writable."):
        fd = os.open(probe, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
        try:
            try:
                os.write(fd, bytes(_PROBE_BYTES))
                os.fsync(fd)  # otherwise a full disk is noticed only later
                mode = stat.S_IMODE(os.fstat(fd).st_mode)
            finally:
                os.close(fd)
        finally:
            with contextlib.suppress(FileNotFoundError):
                held.unlink(probe)
    return os.name != "posix" or not mode & 0o077
