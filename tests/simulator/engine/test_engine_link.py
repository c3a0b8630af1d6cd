"""DeviceLink from the phone's side: what it accepts of hosts, and what it does not."""

import plistlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .conftest import Host

Make = Callable[..., "Host"]
OK = {"MessageName": "Response", "ErrorCode": 0}


def fails(host: "Host") -> int:
    """The code with which a backup ends; there has to be one."""
    response = host.backup()
    code = response["ErrorCode"]
    assert isinstance(code, int)
    assert code > 0
    return code


def test_answers_have_four_elements(make: Make) -> None:
    host = make()
    send = host._send

    def short(message: Sequence[object]) -> None:
        send(message[:3] if message[0] == "DLMessageStatusResponse" else message)

    host._send = short  # type: ignore[method-assign]
    assert fails(host) == 100


@pytest.mark.parametrize("code", [-6, (1 << 64) - 6, (1 << 32) - 6])
def test_codes_are_signed_numbers_of_32_bits(make: Make, code: int) -> None:
    host = make()
    host._number = lambda _: code  # type: ignore[method-assign, assignment]
    host.override["create"] = (-1, "no", {})
    assert fails(host) == 4


@pytest.mark.parametrize(("code", "error"), [(-6, 4), (-15, 105), (-11, 100), (-28, 100), (-1, 100)])
def test_codes_become_errors(make: Make, code: int, error: int) -> None:
    host = make()
    host.override["create"] = (code, "no", {})
    assert fails(host) == error


def test_folders_that_exist_are_fine(make: Make) -> None:
    host = make()
    host.override["create"] = (-7, "exists", {})
    host.folders = {f"{host.phone.udid}/{number:02x}" for number in range(256)}
    assert host.backup() == OK


def test_a_host_that_stops_at_the_first_missing_file(make: Make) -> None:
    """As idevicebackup2 does: the rest of the list is neither sent nor reported."""
    host = make()
    host.backup()
    download = host._download

    def stopping(message: list[object]) -> tuple[int, str, object]:
        paths = message[1]
        assert isinstance(paths, list)
        gone = next((at for at, path in enumerate(paths) if path not in host.files), len(paths) - 1)
        return download([message[0], paths[: gone + 1], *message[2:]])

    host._download = stopping  # type: ignore[method-assign]
    entry = next(host.phone.files.files(encrypted=False))
    del host.files[f"{host.phone.udid}/{entry.file_id[:2]}/{entry.file_id}"]
    assert host.restore(RestoreDontCopyBackup=True)["ErrorCode"] == 205


def test_a_file_nobody_asked_for(make: Make) -> None:
    host = make()

    def other(message: list[object]) -> tuple[int, str, object]:
        for part in (b"other/file", b"\x0cdata", b"\0"):
            host._put(part)
        host._file.write(bytes(4))
        return 0, "", {}

    host._download = other  # type: ignore[method-assign]
    assert fails(host) == 100


def test_multi_status_has_to_be_keyed_by_the_path(make: Make) -> None:
    host = make()
    host.override["move"] = (-13, "Multi status", {"other": {"DLFileErrorCode": -6, "DLFileErrorString": ""}})
    assert fails(host) == 104
    host.override["move"] = (-13, "Multi status", "nothing")
    assert fails(host) == 104


@pytest.mark.parametrize("listing", [3, "x", {"00": 1}])
def test_listings_have_to_be_listings(make: Make, listing: object) -> None:
    host = make()
    host.override["list"] = (0, "", listing)
    assert fails(host) in (100, 205)


def test_a_folder_that_is_not_there_is_empty(make: Make) -> None:
    host = make()
    host.override["list"] = (-6, "No such directory", {})
    assert fails(host) == 205


def test_hello_without_a_common_version(make: Make) -> None:
    host = make()
    response = host.request({"MessageName": "Hello", "SupportedProtocolVersions": [9.0]})
    assert response["ErrorCode"] == 1


