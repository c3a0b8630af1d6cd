"""Phones: which ones are connected, and a session with one of them."""

import contextlib
import logging
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

from ibackup.apple.plist_values import Values
from ibackup.base.closeable import Closeable
from ibackup.base.errors import IbackupError, UsageError
from ibackup.base.events import Observer, ignore
from ibackup.base.udids import dashed, plain_udid
from ibackup.config.stall_limits import Limits
from ibackup.device.lockdown import phone_facts
from ibackup.device.lockdown.lockdown import Lockdown
from ibackup.device.lockdown.lockdown_keys import BACKUP_DOMAIN, BATTERY_DOMAIN, DISK_DOMAIN
from ibackup.device.lockdown.phone_facts import PhoneFacts
from ibackup.device.mux import usbmux
from ibackup.device.mux.usbmux import Attached, ConnectionKind, Usbmux, parse_address
from ibackup.device.phones.recognition import Recognition, Strangers
from ibackup.device.phones.trust import KeyTrust, stored_record, tls_for, told_udid
from ibackup.device.phones.waiting import Patience, matching, wait_for_phone
from ibackup.device.refusals.lockdown_refusals import PhoneLocked

T = TypeVar("T")
TrustState = Literal["trusted", "untrusted", "locked", "unreachable"]

_log = logging.getLogger(__name__)

NOTICE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class FoundPhone:
    """A phone that is connected, in any state.

    Attributes:
        facts: what it reports; before it trusts this computer, that is little more than its name.
        connections: how to reach it, the preferred way first.
        trust: trusted; untrusted: it does not know this computer; locked: it must be unlocked before it says so;
            unreachable: usbmuxd lists it, but its answers make no sense.
        problem: why it is unreachable, or what else went wrong.
    """

    facts: PhoneFacts
    connections: tuple[ConnectionKind, ...]
    trust: TrustState
    problem: IbackupError | None = None

    @property
    def udid(self) -> str:
        """Lockdown's spelling of its UDID."""
        return self.facts.udid


