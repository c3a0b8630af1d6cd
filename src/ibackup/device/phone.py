"""Phones: found, chosen, trusted, asked."""

import contextlib
import dataclasses
import logging
import re
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Literal, Self, TypeVar

from ibackup.device import facts, pairing, usbmux, values
from ibackup.device.facts import PhoneFacts
from ibackup.device.lockdown import Lockdown
from ibackup.device.lockdown_refusals import NotTrusted, PhoneLocked, lockdown_refusal
from ibackup.device.pairing import HostTls, PairRecord
from ibackup.device.usbmux import Attached, ConnectionKind, Usbmux, parse_address
from ibackup.device.values import Values
from ibackup.device.waiting import Patience, matching, wait_for_phone
from ibackup.errors import IbackupError, ProtocolBroken, UsageError
from ibackup.events import Caution, Observer, ignore

T = TypeVar("T")
TrustState = Literal["trusted", "untrusted", "locked", "unreachable"]

_log = logging.getLogger(__name__)

NOTICE_SECONDS = 1.0
_UDID = re.compile(r"[0-9A-Za-z-]{8,64}")


@dataclass(frozen=True, slots=True)
class FoundPhone:
    """A phone that is connected, whatever its state.

    Attributes:
        facts: what it tells; before it trusts this computer that is little more than its name.
        connections: how it is reached, the preferred way first.
        trust: trusted; untrusted: it does not know this computer; locked: it must be unlocked before it says;
            unreachable: usbmuxd lists it, but it does not answer sensibly.
        problem: why it is unreachable, or what else went wrong while it was asked.
    """

    facts: PhoneFacts
    connections: tuple[ConnectionKind, ...]
    trust: TrustState
    problem: IbackupError | None = None

    @property
    def udid(self) -> str:
        """Lockdown's spelling of its UDID."""
        return self.facts.udid

    @property
    def connection(self) -> ConnectionKind:
        """The preferred way to reach it: the cable when there is one."""
        return self.connections[0]


