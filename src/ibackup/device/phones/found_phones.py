"""Which phones are connected, and what they report; nothing appears on their screens."""

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from ibackup.base.errors import IbackupError, PhoneBusy, UsageError
from ibackup.base.events import Caution, Observer, ignore
from ibackup.base.udids import dashed, plain_udid
from ibackup.config.stall_limits import Limits
from ibackup.device.lockdown import phone_facts
from ibackup.device.lockdown.lockdown import Lockdown
from ibackup.device.lockdown.lockdown_keys import BACKUP_DOMAIN, BATTERY_DOMAIN, DISK_DOMAIN
from ibackup.device.lockdown.phone_facts import PhoneFacts
from ibackup.device.mux.usbmux import Attached, ConnectionKind, NoUsbmuxd, Usbmux, parse_address
from ibackup.device.phones.over_wifi import KnownPairing, OverWifi, WifiDialler
from ibackup.device.phones.trust import stored_record, tls_for, told_udid
from ibackup.device.phones.waiting import matching
from ibackup.device.refusals.lockdown_refusals import PhoneLocked
from ibackup.device.wifi.network_search import NoSearch
from ibackup.device.wifi.tcp_transport import Unreached

TrustState = Literal["trusted", "untrusted", "locked", "unreachable", "busy"]


@dataclass(frozen=True, slots=True)
class FoundPhone:
    """A phone that is connected, in any state.

    Attributes:
        facts: what it reports; before it trusts this computer, that is little more than its name.
        connections: how to reach it, the preferred way first.
        trust: trusted; untrusted: it does not know this computer; locked: it must be unlocked before it says so;
            unreachable: usbmuxd lists it, but its answers make no sense; busy: another run uses it over
            Wi-Fi.
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


def find(
    address: str | None = None,
    *,
    limits: Limits | None = None,
    observer: Observer = ignore,
    wifi: OverWifi | None = None,
    only: str | None = None,
) -> list[FoundPhone]:
    """Every connected phone, each once. Nothing appears on any phone's screen.

    Args:
        address: usbmuxd's, in any spelling; None takes the environment's or the system's.
        limits: how long each may be silent; None: the defaults.
        observer: gets warnings.
        wifi: look over Wi-Fi too, for the phones whose pairings are kept. None: only through usbmuxd.
        only: look over Wi-Fi for this phone alone, by its UDID.

    Raises:
        UsageError: it is not an address.
        NoPhone: no usbmuxd is running, and no phone was found over Wi-Fi.
    """
    mux, limits = Usbmux(parse_address(address)), limits or Limits()
    wanted = wifi.wanted(only) if wifi is not None else ()
    try:
        connected = by_phone(matching(mux.devices(), None))
    except NoUsbmuxd:
        if not wanted:
            raise
        connected = []
    found = [_look_at(mux, connections, limits, observer) for connections in connected]
    if wifi is not None and wanted:
        wanted = wifi.wanted(only, [each.udid for each in found])
        found += _look_over_wifi(WifiDialler(wifi, limits, observer), wanted)
    return found


def find_over_wifi(
    wifi: OverWifi, udids: Sequence[str], *, limits: Limits, observer: Observer
) -> list[FoundPhone]:
    """Those of the phones that answer over Wi-Fi in some way; usbmuxd is not asked.

    Args:
        wifi: has their pairings.
        udids: of the phones.
        limits: how long each may be silent.
        observer: gets a warning if this computer cannot search the network.
    """
    wanted = [each for udid in udids for each in wifi.wanted(udid)]
    return list(_look_over_wifi(WifiDialler(wifi, limits, observer), wanted))


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
    return [_glance(mux, connections[0], limits) for connections in by_phone(matching(mux.devices(), None))]


def by_phone(devices: Sequence[Attached]) -> list[list[Attached]]:
    """The connections, grouped by phone, in the given order."""
    phones: dict[str, list[Attached]] = {}
    for device in devices:
        phones.setdefault(plain_udid(device.serial), []).append(device)
    return list(phones.values())


def several_phones(named: Iterable[str]) -> UsageError:
    """The error for several phones of which none was chosen.

    Args:
        named: what tells each of them apart.
    """
    return UsageError(
        "Several phones are connected.", why=f"They are: {'; '.join(named)}.", hint="Choose one with --phone."
    )


def several(mux: Usbmux, phones: Sequence[Sequence[Attached]], limits: Limits) -> UsageError:
    """The error for several phones of usbmuxd's, of which none was chosen."""
    lines = []
    for connections in phones:
        found = _glance(mux, connections[0], limits)
        name = f" ({found.name})" if found.name else ""
        lines.append(f"{found.udid}{name}, {' and '.join(device.connection for device in connections)}")
    return several_phones(lines)


