"""Opening a store: where it may be, what is asked of it, and what is said when it is not there."""

import json
import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile
import traceback
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ibackup.base.confined import Confined
from ibackup.base.errors import DamageFound, IbackupError, NoRoom, ProtocolBroken, StoreMissing, UsageError
from ibackup.store.phone_folder import PhoneFolder
from ibackup.store.records.snapshot import Snapshot
from ibackup.store.records.used_stores import KnownStores, state_dir
from ibackup.store.store import Store
from ibackup.store.work.working_copy import WorkingCopy
from store.lab import UDID, Listener, alone_on_a_disk, backup


def test_a_new_store_has_an_id_and_is_found_again(tmp_path: Path, known: KnownStores) -> None:
    made = Store.open(tmp_path / "a" / "b", known=known)
    assert json.loads((tmp_path / "a" / "b" / "store.json").read_text()) == {"schema": 1, "id": made.id}
    assert Store.open(tmp_path / "a" / "b", known=known).id == made.id
    assert known.at(str(tmp_path / "a" / "b")) == (made.id,)


@pytest.mark.skipif(os.name != "posix", reason="modes")
@pytest.mark.parametrize("mask", [0o000, 0o077, 0o027])
@pytest.mark.usefixtures("umask")
def test_the_store_is_private_whatever_the_umask(tmp_path: Path, mask: int) -> None:
    os.umask(mask)
    state = tmp_path / "state"
    store = Store.open(tmp_path / "store", known=KnownStores(str(state)))
    snapshot = backup(store.phone(UDID))
    for top, folders, files in os.walk(tmp_path / "store"):
        inside = top.startswith(snapshot.path)
        for name in folders:
            assert stat.S_IMODE(os.stat(os.path.join(top, name)).st_mode) == 0o700, name
        for name in files:
            expected = 0o400 if inside else 0o600
            assert stat.S_IMODE(os.stat(os.path.join(top, name)).st_mode) == expected, name
    assert stat.S_IMODE(state.stat().st_mode) == 0o700


def test_a_store_that_was_used_before_and_is_gone_is_not_mounted(tmp_path: Path, known: KnownStores) -> None:
    Store.open(tmp_path / "store", known=known)
    os.unlink(tmp_path / "store" / "store.json")
    for create in (True, False):
        with pytest.raises(StoreMissing, match="not mounted") as told:
            Store.open(tmp_path / "store", create=create, known=known)
        assert told.value.exit_code == 16
        assert "--new-store" in told.value.hint
        assert "If you moved it, give its new place: --store FOLDER" in told.value.hint
    os.rmdir(tmp_path / "store")
    with pytest.raises(StoreMissing, match="not mounted"):
        Store.open(tmp_path / "store", known=known)
    assert not (tmp_path / "store").exists()
    assert Store.open(tmp_path / "store", new_store=True, known=known).phones() == []


def test_a_disk_that_takes_turns_with_another_is_no_surprise(tmp_path: Path, known: KnownStores) -> None:
    one = Store.open(tmp_path / "store", known=known)
    (tmp_path / "store").rename(tmp_path / "away")
    other = Store.open(tmp_path / "store", new_store=True, known=known)
    assert known.at(str(tmp_path / "store")) == (one.id, other.id)
    (tmp_path / "store").rename(tmp_path / "away too")
    (tmp_path / "away").rename(tmp_path / "store")
    assert Store.open(tmp_path / "store", known=known).id == one.id
    assert known.at(str(tmp_path / "store")) == (other.id, one.id)


def test_reading_makes_no_store(tmp_path: Path, known: KnownStores) -> None:
    with pytest.raises(StoreMissing, match="There is no store"):
        Store.open(tmp_path / "store", create=False, known=known)
    assert not (tmp_path / "store").exists()


