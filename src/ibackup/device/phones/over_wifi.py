"""A trusted session with a phone over Wi-Fi, without usbmuxd: found by its announcement, or dialled at a given address.

A phone is dialled only if its announcement fits a kept pairing, or if someone gave its address: before the encryption,
a session tells what answers which computer this is. Encryption is required throughout, with the key that the phone
had when the pairing was made.
"""

import contextlib
import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final, Protocol

from ibackup.apple import plist_values
from ibackup.base.errors import ConnectionLost, IbackupError, NoPhone, PhoneBusy, ProtocolBroken
from ibackup.base.events import Observer
from ibackup.base.identities import called
from ibackup.base.udids import same_udid
from ibackup.config.stall_limits import Limits
from ibackup.device.lockdown.lockdown import Lockdown
from ibackup.device.lockdown.pairing import HostTls, PairRecord
from ibackup.device.mux.channel import PlistStream
from ibackup.device.mux.usbmux import Attached
from ibackup.device.phones.wifi_heartbeat import SERVICE as HEARTBEAT
from ibackup.device.phones.wifi_heartbeat import Heartbeat
from ibackup.device.refusals.lockdown_refusals import NotTrusted, PhoneLocked
from ibackup.device.wifi.adverts import Advert
from ibackup.device.wifi.network_search import SEARCH_S, search
from ibackup.device.wifi.tcp_transport import TcpTransport, Unreached, parse_host

_FIRST_ANSWERS_S: Final = 10.0
_AGAIN_S: Final = 3.0
ROUNDS: Final = 3
"""Something else may announce a sleeping phone, and wake it: it is dialled again for a moment."""

_log = logging.getLogger(__name__)


class KnownPairing(Protocol):
    """A pairing that is kept for Wi-Fi."""

    @property
    def udid(self) -> str:
        """As lockdown spells it."""

    @property
    def record(self) -> bytes:
        """The pair record, a property list."""

    @property
    def wifi_address(self) -> str:
        """The phone's own MAC address; empty if unknown."""

    @property
    def name(self) -> str:
        """Its owner's name for it; empty if unknown."""

    @property
    def last_used(self) -> datetime:
        """When the phone last took it; UTC."""


class PairingBook(Protocol):
    """The pairings that are kept for Wi-Fi."""

    def all(self) -> Sequence[KnownPairing]:
        """Every one."""

    def alone(self, udid: str) -> AbstractContextManager[None]:
        """Be the only one on this computer that uses a phone over Wi-Fi. Raises PhoneBusy."""

    def met_by_cable(
        self, udid: str, record: bytes, *, wifi_address: str, name: str, ios_version: str
    ) -> None:
        """Refresh what is kept of a phone, if anything is."""

    def met_over_wifi(self, udid: str, *, name: str, ios_version: str) -> None:
        """A phone has just taken its pairing."""


@dataclass(frozen=True, slots=True)
class OverWifi:
    """What a job may do over Wi-Fi.

    Attributes:
        pairings: of the phones that may be used so.
        address: of the phone, if someone gave it: ``HOST`` or ``HOST:PORT``. Then nothing else is looked for.
    """

    pairings: PairingBook
    address: str = ""

    def wanted(self, udid: str | None, without: Sequence[str] = ()) -> tuple[KnownPairing, ...]:
        """The kept pairings of this phone, or of all but some."""
        return tuple(
            each
            for each in self.pairings.all()
            if (udid is None or same_udid(each.udid, udid))
            and not any(same_udid(each.udid, other) for other in without)
        )


@dataclass(slots=True)
class WifiSession:
    """A phone that proved who it is.

    Attributes:
        held: releases the phone for others on this computer.
    """

    lockdown: Lockdown
    attached: Attached
    held: contextlib.ExitStack

    @property
    def name(self) -> str:
        """Its owner's name for it; empty if it does not report one."""
        return plist_values.shown(self.lockdown.basics, "DeviceName") or ""

    def start_heartbeat(self) -> Heartbeat:
        """Start it; every other service needs it.

        Raises:
            PhoneLocked: the phone must be unlocked first. IbackupError: as every service.
        """
        return Heartbeat(start(self.lockdown, HEARTBEAT))

    def close(self) -> None:
        """End it."""
        with self.held:
            self.lockdown.close()


