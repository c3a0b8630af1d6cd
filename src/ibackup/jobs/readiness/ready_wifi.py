"""What stands between this computer and its phones over Wi-Fi; only if a phone is set up for it."""

import errno
import os
import shutil
import socket
import sys
from collections.abc import Iterator, Mapping
from ipaddress import IPv4Address, IPv4Network
from typing import Final

from ibackup.base import counts
from ibackup.base.events import Caution, Event
from ibackup.config.stall_limits import Limits
from ibackup.device.phones.found_phones import FoundPhone, find_over_wifi
from ibackup.device.phones.over_wifi import OverWifi
from ibackup.device.wifi.network_search import MDNS_ADDRESS, MDNS_PORT, own_addresses
from ibackup.jobs.readiness.check_result import ComputerCheck
from ibackup.store.kept_pairings import KeptPairings

_TUNNELS: Final = ("tun", "utun", "wg", "ppp", "tailscale", "ipsec", "zt")
_CONTAINER_FILES: Final = ("/.dockerenv", "/run/.containerenv")
_BRIDGES: Final = (IPv4Network("172.16.0.0/12"), IPv4Network("10.88.0.0/16"))
"""The networks that Docker and Podman give to containers."""
_LOCAL_NETWORK: Final = 'open "x-apple.systempreferences:com.apple.preference.security?Privacy_LocalNetwork"'
_BLOCKED: Final = frozenset([errno.EHOSTUNREACH, errno.EPERM, errno.EACCES])


def check_wifi(limits: Limits, platform: str = sys.platform) -> Iterator[ComputerCheck]:
    """Look for what stands in the way, then for the phones; nothing if no phone is set up for Wi-Fi.

    Args:
        limits: how long a phone may be silent.
        platform: as ``sys.platform``.
    """
    kept = KeptPairings().all()
    if not kept:
        return
    addresses = own_addresses()
    yield from _network(addresses, platform, in_container=any(map(os.path.exists, _CONTAINER_FILES)))
    heard: list[Caution] = []

    def hear(event: Event) -> None:
        if isinstance(event, Caution):
            heard.append(event)

    found = find_over_wifi(
        OverWifi(KeptPairings()), [each.udid for each in kept], limits=limits, observer=hear
    )
    for event in heard:
        yield ComputerCheck("Wi-Fi search", "advice", f"{event.text} {event.hint}".strip())
    for each in kept:
        name = each.name or each.udid
        phone = next((one for one in found if one.udid == each.udid), None)
        yield _phone(name, phone, platform)


def _network(addresses: Mapping[str, str], platform: str, *, in_container: bool) -> Iterator[ComputerCheck]:
    """What can be seen of the network itself.

    Args:
        addresses: IPv4 addresses of this computer and the names of their interfaces.
        platform: as ``sys.platform``.
        in_container: whether this runs in one.
    """
    if not addresses:
        yield ComputerCheck("Wi-Fi network", "advice", "This computer has no network at the moment.")
        return
    if in_container and all(any(IPv4Address(each) in net for net in _BRIDGES) for each in addresses):
        yield ComputerCheck(
            "Wi-Fi and container",
            "advice",
            "This container has a network of its own, where no phone announces itself. Run it with the computer's "
            "network (--network host), or give the phone's address: `ibackup now --address`.",
        )
    tunnels = sorted({name for name in addresses.values() if name.startswith(_TUNNELS)})
    if tunnels:
        yield ComputerCheck(
            "Wi-Fi and VPN",
            "advice",
            f"A VPN is on ({counts.listed(tunnels)}). Some keep a computer from seeing its own network. If no phone is "
            "found, switch it off, or allow access to the local network in its settings. The same is true for a VPN on "
            "the phone.",
        )
    blocked = {
        name: error for address, name in addresses.items() if (error := _cannot_ask(address)) is not None
    }
    if blocked and len(blocked) == len(set(addresses.values())):
        yield _blocked(next(iter(blocked.values())), platform)
    else:
        yield ComputerCheck(
            "Wi-Fi search", "good", "This computer can ask its network for phones (multicast DNS)."
        )


def _cannot_ask(address: str) -> OSError | None:
    """The error if a question by multicast DNS may not leave through the interface with this address."""
    question = b"\0\0\0\0\0\1\0\0\0\0\0\0\x0e_apple-mobdev2\x04_tcp\x05local\0\0\x0c\0\1"
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(address))
            sock.sendto(question, (MDNS_ADDRESS, MDNS_PORT))
    except OSError as error:
        return error
    return None


def _blocked(error: OSError, platform: str) -> ComputerCheck:
    said = error.strerror or str(error)
    if platform == "darwin" and error.errno in _BLOCKED:
        return ComputerCheck(
            "Local Network",
            "advice",
            f"macOS does not let this program reach the local network ({said}). Allow it for your terminal, and for "
            "python, which starts backups at night: Privacy & Security > Local Network.",
            (_LOCAL_NETWORK,),
        )
    return ComputerCheck(
        "Wi-Fi search",
        "advice",
        f"No question to the network leaves this computer ({said}). A firewall may block multicast.",
        _open_firewall(platform),
    )


def _phone(name: str, phone: FoundPhone | None, platform: str) -> ComputerCheck:
    if phone is not None and phone.trust in ("trusted", "locked"):
        return ComputerCheck("phone over Wi-Fi", "good", f"{name} answers over Wi-Fi.")
    if phone is not None and phone.trust == "busy":
        return ComputerCheck("phone over Wi-Fi", "good", f"{name} is in use over Wi-Fi by another run.")
    if phone is not None and phone.problem is not None:
        text = f"{phone.problem.message} {phone.problem.hint}".strip()
        return ComputerCheck("phone over Wi-Fi", "advice", text)
    text = (
        f"{name} was not found. If it sleeps, that is normal: unlock it and check again. Otherwise look whether it is "
        "in the same network as this computer: no guest Wi-Fi, no other subnet, and no router that keeps devices apart "
        "(client isolation). `ibackup now --address` needs no search. If it answers by cable, switch it on again: "
        "`ibackup wifi on`."
    )
    if platform == "darwin":
        text += " macOS may also keep the backups at night from the local network: allow python there."
        return ComputerCheck("phone over Wi-Fi", "advice", text, (_LOCAL_NETWORK,))
    return ComputerCheck(
        "phone over Wi-Fi", "advice", f"{text} A firewall may drop the answers.", _open_firewall(platform)
    )


def _open_firewall(platform: str) -> tuple[str, ...]:
    """The commands that let answers of multicast DNS in."""
    if platform == "win32":
        rule = "-Direction Inbound -Protocol UDP -LocalPort 5353 -Profile Private -Action Allow"
        return (f'New-NetFirewallRule -DisplayName "ibackup finds phones" {rule}',)
    if shutil.which("firewall-cmd"):
        return ("sudo firewall-cmd --permanent --add-service=mdns", "sudo firewall-cmd --reload")
    if shutil.which("ufw"):
        return ("sudo ufw allow 5353/udp",)
    return ()
