"""The phones that are plugged in, looked at in the background so that no page waits for a cable."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from ibackup.base.errors import IbackupError
from ibackup.base.udids import same_udid
from ibackup.config.stall_limits import Limits
from ibackup.device.mux.usbmux import Usbmux, parse_address
from ibackup.device.phones.found_phones import FoundPhone, TrustState, find

THREAD = "ibackup phones"
_FRESH_S = 5.0
_AGAIN_S = 20.0  # a phone that is locked or does not trust this computer may do so meanwhile


@dataclass(frozen=True, slots=True)
class ConnectedPhone:
    """A phone that is plugged in.

    Attributes:
        name: as its owner calls it; if it does not say, what kind of device it is.
        model: its name on the box, as far as it says.
        trust: trusted; untrusted: it does not know this computer; locked: it must be unlocked first; unreachable: it
            is there, but does not answer as a phone does.
        encrypts: whether its backups are encrypted; None if it does not say.
        used_bytes: what is in use on it; None if it does not say.
    """

    udid: str
    name: str
    noun: str
    model: str
    ios_version: str
    trust: TrustState
    encrypts: bool | None = None
    used_bytes: int | None = None


class ConnectedPhones:
    """What is plugged in; ``look`` never waits for a phone.

    Args:
        limits: gives how long a phone may be silent.
        changed: called from another thread whenever a look found something else.
    """

    def __init__(self, limits: Callable[[], Limits], changed: Callable[[], None]) -> None:
        self._limits = limits
        self._changed = changed
        self._lock = threading.Lock()
        self._found: tuple[ConnectedPhone, ...] = ()
        self._serials: tuple[str, ...] | None = None
        self._problem: IbackupError | None = None
        self._looked = self._asked = float("-inf")
        self._looking = False
        self._changes = 0
        self.has_looked = threading.Event()

    def look(self) -> tuple[ConnectedPhone, ...]:
        """What is known now; if that is not fresh, a look begins in the background."""
        with self._lock:
            if time.monotonic() - self._looked >= _FRESH_S and not self._looking:
                self._looking = True
                threading.Thread(target=self._look, name=THREAD, daemon=True).start()
            return self._found

    def changed_by(self, udid: str, encrypts: bool | None) -> None:
        """A job may have changed a phone's encryption: believe what the job says, and ask every phone again soon.

        Args:
            udid: of the phone.
            encrypts: whether it encrypts its backups now; None if the job does not know.
        """
        with self._lock:
            if encrypts is not None:
                self._found = tuple(
                    replace(each, encrypts=encrypts) if same_udid(each.udid, udid) else each
                    for each in self._found
                )
            self._changes += 1  # a look that has begun may still find what was true before
            self._serials, self._looked = None, float("-inf")
        self.look()

    @property
    def problem(self) -> IbackupError | None:
        """Why nothing can be found, for example because usbmuxd does not run."""
        return self._problem

    def _look(self) -> None:
        before = (self._found, str(self._problem))
        try:
            self._take()
            self._problem = None
        except IbackupError as error:
            self._found, self._serials, self._problem = (), None, error
        finally:
            with self._lock:
                self._looked, self._looking = time.monotonic(), False
            first = not self.has_looked.is_set()
            self.has_looked.set()
        if first or (self._found, str(self._problem)) != before:
            self._changed()

    def _take(self) -> None:
        """Ask the phones only if others are there than before, or one may have changed its mind."""
        serials = tuple(sorted(each.serial for each in Usbmux(parse_address(None)).devices()))
        unsure = any(each.trust != "trusted" for each in self._found)
        if serials == self._serials and not (unsure and time.monotonic() - self._asked >= _AGAIN_S):
            return
        changes = self._changes
        found = tuple(_connected(each) for each in find(limits=self._limits()))
        with self._lock:
            self._asked = time.monotonic()
            if changes == self._changes:
                self._found, self._serials = found, serials


def _connected(found: FoundPhone) -> ConnectedPhone:
    facts = found.facts
    return ConnectedPhone(
        facts.udid,
        facts.name or facts.noun,
        facts.noun,
        facts.product_name or "",
        facts.ios_version or "",
        found.trust,
        facts.will_encrypt,
        facts.used_bytes,
    )
