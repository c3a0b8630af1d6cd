"""The heartbeat: over Wi-Fi, a phone ends every service of a computer that does not answer it.

It is the first service to start and the last to end. A phone has one heartbeat at a time: a second one ends the first.
"""

import contextlib
import logging
import socket
import threading
from typing import Final

from ibackup.apple import plist_values
from ibackup.apple.plist_values import Values
from ibackup.base import slices
from ibackup.base.closeable import Closeable
from ibackup.base.errors import IbackupError
from ibackup.device.mux.channel import PlistStream

SERVICE: Final = "com.apple.mobile.heartbeat"
_FIRST_S: Final = 15.0
_GRACE_S: Final = 20.0
"""How much later than announced a beat may come: radio silence of some seconds is normal."""
_SHORTEST_S, _LONGEST_S = 1, 60

_log = logging.getLogger(__name__)


def seconds_to_next(beat: Values) -> float:
    """How many seconds to wait for the beat after this one. A phone may not keep us waiting for hours."""
    interval = plist_values.integer(beat, "Interval") or 0
    return min(max(interval, _SHORTEST_S), _LONGEST_S) + _GRACE_S


class Heartbeat(Closeable):
    """Answers a phone's beats in a thread, until it is closed or the phone is lost.

    Args:
        stream: to the service; closed at the end.

    Attributes:
        asleep: whether the phone said that it goes to sleep.
    """

    def __init__(self, stream: PlistStream) -> None:
        self._stream = stream
        self._ended = threading.Event()
        self._closing = False
        self.asleep = False
        self._thread = threading.Thread(target=self._run, name="ibackup heartbeat", daemon=True)
        self._thread.start()

    @property
    def lost(self) -> bool:
        """Whether the phone is gone: with the heartbeat, every other service is lost too."""
        return self._ended.is_set() and not self._closing

    def close(self) -> None:
        """End it; the phone then ends this computer's other services."""
        self._closing = True
        with contextlib.suppress(OSError):
            # Not SSLSocket.shutdown, which takes the encryption from under the thread that reads.
            socket.socket.shutdown(self._stream.sock, socket.SHUT_RDWR)
        slices.join(self._thread)
        self._stream.close()

    def _run(self) -> None:
        try:
            self._answer()
        except IbackupError as error:
            if not self._closing:
                _log.info("wifi: the heartbeat ended: %s", type(error.__cause__ or error).__name__)
        except (OSError, ValueError):
            pass  # it was closed meanwhile
        finally:
            self._ended.set()

    def _answer(self) -> None:
        wait_s = _FIRST_S
        while not self._closing:
            beat = self._stream.poll(wait_s)
            if beat is None:
                _log.info("wifi: no heartbeat for %.0f seconds", wait_s)
                return
            if beat.get("Command") == "SleepyTime":
                # It goes to sleep soon, or not after all: what ends the connection is the end.
                _log.info("wifi: the phone says that it goes to sleep")
                self.asleep = True
                continue
            self.asleep = False
            self._stream.send({"Command": "Polo"})
            wait_s = seconds_to_next(beat)
