"""A session with one phone."""

import contextlib
import logging
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from ibackup.apple import plist_values
from ibackup.apple.plist_values import Values
from ibackup.base.closeable import Closeable
from ibackup.base.errors import IbackupError, NoPhone, PhoneBusy
from ibackup.base.events import Observer, ignore
from ibackup.config.stall_limits import Limits
from ibackup.device.lockdown.lockdown import Lockdown
from ibackup.device.lockdown.pairing import other_key
from ibackup.device.lockdown.phone_facts import PhoneFacts
from ibackup.device.mux.usbmux import Attached, ConnectionKind, Usbmux, parse_address
from ibackup.device.phones.found_phones import by_phone, facts_of, several, several_phones
from ibackup.device.phones.links import Link, MuxLink, WifiLink
from ibackup.device.phones.over_wifi import (
    ROUNDS,
    OverWifi,
    WifiDialler,
    WifiSession,
    not_set_up,
    nowhere,
    start,
)
from ibackup.device.phones.recognition import Recognition, Strangers
from ibackup.device.phones.trust import KeyTrust, told_udid
from ibackup.device.phones.waiting import ONLY_BY_CABLE, Patience, wait_for_phone
from ibackup.device.phones.wireless_assertion import WirelessSyncAssertion
from ibackup.device.refusals.lockdown_refusals import PhoneLocked
from ibackup.device.wifi.tcp_transport import parse_host

T = TypeVar("T")

_log = logging.getLogger(__name__)

_AGAIN_S = 3.0
_LISTEN_S = 15.0  # for a cable, between two searches of the network


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
        link: Link,
        attached: Attached,
        lockdown: Lockdown,
        patience: Patience,
        limits: Limits,
        recognition: Recognition,
    ) -> None:
        self._link = link
        self._lockdown = lockdown
        self._patience = patience
        self.limits = limits
        self.recognition = recognition
        self.udid = told_udid(lockdown.basics, attached)
        self.connection: ConnectionKind = attached.connection
        self.key = lockdown.proved_key
        self.facts = facts_of(lockdown, self.udid)
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
        """End the session. Streams from ``start_service`` stay open, except that a phone ends them over Wi-Fi."""
        try:
            self._lockdown.close()
        finally:
            self._link.close()

    @property
    def wifi_address(self) -> str:
        """The phone's own MAC address; empty if it does not report it."""
        return plist_values.text(self._lockdown.basics, "WiFiAddress") or ""

    def value(self, domain: str, key: str) -> object:
        """One of lockdown's values; None if there is none. The default domain is ""."""
        return self._lockdown.value(domain, key)

    def values(self, domain: str = "") -> Values:
        """A whole domain of lockdown's values; empty if there is none."""
        return self._lockdown.values(domain)

    def pair_record(self) -> bytes | None:
        """Its pairing with this computer as usbmuxd stores it, with the private keys; None without usbmuxd."""
        return self._link.pair_record()

    def set_value(self, domain: str, key: str, value: object) -> None:
        """Change one of lockdown's values. Raises PhoneRefused."""
        self._lockdown.set_value(domain, key, value)

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
        self.facts = facts_of(self._lockdown, self.udid)
        return self.facts

    def watch(self) -> AbstractContextManager[Callable[[], bool]]:
        """Give a function that returns whether the phone was reported gone since the last call.

        Its own connections would show it only later.
        """
        return self._link.watch()

    def is_there(self) -> bool:
        """Whether it makes sense to connect to it again at once."""
        return self._link.is_there()

    def kept_awake(self) -> AbstractContextManager[object]:
        """Keep it awake inside the block if it is used over Wi-Fi; by cable it stays awake by itself."""
        if self.connection != "WiFi":
            return contextlib.nullcontext()
        return WirelessSyncAssertion(lambda name: start(self._lockdown, name))


