"""Notices plugged-in phones through usbmuxd, even if usbmuxd restarts."""

import select
import sys
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from ibackup.base.errors import ConnectionLost, NoPhone, ProtocolBroken
from ibackup.base.udids import dashed, same_udid
from ibackup.device.mux.usbmux import Attached, Listener, Usbmux
from ibackup.jobs.nights.clock import Clock, Waitable

_LOOK_AGAIN = timedelta(minutes=5)  # hot-plug events are sometimes missed
_USBMUXD_BACK_S = 15.0
_MOST_CAME = 100  # UDIDs that were plugged in and are not looked after yet
_APPLE, _SYSFS = "05ac", "/sys/bus/usb/devices"


class Plugs:
    """Reports connected phones, and waits for one to be plugged in.

    Args:
        clock: how time passes.
        mux: usbmuxd.
        bell: ends a wait while it is readable.
    """

    def __init__(self, clock: Clock, mux: Usbmux | None = None, bell: Waitable | None = None) -> None:
        self._clock = clock
        self._mux = mux or Usbmux()
        self._bells = () if bell is None else (bell,)
        self._listener: Listener | None = None
        self._came: tuple[str, ...] = ()
        self._seen: tuple[str, ...] = ()

    def close(self) -> None:
        """Stop listening."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None

    def look_for(self, udids: Iterable[str]) -> None:
        """These may have their turn; whether one of them is plugged in, usbmuxd says."""

    def connected(self) -> tuple[str, ...]:
        """The UDIDs of all phones that usbmuxd sees now; none if it is not running."""
        try:
            self._seen = tuple(dict.fromkeys(dashed(each.serial) for each in self._mux.devices()))
        except (NoPhone, ConnectionLost, ProtocolBroken):
            self._seen = ()
        return self._seen

    def listen(self) -> None:
        """Begin to listen, if usbmuxd is running; phones that ``connected`` gave last are not news."""
        if self._listener is None and (listener := self._listening()) is not None:
            self._keep(each for each in self._take(listener) if each not in self._seen)

    def stirs(self) -> bool:
        """Whether a phone was plugged in or out since the last wait, or since ``listen``."""
        if self._listener is not None:
            return bool(self._came or select.select([self._listener], [], [], 0)[0])
        # On Linux usbmuxd comes with the first phone.
        listener = self._listening()
        if listener is not None:
            self._keep(self._take(listener))
        return bool(self._came)

    def wait(self, until: datetime) -> tuple[str, ...]:
        """Wait until then, at most a few minutes, or until the bell; returns the UDIDs of newly plugged-in phones."""
        until = min(until, self._clock.now() + _LOOK_AGAIN)
        if self._came:
            came, self._came = self._came, ()
            return came
        while (left := (until - self._clock.now()).total_seconds()) > 0 and not self._rings():
            listener = self._listening()
            if listener is None:
                self._clock.pause(min(left, _USBMUXD_BACK_S), *self._bells)
                continue
            # Messages that came with its first answer are in its buffer, where the system does not see them.
            came = self._take(listener)
            if not came and self._clock.pause(left, listener, *self._bells):
                came = self._take(listener)
            if came:
                return came
        return ()

    def _rings(self) -> bool:
        return bool(self._bells and select.select(self._bells, [], [], 0)[0])

    def _keep(self, came: Iterable[str]) -> None:
        """Keep what ``wait`` is to return."""
        self._came = tuple(dict.fromkeys((*self._came, *came)))[:_MOST_CAME]

    def _listening(self) -> Listener | None:
        if self._listener is None:
            try:
                self._listener = self._mux.listen()
            except (NoPhone, ConnectionLost, ProtocolBroken):
                return None  # on Linux it runs only while a phone is plugged in; others may not know Listen
        return self._listener

    def _take(self, listener: Listener) -> tuple[str, ...]:
        """The UDIDs of phones that were plugged in, by the messages received so far."""
        came: dict[str, None] = {}
        try:
            for event in listener.waiting():
                if isinstance(event, Attached) and len(came) < _MOST_CAME:
                    came[dashed(event.serial)] = None
        except (ConnectionLost, ProtocolBroken):
            self.close()  # usbmuxd ended; a new one reports the connected phones again
        return tuple(came)


def charge_only(connected: Sequence[str], folder: str = _SYSFS) -> Iterator[str]:
    """UDIDs of Apple devices on this computer's USB that usbmuxd does not see.

    A phone that has been locked for an hour only charges (USB Restricted Mode). Whether it is still visible on the
    bus depends on the phone; if it is, Linux lists it in sysfs. Other systems report nothing here.
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
