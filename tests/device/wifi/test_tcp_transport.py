"""A phone's address as people type it, and an address where nothing is."""

import socket

import pytest

from ibackup.base.errors import UsageError
from ibackup.device.wifi.tcp_transport import LOCKDOWN_PORT, TcpTransport, Unreached, parse_host


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("192.168.1.23", "192.168.1.23", LOCKDOWN_PORT),
        ("anns-iphone.local:1234", "anns-iphone.local", 1234),
        ("[fe80::1%2]:1234", "fe80::1%2", 1234),
        ("fd00::1", "fd00::1", LOCKDOWN_PORT),
    ],
)
def test_an_address(text: str, host: str, port: int) -> None:
    assert parse_host(text) == TcpTransport(host, port)


@pytest.mark.parametrize(
    "text", ["", "a b", "host:", "host:0", "host:70000", "[1.2.3.4", "::::::::::", "http://x"]
)
def test_no_address(text: str) -> None:
    with pytest.raises(UsageError, match="not an address"):
        parse_host(text)


def test_where_nothing_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(Unreached, match="does not answer over Wi-Fi") as refused:
        TcpTransport("127.0.0.1", port).connect(0, LOCKDOWN_PORT)
    assert isinstance(refused.value.__cause__, ConnectionRefusedError)


def test_an_address_that_is_none_is_said_to_be_wrong_and_no_phone_to_be_asleep() -> None:
    with pytest.raises(Unreached) as caught:
        TcpTransport("999.1.1.1.invalid").connect(0, LOCKDOWN_PORT)
    assert "cannot find that address" in caught.value.why
    assert "--address" in caught.value.hint
