"""A copy as plain files, against the real rclone: whole at every moment, proven, and readable without ibackup."""

import contextlib
import os
import shutil
import stat
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ibackup.base.errors import DamageFound, IbackupError
from ibackup.base.events import ignore
from ibackup.base.long_programs import LongEnd
from ibackup.copies.copy_address import CopyAddress
from ibackup.copies.copy_engine import ProvenCopy
from ibackup.copies.copy_errors import CopyMissing
from ibackup.copies.expectation import Expectation
from ibackup.copies.held_snapshot import HeldSnapshot
from ibackup.copies.rclone_engine import RcloneEngine
from ibackup.copies.rclone_program import RcloneProgram
from ibackup.store.phone_folder import PhoneFolder
from ibackup.store.records.snapshot import Snapshot

pytestmark = pytest.mark.peer


@pytest.fixture
def plain(tmp_path: Path, require_tool: Callable[[str], str]) -> RcloneEngine:
    """An empty copy on a disk."""
    require_tool("rclone")
    (tmp_path / "disk" / "copy").mkdir(parents=True)
    engine = RcloneEngine(RcloneProgram("usb", CopyAddress.parse(str(tmp_path / "disk" / "copy"))))
    engine.create()
    return engine


def put(engine: RcloneEngine, snapshot: Snapshot) -> HeldSnapshot:
    return engine.put(snapshot, None, (), ignore).held


def newest(engine: RcloneEngine, snapshot: Snapshot) -> Path:
    return Path(engine.address.path, snapshot.udid, "newest")


def files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def test_the_newest_snapshot_is_there_as_it_is_here_and_the_one_before_goes_once_it_is_proven(
    plain: RcloneEngine, backed_up: PhoneFolder, tmp_path: Path
) -> None:
    one, two = backed_up.snapshots()
    first = put(plain, one)
    folder = newest(plain, one)
    assert files(folder) == files(Path(one.path))
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    subprocess.run(["sha256sum", "-c", "--quiet", "SHA256SUMS"], cwd=folder, check=True)
    expected = [Expectation.of(each) for each in (one, two)]
    outcome = plain.match(first, expected[0], None, ignore)
    assert (outcome.good, outcome.files, outcome.induced) == (True, len(expected[0].sums), False)
    second = put(plain, two)
    assert [each.id for each in plain.held()] == [one.id, two.id]
    assert files(folder) == files(Path(two.path))
    # Until the second is proven, the first can be fetched too.
    plain.fetch(first, str(_empty(tmp_path / "one")), ignore)
    assert files(tmp_path / "one") == files(Path(one.path))
    induced = plain.match(second, expected[1], ProvenCopy(first, expected[0]), ignore)
    assert (induced.good, induced.induced) == (True, True)
    assert list(plain.retire(second)) == [one.id]
    assert sorted(os.listdir(folder.parent)) == ["newest", "newest.json"]
    plain.fetch(second, str(_empty(tmp_path / "two")), ignore)
    assert files(tmp_path / "two") == files(Path(two.path))
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "two").rglob("*")}
    assert modes == {0o600, 0o700}


def _empty(path: Path) -> Path:
    path.mkdir()
    return path


def test_what_is_wrong_there_is_named_and_repaired(plain: RcloneEngine, backed_up: PhoneFolder) -> None:
    one = backed_up.snapshots()[0]
    held = put(plain, one)
    folder = newest(plain, one)
    names = sorted(each for each in files(folder) if "/" in each and (folder / each).stat().st_size > 20)
    flipped, gone, cut = names[0], names[1], names[2]
    _flip(folder / flipped)
    (folder / gone).unlink()
    (folder / cut).write_bytes((folder / cut).read_bytes()[:-1])
    (folder / "more").write_text("more")
    expected = Expectation.of(one)
    wrong = sorted([flipped, gone, cut, "more"])
    assert sorted(plain.match(held, expected, None, ignore).wrong) == wrong
    stored = plain.check()
    assert [each.split(" ")[0] for each in stored.problems] == sorted([gone, "more"])
    read = [plain.check((number, 3)) for number in (1, 2, 3)]
    assert {each.split(" ")[0] for found in read for each in found.problems} == set(wrong)
    assert stored.snapshots == {one.id}
    again = put(plain, one)
    assert plain.match(again, expected, None, ignore).good
    assert plain.check((1, 1)).problems == ()
    assert files(folder) == files(Path(one.path))


