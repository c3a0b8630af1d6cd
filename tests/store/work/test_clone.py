"""Carrying a snapshot over: what is shared, what is left out, and what no run may do to it."""

import errno
import os
import stat
import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar

import pytest

from ibackup.base.errors import DamageFound, NoRoom
from ibackup.store.phone_folder import PhoneFolder
from ibackup.store.records.proof_records import Proof
from ibackup.store.records.snapshot import Snapshot
from ibackup.store.work.cloning import BaseChanged, Clone
from ibackup.store.work.file_ledger import FileLedger
from ibackup.store.work.linkers import Copy, Folder, HardLink, Linker, Reflink
from ibackup.store.work.working_copy import WorkingCopy
from store.lab import FILES, UDID, Listener, backup, blob, close, photograph, send

SOME = blob(7)


class Cannot:
    """A file system that has no such thing."""

    name: ClassVar[str] = "nothing"

    def __init__(self, code: int = errno.EPERM) -> None:
        self.code = code

    def carry(self, source: Folder, target: Folder, name: str) -> bytes | None:
        raise OSError(self.code, os.strerror(self.code))


class FewLinks(HardLink):
    """A file system where a file soon has all the links it may have."""

    def __init__(self) -> None:
        self.calls = 0

    def carry(self, source: Folder, target: Folder, name: str) -> bytes | None:
        self.calls += 1
        if self.calls > 5:
            raise OSError(errno.EMLINK, os.strerror(errno.EMLINK))
        return super().carry(source, target, name)


class Broken(Copy):
    """A disk with a bad sector under every file of one name."""

    def carry(self, source: Folder, target: Folder, name: str) -> bytes | None:
        if SOME.endswith(name):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return super().carry(source, target, name)


def carry(
    folder: PhoneFolder,
    base: Snapshot,
    listener: Listener,
    linkers: Sequence[Linker] = (HardLink(),),
    **more: bool,
) -> WorkingCopy:
    return WorkingCopy.create(folder, base, linkers=linkers, observer=listener, **more)


def contents(path: str) -> dict[str, bytes]:
    return {name: data for name, (mode, data) in photograph(path).items() if stat.S_ISREG(mode)}


