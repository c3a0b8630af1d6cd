"""Everything that can go wrong with the phone, each on its own."""

import plistlib
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from ibackup.simulator.content import PhoneFile
from ibackup.simulator.faults import (
    DropInPhase,
    ErrorCodeAt,
    GiantFrame,
    GiantPlist,
    HostilePath,
    LyingFile,
    NoManifestDb,
    NoRoom,
    OmittedFile,
    PathPlace,
    Phase,
    SnapshotInTheWay,
    UnknownMessage,
    UnreadableFile,
    UserCancels,
)
from ibackup.simulator.habits import Habits
from ibackup.simulator.spec import Passcode

if TYPE_CHECKING:
    from .conftest import Host

Make = Callable[..., "Host"]
OK = {"MessageName": "Response", "ErrorCode": 0}
PRESENTED = "com.apple.LocalAuthentication.ui.presented"
DISMISSED = "com.apple.LocalAuthentication.ui.dismissed"


def a_file(host: "Host", domain: str = "HomeDomain") -> PhoneFile:
    return next(each for each in host.phone.files.files() if each.domain == domain and each.size > 600)


def place_of(host: "Host", entry: PhoneFile) -> str:
    return f"{host.phone.udid}/{entry.file_id[:2]}/{entry.file_id}"


def named(host: "Host") -> set[str]:
    """The files that Manifest.db names, by a restore that reads them all."""
    assert host.restore(RestoreDontCopyBackup=True) == OK
    assert host.phone.restored is not None
    return set(host.phone.restored.files)


# --- codes and people


@pytest.mark.parametrize("code", [1, 100, 104, 105, 205, 208])
def test_error_at_the_start_and_at_the_end(make: Make, code: int) -> None:
    host = make(faults=(ErrorCodeAt(where="start", code=code, text="No", times=1),))
    response = host.backup()
    assert response["ErrorCode"] == code
    assert response["ErrorDescription"] == f"No (MBErrorDomain/{code})"
    assert host.messages == []
    assert host.backup() == OK
    host = make(faults=(ErrorCodeAt(where="end", code=code, times=1),))
    assert host.backup()["ErrorCode"] == code
    status = plistlib.loads(host.files[f"{host.phone.udid}/Status.plist"])
    assert status["SnapshotState"] == "finished"


def test_preconditions(make: Make) -> None:
    assert make(setup_done=False).backup()["ErrorCode"] == 212
    assert make(requires_encryption=True).backup()["ErrorCode"] == 207
    assert make(requires_encryption=True, backup_password="x").backup() == OK
    assert make(locked=True).backup()["ErrorCode"] == 208


@pytest.mark.parametrize("kind", ["never", "cancelled"])
def test_the_passcode_is_not_entered(make: Make, kind: str) -> None:
    host = make(passcode=Passcode(kind=kind, delay_s=0.01))  # type: ignore[arg-type]
    assert host.backup()["ErrorCode"] == 208
    assert host.messages == []
    assert host.phone.journal.details("notified") == [PRESENTED, DISMISSED]


def test_the_passcode_is_entered(make: Make) -> None:
    host = make(passcode=Passcode(kind="cut", delay_s=0.01))
    with pytest.raises(Exception, match="hung up"):
        host.backup()
    assert host.phone.journal.details("notified") == [PRESENTED, DISMISSED]
    host = make(passcode=Passcode(kind="answered", delay_s=0.01))
    assert host.backup() == OK
    assert host.phone.journal.details("notified")[:2] == [PRESENTED, DISMISSED]
    host = make(passcode=Passcode(kind="never"), ios_version="15.7")
    assert host.backup() == OK  # asked for since 16.1


def test_the_user_cancels(make: Make) -> None:
    host = make(faults=(UserCancels(after=520, times=1),))
    assert host.backup()["ErrorCode"] == 202
    assert len(host.messages) == 520
    assert "com.apple.itunes-client.syncCancelRequest" in host.phone.journal.details("notified")
    assert host.backup() == OK


