"""The sync lock and the notifications, as the virtual phone sees them."""

import select
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace

import pytest

from ibackup.base.errors import ConnectionLost, PhoneBusy, ProtocolBroken
from ibackup.base.events import Caution, Event, Note
from ibackup.base.exit_codes import ExitCode
from ibackup.config.stall_limits import Limits
from ibackup.device.mux import channel
from ibackup.device.mux.channel import PlistStream
from ibackup.device.phones.phone import Phone, open_phone
from ibackup.device.services import afc, sync_lock_and_notices
from ibackup.device.services.afc import Afc, Mode
from ibackup.device.services.sync_lock_and_notices import Notice, Notifications, SyncLock
from ibackup.simulator.faults import SyncLockHeld
from ibackup.simulator.server import Server
from ibackup.simulator.spec import PhoneSpec
from ibackup.simulator.virtual_phone import VirtualPhone

Serve = Callable[..., Server]

POSTS = "com.apple.itunes-mobdev."


@pytest.fixture
def virtual() -> VirtualPhone:
    return VirtualPhone(PhoneSpec())


@pytest.fixture
def server(plug_in: Serve, virtual: VirtualPhone) -> Server:
    return plug_in(virtual)


@pytest.fixture
def phone(server: Server) -> Iterator[Phone]:
    with open_phone(address=server.address) as opened:
        yield opened


def steps(virtual: VirtualPhone) -> list[str]:
    """What the phone saw of the dance, in order."""
    kinds = {"posted", "lock_taken", "lock_refused", "lock_released"}
    seen = [event for event in virtual.journal.events() if event.kind in kinds]
    return [event.detail.removeprefix(POSTS) if event.kind == "posted" else event.kind for event in seen]


WHOLE_DANCE = [
    "syncWillStart",
    "syncLockRequest",
    "lock_taken",
    "syncDidStart",
    "lock_released",
    "syncDidFinish",
]


def test_the_steps_come_in_the_phones_order(virtual: VirtualPhone, phone: Phone) -> None:
    with SyncLock(phone):
        assert virtual.journal.wait("posted", f"{POSTS}syncDidStart")
        held = steps(virtual)
    # What is posted travels on another connection than the lock: only each one's own order is certain.
    assert [step for step in held if "lock_" not in step] == [
        "syncWillStart",
        "syncLockRequest",
        "syncDidStart",
    ]
    assert virtual.journal.wait("posted", f"{POSTS}syncDidFinish")
    assert sorted(steps(virtual)) == sorted(WHOLE_DANCE)


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_released_on_every_way_out(virtual: VirtualPhone, phone: Phone, error: type[BaseException]) -> None:
    with pytest.raises(error), SyncLock(phone):
        raise error
    assert virtual.journal.wait("posted", f"{POSTS}syncDidFinish")
    assert virtual.journal.wait("lock_released")
    with SyncLock(phone):
        pass


def test_held_for_a_while_by_another(plug_in: Serve) -> None:
    virtual = VirtualPhone(PhoneSpec(faults=(SyncLockHeld(times=3),)))
    with open_phone(address=plug_in(virtual).address) as phone, SyncLock(phone, pause=0.01):
        pass
    assert steps(virtual).count("lock_refused") == 3
    assert "lock_taken" in steps(virtual)


def test_held_for_good_by_another(plug_in: Serve) -> None:
    virtual = VirtualPhone(PhoneSpec(faults=(SyncLockHeld(),)))
    address = plug_in(virtual).address
    with (
        open_phone(address=address) as phone,
        pytest.raises(PhoneBusy) as caught,
        SyncLock(phone, tries=5, pause=0.01),
    ):
        pytest.fail("the lock was taken")
    assert caught.value.exit_code == ExitCode.BUSY
    assert "Finder" in caught.value.why
    assert steps(virtual).count("lock_refused") == 5
    assert "syncDidStart" not in steps(virtual)
    assert "syncDidFinish" not in steps(virtual)


