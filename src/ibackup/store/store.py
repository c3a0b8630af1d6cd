"""The store: one folder with everything, known by the ``store.json`` in it."""

import contextlib
import os
import secrets
import shlex
import stat
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Self

from ibackup.errors import DamageFound, IbackupError, ProtocolBroken, StoreMissing, UsageError
from ibackup.events import Caution, Observer, ignore
from ibackup.store import durable, places
from ibackup.store.known import KnownStores
from ibackup.store.phone_folder import PhoneFolder
from ibackup.store.records import Record, RecordFlaw
from ibackup.store.seen import Seen
from ibackup.store.snapshot import META_NAME, Snapshot
from ibackup.store.trouble import telling
from ibackup.store.udids import is_udid, same

SCHEMA = 1
STORE_NAME = "store.json"
_MARKS_OF_A_BACKUP = ("Manifest.db", "Manifest.plist", "Manifest.mbdb", META_NAME)
_PROBE_BYTES = 64 * 1024


class Store:
    """An opened store; ``path`` is absolute, links resolved, ``id`` tells it from every other."""

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
            path: its folder; made with its parents where nothing is.
            create: whether a store is made where there is none, and looked whether it can be written; False for
                commands that only read.
            new_store: make one even where another was used before.
            known: what this user has used before; by default the user's own state.
            observer: told when others can read the folder.

        Raises:
            StoreMissing: there is none, the one that was used there before is not mounted, or it was made by a newer
                version.
            UsageError: the path is a file, or lies inside a backup, a snapshot or another store.
            DamageFound: ``store.json`` is damaged.
            NoRoom: the disk is full.
            IbackupError: it cannot be written.
        """
        full = os.path.realpath(path)
        known = KnownStores() if known is None else known
        with telling(f"The store {full!r} could not be read."):
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
        """Say what is wrong with where the store is; it is used all the same."""
        service = places.synced_by(self.path)
        if service:
            observer(
                Caution(
                    f"The store {self.path!r} lies in a folder that {service} keeps in step with other places.",
                    "It would be uploaded, and files may be changed or taken away behind its back. Move it out of "
                    "there, or name another folder with --store.",
                )
            )
        if not keeps_modes:
            observer(
                Caution(
                    "Others on this computer may be able to read the store: its file system does not keep modes.",
                    "Have the phone encrypt its backups, or mount it so that only you can read it.",
                )
            )
        elif places.read_by_others(self.path, [phone.path for phone in self.phones()]):
            observer(
                Caution(
                    f"Others on this computer can read the store {self.path!r}.",
                    f"Take that away: chmod -R go= {shlex.quote(self.path)}",
                )
            )

    @property
    def copies(self) -> bool:
        """Whether snapshots may be copied here, at their full size, where the file system has no links."""
        with _reading(self.path):
            record = Record.read(os.path.join(self.path, STORE_NAME))
            return "copies" in record and record.flag("copies")

    def remember_copies(self, wanted: bool) -> None:
        """Remember whether they may."""
        if self.copies != wanted:
            members = {"schema": SCHEMA, "id": self.id, "copies": wanted}
            with telling(f"The store {self.path!r} cannot be written."):
                durable.write_file(os.path.join(self.path, STORE_NAME), Record(members).render())

    def remember(
        self, udid: str, name: str | None, cloud_backup: bool | None, last_cloud_backup: datetime | None
    ) -> None:
        """Keep what a phone tells now, where it has a folder here; that this cannot be done stops nothing."""
        with contextlib.suppress(IbackupError):
            folder = self.phone(udid)
            if os.path.isdir(folder.path):
                with folder.lock():
                    folder.remember(Seen.told(name, cloud_backup, last_cloud_backup, datetime.now(UTC)))

    def phones(self) -> list[PhoneFolder]:
        """The phones that have a folder here, in order of UDID."""
        with telling(f"The store {self.path!r} could not be listed."), os.scandir(self.path) as entries:
            names = [
                each.name for each in entries if is_udid(each.name) and each.is_dir(follow_symlinks=False)
            ]
        return [PhoneFolder(os.path.join(self.path, name)) for name in sorted(names)]

    def phone(self, udid: str, *, told_by_phone: bool = False) -> PhoneFolder:
        """The folder of a phone, which need not exist yet.

        Args:
            udid: as lockdown spells it. A spelling that differs in dashes or case finds the folder that exists.
            told_by_phone: whether the phone said it, so that a bad one is its fault and not the user's.

        Raises:
            UsageError, ProtocolBroken: it is no UDID.
        """
        if not is_udid(udid):
            what = f"{udid[:80]!a} is not a UDID."
            if told_by_phone:
                raise ProtocolBroken(what, why="The phone calls itself so.", hint="Nothing was written.")
            raise UsageError(what, hint="`ibackup devices` and `ibackup list` show the UDIDs.")
        if not os.path.isdir(os.path.join(self.path, udid)):
            for known in self.phones():
                if same(known.udid, udid):
                    return known
        return PhoneFolder(os.path.join(self.path, udid))

    def snapshot(self, ref: str, udid: str | None = None) -> Snapshot:
        """A snapshot by its id, a unique beginning of one, ``latest``, or a path.

        Args:
            ref: how the user names it.
            udid: the phone; may be left out when the store has only one, or for an id that only one phone has.

        Raises:
            UsageError: none or several are meant.
            DamageFound: its record is damaged.
        """
        if os.sep in ref or (os.altsep and os.altsep in ref):
            return Snapshot.open(os.path.realpath(ref))
        if udid is not None:
            return self.phone(udid).find(ref)
        phones = self.phones()
        if len(phones) == 1:
            return phones[0].find(ref)
        if not phones:
            raise UsageError("There is no snapshot in this store yet.", hint="Make one with `ibackup now`.")
        having = [phone for phone in phones if any(each.id.startswith(ref) for each in phone.entries())]
        if ref != "latest" and len(having) == 1:
            return having[0].find(ref)
        names = ", ".join(f"{phone.udid} ({_device_name(phone)})" for phone in phones)
        raise UsageError(f"Which phone's {ref!r} is meant?", hint=f"Give --phone with one of: {names}.")


def _device_name(phone: PhoneFolder) -> str:
    newest = phone.newest()
    return newest.meta.device_name if newest else "no snapshot"


def _refuse_bad_place(path: str) -> None:
    if _is_there(path) and not stat.S_ISDIR(os.stat(path).st_mode):
        raise UsageError(f"The store {path!r} is not a folder.", hint="Name a folder with --store.")
    folder, last = path, ""
    while folder != last:
        for name in _MARKS_OF_A_BACKUP:
            if _is_there(os.path.join(folder, name)):
                raise UsageError(
                    f"The store cannot be {path!r}: {folder!r} is a backup.",
                    why=f"It holds {name}; a store inside would change it.",
                    hint="Name another folder with --store.",
                )
        if folder != path and _is_there(os.path.join(folder, STORE_NAME)):
            raise UsageError(
                f"The store cannot be {path!r}: it lies inside the store {folder!r}.",
                hint=f"Use --store {folder!r}, or a folder outside of it.",
            )
        folder, last = os.path.dirname(folder), folder


def _is_there(path: str) -> bool:
    """Whether something has this name; unlike ``lexists`` it does not take a failing disk for an empty one."""
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


@contextlib.contextmanager
def _reading(path: str) -> Iterator[None]:
    with telling(f"The store {path!r} could not be read."):
        try:
            yield
        except RecordFlaw as flaw:
            raise DamageFound(
                f"{os.path.join(path, STORE_NAME)!r} is damaged: it {flaw}.",
                hint=f"The snapshots are not affected. `{_anew(path)}` writes it anew.",
            ) from None


def _read(path: str) -> str:
    with _reading(path):
        record = Record.read(os.path.join(path, STORE_NAME))
        schema, store_id = record.number("schema"), record.text("id")
    if schema > SCHEMA:
        raise StoreMissing(
            f"The store {path!r} was made by a newer ibackup.",
            why=f"It has schema {schema}; this version knows {SCHEMA}.",
            hint="Use the newer version, or another --store; `ibackup --version` tells which one this is.",
        )
    return store_id


def _missing(path: str, known: KnownStores) -> str:
    if known.at(path):
        raise _not_mounted(path)
    raise StoreMissing(
        f"There is no store at {path!r}.",
        hint="Name it with --store or $IBACKUP_STORE; `ibackup now` makes one.",
    )


def _not_mounted(path: str) -> StoreMissing:
    return StoreMissing(
        f"The store {path!r} is not mounted.",
        why="It was used before, and its store.json is not there now.",
        hint=f"Connect its disk or mount its share. To begin a new, empty store there: `{_anew(path)}`.",
    )


def _anew(path: str) -> str:
    """The command that makes a store anew; most of those that miss one have no --new-store themselves."""
    return f"ibackup now --new-store --store {shlex.quote(path)}"


def _create(path: str, known: KnownStores, *, new_store: bool) -> str:
    if known.at(path) and not new_store:
        raise _not_mounted(path)
    store_id = str(uuid.uuid4())
    with telling(f"The store {path!r} could not be made."):
        durable.make_dir(path, parents=True)
        durable.write_file(
            os.path.join(path, STORE_NAME), Record({"schema": SCHEMA, "id": store_id}).render()
        )
    return store_id


def _probe(path: str) -> bool:
    """Whether modes hold in the store, tried with a file that is removed again.

    Raises:
        NoRoom, IbackupError: the store cannot be written.
    """
    probe = os.path.join(path, f".probe-{secrets.token_hex(4)}")
    with telling(f"The store {path!r} cannot be written."):
        fd = os.open(probe, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
        try:
            try:
                os.write(fd, bytes(_PROBE_BYTES))
                os.fsync(fd)  # or a full disk is noticed only later
                mode = stat.S_IMODE(os.fstat(fd).st_mode)
            finally:
                os.close(fd)
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(probe)
    return os.name != "posix" or not mode & 0o077
