"""Waiting for a phone, and for someone at the phone."""

import sys
import time
from collections.abc import Callable, Sequence
from typing import Final, TypeVar

from ibackup.base.errors import ConnectionLost, NoPhone, ProtocolBroken
from ibackup.base.events import Note, Observer, Prompt, PromptDone, PromptKind
from ibackup.base.identities import called
from ibackup.base.udids import plain_udid
from ibackup.device.mux.usbmux import Attached, NoUsbmuxd, Usbmux, start_hint
from ibackup.device.refusals.lockdown_refusals import PhoneLocked, TrustPending

T = TypeVar("T")

_LOOK_AGAIN_SECONDS = 1.0
_LONGEST_LISTEN_SECONDS = 30.0


class Patience:
    """Asks someone at the phone to do something, and tries again until it is done or the time is up.

    Args:
        seconds: how long to wait for each step (unlock, trust); 0 does not wait at all.
        observer: gets what to do, and that it is done.
        poll: seconds between tries.
    """

    def __init__(self, seconds: float, observer: Observer, *, poll: float = 0.5) -> None:
        self.seconds = seconds
        self._observer = observer
        self._poll = poll

    def until(self, attempt: Callable[[], T], noun: str) -> T:
        """Repeat the attempt while it raises "locked" or "trust pending"; returns its result.

        Raises:
            PersonNeeded: nobody did it in time.
            IbackupError: anything else that the attempt raises, at once.
        """
        # A phone that alternates between the two does not get more time.
        deadlines: dict[PromptKind, float] = {}
        asked: PromptKind | None = None
        while True:
            try:
                result = attempt()
            except (PhoneLocked, TrustPending) as error:
                kind: PromptKind = "unlock" if isinstance(error, PhoneLocked) else "trust"
                left = deadlines.setdefault(kind, time.monotonic() + self.seconds) - time.monotonic()
                if left <= 0:
                    raise self._too_late(error) from None
                if kind != asked:
                    self._done(asked)
                    self._observer(Prompt(kind, _TEXTS[kind].format(noun=noun), self.seconds))
                    asked = kind
                time.sleep(min(self._poll, left))
            else:
                self._done(asked)
                return result

    def _done(self, kind: PromptKind | None) -> None:
        if kind is not None:
            self._observer(PromptDone(kind))

    def _too_late(self, error: PhoneLocked | TrustPending) -> PhoneLocked | TrustPending:
        if self.seconds <= 0:
            return error
        seconds = "a second" if self.seconds <= 1 else f"{self.seconds:.0f} seconds"
        waited = f"That did not change within {seconds}."
        return type(error)(
            error.what,
            why=f"{error.why} {waited}".strip(),
            hint=f"{error.hint} Wait longer with --patience.",
            error_code=error.error_code,
        )


_TEXTS: dict[PromptKind, str] = {
    "unlock": "Unlock the {noun} with its passcode.",
    "trust": "Tap Trust on the {noun} and enter its passcode.",
}

ONLY_BY_CABLE: Final = "This needs the cable; some commands can do it over Wi-Fi, with --over-wifi."


def wait_for_phone(
    mux: Usbmux, udid: str | None, seconds: float, observer: Observer, *, cable_only: bool = False
) -> list[Attached]:
    """Every connection of the matching phones, as soon as there is one.

    Args:
        mux: where to look.
        udid: of the phone, in any spelling; None takes every phone.
        seconds: how long to wait for one.
        observer: gets a note that we wait.
        cable_only: leave out connections over a network.

    Raises:
        NoPhone: none was connected in time.
    """
    deadline = time.monotonic() + seconds
    told = False
    while True:
        devices: Sequence[Attached] = ()
        missing: NoUsbmuxd | None = None
        try:
            devices = mux.devices()
        except NoUsbmuxd as error:
            missing = error  # on Linux it starts with the first phone that is plugged in
        found = [each for each in matching(devices, udid) if not cable_only or each.connection == "USB"]
        if found:
            if told and sys.platform == "darwin":
                observer(PromptDone("accessory"))
            return found
        left = deadline - time.monotonic()
        if left <= 0:
            raise missing or _no_phone(devices, udid, cable_only=cable_only)
        if not told:
            told = True
            _tell_waiting(udid, seconds, observer)
        if (
            missing is not None
            or matching(devices, udid)
            or not _listen(mux, udid, min(left, _LONGEST_LISTEN_SECONDS))
        ):
            time.sleep(min(_LOOK_AGAIN_SECONDS, left))


def matching(devices: Sequence[Attached], udid: str | None) -> list[Attached]:
    """The connections of one phone, or of all; cables first."""
    found = [device for device in devices if udid is None or plain_udid(device.serial) == plain_udid(udid)]
    return sorted(found, key=lambda device: (device.connection != "USB", device.device_id))


def _listen(mux: Usbmux, udid: str | None, seconds: float) -> bool:
    """Wait for a matching phone; False if usbmuxd ended or does not report phones."""
    try:
        with mux.listen() as listener:
            for event in listener.events(seconds):
                if isinstance(event, Attached) and matching([event], udid):
                    break
    except (ConnectionLost, NoUsbmuxd, ProtocolBroken):
        return False  # the caller asks again until its time is up
    return True


def _tell_waiting(udid: str | None, seconds: float, observer: Observer) -> None:
    which = called(udid) if udid else "a phone"
    which = f"{which[:1].lower()}{which[1:]}" if which.startswith("The ") else which
    observer(Note(f"Waiting for {which}: connect it with a cable and unlock it once."))
    if sys.platform == "darwin":
        observer(
            Prompt("accessory", "If this Mac asks to allow the accessory to connect, choose Allow.", seconds)
        )


def _no_phone(devices: Sequence[Attached], udid: str | None, *, cable_only: bool) -> NoPhone:
    if cable_only and matching(devices, udid):
        return NoPhone(
            f"{called(udid or devices[0].serial)} is not connected with a cable.",
            why="It is reached over the network, and a connection that is lost in the middle of this would leave the "
            "phone half done.",
            hint=f"Connect it with a cable. {ONLY_BY_CABLE}",
        )
    others = sorted({called(device.serial).removeprefix("The phone ") for device in devices})
    if udid is not None and others:
        return NoPhone(
            f"{called(udid)} is not connected.",
            why=f"Connected: {', '.join(others)}.",
            hint=connect_hint(),
        )
    return NoPhone(
        f"{called(udid)} is not connected." if udid else "No phone is connected.",
        hint=connect_hint(),
    )


def connect_hint() -> str:
    """What to do if a phone does not appear."""
    steps = [
        "Connect it with a cable that carries data (many only charge), straight to the computer.",
        "Unlock it once: a phone that has been locked for an hour only charges.",
    ]
    if sys.platform == "darwin":
        steps.append("If this Mac asks to allow the accessory to connect, choose Allow.")
    if sys.platform == "win32":
        steps.append(start_hint())
    steps.append("To wait for it: --wait 10m.")
    return " ".join(steps)
