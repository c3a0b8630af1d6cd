"""What all operations share: the link to the computer, faults, and single files to fetch and store."""

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Literal, TypeVar

from ibackup.simulator.ciphers import Buffer, decryptor
from ibackup.simulator.devicelink import NO_SPACE, LinkError, Outgoing, PhoneLink, Sink
from ibackup.simulator.faults import DropInPhase, ErrorCodeAt, Fault, Phase, UserCancels
from ibackup.simulator.notifications import SYNC_CANCEL_REQUEST
from ibackup.simulator.operations.phone_memory import BackupMemory, memory_of
from ibackup.simulator.stream import Stream, StreamEnded
from ibackup.simulator.virtual_phone import VirtualPhone

F = TypeVar("F", bound=Fault)
T = TypeVar("T")
MAX_PLIST = 64 << 20
_LOOK_EVERY_S = 0.02
_FALL = 20.0  # percent


class MBError(Exception):
    """An operation failed; it ends with this MBErrorDomain code."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text


class Session:
    """One running operation.

    Attributes:
        link: the channel to the computer.
        phone: the phone.
        memory: the memory of the phone's backup process.
        phase: the last SnapshotState sent to the computer; None before the first.
    """

    def __init__(self, stream: Stream, link: PhoneLink, phone: VirtualPhone) -> None:
        self.link = link
        self.phone = phone
        self.memory: BackupMemory = memory_of(phone)
        self.phase: Phase | None = None
        self._stream = stream
        self._struck: list[Fault] = []
        self._messages = 0
        self._phase_messages = 0
        self._reached = 0.0
        self._steps = 0
        link.before_message = self._before_message
        link.progress = 0.0

    # --- faults

    def strike(self, kind: type[F], where: Callable[[F], bool] = lambda _: True) -> F | None:
        """The fault of this kind that applies now. Within one operation it stays the same and counts once."""
        for known in self._struck:
            if isinstance(known, kind) and where(known):
                return known
        fault = self.phone.fault(kind, where)
        if fault is not None:
            self._struck.append(fault)
        return fault

    def may_fail(self, where: Literal["start", "end"]) -> None:
        """Fail if a fault says so."""
        fault = self.strike(ErrorCodeAt, lambda each: each.where == where)
        if fault is not None:
            raise MBError(fault.code, fault.text or "Something went wrong")

    def pause(self, seconds: float) -> None:
        """Send nothing for a while."""
        if seconds > 0:
            self._stream.pause(seconds)

    def wait_for(self, event: threading.Event) -> None:
        """Send nothing until the event is set."""
        while not event.is_set():
            self._stream.pause(_LOOK_EVERY_S)

    def enter_phase(self, phase: Phase | None) -> None:
        """Record which state the computer knows about."""
        self.phase = phase
        self._phase_messages = 0

    def _before_message(self) -> None:
        self.pause(self.phone.spec.latency_s)
        if self.strike(DropInPhase, self._drops):
            self._stream.drop()
            raise StreamEnded("the connection was dropped on purpose")
        if self.strike(UserCancels, lambda fault: self._messages >= fault.after):
            self.phone.notify(SYNC_CANCEL_REQUEST)
            raise MBError(202, "Cancelled by the user")
        self._messages += 1
        self._phase_messages += 1

    def _drops(self, fault: DropInPhase) -> bool:
        return fault.phase == self.phase and self._phase_messages >= fault.after

    # --- the person at the phone

    def ask_passcode(self, since: tuple[int, ...]) -> None:
        """Show the passcode prompt, if this phone has one.

        Raises:
            MBError: 208, it was not entered.
        """
        asked = self.phone.spec.version >= since
        if asked and not self.phone.ask_passcode(self._stream.pause):
            if self.phone.passcode.kind == "cut":
                self._stream.drop()
                raise StreamEnded("the phone ended the connection while it asked for its passcode")
            raise MBError(208, "Device locked")

    # --- files

    def progress(self, percent: float) -> None:
        """Advance to this overall progress. On a phone with that habit, it sometimes falls."""
        self._reached = max(self._reached, min(percent, 100.0))
        self._steps += 1
        falls = self.phone.spec.habits.progress == "falls" and self._steps % 3 == 0
        self.link.progress = max(self.link.progress - _FALL, 0.0) if falls else self._reached

    @contextmanager
    def step(self, percent: float) -> Iterator[None]:
        """One step that ends at this overall progress; most phones report that value when the step begins."""
        ahead = self.phone.spec.habits.progress != "behind"
        if ahead:
            self.progress(percent)
        yield
        if not ahead:
            self.progress(percent)

    def fetch(self, path: str) -> bytes | None:
        """A small file from the computer, or None if it cannot be fetched."""
        parts = _Parts()
        failed = self.link.download([path], lambda _: parts)
        return None if failed else b"".join(parts.parts)

    def fetch_to(self, path: str, destination: str, key: bytes | None) -> bool:
        """Fetch a large file into a local one, decrypted if there is a key; False if it cannot be fetched."""
        with open(destination, "wb") as file:
            sink: Sink = file if key is None else _Decrypting(file, key)
            return not self.link.download([path], lambda _: sink)

    def store(self, path: str, chunks: Iterable[Buffer], size: int) -> None:
        """Store one file on the computer.

        Raises:
            MBError: 105 or 104, the computer could not take it.
        """
        file = Outgoing(f"/var/mobile/{path}", path, chunks)
        self.raise_refused(self.link.upload([file], size, single=True))

    def raise_refused(self, failed: dict[str, int]) -> None:
        """Turn the failures of an upload into an error.

        Raises:
            MBError: 105, the computer's disk is full; 104, it could not write.
        """
        if NO_SPACE in failed.values():
            raise MBError(105, "Insufficient free disk space on drive to back up")
        if failed:
            raise MBError(104, "Multiple errors uploading files")


def in_groups(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """The items in lists of at most ``size``."""
    left = iter(items)
    while group := list(islice(left, size)):
        yield group


class _Parts:
    """Collects a small file; gives up if it is not small."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self._size = 0

    def write(self, data: memoryview, /) -> None:
        self._size += len(data)
        if self._size > MAX_PLIST:
            raise LinkError(-1, "A property list that is too large")
        self.parts.append(bytes(data))


class _Decrypting:
    """Decrypts bytes on their way into a file."""

    def __init__(self, file: Sink, key: bytes) -> None:
        self._file = file
        self._context = decryptor(key)

    def write(self, data: memoryview, /) -> None:
        self._file.write(memoryview(self._context.update(data)))
