"""The conversation about a backup, with a scripted phone: what is said, told and made of each answer."""

import queue
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ibackup.base.errors import (
    ConnectionLost,
    IbackupError,
    Interrupted,
    NoRoom,
    PasswordNeeded,
    PersonNeeded,
    PhoneRefused,
    ProtocolBroken,
)
from ibackup.base.events import PhaseStarted, Progress, Prompt, PromptDone, Silent
from ibackup.base.exit_codes import ExitCode
from ibackup.config.stall_limits import Limits
from ibackup.device.backup2.backup_session import BackupSession, SessionOutcome
from ibackup.device.devicelink.requests import PhoneRequest
from ibackup.device.lockdown.phone_facts import PhoneFacts
from ibackup.device.services.sync_lock_and_notices import Notice
from support.scripted import EMPTY, OPTIONS, UDID, Device, blob, file, name, playing, status_plist
from support.scripted_phone import ScriptedPhone
from support.working_lab import Lab

IMPATIENT = Limits(answer_s=60, scan_s=2, message_s=60, between_files_s=60, within_file_s=60, sending_s=60)
BACKUP = {"MessageName": "Backup", "TargetIdentifier": UDID, "SourceIdentifier": UDID}


def converse(
    lab: Lab,
    script: Callable[[Device], object],
    *,
    full: bool = False,
    limits: Limits | None = None,
    notices: "queue.SimpleQueue[Notice] | None" = None,
    unplugged: Callable[[], bool] | None = None,
    facts: PhoneFacts | None = None,
    kind: type[BackupSession] = BackupSession,
) -> SessionOutcome:
    with playing(script) as sock, lab.working() as files:
        lab.files = files
        session = kind(ScriptedPhone(sock, facts, limits), files, lab.told.append, unplugged=unplugged)
        if notices is not None:
            session._notices = notices
        return session.run(full=full)


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
    assert lab.files.received_files == 4
    assert outcome.full
    assert [lost.device_path for lost in lab.files.unreadable] == ["/var/mobile/broken.db"]
    assert lab.files.unknown == ()
    assert lab.barriers == ["moving", "finished"]
    phases = [event.phase for event in lab.told if isinstance(event, PhaseStarted)]
    assert phases == ["scan", "receive", "finish"]
    assert all(event.text for event in lab.told if isinstance(event, PhaseStarted))
    last = [event for event in lab.told if isinstance(event, Progress)][-1]
    assert (last.phase, last.percent, last.bytes) == ("finish", 99.5, outcome.received_bytes)
    lab.check()


def test_progress_never_falls_and_is_shown_once_it_is_reached(lab: Lab) -> None:
    """A phone says beforehand what a step will have reached, and goes back at times: 85, then 65."""
    shown: list[float | None] = []

    def script(device: Device) -> None:
        device.greet()
        device.receive()
        for percent in (30.0, 85.0, 65.0, 90.0):
            assert device.ask("DLMessageCreateDirectory", f"{UDID}/{percent:.0f}", {}, percent)[0] == 0
            assert device.upload(file(blob(1), b"x"))[0] == 0  # 12.5
        device.respond(0)

    class Watching(BackupSession):
        def _serve(self, request: PhoneRequest) -> None:
            shown.append(self._percent)
            super()._serve(request)

    converse(lab, script, kind=Watching)
    assert shown[:8] == [None, 30.0, 30.0, 85.0, 85.0, 85.0, 85.0, 90.0]
    percents = [event.percent for event in lab.told if isinstance(event, Progress)]
    assert percents[-1] == 90.0


def test_a_message_that_nobody_knows_is_answered_and_the_backup_continues(lab: Lab) -> None:
    def script(device: Device) -> None:
        device.greet()
        device.receive()
        for number in range(9):
            for _ in range(2):
                answer = device.ask(f"DLMessageMakeTea{number}\x1b[2J", EMPTY)
                assert answer == (-1, "Operation not supported", EMPTY)
        assert device.upload(file(blob(1), b"x"))[0] == 0
        device.respond(0)

    converse(lab, script)
    assert lab.files.received_files == 1
    assert "DLMessageMakeTea0" in lab.cautions[0]
    assert all(text.isprintable() and len(text) < 250 for text in lab.cautions)
    assert len(lab.cautions) == 5, "each is told once, and not without end"


