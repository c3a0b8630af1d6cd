"""A phone that makes everything grow that it can: each collection that is kept of what it says has an end."""

import plistlib
import queue
import socket
import struct
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from ibackup.base.confined import Confined, PathRefused
from ibackup.base.errors import IbackupError, ProtocolBroken
from ibackup.config.stall_limits import Limits
from ibackup.device.backup2 import phone_session
from ibackup.device.backup2.settings_session import SettingsSession
from ibackup.device.devicelink import requests
from ibackup.device.devicelink.link import DeviceLink
from ibackup.device.folder import receiver, restored_files, working_files
from ibackup.device.folder.restored_files import RestoredFiles
from ibackup.device.folder.served_files import nothing_to_show
from ibackup.device.mux.channel import PlistStream
from ibackup.device.services import info_plist, sync_lock_and_notices
from ibackup.device.services.sync_lock_and_notices import Notice
from ibackup.doctor.gather import watched_attempt
from support.scripted import OPTIONS, UDID, Device, blob, file, playing
from support.scripted_phone import ScriptedPhone
from support.working_lab import Lab

pytestmark = pytest.mark.promise("The phone is not trusted with the computer")

MANY = 40
FEW = 10


def below(path: str) -> str:
    return path.removeprefix(f"{UDID}/")


def block(lab: Lab, *numbers: int) -> None:
    """Have folders stand where files should go."""
    for number in numbers:
        path = below(blob(number))
        (lab.root / path).mkdir(parents=True)
        for depth in (2, 1, 0):
            lab.ledger.made_dir(path.rsplit("/", depth)[0] if depth else path)


def test_files_that_cannot_be_stored(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receiver, "MOST_LOST", FEW)
    block(lab, *range(MANY))
    answers: list[int] = []

    def script(device: Device) -> None:
        for _ in range(3):
            answers.append(device.upload(*(file(blob(number), b"x" * 100) for number in range(MANY)))[0])
            device.ask("DLMessageGetFreeDiskSpace")

    lab.ask(script)
    kept = lab.files._receiver
    assert len(kept.lost) == FEW
    assert all(error.__traceback__ is None for error in kept.lost.values())
    assert len(kept._failures) <= FEW
    assert kept.disk_error is not None
    assert answers[-1] not in (0, -13), "the phone is told that nothing can be stored any more"
    with pytest.raises(IbackupError, match="could not be written"):
        lab.files.check_disk()


def test_one_file_that_fails_again_and_again(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receiver, "MOST_LOST", FEW)
    block(lab, 1)
    lab.ask(lambda device: device.upload(*[file(blob(1), b"x")] * MANY))
    kept = lab.files._receiver
    assert (len(kept.lost), len(kept._failures)) <= (1, 1)


def test_files_that_the_phone_cannot_read(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receiver, "MOST_UNREADABLE", FEW)
    sent = [file(blob(number), end=(11, b"busy")) for number in range(MANY)]
    with lab.serving(lambda device: device.upload(*sent)) as answer, pytest.raises(ProtocolBroken):
        answer()
    assert len(lab.files.unreadable) == FEW


