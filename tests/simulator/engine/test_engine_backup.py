"""Full and incremental backups: the order of messages, and what lies on the computer afterwards."""

import hashlib
import plistlib
import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import groupby, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest

from ibackup.simulator.habits import Habits
from ibackup.simulator.mbfile_records import archived
from ibackup.simulator.spec import DomainSpec
from support.readers import by_iphone_backup_decrypt, by_pyiosbackup

if TYPE_CHECKING:
    from .conftest import Host

Make = Callable[..., "Host"]
OK = {"MessageName": "Response", "ErrorCode": 0}


def kinds(host: "Host") -> list[str]:
    """The kinds of the messages, repetitions left out."""
    return [kind for kind, _ in groupby(name for name, _ in host.messages)]


def on_disk(host: "Host", folder: Path) -> Path:
    """Write the host's files out, for readers that want a folder."""
    for path, data in host.files.items():
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)
    return folder / host.phone.udid


def rows(host: "Host", tmp_path: Path, password: str | None) -> Iterator[tuple[str, str, str, int, bytes]]:
    """The rows of Manifest.db, by a reader that we did not write."""
    folder = on_disk(host, tmp_path / "rows")
    plain = tmp_path / "plain.db"
    if password:
        with by_iphone_backup_decrypt(folder, password) as theirs:
            theirs.save_manifest_file(str(plain))
    else:
        plain = folder / "Manifest.db"
    with closing(sqlite3.connect(f"{plain.as_uri()}?immutable=1", uri=True)) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        yield from database.execute("SELECT fileID, domain, relativePath, flags, file FROM Files").fetchall()


def assert_equal_to_phone(host: "Host", tmp_path: Path, password: str | None) -> None:
    """Every file of the phone is in the backup, with the same bytes, and nothing else is."""
    folder = on_disk(host, tmp_path / "backup")
    content = host.phone.files
    wanted = {
        (entry.domain, entry.path): content.read(entry) for entry in content.files(encrypted=bool(password))
    }
    found: dict[tuple[str, str], bytes] = {}
    if password:
        with by_iphone_backup_decrypt(folder, password) as theirs:
            for domain, path in wanted:
                found[domain, path] = theirs.extract_file_as_bytes(path, domain_like=domain)
        with by_pyiosbackup(folder, password) as names:
            assert {(each.domain, each.relative_path) for each in names.iter_files()} == set(wanted)
    else:
        for file_id, domain, path, flags, _ in rows(host, tmp_path, None):
            if flags == 1:
                found[domain, path] = (folder / file_id[:2] / file_id).read_bytes()
    assert found == wanted
    stored = [path for path in host.files if re.fullmatch(f"{host.phone.udid}/[0-9a-f]{{2}}/.*", path)]
    assert len(stored) == len(wanted)
    assert not any("Snapshot" in path for path in host.files)


def test_full_backup(make: Make, password: str | None, tmp_path: Path) -> None:
    host = make(backup_password=password)
    assert host.backup() == OK
    assert_equal_to_phone(host, tmp_path, password)
    udid = host.phone.udid
    assert kinds(host) == [
        "download",  # Status.plist
        "free",
        "create",
        "upload",  # Status.plist, batches, Manifest.plist, Manifest.db, Status.plist
        "move",
        "upload",  # Status.plist
        "remove",
        "upload",  # Status.plist
        "download",  # the check
        "list",
    ]
    names = [name for name, _ in host.messages]
    assert names.count("create") == 514
    assert names.count("list") == 257
    assert [path for path in host.uploaded if path.endswith("Status.plist")] == [f"{udid}/Status.plist"] * 4
    assert host.uploaded[-5:-3] == [f"{udid}/Snapshot/Manifest.plist", f"{udid}/Snapshot/Manifest.db"]
    batches = [message[1] for name, message in host.messages if name == "move"]
    assert all(isinstance(batch, dict) and len(batch) <= 4 for batch in batches)
    removed = [message[1] for name, message in host.messages if name == "remove"]
    assert removed == [[f"{udid}/Snapshot"], [f"{udid}/Manifest.mbdx"]]