def damage(snapshot: Snapshot, path: str, data: bytes | None, *, keep_time: bool) -> None:
    """Change a file of a finished snapshot in place, as a failing disk or a stray program does."""
    full = Path(snapshot.backup_path, path)
    before = full.stat()
    full.chmod(0o600)
    if data is None:
        full.unlink()
        return
    full.write_bytes(data)
    if keep_time:
        os.utime(full, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.parametrize(
    ("linkers", "shared"),
    [((HardLink(),), True), ((Cannot(), HardLink()), True), ((Cannot(errno.EXDEV), Cannot()), False)],
)
def test_everything_is_carried(
    folder: PhoneFolder, first: Snapshot, listener: Listener, linkers: Sequence[Linker], shared: bool
) -> None:
    os.mkdir(os.path.join(first.backup_path, "ff"))  # a folder without files
    with carry(folder, first, listener, linkers, copies=not shared) as working:
        assert contents(working.root) == contents(first.backup_path)
        assert os.path.isdir(os.path.join(working.root, "ff"))
        for name in FILES:
            mine, theirs = (
                os.stat(os.path.join(working.root, name)),
                os.stat(os.path.join(first.backup_path, name)),
            )
            assert (mine.st_ino == theirs.st_ino) is shared
            assert mine.st_mtime_ns == theirs.st_mtime_ns
        totals = working.ledger.totals()
        assert (totals.files, totals.carried, totals.bytes) == (len(FILES), len(FILES), first.meta.bytes)
        assert working.cloned.copied is not shared
    assert listener.cautions == []


def test_a_reflink_where_the_file_system_has_them(
    folder: PhoneFolder, first: Snapshot, listener: Listener
) -> None:
    """Where it has none, that must look like it and like nothing else."""
    hint = ""
    try:
        with carry(folder, first, listener, (Reflink(),)) as working:
            assert contents(working.root) == contents(first.backup_path)
            assert os.stat(os.path.join(working.root, SOME)).st_nlink == 1
    except NoRoom as none:
        hint = none.hint
    assert [left.kind for left in folder.left_overs()] == ([] if "--copies" in hint else ["resumable"])


def test_no_links_and_no_copies_is_no_room_with_figures(
    folder: PhoneFolder, first: Snapshot, listener: Listener
) -> None:
    with pytest.raises(NoRoom) as told:
        carry(folder, first, listener, (Cannot(), Cannot(errno.EOPNOTSUPP)))
    assert told.value.exit_code == 14
    assert f"{first.meta.bytes:,} bytes" in told.value.message
    assert "free" in told.value.message
    assert "--copies" in told.value.hint
    assert folder.left_overs() == []


def test_no_room_for_copies_is_reported_before_they_are_made(
    folder: PhoneFolder, first: Snapshot, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ibackup.store.disk.free_space.free_bytes", lambda _: 100)
    with pytest.raises(NoRoom, match="100 are free"):
        carry(folder, first, listener, (Cannot(),), copies=True)


def test_a_file_with_all_its_links_is_copied(
    folder: PhoneFolder, first: Snapshot, listener: Listener
) -> None:
    with carry(folder, first, listener, (FewLinks(),)) as working:
        assert contents(working.root) == contents(first.backup_path)
        linked = [name for name in FILES if os.stat(os.path.join(working.root, name)).st_nlink > 1]
        assert len(linked) == 4  # one of the five was the probe
        assert working.cloned.copied
    assert listener.cautions == []


@pytest.mark.parametrize(
    ("data", "keep_time"),
    [
        (None, False),
        (b"content 7" * 6 + b"Content 7", False),  # the same size, a later time
        (b"", True),  # a file that a power cut emptied
        (b"content 7" * 5, True),  # shorter, and the time says nothing
    ],
    ids=["missing", "changed", "emptied", "cut short behind its time"],
)
def test_a_damaged_file_is_not_carried(
    folder: PhoneFolder, first: Snapshot, listener: Listener, data: bytes | None, keep_time: bool
) -> None:
    os.utime(os.path.join(first.backup_path, "Manifest.db"), (1, 1))
    future = first.meta.finished.timestamp() + 60
    damage(first, SOME, data, keep_time=keep_time)
    if data is not None and not keep_time:
        os.utime(os.path.join(first.backup_path, SOME), (future, future))
    with carry(folder, first, listener) as working:
        assert contents(working.root) == {name: data for name, data in FILES.items() if name != SOME}
        assert working.cloned.left_out == [SOME]
        assert working.ledger.get(SOME) is None
        assert working.ledger.totals().files == len(FILES) - 1
    assert any(SOME in text for text in listener.cautions)


def test_a_later_time_alone_is_no_damage(folder: PhoneFolder, first: Snapshot, listener: Listener) -> None:
    future = first.meta.finished.timestamp() + 60
    os.utime(os.path.join(first.backup_path, SOME), (future, future))
    with carry(folder, first, listener) as working:
        assert working.cloned.left_out == []
    assert listener.cautions == []


def test_what_verify_found_damaged_is_sent_again(
    folder: PhoneFolder, first: Snapshot, listener: Listener
) -> None:
    folder.add_proof(first.id, Proof("full", datetime.now(UTC), "damaged", (SOME,)))
    assert folder.standing().newest_good is None
    base = folder.standing().base
    assert base == first
    with carry(folder, first, listener) as working:
        assert working.cloned.left_out == [SOME]
        send(working, {SOME: FILES[SOME]})
        second = close(working)
    assert contents(second.backup_path) == FILES
    assert second.meta.carried_files == len(FILES) - 1
    assert folder.standing().newest_good == folder.known(second)


def test_damage_found_while_a_run_lasts_is_known_of_its_snapshot(
    folder: PhoneFolder, first: Snapshot, listener: Listener
) -> None:
    with carry(folder, first, listener, (HardLink(),)) as working:
        folder.add_proof(first.id, Proof("quick", datetime.now(UTC), "damaged", (SOME,)))
        second = close(working)
    assert any("1 file of the new snapshot is damaged" in text for text in listener.cautions)
    assert folder.standing().damaged == (first.id, second.id)
    with carry(folder, second, listener, (HardLink(),)) as working:
        assert working.cloned.left_out == [SOME]


def test_a_copy_finds_damage_that_nothing_else_shows(
    folder: PhoneFolder, first: Snapshot, listener: Listener
) -> None:
    damage(first, SOME, b"content 7" * 6 + b"Content 7", keep_time=True)
    with carry(folder, first, listener, (Cannot(),), copies=True) as working:
        assert working.cloned.left_out == [SOME]


def test_a_bad_sector_is_damage_too(folder: PhoneFolder, first: Snapshot, listener: Listener) -> None:
    with carry(folder, first, listener, (Broken(),)) as working:
        assert working.cloned.left_out == [SOME]
        assert not os.path.exists(os.path.join(working.root, SOME))


def test_a_link_in_a_snapshot_is_never_followed(
    folder: PhoneFolder, first: Snapshot, listener: Listener, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"content 7" * 7)
    os.unlink(os.path.join(first.backup_path, SOME))
    os.symlink(secret, os.path.join(first.backup_path, SOME))
    other = blob(8)
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / os.path.basename(other)).write_bytes(b"content 8" * 8)
    os.rename(os.path.join(first.backup_path, other[:2]), tmp_path / "moved")
    os.symlink(tmp_path / "folder", os.path.join(first.backup_path, other[:2]))
    with carry(folder, first, listener) as working:
        assert set(working.cloned.left_out) == {SOME, other}
        assert not any(
            os.path.islink(os.path.join(top, name))
            for top, _, names in os.walk(working.root)
            for name in names
        )
    assert secret.stat().st_nlink == 1


@pytest.mark.parametrize(
    "path", ["../../../etc/passwd", "/etc/passwd", "a/../../b", "00/./x", "con/x", "00//x"]
)
def test_a_seal_that_names_other_places_is_refused(first: Snapshot, tmp_path: Path, path: str) -> None:
    import hashlib
    from dataclasses import replace

    seal = f"{'0' * 64}  {UDID}/{path}\n".encode()
    os.chmod(first.seal_path, 0o600)
    Path(first.seal_path).write_bytes(seal)
    hostile = Snapshot(first.id, first.path, replace(first.meta, seal=hashlib.sha256(seal).hexdigest()))
    (tmp_path / "target").mkdir()
    target = str(tmp_path / "target")
    with (
        FileLedger.create(str(tmp_path / "ledger")) as ledger,
        Clone(hostile, target, ledger) as made,
        pytest.raises(DamageFound, match="names"),
    ):
        made.take_stock(frozenset())
    assert os.listdir(tmp_path / "target") == []


class Slow(HardLink):
    """Links that are made when the test says so."""

    def __init__(self) -> None:
        self.may_go_on = threading.Event()

    def carry(self, source: Folder, target: Folder, name: str) -> bytes | None:
        if threading.current_thread() is not threading.main_thread():
            assert self.may_go_on.wait(60)
        return super().carry(source, target, name)


def test_what_is_carried_meanwhile_is_listed_at_once_and_there_in_time(
    folder: PhoneFolder, first: Snapshot, listener: Listener
) -> None:
    links = Slow()
    with carry(folder, first, listener, (links,), soon=True) as working:
        working.advance("receiving")
        assert {line.path for line in working.ledger.lines()} == FILES.keys()
        top = {name for name in FILES if "/" not in name}
        assert contents(working.root).keys() == top
        # A kill here leaves what nobody takes for a copy that may be continued.
        assert [left.kind for left in folder.left_overs()] == ["unprepared"]
        links.may_go_on.set()
        working.complete()
        assert contents(working.root) == FILES
        assert [left.kind for left in folder.left_overs()] == ["resumable"]
        second = close(working)
    assert contents(second.backup_path) == FILES


def test_what_was_given_up_before_it_was_complete_is_no_copy(
    folder: PhoneFolder, first: Snapshot, listener: Listener
) -> None:
    links = Slow()
    working = carry(folder, first, listener, (links,), soon=True)
    working.advance("receiving")
    links.may_go_on.set()
    working.close()
    assert [left.kind for left in folder.left_overs()] == ["unprepared"]
    folder.clear_up()
    assert folder.left_overs() == []


def test_what_changes_before_it_is_carried_is_noticed(
    folder: PhoneFolder, first: Snapshot, listener: Listener
) -> None:
    links = Slow()
    with carry(folder, first, listener, (links,), soon=True) as working:
        damage(first, SOME, None, keep_time=False)
        links.may_go_on.set()
        for _ in range(2):  # it does not become complete by being asked again
            with pytest.raises(BaseChanged, match=SOME):
                working.complete()
        with pytest.raises(BaseChanged):
            working.checkpoint()
    with carry(folder, first, listener, (HardLink(),)) as working:
        assert working.cloned.left_out == [SOME]


def test_a_changed_seal_is_not_cloned(folder: PhoneFolder, first: Snapshot, listener: Listener) -> None:
    os.chmod(first.seal_path, 0o600)
    Path(first.seal_path).write_bytes(b"")
    with pytest.raises(DamageFound):
        carry(folder, first, listener)
    assert folder.left_overs() == []


def test_no_run_changes_a_finished_snapshot(folder: PhoneFolder, first: Snapshot) -> None:
    before = photograph(first.path)
    changed = {
        name: b"new " + data
        for name, data in FILES.items()
        if name.startswith(("0", "1", "Manifest", "Status"))
    }
    second = backup(folder, changed | {blob(1000): b"more"}, gone=(SOME,))
    third = backup(folder, FILES)
    assert photograph(first.path) == before
    assert contents(second.backup_path) == {
        name: data for name, data in {**FILES, **changed, blob(1000): b"more"}.items() if name != SOME
    }
    assert contents(third.backup_path) == {**FILES, blob(1000): b"more"}
    assert second.meta.carried_files == len(FILES) - len(changed) - 1
    if os.stat(os.path.join(first.backup_path, blob(20))).st_nlink > 1:
        assert os.stat(os.path.join(first.backup_path, SOME)).st_nlink == 1