def test_there_is_an_end_to_messages_that_nobody_knows(lab: Lab) -> None:
    def script(device: Device) -> None:
        device.greet()
        device.receive()
        while True:
            device.ask("DLMessageMakeTea")

    with pytest.raises(ProtocolBroken, match="more than 1,000 messages"):
        converse(lab, script)


def test_a_message_that_nobody_knows_before_the_greeting_is_answered(lab: Lab) -> None:
    def script(device: Device) -> None:
        device.send("DLMessageVersionExchange", 400, 0)
        device.receive()
        device.send("DLMessageDeviceReady")
        device.receive()
        assert device.ask("DLMessageMakeTea")[0] == -1
        device.respond(0, ProtocolVersion=2.1)
        device.receive()
        device.respond(0)

    converse(lab, script)


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


def test_too_little_room_is_reported_with_figures(lab: Lab) -> None:
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

    converse(lab, script)
    assert lab.files.received_files == 0


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
    while not condition():
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
        converse(lab, script, limits=IMPATIENT)
    assert "scanned its files" in caught.value.message


@pytest.mark.parametrize("where", ["scan", "receive", "finish"])
def test_it_is_told_how_long_a_phone_has_been_silent_and_that_this_is_normal(lab: Lab, where: str) -> None:
    def told() -> list[Silent]:
        return [event for event in lab.told if isinstance(event, Silent) and event.phase == where]

    def be_silent() -> None:
        while len(told()) < 2:  # the test's own limit ends what never comes
            time.sleep(0.01)

    def script(device: Device) -> None:
        device.greet()
        device.receive()
        if where == "scan":
            be_silent()
        for folder in ("", "/Snapshot", f"/{blob(1).partition('/')[2].rpartition('/')[0]}"):
            assert device.ask("DLMessageCreateDirectory", UDID + folder, OPTIONS, 0.0)[0] == 0
        sent = file(blob(1), b"x" * 1000) + bytes(4)
        device.send("DLMessageUploadFiles", OPTIONS, 12.5, 1000)
        device.raw(sent[:-500])
        if where == "receive":
            be_silent()
        device.raw(sent[-500:])
        assert device.status()[0] == 0
        device.ask("DLMessageRemoveItems", [f"{UDID}/Snapshot"], OPTIONS, 99.5)
        device.ask("DLMessageMoveItems", {}, OPTIONS, 99.0)
        if where == "finish":
            be_silent()
        device.respond(0)

    converse(lab, script, limits=Limits(say_every_s=0.01))
    first, second = told()[:2]
    assert 0 < first.seconds < second.seconds
    limit_s, words = {
        "scan": (14400, "4 hours"),
        "receive": (600, "10 minutes"),
        "finish": (7200, "2 hours"),
    }[where]
    assert first.limit_s == limit_s
    assert first.text.startswith(
        "The iPad has been silent for 0 seconds. That is normal; ibackup waits up to "
    )
    assert words in first.text


@pytest.mark.parametrize("goodbye", [True, False])
def test_a_phone_that_ends_it_unanswered_may_have_asked_without_telling(lab: Lab, goodbye: bool) -> None:
    def script(device: Device) -> None:
        device.greet()
        device.receive()
        if goodbye:
            device.send("DLMessageDisconnect", EMPTY)

    with pytest.raises(ConnectionLost) as caught:
        converse(lab, script)
    assert "passcode" in caught.value.hint


def test_a_pulled_cable_is_reported_with_phase_and_last_file(lab: Lab) -> None:
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
    assert "continues from there" in caught.value.hint
    assert "passcode" not in caught.value.hint


def test_progress_is_reported_in_measure(lab: Lab, tmp_path: Path) -> None:
    def script(device: Device) -> None:
        device.greet()
        device.receive()
        for number in range(300):
            assert device.upload(file(blob(number), b"x" * 20_000))[0] == 0
        device.respond(0)

    converse(lab, script)
    assert len([event for event in lab.told if isinstance(event, Progress)]) < 60
