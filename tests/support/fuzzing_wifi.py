"""What a phone, or anything else in the network, sends: announcements, and heartbeats."""

import base64
import contextlib
import plistlib
import socket
import struct

from ibackup.base.errors import IbackupError
from ibackup.device.mux.channel import PlistStream
from ibackup.device.phones.wifi_heartbeat import seconds_to_next
from ibackup.device.wifi.adverts import auth_tag, parse_advert

HOST_ID = "0A1B2C3D-4E5F-4607-8899-AABBCCDDEEFF"
WORDS = (
    b"authTag#1=",
    b"identifier=",
    b"AUTHTAG=",
    b"\n",
    b"@",
    b"=",
    b"192.168.1.5",
    b"fe80::1",
    b"224.0.0.1",
)


def advert(data: bytes) -> None:
    """A line for the name, then lines of the TXT record, then addresses; what fits must have the tag or the MAC."""
    lines = data.split(b"\n")
    properties: dict[bytes, bytes | None] = {}
    addresses = []
    for line in lines[1:]:
        key, equals, value = line.partition(b"=")
        if equals:
            properties[key] = value
        else:
            addresses.append(line.decode("latin-1"))
    found = parse_advert(lines[0].decode("utf-8", "replace"), properties, addresses)
    if found is None:
        return
    assert found.addresses
    assert len(found.tags) <= 64
    if found.fits(HOST_ID, ["aa:bb:cc:dd:ee:ff"]):
        wanted = auth_tag(HOST_ID, found.identifier)
        assert wanted in found.tags or (not found.tags and found.mac == "aa:bb:cc:dd:ee:ff")


def advert_seeds() -> list[bytes]:
    """One with tags, one without."""
    tag = base64.b64encode(auth_tag(HOST_ID, b"id"))
    return [
        b"02:bb:cc:dd:ee:ff@fe80::1-supportsRP-24\nidentifier=id\nauthTag=AAAAAAAAAAA=\nauthTag#1="
        + tag
        + b"\n10.0.0.2",
        b"AA:BB:CC:DD:EE:FF@fe80::1\n169.254.1.1\n192.168.1.5",
    ]


def heartbeat(data: bytes) -> None:
    """Beats as they come; none keeps us waiting for long."""
    near, far = socket.socketpair()
    with far, contextlib.closing(PlistStream(near, "heartbeat", 1.0)) as stream:
        far.settimeout(5)
        far.sendall(data[:65536])
        far.shutdown(socket.SHUT_WR)
        with contextlib.suppress(IbackupError):
            for _ in range(100):
                beat = stream.poll(1.0)
                if beat is None:
                    return
                assert 20 < seconds_to_next(beat) <= 80


def beat_seeds() -> list[bytes]:
    """A beat and a good night, as XML and binary."""
    beats: list[dict[str, object]] = [
        {"Command": "Marco", "Interval": 10, "SupportsSleepyTime": True},
        {"Command": "SleepyTime"},
    ]
    bodies = [plistlib.dumps(each, fmt=fmt) for each in beats for fmt in plistlib.PlistFormat]
    return [struct.pack(">I", len(body)) + body for body in bodies]