def test_long_names_of_files_that_the_phone_cannot_read(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Few of them take as much as many short ones. One that comes after all takes nothing any more."""
    monkeypatch.setattr(receiver, "MOST_UNREADABLE_TEXT", 10_000)
    busy = [file(blob(1), end=(11, b"x" * 500)), file(blob(1), b"whole")]
    lab.ask(lambda device: device.upload(*busy * MANY))
    assert lab.files.unreadable == ()
    sent = [file(blob(number), end=(11, b"x" * 500)) for number in range(MANY)]
    with lab.serving(lambda device: device.upload(*sent)) as answer, pytest.raises(ProtocolBroken):
        answer()
    assert lab.files._receiver._unreadable_text <= 10_000 + 700


def test_files_that_are_held_back(lab: Lab) -> None:
    sent = [file(f"{UDID}/Status.plist", b"x" * 100)] * MANY
    with (
        lab.serving(lambda device: device.upload(*sent)) as answer,
        pytest.raises(ProtocolBroken, match=r"Status\.plist more than 16 times"),
    ):
        answer()
    assert len(lab.files._receiver._held) <= receiver.MOST_HELD


def test_a_status_that_cannot_be_read_is_reported_once(lab: Lab) -> None:
    def script(device: Device) -> None:
        for _ in range(MANY):
            device.upload(file(f"{UDID}/Status.plist", b"nonsense"))

    lab.ask(script)
    assert len([text for text in lab.cautions if "Status.plist" in text]) == 1


def test_paths_that_the_format_does_not_know(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(working_files, "_MOST_UNKNOWN", FEW)
    sent = [file(f"{UDID}/odd{number}", b"x") for number in range(MANY)]
    with lab.serving(lambda device: device.upload(*sent)) as answer, pytest.raises(PathRefused):
        answer()
    assert len(lab.files.unknown) == FEW
    assert len(lab.cautions) == working_files._CAUTIONED_UNKNOWN


@pytest.mark.parametrize("how", ["make", "copy"])
def test_folders(lab: Lab, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    monkeypatch.setattr(working_files, "_MOST_MADE", FEW)

    def script(device: Device) -> None:
        device.ask("DLMessageCreateDirectory", f"{UDID}/00", OPTIONS, 0.0)
        for number in range(MANY):
            if how == "make":
                device.ask("DLMessageCreateDirectory", blob(number), OPTIONS, 0.0)
            else:
                device.ask("DLMessageCopyItem", f"{UDID}/00", blob(number), OPTIONS, 0.0)

    with lab.serving(script) as answer, pytest.raises(PathRefused):
        answer()
    assert len([path for path in lab.root.rglob("*") if path.is_dir()]) == FEW


def test_files_that_no_backup_needs_are_reported_once(lab: Lab) -> None:
    def script(device: Device) -> None:
        for number in range(MANY):
            device.download(blob(number))

    lab.ask(script)
    assert len(lab.cautions) == 1


def restoring(tmp_path: Path, script: Callable[[Device], object]) -> tuple[RestoredFiles, Exception | None]:
    with playing(script) as sock, DeviceLink(sock) as link:
        served = RestoredFiles(Confined(tmp_path), "source", UDID, free_space=lambda: 1)
        try:
            while (message := link.receive())[0] != "DLMessageDisconnect":
                served.handle(link, requests.parse(message))
        except PathRefused as error:
            return served, error
        finally:
            served.close()
    return served, None


def test_copies_that_a_restore_is_asked_for(tmp_path: Path) -> None:
    def script(device: Device) -> None:
        for number in range(MANY):
            device.ask("DLMessageCopyItem", UDID, f"{UDID}-{number:08}-000000", OPTIONS, 0.0)

    served, error = restoring(tmp_path, script)
    assert error is not None
    assert len(served._copies) == restored_files.MOST_COPIES


def test_files_that_are_sent_to_a_restore(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(restored_files, "MOST_NAMED", FEW)
    told: list[object] = []

    def script(device: Device) -> None:
        told.append(device.upload(*(file(f"source/odd{number}", b"x") for number in range(MANY)))[2])
        device.send("DLMessageDisconnect", "done")

    _, error = restoring(tmp_path, script)
    assert error is None
    assert isinstance(told[0], dict)
    assert len(told[0]) == FEW


def test_notices_that_nobody_has_time_for() -> None:
    notices: queue.SimpleQueue[Notice] = queue.SimpleQueue()
    put = sync_lock_and_notices.into(notices)
    for _ in range(2 * sync_lock_and_notices.MOST_NOTICES):
        put(Notice.PASSCODE_ASKED)
    assert notices.qsize() == sync_lock_and_notices.MOST_NOTICES


def test_messages_that_are_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(phone_session, "_MOST_UNKNOWN", FEW)
    told: list[object] = []

    def script(device: Device) -> None:
        device.greet()
        device.receive()
        for number in range(MANY):
            device.send(f"DLMessageOdd{number}")
            if device.receive()[0] == "DLMessageDisconnect":
                return

    with playing(script) as sock, nothing_to_show(UDID) as nothing:
        session = SettingsSession(ScriptedPhone(sock), nothing, told.append)
        with pytest.raises(ProtocolBroken):
            session.enable_cloud_backup(on=True)
    assert len(session._unknown_names) == len(told) == phone_session._TOLD_UNKNOWN


def browsed(pages: list[list[dict[str, object]]]) -> dict[str, dict[str, bytes]]:
    """What is kept of a list of apps that comes in these pages and does not end by itself."""
    ours, theirs = socket.socketpair()

    def play() -> None:
        device = Device(theirs)
        with theirs:
            device.read(struct.unpack(">I", device.read(4))[0])
            try:
                for page in pages:
                    body = plistlib.dumps({"CurrentList": page, "Status": "BrowsingApplications"})
                    device.raw(struct.pack(">I", len(body)) + body)
                body = plistlib.dumps({"Status": "Complete"})
                device.raw(struct.pack(">I", len(body)) + body)
            except OSError:
                pass  # it heard enough

    thread = threading.Thread(target=play)
    thread.start()
    try:
        with PlistStream(ours, "apps", 10) as stream:
            found = info_plist._browse(stream, Limits(), lambda _: None)
            return {
                each: {part: data for part, data in app.items() if isinstance(data, bytes)}
                for each, app in found.items()
            }
    finally:
        thread.join()


def test_apps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(info_plist, "_MOST_APPS", FEW)
    monkeypatch.setattr(info_plist, "_LARGEST_APPS", 300)
    apps: list[dict[str, object]] = [
        {"CFBundleIdentifier": f"org.example.{number}", "ApplicationSINF": bytes(100), "More": bytes(1000)}
        for number in range(MANY)
    ]
    found = browsed([[{"CFBundleIdentifier": "x" * 1000}], apps[:3], apps[3:], apps])
    assert list(found) == [app["CFBundleIdentifier"] for app in apps[:FEW]]
    assert sum(len(data) for app in found.values() for data in app.values()) <= 600


def test_names_in_the_doctors_count_of_traffic(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watched_attempt, "_MOST_NAMES", FEW)
    counter = watched_attempt._Counter.__new__(watched_attempt._Counter)
    counter._interfaces = {}
    for number in range(MANY):
        counter._add(f"en{number}", f"program{number}", 1)
    assert len(counter._interfaces) == FEW
