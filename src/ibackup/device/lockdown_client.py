"""pymobiledevice3's lockdown client, with our own transport, pairing and limits.

The one module that is built on pymobiledevice3's classes. Only ``lockdown`` imports it, when a phone is talked to.
"""

import asyncio
import logging
import ssl
from collections.abc import Callable
from socket import socket
from typing import Any

from ibackup.device import values
from ibackup.device.deferred import deferred
from ibackup.device.pairing import HostTls, PairRecord
from ibackup.device.values import Values

with deferred("questionary", "requests"):
    from pymobiledevice3.exceptions import (
        ConnectionTerminatedError,
        IncorrectModeError,
        InvalidConnectionError,
        InvalidHostIDError,
        ProtocolError,
    )
    from pymobiledevice3.lockdown import LockdownClient
    from pymobiledevice3.service_connection import ServiceConnection, build_plist

LOCKDOWN_PORT = 62078

# Its log holds device identifiers and whole answers; users get our errors instead.
logging.getLogger("pymobiledevice3").addHandler(logging.NullHandler())
logging.getLogger("pymobiledevice3").propagate = False


class BoundedConnection(ServiceConnection):
    """A connection that believes no length above a sane one and parses plists within bounds."""

    max_frame_size = values.LARGEST_PLIST

    async def recvall(self, size: int) -> bytes:
        """Read exactly so many bytes."""
        if size > self.max_frame_size:
            raise ProtocolError
        return await super().recvall(size)

    async def send_recv_plist(self, data: Any, endianity: str = ">", fmt: Any = None) -> dict[str, Any]:
        """One request and its answer."""
        del fmt  # lockdownd is always spoken to in XML
        answer = await self.send_recv_prefixed(build_plist(data, endianity), endianity)
        return dict(values.load_dict(answer, "The phone"))


class Client(LockdownClient):
    """Lockdown through our own usbmux sockets and pair records; nothing is read from or written to a home folder.

    Args:
        service: a connection to the phone's lockdown port.
        dial: opens a blocking stream to one of the phone's ports.
        label: what the requests call this program.
    """

    def __init__(self, service: BoundedConnection, dial: Callable[[int], socket], label: str) -> None:
        super().__init__(service, host_id="", label=label, port=LOCKDOWN_PORT)
        self._dial = dial
        self._record: PairRecord | None = None
        self._tls: HostTls | None = None

    @property
    def product_version(self) -> str:
        """A version that parses, whatever the phone says; what depends on it here starts with iOS 7."""
        return "18.0"

    async def create_service_connection(
        self, port: int, ssl_context: ssl.SSLContext | None = None, strip_ssl: bool = False
    ) -> ServiceConnection:
        """A new connection to lockdownd, after one was lost."""
        del ssl_context, strip_ssl  # for services, which do not start here
        return await open_connection(self._dial, port)

    async def fetch_pair_record(self) -> None:
        """Pair records come from ``start_session`` alone."""

    async def save_pair_record(self) -> None:
        """Pair records are stored by the caller, with usbmuxd."""

    async def greet(self) -> Values:
        """Make sure that this is lockdownd; gives what it says before any trust."""
        if await self.query_type() != "com.apple.mobile.lockdown":
            raise IncorrectModeError
        return await self.everything()

    async def everything(self) -> Values:
        """The whole default domain."""
        self.all_values = dict(values.mapping(await self.get_value()) or values.NOTHING)
        self.product_type = values.text(
            self.all_values, "ProductType"
        )  # where the base class looks for the model
        return self.all_values

    async def start_session(self, record: PairRecord, tls: HostTls) -> bool:
        """Prove the pairing and go on in TLS; False when the phone does not know it (any more)."""
        self._record, self._tls = record, tls
        # Requests look at this to decide whether a lost connection needs its session again.
        self.pair_record = {"HostID": record.host_id}
        if record.escrow_bag is not None:
            self.pair_record["EscrowBag"] = record.escrow_bag
        return await self.validate_pairing()

    async def validate_pairing(self) -> bool:
        """The session itself; also called by the base class after it had to connect anew."""
        if self._record is None or self._tls is None:
            return False
        host = {"HostID": self._record.host_id, "SystemBUID": self._record.system_buid}
        try:
            answer = await self._request("StartSession", host)
        except (InvalidHostIDError, InvalidConnectionError):
            return False
        self.session_id = answer.get("SessionID")
        try:
            if answer.get("EnableSessionSSL"):
                await self.service.start_tls(self._tls.context)
                self._tls.check_peer(_peer_certificate(self.service))
            self.paired = True
            # Under TLS 1.3 a rejected certificate shows only in the first answer.
            await self.everything()
        except ConnectionTerminatedError:
            if self._reestablishing_connection:
                raise
            # A phone that was told to forget this computer ends the handshake.
            self._record = self.pair_record = None
            self.paired = False
            await self.areestablish_connection()
            return False
        return True

    async def request_pair(self, record: PairRecord, host_name: str) -> bytes | None:
        """Ask once to be trusted; gives the escrow bag. The answers "locked" and "dialog pending" are errors."""
        answer = await self._request(
            "Pair",
            {
                "HostName": host_name,
                "PairRecord": record.public_part(),
                "ProtocolVersion": "2",
                "PairingOptions": {"ExtendedPairingErrors": True},
            },
        )
        if answer.get("Error") is not None:  # the base class passes a supervisor's challenge through
            raise RefusedPair(str(answer["Error"]))
        return values.data(answer, "EscrowBag")


class RefusedPair(Exception):
    """Lockdownd's answer to Pair is an error the base class does not raise; its text is the argument."""


async def open_connection(dial: Callable[[int], socket], port: int) -> BoundedConnection:
    """A connection to one of the phone's ports, bound to the running loop."""
    connection = await BoundedConnection.from_socket(dial(port))
    if not isinstance(connection, BoundedConnection):
        raise TypeError("from_socket gave another class")
    return connection


async def close(client: Client) -> None:
    """Close the connection and let the loop forget it."""
    await client.close()
    await asyncio.sleep(0)


def _peer_certificate(service: ServiceConnection) -> bytes | None:
    tls = service.writer.get_extra_info("ssl_object")
    if not isinstance(tls, ssl.SSLObject):
        return None
    try:
        return tls.getpeercert(binary_form=True)
    except ValueError as error:  # the phone ended the handshake after our side of it was done
        raise ConnectionTerminatedError from error
