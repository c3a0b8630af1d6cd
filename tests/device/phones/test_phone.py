"""Phones found and chosen: one, several, none, late, over the cable and over the network."""

import socket
import sys
import threading
import time
from collections.abc import Callable

import pytest

from ibackup.base.errors import (
    ConnectionLost,
    NoPhone,
    PersonNeeded,
    PhoneRefused,
    ProtocolBroken,
    UsageError,
)
from ibackup.base.events import Event, Note, Prompt
from ibackup.base.exit_codes import ExitCode
from ibackup.device.mux import usbmux
from ibackup.device.phones import waiting
from ibackup.device.phones.found_phones import find
from ibackup.device.phones.phone import open_phone
from ibackup.simulator.faults import StartServiceError, StartSessionError
from ibackup.simulator.server import Server
from ibackup.simulator.spec import PhoneSpec, Trust
from ibackup.simulator.virtual_phone import VirtualPhone

Serve = Callable[..., Server]
Observer = Callable[[Event], None]

AFC = "com.apple.afc"


def test_the_only_phone(plug_in: Serve) -> None:
    phone = VirtualPhone(PhoneSpec(name="Ada's iPhone", backup_password="secret", keybag_rounds=1000))
    server = plug_in(phone)
    with open_phone(address=server.address) as opened:
        assert opened.udid == phone.udid
        assert opened.connection == "USB"
        facts = opened.facts
        assert (facts.name, facts.serial, facts.imei) == ("Ada's iPhone", phone.spec.serial, phone.spec.imei)
        assert facts.product_name == "iPhone 12"
        assert facts.will_encrypt is True
        assert facts.battery_percent == phone.spec.battery
        assert facts.capacity_bytes == phone.spec.capacity
        assert opened.value("com.apple.mobile.backup", "WillEncrypt") is True
        assert opened.values("com.apple.disk_usage")["TotalDiskCapacity"] == phone.spec.capacity


def test_values_that_are_not_there(plug_in: Serve) -> None:
    with open_phone(address=plug_in(VirtualPhone(PhoneSpec())).address) as opened:
        assert opened.value("", "NoSuchKey") is None
        assert opened.value("no.such.domain", "Key") is None
        assert opened.values("no.such.domain") == {}


def test_facts_are_read_again_when_asked(plug_in: Serve) -> None:
    phone = VirtualPhone(PhoneSpec(name="old"))
    with open_phone(address=plug_in(phone).address) as opened:
        phone.set_backup_password("x")
        phone.set_value("", "DeviceName", "new")
        assert (opened.facts.will_encrypt, opened.facts.name) == (False, "old")
        assert (opened.refresh().will_encrypt, opened.facts.name) == (True, "new")


@pytest.mark.parametrize("dashless", [False, True])
@pytest.mark.parametrize("change", [str, str.lower, str.upper, lambda udid: udid.replace("-", "").lower()])
def test_a_udid_in_any_spelling(plug_in: Serve, dashless: bool, change: Callable[[str], str]) -> None:
    phone = VirtualPhone(PhoneSpec(mux_serial_dashless=dashless))
    other = VirtualPhone(PhoneSpec(seed=2))
    with open_phone(change(phone.udid), address=plug_in(other, phone).address) as opened:
        assert opened.udid == phone.udid


def test_several_phones_and_no_choice(plug_in: Serve) -> None:
    phones = [VirtualPhone(PhoneSpec(seed=seed, name=f"Phone {seed}")) for seed in (1, 2)]
    with pytest.raises(UsageError) as caught:
        open_phone(address=plug_in(*phones).address)
    assert caught.value.exit_code == ExitCode.USAGE
    for phone in phones:
        assert phone.udid in caught.value.message
        assert phone.spec.name in caught.value.message
    assert "--phone" in caught.value.hint


def test_one_phone_seen_twice_is_one_phone_and_the_cable_wins(plug_in: Serve) -> None:
    phone = VirtualPhone(PhoneSpec(connection_types=("Network", "USB")))
    address = plug_in(phone).address
    with open_phone(address=address) as opened:
        assert opened.connection == "USB"
    [found] = find(address)
    assert found.connections == ("USB", "Network")
    assert found.connections[0] == "USB"


def test_a_phone_on_the_network_alone(plug_in: Serve) -> None:
    with open_phone(
        address=plug_in(VirtualPhone(PhoneSpec(connection_types=("Network",)))).address
    ) as opened:
        assert opened.connection == "Network"


def test_no_phone(plug_in: Serve) -> None:
    address = plug_in().address
    with pytest.raises(NoPhone) as caught:
        open_phone(address=address)
    assert caught.value.exit_code == ExitCode.NO_PHONE
    assert "cable" in caught.value.hint
    assert "Unlock it once" in caught.value.hint
    assert find(address) == []