def _flip(path: Path) -> None:
    """Change a byte and keep size and time, as a failing disk does."""
    found = path.stat()
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))


def test_a_damaged_seal_there_proves_nothing(
    plain: RcloneEngine, backed_up: PhoneFolder, tmp_path: Path
) -> None:
    one, two = backed_up.snapshots()
    held = put(plain, one)
    _flip(newest(plain, one) / "SHA256SUMS")
    found = plain.check()
    assert "SHA256SUMS" in found.problems[0]
    assert found.snapshots == {one.id}
    with pytest.raises(DamageFound, match="SHA256SUMS"):
        plain.fetch(held, str(_empty(tmp_path / "back")), ignore)
    second = put(plain, two)  # everything is sent, since nothing there can be trusted
    assert plain.match(second, Expectation.of(two), None, ignore).good


class _Killed(Exception):
    """The run ends here."""


@dataclass
class Dying:
    """Does half of the n-th command that changes something, in place of ``RcloneProgram.attempt``, and ends the run."""

    follows: Callable[..., LongEnd]
    at: int
    calls: int = 0

    def __call__(self, program: RcloneProgram, *words: str, **others: Any) -> LongEnd:
        self.calls += words[0] in CHANGING
        if self.calls != self.at or words[0] not in CHANGING:
            return self.follows(program, *words, **others)
        if words[0] in ("copy", "move", "delete"):
            names = [word for word in words if word.startswith("--files-from-raw=")]
            if names:
                listed = Path(names[0].partition("=")[2])
                half = listed.read_text().splitlines()[::2]
            else:
                listed = Path(program.address.path, "..", "half")
                folder = Path(program.address.path, words[1].partition(":")[2])
                half = sorted(files(folder))[::2]
            listed.write_text("".join(f"{each}\n" for each in half))
            more = () if names else (f"--files-from-raw={listed}",)
            self.follows(program, *words, *more, **others)
        raise _Killed


CHANGING = {"copy", "copyto", "move", "moveto", "delete", "deletefile", "purge"}


