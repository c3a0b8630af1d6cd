"""How a phone advertises lockdownd on a Wi-Fi network: its name, and tags by which paired computers recognize it."""

import base64
import contextlib
import hashlib
import hmac
import ipaddress
import random
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ibackup.simulator.spec import PhoneSpec

if TYPE_CHECKING:
    from zeroconf import ServiceInfo

SERVICE_TYPE: Final = "_apple-mobdev2._tcp.local."
ADVERTISED_PORT: Final = 32_498
"""lockdownd's port with its bytes swapped, as iOS registers it."""

TAGS_SINCE: Final = (26, 4)


@dataclass(frozen=True)
class SentAdvert:
    """One advert.

    Attributes:
        name: its instance name.
        text: its TXT record.
        host: the name of the phone in the network, without `.local`.
        addresses: its addresses; one that is not of this computer leads nowhere.
    """

    name: str
    text: Mapping[str, str]
    host: str
    addresses: Sequence[str]

    def service(self) -> "ServiceInfo":
        """The advert as zeroconf sends it."""
        from zeroconf import ServiceInfo

        return ServiceInfo(
            SERVICE_TYPE,
            f"{self.name}.{SERVICE_TYPE}",
            port=ADVERTISED_PORT,
            properties=dict(self.text),
            server=f"{self.host}.local.",
            parsed_addresses=list(self.addresses),
        )


class Announcer:
    """Adverts in the network, until it is closed; closing withdraws them.

    Raises:
        OSError: nothing can be sent there.
    """

    def __init__(self, adverts: Iterable[SentAdvert], interfaces: Sequence[str]) -> None:
        from zeroconf import IPVersion, Zeroconf

        self._zeroconf = Zeroconf(interfaces=list(interfaces), ip_version=IPVersion.V4Only)
        for advert in adverts:
            self._zeroconf.register_service(advert.service(), cooperating_responders=True)

    def close(self) -> None:
        """Withdraw the adverts."""
        with contextlib.suppress(OSError):  # the network is gone; so are they
            self._zeroconf.close()


def adverts(spec: PhoneSpec, host_ids: Iterable[str], addresses: Sequence[str]) -> list[SentAdvert]:
    """The phone's advert, and those of its neighbours.

    Args:
        spec: the phone.
        host_ids: HostID of each computer that it is paired with.
        addresses: where it answers.
    """
    text: dict[str, str] = {}
    if _is_private(spec):
        others = [
            _made_up_uuid(spec, f"computer {number}") for number in range(spec.wireless.other_computers)
        ]
        identifier = spec.wireless.identifier or _made_up_uuid(spec, "identifier")
        text = _text(identifier, [*others, *host_ids])
    own = SentAdvert(instance_name(spec), text, f"virtual-{spec.device_class}-{spec.seed}", addresses)
    return [own, *(_neighbour(spec, number) for number in range(spec.wireless.neighbours))]


def instance_name(spec: PhoneSpec) -> str:
    """The advert's name: the MAC address, the real one before iOS 26.4, and a link-local address."""
    return _instance_name(advertised_mac(spec), 24 if spec.version >= (26,) else 19)


def advertised_mac(spec: PhoneSpec) -> str:
    """The MAC address in the name."""
    if not _is_private(spec):
        return spec.wifi_address
    return spec.wireless.private_address or _private_mac(random.Random(f"{spec.seed} private address"))


def auth_tag(host_id: str, identifier: str) -> str:
    """The tag by which the computer with that HostID recognizes a phone that it is paired with."""
    # HKDF-SHA512 without salt and info; its first block is longer than the key.
    pseudo_random = hmac.digest(bytes(64), host_id.encode(), hashlib.sha512)
    key = hmac.digest(pseudo_random, b"\x01", hashlib.sha512)[:32]
    return base64.b64encode(hmac.digest(key, identifier.encode(), hashlib.sha256)[:8]).decode("ascii")


def _is_private(spec: PhoneSpec) -> bool:
    return spec.version >= TAGS_SINCE


def _text(identifier: str, host_ids: Iterable[str]) -> dict[str, str]:
    tags = [auth_tag(host_id, identifier) for host_id in host_ids]
    named = {f"authTag#{number}" if number else "authTag": tag for number, tag in enumerate(tags)}
    return {"identifier": identifier, **named}


def _instance_name(mac: str, revision: int) -> str:
    octets = bytearray.fromhex(mac.replace(":", ""))
    octets[0] ^= 2
    link_local = ipaddress.IPv6Address(b"\xfe\x80" + bytes(6) + octets[:3] + b"\xff\xfe" + octets[3:])
    return f"{mac}@{link_local}-supportsRP-{revision}"


def _private_mac(rng: random.Random) -> str:
    octets = [
        rng.randrange(256) & 0xF0 | rng.choice((0x2, 0x6, 0xA, 0xE)),
        *(rng.randrange(256) for _ in range(5)),
    ]
    return ":".join(f"{octet:02x}" for octet in octets)


def _made_up_uuid(spec: PhoneSpec, what: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{what} {spec.seed} {spec.udid}")).upper()


def _neighbour(spec: PhoneSpec, number: int) -> SentAdvert:
    name = f"neighbour {number}"
    text = _text(_made_up_uuid(spec, name), [_made_up_uuid(spec, f"{name}'s computer")])
    mac = _private_mac(random.Random(f"{spec.seed} {name}"))
    # An address of the block for documentation: nobody answers there.
    return SentAdvert(_instance_name(mac, 24), text, f"virtual-neighbour-{spec.seed}-{number}", ["192.0.2.9"])
