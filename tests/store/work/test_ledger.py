"""The ledger, against a plain dictionary that does the same."""

import hashlib
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ibackup.base.errors import IbackupError
from ibackup.store.work import file_ledger as ledger_module
from ibackup.store.work.file_ledger import FileLedger
from ibackup.store.work.ledger_database import LedgerUnsound
from ibackup.store.work.ledger_lines import Origin

SHA = bytes(range(32))


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[FileLedger]:
    with FileLedger.create(str(tmp_path / "ledger.sqlite")) as made:
        yield made


class Model:
    """What the ledger should know, in the simplest form."""

    def __init__(self) -> None:
        self.files: dict[str, int] = {}
        self.folders: set[str] = {""}

    def made_dir(self, path: str) -> None:
        while path:
            self.folders.add(path)
            path = path.rpartition("/")[0]

    def stored(self, path: str, size: int) -> None:
        self.made_dir(path.rpartition("/")[0])
        self.files[path] = size

    def removed(self, path: str) -> None:
        for known in list(self.files):
            if known == path or known.startswith(path + "/"):
                del self.files[known]
        self.folders -= {known for known in self.folders if known == path or known.startswith(path + "/")}

    def moved(self, source: str, target: str) -> None:
        files = {p: s for p, s in self.files.items() if p == source or p.startswith(source + "/")}
        folders = {p for p in self.folders if p == source or p.startswith(source + "/")}
        if not files and not folders:
            return
        self.removed(target)
        self.removed(source)
        for path, size in files.items():
            self.stored(target + path[len(source) :], size)
        for path in folders:
            self.made_dir(target + path[len(source) :])


# File and folder names differ, as they do on a disk, where one path is never both.
_folders = st.sampled_from(["", "A", "B", "A/C", "B/C/D"])
_files = st.builds(
    lambda folder, name: f"{folder}/{name}" if folder else name, _folders, st.sampled_from("xyzÄ")
)
_steps = st.lists(
    st.one_of(
        st.tuples(st.just("stored"), _files, st.integers(0, 2**40)),
        st.tuples(st.just("moved"), _files, _files),
        st.tuples(st.just("moved"), st.sampled_from(["A", "B", "A/C"]), st.sampled_from(["A2", "B2/E"])),
        st.tuples(st.just("removed"), st.one_of(_files, st.sampled_from(["A", "A/C", "B"])), st.just(0)),
        st.tuples(st.just("made_dir"), st.sampled_from(["A", "B/C", "F"]), st.just(0)),
        st.tuples(st.just("get"), _files, st.just(0)),
        st.tuples(st.just("listing"), _folders, st.just(0)),
    ),
    max_size=40,
)


