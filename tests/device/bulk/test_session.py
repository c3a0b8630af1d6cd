"""The conversation about a backup, with a scripted phone: what is said, told and made of each answer."""

import queue
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ibackup.device.facts import PhoneFacts
from ibackup.device.link import DeviceLink, Patience
from ibackup.device.services import Notice
from ibackup.device.session import Conversation, Outcome
from ibackup.errors import (
    ConnectionLost,
    ExitCode,
    IbackupError,
    Interrupted,
    NoRoom,
    PasswordNeeded,
    PersonNeeded,
    PhoneRefused,
    ProtocolBroken,
)
from ibackup.events import PhaseStarted, Progress, Prompt, PromptDone
from support.scripted import OPTIONS, UDID, Device, blob, file, name, playing, status_plist
from support.working_lab import Lab

IMPATIENT = Patience(answer=0.3, scan=0.3, message=0.3, between_files=0.3, mid_file=0.3, send=0.3)
BACKUP = {"MessageName": "Backup", "TargetIdentifier": UDID, "SourceIdentifier": UDID}


class Phone:
    """What a session must know of a phone."""

    udid = UDID

    def __init__(self, facts: PhoneFacts | None = None) -> None:
        self.facts = facts or PhoneFacts(udid=UDID, device_class="iPad")

    def start_service(self, name: str, *, escrow: bool = False) -> None:
        raise NotImplementedError


def converse(
    lab: Lab,
    script: Callable[[Device], object],
    *,
    full: bool = False,
    patience: Patience | None = None,
    notices: "queue.SimpleQueue[Notice] | None" = None,
    unplugged: Callable[[], bool] | None = None,
    phone: Phone | None = None,
) -> Outcome:
    phone = phone or Phone()
    with (
        playing(script) as sock,
        DeviceLink(sock, noun=phone.facts.noun, patience=patience) as link,
        lab.working() as files,
    ):
        talk = Conversation(link, phone, files, lab.told.append, notices=notices, unplugged=unplugged)  # type: ignore[arg-type]
        talk.hello()
        return talk.back_up(full=full)


def whole(device: Device) -> None:
    """A small backup as a phone makes it."""
    device.greet()
    assert device.receive() == ["DLMessageProcessMessage", BACKUP]
    _, status = device.download(f"{UDID}/Status.plist")
    assert status[0] == -13
    for folder in ("", "/ab", "/Snapshot", "/Snapshot/ab"):
        assert device.ask("DLMessageCreateDirectory", UDID + folder, OPTIONS, 0.0)[0] == 0
    assert device.upload(file(f"{UDID}/Status.plist", status_plist("uploading")))[0] == 0
    unreadable = file(blob(2), end=(11, b"no"), source="/var/mobile/broken.db")
    assert device.upload(file(blob(1), b"x" * 1000), unreadable)[0] == 0
    assert device.upload(file(f"{UDID}/Status.plist", status_plist("moving")))[0] == 0
    assert device.ask("DLMessageMoveItems", {blob(1): blob(1, "")}, OPTIONS, 99.0)[0] == 0
    assert device.ask("DLMessageRemoveItems", [f"{UDID}/Snapshot"], OPTIONS, 99.5)[0] == 0
    assert device.upload(file(f"{UDID}/Status.plist", status_plist("finished", full=False)))[0] == 0
    device.respond(0)


def test_a_backup(lab: Lab) -> None:
    outcome = converse(lab, whole)
    size = 1000 + sum(len(status_plist(state)) for state in ("uploading", "moving"))
    assert outcome.received_bytes == size + len(status_plist("finished", full=False))
    assert outcome.received_files == 4
    assert outcome.full
    assert [lost.device_path for lost in outcome.unreadable] == ["/var/mobile/broken.db"]
    assert outcome.unknown == ()
    assert lab.barriers == ["moving", "finished"]
    phases = [event.phase for event in lab.told if isinstance(event, PhaseStarted)]
    assert phases == ["scan", "receive", "finish"]
    assert all(event.text for event in lab.told if isinstance(event, PhaseStarted))
    last = [event for event in lab.told if isinstance(event, Progress)][-1]
    assert (last.phase, last.percent, last.bytes) == ("finish", 12.5, outcome.received_bytes)
    lab.check()


