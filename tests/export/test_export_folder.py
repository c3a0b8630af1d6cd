"""The folder of an export: names, what is new and what is left alone, in the folder that is really there."""

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ibackup.apple.backup import Backup
from ibackup.base.confined import name_flaw
from ibackup.base.errors import UsageError
from ibackup.explore.file_times import Times
from ibackup.explore.file_writer import Trouble
from ibackup.export.earlier_exports import RECORD
from ibackup.export.export_folder import ExportFolder, plain_name
from ibackup.export.export_request import Exported, ExportRequest
from ibackup.export.export_target import relative_link
from support.minted import Mint, Minted, Spec

PASSWORD = "Kurzhaar-Wisent 7"
PICTURE = ("CameraRollDomain", "Media/DCIM/100APPLE/IMG_0001.HEIC")


class Run:
    """One export into a folder, and what it reported."""

    def __init__(self, folder: ExportFolder, backup: Backup) -> None:
        self.folder, self.backup = folder, backup
        self.result = Exported()
        self.told: list[object] = []


@contextmanager
def exporting(made: Minted, to: Path, *, overwrite: bool = False) -> Iterator[Run]:
    with Backup.open(made.folder) as backup:
        backup.unlock(made.password)
        told: list[object] = []
        result = Exported()
        request = ExportRequest(str(to), (), overwrite=overwrite)
        with ExportFolder(backup, request, told.append, result) as folder:
            run = Run(folder, backup)
            run.result, run.told = result, told
            yield run


def files(to: Path) -> dict[str, bytes]:
    """What an export left, without its record."""
    found = {path.relative_to(to).as_posix(): path.read_bytes() for path in to.rglob("*") if path.is_file()}
    found.pop(RECORD, None)
    return found