def _glance(mux: Usbmux, attached: Attached, limits: Limits) -> PhoneFacts:
    """What a phone reports to anyone; only its serial if it does not answer."""
    try:
        with _connected(mux, attached, limits) as lockdown:
            return _publicfacts_of(lockdown, attached)
    except IbackupError:
        return PhoneFacts(udid=dashed(attached.serial))


def _look_at(mux: Usbmux, connections: Sequence[Attached], limits: Limits, observer: Observer) -> FoundPhone:
    attached = connections[0]
    kinds = tuple(dict.fromkeys(device.connection for device in connections))
    seen = PhoneFacts(udid=dashed(attached.serial))
    try:
        with _connected(mux, attached, limits) as lockdown:
            seen = _publicfacts_of(lockdown, attached)
            record = stored_record(mux, attached)
            try:
                trusted = record is not None and lockdown.start_session(
                    record, tls_for(lockdown, attached, record, observer)
                )
            except PhoneLocked:
                return FoundPhone(seen, kinds, "locked")
            if not trusted:
                return FoundPhone(seen, kinds, "untrusted")
            return FoundPhone(facts_of(lockdown, seen.udid), kinds, "trusted")
    except IbackupError as error:
        return FoundPhone(seen, kinds, "unreachable", error)


def _look_over_wifi(dialler: WifiDialler, pairings: Sequence[KnownPairing]) -> Iterator[FoundPhone]:
    """The phones of these pairings that are there, or answer in some way. A phone that sleeps is not among them."""
    kinds: tuple[ConnectionKind, ...] = ("WiFi",)
    try:
        for session in dialler.sessions(pairings):
            with contextlib.closing(session):
                lockdown = session.lockdown
                udid = told_udid(lockdown.basics, session.attached)
                yield FoundPhone(facts_of(lockdown, udid), kinds, "trusted")
    except NoSearch as error:
        dialler.observer(Caution(error.message, error.hint))
    for each in pairings:
        problem = dialler.problems.get(each.udid)
        seen = PhoneFacts(udid=each.udid, name=each.name or None)
        if isinstance(problem, PhoneBusy):
            yield FoundPhone(seen, kinds, "busy", problem)
        elif isinstance(problem, PhoneLocked):
            yield FoundPhone(seen, kinds, "locked")
        elif problem is not None and not isinstance(problem, Unreached):
            yield FoundPhone(seen, kinds, "unreachable", problem)


@contextlib.contextmanager
def _connected(mux: Usbmux, attached: Attached, limits: Limits) -> Iterator[Lockdown]:
    lockdown = Lockdown(mux, attached, limits)
    try:
        yield lockdown
    finally:
        lockdown.close()


def _publicfacts_of(lockdown: Lockdown, attached: Attached) -> PhoneFacts:
    """What a phone reports to anyone."""
    udid = told_udid(lockdown.basics, attached)
    return phone_facts.read(udid, lockdown.basics, product_name=lockdown.product_name)


def facts_of(lockdown: Lockdown, udid: str) -> PhoneFacts:
    """What a phone reports in a session."""
    return phone_facts.read(
        udid,
        lockdown.basics,
        backup=lockdown.told(BACKUP_DOMAIN),
        battery=lockdown.values(BATTERY_DOMAIN),
        disk=lockdown.values(DISK_DOMAIN),
        product_name=lockdown.product_name,
    )