def test_a_full_one_is_asked_for(lab: Lab) -> None:
    def script(device: Device) -> None:
        device.greet()
        assert device.receive()[1] == {**BACKUP, "Options": {"ForceFullBackup": True}}
        device.respond(0)

    assert converse(lab, script, full=True).full


@pytest.mark.parametrize("version", [2.0, 2.1])
def test_versions_of_the_protocol(lab: Lab, version: float) -> None:
    def script(device: Device) -> None:
        device.send("DLMessageVersionExchange", 300, 0)
        device.receive()
        device.send("DLMessageDeviceReady")
        device.receive()
        device.respond(0, ProtocolVersion=version)
        device.receive()
        device.respond(0)

    converse(lab, script)


@pytest.mark.parametrize(
    "answer",
    [
        ["DLMessageProcessMessage", {"MessageName": "Response", "ErrorCode": 0, "ProtocolVersion": 3.0}],
        ["DLMessageProcessMessage", {"MessageName": "Response", "ErrorCode": 0}],
        ["DLMessageProcessMessage", {"MessageName": "Response", "ProtocolVersion": 2.1}],
        ["DLMessageProcessMessage", {"MessageName": "Backup", "ErrorCode": 0}],
        ["DLMessageGetFreeDiskSpace"],
    ],
)
def test_an_answer_to_the_greeting_that_is_none(lab: Lab, answer: list[object]) -> None:
    def script(device: Device) -> None:
        device.send("DLMessageVersionExchange", 400, 0)
        device.receive()
        device.send("DLMessageDeviceReady")
        device.receive()
        device.send(*answer)

    with pytest.raises(ProtocolBroken):
        converse(lab, script)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (1, PhoneRefused),
        (3, PhoneRefused),
        (104, PhoneRefused),
        (105, NoRoom),
        (202, Interrupted),
        (205, PhoneRefused),
        (207, PasswordNeeded),
        (208, PersonNeeded),
        (4711, PhoneRefused),
    ],
)
def test_the_phone_refuses(lab: Lab, code: int, kind: type[IbackupError]) -> None:
    def script(device: Device) -> None:
        device.greet()
        device.receive()
        device.respond(code, ErrorDescription=f"Words (MBErrorDomain/{code})")

    with pytest.raises(kind) as caught:
        converse(lab, script)
    assert caught.value.error_code == code


def test_too_little_room_is_told_with_figures(lab: Lab) -> None:
    lab.free = 10 << 30

    def script(device: Device) -> None:
        device.greet()
        device.receive()
        assert device.ask("DLMessageGetFreeDiskSpace")[2] == 10 << 30
        assert device.ask("DLMessagePurgeDiskSpace", 7 << 30, 4)[0] == -1
        device.respond(105)

    with pytest.raises(NoRoom) as caught:
        converse(lab, script)
    assert "missing" in caught.value.message


def test_a_last_word_without_a_name(lab: Lab) -> None:
    def script(device: Device) -> None:
        device.greet()
        device.receive()
        device.send("DLMessageProcessMessage", {"ErrorCode": 0})

    assert converse(lab, script).received_files == 0


def test_a_last_word_that_is_none(lab: Lab) -> None:
    def script(device: Device) -> None:
        device.greet()
        device.receive()
        device.send("DLMessageProcessMessage", {"MessageName": "Gossip"})

    with pytest.raises(ProtocolBroken, match="Gossip"):
        converse(lab, script)


