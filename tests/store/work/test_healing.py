"""Damaged files put back into finished snapshots, killed at every call of the system; nothing else ever changes."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness.power import LOSSES, Disk, PowerCut
from harness.test_power_cut import on
from ibackup.base.events import ignore
from ibackup.store.phone_folder import PhoneFolder
from ibackup.store.records.used_stores import KnownStores
from ibackup.store.store import Store
from ibackup.store.work.healing import Healing, damage_of
from ibackup.store.work.linkers import HardLink
from ibackup.store.work.working_copy import WorkingCopy
from store.lab import CHANGED, SMALL, UDID, Tree, backup, blob, photograph, send, verify
from store.work.test_killed import killed_at

pytestmark = [
    pytest.mark.promise("The last good backup survives anything"),
    pytest.mark.skipif(not hasattr(os, "fork"), reason="kills a forked process"),
]

FLIPPED, GONE, ONLY_OLD = blob(1), blob(3), blob(2)


@pytest.fixture
def ready(tmp_path: Path) -> Callable[[object], PhoneFolder]:
    """Two snapshots that share files, and an interrupted run that took them over; a whole copy of the first beside."""

    def make(number: object) -> PhoneFolder:
        store = Store.open(tmp_path / f"{number}", known=KnownStores(str(tmp_path / "state")))
        folder = store.phone(UDID)
        backup(folder, SMALL)
        backup(folder, CHANGED)
        with WorkingCopy.create(folder, folder.standing().base) as working:
            send(working, {blob(9): b"new"})
        first = folder.snapshots()[0]
        shutil.copytree(first.path, tmp_path / f"{number} elsewhere")
        _flip(Path(first.backup_path, FLIPPED))
        _flip(Path(first.backup_path, ONLY_OLD))
        for each in folder.snapshots():
            Path(each.backup_path, GONE).unlink()
        return folder

    return make


def _flip(path: Path) -> None:
    """Damage a file where it is, as a disk does: every link to it, and without a new time."""
    times = os.stat(path)
    os.chmod(path, 0o600)
    data = bytearray(path.read_bytes())
    data[0] ^= 1
    path.write_bytes(data)
    os.chmod(path, 0o400)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def _heal(folder: PhoneFolder, elsewhere: Path) -> list[str]:
    with folder.lock():
        folder.clear_up()
        with Healing(folder) as healing:
            first = folder.snapshots()[0]
            damage = damage_of(first, ignore)
            target = healing.empty()
            for path in damage:
                os.makedirs(os.path.dirname(os.path.join(target, path)), exist_ok=True)
                _fetch(elsewhere / path, os.path.join(target, path))
            return [each.path for each in healing.put_back(healing.places(first, damage))]


def _fetch(source: Path, target: str) -> None:
    """Copy a file and its time, by calls that a disk's model sees."""
    fd = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400)
    os.write(fd, source.read_bytes())
    os.close(fd)
    os.utime(target, ns=(source.stat().st_atime_ns, source.stat().st_mtime_ns))


def _photographs(folder: PhoneFolder) -> Iterator[tuple[str, Tree]]:
    tops = [each.path for each in folder.snapshots()] + [each.path for each in folder.left_overs()]
    return ((top, photograph(top)) for top in tops if "healing" not in top)


def _changed(before: dict[str, Tree], after: dict[str, Tree]) -> set[str]:
    assert before.keys() == after.keys()
    return {
        f"{Path(top).name[:7]} {path.removeprefix(UDID + '/')}"
        for top in before
        for path in before[top].keys() | after[top].keys()
        if before[top].get(path) != after[top].get(path) and "ledger.sqlite" not in path
    }


