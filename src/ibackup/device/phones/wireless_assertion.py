"""Keeps a phone awake during a backup over Wi-Fi: off its charger it would sleep after a short while.

This is best effort: without it, a backup may still succeed, so nothing here fails one.
"""

import contextlib
import logging
import threading
from collections.abc import Callable
from typing import Final, Self

from ibackup.base import slices
from ibackup.base.errors import IbackupError
from ibackup.device.mux.channel import PlistStream

SERVICE: Final = "com.apple.mobile.assertion_agent"
_KIND: Final = "AMDPowerAssertionTypeWirelessSync"
HELD_S: Final = 1200
"""The longest that a phone grants."""
_RENEW_S: Final = 600.0
_AGAIN_S: Final = 60.0

_log = logging.getLogger(__name__)


class WirelessSyncAssertion:
    """Keeps the phone awake inside the block.

    Args:
        start: gives a new stream to a service of the phone.
    """

    def __init__(self, start: Callable[[str], PlistStream]) -> None:
        self._start = start
        self._held: PlistStream | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._renew, name="ibackup assertion", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._stop.set()
        slices.join(self._thread)
        self._release()

    def _renew(self) -> None:
        """Ask again on a new connection before the time is up, and only then close the old one."""
        wait_s = 0.0
        while not self._stop.wait(wait_s):
            fresh = self._taken()
            if fresh is not None:
                self._release()
                self._held = fresh
            wait_s = _AGAIN_S if fresh is None else _RENEW_S

    def _taken(self) -> PlistStream | None:
        with contextlib.ExitStack() as opened:
            try:
                stream = opened.enter_context(self._start(SERVICE))
                answer = stream.ask(
                    {
                        "CommandKey": "CommandCreateAssertion",
                        "AssertionTypeKey": _KIND,
                        "AssertionNameKey": "ibackup",
                        "AssertionTimeoutKey": HELD_S,
                        "AssertionDetailKey": "backup",
                    }
                )
            except IbackupError as error:
                _log.info("wifi: the phone could not be kept awake: %s", type(error).__name__)
                return None
            if "ErrorKey" in answer:
                _log.info("wifi: the phone does not let itself be kept awake")
                return None
            opened.pop_all()
            return stream

    def _release(self) -> None:
        if self._held is not None:
            self._held.close()
            self._held = None