@pytest.mark.parametrize("phase", ["uploading", "moving", "removing"])
def test_the_connection_drops_in_a_phase(make: Make, phase: Phase) -> None:
    host = make(faults=(DropInPhase(phase=phase, after=1, times=1),))
    with pytest.raises(Exception, match="hung up"):
        host.backup()
    status = plistlib.loads(host.files[f"{host.phone.udid}/Status.plist"])
    assert status["SnapshotState"] == phase
    assert host.backup() == OK
    assert len(named(host)) > 10


@pytest.mark.parametrize("helps", [False, True])
def test_no_room(make: Make, helps: bool) -> None:
    host = make(faults=(NoRoom(missing=12_345, purge_helps=helps),))
    host._purge = lambda message: (0, "", message[1])  # type: ignore[attr-defined]
    response = host.backup()
    assert response["ErrorCode"] == (0 if helps else 105)
    purges = [message for name, message in host.messages if name == "purge"]
    assert purges == [["DLMessagePurgeDiskSpace", 12_345 + (2 << 30), 4]]


# --- files


@pytest.mark.parametrize(
    ("code", "text"), [(0x0B, "Input/output error"), (0x01, "Not permitted"), (0x06, "")]
)
@pytest.mark.parametrize("after", [0, 500])
def test_an_unreadable_file(make: Make, code: int, text: str, after: int) -> None:
    host = make()
    entry = a_file(host)
    fault = UnreadableFile(domain=entry.domain, path=entry.path, code=code, text=text, after=after)
    host.phone.set_faults(fault)
    assert host.backup() == OK
    place = f"{host.phone.udid}/Snapshot/{entry.file_id[:2]}/{entry.file_id}"
    assert host.trailers == {place: (code, text)}
    assert host.uploaded.count(place) == 2  # tried once more
    # It stays in the list and is moved, as far as it came; the digest of the rest of it is not known.
    assert host.files[place_of(host, entry)] == host.phone.files.read(entry)[:after]
    assert host.restore(RestoreDontCopyBackup=True)["ErrorCode"] == 205
    host.phone.set_faults()
    host.phone.files.write(entry.domain, entry.path, b"anew")
    assert host.backup() == OK
    assert entry.file_id in named(host)


def test_an_unreadable_file_that_a_phone_leaves_out_of_its_list(make: Make) -> None:
    host = make(habits=Habits(keeps_unread=False))
    entry = a_file(host)
    host.phone.set_faults(UnreadableFile(domain=entry.domain, path=entry.path))
    assert host.backup() == OK
    assert entry.file_id not in named(host)


def test_a_host_that_does_not_store_an_unreadable_file(make: Make) -> None:
    host = make()
    entry = a_file(host)
    host.phone.set_faults(UnreadableFile(domain=entry.domain, path=entry.path))
    upload = host._upload

    def dropping(message: list[object]) -> tuple[int, str, object]:
        answer = upload(message)
        for path in host.trailers:
            host.files.pop(path, None)
        return answer

    host._upload = dropping  # type: ignore[method-assign]
    assert host.backup()["ErrorCode"] == 104


def test_a_snapshot_in_the_way(make: Make) -> None:
    host = make(faults=(SnapshotInTheWay(),))
    for _ in range(2):
        response = host.backup()
        assert response["ErrorCode"] == 3
        assert "File exists (17)" in str(response["ErrorDescription"])
    host.phone.restart()
    assert host.backup() == OK


def test_a_file_that_heals(make: Make) -> None:
    host = make()
    entry = a_file(host)
    host.phone.set_faults(UnreadableFile(domain=entry.domain, path=entry.path, after=100, heals=True))
    assert host.backup() == OK
    assert host.files[place_of(host, entry)] == host.phone.files.read(entry)
    assert entry.file_id in named(host)