def test_a_kill_at_any_call_leaves_each_file_damaged_or_proven_and_the_next_heals(
    ready: Callable[[object], PhoneFolder], tmp_path: Path
) -> None:
    step = 1 if os.environ.get("IBACKUP_LONG") else 61
    number, killed = 1, 0
    while True:
        folder, elsewhere = ready(number), tmp_path / f"{number} elsewhere"
        first, second = folder.snapshots()
        before = dict(_photographs(folder))
        died = killed_at(number, lambda: _heal(folder, elsewhere), tmp_path / f"synced {number}")  # noqa: B023
        whole = dict(_photographs(folder))
        healed = {
            f"{Path(place).name[:7]} {path}"
            for path in (FLIPPED, GONE, ONLY_OLD)
            for place in before
            if path != ONLY_OLD or place == first.path
        }
        assert _changed(before, whole) <= healed
        for change in _changed(before, whole):
            path = change.split(" ")[1]
            assert whole[first.path][f"{UDID}/{path}"] == (0o100400, SMALL[path])
        if not died:
            break
        killed += 1
        assert len(_heal(folder, elsewhere)) + len(
            {change.split(" ")[1] for change in _changed(before, whole)}
        ) >= len((FLIPPED, GONE, ONLY_OLD))
        assert verify(first) == SMALL
        assert verify(second) == SMALL | CHANGED
        assert not os.path.exists(folder.healing_path)
        number += step
    assert killed > 100 // step
    # What shared the damage has the whole file too, the interrupted run among them.
    assert verify(first) == SMALL
    assert verify(second) == SMALL | CHANGED
    run = next(left for left in folder.left_overs() if left.kind == "resumable")
    assert Path(run.path, UDID, FLIPPED).read_bytes() == SMALL[FLIPPED]
    assert os.path.samefile(Path(first.backup_path, FLIPPED), Path(second.backup_path, FLIPPED))


@pytest.mark.parametrize("syncfs", [True, pytest.param(False, marks=pytest.mark.long)])
def test_when_the_power_fails_each_file_is_as_it_was_or_proven(
    ready: Callable[[object], PhoneFolder], tmp_path: Path, syncfs: bool
) -> None:
    number = 1
    while True:
        folder, elsewhere = ready(f"cut {number}"), tmp_path / f"cut {number} elsewhere"
        before = dict(_photographs(folder))
        disk = Disk(str(folder.path), number)
        try:
            with on(disk, syncfs=syncfs):
                _heal(folder, elsewhere)
        except PowerCut:
            pass
        else:
            break
        for loss in LOSSES:
            after = tmp_path / f"cut {number} {loss}"
            disk.rebuild(str(after), loss, number)
            for top, tree in before.items():
                found = photograph(after / os.path.relpath(top, folder.path))
                for path, (_, data) in tree.items():
                    below = path.removeprefix(f"{UDID}/")
                    allowed = {data, SMALL[below]} if below in (FLIPPED, ONLY_OLD) else {data}
                    assert "ledger" in path or found[path][1] in allowed, (number, loss, path)
                for path in found.keys() - tree.keys():
                    assert found[path][1] == SMALL[GONE], (number, loss, path)
            shutil.rmtree(after)
        number += 1
    assert number > 2


def test_what_is_not_the_sealed_file_is_never_put_back(
    ready: Callable[[object], PhoneFolder], tmp_path: Path
) -> None:
    folder, elsewhere = ready("wrong"), tmp_path / "wrong elsewhere"
    before = dict(_photographs(folder))
    wrong = elsewhere / UDID / FLIPPED
    _flip(wrong)
    gone = elsewhere / UDID / GONE
    gone.unlink()
    gone.symlink_to("/etc/hostname")
    first = folder.snapshots()[0]
    with folder.lock(), Healing(folder) as healing:
        shutil.copytree(elsewhere, healing.empty(), symlinks=True, dirs_exist_ok=True)
        damage = damage_of(first, ignore)
        assert {path.removeprefix(f"{UDID}/") for path in damage} == {FLIPPED, GONE, ONLY_OLD}
        done = healing.put_back(healing.places(first, damage))
    assert [each.path for each in done] == [f"{UDID}/{ONLY_OLD}"]
    assert _changed(before, dict(_photographs(folder))) == {f"{first.id[:7]} {ONLY_OLD}"}


def test_a_disk_without_links_gets_a_copy_for_each_snapshot(
    ready: Callable[[object], PhoneFolder], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(*_: object) -> None:
        raise OSError(1, "Operation not permitted")

    folder = ready("plain")
    monkeypatch.setattr(HardLink, "carry", refuses)
    assert len(_heal(folder, tmp_path / "plain elsewhere")) == 3
    first, second = folder.snapshots()
    assert (verify(first), verify(second)) == (SMALL, SMALL | CHANGED)
    assert os.stat(Path(first.backup_path, FLIPPED)).st_mode & 0o777 == 0o400
    assert not os.path.samefile(Path(first.backup_path, FLIPPED), Path(second.backup_path, FLIPPED))
