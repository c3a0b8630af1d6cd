"""A virtual iPhone's state, shared by all its services and safe to use from every thread."""

import itertools
import plistlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from ibackup.simulator.afcfiles import AfcTree
from ibackup.simulator.computers_log import PhoneJournal
from ibackup.simulator.faults import Fault, SnapshotInTheWay
from ibackup.simulator.lockdown_values import BACKUP, ITUNES, PUBLIC_KEYS, LockdownState, Values, all_values
from ibackup.simulator.notifications import (
    BACKUP_DOMAIN_CHANGED,
    PROMPT_DISMISSED,
    PROMPT_PRESENTED,
    NotificationHub,
)
from ibackup.simulator.phone_trust import Pairing, TrustBook
from ibackup.simulator.restored import RESTORED, Restored
from ibackup.simulator.spec import PhoneSpec
from ibackup.simulator.wireless_life import WirelessLife

if TYPE_CHECKING:
    from ibackup.simulator.content import Content
    from ibackup.simulator.stream import Stream

F = TypeVar("F", bound=Fault)

FIRST_PORT = 49_152
BACKUP_PROCESS = "mobilebackup2"
"""The memory's key for what the backup process keeps."""


@dataclass(frozen=True)
class OpenPort:
    """A port on which a service waits for the connection for which it was started."""

    service: str
    pairing: Pairing


