"""Every spelling of usbmuxd's address that exists, and those that do not."""

import socket
import sys

import pytest

from ibackup.base.errors import UsageError
from ibackup.base.exit_codes import ExitCode
from ibackup.device.mux.usbmux import ADDRESS_VARIABLE, Address, Usbmux, default_address, parse_address

needs_unix_sockets = pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="no Unix sockets here")


@pytest.fixture(autouse=True)
def no_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(ADDRESS_VARIABLE, raising=False)


@needs_unix_sockets
@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("UNIX:/run/usbmuxd", Address(path="/run/usbmuxd")),
        ("unix:/run/usbmuxd", Address(path="/run/usbmuxd")),
        ("/run/usbmuxd", Address(path="/run/usbmuxd")),
        ("/with space/ünï:27015", Address(path="/with space/ünï:27015")),
    ],
)
def test_unix_sockets(text: str, address: Address) -> None:
    assert parse_address(text) == address
    assert parse_address(str(address)) == address


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:27015", Address(host="127.0.0.1", port=27015)),
        ("localhost:1", Address(host="localhost", port=1)),
        ("pi.example-1.org:65535", Address(host="pi.example-1.org", port=65535)),
        ("[::1]:27015", Address(host="::1", port=27015)),
        ("[fe80::1%eth0]:27015", Address(host="fe80::1%eth0", port=27015)),
    ],
)
def test_tcp(text: str, address: Address) -> None:
    assert parse_address(text) == address
    assert str(address) == text


@pytest.mark.parametrize(
    "text",
    [
        "usbmuxd",
        "run/usbmuxd",
        "./usbmuxd",
        "UNIX:",
        "UNIX:run/usbmuxd",
        "UNIX:/nul\0byte",
        "localhost",
        "localhost:",
        ":27015",
        "localhost:0",
        "localhost:65536",
        "localhost:999999",
        "localhost:-1",
        "localhost:27015x",
        "localhost:٢٧",
        "::1:27015",
        "[::1]",
        "[::1]:",
        "[localhost]:27015",
        "[]:27015",
        "tcp://localhost:27015",
        "local host:27015",
        " 127.0.0.1:27015",
        "127.0.0.1:27015\n",
        "",
    ],
)
def test_wrong_spellings_name_the_right_ones(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_address(text)
    assert caught.value.exit_code == ExitCode.USAGE
    for spelling in ("UNIX:/path", "/path", "host:port", "[ipv6]:port"):
        assert spelling in caught.value.hint
    assert "\0" not in str(caught.value)


def test_the_environment_is_asked_when_nothing_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    assert parse_address() == default_address()
    monkeypatch.setenv(ADDRESS_VARIABLE, "[::1]:4711")
    assert parse_address() == Address(host="::1", port=4711)
    assert Usbmux().address == Address(host="::1", port=4711)
    monkeypatch.setenv(ADDRESS_VARIABLE, "")
    assert parse_address() == default_address()


def test_a_wrong_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ADDRESS_VARIABLE, "nonsense")
    with pytest.raises(UsageError, match=ADDRESS_VARIABLE):
        parse_address()


def test_windows_has_a_port_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    assert default_address() == Address(host="127.0.0.1", port=27015)


def test_a_system_without_unix_sockets_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(socket, "AF_UNIX", raising=False)
    with pytest.raises(UsageError, match="Unix socket") as caught:
        parse_address("UNIX:/run/usbmuxd")
    assert "host:port" in caught.value.hint