def start(lockdown: Lockdown, service: str) -> PlistStream:
    """A stream to one of the small services; also if the phone is locked, as far as it allows that."""
    try:
        sock = lockdown.start_service(service, escrow=False)
    except PhoneLocked:
        sock = lockdown.start_service(service, escrow=True)
    return PlistStream(sock, service, lockdown.request_seconds)


@dataclass
class WifiDialler:
    """Looks for phones over Wi-Fi, and begins a session with each that proves who it is.

    Attributes:
        wifi: what may be done.
        limits: how long a phone may be silent.
        observer: gets warnings.
        problems: by UDID, what became of phones that were dialled in vain. The most telling problem stays.
    """

    wifi: OverWifi
    limits: Limits
    observer: Observer
    problems: dict[str, IbackupError] = field(default_factory=dict)

    def sessions(self, pairings: Sequence[KnownPairing], *, rounds: int = 1) -> Iterator[WifiSession]:
        """A session with each phone of these pairings that is there, once; the caller closes it.

        Args:
            pairings: of the phones.
            rounds: how many times to dial a phone that is announced and does not answer.

        Raises:
            UsageError: the given address is none. NoSearch: this computer cannot search the network.
        """
        missing = {each.udid: each for each in pairings}
        silent: list[tuple[TcpTransport, KnownPairing]] = []
        for transport, pairing in self._ways(missing):
            if pairing.udid not in missing:
                continue
            session = self._dialled(transport, pairing)
            if session is not None:
                del missing[pairing.udid]
                yield session
            elif isinstance(self.problems.get(pairing.udid), Unreached):
                silent.append((transport, pairing))
        for _ in range(rounds - 1):
            again = [each for each in silent if each[1].udid in missing]
            if again:
                time.sleep(_AGAIN_S)
            for transport, pairing in again:
                if pairing.udid in missing and (session := self._dialled(transport, pairing)) is not None:
                    del missing[pairing.udid]
                    yield session

    def _ways(self, missing: dict[str, KnownPairing]) -> Iterator[tuple[TcpTransport, KnownPairing]]:
        """Whom to dial where, until no phone is missing or the search is over."""
        if self.wifi.address:
            transport = parse_host(self.wifi.address)
            yield from [(transport, each) for each in missing.values()]
            return
        known = [(each, parsed) for each in missing.values() if (parsed := PairRecord.parse(each.record))]
        if not known:
            return
        with contextlib.closing(search(SEARCH_S)) as adverts:
            for advert in adverts:
                yield from [
                    (TcpTransport(address), each)
                    for address in advert.addresses
                    for each, record in known
                    if _fits(advert, each, record)
                ]
                if not missing:
                    return

    def _dialled(self, transport: TcpTransport, pairing: KnownPairing) -> WifiSession | None:
        try:
            session = self._begun(transport, pairing)
        except IbackupError as error:
            known = self.problems.get(pairing.udid)
            if known is None or _telling(error) > _telling(known):
                self.problems[pairing.udid] = error
            return None
        self.problems.pop(pairing.udid, None)
        return session

    def _begun(self, transport: TcpTransport, pairing: KnownPairing) -> WifiSession:
        """A session with a phone that has the pairing's key and its UDID."""
        record = PairRecord.parse(pairing.record)
        if record is None:
            raise _not_taken(pairing)
        attached = Attached(0, pairing.udid, "WiFi")
        with contextlib.ExitStack() as held:
            held.enter_context(self.wifi.pairings.alone(pairing.udid))
            hurried = replace(self.limits, lockdown_s=min(self.limits.lockdown_s, _FIRST_ANSWERS_S))
            lockdown = _greeted(transport, attached, hurried, pairing)
            held.callback(lockdown.close)
            self._proven(lockdown, record, pairing)
            lockdown.request_seconds = self.limits.lockdown_s
            session = WifiSession(lockdown, attached, held)
            self.wifi.pairings.met_over_wifi(
                pairing.udid, name=session.name, ios_version=lockdown.ios_version or ""
            )
            session.held = held.pop_all()
            return session

    def _proven(self, lockdown: Lockdown, record: PairRecord, pairing: KnownPairing) -> None:
        tls = HostTls(record, "WiFi", lockdown.noun, self.observer)
        try:
            taken = lockdown.start_session(record, tls)
        except ConnectionLost as error:
            _note(lockdown.reached, error, pairing)
            raise _ended(lockdown.noun, error) from error.__cause__
        if not taken:
            _note(lockdown.reached, None, pairing)
            if lockdown.reached == "first answer":  # it knows the pairing, so it has not forgotten it
                raise _ended(lockdown.noun, None)
            raise _not_taken(pairing)
        udid = plist_values.text(lockdown.basics, "UniqueDeviceID")
        if udid is None or not same_udid(udid, pairing.udid):
            raise ProtocolBroken(
                "What answers over Wi-Fi has the key of one phone and reports the UDID of another.",
                hint="Connect the phone with a cable.",
            )


