"""Watching an attempt: the phone's log, and its network traffic, while someone taps Back Up Now."""

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from ibackup.base import slices
from ibackup.base.errors import IbackupError, PersonNeeded
from ibackup.device.services.inquiries import StartsServices
from ibackup.device.services.os_trace import LogStream
from ibackup.device.services.pcapd import PacketStream
from ibackup.doctor.evidence.phone_evidence import Live, LiveEvidence, Traffic
from ibackup.doctor.evidence.sighting import EvidenceSource, Fact, Seen, Unseen
from ibackup.doctor.gather.log_lines import hear, is_concerned

Heard = Callable[[Live], None]

_START_SECONDS = 10.0
_BACKUP_PROGRAMS = ("backupd", "cloudd", "nsurlsessiond")
_MOST_NAMES = 500


def watch(
    phone: StartsServices,
    seconds: float,
    *,
    network: bool = False,
    clock_offset: float = 0.0,
    heard: Heard = lambda _: None,
) -> LiveEvidence:
    """Watch for a number of seconds. A source that fails is Unseen; nothing here raises.

    Args:
        phone: it.
        seconds: how long.
        network: also count bytes on its network; the user must have agreed.
        clock_offset: seconds by which the phone's clock is ahead, to distinguish old lines from new ones.
        heard: gets what is known so far: at the start, after each line that changes it, and about every second.
    """
    counter = _Counter(phone, seconds) if network else None
    try:
        log = _watch_log(phone, seconds, clock_offset, heard)
    finally:
        traffic = counter.stop() if counter is not None else None
    return LiveEvidence(log=log) if traffic is None else LiveEvidence(log=log, traffic=traffic)


def _watch_log(phone: StartsServices, seconds: float, clock_offset: float, heard: Heard) -> Fact[Live]:
    began, start = datetime.now(UTC), time.monotonic()
    since = began + timedelta(seconds=clock_offset)
    live = Live(seconds=0.0)
    why: Unseen | None = None
    try:
        with LogStream(phone, _START_SECONDS) as stream:
            heard(live)
            told = start
            for line in stream.lines(seconds):
                before = live
                if line is not None and is_concerned(line, since):
                    live = hear(live, line)
                now = time.monotonic()
                if live is not before or now - told >= 1:
                    live, told = replace(live, seconds=now - start), now
                    heard(live)
    except IbackupError as error:
        why = _unseen(error)
    if why is not None and not live.lines:
        return why
    lasted = replace(live, seconds=time.monotonic() - start)
    return Seen(lasted, EvidenceSource("live", began, "the phone's log, watched live"))


class _Counter:
    """Counts packets in a thread until it is stopped."""

    def __init__(self, phone: StartsServices, seconds: float) -> None:
        self._began = datetime.now(UTC)
        self._start = time.monotonic()
        self._seconds = seconds
        self._stopping = threading.Event()
        self._why: Unseen | None = None
        self._interfaces: dict[str, int] = {}
        self._backup_bytes = 0
        self._first: float | None = None
        self._last = 0.0
        self._thread: threading.Thread | None = None
        try:
            # The start goes through lockdown, which is for one thread at a time.
            self._stream = PacketStream(phone, _START_SECONDS)
        except IbackupError as error:
            self._why = _unseen(error)
            return
        self._thread = threading.Thread(target=self._count, name="ibackup-packets")
        self._thread.start()

    def stop(self) -> Fact[Traffic]:
        """Stop, and return what was counted."""
        self._stopping.set()
        if self._thread is not None:
            slices.join(self._thread)
        if self._why is not None and not self._interfaces:
            return self._why
        traffic = Traffic(
            seconds=time.monotonic() - self._start,
            interfaces=dict(sorted(self._interfaces.items(), key=lambda each: -each[1])),
            backup_bytes=self._backup_bytes,
            busy_seconds=self._last - self._first if self._first is not None else 0.0,
        )
        return Seen(traffic, EvidenceSource("live", self._began, "the phone's network traffic, counted live"))

    def _count(self) -> None:
        try:
            with self._stream:
                for packet in self._stream.packets(self._seconds):
                    if self._stopping.is_set():
                        return
                    if packet is not None and packet.outgoing and not packet.interface.startswith("lo"):
                        self._add(packet.interface, packet.process, packet.size)
        except IbackupError as error:
            self._why = _unseen(error)

    def _add(self, interface: str, process: str, size: int) -> None:
        if interface in self._interfaces or len(self._interfaces) < _MOST_NAMES:
            self._interfaces[interface] = self._interfaces.get(interface, 0) + size
        if process in _BACKUP_PROGRAMS:
            self._backup_bytes += size
            self._last = time.monotonic()
            self._first = self._last if self._first is None else self._first


def _unseen(error: IbackupError) -> Unseen:
    if isinstance(error, PersonNeeded):
        return Unseen("the phone is locked")
    return Unseen(f"{error.what[:1].lower()}{error.what[1:].rstrip('.')}")
