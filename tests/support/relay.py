"""A bad radio: passes the frames between two cards of one namespace, but loses some and delays all. Linux, root."""

import array
import collections
import contextlib
import fcntl
import random
import select
import socket
import struct
import threading
import time
from collections.abc import Iterator
from functools import partial
from typing import Final

from support.networks import Space

_EVERYTHING: Final = 0x0003
_OUTGOING: Final = 4
_SIOCETHTOOL: Final = 0x8946
_OFFLOADS: Final = (0x17, 0x1F, 0x24, 0x2C)  # checksums to send, TSO, GSO, GRO
_LARGEST: Final = 65_536


def without_offload(space: Space, card: str) -> None:
    """Let a card send frames as they are on a wire: what reads them in between sees no half-made checksums."""

    def switch_off() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
            for command in _OFFLOADS:
                value = array.array("B", struct.pack("II", command, 0))
                request = struct.pack("16sP", card.encode(), value.buffer_info()[0])
                with contextlib.suppress(OSError):  # a card without it needs no switch
                    fcntl.ioctl(any_socket, _SIOCETHTOOL, request)

    space.run(switch_off)


@contextlib.contextmanager
def bad_radio(space: Space, one: str, other: str, *, loss: float, delay_s: float) -> Iterator[None]:
    """Join two cards of a namespace while the block runs.

    Args:
        space: where the cards are.
        one: a card.
        other: the other card.
        loss: the share of the frames that is lost, 0 to 1.
        delay_s: how long each of the rest takes, in seconds.
    """
    stop = threading.Event()

    def passing() -> None:
        with _card(one) as left, _card(other) as right:
            _pass(left, right, stop, loss, delay_s)

    thread = threading.Thread(target=partial(space.run, passing), name="bad radio")
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _card(name: str) -> socket.socket:
    card = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_EVERYTHING))
    card.bind((name, 0))
    return card


def _pass(
    left: socket.socket, right: socket.socket, stop: threading.Event, loss: float, delay_s: float
) -> None:
    chance = random.Random(7)
    under_way: collections.deque[tuple[float, socket.socket, bytes]] = collections.deque()
    while not stop.is_set():
        wait_s = max(0.0, under_way[0][0] - time.monotonic()) if under_way else 0.1
        for card in select.select([left, right], [], [], wait_s)[0]:
            frame, address = card.recvfrom(_LARGEST)
            if address[2] != _OUTGOING and chance.random() >= loss:
                under_way.append((time.monotonic() + delay_s, right if card is left else left, frame))
        while under_way and under_way[0][0] <= time.monotonic():
            _, card, frame = under_way.popleft()
            with contextlib.suppress(OSError):  # a card that is down
                card.send(frame)