def _greeted(transport: TcpTransport, attached: Attached, limits: Limits, pairing: KnownPairing) -> Lockdown:
    try:
        return Lockdown(transport, attached, limits)
    except Unreached:
        raise  # logged where it was dialled
    except ConnectionLost as error:
        _note("QueryType", error, pairing)
        raise _ended("iPhone", error) from error.__cause__


def _fits(advert: Advert, pairing: KnownPairing, record: PairRecord) -> bool:
    return advert.fits(record.host_id, (each for each in (pairing.wifi_address, record.wifi_address) if each))


def _telling(error: IbackupError) -> int:
    """How much an error says: that a phone is in use says more than that one of its addresses does not answer."""
    kinds: tuple[type[IbackupError], ...] = (
        ConnectionLost,
        IbackupError,
        NotTrusted,
        ProtocolBroken,
        PhoneLocked,
    )
    if isinstance(error, PhoneBusy):
        return len(kinds)
    return max(at for at, kind in enumerate(kinds) if isinstance(error, kind) or kind is IbackupError)


def _note(reached: str, error: ConnectionLost | None, pairing: KnownPairing) -> None:
    """Log what helps to find out why some phones end their connections."""
    cause = error.__cause__ if error is not None else None
    days = (datetime.now(UTC) - pairing.last_used).days
    _log.info(
        "wifi: %s failed: errno %s (%s); the pairing was last used %d days ago",
        reached,
        getattr(cause, "errno", None),
        type(cause).__name__,
        days,
    )


def _ended(noun: str, error: ConnectionLost | None) -> ConnectionLost:
    if error is not None and isinstance(error.__cause__, TimeoutError):
        return ConnectionLost(
            f"The {noun} accepts a connection over Wi-Fi, but does not answer.",
            why="It may be about to fall asleep, or something answers in its place.",
            hint="Unlock it and try again, or connect it with a cable.",
        )
    return ConnectionLost(
        f"The {noun} answered over Wi-Fi, and then ended the connection.",
        why="Some phones with iOS 26.6 to 27.0 do this, others do not. Why is not known.",
        hint="Unlock it and try again. If it ends like this each time, use the cable; with a newer iOS it may work.",
    )


def _not_taken(pairing: KnownPairing) -> NotTrusted:
    return NotTrusted(
        f"{called(pairing.udid)} does not accept this computer over Wi-Fi.",
        why="It forgets a pairing that was not used for 30 days, and has forgotten all if it was reset.",
        hint="Connect it with a cable, unlock it, and run `ibackup wifi on`.",
    )


def not_set_up(udid: str | None) -> NoPhone:
    """The error for a phone, or all, of which no pairing is kept."""
    return NoPhone(
        f"{called(udid)} is not set up for Wi-Fi." if udid else "No phone is set up for Wi-Fi.",
        hint="Connect it with a cable, unlock it, and run `ibackup wifi on`.",
    )


def nowhere(udid: str | None, problems: dict[str, IbackupError]) -> IbackupError:
    """The error for phones that could not be opened over Wi-Fi, and are not connected either."""
    if problems:
        return max(problems.values(), key=_telling)
    return NoPhone(
        f"{called(udid)} is not connected, and was not found on the network."
        if udid
        else "No phone is connected, and none was found on the network.",
        why="A sleeping phone cannot be found; that is normal.",
        hint="Unlock it and try again, or connect it with a cable. If it is never found: `ibackup setup --check`.",
    )
