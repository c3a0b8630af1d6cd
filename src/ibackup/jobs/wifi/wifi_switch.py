"""The phone's switch for Wi-Fi, and the pairing that is kept for it; both once, by cable."""

import contextlib
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from ibackup.base.errors import IbackupError, NoPhone, PersonNeeded, PhoneRefused, UsageError
from ibackup.base.events import Observer, PhaseStarted
from ibackup.config.stall_limits import Limits
from ibackup.device.lockdown.lockdown_keys import WIFI_DOMAIN, WIFI_SWITCH
from ibackup.device.phones.found_phones import TrustState, find
from ibackup.device.phones.over_wifi import OverWifi, not_set_up
from ibackup.device.phones.phone import Phone
from ibackup.device.phones.waiting import connect_hint
from ibackup.jobs.phone_to_open import PhoneToOpen
from ibackup.store.kept_pairings import KeptPairing, KeptPairings


@dataclass(frozen=True, slots=True)
class WifiState:
    """A phone that may be used over Wi-Fi.

    Attributes:
        kept: its kept pairing.
        reached: how it is reached now: "USB", "Network", "WiFi"; empty if it is neither connected nor found.
        trust: in what state it was found; None if it was not.
        problem: what went wrong when it was found.
    """

    kept: KeptPairing
    reached: tuple[str, ...] = ()
    trust: TrustState | None = None
    problem: IbackupError | None = None


def switch_on(wanted: PhoneToOpen, observe: Observer) -> KeptPairing:
    """Let the phone be used over Wi-Fi, and keep what this needs.

    Raises:
        PhoneRefused: the phone did not make the change. IbackupError: as for every phone.
    """
    observe(PhaseStarted("find", "Looking for the phone."))
    with replace(wanted, cable_only=True).open_phone(observe) as phone:
        return keep_for_wifi(phone)


def keep_for_wifi(phone: Phone) -> KeptPairing:
    """The same for a phone that is open already, over its cable."""
    book, noun = KeptPairings(), phone.facts.noun
    before, known = _is_on(phone), book.of(phone.udid)
    record = phone.pair_record()
    if record is None:
        raise PersonNeeded(
            f"There is no stored pairing with this {noun}.",
            why="usbmuxd could not store it.",
            hint=f"Disconnect the {noun}, connect it again and tap Trust.",
        )
    kept = KeptPairing(
        phone.udid,
        record,
        phone.wifi_address,
        phone.facts.name or "",
        phone.facts.ios_version or "",
        datetime.now(UTC),
        known.last_over_wifi if known else None,
        was_on=known.was_on if known else before,
    )
    if not before:
        _set(phone, on=True)
    try:
        book.keep(kept)
    except IbackupError:
        if not before:
            with contextlib.suppress(IbackupError):  # the first error says more
                _set(phone, on=False)
        raise
    return kept


def switch_off(wanted: PhoneToOpen, observe: Observer) -> KeptPairing:
    """Leave the phone's switch as it was before, and forget the kept pairing; returns what was kept.

    Raises:
        PhoneRefused: the phone did not make the change. IbackupError: as for every phone.
    """
    observe(PhaseStarted("find", "Looking for the phone."))
    book = KeptPairings()
    try:
        opened = replace(wanted, cable_only=True).open_phone(observe)
    except NoPhone as error:
        error.hint = (
            f"{connect_hint()} Without the phone, `ibackup wifi off --forget` forgets how to reach it."
        )
        raise
    with opened as phone:
        kept = book.of(phone.udid)
        if kept is None:
            raise not_set_up(phone.udid)
        if not kept.was_on and _is_on(phone):
            _set(phone, on=False)
        book.forget(phone.udid)
        return kept


def forget(udid: str | None) -> KeptPairing:
    """Forget the kept pairing without the phone; its switch stays as it is.

    Args:
        udid: of the phone; None: the only one.

    Raises:
        IbackupError: there is none, or it is not clear which.
    """
    book = KeptPairings()
    found = book.all() if udid is None else [each for each in (book.of(udid),) if each is not None]
    if len(found) != 1:
        raise (
            not_set_up(udid)
            if not found
            else UsageError("Several phones are kept for Wi-Fi.", hint="Choose one with --phone.")
        )
    book.forget(found[0].udid)
    return found[0]


def states(udid: str | None, limits: Limits, observe: Observer) -> list[WifiState]:
    """Every phone that is kept for Wi-Fi, or this one, and how it is reached now.

    Raises:
        NoPhone: there is none.
    """
    book = KeptPairings()
    kept = book.all() if udid is None else [each for each in (book.of(udid),) if each is not None]
    if not kept:
        raise not_set_up(udid)
    found = {each.udid: each for each in find(limits=limits, observer=observe, wifi=OverWifi(book))}
    states: list[WifiState] = []
    for each in kept:
        here = found.get(each.udid)
        # Finding it has used the pairing.
        now = book.of(each.udid) or each
        states.append(
            WifiState(now, here.connections, here.trust, here.problem) if here is not None else WifiState(now)
        )
    return states


def _is_on(phone: Phone) -> bool:
    """A phone that was never asked has no value, which means off."""
    return phone.value(WIFI_DOMAIN, WIFI_SWITCH) is True


def _set(phone: Phone, *, on: bool) -> None:
    noun = phone.facts.noun
    phone.set_value(WIFI_DOMAIN, WIFI_SWITCH, on)
    if _is_on(phone) is not on:
        raise PhoneRefused(
            f"The {noun} did not switch backups over Wi-Fi {'on' if on else 'off'}.",
            why="It reported success, but its setting did not change.",
            hint="A profile of an organization may prevent the change.",
        )
