"""Trust: the dialog accepted, late, denied, never; locked phones; pairings that were forgotten or damaged."""

import contextlib
import dataclasses
import os
import plistlib
import socket
import ssl
import subprocess
import tempfile
import threading
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from ibackup.base.errors import ConnectionLost, IbackupError, PersonNeeded, ProtocolBroken
from ibackup.base.events import Caution, Event, Prompt, PromptDone, ignore
from ibackup.base.exit_codes import ExitCode
from ibackup.device.lockdown import pairing
from ibackup.device.lockdown.pairing import HostTls, OtherKey, PairRecord
from ibackup.device.mux.usbmux import Usbmux, parse_address
from ibackup.device.phones.found_phones import find
from ibackup.device.phones.phone import open_phone
from ibackup.device.phones.recognition import Strangers
from ibackup.device.refusals import lockdown_refusals
from ibackup.simulator.faults import StartSessionError
from ibackup.simulator.server import Server
from ibackup.simulator.spec import PhoneSpec, Trust
from ibackup.simulator.virtual_phone import VirtualPhone

Serve = Callable[..., Server]

AFC = "com.apple.afc"


def asked(told: list[Event]) -> list[str]:
    """Prompts and their ends, in order: "trust?", "trust.", …."""
    return [
        f"{event.kind}{'?' if isinstance(event, Prompt) else '.'}"
        for event in told
        if isinstance(event, Prompt | PromptDone)
    ]


