"""Waiting for a phone, and for the person who holds it."""

import sys
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from ibackup.device.lockdown_refusals import PhoneLocked, TrustPending
from ibackup.device.usbmux import Attached, NoUsbmuxd, Usbmux, plain, start_hint
from ibackup.errors import ConnectionLost, NoPhone, ProtocolBroken
from ibackup.events import Note, Observer, Prompt, PromptDone, PromptKind

T = TypeVar("T")

_LOOK_AGAIN_SECONDS = 1.0
_LONGEST_LISTEN_SECONDS = 30.0


class Patience:
    """Asks somebody at the phone to do something, and tries again until it is done or the time is over.

    Args:
        seconds: how long each step (unlock, trust) is waited for; 0 does not wait at all.
        observer: is told what to do, and when it is done.
        poll: seconds between two tries.
    """

    def __init__(self, seconds: float, observer: Observer, *, poll: float = 0.5) -> None:
        self.seconds = seconds
        self._observer = observer
        self._poll = poll

    def until(self, attempt: Callable[[], T], noun: str) -> T:
        """Do the attempt until it no longer says "locked" or "trust pending"; give its result.

        Raises:
            PersonNeeded: nobody came in time.
            IbackupError: whatever else the attempt raises, at once.
        """
        # A phone that goes back and forth between the two does not get new time.
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


def wait_for_phone(mux: Usbmux, udid: str | None, seconds: float, observer: Observer) -> list[Attached]:
    """Every connection of the phones that match, as soon as there is one.

    Args:
        mux: where to look.
        udid: the phone wanted, in any spelling; None takes every phone.
        seconds: how long to wait for one.
        observer: is told that it waits.

    Raises:
        NoPhone: none came.
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
        found = matching(devices, udid)
        if found:
            if told and sys.platform == "darwin":
                observer(PromptDone("accessory"))
            return found
        left = deadline - time.monotonic()
        if left <= 0:
            raise missing or _no_phone(devices, udid)
        if not told:
            told = True
            _tell_waiting(udid, seconds, observer)
        if missing is not None or not _listen(mux, udid, min(left, _LONGEST_LISTEN_SECONDS)):
            time.sleep(min(_LOOK_AGAIN_SECONDS, left))


def matching(devices: Sequence[Attached], udid: str | None) -> list[Attached]:
    """The connections of one phone, or of all; cables first."""
    found = [device for device in devices if udid is None or plain(device.serial) == plain(udid)]
    return sorted(found, key=lambda device: (device.connection != "USB", device.device_id))


def _listen(mux: Usbmux, udid: str | None, seconds: float) -> bool:
    """Wait for a matching phone to be attached; False when usbmuxd ended, or does not tell."""
    try:
        with mux.listen() as listener:
            for event in listener.events(seconds):
                if isinstance(event, Attached) and matching([event], udid):
                    break
    except (ConnectionLost, NoUsbmuxd, ProtocolBroken):
        return False  # asked again by the caller, until its time is over
    return True


def _tell_waiting(udid: str | None, seconds: float, observer: Observer) -> None:
    which = f"the phone {udid}" if udid else "a phone"
    observer(Note(f"Waiting for {which}: connect it with a cable and unlock it once."))
    if sys.platform == "darwin":
        observer(
            Prompt("accessory", "If this Mac asks to allow the accessory to connect, choose Allow.", seconds)
        )


def _no_phone(devices: Sequence[Attached], udid: str | None) -> NoPhone:
    others = sorted({device.serial for device in devices})
    if udid is not None and others:
        return NoPhone(
            f"The phone {udid} is not connected.",
            why=f"Connected: {', '.join(others)}.",
            hint=connect_hint(),
        )
    return NoPhone(
        f"The phone {udid} is not connected." if udid else "No phone is connected.",
        hint=connect_hint(),
    )


def connect_hint() -> str:
    """What to do when a phone does not show up."""
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
