"""The pairing of this computer with a phone, and the TLS that rests on it.

A pair record holds certificates and private keys; its repr shows none of them, and nothing here logs.
"""

import contextlib
import os
import plistlib
import socket
import ssl
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field

from ibackup.device import values
from ibackup.device.usbmux import ConnectionKind
from ibackup.device.values import Values
from ibackup.errors import ConnectionLost, IbackupError, ProtocolBroken
from ibackup.events import Caution, Observer

_HANDSHAKE_SECONDS = 30.0
_LEGACY_SERVER_CONNECT = 0x4  # OP_LEGACY_SERVER_CONNECT has no name before Python 3.12


@dataclass(frozen=True, slots=True)
class PairRecord:
    """What this computer and a phone keep of each other. Certificates and keys are PEM.

    Attributes:
        host_id: this computer's name in the phone's list of trusted computers.
        system_buid: usbmuxd's identity of this computer.
        escrow_bag: what lets services start while the phone is locked; every backup needs it.
    """

    host_id: str
    system_buid: str
    device_certificate: bytes = field(repr=False)
    host_certificate: bytes = field(repr=False)
    host_key: bytes = field(repr=False)
    root_certificate: bytes = field(repr=False)
    root_key: bytes = field(repr=False)
    escrow_bag: bytes | None = field(repr=False, default=None)
    wifi_address: str | None = None

    @classmethod
    def parse(cls, data: bytes) -> "PairRecord | None":
        """Read usbmuxd's stored record; None when it cannot serve (then the phone is paired again).

        Certificates and keys may be missing or damaged: a phone that wants no TLS does not need them.
        """
        try:
            record = values.load_dict(data, "usbmuxd")
        except ProtocolBroken:
            return None  # a damaged record is as good as none
        host_id = values.text(record, "HostID")
        if host_id is None:
            return None
        return cls(
            host_id=host_id,
            system_buid=values.text(record, "SystemBUID") or "",
            device_certificate=values.data(record, "DeviceCertificate") or b"",
            host_certificate=values.data(record, "HostCertificate") or b"",
            host_key=values.data(record, "HostPrivateKey") or b"",
            root_certificate=values.data(record, "RootCertificate") or b"",
            root_key=values.data(record, "RootPrivateKey") or b"",
            escrow_bag=values.data(record, "EscrowBag"),
            wifi_address=values.text(record, "WiFiMACAddress"),
        )

    def public_part(self) -> Values:
        """What a Pair request tells the phone: no private key."""
        return {
            "DeviceCertificate": self.device_certificate,
            "HostCertificate": self.host_certificate,
            "HostID": self.host_id,
            "RootCertificate": self.root_certificate,
            "SystemBUID": self.system_buid,
        }

    def dump(self, udid: str) -> bytes:
        """The record as usbmuxd stores it."""
        record: dict[str, object] = {
            **self.public_part(),
            "HostPrivateKey": self.host_key,
            "RootPrivateKey": self.root_key,
            "UDID": udid,
        }
        if self.escrow_bag is not None:
            record["EscrowBag"] = self.escrow_bag
        if self.wifi_address is not None:
            record["WiFiMACAddress"] = self.wifi_address
        return plistlib.dumps(record)


class HostTls:
    """TLS towards one phone: our certificate shown, the phone's key compared with the pairing.

    Phones' certificates chain to nothing, so no chain is checked; what proves the phone is its key. Another key
    over the network is an impostor and refused. Over the cable somebody would have to swap the phone, and the
    user is told.

    Args:
        record: the pairing; of one whose certificates or keys cannot serve every handshake fails.
        connection: how the phone is reached.
        noun: what messages call it.
        observer: is told of another key.
        old: the phone is older than iOS 10, and may know no newer TLS than 1.0.
    """

    def __init__(
        self,
        record: PairRecord,
        connection: ConnectionKind,
        noun: str,
        observer: Observer,
        *,
        old: bool = False,
    ) -> None:
        self._expected = _public_key(record.device_certificate)
        self.context: ssl.SSLContext | None = None
        if self._expected is not None:
            with contextlib.suppress(ssl.SSLError, ValueError):
                self.context = _context(record, old=old)
        self._connection = connection
        self._noun = noun
        self._observer = observer
        self._warned = False

    def wrap(self, sock: socket.socket, seconds: float = _HANDSHAKE_SECONDS) -> ssl.SSLSocket:
        """Do the handshake on a connected socket, within so many seconds; it is closed if that fails.

        Raises:
            ConnectionLost: the handshake failed.
            ProtocolBroken: another phone's key, over the network.
        """
        sock.settimeout(min(seconds, _HANDSHAKE_SECONDS))
        try:
            if self.context is None:
                raise ssl.SSLError("the stored pairing is damaged")
            wrapped = self.context.wrap_socket(sock)
        except OSError as error:  # ssl.SSLError is one
            sock.close()
            raise ConnectionLost(
                f"No secure connection to the {self._noun} came about.",
                why=f"({_reason(error)})",
                hint="Disconnect it, connect it again and try again.",
            ) from error
        try:
            self.check_peer(wrapped.getpeercert(binary_form=True))
            wrapped.settimeout(None)
        except BaseException:
            wrapped.close()
            raise
        return wrapped

    def check_peer(self, certificate: bytes | None) -> None:
        """Compare the key of the phone's certificate (DER) with the pairing's."""
        if certificate is not None and _public_key(certificate) == self._expected:
            return
        if self._connection == "Network":
            raise ProtocolBroken(
                f"What answers over the network is not the {self._noun} that this computer was paired with.",
                why="Its key is another one.",
                hint=f"Connect the {self._noun} with a cable.",
            )
        if not self._warned:
            self._warned = True
            self._observer(
                Caution(
                    f"The {self._noun} shows another key than when this computer was paired with it.",
                    f"If it was not just erased or repaired, check that it is the right {self._noun}.",
                )
            )


