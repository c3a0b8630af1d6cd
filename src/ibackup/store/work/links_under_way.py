"""The links of a clone, made in a thread of their own while the phone is asked for its passcode and scans its files."""

import threading
from collections.abc import Callable

from ibackup.base import slices


class LinksUnderWay:
    """Makes the links, and what is to follow at once.

    Args:
        make: makes them; called in the thread.
        stop: has ``make`` end soon.
    """

    def __init__(self, make: Callable[[], None], stop: Callable[[], None]) -> None:
        self._make = make
        self._stop = stop
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="ibackup-links")
        self._thread.start()

    def _run(self) -> None:
        try:
            self._make()
        except BaseException as error:  # noqa: BLE001 - raised again in the thread that waits
            self._error = error

    def wait(self) -> None:
        """Return when they are made; raise what went wrong, also the next time."""
        slices.join(self._thread)
        if self._error is not None:
            raise self._error

    def give_up(self) -> None:
        """End soon, because nobody will use them."""
        self._stop()
        slices.join(self._thread)