def test_an_omitted_file(make: Make) -> None:
    host = make()
    entry = a_file(host)
    host.phone.set_faults(OmittedFile(domain=entry.domain, path=entry.path, times=1))
    assert host.backup() == OK  # so says the phone
    assert place_of(host, entry) not in host.files
    assert host.restore(RestoreDontCopyBackup=True)["ErrorCode"] == 205


@pytest.mark.parametrize("how", ["flipped", "short"])
@pytest.mark.parametrize("domain", ["HomeDomain", "CameraRollDomain"])
def test_a_lie_about_a_file(make: Make, password: str | None, how: str, domain: str) -> None:
    host = make(backup_password=password)
    entry = a_file(host, domain)
    host.backup()
    truth = host.files[place_of(host, entry)]
    host.phone.set_faults(LyingFile(domain=domain, path=entry.path, how=how, times=1))  # type: ignore[arg-type]
    host.files.clear()
    host.folders.clear()
    assert host.backup() == OK
    lie = host.files[place_of(host, entry)]
    if how == "short":
        assert len(lie) < len(truth)
    elif not password:
        assert sum(a != b for a, b in zip(lie, truth, strict=True)) == 1
    response = host.restore(Password=password or "", RestoreDontCopyBackup=True)
    assert response["ErrorCode"] == 205


def test_no_manifest_database(make: Make) -> None:
    host = make(faults=(NoManifestDb(times=1),))
    assert host.backup() == OK
    assert f"{host.phone.udid}/Manifest.db" not in host.files
    assert f"{host.phone.udid}/Manifest.plist" in host.files
    assert host.backup() == OK
    assert f"{host.phone.udid}/Manifest.db" in host.files


# --- hostile messages

EVIL = "../../evil"


@pytest.mark.parametrize(
    ("place", "name"),
    [
        ("upload", "upload"),
        ("download", "download"),
        ("move_source", "move"),
        ("move_destination", "move"),
        ("remove", "remove"),
        ("create_directory", "create"),
        ("list", "list"),
        ("copy_source", "copy"),
        ("copy_destination", "copy"),
        ("remove_directory", "remove_directory"),
    ],
)
def test_a_hostile_path(make: Make, place: PathPlace, name: str) -> None:
    host = make(faults=(HostilePath(place=place, path=EVIL),))
    refused = [0]

    def refuse(message: list[object]) -> tuple[int, str, object]:
        if EVIL in str(message):
            refused[0] += 1
            return -1, "refused", {}
        assert original is not None  # only RemoveDirectory has none, and is sent for nothing else
        return original(message)  # type: ignore[no-any-return]

    original = getattr(host, f"_{name}", None)
    if place == "upload":
        assert host.backup() == OK
        assert EVIL in host.uploaded
        return
    setattr(host, f"_{name}", refuse)
    assert host.backup() == OK
    assert refused == [1]
    assert not any("Snapshot" in path for path in host.files)


def test_an_unknown_message(make: Make) -> None:
    host = make(faults=(UnknownMessage(name="DLMessageMakeTea", times=1),))
    assert host.backup() == OK
    assert "DLMessageMakeTea" in [name for name, _ in host.messages]


def test_giants(make: Make) -> None:
    """The lengths arrive as announced; a host that hangs up meets a phone that is well the next time."""
    for fault in (GiantFrame(times=1), GiantPlist(times=1)):
        host = make(faults=(fault,))
        lengths: list[int] = []
        read = host._frame

        def frame(host: "Host" = host, lengths: list[int] = lengths) -> bytes:
            length = int.from_bytes(host._read(4), "big")
            lengths.append(length)
            if length > 1 << 30:
                raise EOFError
            return host._read(length)

        host._frame = frame  # type: ignore[method-assign]
        with pytest.raises(Exception, match="hung up"):
            host.backup()
        assert lengths[-1] == 0xFFFF_FFF0
        host._frame = read  # type: ignore[method-assign]
        assert host.backup() == OK