def _context(record: PairRecord, *, old: bool) -> ssl.SSLContext:
    """A client context that shows the pairing's certificate.

    Raises:
        ssl.SSLError: the certificate and the key do not fit, or cannot be read.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # see HostTls: the key is compared instead
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED if old else ssl.TLSVersion.TLSv1_2
    try:
        context.set_ciphers("ALL:!aNULL:!eNULL:@SECLEVEL=0")  # old pairings are signed with SHA-1
    except ssl.SSLError:
        context.set_ciphers("ALL:!aNULL:!eNULL")  # LibreSSL has no security levels
    context.options |= _LEGACY_SERVER_CONNECT
    _load_identity(context, record)
    return context


def _load_identity(context: ssl.SSLContext, record: PairRecord) -> None:
    """OpenSSL reads an identity from files only: from one in memory, or else one of our own, gone again at once."""
    with _file_with(record.host_certificate + b"\n" + record.host_key) as path:
        # The password callback keeps OpenSSL from asking on the terminal.
        context.load_cert_chain(path, password=lambda: b"")


@contextlib.contextmanager
def _file_with(content: bytes) -> Iterator[str]:
    """The path of a file that nobody else can read, for the length of the block."""
    if hasattr(os, "memfd_create") and os.path.isdir("/proc/self/fd"):
        descriptor = os.memfd_create("ibackup")
        try:
            os.write(descriptor, content)
            yield f"/proc/self/fd/{descriptor}"
        finally:
            os.close(descriptor)
        return
    try:
        descriptor, path = tempfile.mkstemp(prefix="ibackup-", suffix=".pem")  # 0600
    except OSError as error:
        raise _no_temporary_file(error) from error
    try:
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
        except OSError as error:
            raise _no_temporary_file(error) from error
        yield path
    finally:
        os.unlink(path)


def _no_temporary_file(error: OSError) -> IbackupError:
    return IbackupError(
        "A temporary file could not be written, and without one there is no secure connection to the phone.",
        why=f"({error.strerror or error})",
        hint="Free some room in the folder for temporary files, or set TMPDIR to another one.",
    )


def make(public_key: bytes, system_buid: str, wifi_address: str | None) -> PairRecord:
    """A new pairing for a phone with this public key (PEM), not yet known to the phone.

    Raises:
        ProtocolBroken: the key is none.
    """
    import uuid

    from pymobiledevice3.ca import generate_pairing_cert_chain

    try:
        host_cert, host_key, device_cert, root_cert, root_key = generate_pairing_cert_chain(public_key)
    except (ValueError, TypeError, AttributeError) as error:  # AttributeError: a key that is not RSA
        raise ProtocolBroken("The phone gave a public key that cannot be read.") from error
    return PairRecord(
        host_id=str(uuid.uuid4()).upper(),
        system_buid=system_buid,
        device_certificate=device_cert,
        host_certificate=host_cert,
        host_key=host_key,
        root_certificate=root_cert,
        root_key=root_key,
        wifi_address=wifi_address,
    )


def _public_key(certificate: bytes) -> bytes | None:
    """The public key of a certificate (PEM or DER) as it stands there; None when it cannot be read.

    Read by hand, because the certificates of many pairings break a rule (their serial number is 0) for which
    stricter libraries refuse them.
    """
    try:
        der = (
            ssl.PEM_cert_to_DER_cert(certificate.decode("ascii")) if certificate[:1] == b"-" else certificate
        )
        signed = _children(_children(der)[0])
        # version (tagged, may be absent), serial, algorithm, issuer, validity, subject, key
        return signed[6 if signed[0][:1] == b"\xa0" else 5]
    except (ValueError, IndexError):
        return None


def _children(der: bytes) -> list[bytes]:
    """The elements inside the first DER element, each with its own header.

    Raises:
        ValueError: a length points outside.
        IndexError: cut off.
    """
    at, end = _content(der, 0)
    children = []
    while at < end:
        _start, stop = _content(der, at)
        children.append(der[at:stop])
        at = stop
    return children


def _content(der: bytes, at: int) -> tuple[int, int]:
    """Where the content of the element at this offset starts and ends."""
    length, start = der[at + 1], at + 2
    if length >= 0x80:
        width = length & 0x7F
        length, start = int.from_bytes(der[start : start + width], "big"), start + width
    if start + length > len(der):
        raise ValueError("a length points outside the certificate")
    return start, start + length


def _reason(error: OSError) -> str:
    return str(getattr(error, "reason", None) or error.strerror or error)