@given(steps=_steps)
@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_it_knows_what_a_dictionary_knows(
    steps: list[tuple[str, str, int | str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    model = Model()
    states: dict[int, dict[str, tuple[str, int | None]]] = {}  # of folders, by their versions
    with FileLedger.create(str(tmp_path_factory.mktemp("l") / "ledger.sqlite")) as ledger:
        for verb, path, more in steps:
            if verb == "stored" and isinstance(more, int):
                ledger.stored(path, more, SHA, 1.5)
                model.stored(path, more)
            elif verb == "moved" and isinstance(more, str):
                if path != more and (path in model.files or path in model.folders):
                    ledger.moved(path, more)
                    model.moved(path, more)
            elif verb == "removed":
                ledger.removed(path)
                model.removed(path)
            elif verb == "made_dir":
                ledger.made_dir(path)
                model.made_dir(path)
            elif verb == "get":
                item = ledger.get(path)
                assert (item.size if item else None) == model.files.get(path)
            else:
                listed = {item.name: item.kind for item in ledger.listing(path)}
                assert listed == _listing(model, path)
            for folder in model.folders:
                top = f"{folder}/" if folder else ""
                state = {
                    name: (kind, model.files.get(top + name))
                    for name, kind in _listing(model, folder).items()
                }
                version = ledger.version(folder)
                assert states.setdefault(version, state) == state
                assert ledger.version(folder) == version > 0  # or nothing would ever be known
        assert {line.path: line.size for line in ledger.lines()} == model.files
        assert set(ledger.folders()) == model.folders
        assert (ledger.totals().files, ledger.totals().bytes) == (len(model.files), sum(model.files.values()))


def _listing(model: Model, folder: str) -> dict[str, str]:
    def parent(path: str) -> str:
        return path.rpartition("/")[0]

    files = {p.rpartition("/")[2]: "file" for p in model.files if parent(p) == folder}
    folders = {p.rpartition("/")[2]: "directory" for p in model.folders if p and parent(p) == folder}
    return files | folders


def test_it_is_the_same_after_it_was_closed(tmp_path: Path) -> None:
    path = str(tmp_path / "ledger.sqlite")
    with FileLedger.create(path) as ledger:
        ledger.made_dir("00")
        ledger.carried("", [("Manifest.db", 7, 1.25, SHA, None)])
        ledger.stored("01/ab", 8, SHA, 2.25)
    with FileLedger(path) as again:
        again.check()
        assert [(line.path, line.size, line.mtime, line.sha256, line.origin) for line in again.lines()] == [
            ("Manifest.db", 7, 1.25, SHA, Origin.CARRIED),
            ("01/ab", 8, 2.25, SHA, Origin.NEW),
        ]
        assert again.folders() == ["", "00", "01"]
        assert again.totals().carried == 1


def test_a_files_sha1_and_its_turn_go_where_it_goes(ledger: FileLedger) -> None:
    name = blob_name(1)
    ledger.begin(2)
    ledger.stored(f"Snapshot/{name[:2]}/{name}", 1, SHA, 1.0, b"1" * 20)
    ledger.stored("Manifest.db", 1, SHA, 1.0)
    ledger.moved(f"Snapshot/{name[:2]}/{name}", f"{name[:2]}/{name}")
    line, listed = ledger.line(f"{name[:2]}/{name}"), ledger.line("Manifest.db")
    assert line is not None
    assert listed is not None
    assert line.sha1 == b"1" * 20
    assert line.attempt == listed.attempt == 2
    assert ledger.last_file() == line.arrived < listed.arrived
    ledger.took(line.path, b"2" * 20)
    assert ledger.stored_in(name[:2])[name].sha1 == b"2" * 20
    ledger.begin(3)
    ledger.stored(line.path, 2, SHA, 1.0)
    assert ledger.stored_in(name[:2])[name].sha1 is None  # of what was there before
    assert ledger.last_file() > listed.arrived


def blob_name(number: int) -> str:
    return hashlib.sha1(b"%d" % number).hexdigest()


def test_lines_come_in_order_of_folders_and_names_and_in_pages(
    ledger: FileLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger_module, "_PAGE", 7)
    monkeypatch.setattr(ledger_module, "BATCH", 5)
    ids = sorted(hashlib.sha1(b"%d" % number).hexdigest() for number in range(300))
    for name in reversed(ids):
        ledger.stored(f"{name[:2]}/{name}", 1, SHA, 1.0)
    ledger.stored("Manifest.db", 1, SHA, 1.0)
    assert [line.path for line in ledger.lines()] == ["Manifest.db", *(f"{name[:2]}/{name}" for name in ids)]


def test_files_become_durable_once(ledger: FileLedger) -> None:
    ledger.carried("", [("a", 1, 1.0, SHA, None)])
    ledger.stored("b", 1, SHA, 1.0)
    assert list(ledger.unsynced()) == ["b"]
    ledger.mark_synced()
    assert list(ledger.unsynced()) == []
    ledger.stored("b", 2, SHA, 1.0)
    assert list(ledger.unsynced()) == ["b"]
    assert [line.path for line in ledger.lines() if line.origin is Origin.CARRIED] == ["a"]


def test_a_killed_process_leaves_what_was_flushed(tmp_path: Path) -> None:
    path = str(tmp_path / "ledger.sqlite")
    pid = os.fork()
    if pid == 0:
        ledger = FileLedger.create(path)
        ledger.stored("a", 1, SHA, 1.0)
        ledger.flush()
        ledger.stored("b", 1, SHA, 1.0)
        os._exit(9)
    os.waitpid(pid, 0)
    with FileLedger(path) as again:
        again.check()
        assert [line.path for line in again.lines()] == ["a"]


@pytest.mark.parametrize("kind", ["not a database", "another database", "cut off"])
def test_what_is_not_a_ledger_is_unsound(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "ledger.sqlite"
    if kind == "not a database":
        path.write_bytes(b"x" * 100)
    elif kind == "another database":
        db = sqlite3.connect(path)
        db.execute("CREATE TABLE files (a)")
        db.execute("CREATE TRIGGER evil AFTER INSERT ON files BEGIN SELECT 1; END")
        db.commit()
        db.close()
    else:
        with FileLedger.create(str(path)) as ledger:
            for number in range(3000):
                ledger.stored(f"{number:05}", 1, SHA, 1.0)
            ledger.make_durable()
        os.truncate(path, path.stat().st_size // 2)
    with pytest.raises(LedgerUnsound):
        FileLedger(str(path)).check()


def test_folders_without_end_are_refused(ledger: FileLedger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger_module, "MAX_FOLDERS", 10)
    for number in range(9):
        ledger.made_dir(str(number))
    with pytest.raises(IbackupError, match="more than 10 folders"):
        ledger.made_dir("one more")


def test_a_strange_path_of_the_database_itself(tmp_path: Path) -> None:
    folder = tmp_path / "a?b#c%d é"
    folder.mkdir()
    with FileLedger.create(str(folder / "ledger.sqlite")) as ledger:
        ledger.stored("a", 1, SHA, 1.0)
    assert os.listdir(folder) == ["ledger.sqlite"]


def test_many_files_in_few_transactions(ledger: FileLedger) -> None:
    ids = [hashlib.sha1(b"%d" % number).hexdigest() for number in range(50_000)]
    paths = [f"Snapshot/{name[:2]}/{name}" for name in ids]
    for path in paths:
        ledger.made_dir(path.rpartition("/")[0])
    run: list[str] = []
    ledger._db._db.set_trace_callback(run.append)
    for path in paths:
        ledger.stored(path, 1234, SHA, 1.5)
    ledger.flush()
    assert run.count("COMMIT") <= len(paths) / ledger_module.BATCH + 1
    assert len(run) <= len(paths) + 2 * run.count("COMMIT")  # one for each file, and BEGIN and COMMIT