class Phone:
    """A phone that trusts this computer. A context manager; made by ``open_phone``.

    Attributes:
        udid: lockdown's own spelling, checked to be safe as a folder's name.
        facts: read once, when it was opened.
        connection: over the cable or the network.
    """

    def __init__(self, mux: Usbmux, attached: Attached, lockdown: Lockdown, patience: Patience) -> None:
        self._mux = mux
        self._attached = attached
        self._lockdown = lockdown
        self._patience = patience
        self.udid = _udid(lockdown.basics, attached)
        self.connection: ConnectionKind = attached.connection
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

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the session. Streams that ``start_service`` gave stay open."""
        self._lockdown.close()

    def value(self, domain: str, key: str) -> object:
        """One of lockdown's values, None when there is none. The default domain is ""."""
        return self._lockdown.value(domain, key)

    def values(self, domain: str = "") -> Values:
        """A whole domain of lockdown's values, empty when there is none."""
        return self._lockdown.values(domain)

    def start_service(self, name: str, *, escrow: bool = False) -> socket.socket:
        """A blocking stream to a service, with TLS and without a time limit; the caller closes it.

        A locked phone is waited for, as long as ``open_phone`` was told to be patient.

        Args:
            name: "com.apple.mobilebackup2".
            escrow: let it start, and go on, while the phone is locked; backups need this.

        Raises:
            PersonNeeded: locked, and nobody unlocked it in time.
            PhoneRefused: not on this phone.
            ConnectionLost: the phone is gone.
        """
        return self.when_unlocked(lambda: self._lockdown.start_service(name, escrow=escrow))

    def when_unlocked(self, attempt: Callable[[], T]) -> T:
        """Do something until the phone does not call itself locked any more, with the patience of ``open_phone``.

        Raises:
            PersonNeeded: nobody unlocked it in time.
        """
        return self._patience.until(attempt, self.facts.noun)

    def start_at_once(self, name: str) -> socket.socket:
        """As ``start_service``, but a locked phone is not waited for. Raises PhoneLocked instead."""
        return self._lockdown.start_service(name, escrow=False)

    def hurry(self, seconds: float) -> None:
        """Give each further request so many seconds, instead of the half minute that a busy phone may need."""
        self._lockdown.request_seconds = seconds

    def refresh(self) -> PhoneFacts:
        """Read the facts again, after something was changed."""
        self._lockdown.read_basics()
        self.facts = _facts(self._lockdown, self.udid)
        return self.facts

    @contextlib.contextmanager
    def watch(self) -> Iterator[Callable[[], bool]]:
        """Give a function that says whether usbmuxd has told, since it was last asked, that this connection is gone.

        That is news which the connection itself would bring later; so a usbmuxd that tells nothing, or no longer, is
        no reason to stop.
        """
        with contextlib.ExitStack() as stack:
            listener: usbmux.Listener | None = None
            with contextlib.suppress(IbackupError):
                listener = stack.enter_context(self._mux.listen())

            def is_unplugged() -> bool:
                nonlocal listener
                try:
                    event = listener.next(0) if listener is not None else None
                except IbackupError:
                    listener = None
                    return False
                return isinstance(event, usbmux.Detached) and event.device_id == self._attached.device_id

            yield is_unplugged

    def is_there(self) -> bool:
        """Whether this very connection still stands as far as usbmuxd knows; it may need a moment to notice.

        A cable that was pulled and put back makes another connection.
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


def find(address: str | None = None, *, observer: Observer = ignore) -> list[FoundPhone]:
    """Every connected phone, each once; none of them is asked to do or show anything.

    Args:
        address: usbmuxd's, in any spelling; None takes the environment's or the system's.
        observer: is told what is odd.

    Raises:
        UsageError: the address is none.
        NoPhone: no usbmuxd is running.
    """
    mux = Usbmux(parse_address(address))
    return [_look_at(mux, connections, observer) for connections in _by_phone(matching(mux.devices(), None))]


def open_phone(
    udid: str | None = None,
    *,
    address: str | None = None,
    wait: float = 0.0,
    patience: float = 60.0,
    observer: Observer = ignore,
) -> Phone:
    """A trusted session with one phone.

    Args:
        udid: which one, with or without its dash; None takes the only one.
        address: usbmuxd's, in any spelling; None takes the environment's or the system's.
        wait: seconds to wait for a phone that is not connected.
        patience: seconds to wait for somebody to unlock it, and for somebody to tell it to trust.
        observer: is told what to do at the phone, and that it is done.

    Raises:
        UsageError: several phones and no choice; the message lists them.
        NoPhone: none, or not this one.
        PersonNeeded: nobody came in time, or somebody tapped Don't Trust.
        ConnectionLost, PhoneRefused: see there.
    """
    mux = Usbmux(parse_address(address))
    phones = _by_phone(wait_for_phone(mux, udid, wait, observer))
    if len(phones) > 1:
        raise _several(mux, phones)
    attached = phones[0][0]
    patient = Patience(patience, observer)
    lockdown = Lockdown(mux, attached)
    try:
        _udid(lockdown.basics, attached)
        _establish_trust(mux, attached, lockdown, patient, observer)
        return Phone(mux, attached, lockdown, patient)
    except BaseException:
        lockdown.close()
        raise


def _by_phone(devices: Sequence[Attached]) -> list[list[Attached]]:
    """Connections grouped by phone, in the order given."""
    phones: dict[str, list[Attached]] = {}
    for device in devices:
        phones.setdefault(usbmux.plain(device.serial), []).append(device)
    return list(phones.values())


def _several(mux: Usbmux, phones: Sequence[Sequence[Attached]]) -> UsageError:
    lines = []
    for connections in phones:
        found = _glance(mux, connections[0])
        name = f" ({found.name})" if found.name else ""
        lines.append(f"{found.udid}{name}, {' and '.join(device.connection for device in connections)}")
    return UsageError(
        "Several phones are connected.", why=f"They are: {'; '.join(lines)}.", hint="Choose one with --phone."
    )


def _glance(mux: Usbmux, attached: Attached) -> PhoneFacts:
    """What a phone tells everybody; its serial alone when it does not answer."""
    try:
        with _connected(mux, attached) as lockdown:
            return _public_facts(lockdown, attached)
    except IbackupError:
        return PhoneFacts(udid=usbmux.dashed(attached.serial))


def _look_at(mux: Usbmux, connections: Sequence[Attached], observer: Observer) -> FoundPhone:
    attached = connections[0]
    kinds = tuple(dict.fromkeys(device.connection for device in connections))
    seen = PhoneFacts(udid=usbmux.dashed(attached.serial))
    try:
        with _connected(mux, attached) as lockdown:
            seen = _public_facts(lockdown, attached)
            record = _stored_record(mux, attached)
            try:
                trusted = record is not None and lockdown.start_session(
                    record, _tls(lockdown, attached, record, observer)
                )
            except PhoneLocked:
                return FoundPhone(seen, kinds, "locked")
            if not trusted:
                return FoundPhone(seen, kinds, "untrusted")
            return FoundPhone(_facts(lockdown, seen.udid), kinds, "trusted")
    except IbackupError as error:
        return FoundPhone(seen, kinds, "unreachable", error)


@contextlib.contextmanager
def _connected(mux: Usbmux, attached: Attached) -> Iterator[Lockdown]:
    lockdown = Lockdown(mux, attached)
    try:
        yield lockdown
    finally:
        lockdown.close()


def _establish_trust(
    mux: Usbmux, attached: Attached, lockdown: Lockdown, patience: Patience, observer: Observer
) -> None:
    """Go from whatever state the phone is in to a session."""
    record = _stored_record(mux, attached)
    if record is not None and _session(lockdown, attached, record, patience, observer):
        return
    if attached.connection == "Network":
        raise lockdown_refusal("PairingProhibitedOverThisConnection", noun=lockdown.noun)
    fresh = _pair(mux, attached, lockdown, patience, observer)
    if not _session(lockdown, attached, fresh, patience, observer):
        raise NotTrusted(
            f"The {lockdown.noun} was told to trust this computer and does not.",
            hint=f"Disconnect the {lockdown.noun}, restart it, connect it again and tap Trust.",
        )


def _pair(
    mux: Usbmux, attached: Attached, lockdown: Lockdown, patience: Patience, observer: Observer
) -> PairRecord:
    """Have the phone trust this computer, and store the new pairing with usbmuxd."""
    public_key = lockdown.value("", "DevicePublicKey")
    if not isinstance(public_key, bytes):
        raise ProtocolBroken(f"The {lockdown.noun} does not tell its public key.")
    # One record for all tries: the dialog on the screen asks about this one.
    wanted = pairing.make(public_key, mux.buid(), values.text(lockdown.basics, "WiFiAddress"))
    escrow_bag = patience.until(lambda: lockdown.request_pair(wanted), lockdown.noun)
    record = dataclasses.replace(wanted, escrow_bag=escrow_bag)
    udid = _udid(lockdown.basics, attached)
    try:
        mux.save_pair_record(attached.serial, attached.device_id, record.dump(udid))
    except IbackupError as error:
        observer(
            Caution(
                f"The {lockdown.noun} trusts this computer now, but that could not be kept: {error.what}",
                "It will ask again next time. Let usbmuxd write its folder (on Linux /var/lib/lockdown).",
            )
        )
    return record


def _stored_record(mux: Usbmux, attached: Attached) -> PairRecord | None:
    """The pairing usbmuxd has stored; None when there is none, or one that cannot serve."""
    stored = mux.read_pair_record(attached.serial)
    return PairRecord.parse(stored) if stored is not None else None


def _session(
    lockdown: Lockdown, attached: Attached, record: PairRecord, patience: Patience, observer: Observer
) -> bool:
    """Start the session, once somebody has unlocked the phone; False when it does not know the pairing."""
    tls = _tls(lockdown, attached, record, observer)
    return patience.until(lambda: lockdown.start_session(record, tls), lockdown.noun)


def _tls(lockdown: Lockdown, attached: Attached, record: PairRecord, observer: Observer) -> HostTls:
    return HostTls(record, attached.connection, lockdown.noun, observer, old=lockdown.is_old)


def _udid(basics: Values, attached: Attached) -> str:
    """Lockdown's UniqueDeviceID, which must be the phone that usbmuxd spoke of; folders are named after it."""
    udid = values.text(basics, "UniqueDeviceID")
    if udid is None:
        return usbmux.dashed(attached.serial)
    if not _UDID.fullmatch(udid) or not usbmux.same_phone(udid, attached.serial):
        raise ProtocolBroken(
            "The phone gives another UDID than the one it is connected under.",
            why=f"({values.printable(udid)} instead of {attached.serial})",
            hint="Disconnect it and connect it again.",
        )
    return udid


def _public_facts(lockdown: Lockdown, attached: Attached) -> PhoneFacts:
    """What a phone tells everybody."""
    udid = _udid(lockdown.basics, attached)
    return facts.read(udid, lockdown.basics, product_name=lockdown.product_name)


def _facts(lockdown: Lockdown, udid: str) -> PhoneFacts:
    return facts.read(
        udid,
        lockdown.basics,
        backup=lockdown.values(facts.BACKUP_DOMAIN),
        battery=lockdown.values(facts.BATTERY_DOMAIN),
        disk=lockdown.values(facts.DISK_DOMAIN),
        product_name=lockdown.product_name,
    )
