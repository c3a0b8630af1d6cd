"""Names, sizes and SHA-256 of a copy, compared with the seal, against the real restic."""

import hashlib
import os
import shutil
from pathlib import Path

import pytest

from copies.conftest import Kept
from ibackup.base.events import Progress, ignore
from ibackup.copies import matching
from ibackup.copies.expectation import Expectation
from ibackup.copies.held_snapshot import HeldSnapshot
from ibackup.copies.matching import match_by_induction, match_in_full
from ibackup.store.phone_folder import PhoneFolder
from ibackup.store.records.snapshot import Snapshot
from support.runs import Told

pytestmark = pytest.mark.peer


@pytest.fixture(params=["few folders", "many folders"])
def many(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether files are looked up in their folders, or among all files."""
    if request.param == "many folders":
        monkeypatch.setattr(matching, "_MOST_FOLDERS", 0)


@pytest.fixture
def mine(backed_up: PhoneFolder, tmp_path: Path) -> PhoneFolder:
    """The phone's folder, to be damaged."""
    path = tmp_path / backed_up.udid
    shutil.copytree(backed_up.path, path)
    return PhoneFolder(str(path))


def put(repository: Kept, snapshot: Snapshot, parent: HeldSnapshot | None = None) -> HeldSnapshot:
    return repository.engine.put(snapshot, parent, (), ignore).held


def large_file(snapshot: Snapshot) -> Path:
    return max(Path(snapshot.backup_path).rglob("*"), key=lambda path: path.stat().st_size)


def damage(path: Path, at: int = 1000) -> None:
    """Flip a byte and keep the time, as a failing disk does."""
    path = unshared(path)
    found = path.stat()
    data = bytearray(path.read_bytes())
    data[at % len(data)] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))


def unshared(path: Path) -> Path:
    """The same file without its hard links to other snapshots."""
    other = path.with_name("other")
    shutil.copy2(path, other)
    other.replace(path)
    return path


@pytest.mark.usefixtures("many")
def test_both_snapshots_are_proven_in_full_and_by_induction(repository: Kept, backed_up: PhoneFolder) -> None:
    told = Told()
    one, two = backed_up.snapshots()
    first = repository.engine.put(one, None, (), told).held
    second = put(repository, two, first)
    assert (first.id, first.udid, first.seal) == (one.id, one.udid, one.meta.seal)
    assert [each.id for each in repository.engine.held()] == [one.id, two.id]
    assert any(isinstance(event, Progress) and event.phase == "copy" for event in told.events)
    expected = [Expectation.of(each) for each in (one, two)]
    with repository.engine.fresh() as engine:
        for held, wanted in zip((first, second), expected, strict=True):
            outcome = match_in_full(engine, held, wanted, ignore)
            assert outcome.good, outcome
            assert outcome.files == len(wanted.sums) > one.meta.files
        assert len(engine.pieces(first)[large_file(one).relative_to(one.path).as_posix()]) > 1
        induced = match_by_induction(engine, second, expected[1], first, expected[0], ignore)
    assert induced.good, induced
    assert induced.induced


def test_a_tree_names_the_same_pieces_as_the_packs(repository: Kept, backed_up: PhoneFolder) -> None:
    one = backed_up.snapshots()[0]
    held = put(repository, one)
    folder = large_file(one).parent.relative_to(one.path).as_posix()
    by_packs = repository.engine.pieces(held)
    by_tree = repository.engine.pieces_in(held, {folder})
    assert by_tree == {path: has for path, has in by_packs.items() if path.rpartition("/")[0] == folder}
    assert max(map(len, by_tree.values())) > 1


@pytest.mark.usefixtures("many")
def test_files_that_were_damaged_before_they_were_copied_are_named(
    repository: Kept, mine: PhoneFolder
) -> None:
    one, two = mine.snapshots()
    first = put(repository, one)
    sound = [Expectation.of(each) for each in (one, two)]
    new = sorted(sound[1].changed_since(sound[0])[0] - {"SHA256SUMS", "snapshot.json"})
    paths = [large_file(two), Path(sound[1].local(new[0]))]
    for path in paths:
        damage(path)
    second = put(repository, two)  # without a parent, so that the damaged files are read
    names = tuple(sorted(path.relative_to(two.path).as_posix() for path in paths))
    assert match_in_full(repository.engine, second, sound[1], ignore).wrong == names
    assert match_by_induction(repository.engine, second, sound[1], first, sound[0], ignore).wrong == names


@pytest.mark.usefixtures("many")
def test_files_that_are_missing_or_too_many_are_named(repository: Kept, mine: PhoneFolder) -> None:
    one, two = mine.snapshots()
    first = put(repository, one)
    sound = [Expectation.of(each) for each in (one, two)]
    gone = large_file(two)
    gone.unlink()
    (Path(two.path) / "more").write_text("more")
    second = put(repository, two, first)
    wrong = tuple(sorted([gone.relative_to(two.path).as_posix(), "more"]))
    assert match_in_full(repository.engine, second, sound[1], ignore).wrong == wrong
    assert match_by_induction(repository.engine, second, sound[1], first, sound[0], ignore).wrong == wrong


def test_names_of_255_bytes_and_with_a_line_feed_are_proven(repository: Kept, tmp_path: Path) -> None:
    folder = tmp_path / "odd"
    names = ["a" * 255, "line\nfeed", "star*[x]?", "Å"]
    folder.mkdir()
    for name in names:
        (folder / name).write_text(name)
    held = _put_folder(repository, folder)
    sums = {name: hashlib.sha256(name.encode()).digest() for name in names}
    assert match_in_full(repository.engine, held, Expectation(str(folder), sums), ignore).good


def _put_folder(repository: Kept, folder: Path) -> HeldSnapshot:
    ident = "20261201T000000Z"
    repository.engine.program.run(
        "backup", "--host=X", f"--tag=ibackup,snap:{ident},seal:x", ".", doing="copy", folder=str(folder)
    )
    return repository.engine.held()[-1]
