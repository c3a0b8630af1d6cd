"""``ibackup mount``, with the real FUSE of this system: every byte, hostile names, and each way in which it ends."""

import contextlib
import io
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest

from explore.taking import PASSWORD, files_below
from ibackup.apple.file_ids import file_id_of
from ibackup.apple.rows import blob_path
from ibackup.mount.unmounting import is_dead
from ibackup.simulator.spec import PhoneSpec
from support.minted import Mint, Spec
from support.program import PATIENCE_S, Program, programs
from support.runs import SMALL

pytestmark = [pytest.mark.peer, pytest.mark.slow]


@pytest.fixture
def program(tmp_path: Path, require_tool: Callable[[str], str]) -> Iterator[Program]:
    require_tool("fusermount3")
    if not os.path.exists("/dev/fuse"):
        pytest.skip("this system has no FUSE")
    with programs(tmp_path) as make:
        yield make(SMALL)
    with contextlib.suppress(OSError):
        assert not os.path.ismount(tmp_path / "mnt")


@contextlib.contextmanager
def mounted(program: Program, *words: str) -> Iterator[subprocess.Popen[str]]:
    """Mounts at ``mnt``; afterwards it is unmounted."""
    at = program.folder / "mnt"
    process = program.start("mount", *words, "--at", str(at))
    assert process.stdout is not None
    assert process.stdout.readline() == f"{at}\n"
    yield process
    if process.poll() is None:
        program.run("unmount", str(at))
    program.finish(process, 0)
    assert not at.exists()  # made by it, and removed by it


def read_by(process: subprocess.Popen[str]) -> int:
    """How many bytes a process has read so far."""
    return int(Path(f"/proc/{process.pid}/io").read_text().split()[1])


def wait_for(is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.02)


FILM = Spec("AppDomain-org.example.films", "Documents/film.mov", bytes(range(256)) * 12_000)
HOSTILE = [
    FILM,
    Spec("HomeDomain", "Library/line\nbreak\x1b[31m", b"1"),
    Spec("HomeDomain", "Library/../../up", b"dots"),
    Spec("HomeDomain", "Library/nul\0byte", b"nul"),
    Spec("HomeDomain", "Library//twice", b"slashes"),
    Spec("HomeDomain", "Library/CASE", b"upper"),
    Spec("HomeDomain", "Library/case", b"lower"),
    Spec("HomeDomain", f"Library/{'ü' * 127}x", b"255 bytes"),
    Spec("HomeDomain", f"Library/{'n' * 300}", b"too long"),
    Spec("HomeDomain", "Library/a:b*c?", b"odd"),
    Spec("HomeDomain", "Library/empty"),
    Spec("HomeDomain", "Library/grew", b"x" * 5000, size=33),
    Spec("HomeDomain", "Library/shrank", b"y" * 40, size=999_999),
    Spec("HomeDomain", "Library/link", flags=4, target="/etc/passwd"),
]


def test_each_file_has_the_bytes_that_extract_writes_and_is_read_in_ranges(
    program: Program, tmp_path: Path
) -> None:
    for name in ("made", "plain"):
        (tmp_path / name).mkdir()
    folder = Mint(tmp_path / "made")(PASSWORD, specs=HOSTILE).folder
    plain = Mint(tmp_path / "plain")(specs=HOSTILE).folder
    secret = tmp_path / "secret"
    secret.write_text(PASSWORD)
    secret.chmod(0o600)
    given = (str(folder), "--password-file", str(secret))
    program.run("extract", *given, "--all", "--to", str(tmp_path / "out"), code=None)
    taken = files_below(tmp_path / "out")
    taken.pop("ibackup-renamed.txt")
    taken["HomeDomain/Library/link"] = b"/etc/passwd"  # a text, not a way out
    with mounted(program, str(plain)):
        assert files_below(tmp_path / "mnt" / "Files") == taken
    with mounted(program, *given) as process:
        assert files_below(tmp_path / "mnt" / "Files") == taken
        film = tmp_path / "mnt" / "Files" / "AppDomain-org.example.films" / "Documents" / "film.mov"
        content = FILM.content
        assert film.stat().st_size == len(content)
        assert film.stat().st_mtime == FILM.mtime
        with io.FileIO(film) as stream:
            os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)  # what the system kept
            before = read_by(process)
            stream.seek(2_500_000)
            assert stream.read(1000) == content[2_500_000:2_501_000]
            assert read_by(process) - before < 1_000_000  # nothing of what comes before
            for start, count in ((2_999_999, 70_000), (17, 1), (131_071, 300_000), (len(content), 9)):
                stream.seek(start)
                assert stream.read(count) == content[start : start + count]
            os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            stored = folder / blob_path(file_id_of(FILM.domain, FILM.path))
            os.truncate(stored, 1_000_000)
            stream.seek(999_000)
            with pytest.raises(OSError, match="Input/output"):  # not an early end
                stream.readall()
        for change in (lambda: film.write_bytes(b""), film.unlink, (film.parent / "new").mkdir):
            with pytest.raises(OSError, match="Read-only"):
                change()
    with mounted(program, *given, "--links"):
        assert os.readlink(tmp_path / "mnt" / "Files" / "HomeDomain" / "Library" / "link") == "/etc/passwd"