def progress(host: "Host") -> list[float]:
    host.backup()
    place = {"download": 3, "upload": 2, "move": 3, "remove": 3, "create": 3, "list": 3}
    found = [message[place[name]] for name, message in host.messages if name in place]
    numbers = [value for value in found if isinstance(value, float)]
    assert len(numbers) == len(found)
    assert numbers[0] == 0.0
    assert numbers[-1] == 100.0
    assert any(20 < value < 80 for value in numbers)
    return numbers


@pytest.mark.parametrize("habit", ["ahead", "behind"])
def test_progress_rises_to_a_hundred(make: Make, habit: Literal["ahead", "behind"]) -> None:
    host = make(habits=Habits(progress=habit))
    numbers = progress(host)
    assert numbers == sorted(numbers)
    lists = [message[2] for name, message in host.messages if name == "upload"][1:]  # after Status.plist
    assert (lists[0] == 0) is (habit == "behind"), "most phones say what a step will have reached"


def test_progress_that_falls(make: Make) -> None:
    numbers = progress(make(habits=Habits(progress="falls")))
    assert any(later <= earlier - 20 for earlier, later in pairwise(numbers))


def test_what_is_announced(make: Make) -> None:
    """A single file as nothing at all, a list of files as less than it has; and options only with lists."""
    host = make()
    host.backup()
    uploads = [message for name, message in host.messages if name == "upload"]
    singles = [message for message in uploads if message[1] == {}]
    lists = [message for message in uploads if message not in singles]
    assert len(singles) == 6  # Status.plist four times, and the manifests
    assert {message[3] for message in singles} == {0}
    assert all(message[1]["DLDeviceIOCallbacks"] >= 1 << 32 for message in lists)  # type: ignore[index]
    sent = sum(entry.size for entry in host.phone.files.files(encrypted=False))
    announced = sum(message[3] for message in lists)  # type: ignore[misc]
    assert 0.9 * sent < announced < 0.92 * sent
    assert all(message[2] == {} for name, message in host.messages if name == "create")
    host = make(habits=Habits(announces="exact"))
    host.backup()
    assert sum(message[3] for name, message in host.messages if name == "upload" and message[1]) == sent  # type: ignore[misc]


def test_status_and_manifest_plists(make: Make, password: str | None) -> None:
    host = make(backup_password=password)
    host.backup()
    udid = host.phone.udid
    status = plistlib.loads(host.files[f"{udid}/Status.plist"])
    assert set(status) == {"UUID", "Date", "Version", "BackupState", "SnapshotState", "IsFullBackup"}
    assert (status["BackupState"], status["SnapshotState"]) == ("new", "finished")
    assert status["IsFullBackup"] is False
    assert host.files[f"{udid}/Status.plist"].startswith(b"bplist00")
    manifest = plistlib.loads(host.files[f"{udid}/Manifest.plist"])
    assert manifest["IsEncrypted"] is bool(password)
    assert len(manifest["BackupKeyBag"]) == (1388 if password else 1336)
    assert ("ManifestKey" in manifest) is bool(password)
    assert manifest["Version"] == "10.0"
    lockdown = manifest["Lockdown"]
    assert lockdown["ProductVersion"] == host.phone.spec.ios_version
    assert lockdown["UniqueDeviceID"] == udid
    assert lockdown["SerialNumber"] == host.phone.spec.serial
    if password:
        assert len(manifest["ManifestKey"]) == 44
        assert manifest["ManifestKey"][:4] == b"\x04\0\0\0"