def test_requests_nobody_knows_end_the_conversation(make: Make) -> None:
    host = make()
    with pytest.raises(Exception, match="Unknown Message Received"):
        host.request({"MessageName": "MakeTea"})
    with pytest.raises(Exception, match="hung up"):
        host.request({"MessageName": "EraseDevice", "TargetIdentifier": host.phone.udid})
    assert host.request({"MessageName": "Remove"})["ErrorCode"] == 1
    state = {"MessageName": "EnableCloudBackup", "CloudBackupState": True}
    assert host.request(state) == OK
    assert host.phone.domain("com.apple.mobile.backup")["CloudBackupEnabled"] is True


def test_small_files_share_writes(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    from ibackup.simulator.stream import Stream

    writes: list[int] = []
    write = Stream.write

    def counted(stream: Stream, data: bytes) -> None:
        writes.append(len(data))
        write(stream, data)

    monkeypatch.setattr(Stream, "write", counted)
    host = make(batch_size=128)
    assert host.backup() == OK
    # Two for a message and what follows it, at most, but for files larger than one write.
    assert len(writes) < 2 * len(host.messages) + 10


@pytest.mark.parametrize("size", [1, 100, 32_767, 1 << 20])
def test_chunks_have_the_size_of_the_spec(make: Make, size: int) -> None:
    from ibackup.simulator.spec import DomainSpec

    host = make(
        chunk_size=size, domains=(DomainSpec(name="HomeDomain", count=3, min_size=100, max_size=3000),)
    )
    frames: list[int] = []
    read = host._frame

    def frame() -> bytes:
        data = read()
        if data[:1] == b"\x0c":
            frames.append(len(data) - 1)
        return data

    host._frame = frame  # type: ignore[method-assign]
    assert host.backup() == OK
    assert max(frames) <= size


def test_info_and_list(make: Make) -> None:
    host = make()
    host.backup()
    identifiers = {"TargetIdentifier": host.phone.udid}
    content = host.request({"MessageName": "Info", **identifiers})["Content"]
    assert isinstance(content, str)
    assert " Count   Size (B) Domain name" in content
    listed = host.request({"MessageName": "List", **identifiers})["Content"]
    assert isinstance(listed, str)
    lines = listed.splitlines()
    assert lines[0].startswith("ID, Digest, Mode, Inode, UID, GID, Last modified")
    assert len(lines) == 1 + sum(1 for _ in host.phone.files.entries(encrypted=False))
    host = make(backup_password="x")
    host.backup()
    refused = host.request({"MessageName": "List", **identifiers})
    assert refused["ErrorCode"] == 207
    assert "MKBKeyBagUnlock error (-3) (MBErrorDomain/207)" in str(refused["ErrorDescription"])


def test_unback_and_extract(make: Make, password: str | None) -> None:
    host = make(backup_password=password)
    host.backup()
    udid = host.phone.udid
    request = {"TargetIdentifier": udid} | ({"Password": password} if password else {})
    assert host.request({"MessageName": "Unback", **request}) == OK
    content = host.phone.files
    for entry in content.files(encrypted=bool(password)):
        assert host.files[f"_unback_/{udid}/{entry.domain}/{entry.path}"] == content.read(entry)
    entry = next(each for each in content.files() if each.domain == "HomeDomain")
    name = entry.path.rpartition("/")[2]
    place = {"DomainName": entry.domain, "RelativePath": entry.path}
    assert host.request({"MessageName": "Extract", **request, **place}) == OK
    assert host.files[name] == content.read(entry)
    place["RelativePath"] = "nothing"
    assert host.request({"MessageName": "Extract", **request, **place})["ErrorCode"] == 4


def test_binary_property_lists_go_out(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    host = make()
    seen: set[bytes] = set()
    load = plistlib.loads

    def noted(data: bytes) -> object:
        seen.add(data[:8])
        return load(data)

    host.xml = True
    monkeypatch.setattr(plistlib, "loads", noted)
    assert host.backup() == OK
    assert seen == {b"bplist00", b"<?xml ve"}


def test_what_cannot_be_changed_on_the_drive_is_104(make: Make) -> None:
    """As phones answer a Snapshot folder that is not empty to the computer: 104, and the cause behind it."""
    host = make()
    host.override["remove"] = (-39, "Directory not empty (39)", {})
    answer = host.backup()
    assert answer["ErrorCode"] == 104
    assert str(answer["ErrorDescription"]).endswith(
        "on the drive (MBErrorDomain/104). Underlying error: status -39 (MBErrorDomain/100)."
    )