def test_a_mac_asks_about_accessories(plug_in: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(NoPhone) as caught:
        open_phone(address=plug_in().address)
    assert "choose Allow" in caught.value.hint


def test_another_phone_than_the_one_asked_for(plug_in: Serve) -> None:
    phone = VirtualPhone(PhoneSpec())
    with pytest.raises(NoPhone) as caught:
        open_phone("00008101-FFFFFFFFFFFFFFFF", address=plug_in(phone).address)
    assert "00008101-FFFFFFFFFFFFFFFF" in caught.value.what
    assert phone.udid in caught.value.why


def test_no_usbmuxd() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    for attempt in (lambda: open_phone(address=address), lambda: find(address)):
        with pytest.raises(NoPhone) as caught:
            attempt()
        assert caught.value.hint


def test_a_phone_that_comes_while_it_is_waited_for(plug_in: Serve, told: list[Event]) -> None:
    wanted, other = VirtualPhone(PhoneSpec(seed=1)), VirtualPhone(PhoneSpec(seed=2))
    server = plug_in(other)
    timer = threading.Timer(0.3, server.attach, [wanted])
    timer.start()
    try:
        with open_phone(wanted.udid, address=server.address, wait=600, observer=told.append) as opened:
            assert opened.udid == wanted.udid
    finally:
        timer.join()
    [note] = [event for event in told if isinstance(event, Note)]
    assert wanted.udid in note.text


def test_a_phone_that_does_not_come(
    plug_in: Serve, told: list[Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    started = time.monotonic()
    with pytest.raises(NoPhone):
        open_phone(address=plug_in().address, wait=0.3, observer=told.append)
    assert time.monotonic() - started >= 0.3
    assert [event.kind for event in told if isinstance(event, Prompt)] == ["accessory"]


def test_a_mac_hears_that_the_accessory_was_allowed(
    plug_in: Serve, told: list[Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    phone = VirtualPhone(PhoneSpec())
    server = plug_in()
    timer = threading.Timer(0.2, server.attach, [phone])
    timer.start()
    try:
        open_phone(address=server.address, wait=10, observer=told.append).close()
    finally:
        timer.join()
    assert [type(event).__name__ for event in told] == ["Note", "Prompt", "PromptDone"]


def deaf(monkeypatch: pytest.MonkeyPatch) -> None:
    """A usbmuxd that refuses Listen, as one does that only lists and connects."""
    send = usbmux._send

    def changed(sock: socket.socket, request: dict[str, object]) -> None:
        send(sock, {**request, "MessageType": "?"} if request["MessageType"] == "Listen" else request)

    monkeypatch.setattr(usbmux, "_send", changed)


def test_a_phone_is_waited_for_where_usbmuxd_does_not_report(
    plug_in: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    deaf(monkeypatch)
    monkeypatch.setattr(waiting, "_LOOK_AGAIN_SECONDS", 0.05)
    server = plug_in()
    timer = threading.Timer(0.1, server.attach, [VirtualPhone(PhoneSpec())])
    timer.start()
    try:
        open_phone(address=server.address, wait=10).close()
    finally:
        timer.join()


def test_usbmuxd_itself_is_waited_for(plug_in: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """On Linux it starts with the first phone that is plugged in."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    phone = VirtualPhone(PhoneSpec())
    timer = threading.Timer(0.2, lambda: plug_in(phone, port=port))
    timer.start()
    try:
        with open_phone(address=f"127.0.0.1:{port}", wait=10) as opened:
            assert opened.udid == phone.udid
    finally:
        timer.join()


def test_a_usbmuxd_that_reports_nobody_is_no_reason_to_stop(
    plug_in: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = plug_in(VirtualPhone(PhoneSpec()))
    with open_phone(address=server.address) as opened:
        with monkeypatch.context() as patch:
            deaf(patch)
            with opened.watch() as is_unplugged:
                assert not is_unplugged()
        with opened.watch() as is_unplugged:
            server.close()
            assert not any(is_unplugged() for _ in range(100))


def test_unplugging_is_noticed(plug_in: Serve) -> None:
    phone, other = VirtualPhone(PhoneSpec(seed=1)), VirtualPhone(PhoneSpec(seed=2))
    server = plug_in(phone, other)
    with open_phone(phone.udid, address=server.address) as opened, opened.watch() as is_unplugged:
        server.detach(other)
        assert not any(is_unplugged() for _ in range(10))
        server.detach(phone)
        assert any(is_unplugged() for _ in range(1000))
        with pytest.raises(ConnectionLost):
            opened.value("", "DeviceName")
        with pytest.raises(ConnectionLost):
            opened.start_service(AFC)


def test_a_service_is_a_blocking_tls_stream(plug_in: Serve) -> None:
    with open_phone(address=plug_in(VirtualPhone(PhoneSpec())).address) as opened:
        sock = opened.start_service("com.apple.mobilebackup2", escrow=True)
        with sock:
            assert sock.gettimeout() is None
            assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0
            assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) != 0
            assert sock.version() in ("TLSv1.2", "TLSv1.3")  # type: ignore[attr-defined]


def test_over_a_unix_socket(plug_in: Serve, short_folder: object) -> None:
    if not hasattr(socket, "AF_UNIX"):
        pytest.skip("no Unix sockets here")
    phone = VirtualPhone(PhoneSpec())
    path = f"{short_folder}/mux"
    plug_in(phone, port=None, socket_path=path)
    with open_phone(address=path) as opened, opened.start_service(AFC):
        assert opened.udid == phone.udid


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ("InvalidService", PhoneRefused),
        ("ServiceProhibited", PhoneRefused),
        ("PasswordProtected", PersonNeeded),
        ("EscrowLocked", PersonNeeded),
        ("Gibberish", PhoneRefused),
    ],
)
def test_a_service_that_does_not_start(plug_in: Serve, error: str, kind: type[Exception]) -> None:
    phone = VirtualPhone(PhoneSpec(faults=(StartServiceError(service=AFC, error=error),)))
    with open_phone(address=plug_in(phone).address, patience=0) as opened:
        with pytest.raises(kind, match=error):
            opened.start_service(AFC)
        assert opened.value("", "DeviceName") == phone.spec.name  # the session is still good


def test_a_locked_phone_is_waited_for_when_a_service_starts(plug_in: Serve, told: list[Event]) -> None:
    fault = StartServiceError(service=AFC, error="PasswordProtected", times=1)
    phone = VirtualPhone(PhoneSpec(faults=(fault,), device_class="iPad"))
    address = plug_in(phone).address
    with open_phone(address=address, patience=5, observer=told.append) as opened:
        opened.start_service(AFC).close()
    [prompt] = [event for event in told if isinstance(event, Prompt)]
    assert prompt.kind == "unlock"
    assert "iPad" in prompt.text


def test_a_udid_that_is_not_usbmuxds(plug_in: Serve) -> None:
    """Folders are named after it."""
    for udid in ("../../etc/cron.d", "00008101-0000000000000000", 7):
        phone = VirtualPhone(PhoneSpec(lockdown={("", "UniqueDeviceID"): udid}))
        server = plug_in(phone)
        if udid == 7:
            with open_phone(address=server.address) as opened:
                assert opened.udid == phone.udid
        else:
            with pytest.raises(ProtocolBroken, match="different UDID"):
                open_phone(address=server.address)
            [found] = find(server.address)
            assert found.trust == "unreachable"
            assert found.udid == phone.udid


def test_a_phone_that_says_things_of_the_wrong_type(plug_in: Serve) -> None:
    wrong = {
        ("", "ProductVersion"): "not.a.version",
        ("", "DeviceName"): ["a", "list"],
        ("", "DeviceClass"): 7,
        ("com.apple.mobile.backup", "WillEncrypt"): "maybe",
        ("com.apple.mobile.battery", "BatteryCurrentCapacity"): -3,
    }
    phone = VirtualPhone(PhoneSpec(lockdown=wrong))
    with open_phone(address=plug_in(phone).address) as opened:
        assert opened.facts.name is None
        assert opened.facts.will_encrypt is None
        assert opened.facts.battery_percent is None
        assert opened.facts.noun == "iPhone"


# --- the list for `ibackup devices`


def test_phones_in_every_state(plug_in: Serve) -> None:
    trusted = VirtualPhone(PhoneSpec(seed=1))
    stranger = VirtualPhone(PhoneSpec(seed=2, name="Stranger", trust=Trust(kind="pending")))
    forgot = VirtualPhone(PhoneSpec(seed=3, faults=(StartSessionError(),)))
    locked = VirtualPhone(PhoneSpec(seed=4, faults=(StartSessionError(error="PasswordProtected"),)))
    odd = VirtualPhone(PhoneSpec(seed=5, faults=(StartSessionError(error="Gibberish"),)))
    address = plug_in(trusted, stranger, forgot, locked, odd).address
    found = {phone.udid: phone for phone in find(address)}
    states = [found[phone.udid].trust for phone in (trusted, stranger, forgot, locked, odd)]
    assert states == ["trusted", "untrusted", "untrusted", "locked", "unreachable"]
    assert found[trusted.udid].facts.will_encrypt is False
    assert found[stranger.udid].facts.name == "Stranger"
    assert found[stranger.udid].facts.will_encrypt is None
    assert isinstance(found[odd.udid].problem, PhoneRefused)
    # Nobody was asked for anything
    assert stranger.journal.details("pair") == []
    assert all("Pair" not in refused for refused in stranger.journal.details("refused"))


def test_a_phone_that_is_pulled_while_it_is_looked_at_does_not_hide_the_others(
    plug_in: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone, stays = VirtualPhone(PhoneSpec(seed=1)), VirtualPhone(PhoneSpec(seed=2))
    server = plug_in(gone, stays)
    real = usbmux.Usbmux.devices

    def devices(mux: usbmux.Usbmux) -> list[usbmux.Attached]:
        listed = real(mux)
        server.detach(gone)
        return listed

    monkeypatch.setattr(usbmux.Usbmux, "devices", devices)
    states = {phone.udid: phone.trust for phone in find(server.address)}
    assert states == {gone.udid: "unreachable", stays.udid: "trusted"}
