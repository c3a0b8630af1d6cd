"""Trust between the phone and computers: keys, certificates, pair records, and the Trust dialog.

The RSA keys are made once per process, because making one takes tens of milliseconds. They are the only
part of a virtual iPhone that does not follow from its seed.
"""

import datetime as dt
import functools
import hashlib
import os
import plistlib
import ssl
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from ibackup.simulator.spec import CertificateKind, PhoneSpec

EXPIRES_AFTER_DAYS: Final = 30
"""A phone forgets a pairing that was not used for longer."""

SYSTEM_BUID: Final = str(uuid.uuid5(uuid.NAMESPACE_DNS, "virtual-usbmuxd.invalid")).upper()
"""The SystemBUID of the virtual usbmuxd; it identifies this computer."""


class TrustRefusal(Exception):
    """The phone refuses.

    Attributes:
        error: lockdown's error string.
    """

    def __init__(self, error: str) -> None:
        super().__init__(error)
        self.error = error


@dataclass(frozen=True)
class Pairing:
    """What the phone stores about one trusted computer.

    Attributes:
        host_id: the computer's HostID.
        escrow_bag: what the computer presents to reach a locked phone's data.
        tls: the phone's side of TLS; it accepts only this computer's client certificates.
    """

    host_id: str
    escrow_bag: bytes
    tls: ssl.SSLContext


@functools.cache
def _key(owner: str) -> rsa.RSAPrivateKey:
    """The phones' key ("device"), one of the virtual usbmuxd's two ("host", "root"), or a stranger's ("impostor")."""
    del owner  # used only as the cache key
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def device_public_key() -> bytes:
    """The phone's public key as lockdown sends it: PEM, PKCS #1."""
    return (
        _key("device").public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.PKCS1)
    )


def pair_record(spec: PhoneSpec) -> dict[str, object]:
    """The virtual usbmuxd's pair record of a phone that already trusts it."""
    root, device, host = _certificates(spec.udid)
    return {
        "DeviceCertificate": device,
        "EscrowBag": escrow_bag(spec),
        "HostCertificate": host,
        "HostID": str(uuid.uuid5(uuid.NAMESPACE_DNS, spec.udid)).upper(),
        "HostPrivateKey": _private_pem(_key("host")),
        "RootCertificate": root,
        "RootPrivateKey": _private_pem(_key("root")),
        "SystemBUID": SYSTEM_BUID,
        "UDID": spec.udid,
        "WiFiMACAddress": spec.wifi_address,
    }


def escrow_bag(spec: PhoneSpec) -> bytes:
    """The 32 bytes with which a trusted computer reaches a locked phone's data."""
    return hashlib.sha256(f"escrow {spec.seed} {spec.udid}".encode()).digest()


def _private_pem(key: rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )


@functools.cache
def _certificates(udid: str) -> tuple[bytes, bytes, bytes]:  # noqa: ARG001 - each phone has its own
    """Root, device and host certificates. They are made once, so that a recreated phone still knows the computer."""
    return (
        _certificate(_key("root").public_key(), authority=True),
        _certificate(_key("device").public_key()),
        _certificate(_key("host").public_key()),
    )


def _certificate(public_key: rsa.RSAPublicKey, *, authority: bool = False) -> bytes:
    """A certificate like those in pair records (without any names), issued by the virtual usbmuxd's root."""
    now = dt.datetime.now(dt.UTC)
    nobody = x509.Name([])
    builder = (
        x509.CertificateBuilder(nobody, nobody, public_key, 1 if authority else x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=3650))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    )
    if not authority:
        usage = dict.fromkeys(_KEY_USAGES, False) | {"digital_signature": True, "key_encipherment": True}
        builder = builder.add_extension(x509.KeyUsage(**usage), critical=True)
    return builder.sign(_key("root"), hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


_KEY_USAGES = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
)


