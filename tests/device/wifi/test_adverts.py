"""Announcements: the tags that name a pairing, and what hostile ones cannot do."""

import base64

import pytest

from ibackup.device.wifi.adverts import auth_tag, in_order, parse_advert

VECTORS = [
    ("00112233-4455-6677-8899-AABBCCDDEEFF", "unit-test-bonjour-identifier", "xdSd/bWDo4g="),
    ("0A1B2C3D-4E5F-4607-8899-AABBCCDDEEFF", "5F0D2C1E-3B4A-4D6C-9E8F-102030405060", "N9MlHNJ5cB0="),
]
NAME = "AA:bb:cc:dd:ee:0f@fe80::1-supportsRP-24._apple-mobdev2._tcp.local."
MAC = "aa:bb:cc:dd:ee:0f"


@pytest.mark.parametrize(("host_id", "identifier", "tag"), VECTORS)
def test_the_tag_of_a_pairing(host_id: str, identifier: str, tag: str) -> None:
    assert base64.b64encode(auth_tag(host_id, identifier.encode())).decode() == tag
    assert auth_tag(host_id.lower(), identifier.encode()) != auth_tag(host_id, identifier.encode())
    other = base64.b64encode(bytes(8))
    advert = parse_advert(
        NAME,
        {b"Identifier": identifier.encode(), b"authTag": other, b"AUTHTAG#1": f" {tag}\n".encode()},
        ["192.168.1.5"],
    )
    assert advert is not None
    assert advert.fits(host_id, [])
    assert not advert.fits(VECTORS[0][0] if host_id != VECTORS[0][0] else VECTORS[1][0], [MAC])


def test_a_phone_without_tags_is_known_by_its_own_mac_address() -> None:
    advert = parse_advert(NAME, {}, ["192.168.1.5"])
    assert advert is not None
    assert advert.fits("any", ["AA:BB:CC:DD:EE:0F"])
    assert not advert.fits("any", ["00:bb:cc:dd:ee:0f"])
    assert not advert.fits("any", [])


@pytest.mark.parametrize(
    "tag",
    [b"", b"AAAA", b"!!!!", base64.b64encode(bytes(9)), "…".encode(), base64.b64encode(bytes(8)) + b"="],
)
def test_a_tag_that_is_none_counts_for_nothing(tag: bytes) -> None:
    advert = parse_advert(NAME, {b"authTag": tag, b"identifier": b"x", b"authTag#x": tag}, ["192.168.1.5"])
    assert advert is not None
    assert advert.tags == ()


def test_nothing_to_dial_or_nothing_to_know_it_by() -> None:
    assert parse_advert(NAME, {}, ["fe80::1", "224.0.0.251", "127.0.0.1", "0.0.0.0"]) is None
    assert parse_advert("printer._apple-mobdev2._tcp.local.", {}, ["192.168.1.5"]) is None
    many = {f"authTag#{number}".encode(): base64.b64encode(number.to_bytes(8)) for number in range(5000)}
    advert = parse_advert(NAME, many, ["192.168.1.5"])
    assert advert is not None
    assert len(advert.tags) == 64


def test_the_phones_own_usb_network_is_dialled_last() -> None:
    found = in_order(["169.254.3.4", "192.168.1.5", "10.0.0.7", "192.168.1.5"])
    assert found == ("192.168.1.5", "10.0.0.7", "169.254.3.4")