def test_digests_and_keys(make: Make, password: str | None, tmp_path: Path) -> None:
    host = make(backup_password=password)
    host.backup()
    checked = empty = 0
    for file_id, domain, path, flags, blob in rows(host, tmp_path, password):
        fields = archived(blob)
        assert file_id == hashlib.sha1(f"{domain}-{path}".encode()).hexdigest()
        assert ("EncryptionKey" in fields) is (flags == 1 and password is not None)
        if flags != 1:
            assert "Digest" not in fields
            continue
        stored = host.files[f"{host.phone.udid}/{file_id[:2]}/{file_id}"]
        assert ("Digest" in fields) is (domain in ("HomeDomain", "HealthDomain"))
        if "Digest" in fields:
            assert fields["Digest"] == hashlib.sha1(stored).digest()
            checked += 1
        size = fields["Size"]
        assert isinstance(size, int)
        assert len(stored) == ((size // 16 + 1) * 16 if password else size)
        empty += size == 0
        if password:
            assert isinstance(fields["EncryptionKey"], bytes)
            assert fields["EncryptionKey"][:4] == fields["ProtectionClass"].to_bytes(4, "little")  # type: ignore[attr-defined]
    assert checked > 10
    assert empty


def test_incremental_sends_what_changed(make: Make, password: str | None, tmp_path: Path) -> None:
    host = make(backup_password=password)
    host.backup()
    before = dict(host.files)
    host.phone.files.change(added=1, changed=2, removed=1)
    assert host.backup() == OK
    assert_equal_to_phone(host, tmp_path, password)
    sent = [path for path in host.uploaded if "/Snapshot/" in path and "Manifest" not in path]
    assert 2 <= len(sent) <= 3  # one of them may be of a domain that only encrypted backups have
    gone = before.keys() - host.files.keys()
    assert len(gone) <= 1
    names = [name for name, _ in host.messages]
    assert names.count("list") == 514  # before use, and at the end
    status = [path for path in host.uploaded if path.endswith("Status.plist")]
    assert len(status) == 4


def test_nothing_changed_sends_nothing(make: Make) -> None:
    host = make()
    host.backup()
    assert host.backup() == OK
    assert [path for path in host.uploaded if path.count("/") == 3] == []


def test_a_missing_file_makes_the_next_backup_full(make: Make, tmp_path: Path) -> None:
    host = make()
    host.backup()
    lost = next(path for path in host.files if path.count("/") == 2)
    del host.files[lost]
    assert host.backup() == OK
    assert len([path for path in host.uploaded if path.count("/") == 3]) > 10
    assert_equal_to_phone(host, tmp_path, None)


@pytest.mark.parametrize("name", ["Status.plist", "Manifest.plist", "Manifest.db"])
@pytest.mark.parametrize("damage", [None, b"", b"junk" * 2000])
def test_damaged_metadata_makes_the_next_backup_full(
    make: Make, tmp_path: Path, name: str, damage: bytes | None
) -> None:
    host = make(backup_password="geheim")
    host.backup()
    path = f"{host.phone.udid}/{name}"
    if damage is None:
        del host.files[path]
    else:
        host.files[path] = damage
    assert host.backup() == OK
    assert len([path for path in host.uploaded if path.count("/") == 3]) > 10
    assert_equal_to_phone(host, tmp_path, "geheim")


def test_an_empty_manifest_is_an_error_on_older_phones(make: Make) -> None:
    host = make(ios_version="15.7")
    host.backup()
    host.files[f"{host.phone.udid}/Manifest.plist"] = b""
    response = host.backup()
    assert response["ErrorCode"] == 205
    assert str(response["ErrorDescription"]).endswith("(MBErrorDomain/205)")


def test_status_that_says_full_makes_a_full_backup(make: Make, tmp_path: Path) -> None:
    host = make()
    host.backup()
    path = f"{host.phone.udid}/Status.plist"
    status = plistlib.loads(host.files[path])
    status["IsFullBackup"] = True
    host.files[path] = plistlib.dumps(status, fmt=plistlib.FMT_BINARY)
    host.phone.files.change(removed=2)
    assert host.backup() == OK
    assert [name for name, _ in host.messages][:2] == ["download", "free"]  # nothing else was read
    assert_equal_to_phone(host, tmp_path, None)


def test_another_password_makes_the_next_backup_full(make: Make, tmp_path: Path) -> None:
    host = make()
    for password in ("one", "two", None):
        host.phone.set_backup_password(password)
        assert host.backup() == OK
        assert len([path for path in host.uploaded if path.count("/") == 3]) > 10
        assert_equal_to_phone(host, tmp_path / str(password), password)


@pytest.mark.parametrize("major", [100, 200, 300, 400])
@pytest.mark.parametrize("xml", [False, True])
def test_versions_and_dialects_of_hosts(make: Make, tmp_path: Path, major: int, xml: bool) -> None:
    host = make()
    host.major, host.xml = major, xml
    assert host.backup() == OK
    assert host.backup() == OK
    sent = {str(message[0]) for _, message in host.messages}
    assert ("DLMessageGetFreeDiskSpace" in sent) is (major >= 300)
    assert ("DLMessageRemoveItems" in sent) is (major >= 200)
    assert ("DLMessageRemoveFiles" in sent) is (major < 200)
    assert_equal_to_phone(host, tmp_path, None)


def test_another_udid_is_refused(make: Make) -> None:
    host = make()
    request = {"MessageName": "Backup", "TargetIdentifier": "00000000-0000000000000000"}
    assert host.request(request)["ErrorCode"] == 1


# --- room

RESERVE = 128 << 20


def test_room_is_counted_to_the_byte(make: Make) -> None:
    host = make()
    size = sum(entry.size for entry in host.phone.files.files(encrypted=False))
    host.room = size + RESERVE + 1
    assert host.backup() == OK
    assert "purge" not in [name for name, _ in host.messages]
    host = make()
    host.room = size + RESERVE
    host.override["purge"] = (-1, "DLPurgeDiskSpace failed to purge", 0)
    assert host.backup()["ErrorCode"] == 105
    purges = [message for name, message in host.messages if name == "purge"]
    assert purges == [["DLMessagePurgeDiskSpace", 2 << 30, 4]]
    assert "create" not in [name for name, _ in host.messages]


def test_short_room_asks_for_the_deficit(make: Make) -> None:
    host = make()
    size = sum(entry.size for entry in host.phone.files.files(encrypted=False))
    host.room = 1000
    assert host.backup()["ErrorCode"] == 105
    message = next(message for name, message in host.messages if name == "purge")
    assert message[1] == size + RESERVE - 1000 + (2 << 30)
    host.major = 300
    assert host.backup()["ErrorCode"] == 105
    assert "purge" not in [name for name, _ in host.messages]


def test_room_that_was_made_is_used(make: Make) -> None:
    host = make()
    host.room = 1000

    def purge(message: list[object]) -> tuple[int, str, object]:
        host.room = 1 << 40
        return 0, "", message[1]

    host._purge = purge  # type: ignore[attr-defined]
    assert host.backup() == OK
    assert [name for name, _ in host.messages].count("free") == 2


def test_a_full_disk_in_the_middle(make: Make) -> None:
    host = make()
    host.override["upload"] = (-13, "Multi status", {})
    assert host.backup()["ErrorCode"] in (100, 104)
    host.override["upload"] = (-15, "No space left on device", {})
    assert host.backup()["ErrorCode"] == 105


# --- scale


def test_a_big_file_passes_in_chunks(make: Make, tmp_path: Path) -> None:
    host = make(big_file_size=9_000_000, backup_password="x", chunk_size=20_000)
    assert host.backup() == OK
    assert_equal_to_phone(host, tmp_path, "x")


@pytest.mark.slow
def test_many_small_files(make: Make) -> None:
    """The time per file does not grow with their number: no step of the engine is quadratic."""

    def seconds(count: int) -> float:
        host = make(domains=(DomainSpec(name="HomeDomain", count=count, max_size=64),), batch_size=128)
        assert host.backup() == OK
        full = host.phone_s
        host.phone.files.change(changed=5)
        assert host.backup() == OK
        return full + host.phone_s

    small, large = seconds(1500), seconds(12_000)
    assert large < 12 * small
