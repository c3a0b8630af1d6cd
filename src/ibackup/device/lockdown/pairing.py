"""The pairing of this computer with a phone, and TLS with its keys.

A pair record contains certificates and private keys. Its repr shows none of them, and nothing here logs.
"""

import contextlib
import hashlib
import os
import plistlib
import re
import socket
import ssl
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field

from ibackup.apple import plist_values
from ibackup.apple.plist_values import Values
from ibackup.base import slices
from ibackup.base.errors import ConnectionLost, IbackupError, PersonNeeded, ProtocolBroken
from ibackup.base.events import Caution, Observer
from ibackup.base.tls_wrapping import wrapped as wrapped_in_tls
from ibackup.device.mux.usbmux import ConnectionKind

_LEGACY_SERVER_CONNECT = 0x4  # OP_LEGACY_SERVER_CONNECT has no name before Python 3.12


@dataclass(frozen=True, slots=True)
class PairRecord:
    """What this computer and a phone remember of each other. Certificates and keys are PEM.

    Attributes:
        host_id: this computer's name in the phone's list of trusted computers.
        system_buid: usbmuxd's identity of this computer.
        escrow_bag: lets services start while the phone is locked; every backup needs it.
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
        """Read usbmuxd's stored record; None if it cannot be used (then the phone is paired again).

        Certificates and keys may be missing or damaged: a phone that does not want TLS does not need them.
        """
        try:
            record = plist_values.load_dict(data, "usbmuxd")
        except ProtocolBroken:
            return None  # a damaged record counts as none
        host_id = plist_values.text(record, "HostID")
        if host_id is None:
            return None
        return cls(
            host_id=host_id,
            system_buid=plist_values.text(record, "SystemBUID") or "",
            device_certificate=_pem(record, "DeviceCertificate"),
            host_certificate=_pem(record, "HostCertificate"),
            host_key=_pem(record, "HostPrivateKey"),
            root_certificate=_pem(record, "RootCertificate"),
            root_key=_pem(record, "RootPrivateKey"),
            escrow_bag=plist_values.data(record, "EscrowBag"),
            wifi_address=plist_values.text(record, "WiFiMACAddress"),
        )

    def public_part(self) -> Values:
        """What a Pair request contains: no private key."""
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


_PEM_BLOCK = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----.*?-----END \1-----", re.DOTALL)


def _pem(record: Values, key: str) -> bytes:
    """A certificate or key. Some programs store text before the PEM block, or a NUL after it."""
    stored = plist_values.data(record, key) or b""
    block = _PEM_BLOCK.search(stored)
    return stored if block is None else block[0] + b"\n"


class OtherKey(PersonNeeded):
    """This is not the phone that we know: another device, or that phone after it was set up again."""

    lasting = True


def other_key(noun: str, why: str) -> OtherKey:
    """The error for a phone that does not prove to be the one we know."""
    return OtherKey(
        f"This is not the {noun} that was backed up before, or it was erased and set up again.",
        why=why,
        hint="If it was erased or repaired, say so once, with no other phone connected: `ibackup now --new-key`, or "
        f"`ibackup restore --new-key`. If not, disconnect it: something else is connected in the {noun}'s "
        f"place. ibackup sent it no file.",
    )


def forgotten(noun: str) -> OtherKey:
    """The error for a phone that rejects the stored pairing, although it reports the same key."""
    return OtherKey(
        f"The {noun} no longer knows this computer.",
        why="Someone made it forget this computer, or the stored pairing is damaged.",
        hint="`ibackup now --new-key` pairs with it again; then tap Trust on it. Its backups are unchanged.",
    )


class HostTls:
    """TLS with one phone: we show our certificate, and compare the phone's key with the pairing.

    A phone's certificate has no chain that could be checked; its key proves the phone. A different key is an
    impostor's, or the phone's after it was erased, and is refused. A pairing from which the phone's key cannot be
    read is only used over a cable.

    Args:
        record: the pairing; if its own certificate or key cannot be used, every handshake fails.
        connection: how the phone is reached.
        noun: what messages call it.
        observer: gets a warning if a key could not be compared.
        old: the phone has an iOS older than 10, which may not know a TLS newer than 1.0.

    Attributes:
        proved: SHA-256, in hex digits, of the key that the phone proved to have; empty before the handshake.
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
        self.proved = ""
        self._expected = _public_key(record.device_certificate)
        self.context: ssl.SSLContext | None = None
        with contextlib.suppress(ssl.SSLError, ValueError):
            self.context = _context(record, old=old)
        self._connection = connection
        self._noun = noun
        self._observer = observer
        self._warned = False

    @property
    def must_prove(self) -> bool:
        """Whether the phone has a key to prove, so that TLS is mandatory."""
        return self._expected is not None

    def wrap(self, sock: socket.socket, seconds: float) -> ssl.SSLSocket:
        """Do the handshake on a connected socket within a time limit. The socket is closed if that fails.

        Raises:
            ConnectionLost: the handshake failed.
            ProtocolBroken: it is another phone's key, over the network.
            OtherKey: the same over a cable.
        """
        try:
            if self.context is None:
                raise ssl.SSLError("the stored pairing is damaged")
            wrapped = _shake_hands(self.context, sock, seconds)
        except OSError as error:  # ssl.SSLError is one
            sock.close()
            raise ConnectionLost(
                f"ibackup could not make a secure connection to the {self._noun}.",
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
        key = None if certificate is None else _public_key(certificate)
        self.proved = _hashed(key)
        if key is not None and key == self._expected:
            return
        if self._connection != "USB":
            raise ProtocolBroken(
                f"What answers over the network is not the {self._noun} that this computer was paired with.",
                why="Its key is different.",
                hint=f"Connect the {self._noun} with a cable.",
            )
        if self.must_prove:
            raise other_key(self._noun, "It shows a different key.")
        if not self._warned:
            self._warned = True
            self._observer(
                Caution(
                    f"The stored pairing lacks the {self._noun}'s key, so ibackup could not compare it.",
                    f"Check that it is the right {self._noun}.",
                )
            )


def _shake_hands(context: ssl.SSLContext, sock: socket.socket, seconds: float) -> ssl.SSLSocket:
    """Do the handshake. Raises OSError: TimeoutError if it takes longer than ``seconds``."""
    with contextlib.ExitStack() as opened:
        wrapped = opened.enter_context(wrapped_in_tls(context, sock))
        for each in slices.of(seconds):
            wrapped.settimeout(each)
            try:
                wrapped.do_handshake()
            except TimeoutError:
                continue
            opened.pop_all()
            return wrapped
    raise TimeoutError("the handshake took too long")


def _context(record: PairRecord, *, old: bool) -> ssl.SSLContext:
    """A client context that shows the pairing's certificate.

    Raises:
        ssl.SSLError: the certificate and the key do not match, or cannot be read.
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
    """Load our identity.

    OpenSSL reads it only from files: from one in memory, or else from a private file that is removed at once.
    """
    with _file_with(record.host_certificate + b"\n" + record.host_key) as path:
        # The password callback keeps OpenSSL from asking on the terminal.
        context.load_cert_chain(path, password=lambda: b"")


@contextlib.contextmanager
def _file_with(content: bytes) -> Iterator[str]:
    """The path of a file that only we can read, inside the block."""
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
        hint="Free some space in the folder for temporary files, or set TMPDIR to another one.",
    )


def make(public_key: bytes, system_buid: str, wifi_address: str | None) -> PairRecord:
    """A new pairing for a phone with this public key (PEM). The phone does not know it yet.

    Raises:
        ProtocolBroken: it is not a public key.
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


def key_of(record: PairRecord) -> str:
    """SHA-256, in hex digits, of the phone's key in a pairing; empty if the pairing has none."""
    return _hashed(_public_key(record.device_certificate))


def _hashed(key: bytes | None) -> str:
    return hashlib.sha256(key).hexdigest() if key is not None else ""


def is_of_one_phone(one: PairRecord, other: PairRecord) -> bool:
    """Whether two pairings are with a phone of the same key, as far as the first one shows its key."""
    key = _public_key(one.device_certificate)
    return key is None or key == _public_key(other.device_certificate)


def _public_key(certificate: bytes) -> bytes | None:
    """The public key of a certificate (PEM or DER), as its bytes; None if it cannot be read.

    We parse it ourselves, because the certificates of many pairings break a rule (their serial number is 0), and
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
    """The elements in the first DER element, each with its header.

    Raises:
        ValueError: a length points beyond the end.
        IndexError: it is incomplete.
    """
    at, end = _content(der, 0)
    children = []
    while at < end:
        _start, stop = _content(der, at)
        children.append(der[at:stop])
        at = stop
    return children


def _content(der: bytes, at: int) -> tuple[int, int]:
    """Where the content of the element at an offset starts and ends."""
    length, start = der[at + 1], at + 2
    if length >= 0x80:
        width = length & 0x7F
        length, start = int.from_bytes(der[start : start + width], "big"), start + width
    if start + length > len(der):
        raise ValueError("a length points outside the certificate")
    return start, start + length


def _reason(error: OSError) -> str:
    return str(getattr(error, "reason", None) or error.strerror or error)