def test_a_store_of_a_newer_version(tmp_path: Path, known: KnownStores) -> None:
    (tmp_path / "store.json").write_text('{"schema": 2, "id": "x"}')
    with pytest.raises(IbackupError, match="made by a newer ibackup") as told:
        Store.open(tmp_path, known=known)
    assert told.value.exit_code == 16


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"schema": 1}', '{"schema": true, "id": "x"}', "[" * 100_000]
)
def test_a_damaged_store_json(tmp_path: Path, known: KnownStores, text: str) -> None:
    (tmp_path / "store.json").write_text(text)
    with pytest.raises(DamageFound, match="damaged"):
        Store.open(tmp_path, known=known)
    Store.open(tmp_path, new_store=True, known=known)
    Store.open(tmp_path, known=known)


def test_it_remembers_that_copies_were_agreed_to(tmp_path: Path, known: KnownStores) -> None:
    store = Store.open(tmp_path, known=known)
    assert not store.copies
    store.remember_copies(True)
    again = Store.open(tmp_path, known=known)
    assert again.copies
    assert again.id == store.id
    again.remember_copies(False)
    assert not Store.open(tmp_path, known=known).copies


def test_a_file_is_no_store(tmp_path: Path, known: KnownStores) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(UsageError, match="not a folder"):
        Store.open(tmp_path / "file", known=known)
    with pytest.raises(IbackupError):
        Store.open(tmp_path / "file" / "below", known=known)


def test_a_store_inside_a_snapshot_or_a_backup_or_a_store(
    tmp_path: Path, known: KnownStores, first: Snapshot
) -> None:
    for path in (first.path, first.backup_path, os.path.join(first.backup_path, "new")):
        with pytest.raises(UsageError, match="is a backup"):
            Store.open(path, known=known)
    with pytest.raises(UsageError, match="inside the store"):
        Store.open(os.path.dirname(os.path.dirname(first.path)), known=known)
    finder = tmp_path / "MobileSync" / UDID
    finder.mkdir(parents=True)
    (finder / "Manifest.plist").write_bytes(b"")
    with pytest.raises(UsageError, match=r"Manifest\.plist"):
        Store.open(finder / "store", known=known)
    link = tmp_path / "link"
    link.symlink_to(finder)
    with pytest.raises(UsageError):
        Store.open(link, known=known)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="becomes another user")
def test_a_folder_that_may_not_be_written(tmp_path: Path, known: KnownStores) -> None:
    tmp_path.chmod(0o500)
    pid = os.fork()
    if pid == 0:
        code = 99
        try:
            if os.geteuid() == 0:
                os.setuid(65534)  # root may write anywhere
            Store.open(tmp_path / "store", known=known)
        except IbackupError as told:
            # Where the test runs as root, the folders above may not even be read by the other user.
            code = (
                int(told.exit_code) if re.search("not have permission to (read|write)", told.message) else 98
            )
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 1


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="tmpfs")
def test_a_full_disk_and_a_read_only_one(tmp_path: Path, known: KnownStores) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()

    def job() -> None:
        (disk / "filler").write_bytes(bytes(60 * 1024))
        with pytest.raises(NoRoom) as told:
            Store.open(disk / "store", known=known)
        assert told.value.exit_code == 14
        os.unlink(disk / "filler")
        shutil.rmtree(disk / "store", ignore_errors=True)
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        with pytest.raises(IbackupError, match="could not be created") as refused:
            Store.open(disk / "store", known=known)
        assert "read-only" in refused.value.message

    if not alone_on_a_disk(str(disk), "64k", job):
        pytest.skip("may not mount")


def test_phones_are_folders_with_a_udid(store: Store) -> None:
    for name in (UDID, "a" * 40, "not a phone", "lost+found", ".." * 3):
        os.makedirs(os.path.join(store.path, name), exist_ok=True)
    assert [phone.udid for phone in store.phones()] == [UDID, "a" * 40]


def test_a_udid_in_another_spelling_finds_the_folder(store: Store) -> None:
    store.phone(UDID).make()
    assert store.phone(UDID.replace("-", "").lower()).udid == UDID