def test_a_run_that_is_killed_in_any_change_leaves_a_whole_snapshot_and_the_next_finishes_it(
    plain: RcloneEngine, backed_up: PhoneFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = backed_up.snapshots()
    whole = {each.id: files(Path(each.path)) for each in (one, two)}
    put(plain, one)
    begun = tmp_path / "begun"
    shutil.copytree(plain.address.path, begun)
    follows = RcloneProgram.attempt
    points = range(1, 30) if os.environ.get("IBACKUP_LONG") else (6,)
    for point in points:
        shutil.rmtree(plain.address.path)
        shutil.copytree(begun, plain.address.path)
        dying = Dying(follows, point)
        with monkeypatch.context() as patch:
            patch.setattr(RcloneProgram, "attempt", lambda *words, d=dying, **others: d(*words, **others))
            with contextlib.suppress(_Killed):
                plain.retire(put(plain, two))
        if dying.calls < point:
            break
        held = plain.held()
        assert held
        for each in held:
            target = _empty(tmp_path / f"back-{point}-{each.id}")
            plain.fetch(each, str(target), ignore)
            assert files(target) == whole[each.id]
        assert by_hand(newest(plain, two).parent, tmp_path / f"hand-{point}") in whole.values()
        plain.tidy()
        second = put(plain, two)
        assert plain.match(second, Expectation.of(two), None, ignore).good
        plain.retire(second)
        assert sorted(os.listdir(newest(plain, two).parent)) == ["newest", "newest.json"]
        assert files(newest(plain, two)) == whole[two.id]
    else:
        assert not os.environ.get("IBACKUP_LONG")


def by_hand(phone: Path, target: Path) -> dict[str, bytes]:
    """What docs/howto-second-copy.md says to do without ibackup."""
    shutil.copytree(phone / "newest", target)
    if (phone / "arriving.json").exists() and (phone / "arriving").exists():
        shutil.copytree(phone / "arriving", target, dirs_exist_ok=True)
    subprocess.run(["sha256sum", "-c", "--quiet", "SHA256SUMS"], cwd=target, check=True)
    listed = {line.split("  ", 1)[1] for line in (target / "SHA256SUMS").read_text().splitlines()}
    return {
        path: data for path, data in files(target).items() if path in listed | {"SHA256SUMS", "snapshot.json"}
    }


def test_another_place_a_lost_one_and_a_missing_disk_are_told_apart(
    plain: RcloneEngine, backed_up: PhoneFolder, tmp_path: Path
) -> None:
    own = plain.identity()
    plain.require(own)
    folder = Path(plain.address.path)
    with pytest.raises(CopyMissing) as caught:
        plain.require("0" * 64)
    assert caught.value.reason == "other"
    folder.rename(tmp_path / "aside")
    with pytest.raises(CopyMissing) as caught:
        plain.identity()
    assert caught.value.reason == "unmounted"
    (folder / "letters").mkdir(parents=True)
    with pytest.raises(CopyMissing) as caught:
        plain.identity()
    assert caught.value.reason == "missing"


def test_a_disk_that_someone_prepared_leads_nowhere_else(
    plain: RcloneEngine, backed_up: PhoneFolder, tmp_path: Path
) -> None:
    one = backed_up.snapshots()[0]
    own = _empty(tmp_path / "own")
    (own / "letter").write_text("mine")
    folder = newest(plain, one)
    for link in (folder, folder.parent):
        link.parent.mkdir(exist_ok=True)
        link.symlink_to(own)
        with pytest.raises(IbackupError, match="is a link"):
            put(plain, one)
        link.unlink()
        if link == folder:
            folder.parent.rmdir()
    assert files(own) == {"letter": b"mine"}
    for name in ("x\n../../own/letter", "../../own/letter", "a/../../../own/letter", str(own / "letter")):
        with pytest.raises(IbackupError, match="lead elsewhere"):
            plain.program.on_files("delete", plain.program.at("x"), files=["good", name], doing="delete")


def test_no_secret_and_no_address_is_in_the_command_line_of_rclone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = tmp_path / "seen"
    fake = tmp_path / "rclone"
    fake.write_text(f'#!/bin/sh\necho "$@" >{seen}.line\nenv >{seen}.env\n')
    fake.chmod(0o700)
    for name, value in (
        ("RCLONE_DRY_RUN", "true"),
        ("AWS_CA_BUNDLE", "/x"),
        ("RCLONE_CONFIG_PASS", "theirs"),
    ):
        monkeypatch.setenv(name, value)
    address = CopyAddress.parse("rclone::sftp,host=nas,pass=Geheim-7:/backups").for_rclone()
    program = RcloneProgram("nas", address, {"RCLONE_CONFIG_NAS_PASS": "obscured"}, str(fake))
    program.run("cat", program.at("x"), doing="look")
    line, given = (Path(f"{seen}.{each}").read_text() for each in ("line", "env"))
    assert "Geheim" not in line
    assert "nas" not in line
    assert "RCLONE_CONFIG_IBACKUPCOPY_REMOTE=:sftp,host=nas,pass=Geheim-7:/backups\n" in given
    assert "RCLONE_CONFIG_NAS_PASS=obscured\n" in given
    assert "RCLONE_CONFIG_PASS=theirs\n" in given
    assert "RCLONE_DRY_RUN" not in given
    assert "AWS_CA_BUNDLE" not in given
    assert "Geheim" not in address.shown
    for text in ("s3:https://host/bucket", "rest:https://host/x"):
        with pytest.raises(IbackupError, match="rclone does not know"):
            CopyAddress.parse(text).for_rclone()