def test_one_thread_reads_the_backup(mint: Mint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two at once would mix up each other's rows; the writers have threads of their own."""
    read = vars(Backup)["signs"].__get__
    threads = []

    def signs(backup: Backup) -> object:
        threads.append(threading.current_thread())
        return read(backup)

    monkeypatch.setattr(Backup, "signs", property(signs))
    with exporting(mint(), tmp_path / "out") as run:
        entry = run.backup.entry(*PICTURE)
        assert entry is not None
        run.folder.copy(entry, run.folder.place((), "a.heic", "file"), Times(1_600_000_000))
    assert set(threads) == {threading.main_thread()}


@pytest.mark.parametrize("password", [None, PASSWORD])
def test_a_second_export_writes_only_what_is_new(mint: Mint, tmp_path: Path, password: str | None) -> None:
    made = mint(password)
    to = tmp_path / "out"
    for texts, counts in ((["one"], (2, 0)), (["one"], (0, 2)), (["one", "two"], (1, 2))):
        with exporting(made, to) as run:
            above = run.folder.place((), "Messages", "folder messages")
            for text in texts:
                run.folder.write(
                    run.folder.place(above, "Mum.txt", f"chat {text}"), [text, b"!"], 1_700_000_000
                )
            entry = run.backup.entry(*PICTURE)
            assert entry is not None
            run.folder.copy(entry, (*above, "a.heic"), Times(1_600_000_000))
        assert (run.result.files, run.result.same) == counts
        assert run.told == []
    assert sorted(files(to)) == ["Messages/Mum (2).txt", "Messages/Mum.txt", "Messages/a.heic"]
    assert (to / "Messages" / "Mum (2).txt").read_bytes() == b"two!"
    picture = to / "Messages" / "a.heic"
    assert picture.read_bytes() == next(
        spec.content for spec in made.specs if (spec.domain, spec.path) == PICTURE
    )
    assert picture.stat().st_mtime == 1_600_000_000
    assert not [name for name in os.listdir(to) if name.startswith(".ibackup")]


def test_a_place_stays_with_its_thing(mint: Mint, tmp_path: Path) -> None:
    made, to = mint(), tmp_path / "out"
    with exporting(made, to) as run:
        first = [run.folder.place((), "Mum", f"chat {each}") for each in (1, 2)]
    with exporting(made, to) as run:
        # in another order, and with a newcomer of the same name
        again = [run.folder.place((), "Mum", f"chat {each}") for each in (3, 2, 1)]
    assert first == [("Mum",), ("Mum (2)",)]
    assert again == [("Mum (3)",), ("Mum (2)",), ("Mum",)]


@pytest.mark.parametrize("overwrite", [False, True])
def test_what_somebody_changed_is_left_alone(mint: Mint, tmp_path: Path, overwrite: bool) -> None:
    made, to = mint(), tmp_path / "out"
    with exporting(made, to) as run:
        run.folder.write(("a.txt",), ["of ibackup"])
        run.folder.write(("b.txt",), ["of ibackup"])
    (to / "a.txt").write_text("my own notes")
    (to / "c.txt").write_text("of another program")
    with exporting(made, to, overwrite=overwrite) as run:
        for name in ("a.txt", "b.txt", "c.txt"):
            assert run.folder.write((name,), ["newer"]) is (overwrite or name == "b.txt")
    kept = {"a.txt": b"my own notes", "b.txt": b"newer", "c.txt": b"of another program"}
    assert files(to) == (dict.fromkeys(kept, b"newer") if overwrite else kept)
    assert run.result.kept_out == (0 if overwrite else 2)
    assert [each.path for each in run.told if isinstance(each, Trouble)] == (
        [] if overwrite else ["a.txt", "c.txt"]
    )


@pytest.mark.skipif(sys.platform == "win32", reason="links need a right there")
def test_nothing_is_written_through_a_link(mint: Mint, tmp_path: Path) -> None:
    made, to, outside = mint(), tmp_path / "out", tmp_path / "outside"
    outside.mkdir()
    to.mkdir()
    (to / "Messages").symlink_to(outside)
    (to / RECORD).symlink_to(outside / "record")
    with exporting(made, to) as run:
        assert not run.folder.write(("Messages", "a.txt"), ["x"])
        entry = run.backup.entry(*PICTURE)
        assert entry is not None
        run.folder.copy(entry, ("Messages", "a.heic"))
        run.folder.place((), "x", "chat 1")
    assert list(outside.iterdir()) == []
    assert run.result.troubles == {"refused": 2}


@pytest.mark.parametrize(
    "record",
    [b"", b"{", b"[]", b'{"schema": 1, "places": {"chat 1": "../../out"}, "sha256": 7}', b"[" * 100_000],
)
def test_a_record_that_cannot_be_believed(mint: Mint, tmp_path: Path, record: bytes) -> None:
    made, to = mint(), tmp_path / "out"
    to.mkdir()
    (to / RECORD).write_bytes(record)
    with exporting(made, to) as run:
        assert run.folder.place((), "Mum", "chat 1") == ("Mum",)


def test_a_file_that_is_missing_or_damaged_is_named(mint: Mint, tmp_path: Path) -> None:
    made, to = mint(), tmp_path / "out"
    made.blob(*PICTURE).unlink()
    with exporting(made, to) as run:
        entry = run.backup.entry(*PICTURE)
        assert entry is not None
        run.folder.copy(entry, ("a.heic",))
    assert run.result.troubles == {"missing": 1}
    assert run.result.damaged == 1
    assert files(to) == {}


def test_a_second_name_for_a_file(mint: Mint, tmp_path: Path) -> None:
    made, to = mint(), tmp_path / "out"
    for _ in range(2):
        with exporting(made, to) as run:
            entry = run.backup.entry(*PICTURE)
            assert entry is not None
            run.folder.copy(entry, ("Photos", "a.heic"))
            run.folder.flush()
            assert run.folder.hard_link(("Photos", "a.heic"), ("Albums", "Summer", "a.heic"))
            assert not run.folder.hard_link(("Photos", "no.heic"), ("Albums", "b.heic"))
    assert (to / "Photos" / "a.heic").samefile(to / "Albums" / "Summer" / "a.heic")


def test_not_into_the_backup(mint: Mint) -> None:
    made = mint()
    with pytest.raises(UsageError), exporting(made, made.folder / "out"):
        pass


def test_links_between_pages() -> None:
    link = relative_link
    assert (
        link(("index.html",), ("Messages", "Mum & Dad", "index.html"))
        == "Messages/Mum%20%26%20Dad/index.html"
    )
    assert link(("Messages", "Mum", "2024.html"), ("Messages", "Mum", "a#1.jpg")) == "a%231.jpg"
    assert link(("Messages", "Mum", "index.html"), ("index.html",)) == "../../index.html"
    assert link(("a.html",), ("javascript:alert(1)",)) == "javascript%3Aalert%281%29"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Mum", "Mum"),
        ('  a/b\\c: "d"?\n\te ', "a b c d e"),
        ("../../etc/passwd", "etc passwd"),
        ("\u202egnp.exe", "gnp.exe"),
        ("...", "chat"),
        ("", "chat"),
        ("\0\x07", "chat"),
        ("\ud800x", "x"),
        ("名前 é", "名前 é"),
        ("x" * 500, "x" * 80),
    ],
)
def test_names_from_texts(text: str, name: str) -> None:
    assert plain_name(text, "chat") == name
    assert not name_flaw(name)


def test_reserved_names_get_another(mint: Mint, tmp_path: Path) -> None:
    with exporting(mint(specs=[Spec("HomeDomain", "a")]), tmp_path / "out") as run:
        places = [run.folder.place((), name) for name in ("CON", "con", "Mum", "MUM", RECORD)]
    flat = ["/".join(each) for each in places]
    assert len({each.lower() for each in flat}) == len(flat)
    assert not any(name_flaw(each) for each in flat)
    assert RECORD not in flat