class Phone(Closeable):
    """A phone that trusts this computer. A context manager; made by ``open_phone``.

    Attributes:
        udid: lockdown's own spelling, checked to be safe as the name of a folder.
        facts: read once, when the session was opened.
        connection: over a cable or the network.
        limits: how long it may be silent.
        key: SHA-256, in hex digits, of the key that it proved to have; empty if it proved none.
        recognition: remembers its key.
    """

    def __init__(
        self,
        mux: Usbmux,
        attached: Attached,
        lockdown: Lockdown,
        patience: Patience,
        limits: Limits,
        recognition: Recognition,
    ) -> None:
        self._mux = mux
        self._attached = attached
        self._lockdown = lockdown
        self._patience = patience
        self.limits = limits
        self.recognition = recognition
        self.udid = told_udid(lockdown.basics, attached)
        self.connection: ConnectionKind = attached.connection
        self.key = lockdown.proved_key
        self.facts = _facts(lockdown, self.udid)
        _log.debug(
            "%s with iOS %s over %s; backups encrypted: %s, demanded: %s; locked: %s",
            self.facts.product_type,
            self.facts.ios_version,
            self.connection,
            self.facts.will_encrypt,
            self.facts.requires_encryption,
            self.facts.locked,
        )

    def close(self) -> None:
        """End the session. Streams from ``start_service`` stay open."""
        self._lockdown.close()

    def value(self, domain: str, key: str) -> object:
        """One of lockdown's values; None if there is none. The default domain is ""."""
        return self._lockdown.value(domain, key)

    def values(self, domain: str = "") -> Values:
        """A whole domain of lockdown's values; empty if there is none."""
        return self._lockdown.values(domain)

    def start_service(self, name: str, *, escrow: bool = False) -> socket.socket:
        """A blocking stream to a service, with TLS and without a time limit; the caller closes it.

        If the phone is locked, this waits, with the patience that ``open_phone`` got.

        Args:
            name: "com.apple.mobilebackup2".
            escrow: let it start, and continue, while the phone is locked; backups need this.

        Raises:
            PersonNeeded: the phone is locked, and nobody unlocked it in time.
            PhoneRefused: this phone does not have it.
            ConnectionLost: the phone is gone.
        """
        return self.when_unlocked(lambda: self._lockdown.start_service(name, escrow=escrow))

    def when_unlocked(self, attempt: Callable[[], T]) -> T:
        """Try something until the phone is no longer locked, with the patience that ``open_phone`` got.

        Raises:
            PersonNeeded: nobody unlocked it in time.
        """
        return self._patience.until(attempt, self.facts.noun)

    def start_at_once(self, name: str) -> socket.socket:
        """Like ``start_service``, but raises PhoneLocked instead of waiting for a locked phone."""
        return self._lockdown.start_service(name, escrow=False)

    def hurry(self, seconds: float) -> None:
        """Limit each further request to ``seconds``, instead of the time that a busy phone may need."""
        self._lockdown.request_seconds = seconds

    def refresh(self) -> PhoneFacts:
        """Read the facts again, after a change."""
        self._lockdown.read_basics()
        self.facts = _facts(self._lockdown, self.udid)
        return self.facts

    @contextlib.contextmanager
    def watch(self) -> Iterator[Callable[[], bool]]:
        """Yield a function that returns whether usbmuxd has reported this connection gone since the last call.

        The connection itself would show it only later. So if usbmuxd does not report anything, that is no reason to
        stop.
        """
        with contextlib.ExitStack() as stack:
            listener: usbmux.Listener | None = None
            with contextlib.suppress(IbackupError):
                listener = stack.enter_context(self._mux.listen())

            def is_unplugged() -> bool:
                nonlocal listener
                gone = usbmux.Detached(self._attached.device_id)
                try:
                    return listener is not None and any(event == gone for event in listener.waiting())
                except IbackupError:
                    listener = None
                    return False

            yield is_unplugged

    def is_there(self) -> bool:
        """Whether this very connection still exists, as far as usbmuxd knows. It may need a moment to notice.

        A cable that was pulled and plugged in again makes another connection.
        """
        end = time.monotonic() + NOTICE_SECONDS
        while True:
            try:
                if all(device.device_id != self._attached.device_id for device in self._mux.devices()):
                    return False
            except IbackupError:
                return False  # usbmuxd itself is gone
            if time.monotonic() >= end:
                return True
            time.sleep(NOTICE_SECONDS / 4)


def find(
    address: str | None = None, *, limits: Limits | None = None, observer: Observer = ignore
) -> list[FoundPhone]:
    """Every connected phone, each once. Nothing appears on any phone's screen.

    Args:
        address: usbmuxd's, in any spelling; None takes the environment's or the system's.
        limits: how long each may be silent; None: the defaults.
        observer: gets warnings.

    Raises:
        UsageError: it is not an address.
        NoPhone: no usbmuxd is running.
    """
    mux, limits = Usbmux(parse_address(address)), limits or Limits()
    found = _by_phone(matching(mux.devices(), None))
    return [_look_at(mux, connections, limits, observer) for connections in found]


def glance(address: str | None = None, *, limits: Limits | None = None) -> list[PhoneFacts]:
    """What every connected phone reports to anyone, such as its name; no session is needed.

    Args:
        address: usbmuxd's, in any spelling; None takes the environment's or the system's.
        limits: how long each may be silent; None: as without a config.

    Raises:
        UsageError: it is not an address.
        NoPhone: no usbmuxd is running.
    """
    mux, limits = Usbmux(parse_address(address)), limits or Limits()
    return [_glance(mux, connections[0], limits) for connections in _by_phone(matching(mux.devices(), None))]