def open_phone(
    udid: str | None = None,
    *,
    address: str | None = None,
    wait: float = 0.0,
    patience: float = 60.0,
    limits: Limits | None = None,
    observer: Observer = ignore,
    recognition: Recognition | None = None,
    wifi: OverWifi | None = None,
    cable_only: bool = False,
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
        wifi: look for it over Wi-Fi if usbmuxd does not have it. None: only through usbmuxd.
        cable_only: take no phone that is reached over a network.

    Raises:
        OtherKey: it does not prove to be the phone that we know, or its stored pairing would have to be replaced, and
            nobody vouches for it.
        UsageError: several phones are connected, and none was chosen; the message lists them.
        NoPhone: no phone is connected, or not this one.
        PersonNeeded: nobody did it in time, or someone tapped Don't Trust.
        PhoneBusy: another run of ibackup uses it over Wi-Fi.
        ConnectionLost, PhoneRefused: as for every request.
    """
    opener = _Opener(
        Usbmux(parse_address(address)),
        limits or Limits(),
        Patience(patience, observer),
        observer,
        recognition or Strangers(),
        wifi,
    )
    if wifi is not None and wifi.address:
        parse_host(wifi.address)
        if not wifi.wanted(udid):
            raise not_set_up(udid)
    if cable_only or wifi is None or not wifi.wanted(udid):
        try:
            found = wait_for_phone(opener.mux, udid, wait, observer, cable_only=cable_only)
        except NoPhone as error:
            if cable_only and wifi is not None and wifi.wanted(udid):
                error.hint = f"{error.hint} {ONLY_BY_CABLE}"
            raise
        return opener.by_mux(found)
    end = time.monotonic() + wait
    told, listen_s = observer, 0.0
    problems: dict[str, IbackupError] = {}
    over_wifi = partial(opener.over_wifi, wifi, udid, problems)
    while True:
        if not wifi.address:
            with contextlib.suppress(NoPhone):
                return opener.by_mux(wait_for_phone(opener.mux, udid, listen_s, told))
        problems.clear()
        opened = opener.patience.until(over_wifi, "iPhone")
        if opened is not None:
            return opened
        left = end - time.monotonic()
        if left <= 0:
            raise nowhere(udid, problems)
        if wifi.address:
            time.sleep(min(left, _AGAIN_S))
        told, listen_s = ignore if listen_s else observer, min(left, _LISTEN_S)


@dataclass(frozen=True, slots=True)
class _Opener:
    """Begins sessions with phones that were found."""

    mux: Usbmux
    limits: Limits
    patience: Patience
    observer: Observer
    recognition: Recognition
    wifi: OverWifi | None

    def by_mux(self, devices: Sequence[Attached]) -> Phone:
        """The only one of the phones that usbmuxd has."""
        phones = by_phone(devices)
        if len(phones) > 1:
            raise several(self.mux, phones, self.limits)
        attached = phones[0][0]
        lockdown = Lockdown(self.mux, attached, self.limits)
        try:
            told_udid(lockdown.basics, attached)
            KeyTrust(self.mux, attached, lockdown, self.patience, self.observer, self.recognition).establish()
            link = MuxLink(self.mux, attached)
            phone = Phone(link, attached, lockdown, self.patience, self.limits, self.recognition)
            if self.wifi is not None and phone.connection == "USB":
                self._refresh(self.wifi, phone)
            return phone
        except BaseException:
            lockdown.close()
            raise

    def _refresh(self, wifi: OverWifi, phone: Phone) -> None:
        """Keep what finds this phone over Wi-Fi up to date: a new pairing makes the old one useless."""
        if not wifi.wanted(phone.udid):
            return
        record = phone.pair_record()
        if record is not None:
            wifi.pairings.met_by_cable(
                phone.udid,
                record,
                wifi_address=phone.wifi_address,
                name=phone.facts.name or "",
                ios_version=phone.facts.ios_version or "",
            )

    def over_wifi(self, wifi: OverWifi, udid: str | None, problems: dict[str, IbackupError]) -> Phone | None:
        """The only phone of the kept pairings that is there; None if none is.

        Args:
            wifi: what may be done.
            udid: of the phone; None: any.
            problems: gets what became of the phones that were dialled in vain.

        Raises:
            PhoneLocked: it must be unlocked first.
            PhoneBusy: another run of ibackup uses it.
            UsageError: several are there.
        """
        dialler = WifiDialler(wifi, self.limits, self.observer, problems)
        sessions: list[WifiSession] = []
        try:
            for session in dialler.sessions(wifi.wanted(udid), rounds=ROUNDS):
                sessions.append(session)
                if udid is not None:
                    break
            locked = [each for each in problems.values() if isinstance(each, PhoneLocked | PhoneBusy)]
            if not sessions and locked:
                raise locked[0]
            if len(sessions) > 1:
                raise several_phones(
                    f"{each.attached.serial} ({each.name})" if each.name else each.attached.serial
                    for each in sessions
                )
            return self._begun(sessions.pop()) if sessions else None
        finally:
            for each in sessions:
                each.close()

    def _begun(self, session: WifiSession) -> Phone:
        """A phone in this session, with its heartbeat."""
        lockdown = session.lockdown
        with contextlib.ExitStack() as opened:
            opened.callback(session.close)
            known = self.recognition.known(session.attached.serial)
            if known and known != {lockdown.proved_key}:
                raise other_key(lockdown.noun, "It has a different key.")
            heartbeat = self.patience.until(session.start_heartbeat, lockdown.noun)
            opened.callback(heartbeat.close)
            link = WifiLink(heartbeat, session.held)
            phone = Phone(link, session.attached, lockdown, self.patience, self.limits, self.recognition)
            self.recognition.remember(phone.udid, phone.key)
            opened.pop_all()
            return phone
