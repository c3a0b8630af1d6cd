"""The backups that are open: unlocked, and with what pages have read from them, until they are locked or too many.

An encrypted backup is open for one browser session alone, and closed when that session is locked. A plain one is
shared. Nothing decrypted is written to the disk (see ``ibackup.apple.foreign_database``).
"""

import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager, suppress
from typing import Any, Final, TypeVar, cast

from ibackup.apple.backup import Backup
from ibackup.base.errors import PasswordNeeded
from ibackup.base.events import Caution, Event
from ibackup.explore.opening import SnapshotTarget, opened, own_copy, telling_damage
from ibackup.view.guard.browser_sessions import BrowserSession
from ibackup.view.shown_phones import ShownBackup

T = TypeVar("T")

MOST_OPEN: Final = 6
"""Backups that stay open; the least recently used one is closed first, but before it those of which nothing is kept:
opening again takes less than reading again, and the plot of growth opens two dozen."""
MOST_HEAVY: Final = 3
"""Of these, those of which something large is kept. Half a million messages and 300,000 files take 50 MiB."""


class OpenedBackup:
    """An open backup. Use it only inside the ``with`` block that gave it: one thread at a time is in there.

    A file opened from it (``Entry.open``) can be read outside of that block.

    Attributes:
        backup: unlocked.
        shown: which one it is.
        encrypted: whether it is, and so belongs to one session.
        notes: what to know about the whole backup: that it is damaged, or was changed by another program.
        is_heavy: whether something large is kept of it.
        numbers: how many entries the pages have that were read already, by their names in the navigation.
    """

    def __init__(self, backup: Backup, shown: ShownBackup, notes: tuple[Caution, ...]) -> None:
        self.backup = backup
        self.shown = shown
        self.encrypted = backup.is_encrypted
        self.notes = notes
        self.is_heavy = False
        self.numbers: dict[str, int] = {}
        self._read: dict[Hashable, object] = {}

    def once(self, key: Hashable, make: "Callable[[OpenedBackup], T]") -> T:
        """What ``make`` returned the first time; kept, and closed if it can be, as long as the backup stays open.

        Memory is the maker's to watch: several backups may be open. Raises what ``make`` raises.
        """
        if key not in self._read:
            self._read[key] = make(self)
        return cast("T", self._read[key])

    def has(self, key: Hashable) -> bool:
        """Whether something is kept under a key, be it None; as ``peek``."""
        return key in self._read

    def peek(self, key: Hashable) -> Any:
        """What is kept under a key, or None; reads nothing, so it may be called outside of the ``with`` block."""
        return self._read.get(key)

    @property
    def keeps_something(self) -> bool:
        """Whether anything was read from it that would have to be read again."""
        return bool(self._read)

    def close(self) -> None:
        """Close it and what was read from it."""
        kept = list(self._read.values())
        self._read.clear()
        with ExitStack() as stack:
            stack.callback(self.backup.close)
            for each in kept:
                stack.callback(_close_one, each)