def open_phone(
    udid: str | None = None,
    *,
    address: str | None = None,
    wait: float = 0.0,
    patience: float = 60.0,
    limits: Limits | None = None,
    observer: Observer = ignore,
    recognition: Recognition | None = None,
) -> Phone:
    """A trusted session with one phone.

    Args:
        udid: of the phone, with or without the dash; None takes the only one that is connected.
        address: usbmuxd's, in any spelling; None takes the environment's or the system's.
        wait: seconds to wait for a phone that is not connected.
        patience: seconds to wait for someone to unlock it, and for someone to tap Trust.
        limits: how long it may be silent; None: the defaults.
        observer: gets what someone must do at the phone, and that it is done.
        recognition: the keys by which it is known, here and in the store; None: nothing is known about it.

    Raises:
        OtherKey: it does not prove to be the phone that we know, or its stored pairing would have to be replaced, and
            nobody vouches for it.
        UsageError: several phones are connected, and none was chosen; the message lists them.
        NoPhone: no phone is connected, or not this one.
        PersonNeeded: nobody did it in time, or someone tapped Don't Trust.
        ConnectionLost, PhoneRefused: as for every request.
    """
    mux, limits = Usbmux(parse_address(address)), limits or Limits()
    phones = _by_phone(wait_for_phone(mux, udid, wait, observer))
    if len(phones) > 1:
        raise _several(mux, phones, limits)
    attached = phones[0][0]
    patient = Patience(patience, observer)
    lockdown = Lockdown(mux, attached, limits)
    try:
        told_udid(lockdown.basics, attached)
        recognition = recognition or Strangers()
        KeyTrust(mux, attached, lockdown, patient, observer, recognition).establish()
        return Phone(mux, attached, lockdown, patient, limits, recognition)
    except BaseException:
        lockdown.close()
        raise


def _by_phone(devices: Sequence[Attached]) -> list[list[Attached]]:
    """The connections, grouped by phone, in the given order."""
    phones: dict[str, list[Attached]] = {}
    for device in devices:
        phones.setdefault(plain_udid(device.serial), []).append(device)
    return list(phones.values())


def _several(mux: Usbmux, phones: Sequence[Sequence[Attached]], limits: Limits) -> UsageError:
    lines = []
    for connections in phones:
        found = _glance(mux, connections[0], limits)
        name = f" ({found.name})" if found.name else ""
        lines.append(f"{found.udid}{name}, {' and '.join(device.connection for device in connections)}")
    return UsageError(
        "Several phones are connected.", why=f"They are: {'; '.join(lines)}.", hint="Choose one with --phone."
    )


def _glance(mux: Usbmux, attached: Attached, limits: Limits) -> PhoneFacts:
    """What a phone reports to anyone; only its serial if it does not answer."""
    try:
        with _connected(mux, attached, limits) as lockdown:
            return _public_facts(lockdown, attached)
    except IbackupError:
        return PhoneFacts(udid=dashed(attached.serial))


def _look_at(mux: Usbmux, connections: Sequence[Attached], limits: Limits, observer: Observer) -> FoundPhone:
    attached = connections[0]
    kinds = tuple(dict.fromkeys(device.connection for device in connections))
    seen = PhoneFacts(udid=dashed(attached.serial))
    try:
        with _connected(mux, attached, limits) as lockdown:
            seen = _public_facts(lockdown, attached)
            record = stored_record(mux, attached)
            try:
                trusted = record is not None and lockdown.start_session(
                    record, tls_for(lockdown, attached, record, observer)
                )
            except PhoneLocked:
                return FoundPhone(seen, kinds, "locked")
            if not trusted:
                return FoundPhone(seen, kinds, "untrusted")
            return FoundPhone(_facts(lockdown, seen.udid), kinds, "trusted")
    except IbackupError as error:
        return FoundPhone(seen, kinds, "unreachable", error)


@contextlib.contextmanager
def _connected(mux: Usbmux, attached: Attached, limits: Limits) -> Iterator[Lockdown]:
    lockdown = Lockdown(mux, attached, limits)
    try:
        yield lockdown
    finally:
        lockdown.close()


def _public_facts(lockdown: Lockdown, attached: Attached) -> PhoneFacts:
    """What a phone reports to anyone."""
    udid = told_udid(lockdown.basics, attached)
    return phone_facts.read(udid, lockdown.basics, product_name=lockdown.product_name)


def _facts(lockdown: Lockdown, udid: str) -> PhoneFacts:
    return phone_facts.read(
        udid,
        lockdown.basics,
        backup=lockdown.told(BACKUP_DOMAIN),
        battery=lockdown.values(BATTERY_DOMAIN),
        disk=lockdown.values(DISK_DOMAIN),
        product_name=lockdown.product_name,
    )
