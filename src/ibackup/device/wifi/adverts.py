"""What a phone announces on the network, and whether it may be one of ours.

Since iOS 26.4 the MAC address in an announcement is a private one. A tag says instead which pairing the phone knows:
a hash of the pairing's HostID and of an identifier beside it. A tag names a pairing, not a phone, and anybody can
repeat one. So it only says whom to dial; the proof is the key in the TLS handshake.
"""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import AddressValueError, IPv4Address
from typing import Final

SERVICE_TYPE: Final = "_apple-mobdev2._tcp.local."
_TAG_BYTES: Final = 8
_KEY_BYTES: Final = 32
_MOST_TAGS: Final = 64
"""A phone that is paired with more computers than this is none, or is found by the first of them."""
_LONGEST_IDENTIFIER: Final = 255
_MOST_ADDRESSES: Final = 8
_TAG_NAME = re.compile(r"authtag(#[0-9]{1,4})?")
_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")


@dataclass(frozen=True, slots=True)
class Advert:
    """One announcement.

    Attributes:
        mac: the MAC address in its name, in lower case; empty if there is none.
        identifier: what the tags are made from; changes from time to time.
        tags: of 8 bytes each, one for each pairing.
        addresses: IPv4, as texts, in the order in which to dial them.
    """

    mac: str
    identifier: bytes
    tags: tuple[bytes, ...]
    addresses: tuple[str, ...]

    def fits(self, host_id: str, macs: Iterable[str]) -> bool:
        """Whether this may be the phone of a pairing.

        Args:
            host_id: the pairing's.
            macs: the phone's own MAC addresses, as far as known. They count only if there are no tags.
        """
        if self.tags:
            wanted = auth_tag(host_id, self.identifier)
            return any(hmac.compare_digest(wanted, tag) for tag in self.tags)
        return bool(self.mac) and self.mac in {each.lower() for each in macs}


def parse_advert(
    name: str, properties: Mapping[bytes, bytes | None], addresses: Iterable[str]
) -> Advert | None:
    """Read an announcement; None if it can be no phone of ours.

    Args:
        name: of the service, such as ``aa:bb:cc:dd:ee:ff@fe80::1-supportsRP-24._apple-mobdev2._tcp.local.``.
        properties: its TXT record; upper and lower case do not matter in its names.
        addresses: IPv4 addresses as texts; useless ones are left out.
    """
    mac = name.partition("@")[0].lower()
    identifier, tags = b"", list[bytes]()
    for raw, value in properties.items():
        key = raw.decode("ascii", "replace").lower()
        if value is None or len(tags) >= _MOST_TAGS:
            continue
        if key == "identifier":
            identifier = value[:_LONGEST_IDENTIFIER]
        elif _TAG_NAME.fullmatch(key) and (tag := _tag(value)) is not None:
            tags.append(tag)
    reachable = in_order(addresses)
    mac = mac if _MAC.fullmatch(mac) else ""
    if not reachable or not (mac or tags):
        return None
    return Advert(mac, identifier, tuple(tags), reachable)


def _tag(value: bytes) -> bytes | None:
    try:
        tag = base64.b64decode(value.strip(b" \t\r\n"), validate=True)
    except binascii.Error:
        return None
    return tag if len(tag) == _TAG_BYTES else None


def in_order(addresses: Iterable[str]) -> tuple[str, ...]:
    """IPv4 addresses that a phone may have, in the order in which to dial them: 169.254/16 last. At most 8.

    That range is the phone's own network over USB, where lockdown answers and later things break.
    """
    found: dict[str, IPv4Address] = {}
    for each in addresses:
        try:
            address = IPv4Address(each)
        except AddressValueError:
            continue
        if not (address.is_multicast or address.is_unspecified or address.is_loopback or address.is_reserved):
            found[str(address)] = address
    return tuple(sorted(found, key=lambda text: found[text].is_link_local))[:_MOST_ADDRESSES]


def auth_tag(host_id: str, identifier: bytes) -> bytes:
    """The tag by which a phone announces that it knows a pairing.

    Args:
        host_id: exactly as the pair record has it: case matters.
        identifier: the bytes of that name in the TXT record.
    """
    return hmac.digest(_tag_key(host_id), identifier, "sha256")[:_TAG_BYTES]


@lru_cache(maxsize=256)
def _tag_key(host_id: str) -> bytes:
    """HKDF-SHA512 (RFC 5869) of a HostID, without salt and info: one block is enough."""
    secret = hmac.digest(bytes(hashlib.sha512().digest_size), host_id.encode(), "sha512")
    return hmac.digest(secret, b"\x01", "sha512")[:_KEY_BYTES]