class _Slot:
    """The place of one open backup. ``lock`` is held by the thread that uses it; the other members by the house's."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.opened: OpenedBackup | None = None
        self.users = 0
        self.dropped = False

    @property
    def is_heavy(self) -> bool:
        """Whether something large is kept."""
        return self.opened is not None and self.opened.is_heavy


_Key = tuple[BrowserSession | None, str]


class OpenedBackups:
    """All open backups.

    Args:
        most: how many stay open.
    """

    Use = AbstractContextManager[OpenedBackup]

    def __init__(self, most: int = MOST_OPEN) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._slots: OrderedDict[_Key, _Slot] = OrderedDict()  # the most recently used comes last
        self._listening: weakref.WeakSet[BrowserSession] = weakref.WeakSet()
        self._here = threading.local()

    @contextmanager
    def use(self, shown: ShownBackup, session: BrowserSession) -> Iterator[OpenedBackup]:
        """Open a backup, or take the open one, for a ``with`` block. Keep that short: others wait for it.

        Raises:
            PasswordNeeded: it is encrypted, and the session has not unlocked it or (PasswordWrong) only others.
            NotABackup, DamageFound: it cannot be read; the same applies inside of the block.
            RuntimeError: this thread is in such a block already; two at once need ``use_two``.
        """
        with self._alone(), self._using(shown, session) as found:
            yield found

    @contextmanager
    def use_two(
        self, one: ShownBackup, other: ShownBackup, session: BrowserSession
    ) -> Iterator[tuple[OpenedBackup, OpenedBackup]]:
        """The same for two backups at once; they are taken in an order that lets no two threads wait for each other."""
        with self._alone(), ExitStack() as stack:
            found: dict[str, OpenedBackup] = {}
            for each in sorted((one, other), key=lambda each: each.path):
                if each.path not in found:
                    found[each.path] = stack.enter_context(self._using(each, session))
            yield found[one.path], found[other.path]

    def read_apart(
        self,
        shown: ShownBackup,
        session: BrowserSession,
        key: Hashable,
        make: Callable[[Backup], T],
        move: Callable[[T, Backup], None],
    ) -> None:
        """Have ``OpenedBackup.once`` keep what takes long to read; nobody has to wait for the backup meanwhile.

        Args:
            shown: the backup.
            session: who reads it.
            key: of ``once``.
            make: reads it from a copy of the backup, which is then closed.
            move: has the result use the open backup.

        Raises:
            IbackupError: as ``use``, and what ``make`` raises.
        """
        with self.use(shown, session) as opened:
            if opened.has(key):
                return
            copy = own_copy(opened.backup)
        with closing(copy), telling_damage(_target(shown)):
            made = make(copy)
            try:
                with self.use(shown, session) as opened:
                    kept = opened.once(key, lambda _: made)
                    opened.is_heavy = True
                    if kept is made:
                        move(made, opened.backup)
            except BaseException:
                _close_one(made)
                raise
        if kept is not made:
            _close_one(made)

    def peek(self, shown: ShownBackup, session: BrowserSession) -> OpenedBackup | None:
        """An open backup for its ``peek`` and its notes; reads nothing, and waits for nothing."""
        with self._lock:
            slot = self._find(shown, session)
            return slot.opened if slot is not None and self._may(shown, session, slot) else None

    def unlock(self, shown: ShownBackup, session: BrowserSession, password: str) -> None:
        """Try a password; the right one opens every backup of this phone that has it, for this session.

        Raises:
            PasswordWrong: it does not open this backup.
            NotABackup, DamageFound: the backup cannot be read.
        """
        target = _target(shown)
        with telling_damage(target), Backup.open(target.path, known=True) as backup:
            backup.salvage()
            if not backup.unlocked:
                backup.refuse_without_list()
                session.unlock(shown.udid, password, backup)

    def close_phone(self, udid: str) -> None:
        """Close every backup of a phone, for what changes or removes them. Those in use close after that."""
        self._drop(lambda _, slot: slot.opened is not None and slot.opened.shown.udid == udid)

    def close(self) -> None:
        """Close all; may be called twice."""
        self._drop(lambda _key, _slot: True)

    # -- inside ---------------------------------------------------------------------------------------------

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Refuse a thread that holds a backup already: two threads could wait for each other forever."""
        if getattr(self._here, "held", False):
            raise RuntimeError("a thread uses one backup at a time, or two with use_two")
        self._here.held = True
        try:
            yield
        finally:
            self._here.held = False

    @contextmanager
    def _using(self, shown: ShownBackup, session: BrowserSession) -> Iterator[OpenedBackup]:
        target = _target(shown)
        slot, key = self._take(shown, session)
        try:
            with slot.lock, telling_damage(target):
                if slot.opened is None:
                    slot.opened = _open(target, shown, session)
                    if slot.opened.encrypted:
                        self._listen(session)
                    else:
                        self._share(slot, key)
                if not self._may(shown, session, slot):  # it was locked meanwhile, perhaps before we listened
                    self._drop(lambda _, each: each is slot)
                    raise PasswordNeeded("This backup is locked again.")
                yield slot.opened
        finally:
            self._release(slot, key)

    def _take(self, shown: ShownBackup, session: BrowserSession) -> tuple[_Slot, _Key]:
        with self._lock:
            slot = self._find(shown, session)
            key: _Key = (session, shown.path)
            if slot is None:
                slot = self._slots[key] = _Slot()
            elif key not in self._slots:
                key = (None, shown.path)
            self._slots.move_to_end(key)
            slot.users += 1
            return slot, key

    def _find(self, shown: ShownBackup, session: BrowserSession) -> _Slot | None:
        return self._slots.get((session, shown.path)) or self._slots.get((None, shown.path))

    def _share(self, slot: _Slot, key: _Key) -> None:
        """Let every session use a plain backup."""
        everybody: _Key = (None, key[1])
        with self._lock:
            if self._slots.get(key) is slot and everybody not in self._slots:
                del self._slots[key]
                self._slots[everybody] = slot

    def _release(self, slot: _Slot, key: _Key) -> None:
        """End a use; close what was dropped meanwhile, could not be opened, or has become too much."""
        closing: list[_Slot] = []
        with self._lock:
            slot.users -= 1
            if slot.opened is None and not slot.users and self._slots.get(key) is slot:
                del self._slots[key]
            if slot.dropped and not slot.users:
                closing.append(slot)
            idle = [each for each in self._slots.items() if not each[1].users]
            idle.sort(key=lambda each: each[1].opened is not None and each[1].opened.keeps_something)
            heavy = sum(each.is_heavy for each in self._slots.values())
            for other_key, other in idle:
                too_heavy = other.is_heavy and heavy > MOST_HEAVY
                if len(self._slots) <= self._most and not too_heavy:
                    continue
                heavy -= other.is_heavy
                del self._slots[other_key]
                other.dropped = True
                closing.append(other)
        _close(closing)

    def _drop(self, chosen: Callable[[_Key, _Slot], bool]) -> None:
        closing: list[_Slot] = []
        with self._lock:
            for key, slot in list(self._slots.items()):
                if chosen(key, slot):
                    del self._slots[key]
                    slot.dropped = True
                    if not slot.users:
                        closing.append(slot)
        _close(closing)

    def _listen(self, session: BrowserSession) -> None:
        """Close what a session opened when it is locked."""
        with self._lock:
            known = session in self._listening
            self._listening.add(session)
        if not known:
            this = weakref.ref(session)
            session.when_locked(lambda: self._drop(lambda key, _: key[0] is this()))

    @staticmethod
    def _may(shown: ShownBackup, session: BrowserSession, slot: _Slot) -> bool:
        """Whether a session may look into an open backup; one that was locked this moment may not."""
        return slot.opened is not None and (not slot.opened.encrypted or shown.udid in session.unlocked)


def _open(target: SnapshotTarget, shown: ShownBackup, session: BrowserSession) -> OpenedBackup:
    notes: list[Caution] = []

    def hear(event: Event) -> None:
        if isinstance(event, Caution) and event not in notes:
            notes.append(event)

    return OpenedBackup(opened(target, session.unlocker_for(shown.udid), hear), shown, tuple(notes))


def _target(shown: ShownBackup) -> SnapshotTarget:
    return SnapshotTarget(shown.path, shown.snapshot, shown.udid)


def _close_one(kept: object) -> None:
    if callable(close := getattr(kept, "close", None)):
        close()


def _close(slots: list[_Slot]) -> None:
    for slot in slots:
        if slot.opened is not None:
            with suppress(OSError):
                slot.opened.close()
            slot.opened = None
