"""The virtual iPhone's ports in a network: the switch, sleep, other addresses, broken connections, impostors."""

import plistlib
import socket
import ssl
import struct
import sys
from collections.abc import Callable
from typing import Any, Self

import pytest

from ibackup.base.tls_wrapping import wrapped
from ibackup.simulator.faults import WirelessBreak
from ibackup.simulator.on_the_air import WIRELESS_DOMAIN, OnTheAir
from ibackup.simulator.server import Server
from ibackup.simulator.spec import PhoneSpec, Trust
from ibackup.simulator.virtual_phone import VirtualPhone
from ibackup.simulator.wireless_spec import Impostor, WirelessSpec

Serving = Callable[..., Server]
HERE = "127.0.0.1"


class Client:
    """One connection to lockdownd."""

    def __init__(self, air: OnTheAir, timeout: float = 60.0) -> None:
        self.wire = socket.create_connection(air.address, timeout)

    def ask(self, request: str, **more: object) -> dict[str, Any]:
        """One question; an end of the connection is a ConnectionError."""
        data = plistlib.dumps({"Request": request, **more})
        self.wire.sendall(struct.pack(">I", len(data)) + data)
        answer: dict[str, Any] = plistlib.loads(self.read(struct.unpack(">I", self.read(4))[0]))
        return answer

    def read(self, size: int) -> bytes:
        found = b""
        while len(found) < size:
            more = self.wire.recv(size - len(found))
            if not more:
                raise ConnectionResetError("the end")
            found += more
        return found

    def start_session(self, phone: VirtualPhone) -> dict[str, Any]:
        record = phone.trust.record
        assert record is not None
        answer = self.ask("StartSession", HostID=record["HostID"], SystemBUID=record["SystemBUID"])
        if answer.get("EnableSessionSSL"):
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            secure = wrapped(context, self.wire)
            self.wire = secure
            secure.do_handshake()
        return answer

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.wire.close()


def on_the_air(serving: Serving, spec: PhoneSpec) -> tuple[VirtualPhone, OnTheAir]:
    phone = VirtualPhone(spec)
    return phone, serving(phone).put_on_the_air(phone, announcing=False)


def spec(impostor: Impostor = "", **more: object) -> PhoneSpec:
    on = {(WIRELESS_DOMAIN, "EnableWifiConnections"): True}
    wireless = WirelessSpec(address=HERE, port=0, impostor=impostor)
    return PhoneSpec(lockdown=on, wireless=wireless, **more)  # type: ignore[arg-type]


def test_it_is_there_while_wifi_is_switched_on(serving: Serving) -> None:
    phone, air = on_the_air(serving, PhoneSpec(wireless=WirelessSpec(address=HERE, port=0)))
    assert "EnableWifiConnections" not in phone.domain(WIRELESS_DOMAIN)
    with pytest.raises(ConnectionRefusedError):
        Client(air)
    phone.set_value(WIRELESS_DOMAIN, "EnableWifiConnections", True)
    air.wake()  # returns when what was asked before is done
    with Client(air) as client:
        assert client.ask("QueryType")["Type"] == "com.apple.mobile.lockdown"
        assert client.ask("Pair")["Error"] == "PairingProhibitedOverThisConnection"
        phone.set_value(WIRELESS_DOMAIN, "EnableWifiConnections", False)
        assert client.wire.recv(1) == b""
    with pytest.raises(ConnectionRefusedError):
        Client(air)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux leaves a full queue unanswered")
def test_asleep_it_is_silent_and_awake_it_has_hung_up(serving: Serving) -> None:
    _, air = on_the_air(serving, spec())
    with Client(air) as client:
        client.ask("QueryType")
        air.sleep()
        with pytest.raises(TimeoutError):
            Client(air, 0.2)
        client.wire.settimeout(0.2)
        with pytest.raises(TimeoutError):
            client.ask("QueryType")
        air.wake()
        client.wire.settimeout(60)
        with pytest.raises(ConnectionResetError):
            client.read(1)
    with Client(air) as client:
        client.ask("QueryType")
        air.move("127.0.0.2")
        assert air.address[0] == "127.0.0.2"
        client.wire.settimeout(0.2)
        with pytest.raises(TimeoutError):
            client.ask("QueryType")
    with Client(air) as client:
        client.ask("QueryType")


@pytest.mark.parametrize("at", ["QueryType", "StartSession", "TLS", "first read"])
def test_a_connection_breaks_where_it_is_told_to(serving: Serving, at: Any) -> None:
    phone, air = on_the_air(serving, spec(faults=(WirelessBreak(at=at, times=1),)))
    reached = []

    def talk(client: Client) -> None:
        for name, step in (
            ("QueryType", lambda: client.ask("QueryType")),
            ("StartSession", lambda: client.start_session(phone)),
            ("first read", lambda: client.read(1)),
        ):
            reached.append(name)
            step()

    with Client(air) as client, pytest.raises(ConnectionResetError):
        talk(client)
    assert reached[-1] == ("StartSession" if at == "TLS" else at)
    with Client(air) as client:
        assert "Error" not in client.start_session(phone)


@pytest.mark.parametrize("impostor", ["key", "plain", "udid"])
def test_an_impostor_answers_in_its_place(serving: Serving, impostor: Impostor) -> None:
    phone, air = on_the_air(serving, spec(impostor))
    record = phone.trust.record
    assert record is not None
    with Client(air) as client:
        assert client.start_session(phone)["EnableSessionSSL"] is (impostor != "plain")
        if isinstance(client.wire, ssl.SSLSocket):
            shown = ssl.DER_cert_to_PEM_cert(client.wire.getpeercert(binary_form=True) or b"").encode()
            assert (shown == record["DeviceCertificate"]) is (impostor == "udid")
        if impostor != "udid":  # which has the right key, and so wants the computer's certificate
            assert client.ask("GetValue", Key="UniqueDeviceID")["Value"] == phone.udid


def test_a_pairing_that_was_not_used_for_30_days_is_gone(serving: Serving) -> None:
    phone, air = on_the_air(serving, spec(trust=Trust(unused_days=31)))
    with Client(air) as client:
        assert client.start_session(phone)["Error"] == "InvalidHostID"
