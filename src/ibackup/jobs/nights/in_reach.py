"""Notices phones in reach over Wi-Fi as well as plugged-in ones, when someone seems to be at them.

A phone asks for its passcode at each backup, and nobody wants to be asked in the middle of the night. So a phone over
Wi-Fi counts as there for two minutes after it was seen unlocked, or answered after it had slept.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from ibackup.base.events import Event, Observer
from ibackup.base.udids import same_udid
from ibackup.config.stall_limits import Limits
from ibackup.device.phones.found_phones import FoundPhone, find_over_wifi
from ibackup.device.phones.over_wifi import OverWifi
from ibackup.jobs.nights.clock import Clock, Waitable
from ibackup.jobs.nights.plugs import Plugs
from ibackup.jobs.nights.signs_of_life import SignsOfLife
from ibackup.store.kept_pairings import KeptPairings

_LOOK_EVERY = timedelta(seconds=30)


class InReach(Plugs):
    """Reports phones that are connected, or in reach at a good moment, and waits for one.

    Args:
        clock: how time passes.
        signs: gets when someone seems to be at a phone.
        limits: how long a phone may be silent.
        observe: gets a warning if this computer cannot search the network, once.
        bell: ends a wait while it is readable.
    """

    def __init__(
        self,
        clock: Clock,
        signs: SignsOfLife,
        limits: Limits,
        observe: Observer,
        bell: Waitable | None = None,
    ) -> None:
        super().__init__(clock, bell=bell)
        self._signs = signs
        self._limits = limits
        self._observe = observe
        self._warned: set[Event] = set()
        self._wanted: tuple[str, ...] = ()
        self._answered: dict[str, bool] = {}
        self._looked: datetime | None = None

    def look_for(self, udids: Iterable[str]) -> None:
        """Look for these phones over Wi-Fi from now on: those that may have their turn."""
        self._wanted = tuple(udids)

    def connected(self) -> tuple[str, ...]:
        """The UDIDs of all phones that usbmuxd sees, and of those in reach with someone at them."""
        plugged = super().connected()
        now = self._clock.now()
        return (
            *plugged,
            *(
                each
                for each in self._wanted
                if self._signs.fresh(each, now) and not any(same_udid(each, other) for other in plugged)
            ),
        )

    def stirs(self) -> bool:
        """Whether a phone was plugged in or out since the last wait, or someone is at one in reach."""
        return super().stirs() or self._look()

    def wait(self, until: datetime) -> tuple[str, ...]:
        """Wait as for plugs; returns nothing, but early, once someone is at a phone in reach."""
        while not self._look():
            now = self._clock.now()
            step = min(until, now + _LOOK_EVERY) if self._kept() else until
            came = super().wait(step)
            if came or step == until or self._clock.now() < step:
                return came
        return ()

    def _kept(self) -> tuple[str, ...]:
        """The phones to look for over Wi-Fi: wanted, not plugged in, and set up for it."""
        plugged = self._seen
        return tuple(
            each.udid
            for each in (KeptPairings().all() if self._wanted else ())
            if any(same_udid(each.udid, wanted) for wanted in self._wanted)
            and not any(same_udid(each.udid, other) for other in plugged)
        )

    def _look(self) -> bool:
        """Look, unless that was done a moment ago; whether someone has just come to a phone."""
        now, wanted = self._clock.now(), self._kept()
        if not wanted or (self._looked is not None and now - self._looked < _LOOK_EVERY):
            return False
        self._looked = now
        found = find_over_wifi(OverWifi(KeptPairings()), wanted, limits=self._limits, observer=self._warn)
        news = [self._note(each, found) for each in wanted]
        return any(news)

    def _note(self, udid: str, found: Iterable[FoundPhone]) -> bool:
        phone = next((each for each in found if same_udid(each.udid, udid)), None)
        if phone is not None and phone.trust == "busy":
            return False
        before, answers = self._answered.get(udid), phone is not None and phone.trust in ("trusted", "locked")
        self._answered[udid] = answers
        unlocked = phone is not None and phone.facts.locked is False
        if not answers or not (unlocked or before is False):
            return False
        now = self._clock.now()
        is_news = not self._signs.fresh(udid, now)
        self._signs.note(udid, now)
        return is_news

    def _warn(self, event: Event) -> None:
        if event not in self._warned:
            self._warned.add(event)
            self._observe(event)