class VirtualPhone:
    """The phone that a spec describes.

    Attributes:
        spec: the spec it was made from; never changes.
        lock: protects what no class of its own protects; services that need several values at once take it.
        trust: the computers it trusts.
        journal: a log of what computers did with it.
        wireless: what keeps it reachable over Wi-Fi.
        hub: its notifications.
        afc: the files that AFC shows.
        passcode: the passcode, and what the owner does about the next prompt; can be set.
        free: bytes free on the phone; can be set.
        scan_may_end: until it is set, the phone scans its files for a backup and is silent.
        memory: what services keep between connections, each under its own key.
        keeps_restored_files: whether to remember each restored file with its size and checksum; a large
            backup has millions.
        backup_service: replaces the virtual iPhone's own backup service; None: its own is used.
        needs_restart: a restore is complete except for the restart that puts it in place.
    """

    def __init__(self, spec: PhoneSpec) -> None:
        self.spec = spec
        self.lock = threading.RLock()
        self.trust = TrustBook(spec)
        self.journal = PhoneJournal()
        self.wireless = WirelessLife(spec.wireless, self.journal)
        self.hub = NotificationHub()
        self.afc = AfcTree(spec.made_at)
        self.passcode = spec.passcode
        self.free = spec.free
        self.scan_may_end = threading.Event()
        self.scan_may_end.set()
        self.memory: dict[str, object] = {}
        self.keeps_restored_files = True
        self.needs_restart = False
        self.backup_service: Callable[[Stream], None] | None = None
        self._backup_password = spec.backup_password
        self._encrypted_before = spec.encrypted_before or spec.backup_password is not None
        self._locked = spec.locked
        self._unlocks_at: float | None = None
        self._faults: list[tuple[Fault, int]] = []
        self._set_values: dict[tuple[str, str], object] = {}
        self._ports: dict[int, OpenPort] = {}
        self._next_port = itertools.count(FIRST_PORT)
        self._watching: list[Callable[[], None]] = []
        self._content: Content | None = None
        self.set_faults(*spec.faults)
        _fill_media_folder(self.afc)

    @property
    def udid(self) -> str:
        """The UDID as lockdown spells it."""
        return self.spec.udid

    # --- its files

    @property
    def files(self) -> "Content":
        """The files to back up; made when first needed."""
        from ibackup.simulator.content import Content

        with self.lock:
            if self._content is None:
                self._content = Content.build(self.spec)
            return self._content

    def change(
        self, *, added: int = 0, changed: int = 0, removed: int = 0, fraction: float = 0.0, seed: int = 0
    ) -> None:
        """Let the phone be used: add, change and remove made-up files (see Content.change)."""
        with self.lock:
            self.files.change(added=added, changed=changed, removed=removed, fraction=fraction, seed=seed)

    @property
    def restored(self) -> Restored | None:
        """What the last successful restore left here; None before the first."""
        with self.lock:
            found = self.memory.get(RESTORED)
        return found if isinstance(found, Restored) else None

    def forget_upload(self) -> None:
        """End the backup process, as a restart of the phone does; an interrupted upload then starts over."""
        with self.lock:
            self.memory.pop(BACKUP_PROCESS, None)

    def restart(self) -> None:
        """Restart the phone: a restore takes effect, and a leftover snapshot is gone."""
        if not self.spec.habits.keeps_upload:
            self.forget_upload()
        self.needs_restart = False
        with self.lock:
            self._faults = [each for each in self._faults if not isinstance(each[0], SnapshotInTheWay)]
        self.journal.add("restarted")

    # --- the lock screen

    @property
    def has_passcode(self) -> bool:
        """Whether a passcode is set."""
        return self.passcode.kind != "none" or self.spec.locked

    @property
    def locked(self) -> bool:
        """Whether the phone is locked now."""
        with self.lock:
            if self._unlocks_at is not None and time.monotonic() >= self._unlocks_at:
                self.unlock()
            return self._locked

    def unlock(self) -> None:
        """Unlock the phone, as its owner does."""
        with self.lock:
            self._locked, self._unlocks_at = False, None

    def lock_screen(self) -> None:
        """Lock the phone, as its owner does."""
        with self.lock:
            self._locked, self._unlocks_at = True, None

    def refused_for_lock(self) -> None:
        """Record that a request was refused because of the lock; an owner who is near unlocks the phone."""
        with self.lock:
            if self.spec.unlock_after_s is not None and self._unlocks_at is None:
                self._unlocks_at = time.monotonic() + self.spec.unlock_after_s

    def ask_passcode(self, pause: Callable[[float], None]) -> bool:
        """Show the passcode prompt and wait for the owner's reaction.

        Args:
            pause: waits that many seconds (Stream.pause, which ends with the connection).

        Returns:
            True when the passcode was entered, or none is set; False when it was not.
        """
        passcode = self.passcode
        if passcode.kind == "none":
            return True
        self.notify(PROMPT_PRESENTED)
        try:
            pause(passcode.delay_s)
        finally:
            self.notify(PROMPT_DISMISSED)
        entered = passcode.kind in ("answered", "late")
        self.journal.add("passcode", "entered" if entered else passcode.kind)
        if entered:
            self.unlock()
        return entered

    # --- backup encryption

    @property
    def backup_password(self) -> str | None:
        """The backup password; None if backups are not encrypted."""
        with self.lock:
            return self._backup_password

    @property
    def will_encrypt(self) -> bool:
        """Lockdown's WillEncrypt."""
        return self.backup_password is not None

    def set_backup_password(self, password: str | None) -> None:
        """Set, change or remove the backup password, and notify all listeners."""
        with self.lock:
            self._backup_password, self._encrypted_before = password, True
        self.notify(BACKUP_DOMAIN_CHANGED)

    # --- notifications

    def notify(self, name: str) -> None:
        """Post a notification as the phone does."""
        self.journal.add("notified", name)
        self.hub.post(name)

    def posted(self, name: str) -> None:
        """Record and deliver a notification that a computer posted."""
        self.journal.add("posted", name)
        self.hub.post(name)

    # --- lockdown values

    def domain(self, name: str = "", *, trusted: bool = True) -> Values:
        """The values of a domain; empty if there is no such domain.

        Args:
            name: the domain; "" is the default one.
            trusted: False returns only what anyone may read.
        """
        with self.lock:
            state = LockdownState(
                self.will_encrypt if self._encrypted_before else None, self.locked, self.free, trusted
            )
            domains = all_values(self.spec, state)
            for (domain, key), value in self._set_values.items():
                domains.setdefault(domain, {})[key] = value
        values = {key: value for key, value in domains.get(name, {}).items() if value is not None}
        if not trusted:
            return {key: value for key, value in values.items() if not name and key in PUBLIC_KEYS}
        if not name:
            values[ITUNES] = domains[ITUNES]  # clients that read everything at once look for it here
        return values

    def set_value(self, domain: str, key: str, value: object) -> None:
        """Set a lockdown value; None removes it."""
        with self.lock:
            self._set_values[domain, key] = value
        if domain == BACKUP:
            self.notify(BACKUP_DOMAIN_CHANGED)
        self.changed()

    def on_change(self, look: Callable[[], None]) -> None:
        """Call `look` whenever a value was set or a pairing has come or gone; it must not block."""
        with self.lock:
            self._watching.append(look)

    def forget_change(self, look: Callable[[], None]) -> None:
        """Call `look` no more."""
        with self.lock:
            self._watching.remove(look)

    def changed(self) -> None:
        """A value was set, or a pairing has come or gone."""
        with self.lock:
            watching = tuple(self._watching)
        for look in watching:
            look()

    # --- faults

    def set_faults(self, *faults: Fault) -> None:
        """Replace all faults; without arguments, nothing goes wrong."""
        with self.lock:
            self._faults = [(fault, -1 if fault.times is None else fault.times) for fault in faults]

    def fault(self, kind: type[F], where: Callable[[F], bool] = lambda _: True) -> F | None:
        """The first fault of this kind still in force; it counts as having struck once more."""
        with self.lock:
            for place, (fault, left) in enumerate(self._faults):
                if left != 0 and isinstance(fault, kind) and where(fault):
                    self._faults[place] = (fault, left - 1)
                    self.journal.add("fault", kind.__name__)
                    return fault
        return None

    def faults(self, kind: type[F]) -> tuple[F, ...]:
        """Every fault of this kind still in force; this does not count as a strike."""
        with self.lock:
            return tuple(fault for fault, left in self._faults if left != 0 and isinstance(fault, kind))

    # --- ports of services

    def open_port(self, service: str, pairing: Pairing) -> int:
        """Open a port on which a service waits for one connection; return its number."""
        with self.lock:
            port = self.next_port()
            self._ports[port] = OpenPort(service, pairing)
            return port

    def next_port(self) -> int:
        """A number of the range for services, each after the other."""
        return FIRST_PORT + (next(self._next_port) - FIRST_PORT) % (65_536 - FIRST_PORT)

    def take_port(self, port: int) -> OpenPort | None:
        """The service that waits on a port; it stops waiting."""
        with self.lock:
            return self._ports.pop(port, None)


def _fill_media_folder(tree: AfcTree) -> None:
    """Add the files of a synced phone, so that clients find some of the files they look for, but not all."""
    tree.write("/Books/iBooksData2.plist", _EMPTY_PLIST)
    tree.write("/iTunes_Control/iTunes/iTunesPrefs", b"frpd" + bytes(124))
    tree.write("/iTunes_Control/iTunes/iTunesPrefs.plist", _EMPTY_PLIST)
    tree.write("/iTunes_Control/iTunes/IC-Info.sidv", bytes(range(64)))


_EMPTY_PLIST = plistlib.dumps({})