def other_key() -> bytes:
    """A public key, PEM as phones give it, that is not the phone's."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048).public_key()
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.PKCS1)


class Vouching(Strangers):
    """Someone who says that every phone is the right one."""

    def vouches(self, _error: IbackupError) -> bool:
        return True


def test_the_dialog_is_reported_and_waited_for(plug_in: Serve, told: list[Event]) -> None:
    phone = VirtualPhone(PhoneSpec(device_class="iPad", trust=Trust(kind="dialog", delay_s=0.3)))
    server = plug_in(phone)
    with open_phone(address=server.address, patience=10, observer=told.append) as opened:
        assert opened.facts.will_encrypt is False
        opened.start_service("com.apple.mobilebackup2", escrow=True).close()
    assert asked(told) == ["trust?", "trust."]
    [prompt] = [event for event in told if isinstance(event, Prompt)]
    assert prompt.text == "Tap Trust on the iPad and enter its passcode."
    assert prompt.seconds == 10
    # One question, not one per try
    assert len(phone.journal.details("pair")) == 1
    # and the next time nobody is asked
    told.clear()
    with open_phone(address=server.address, patience=0, observer=told.append):
        assert told == []


def test_what_is_stored_serves_a_tool_we_did_not_write(plug_in: Serve) -> None:
    phone = VirtualPhone(PhoneSpec(name="Paired by us", trust=Trust(kind="dialog")))
    server = plug_in(phone)
    open_phone(address=server.address, patience=5).close()
    stored = server.usbmuxd.record(phone.udid)
    assert stored is not None
    record = plistlib.loads(stored)
    assert record["UDID"] == phone.udid
    assert len(record["EscrowBag"]) == 32
    for name in ("HostCertificate", "RootCertificate", "DeviceCertificate"):
        x509.load_pem_x509_certificate(record[name])
    for name in ("HostPrivateKey", "RootPrivateKey"):
        serialization.load_pem_private_key(record[name], None)


@pytest.mark.peer
@pytest.mark.parametrize("key", ["DeviceName", "WillEncrypt"])
def test_ideviceinfo_uses_our_pairing(plug_in: Serve, key: str) -> None:
    phone = VirtualPhone(PhoneSpec(name="Paired by us", trust=Trust(kind="dialog")))
    server = plug_in(phone)
    open_phone(address=server.address, patience=5).close()
    domain = ["-q", "com.apple.mobile.backup"] if key == "WillEncrypt" else []
    done = subprocess.run(
        ["ideviceinfo", *domain, "-k", key],
        env={**os.environ, **server.environment},
        capture_output=True,
        text=True,
        timeout=500,
        check=True,
    )
    assert done.stdout.strip() == ("false" if key == "WillEncrypt" else "Paired by us")


def test_the_tap_that_was_for_usbmuxds_own_pairing(plug_in: Serve, told: list[Event]) -> None:
    """On Linux usbmuxd asks, too: whichever pairing was trusted serves, and nobody is asked a second time."""
    phone = VirtualPhone(PhoneSpec(trust=Trust(kind="dialog", delay_s=0.2, usbmuxd_pairs=True)))
    server = plug_in(phone)
    with open_phone(address=server.address, patience=30, observer=told.append) as opened:
        opened.start_service(AFC).close()
    assert asked(told) == ["trust?", "trust."]
    kept = server.usbmuxd.record(phone.udid)
    told.clear()
    with open_phone(address=server.address, patience=0, observer=told.append):
        assert told == []
    assert server.usbmuxd.record(phone.udid) == kept


@pytest.mark.parametrize("kind", ["text_before", "nul_after"])
def test_a_certificate_with_more_than_its_block(plug_in: Serve, told: list[Event], kind: str) -> None:
    """As other programs store one: the key in it is still compared."""
    phone = VirtualPhone(PhoneSpec(trust=Trust(certificate=kind)))  # type: ignore[arg-type]
    server = plug_in(phone)
    stored = server.usbmuxd.record(phone.udid)
    assert stored is not None
    certificate = plistlib.loads(stored)["DeviceCertificate"]
    assert not (certificate.startswith(b"-----BEGIN") and certificate.endswith(b"-----\n"))
    with open_phone(address=server.address, patience=0, observer=told.append) as opened:
        opened.start_service(AFC).close()
    assert told == []


def test_over_the_cable_no_key_of_the_phone_is_needed(plug_in: Serve, told: list[Event]) -> None:
    phone = VirtualPhone(PhoneSpec())
    server = plug_in(phone)
    stored = plistlib.loads(server.usbmuxd.record(phone.udid) or b"") | {
        "DeviceCertificate": b"nothing of the kind"
    }
    Usbmux(parse_address(server.address)).save_pair_record(phone.udid, 1, plistlib.dumps(stored))
    with open_phone(address=server.address, patience=0, observer=told.append) as opened:
        opened.start_service(AFC).close()
    [caution] = [event for event in told if isinstance(event, Caution)]
    assert "could not compare it" in caution.text


def test_the_dialog_nobody_answers(plug_in: Serve, told: list[Event]) -> None:
    phone = VirtualPhone(PhoneSpec(trust=Trust(kind="pending")))
    with pytest.raises(PersonNeeded) as caught:
        open_phone(address=plug_in(phone).address, patience=0.4, observer=told.append)
    assert caught.value.exit_code == ExitCode.PERSON_NEEDED
    assert isinstance(caught.value, lockdown_refusals.TrustPending)
    assert "Tap Trust" in caught.value.hint
    assert "--patience" in caught.value.hint
    assert asked(told) == ["trust?"]


def test_without_patience_nobody_is_waited_for(plug_in: Serve, told: list[Event]) -> None:
    phone = VirtualPhone(PhoneSpec(trust=Trust(kind="pending")))
    with pytest.raises(PersonNeeded):
        open_phone(address=plug_in(phone).address, patience=0, observer=told.append)
    assert told == []


def test_dont_trust(plug_in: Serve) -> None:
    phone = VirtualPhone(PhoneSpec(trust=Trust(kind="denied", delay_s=0.1)))
    with pytest.raises(PersonNeeded, match="Don't Trust") as caught:
        open_phone(address=plug_in(phone).address, patience=5)
    assert isinstance(caught.value, lockdown_refusals.TrustDenied)
    assert "connect it again" in caught.value.hint


def test_unlocked_first_then_trusted(plug_in: Serve, told: list[Event]) -> None:
    spec = PhoneSpec(locked=True, unlock_after_s=0.3, trust=Trust(kind="dialog", delay_s=0.3))
    phone = VirtualPhone(spec)
    with open_phone(address=plug_in(phone).address, patience=5, observer=told.append):
        pass
    assert asked(told) == ["unlock?", "unlock.", "trust?", "trust."]


def test_locked_and_nobody_comes(plug_in: Serve) -> None:
    phone = VirtualPhone(PhoneSpec(locked=True, trust=Trust(kind="dialog")))
    with pytest.raises(PersonNeeded, match="locked") as caught:
        open_phone(address=plug_in(phone).address, patience=0.3)
    assert "Unlock the iPhone" in caught.value.hint


def test_a_session_that_waits_for_the_unlock(plug_in: Serve, told: list[Event]) -> None:
    phone = VirtualPhone(PhoneSpec(faults=(StartSessionError(error="PasswordProtected", times=1),)))
    with open_phone(address=plug_in(phone).address, patience=5, observer=told.append):
        pass
    assert asked(told) == ["unlock?", "unlock."]


def test_a_phone_that_forgot_is_paired_again_when_someone_says_so(plug_in: Serve, told: list[Event]) -> None:
    phone = VirtualPhone(PhoneSpec(trust=Trust(kind="dialog", delay_s=0.2)))
    server = plug_in(phone)
    stale = VirtualPhone(PhoneSpec()).trust.record
    assert stale is not None
    Usbmux(parse_address(server.address)).save_pair_record(phone.udid, 1, plistlib.dumps(stale))
    assert find(server.address)[0].trust == "untrusted"
    with pytest.raises(OtherKey, match="no longer knows this computer"):
        open_phone(address=server.address, patience=5, observer=told.append)
    assert asked(told) == []
    with open_phone(address=server.address, patience=5, observer=told.append, recognition=Vouching()):
        pass
    assert asked(told) == ["trust?", "trust."]
    assert "StartSession: InvalidHostID" in phone.journal.details("refused")


def test_a_phone_that_forgets_again_and_again(plug_in: Serve) -> None:
    phone = VirtualPhone(PhoneSpec(faults=(StartSessionError(error="InvalidHostID"),)))
    with pytest.raises(PersonNeeded, match="does not") as caught:
        open_phone(address=plug_in(phone).address, patience=5, recognition=Vouching())
    assert isinstance(caught.value, lockdown_refusals.NotTrusted)


@pytest.mark.parametrize(
    "flaw",
    [
        b"no plist",
        plistlib.dumps(["a list"]),
        plistlib.dumps({}),
        plistlib.dumps(
            {"HostID": "X", "HostCertificate": b"x", "HostPrivateKey": b"y", "DeviceCertificate": b"z"}
        ),
    ],
)
def test_a_damaged_record_is_replaced(plug_in: Serve, flaw: bytes) -> None:
    phone = VirtualPhone(PhoneSpec(trust=Trust(kind="dialog")))
    server = plug_in(phone)
    Usbmux(parse_address(server.address)).save_pair_record(phone.udid, 1, flaw)
    with open_phone(address=server.address, patience=5) as opened:
        opened.start_service(AFC).close()


def test_a_record_whose_key_is_not_its_certificates_is_replaced_when_someone_says_so(plug_in: Serve) -> None:
    phone = VirtualPhone(PhoneSpec())
    server = plug_in(phone)
    mux = Usbmux(parse_address(server.address))
    stored = mux.read_pair_record(phone.udid)
    assert stored is not None
    record = plistlib.loads(stored)
    mux.save_pair_record(phone.udid, 1, plistlib.dumps(record | {"HostPrivateKey": record["RootPrivateKey"]}))
    with pytest.raises(OtherKey, match="no longer knows this computer"):
        open_phone(address=server.address, patience=5)
    open_phone(address=server.address, patience=5, recognition=Vouching()).close()
    assert len(phone.journal.details("pair")) == 1


@pytest.mark.parametrize("old", [False, True])
def test_a_phone_that_knows_only_the_oldest_tls(plug_in: Serve, old: bool) -> None:
    """As those before iOS 10 may; with newer ones it is not even tried."""
    phone = VirtualPhone(PhoneSpec())
    stored = Usbmux(parse_address(plug_in(phone).address)).read_pair_record(phone.udid)
    record = PairRecord.parse(stored or b"")
    assert record is not None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1
    with pairing._file_with(record.host_certificate + b"\n" + record.host_key) as path:
        context.load_cert_chain(path)
    near, far = socket.socketpair()

    def serve() -> None:
        with far, contextlib.suppress(OSError), context.wrap_socket(far, server_side=True) as wrapped:
            wrapped.sendall(b"hello")

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        # The far end shows our own certificate.
        own = dataclasses.replace(record, device_certificate=record.host_certificate)
        tls = HostTls(own, "USB", "iPhone", ignore, old=old)
        if old:
            with tls.wrap(near, 5) as wrapped:
                assert wrapped.recv(5) == b"hello"
        else:
            with pytest.raises(ConnectionLost):
                tls.wrap(near, 5)
    finally:
        thread.join()


def test_a_record_without_an_escrow_bag_backs_nothing_up(plug_in: Serve) -> None:
    phone = VirtualPhone(PhoneSpec())
    server = plug_in(phone)
    mux = Usbmux(parse_address(server.address))
    stored = mux.read_pair_record(phone.udid)
    assert stored is not None
    record = plistlib.loads(stored)
    del record["EscrowBag"]
    mux.save_pair_record(phone.udid, 1, plistlib.dumps(record))
    with open_phone(address=server.address) as opened:
        opened.start_service(AFC).close()
        with pytest.raises(PersonNeeded, match="not complete"):
            opened.start_service("com.apple.mobilebackup2", escrow=True)


def test_no_pairing_over_the_network(plug_in: Serve, told: list[Event]) -> None:
    phone = VirtualPhone(PhoneSpec(trust=Trust(kind="dialog"), connection_types=("Network",)))
    with pytest.raises(PersonNeeded, match="cable"):
        open_phone(address=plug_in(phone).address, patience=5, observer=told.append)
    assert told == []
    assert phone.journal.details("pair") == []


def test_a_pairing_that_cannot_be_stored_still_serves(
    plug_in: Serve, told: list[Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise IbackupError("usbmuxd did not store the pairing.")

    monkeypatch.setattr(Usbmux, "save_pair_record", fails)
    phone = VirtualPhone(PhoneSpec(trust=Trust(kind="dialog")))
    with open_phone(address=plug_in(phone).address, patience=5, observer=told.append) as opened:
        opened.start_service("com.apple.mobilebackup2", escrow=True).close()
    [caution] = [event for event in told if isinstance(event, Caution)]
    assert "ask again" in caution.hint


# --- the phone's key


def impostor(server: Server, phone: VirtualPhone) -> None:
    """Make the stored pairing one with a phone of another key."""
    mux = Usbmux(parse_address(server.address))
    stored = mux.read_pair_record(phone.udid)
    assert stored is not None
    another = pairing.make(other_key(), "", None).device_certificate
    mux.save_pair_record(
        phone.udid, 1, plistlib.dumps(plistlib.loads(stored) | {"DeviceCertificate": another})
    )


def test_another_key_over_the_cable_is_refused(plug_in: Serve, told: list[Event]) -> None:
    phone = VirtualPhone(PhoneSpec())
    server = plug_in(phone)
    impostor(server, phone)
    before = server.usbmuxd.record(phone.udid)
    with pytest.raises(OtherKey, match="not the iPhone") as caught:
        open_phone(address=server.address, observer=told.append)
    assert caught.value.exit_code == ExitCode.PERSON_NEEDED
    assert "--new-key" in caught.value.hint
    assert server.usbmuxd.record(phone.udid) == before
    assert find(server.address)[0].trust == "unreachable"
    # Someone vouches for it: it is paired with again, and known from then on.
    open_phone(address=server.address, patience=5, recognition=Vouching()).close()
    open_phone(address=server.address).close()


def test_a_phone_with_another_key_that_forgot_this_computer_is_not_paired_with(plug_in: Serve) -> None:
    phone = VirtualPhone(PhoneSpec(trust=Trust(kind="dialog")))
    server = plug_in(phone)
    stale = VirtualPhone(PhoneSpec()).trust.record
    assert stale is not None
    another = pairing.make(other_key(), "", None).device_certificate
    stored = plistlib.dumps(stale | {"DeviceCertificate": another})
    Usbmux(parse_address(server.address)).save_pair_record(phone.udid, 1, stored)
    with pytest.raises(OtherKey, match="not the iPhone"):
        open_phone(address=server.address, patience=5)
    assert phone.journal.details("pair") == []
    assert server.usbmuxd.record(phone.udid) == stored


def test_another_key_over_the_network_is_refused(plug_in: Serve) -> None:
    phone = VirtualPhone(PhoneSpec(connection_types=("Network",)))
    server = plug_in(phone)
    impostor(server, phone)
    with pytest.raises(ProtocolBroken, match="not the iPhone"):
        open_phone(address=server.address)
    assert find(server.address)[0].trust == "unreachable"


def test_the_key_is_found_in_any_certificate(plug_in: Serve) -> None:
    """Compared with the cryptography library's reading."""
    record = pairing.make(other_key(), "", None)
    for pem in (record.device_certificate, record.host_certificate, record.root_certificate):
        certificate = x509.load_pem_x509_certificate(pem)
        expected = certificate.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        assert pairing._public_key(pem) == expected
        assert pairing._public_key(certificate.public_bytes(serialization.Encoding.DER)) == expected