@pytest.mark.parametrize(
    "udid", ["", "..", "a/b", "0000\0", "x" * 40, "-" * 10, "a" * 65, "00008101-", "CON"]
)
def test_what_is_no_udid_is_refused(store: Store, udid: str) -> None:
    with pytest.raises(UsageError):
        store.phone(udid)
    with pytest.raises(ProtocolBroken):
        store.phone(udid, told_by_phone=True)


def test_a_snapshot_is_found_by_what_people_type(store: Store, folder: PhoneFolder, first: Snapshot) -> None:
    second = backup(folder)
    assert store.snapshot("latest").id == second.id
    assert store.snapshot(first.id).id == first.id
    assert store.snapshot(first.id[:8]).id == first.id
    assert store.snapshot(first.path).id == first.id
    with pytest.raises(UsageError, match="Several") as told:
        store.snapshot("20")
    assert first.id in told.value.hint
    with pytest.raises(UsageError, match="No snapshot"):
        store.snapshot("1999")
    other = store.phone("b" * 40)
    other.make()
    assert store.snapshot("latest").id == second.id, "a phone without a backup is not meant"
    backup(other, started=datetime(2026, 1, 2, tzinfo=UTC))
    with pytest.raises(UsageError, match="Several phones") as asked:
        store.snapshot("latest")
    assert UDID in asked.value.hint
    assert "Jürgen" in asked.value.hint
    assert store.snapshot("latest", UDID).id == second.id
    assert store.snapshot(second.id).id == second.id


def test_the_state_folder_can_be_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IBACKUP_STATE_DIR", str(tmp_path))
    assert state_dir() == str(tmp_path)
    monkeypatch.delenv("IBACKUP_STATE_DIR")
    assert state_dir().endswith("ibackup")


def test_a_damaged_state_is_made_again(tmp_path: Path, known: KnownStores) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "stores.json").write_bytes(b"\xff")
    assert known.at("x") == ()
    assert known.remember("x", "1")
    assert known.at("x") == ("1",)


def test_a_state_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    store = Store.open(tmp_path / "store", known=KnownStores(str(tmp_path / "file" / "state")))
    assert store.phones() == []


def test_nothing_is_said_where_modes_hold(tmp_path: Path, known: KnownStores, listener: Listener) -> None:
    Store.open(tmp_path / "store", known=known, observer=listener)
    assert listener.events == []
    assert sorted(os.listdir(tmp_path / "store")) == ["store.json"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="becomes another user")
@pytest.mark.parametrize("mask", [0o277, 0o777])
def test_a_umask_that_shuts_out_the_owner(tmp_path: Path, mask: int) -> None:
    """Everything can be read, written and continued by its owner, who is not root here."""
    _use(tmp_path)  # so that nothing is left to import for a user who may not read Python's own folders
    with tempfile.TemporaryDirectory() as place:
        os.chmod(place, 0o777)
        pid = os.fork()
        if pid == 0:
            code = 99
            try:
                if os.geteuid() == 0:
                    os.setuid(65534)
                os.umask(mask)
                _use(Path(place))
                code = 0
            except BaseException:  # noqa: BLE001 - the parent is told by the exit code
                traceback.print_exc()
            finally:
                os._exit(code)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        for top, folders, files in os.walk(place):
            for name in [*folders, *files]:
                mode = stat.S_IMODE(os.stat(os.path.join(top, name)).st_mode)
                assert mode in ({0o700} if name in folders else {0o400, 0o600}), name


def _use(place: Path) -> None:
    folder = Store.open(place / "store", known=KnownStores(str(place / "state"))).phone(UDID)
    for _ in range(2):
        with folder.lock():
            backup(folder)
    with folder.lock():
        WorkingCopy.create(folder, folder.standing().base).close()
        (left,) = folder.left_overs()
        WorkingCopy.adopt(folder, left).close()
    with Confined(place / "store", place / "state") as below:
        below.make_dir(("a", "b", "c"))
