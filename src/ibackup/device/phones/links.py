"""How we know whether a phone is still there: from usbmuxd, or over Wi-Fi from its heartbeat."""

import contextlib
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from ibackup.base.errors import IbackupError
from ibackup.device.mux import usbmux
from ibackup.device.mux.usbmux import Attached, Usbmux
from ibackup.device.phones.wifi_heartbeat import Heartbeat

NOTICE_SECONDS = 1.0


class Link(Protocol):
    """The connection to one phone, as far as its end is concerned."""

    def watch(self) -> AbstractContextManager[Callable[[], bool]]:
        """Give a function that returns whether the phone was reported gone since the last call."""

    def is_there(self) -> bool:
        """Whether it makes sense to connect again at once."""

    def pair_record(self) -> bytes | None:
        """The pairing as usbmuxd stores it; None without usbmuxd."""

    def close(self) -> None:
        """End what the link itself holds."""


@dataclass(frozen=True, slots=True)
class MuxLink:
    """A connection through usbmuxd."""

    mux: Usbmux
    attached: Attached

    @contextlib.contextmanager
    def watch(self) -> Iterator[Callable[[], bool]]:
        """Give a function that returns whether usbmuxd has reported this connection gone since the last call.

        The connection itself would show it only later. So if usbmuxd does not report anything, that is no reason to
        stop.
        """
        with contextlib.ExitStack() as stack:
            listener: usbmux.Listener | None = None
            with contextlib.suppress(IbackupError):
                listener = stack.enter_context(self.mux.listen())

            def is_unplugged() -> bool:
                nonlocal listener
                gone = usbmux.Detached(self.attached.device_id)
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
                if all(device.device_id != self.attached.device_id for device in self.mux.devices()):
                    return False
            except IbackupError:
                return False  # usbmuxd itself is gone
            if time.monotonic() >= end:
                return True
            time.sleep(NOTICE_SECONDS / 4)

    def pair_record(self) -> bytes | None:
        """The pairing as it is stored now."""
        return self.mux.read_pair_record(self.attached.serial)

    def close(self) -> None:
        """Nothing to do: usbmuxd keeps no connection open for us."""


@dataclass(frozen=True, slots=True)
class WifiLink:
    """A connection over Wi-Fi.

    Attributes:
        heartbeat: answered while the phone is used.
        held: released at the end: that this computer uses the phone over Wi-Fi.
    """

    heartbeat: Heartbeat
    held: contextlib.ExitStack

    @contextlib.contextmanager
    def watch(self) -> Iterator[Callable[[], bool]]:
        """Give a function that returns whether the heartbeat has ended."""
        yield lambda: self.heartbeat.lost

    def is_there(self) -> bool:
        """Always: a phone that was lost may come back at another address, which only a search can tell."""
        return True

    def pair_record(self) -> None:
        """None: usbmuxd may not even run."""

    def close(self) -> None:
        """End the heartbeat, and let others use the phone."""
        with self.held:
            self.heartbeat.close()
