"""Networks of a test's own: namespaces of Linux, joined by pairs of virtual cards. Only root can make them.

Nothing has to be removed: a namespace has no name and is gone with the last process in it, and with this one.
"""

import ctypes
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Final, TypeVar

T = TypeVar("T")

CARD: Final = "eth0"
_CLONE_NEWNET: Final = 0x40000000


class NoNetworks(Exception):
    """This user or this system cannot make namespaces."""


class Space:
    """One computer's, or one phone's, view of the network."""

    def __init__(self) -> None:
        if sys.platform != "linux":
            raise NoNetworks("network namespaces are Linux's")
        self.descriptor = _in_a_thread(_unshare)

    def run(self, deed: Callable[[], T]) -> T:
        """Do something inside; the threads that it starts stay inside."""

        def inside() -> T:
            _call("setns", self.descriptor, _CLONE_NEWNET)
            return deed()

        return _in_a_thread(inside)

    @property
    def before(self) -> tuple[str, ...]:
        """What starts a program inside."""
        return ("nsenter", f"--net=/proc/{os.getpid()}/fd/{self.descriptor}")

    def ip(self, *lines: str) -> None:
        """Run commands of ``ip`` inside."""
        subprocess.run(
            [*self.before, "ip", "-batch", "-"],
            input="\n".join(lines),
            text=True,
            check=True,
            capture_output=True,
            timeout=60,
        )

    def close(self) -> None:
        """Leave it; it is gone when nobody is inside."""
        os.close(self.descriptor)


@contextmanager
def spaces(count: int) -> Iterator[list[Space]]:
    """Some namespaces, not joined.

    Raises:
        NoNetworks: this user cannot make them.
    """
    with ExitStack() as stack:
        found = []
        for _ in range(count):
            space = Space()
            stack.callback(space.close)
            space.ip("link set lo up")
            found.append(space)
        yield found


def join(one: Space, other: Space, *, card: str = CARD, other_card: str = CARD) -> None:
    """Lay a cable between two namespaces."""
    there = f"/proc/{os.getpid()}/fd/{other.descriptor}"
    one.ip(f"link add {card} type veth peer name {other_card} netns {there}", f"link set {card} up")
    other.ip(f"link set {other_card} up")


def settle(space: Space, address: str, *, card: str = CARD, default: bool = True) -> None:
    """Give a namespace an address of a network with 24 bits, and the way to everything else."""
    space.ip(
        f"addr add {address}/24 broadcast + dev {card}",
        *([f"route replace default dev {card}"] if default else []),
    )


def _in_a_thread(deed: Callable[[], T]) -> T:
    """A thread enters a namespace alone, without the rest of the process."""
    done: list[T] = []
    failed: list[BaseException] = []

    def run() -> None:
        try:
            done.append(deed())
        except BaseException as error:  # noqa: BLE001 - raised below
            failed.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if failed:
        raise failed[0]
    return done[0]


def _unshare() -> int:
    _call("unshare", _CLONE_NEWNET)
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)


def _call(name: str, *arguments: int) -> None:
    """Call the C library, which Python below 3.12 does not offer for this."""
    library = ctypes.CDLL(None, use_errno=True)
    if getattr(library, name)(*arguments) != 0:
        number = ctypes.get_errno()
        raise NoNetworks(f"{name}: {os.strerror(number)}")