def _server_context(
    certificate: bytes, *, trusted: Iterable[bytes] | None, owner: str = "device", newest: str = "1.3"
) -> ssl.SSLContext:
    """TLS as a phone speaks it: it allows old versions and weak hashes; clients must present a trusted certificate.

    Args:
        certificate: of the owner's key, in PEM.
        trusted: the certificates that it accepts; None: it asks for none.
        owner: whose key it is.
        newest: the newest version of TLS.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("ALL:!aNULL:!eNULL:@SECLEVEL=0")
    context.verify_mode = ssl.CERT_NONE if trusted is None else ssl.CERT_REQUIRED
    # The certificates in pair records have no names. OpenSSL therefore cannot distinguish the issuer from the
    # issued and finds no chain from the host's to the root, so each certificate is trusted separately.
    context.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN
    for each in trusted or ():
        context.load_verify_locations(cadata=each.decode("ascii"))
    context.num_tickets = (
        0  # nobody resumes, and a ticket sent to a client that just left causes a broken pipe
    )
    # Old clients exist. Naming the old version would cause a warning.
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    if newest == "1.2":
        context.maximum_version = ssl.TLSVersion.TLSv1_2
    with tempfile.TemporaryDirectory(prefix="virtual-iphone-") as folder:
        path = os.path.join(folder, "device.pem")  # load_cert_chain accepts only files
        with open(path, "wb") as file:
            file.write(certificate + b"\n" + _private_pem(_key(owner)))
        context.load_cert_chain(path)
    return context


class TrustBook:
    """Which computers the phone trusts, and what the Trust dialog does; safe to use from every thread."""

    def __init__(self, spec: PhoneSpec) -> None:
        self._spec = spec
        self._lock = threading.Lock()
        self._pairings: dict[str, Pairing] = {}
        self._dialog_since: float | None = None
        self.answer = spec.trust
        """What the owner does about the next dialog; can be set."""
        self.record: dict[str, object] | None = None
        """For a phone that is already trusted: the pair record that usbmuxd has from the start."""
        self.keep: Callable[[Mapping[str, object]], None] = lambda _: None
        """Stores, in usbmuxd, the record of a pairing that usbmuxd made itself."""
        if spec.trust.kind == "trusted":
            self.record = self._pair_usbmuxd()
        if spec.trust.unused_days > EXPIRES_AFTER_DAYS:
            self._pairings.clear()

    def find(self, host_id: object) -> Pairing | None:
        """The pairing with that HostID; None if the phone does not know the computer."""
        with self._lock:
            return self._pairings.get(host_id) if isinstance(host_id, str) else None

    def host_ids(self) -> list[str]:
        """HostID of each computer that the phone trusts, the oldest first."""
        with self._lock:
            return list(self._pairings)

    def impostor_tls(self) -> ssl.SSLContext:
        """TLS of something in the phone's place: with another key, and for every computer."""
        certificate = _certificate(_key("impostor").public_key())
        return _server_context(
            certificate, trusted=None, owner="impostor", newest=self._spec.wireless.newest_tls
        )

    def forget(self, host_id: object) -> bool:
        """Stop trusting that computer; False if it was never trusted."""
        with self._lock:
            return isinstance(host_id, str) and self._pairings.pop(host_id, None) is not None

    def forget_all(self) -> None:
        """Reset Location & Privacy: no computer is trusted any more."""
        with self._lock:
            self._pairings.clear()
            self._dialog_since = None

    def pair(self, record: object) -> Pairing:
        """Pair with the computer that this record (certificates, HostID) belongs to, if the owner allows it.

        Raises:
            LockdownRefusal: the dialog is on screen or was answered with Don't Trust, or the record is
                invalid.
        """
        if not isinstance(record, Mapping):
            raise TrustRefusal("MissingPairRecord")
        pairing = self._examine(record)
        if self.find(pairing.host_id) is None:
            self._ask()
        return self._admit(pairing)

    def _pair_usbmuxd(self) -> dict[str, object]:
        """Trust the virtual usbmuxd's own pairing; return the record as usbmuxd stores it."""
        record = pair_record(self._spec)
        self._pairings[str(record["HostID"])] = self._examine(record)
        return record | {
            "DeviceCertificate": _as_kept(record["DeviceCertificate"], self._spec.trust.certificate)
        }

    def _ask(self) -> None:
        """Show the dialog; return when Trust was tapped."""
        with self._lock:
            kind = self.answer.kind
            if self._dialog_since is None:
                self._dialog_since = time.monotonic()
                raise TrustRefusal("PairingDialogResponsePending")
            if kind == "pending" or time.monotonic() < self._dialog_since + self.answer.delay_s:
                raise TrustRefusal("PairingDialogResponsePending")
            if self.answer.usbmuxd_pairs:
                self.answer = replace(self.answer, kind="pending", usbmuxd_pairs=False)
                self.keep(self._pair_usbmuxd())
                raise TrustRefusal("PairingDialogResponsePending")
            self._dialog_since = None
            if kind == "denied":
                raise TrustRefusal("UserDeniedPairing")

    def _examine(self, record: Mapping[str, object]) -> Pairing:
        """Check the record before anyone is asked; return the pairing that it makes."""
        host_id = record.get("HostID")
        if not isinstance(host_id, str) or not host_id:
            raise TrustRefusal("MissingHostID")
        names = ("DeviceCertificate", "HostCertificate", "RootCertificate")
        device, host, root = (_bytes(record.get(name)) for name in names)
        try:
            # Checks that the certificate is for the phone's key. OpenSSL reads the certificates, because
            # some clients use serial number 0 and stricter libraries reject that.
            context = _server_context(device, trusted=(host, root), newest=self._spec.wireless.newest_tls)
        except (ssl.SSLError, ValueError) as error:
            raise TrustRefusal("InvalidPairRecord") from error
        return Pairing(host_id, escrow_bag(self._spec), context)

    def _admit(self, pairing: Pairing) -> Pairing:
        with self._lock:
            self._pairings[pairing.host_id] = pairing
        return pairing


def _as_kept(certificate: object, kind: CertificateKind) -> bytes:
    """A certificate (PEM) in the form in which other programs were seen to store it."""
    before = b"Bag Attributes: <No Attributes>\n" if kind == "text_before" else b""
    return before + _bytes(certificate) + (b"\0" if kind == "nul_after" else b"")


def _bytes(value: object) -> bytes:
    return value if isinstance(value, bytes) else b""


def dump_record(record: Mapping[str, object]) -> bytes:
    """A pair record as usbmuxd stores it."""
    return plistlib.dumps(dict(record))