@pytest.mark.parametrize(("platform", "tries"), [("linux", 50), ("darwin", 600), ("win32", 600)])
def test_tries_200_ms_apart(
    plug_in: Serve, monkeypatch: pytest.MonkeyPatch, platform: str, tries: int
) -> None:
    """Where Finder syncs by itself for two minutes, and it is said that something is waited for."""
    pauses: list[float] = []
    told: list[Event] = []
    monkeypatch.setattr(sync_lock_and_notices, "sys", SimpleNamespace(platform=platform))
    monkeypatch.setattr(time, "sleep", pauses.append)
    virtual = VirtualPhone(PhoneSpec(faults=(SyncLockHeld(),)))
    address = plug_in(virtual).address
    with open_phone(address=address) as phone, pytest.raises(PhoneBusy), SyncLock(phone, told.append):
        pass
    assert steps(virtual).count("lock_refused") == tries
    assert pauses == [0.2] * (tries - 1)
    assert [type(event) for event in told] == [Note]


def test_waiting_for_the_lock_can_be_stopped(plug_in: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(_seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(time, "sleep", stop)
    virtual = VirtualPhone(PhoneSpec(faults=(SyncLockHeld(),)))
    with (
        open_phone(address=plug_in(virtual).address) as phone,
        pytest.raises(KeyboardInterrupt),
        SyncLock(phone),
    ):
        pass
    assert steps(virtual).count("lock_refused") == 1


def test_a_lock_that_cannot_be_had_is_no_reason_to_go_without_a_backup(plug_in: Serve) -> None:
    virtual = VirtualPhone(PhoneSpec(faults=(SyncLockHeld(status=10),)))
    told: list[Event] = []
    with open_phone(address=plug_in(virtual).address) as phone, SyncLock(phone, told.append):
        pass
    assert [type(event) for event in told] == [Caution]
    assert "syncDidStart" not in steps(virtual)
    assert "syncDidFinish" not in steps(virtual)


def test_two_computers_at_once(phone: Phone, server: Server) -> None:
    """The second one waits; the lock is real, not a fault of the phone's."""
    with open_phone(address=server.address) as other:
        with SyncLock(phone), pytest.raises(PhoneBusy), SyncLock(other, tries=3, pause=0.01):
            pytest.fail("the lock was taken twice")
        with SyncLock(other, tries=10, pause=0.05):
            pass


def test_a_phone_that_is_pulled_while_locked(virtual: VirtualPhone, server: Server, phone: Phone) -> None:
    """Leaving the block is not an error of its own."""
    with SyncLock(phone):
        server.detach(virtual)


# --- notifications


class Heard:
    """A callback that can be waited for."""

    def __init__(self) -> None:
        self.notices: list[Notice] = []
        self._came = threading.Condition()

    def __call__(self, notice: Notice) -> None:
        with self._came:
            self.notices.append(notice)
            self._came.notify_all()

    def wait(self, count: int) -> bool:
        with self._came:
            return self._came.wait_for(lambda: len(self.notices) >= count, timeout=60)


def ready(virtual: VirtualPhone) -> None:
    """Wait until the phone knows what is to be told."""
    for notice in Notice:
        assert virtual.journal.wait("observed", notice.value)


def test_every_notice_is_handed_on(virtual: VirtualPhone, phone: Phone) -> None:
    heard = Heard()
    with Notifications(phone, heard):
        ready(virtual)
        for notice in Notice:
            virtual.notify(notice.value)
        virtual.notify("com.apple.mobile.something_else")
        assert heard.wait(len(Notice))
    assert heard.notices == list(Notice)
    assert not any(thread.name == "ibackup-notifications" for thread in threading.enumerate())


def test_a_changed_password_is_heard(virtual: VirtualPhone, phone: Phone) -> None:
    heard = Heard()
    with Notifications(phone, heard):
        ready(virtual)
        virtual.set_backup_password("new")
        assert heard.wait(1)
    assert heard.notices == [Notice.BACKUP_SETTINGS_CHANGED]


def test_closed_at_once_and_twice(phone: Phone) -> None:
    notifications = Notifications(phone, lambda _: None)
    notifications.close()
    notifications.close()


def test_closed_from_the_callback(virtual: VirtualPhone, phone: Phone) -> None:
    heard = Heard()
    with Notifications(phone, heard) as notifications:

        def callback(notice: Notice) -> None:
            notifications.close()
            heard(notice)

        notifications._callback = callback
        ready(virtual)
        virtual.notify(Notice.CANCEL_REQUESTED.value)
        assert heard.wait(1)


def test_a_phone_that_is_pulled_ends_the_hearing(virtual: VirtualPhone, server: Server, phone: Phone) -> None:
    with Notifications(phone, lambda _: None) as notifications:
        server.detach(virtual)
        assert notifications.ended.wait(60)


# --- what a hostile service may send


class Pair:
    """A service whose other end is the test's."""

    limits = Limits()

    def __init__(self) -> None:
        self.near, self.far = socket.socketpair()

    def start_service(self, name: str, *, escrow: bool = False) -> socket.socket:
        return self.near


@pytest.fixture
def pair() -> Iterator[Pair]:
    made = Pair()
    yield made
    made.near.close()
    made.far.close()


@pytest.mark.parametrize(
    "sent",
    [
        b"\xff\xff\xff\xff",
        struct.pack(">I", 3) + b"abc",
        struct.pack(">I", 0),
        struct.pack(">I", 12) + b"<plist/>    ",
    ],
)
def test_messages_that_make_no_sense(pair: Pair, sent: bytes) -> None:
    pair.far.sendall(sent)
    with (
        PlistStream(pair.near, "com.example", 5) as stream,
        pytest.raises(ProtocolBroken, match="service com"),
    ):
        stream.receive(1)


def test_silence_and_the_end(pair: Pair) -> None:
    stream = PlistStream(pair.near, "com.example", 5)
    pair.far.sendall(b"\0\0")
    with pytest.raises(ConnectionLost, match="does not answer"):
        stream.receive(0.05)
    assert stream.poll(0.01) is None
    pair.far.close()
    with pytest.raises(ConnectionLost, match="was lost"):
        stream.receive(1)


def test_a_message_in_pieces_is_put_together(pair: Pair) -> None:
    body = b"<plist><dict><key>Name</key><string>x</string></dict></plist>"
    whole = struct.pack(">I", len(body)) + body
    stream = PlistStream(pair.near, "com.example", 5)
    for at in range(len(whole) - 1):
        pair.far.sendall(whole[at : at + 1])
        assert stream.poll(0.001) is None
    pair.far.sendall(whole[-1:])
    assert stream.receive(1) == {"Name": "x"}


def test_notices_of_the_wrong_shape_are_not_handed_on(pair: Pair) -> None:
    heard = Heard()
    bodies = [
        b"<dict><key>Command</key><string>RelayNotification</string></dict>",
        b"<dict><key>Command</key><integer>4</integer><key>Name</key><array/></dict>",
        b"<dict><key>Name</key><string>com.apple.itunes-client.syncCancelRequest</string></dict>",
        b"<dict><key>Command</key><string>ProxyDeath</string></dict>",
    ]
    with Notifications(pair, heard) as notifications:
        for body in bodies:
            whole = b"<plist>" + body + b"</plist>"
            pair.far.sendall(struct.pack(">I", len(whole)) + whole)
        assert notifications.ended.wait(60)
    assert heard.notices == []


@pytest.mark.parametrize(
    "answer",
    [
        b"X" * 40,
        struct.pack("<8sQQQQ", b"CFA6LPAA", 0, 40, 1, 1),
        struct.pack("<8sQQQQ", b"CFA6LPAA", 1 << 60, 40, 1, 2),
        struct.pack("<8sQQQQ", b"CFA6LPAA", 40, 40, 9, 2),
        struct.pack("<8sQQQQ", b"CFA6LPAA", 44, 40, 1, 1) + b"\0\0\0\0",
        struct.pack("<8sQQQQ", b"CFA6LPAA", 40, 40, 1, 2),
    ],
)
def test_afc_answers_that_make_no_sense(pair: Pair, answer: bytes) -> None:
    pair.far.sendall(answer)
    with Afc(pair.near, "com.apple.afc", 5) as files, pytest.raises(ProtocolBroken):
        files.open("/x", Mode.READ)


class Services:
    """Every service has a connection whose other end is the test's."""

    limits = Limits()

    def __init__(self) -> None:
        self.pairs = {afc.SERVICE: Pair(), sync_lock_and_notices.NOTIFICATION_SERVICE: Pair()}

    def start_service(self, name: str, *, escrow: bool = False) -> socket.socket:
        return self.pairs[name].near


@pytest.mark.parametrize(
    ("answers", "status"),
    [
        ([(1, struct.pack("<Q", 10))], 10),  # may not be opened
        ([(0x0E, struct.pack("<Q", 5)), (1, struct.pack("<Q", 10)), (1, bytes(8))], 10),  # may not be locked
    ],
)
def test_a_lock_that_fails_otherwise_is_reported_and_gone_without(
    answers: list[tuple[int, bytes]], status: int
) -> None:
    told: list[Event] = []
    made = Services()
    for number, (kind, body) in enumerate(answers, 1):
        size = 40 + len(body)
        made.pairs[afc.SERVICE].far.sendall(
            struct.pack("<8sQQQQ", b"CFA6LPAA", size, size, number, kind) + body
        )
    try:
        with SyncLock(made, told.append):
            pass
        [caution] = [event for event in told if isinstance(event, Caution)]
        assert f"AFC {status}" in caution.text
        assert all(pair.near.fileno() == -1 for pair in made.pairs.values())
    finally:
        for pair in made.pairs.values():
            pair.far.close()


def test_a_phone_without_the_file_is_not_locked() -> None:
    made = Services()
    size = 40 + 8
    made.pairs[afc.SERVICE].far.sendall(
        struct.pack("<8sQQQQ", b"CFA6LPAA", size, size, 1, 1) + struct.pack("<Q", afc.AfcStatus.NOT_FOUND)
    )
    try:
        with SyncLock(made):
            pass
        assert all(pair.near.fileno() == -1 for pair in made.pairs.values())
    finally:
        for pair in made.pairs.values():
            pair.far.close()


def test_a_folder_that_is_there_is_fine(pair: Pair) -> None:
    pair.far.sendall(
        struct.pack("<8sQQQQ", b"CFA6LPAA", 48, 48, 1, 1) + struct.pack("<Q", afc.AfcStatus.EXISTS)
    )
    with Afc(pair.near, "com.apple.afc", 5) as files:
        files.make_folder("/iTunesRestore")


def test_a_silent_afc(pair: Pair) -> None:
    with (
        Afc(pair.near, "com.apple.afc", 0.05) as files,
        pytest.raises(ConnectionLost, match="does not answer"),
    ):
        files.open("/x", Mode.READ)


def test_files_are_read_within_limits(virtual: VirtualPhone, phone: Phone) -> None:
    content = bytes(range(256)) * 4096
    virtual.afc.write("/big", content)
    virtual.afc.write("/empty", b"")
    with Afc.to(phone, afc.SERVICE) as files:
        assert files.read_file("/big", 1 << 20) == content
        assert files.read_file("/big", (1 << 20) - 1) is None
        assert files.read_file("/empty", 1 << 20) == b""
        assert files.read_file("/none", 1 << 20) is None
        assert files.read_file("/iTunes_Control", 1 << 20) is None
        assert files.read_file("/big", 1 << 20) == content  # still in step


def test_waiting_is_woken(pair: Pair) -> None:
    waker, wakes = socket.socketpair()
    with waker, wakes:
        stream = channel.ServiceStream(pair.near, "com.example", 5)
        pair.far.sendall(b"x")
        assert stream.wait(waker) is True
        wakes.send(b"\0")
        assert stream.wait(waker) is False
        assert select.select([pair.near], [], [], 0)[0]
