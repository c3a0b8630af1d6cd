"""The virtual iPhone's side of a Wi-Fi network, as a frozen description."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

Impostor: TypeAlias = Literal["", "key", "plain", "udid"]


@dataclass(frozen=True, kw_only=True)
class WirelessSpec:
    """What the phone is like on a Wi-Fi network (`ibackup simulator run --wifi`).

    Attributes:
        address: the address of this computer on which it answers; "" for all of them.
        port: the TCP port of lockdownd. The advert says 32498 anyway, as real ones do.
        identifier: the `identifier` of its advert since iOS 26.4; empty: it follows from the seed.
        private_address: the MAC address in its advert since iOS 26.4; empty: it follows from the seed.
        other_computers: how many other computers it is paired with; their tags come first in the advert.
        neighbours: how many phones of other people are advertised beside it.
        heartbeat: whether services hang up while no heartbeat is answered.
        heartbeat_s: whole seconds between two heartbeats.
        heartbeat_for: which other heartbeats a new one ends: those of the same pairing, or all of this phone.
        sleeps_after_s: seconds without power and without a power assertion until it sleeps; None: it stays awake.
        asleep: it sleeps from the start.
        says_sleepy: it announces its sleep to those that answer its heartbeat.
        newest_tls: the newest TLS that it speaks, by cable too.
        impostor: who answers in its place: "" nobody; key: something with another key, which takes every computer for
            the right one; plain: something that offers no TLS; udid: something that has the right key but reports
            another UDID.
    """

    address: str = ""
    port: int = 62_078
    identifier: str = ""
    private_address: str = ""
    other_computers: int = 0
    neighbours: int = 0
    heartbeat: bool = True
    heartbeat_s: int = 10
    heartbeat_for: Literal["pairing", "phone"] = "pairing"
    sleeps_after_s: float | None = None
    asleep: bool = False
    says_sleepy: bool = True
    newest_tls: Literal["1.2", "1.3"] = "1.3"
    impostor: Impostor = ""