@pytest.mark.parametrize("last", [0, 104])
def test_a_file_that_was_not_stored_is_the_error_whatever_the_phone_says(lab: Lab, last: int) -> None:
    (lab.root / blob(1).removeprefix(f"{UDID}/")).mkdir(parents=True)

    def script(device: Device) -> None:
        device.greet()
        device.receive()
        device.upload(file(blob(1), b"x"))  # answered before it is written
        device.respond(last)

    with pytest.raises(IbackupError, match="could not be written") as caught:
        converse(lab, script)
    assert caught.value.exit_code == ExitCode.FAILED


def test_the_passcode(lab: Lab) -> None:
    notices: queue.SimpleQueue[Notice] = queue.SimpleQueue()

    def script(device: Device) -> None:
        device.greet()
        device.receive()
        notices.put(Notice.PASSCODE_ASKED)
        wait_for(lambda: any(isinstance(event, Prompt) for event in lab.told))
        notices.put(Notice.PASSCODE_DONE)
        wait_for(lambda: any(isinstance(event, PromptDone) for event in lab.told))
        device.respond(0)

    converse(lab, script, notices=notices)
    told = [event for event in lab.told if not isinstance(event, Progress)]
    assert [type(event) for event in told] == [PhaseStarted, PhaseStarted, Prompt, PromptDone, PhaseStarted]
    assert told[2] == Prompt("passcode", "Enter the passcode on the iPad to start the backup.")
    assert [event.phase for event in told if isinstance(event, PhaseStarted)] == ["scan", "passcode", "scan"]


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_cancelled_on_the_phone(lab: Lab) -> None:
    notices: queue.SimpleQueue[Notice] = queue.SimpleQueue()

    def script(device: Device) -> None:
        device.greet()
        device.receive()
        notices.put(Notice.CANCEL_REQUESTED)
        device.receive()

    with pytest.raises(Interrupted, match="cancelled on the iPad") as caught:
        converse(lab, script, notices=notices)
    assert caught.value.exit_code == ExitCode.INTERRUPTED


def test_cancelled_while_files_pour_in(lab: Lab) -> None:
    notices: queue.SimpleQueue[Notice] = queue.SimpleQueue()

    def script(device: Device) -> None:
        device.greet()
        device.receive()
        device.send("DLMessageUploadFiles", OPTIONS, 1.0, 5)
        notices.put(Notice.CANCEL_REQUESTED)
        while True:
            device.raw(file(blob(1), b"x" * 100_000))

    with pytest.raises(Interrupted):
        converse(lab, script, notices=notices)


def test_silence_names_the_phase(lab: Lab) -> None:
    def script(device: Device) -> None:
        device.greet()
        device.receive()
        device.receive()

    with pytest.raises(ConnectionLost, match="iPad has been silent") as caught:
        converse(lab, script, patience=IMPATIENT)
    assert "looked through its files" in caught.value.message


def test_a_pulled_cable_is_told_with_phase_and_last_file(lab: Lab) -> None:
    gone = threading.Event()

    def script(device: Device) -> None:
        device.greet()
        device.receive()
        device.send("DLMessageUploadFiles", OPTIONS, 1.0, 1)
        device.raw(file(blob(1), b"x", source="/var/mobile/last.jpg") + name("/var/mobile/next.jpg"))
        gone.set()
        device.receive()

    with pytest.raises(ConnectionLost, match="disconnected while it sent its files") as caught:
        converse(lab, script, unplugged=gone.is_set)
    assert caught.value.why == 'The last file was "/var/mobile/last.jpg".'
    assert "goes on from there" in caught.value.hint


def test_progress_is_told_in_measure(lab: Lab, tmp_path: Path) -> None:
    def script(device: Device) -> None:
        device.greet()
        device.receive()
        for number in range(300):
            assert device.upload(file(blob(number), b"x" * 20_000))[0] == 0
        device.respond(0)

    converse(lab, script)
    assert len([event for event in lab.told if isinstance(event, Progress)]) < 60
