"""Backups that were cut off: whatever is left, the next one ends well, and sends no more than it must."""

import plistlib
import random
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .conftest import Host

Make = Callable[..., "Host"]
OK = {"MessageName": "Response", "ErrorCode": 0}


def cut_at(host: "Host", number: int) -> None:
    """Have one backup that is cut off at that message."""
    host.cut_off(lambda at, _: at == number)


def nth(kind: str, count: int) -> Callable[[int, str], bool]:
    """Says when the message is the nth of its kind."""
    seen = 0

    def cut(_: int, name: str) -> bool:
        nonlocal seen
        seen += name == kind
        return seen == count

    return cut


def sent(host: "Host") -> list[str]:
    """The content files that were uploaded."""
    return [path for path in host.uploaded if path.count("/") == 3 and "Manifest" not in path]


def state(host: "Host") -> tuple[str, str, bool]:
    status = plistlib.loads(host.files[f"{host.phone.udid}/Status.plist"])
    return status["BackupState"], status["SnapshotState"], status["IsFullBackup"]


def numbers(host: "Host", name: str) -> list[int]:
    """At which messages the last conversation had this kind."""
    return [at for at, (kind, _) in enumerate(host.messages, start=1) if kind == name]


def assert_whole(host: "Host", password: str | None) -> None:
    """A restore finds every file right, and Snapshot is gone."""
    assert host.restore(Password=password or "", RestoreDontCopyBackup=True) == OK
    restored = host.phone.restored
    assert restored is not None
    wanted = {entry.file_id for entry in host.phone.files.files(encrypted=bool(password))}
    assert restored.files.keys() == wanted
    assert restored.compared == len(wanted)
    stored = {path.rpartition("/")[2] for path in host.files if path.count("/") == 2}
    assert stored == wanted
    assert state(host) == ("new", "finished", False)


def test_an_upload_is_resumed(make: Make, password: str | None) -> None:
    host = make(backup_password=password)
    host.backup()
    uploads, everything = numbers(host, "upload"), len(sent(host))
    host = make(backup_password=password)
    cut_at(host, uploads[4])
    assert state(host) == ("empty", "uploading", True)
    first = len(sent(host))
    assert 0 < first < everything
    assert host.backup() == OK
    # A batch whose answer never came is on the computer, but the phone does not know it as sent.
    assert len(sent(host)) <= everything - first + host.phone.spec.batch_size
    assert len(sent(host)) < everything
    assert_whole(host, password)


def test_a_file_of_another_size_is_sent_again(make: Make) -> None:
    host = make()
    host.backup()
    cut = numbers(host, "upload")[-5]
    host = make()
    cut_at(host, cut)
    there = [path for path in sent(host) if host.files[path]]
    host.files[there[0]] = host.files[there[0]][:-1]
    del host.files[there[1]]
    assert host.backup() == OK
    assert {there[0], there[1]} <= set(sent(host))
    assert there[2] not in sent(host)
    assert_whole(host, None)


def test_a_file_that_changed_meanwhile_is_sent_again(make: Make) -> None:
    host = make()
    host.backup()
    cut = numbers(host, "upload")[-4]
    host = make()
    cut_at(host, cut)
    host.phone.files.change(fraction=1.0)
    assert host.backup() == OK
    assert len(sent(host)) >= 18
    assert_whole(host, None)


def test_a_phone_that_forgot_starts_over(make: Make, password: str | None) -> None:
    host = make(backup_password=password)
    host.backup()
    uploads, everything = numbers(host, "upload"), len(sent(host))
    host = make(backup_password=password)
    cut_at(host, uploads[4])
    host.phone.forget_upload()
    assert host.backup() == OK
    assert len(sent(host)) == everything
    assert numbers(host, "remove")[0] < numbers(host, "create")[0]
    assert_whole(host, password)


def test_an_incremental_upload_is_resumed_beside_the_previous_backup(
    make: Make, password: str | None
) -> None:
    host = make(backup_password=password)
    host.backup()
    before = {path: data for path, data in host.files.items() if path.count("/") == 2}
    host.phone.files.change(fraction=0.7)
    host.cut_off(nth("upload", 4))
    assert state(host) == ("old", "uploading", False)
    assert {path: data for path, data in host.files.items() if path.count("/") == 2} == before
    first = len(sent(host))
    assert host.backup() == OK
    assert len(sent(host)) < 15
    assert first
    assert_whole(host, password)


def test_another_password_since_starts_over(make: Make) -> None:
    host = make(backup_password="one")
    host.backup()
    uploads, everything = numbers(host, "upload"), len(sent(host))
    host = make(backup_password="one")
    cut_at(host, uploads[5])
    host.phone.set_backup_password("two")
    assert host.backup() == OK
    assert len(sent(host)) == everything
    assert_whole(host, "two")


@pytest.mark.slow
@pytest.mark.parametrize("incremental", [False, True])
def test_cut_at_every_message_after_the_scan(make: Make, incremental: bool) -> None:
    """Every message of uploading, moving, removing and the check; folders and listings by a sample."""

    def prepared() -> "Host":
        host = make(backup_password="x")
        if incremental:
            host.backup()
            host.phone.files.change(added=2, changed=9, removed=3)
        return host

    host = prepared()
    host.backup()
    rng = random.Random(1)
    dull = [at for at, (name, _) in enumerate(host.messages, 1) if name in ("create", "list")]
    interesting = {at for at, (name, _) in enumerate(host.messages, 1) if name not in ("create", "list")}
    for number in sorted(interesting | set(rng.sample(dull, 6))):
        host = prepared()
        cut_at(host, number)
        if rng.random() < 0.3:
            host.phone.forget_upload()
        assert host.backup() == OK, number
        assert_whole(host, "x")


def test_moving_is_finished_first(make: Make) -> None:
    host = make()
    host.backup()
    host = make()
    host.cut_off(nth("move", 3))
    assert state(host) == ("new", "moving", True)
    assert host.restore(RestoreDontCopyBackup=True) == OK  # such a backup can be restored as it is
    assert host.backup() == OK
    assert sent(host) == []
    assert_whole(host, None)


def test_removing_is_finished_first(make: Make) -> None:
    host = make()
    host.backup()
    host.phone.files.change(removed=5)
    host.cut_off(nth("remove", 1))
    assert state(host) == ("new", "removing", False)
    assert host.backup() == OK
    assert sent(host) == []
    assert_whole(host, None)


def test_another_tree_is_believed(make: Make) -> None:
    """A computer that shows an older copy of the backup gets what that copy lacks, whatever the phone did since."""
    host = make()
    host.backup()
    older = dict(host.files)
    host.phone.files.change(changed=6, added=2)
    host.backup()
    host.files = older
    assert host.backup() == OK
    assert_whole(host, None)
    host.files, host.folders = {}, set()
    assert host.backup() == OK
    assert len(sent(host)) > 15
    assert_whole(host, None)
