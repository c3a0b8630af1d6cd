"""Back from a second copy: into the store again, and files straight from there."""

import contextlib
import hashlib
import itertools
import json
import os
import shutil
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from cli.conftest import ANN, BOB, Cli, snapshots
from ibackup.base import held
from ibackup.base.events import Event, Note, Observer, ignore
from ibackup.base.exit_codes import ExitCode
from ibackup.base.user_cache import cache_dir
from ibackup.config import config_file
from ibackup.config.copy_config import CopyConfig
from ibackup.copies.opened_copy import OpenedCopy
from ibackup.copies.restic_engine import ResticEngine
from ibackup.jobs.copying.copy_adding import add, keep_in_new_file
from ibackup.jobs.copying.copy_returning import bring_back
from ibackup.jobs.copying.copy_run import copy_snapshots
from ibackup.store.disk.json_records import JsonRecord
from ibackup.store.private_folder import continued_folder, private_folder
from ibackup.store.store import Store
from support.quick_keys import quick_keys

pytestmark = pytest.mark.peer
_COPY_PASSWORD = "Feldhase 12 Bergahorn"


@pytest.fixture(scope="module")
def copied(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a store, a copy of all of it in ``disk/copy``, and their config; never to be changed."""
    if shutil.which("restic") is None:
        pytest.skip("restic is not here")
    folder = tmp_path_factory.mktemp("copied")
    shutil.copytree(made, folder / "store")
    (folder / "disk").mkdir()
    with quick_keys(), pytest.MonkeyPatch.context() as patch:
        for name in ("IBACKUP_STATE_DIR", "XDG_CACHE_HOME"):
            patch.setenv(name, str(folder / name))
        planned = CopyConfig("usb", str(folder / "disk" / "copy"), "", password_file="usb.password")
        done = add(planned, _COPY_PASSWORD, folder / "config.toml", ignore)
        phones = [Store.open(folder / "store").phone(each.udid) for each in (ANN, BOB)]
        assert copy_snapshots(OpenedCopy.open(done.config, _COPY_PASSWORD), phones, ignore).damaged == ()
    return folder


@pytest.fixture
def store(
    copied: Path, require_tool: Callable[[str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """Both again, for one test."""
    require_tool("restic")
    for name in ("store", "disk"):
        shutil.copytree(copied / name, tmp_path / name)
    monkeypatch.setenv("IBACKUP_STORE", str(tmp_path / "store"))
    path = config_file.default_path()
    path.parent.mkdir(parents=True)
    path.write_text((copied / "config.toml").read_text().replace(str(copied), str(tmp_path)))
    keep_in_new_file(str(path.parent / "usb.password"), _COPY_PASSWORD)
    return tmp_path / "store"


@pytest.fixture
def repository(store: Path) -> Path:
    return store.parent / "disk" / "copy"


def damage(repository: Path, file: Path) -> None:
    """Flip a byte of a stored file in a repository: restic names what is in one piece by its SHA-256."""
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    copy = OpenedCopy.open(config_file.load(None).copies[0], _COPY_PASSWORD)
    assert isinstance(copy.engine, ResticEngine)
    program = copy.engine.program
    for name in os.listdir(repository / "index"):
        for pack in cast("list[Any]", program.whole("cat", "index", name, doing="look")["packs"]):
            for piece in pack["blobs"]:
                if piece["id"] == digest:
                    path = repository / "data" / pack["id"][:2] / pack["id"]
                    os.chmod(path, 0o600)
                    data = bytearray(path.read_bytes())
                    data[piece["offset"] + piece["length"] // 2] ^= 1
                    path.write_bytes(data)
                    return
    pytest.fail("it is not there")


def stored_files(snapshot: Path) -> list[Path]:
    """The phone's files in a snapshot, the largest first."""
    found = [path for path in snapshot.rglob("*") if len(path.name) == 40]
    return sorted(found, key=lambda path: path.stat().st_size, reverse=True)


def files_of(folder: Path) -> dict[Path, bytes]:
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def fetched_left(store: Path) -> list[str]:
    return [name for name in os.listdir(store) if name.startswith("copy-")]


# -- into the store -----------------------------------------------------------------------------------------


def test_a_snapshot_is_put_back_into_the_store_where_it_belongs(
    ibackup: Cli, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, newest = snapshots(store, ANN)
    before = files_of(first)
    again = ibackup("copy", "get", first.name, "--into-store")
    assert (again.code, "in the store already" in again.flat_err) == (ExitCode.USAGE, True)
    shutil.rmtree(first)
    Store.open(store).phone(ANN.udid).note_pruned(first.name)
    (store / "copy-fetched-killed" / "x").mkdir(parents=True)
    with monkeypatch.context() as patch:
        patch.setattr("ibackup.jobs.copying.copy_getting.free_bytes", lambda _path: 1000)
        assert ibackup("copy", "get", first.name, "--into-store").code == ExitCode.NO_ROOM
    assert not first.exists()
    done = ibackup("copy", "get", first.name, "--into-store", "--json")
    assert (done.code, done.result["path"], done.result["status"]) == (0, str(first), "good"), done
    assert fetched_left(store) == []
    assert Store.open(store).phone(ANN.udid).pruned() == frozenset()
    assert files_of(first) == before
    assert {stat.S_IMODE(each.stat().st_mode) for each in first.rglob("*")} == {0o400, 0o700}
    assert int(str(done.result["shared_files"])) > 0
    assert int(str(done.result["shared_bytes"])) > 0
    rows: Any = ibackup("list", "--json", "--phone", ANN.udid).result["snapshots"]
    assert [each["snapshot"] for each in rows] == [first.name, newest.name]
    assert (rows[0]["pinned"], rows[0]["pin_note"]) == (True, "fetched from usb")
    assert rows[0]["best_proof"]["level"] == "full"
    assert ibackup("copy", "get", first.name).code == ExitCode.USAGE  # says not where to
    # On a new computer there is no store yet; then it knows what the copy has besides.
    shutil.rmtree(store)
    monkeypatch.setenv("IBACKUP_STORE", str(store.parent / "new"))
    assert ibackup("copy", "get", "latest", "--into-store", "--phone", ANN.udid).code == 0
    found = ibackup("list", "--copies", "--json").result
    only: Any = found["only_in_copies"]
    assert [each["snapshot"] for each in only] == [first.name]


def test_what_came_damaged_or_would_hide_a_later_backup_gets_no_name(
    ibackup: Cli, store: Path, repository: Path
) -> None:
    first, newest = snapshots(store, ANN)
    shutil.rmtree(newest)
    # What is left was made later than its id says: a clock was wrong.
    later = {"data_from": "2026-12-24T00:00:00Z", "finished": "2026-12-24T00:00:00Z"}
    record = json.loads((first / "snapshot.json").read_text()) | later
    del record["sha256"]
    os.chmod(first / "snapshot.json", 0o600)
    text = JsonRecord(record | {"sha256": JsonRecord(record).sha256()}).render()
    (first / "snapshot.json").write_bytes(text)
    done = ibackup("copy", "get", newest.name, "--into-store")
    assert (done.code, "would count as newer" in done.flat_err) == (ExitCode.USAGE, True), done
    (bobs,) = snapshots(store, BOB)
    damage(repository, stored_files(bobs)[0])
    shutil.rmtree(bobs)
    done = ibackup("copy", "get", bobs.name, "--into-store")
    assert (done.code, "not in the store" in done.flat_err) == (ExitCode.DAMAGE, True), done
    assert snapshots(store, BOB) == []
    assert fetched_left(store) == []


def _bring_back(store: Path, snapshot: str, observe: Observer) -> None:
    copy = OpenedCopy.open(config_file.load(None).copies[0], _COPY_PASSWORD)
    there = copy.engine.held()
    (held,) = (each for each in there if each.id == snapshot)
    bring_back(copy, held, there, Store.open(store).phone(held.udid), observe)


def test_a_backup_that_runs_when_all_is_fetched_ends_first(store: Path) -> None:
    first, _ = snapshots(store, ANN)
    shutil.rmtree(first)
    lock = Store.open(store).phone(ANN.udid).lock()
    lock.acquire()
    notes: list[str] = []

    def observe(event: Event) -> None:
        if isinstance(event, Note):
            assert not first.exists()
            notes.append(event.text)
            lock.release()

    _bring_back(store, first.name, observe)
    assert notes == ["A backup of this phone is running. The snapshot gets its name when that ends."]
    assert first.exists()


def _stopping(number: int) -> Observer:
    """Interrupts at the event of that number."""
    numbers = itertools.count(1)

    def observe(_event: Event) -> None:
        if next(numbers) == number:
            raise KeyboardInterrupt

    return observe


def test_an_interrupted_return_continues_with_what_is_there(
    ibackup: Cli, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, newest = snapshots(store, ANN)
    before, others = files_of(first), files_of(newest)
    shutil.rmtree(first)

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("ibackup.jobs.copying.copy_getting.durable.rename_new", stop)  # all is there
        done = ibackup("copy", "get", first.name, "--into-store")
    assert (done.code, "the same command continues" in done.flat_err) == (ExitCode.INTERRUPTED, True), done
    assert [each.name for each in store.glob("copy-continued-*") if each.is_dir()] == [
        f"copy-continued-{ANN.udid}-{first.name}"
    ]
    (part,) = store.glob(f"copy-continued-*/{first.name}.part")
    lost = next(
        part / each for each in before if each.name not in ("snapshot.json", "SHA256SUMS", "Manifest.db")
    )
    lost.unlink()
    fetched: list[object] = []
    fetch = ResticEngine.fetch

    def fetch_and_note(self: ResticEngine, *given: object) -> None:
        fetched.append(given[3])
        fetch(self, *given)  # type: ignore[arg-type]

    monkeypatch.setattr(ResticEngine, "fetch", fetch_and_note)
    assert ibackup("copy", "get", first.name, "--into-store").code == 0
    assert fetched[1:] == [{lost.relative_to(part).as_posix()}]
    assert fetched_left(store) == []
    assert (files_of(first), files_of(newest)) == (before, others)


def test_what_nobody_continues_goes_after_a_week(tmp_path: Path) -> None:
    with contextlib.suppress(KeyboardInterrupt), continued_folder(str(tmp_path), "ann") as folder:
        Path(folder, "x").write_bytes(b"half")
        raise KeyboardInterrupt
    for age, left in ((6, True), (8, False)):
        used = time.time() - age * 24 * 3600
        os.utime(f"{folder}.lock", (used, used))
        with private_folder(str(tmp_path)):
            assert os.path.exists(f"{folder}/x") is left
    assert os.listdir(tmp_path) == []


@pytest.mark.long
def test_stopped_anywhere_it_leaves_the_store_as_it_was(store: Path) -> None:
    first, newest = snapshots(store, ANN)
    before = files_of(first)
    shutil.rmtree(first)
    others = files_of(newest)
    for number in itertools.count(1):
        try:
            _bring_back(store, first.name, _stopping(number))
            break
        except KeyboardInterrupt:
            assert snapshots(store, ANN) == [newest]
    assert number > 3
    assert fetched_left(store) == []
    assert (files_of(first), files_of(newest)) == (before, others)


# -- what is where ------------------------------------------------------------------------------------------


def test_the_list_says_which_copies_have_a_snapshot_and_what_only_they_have(
    ibackup: Cli, store: Path
) -> None:
    first, newest = snapshots(store, ANN)
    (bobs,) = snapshots(store, BOB)
    shutil.rmtree(first)
    shutil.rmtree(bobs)
    record = store / BOB.udid / "proofs" / "copy-usb.json"
    record.unlink()  # what another computer copied is not known here
    done = ibackup("list", "--copies", "--json").result
    rows: Any = done["snapshots"]
    assert [(each["snapshot"], each["copies"]) for each in rows] == [(newest.name, ["usb"])]
    only: Any = done["only_in_copies"]
    assert only == [{"snapshot": first.name, "udid": ANN.udid, "copies": ["usb"]}]
    listed = ibackup("list", "--copies")
    assert all(len(line) <= 80 for line in listed.out.splitlines())
    said = listed.flat
    assert "also in usb" in said
    assert f"`ibackup copy get {first.name} --from usb --into-store`" in said
    assert "usb" not in ibackup("list").out
    assert ibackup("copy", "run").code == 0
    only = ibackup("list", "--copies", "--json").result["only_in_copies"]
    assert {each["snapshot"] for each in only} == {first.name, bobs.name}


def test_someone_without_a_second_copy_is_told_so_once(ibackup: Cli, store: Path) -> None:
    assert "this one disk" not in ibackup("status").flat
    assert ibackup("copy", "remove", "usb").code == 0
    for line in (("status", "--json"), ("status", "-q")):
        assert "this one disk" not in ibackup(*line).flat
    assert ["this one disk" in ibackup("status").flat for _ in range(2)] == [True, False]


# -- files straight from the copy ---------------------------------------------------------------------------


def test_one_file_comes_straight_from_the_copy_and_nothing_else_is_fetched(
    ibackup: Cli, store: Path, tmp_path: Path, password_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (bobs,) = snapshots(store, BOB)
    listed: Any = ibackup("files", bobs.name, "--json", "--password-file", password_file).events[:-1]
    wanted = next(each for each in listed if each.get("domain") == "HomeDomain" and each.get("size", 0) > 20)
    everything = ("extract", bobs.name, "--to", tmp_path / "all", "--all", "--password-file", password_file)
    assert ibackup(*everything).code == 0
    seen: list[set[str]] = []
    remove = held.remove_tree

    def looks(path: str, **given: Any) -> None:
        if os.path.basename(path).startswith("copy-fetched-"):
            seen.append({name for _, _, names in os.walk(path) for name in names})
        remove(path, **given)

    monkeypatch.setattr("ibackup.store.private_folder.held.remove_tree", looks)
    # Without the right password, nothing is fetched but what says that it is not the right one.
    (tmp_path / "wrong").write_text("not this one\n")
    rehearsal = ("copy", "rehearse", "usb", "--phone", BOB.udid)
    assert ibackup(*rehearsal, "--password-file", tmp_path / "wrong").code == ExitCode.PASSWORD
    shutil.rmtree(store)  # the disk with the store is gone
    line = ("extract", bobs.name, "--from-copy", "usb", "--like", wanted["path"], "--to", tmp_path / "one")
    assert ibackup(*line).code == ExitCode.PASSWORD
    assert ibackup(*line, "--password-file", tmp_path / "wrong").code == ExitCode.PASSWORD
    records = {"SHA256SUMS", "snapshot.json", "Manifest.plist"}
    assert [each for each in seen if each] == [records] * 3
    seen.clear()
    done = ibackup(*line, "--password-file", password_file, "--json")
    assert done.code == 0, done
    assert (done.result["files"], done.result["path"], done.result["copy"]) == (1, None, "usb")
    file = Path("HomeDomain", wanted["path"])
    assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "all" / file).read_bytes()
    lists = records | {"Info.plist", "Status.plist", "Manifest.db"}
    assert [sorted(each - lists) for each in seen] == [[wanted["file_id"]]]
    assert not [name for name in os.listdir(cache_dir()) if name.startswith("copy-")]


def test_a_kind_is_exported_straight_from_the_copy_and_damage_there_is_named(
    ibackup: Cli, store: Path, repository: Path, tmp_path: Path
) -> None:
    first, _ = snapshots(store, ANN)
    line = ("export", first.name, "--photos", "--json")
    here = ibackup(*line, "--to", tmp_path / "here").result
    largest = stored_files(first)[0]  # a picture
    aside = shutil.copy(largest, tmp_path / "largest")
    shutil.rmtree(first)
    there = ibackup(*line, "--to", tmp_path / "there", "--from-copy", "usb").result
    assert (there["photos"], there["files"]) == (here["photos"], here["files"])
    assert fetched_left(store) == []
    damage(repository, Path(aside))
    done = ibackup("extract", first.name, "--photos", "--to", tmp_path / "cut", "--from-copy", "usb")
    assert done.code == ExitCode.DAMAGE
    assert "1 file is damaged or missing in the copy usb" in done.flat_err