def test_no_bytes_are_too_odd_for_the_key_reader() -> None:
    whole = pairing.make(other_key(), "", None).device_certificate
    der = x509.load_pem_x509_certificate(whole).public_bytes(serialization.Encoding.DER)
    for cut in range(len(der)):
        assert pairing._public_key(der[:cut]) is None
    for junk in (b"", b"-", b"-----BEGIN CERTIFICATE-----", b"\x30\xff" * 40, bytes(100), b"\xff" * 100):
        assert pairing._public_key(junk) is None


# --- secrets


@pytest.mark.parametrize("in_memory", [True, False])
def test_no_key_is_left_on_the_disk(
    plug_in: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_memory: bool
) -> None:
    modes = []
    real = os.unlink

    def unlink(path: str, *, dir_fd: int | None = None) -> None:
        if dir_fd is None and os.path.basename(path).startswith("ibackup-"):
            modes.append(os.stat(path).st_mode & 0o777)
        real(path, dir_fd=dir_fd)

    if not in_memory:
        monkeypatch.delattr(os, "memfd_create", raising=False)
    elif not hasattr(os, "memfd_create"):
        pytest.skip("no files in memory here")
    home = tmp_path / "home"
    scratch = tmp_path / "scratch"
    home.mkdir()
    scratch.mkdir()
    monkeypatch.setenv("HOME", str(home))
    server = plug_in(VirtualPhone(PhoneSpec(trust=Trust(kind="dialog"))))
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    monkeypatch.setattr(os, "unlink", unlink)
    with open_phone(address=server.address, patience=5) as opened:
        opened.start_service(AFC).close()
    assert list(scratch.iterdir()) == []
    assert list(home.iterdir()) == []
    assert set(modes) == (set() if in_memory else {0o600})


def test_no_room_for_a_temporary_file(
    plug_in: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = plug_in(VirtualPhone(PhoneSpec()))
    monkeypatch.delattr(os, "memfd_create", raising=False)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "none"))
    with pytest.raises(IbackupError, match="temporary file") as caught:
        open_phone(address=server.address)
    assert "TMPDIR" in caught.value.hint


def test_a_record_does_not_show_its_keys() -> None:
    record = dataclasses.replace(pairing.make(other_key(), "BUID", None), escrow_bag=b"escrowescrow")
    shown = repr(record)
    assert "PRIVATE" not in shown
    assert "escrowescrow" not in shown
    assert PairRecord.parse(record.dump("udid")) == record
    assert not any("PrivateKey" in key for key in record.public_part())
