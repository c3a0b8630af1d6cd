"""Phones that are plugged in, as usbmuxd tells it; a usbmuxd that ends and comes back is followed."""

import select
import sys
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from ibackup.config import same_udid
from ibackup.device.usbmux import Attached, Listener, Usbmux, dashed
from ibackup.errors import ConnectionLost, NoPhone, ProtocolBroken
from ibackup.unattended.clock import Clock

_LOOK_AGAIN = timedelta(minutes=5)  # hot-plug is missed at times
_USBMUXD_BACK_S = 15.0
_APPLE, _SYSFS = "05ac", "/sys/bus/usb/devices"


class Plugs:
    """Tells who is connected, and waits for somebody to be.

    Args:
        clock: how time passes.
        mux: usbmuxd.
    """

    def __init__(self, clock: Clock, mux: Usbmux | None = None) -> None:
        self._clock = clock
        self._mux = mux or Usbmux()
        self._listener: Listener | None = None
        self._came: tuple[str, ...] = ()

    def close(self) -> None:
        """Stop to listen."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None

    def connected(self) -> tuple[str, ...]:
        """The UDIDs of all phones that usbmuxd sees now; none where it does not run."""
        try:
            return tuple(dict.fromkeys(dashed(each.serial) for each in self._mux.devices()))
        except (NoPhone, ConnectionLost, ProtocolBroken):
            return ()

    def listen(self) -> None:
        """Begin to listen, where there is a usbmuxd; who is connected already is no news."""
        if self._listener is None and (listener := self._listening()) is not None:
            self._take(listener)

    def stirs(self) -> bool:
        """Whether somebody was plugged in or out since the last wait, or since ``listen``."""
        if self._listener is not None:
            return bool(select.select([self._listener], [], [], 0)[0])
        # On Linux usbmuxd comes with the first phone.
        listener = self._listening()
        if listener is not None:
            self._came += self._take(listener)
        return bool(self._came)

    def wait(self, until: datetime) -> tuple[str, ...]:
        """Let time pass until then, or a few minutes; the UDIDs of phones that were plugged in, as soon as one is."""
        until = min(until, self._clock.now() + _LOOK_AGAIN)
        if self._came:
            came, self._came = self._came, ()
            return came
        while (left := (until - self._clock.now()).total_seconds()) > 0:
            listener = self._listening()
            if listener is None:
                self._clock.pause(min(left, _USBMUXD_BACK_S))
                continue
            # What it told together with its first answer is in its buffer, where the system does not see it.
            came = self._take(listener)
            if not came and self._clock.pause(left, listener):
                came = self._take(listener)
            if came:
                return came
        return ()

    def _listening(self) -> Listener | None:
        if self._listener is None:
            try:
                self._listener = self._mux.listen()
            except (NoPhone, ConnectionLost, ProtocolBroken):
                return None  # on Linux it runs only while a phone is plugged in; others may not know Listen
        return self._listener

    def _take(self, listener: Listener) -> tuple[str, ...]:
        """Everything that was told so far."""
        came: list[str] = []
        try:
            while (event := listener.next(0)) is not None:
                if isinstance(event, Attached):
                    came.append(dashed(event.serial))
        except (ConnectionLost, ProtocolBroken):
            self.close()  # usbmuxd ended; a new one tells anew who is there
        return tuple(dict.fromkeys(came))


def charge_only(connected: Sequence[str], folder: str = _SYSFS) -> Iterator[str]:
    """UDIDs of Apple devices that hang on this computer's USB and that usbmuxd does not see.

    A phone that has been locked for an hour only charges (USB Restricted Mode). Whether it can still be seen on the bus
    depends on the phone; where it can, Linux says so in sysfs. Other systems tell nothing here.
    """
    if not sys.platform.startswith("linux"):
        return
    for device in sorted(Path(folder).glob("*-*")):
        try:
            vendor = (device / "idVendor").read_text(encoding="ascii").strip()
            # Zeros fill the field up to its 40 places.
            serial = (device / "serial").read_text(encoding="ascii").strip().rstrip("\0")
        except (OSError, ValueError):
            continue
        udid = dashed(serial[:24] if len(serial) == 40 and not serial[24:].strip("0") else serial)
        if (
            vendor == _APPLE
            and len(serial) in (24, 40)
            and not any(same_udid(udid, each) for each in connected)
        ):
            yield udid