def test_all_snapshots_are_there_and_what_one_looks_into_is_not_pruned(
    program: Program, tmp_path: Path
) -> None:
    program.now()
    program.phone.change(changed=2)
    program.now("--full")
    old, new = program.snapshots
    at = tmp_path / "mnt"
    with mounted(program) as process:
        [phone] = at.iterdir()
        names = sorted(each.name for each in phone.iterdir())
        assert len(names) == 3
        assert all(re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d(:\d\d)?( \(2\))?|latest", name) for name in names)
        assert os.readlink(phone / "latest") == names[1]
        twice = program.run("mount", "latest", "--at", str(at), code=2)
        assert "already mounted" in " ".join(twice.err.split())
        # The older one is looked into: prune leaves it.
        assert (phone / names[0] / "Files" / "HomeDomain").is_dir()
        program.run("prune", "--keep-last", "1", "--yes", code=None)
        assert program.snapshots == [old, new]
        process.send_signal(signal.SIGINT)  # Ctrl-C
        process.wait(PATIENCE_S)
    program.run("prune", "--keep-last", "1", "--yes")
    assert program.snapshots == [new]


def test_a_crash_leaves_no_dead_folder_and_an_unused_one_unmounts(program: Program, tmp_path: Path) -> None:
    program.now()
    at = tmp_path / "mnt"
    crashed = program.start("mount", "latest", "--at", str(at))
    assert crashed.stdout is not None
    assert crashed.stdout.readline()
    crashed.send_signal(signal.SIGKILL)
    crashed.communicate()
    program.forget(crashed)
    assert is_dead(str(at))
    with mounted_again(program, at) as process:
        process.wait(PATIENCE_S)  # --idle
    assert list(at.iterdir()) == []
    assert program.run("unmount").out == "Nothing is mounted.\n"
    (at / "mine").write_text("x")
    refused = program.run("mount", "latest", "--at", str(at), code=2)
    assert "is not empty" in " ".join(refused.err.split())
    program.run("unmount", str(at), code=2)
    inside = program.run("mount", "--at", str(program.store / "inside"), code=2)
    assert "never changes" in " ".join(inside.err.split())


def test_contents_are_what_export_writes_and_what_is_gone_is_there(
    tmp_path: Path, require_tool: Callable[[str], str]
) -> None:
    require_tool("fusermount3")
    secret = tmp_path / "secret"
    secret.write_text(PASSWORD)
    secret.chmod(0o600)
    given = ("--password-file", str(secret))
    kinds = ("--photos", "--messages", "--notes", "--voice-memos", "--contacts")
    spec = PhoneSpec(hard_cases=True, ios_version="26.1", backup_password=PASSWORD, keybag_rounds=10)
    with programs(tmp_path) as make:
        program = make(spec)
        program.now(*given)
        program.phone.change()
        program.now(*given)
        program.run("export", *given, *kinds, "--format", "html", "--to", str(tmp_path / "out"), code=None)
        with mounted(program, "latest", *given):
            at = tmp_path / "mnt"
            shown = files_below_all_but(at, "Files", GONE)
            gone = files_below_all_but(at / GONE, "Files")
            lost = files_below(at / GONE / "Files")
            pages = {path.name: path.read_text("utf-8") for path in (at / "Messages").glob("*.html")}
            for page in pages.values():
                for address in re.findall(r'(?:src|href)="([^"#:]+)"', page):
                    assert (at / "Messages" / unquote(address)).exists(), address
    written = {as_shown(path): data for path, data in files_below(tmp_path / "out").items()}
    written.pop("index.html")  # it links the kinds
    ours = {path for path in shown if path.endswith((".html", NOT_THERE))}  # pages link what is beside them
    assert {path for path in written if path.endswith(".html")} == {p for p in ours if p.endswith(".html")}
    assert {path: data for path, data in shown.items() if path not in ours} == {
        path: data for path, data in written.items() if not path.endswith((".html", ".json"))
    }
    assert len(pages) > 10
    assert [path for path in gone if path.startswith("Photos/2024")] == ["Photos/2024/06/IMG_0031.PNG"]
    assert len([path for path in gone if re.fullmatch(r"Messages/\+.*\.html", path)]) == 1
    assert [path.rpartition("/")[2] for path in lost if path.endswith("PNG")] == ["IMG_0031.PNG"]


SLOW = """
import sys, threading
from ibackup.explore.opening import SnapshotTarget
from ibackup.explore.target_names import NameRules
from ibackup.mount.backup_files import BackupFiles
from ibackup.mount.fuse_face import serve_fuse
from ibackup.mount.mount_nodes import FixedFolder, text_file
from ibackup.mount.mounted_backup import MountedBackup, OpenBackups
from ibackup.mount.path_lookup import PathLookup
from ibackup.vault.unlocker import Unlocker

folder, at = sys.argv[1:]
wanted = threading.Event()
with OpenBackups(Unlocker(), NameRules(), links=False, own_links=True) as opens:
    target = SnapshotTarget(folder)
    backup = MountedBackup(opens, target, None)

    def make():
        with opens.apart(target):
            print("made now", flush=True)
            wanted.wait()
        return {"Bob.html": text_file("hello", 0)}

    def go_on():
        wanted.set()
        return {}

    slow = FixedFolder(0, lambda: opens.once(("slow", "messages", False), make))
    tree = {"Files": BackupFiles(backup), "Messages": slow, "go on": FixedFolder(0, go_on)}
    serve_fuse(PathLookup(FixedFolder(0, lambda: tree)), at, ready=lambda: print("mounted", flush=True))
"""


def test_what_takes_long_to_make_lets_all_others_go_on(
    tmp_path: Path, require_tool: Callable[[str], str]
) -> None:
    fusermount = require_tool("fusermount3")
    at = tmp_path / "mnt"
    at.mkdir()
    folder = Mint(tmp_path)(specs=[FILM]).folder
    serving = subprocess.Popen(
        [sys.executable, "-c", SLOW, str(folder), str(at)], stdout=subprocess.PIPE, text=True
    )
    waiting: list[subprocess.Popen[str]] = []
    try:
        assert serving.stdout is not None
        assert serving.stdout.readline() == "mounted\n"
        for _ in range(3):  # one makes it, and the others wait for that
            listing = subprocess.Popen(["ls", at / "Messages"], stdout=subprocess.PIPE, text=True)
            waiting.append(listing)
        assert serving.stdout.readline() == "made now\n"
        film = at / "Files" / FILM.domain / FILM.path
        read = subprocess.run(["cat", film], timeout=PATIENCE_S, capture_output=True, check=True)
        assert read.stdout == FILM.content
        subprocess.run(["ls", at / "go on"], timeout=PATIENCE_S, check=True)
        assert [each.communicate(timeout=PATIENCE_S)[0] for each in waiting] == ["Bob.html\n"] * 3
        subprocess.run([fusermount, "-u", at], check=True)
        assert serving.communicate(timeout=PATIENCE_S)[0] == ""  # it was made once
    finally:
        for each in (serving, *waiting):
            each.kill()
            each.wait()
        if is_dead(str(at)):
            subprocess.run([fusermount, "-uz", at], check=True)


NOT_THERE = "What is missing.txt"
GONE = "Everything that was deleted since the snapshot before"


def files_below_all_but(folder: Path, *names: str) -> dict[str, bytes]:
    """The files of all folders but some."""
    return {
        f"{each.name}{f'/{path}' if each.is_dir() else ''}": data
        for each in folder.iterdir()
        if each.name not in names
        for path, data in (files_below(each) if each.is_dir() else {"": each.read_bytes()}).items()
    }


def as_shown(path: str) -> str:
    """Where a file of an export is in a mounted tree."""
    path = re.sub(r"^(Photos/(?:[^/]+/)?)(\d{4})-(\d\d)/", r"\1\2/\3/", path)
    path = re.sub(r"^Messages/([^/]+)/index\.html$", r"Messages/\1.html", path)
    return path.replace("Voice memos/", "Voice Memos/").replace("Contacts/Contacts.vcf", "Contacts.vcf")


@contextlib.contextmanager
def mounted_again(program: Program, at: Path) -> Iterator[subprocess.Popen[str]]:
    process = program.start("mount", "latest", "--at", str(at), "--idle", "1s")
    assert process.stdout is not None
    assert process.stdout.readline() == f"{at}\n"
    yield process
    program.finish(process, 0)
