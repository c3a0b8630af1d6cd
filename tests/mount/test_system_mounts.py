"""A tree that the system mounts by WebDAV: with the real davfs2, and what other systems' programs are given."""

import io
import json
import os
import signal
import struct
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from explore.taking import PASSWORD, files_below
from ibackup.base.errors import IbackupError, UsageError
from ibackup.mount.mount_place import full_place
from ibackup.mount.system import by_windows_redirector, system_mounts
from ibackup.mount.system.by_gvfs import ByGvfs
from ibackup.mount.system.by_mount_webdav import ByMountWebdav
from ibackup.mount.system.by_windows_redirector import ByWindowsRedirector
from ibackup.mount.unmounting import MountRecord, clear_dead
from ibackup.mount.webdav_site import WebDavSite
from support.minted import Mint, Spec
from support.program import PATIENCE_S, Program, programs
from support.runs import SMALL

SPECS = [
    Spec("HomeDomain", "Library/a b#c?d%e.txt", b"odd"),
    Spec("HomeDomain", "Library/CASE", b"upper"),
    Spec("HomeDomain", "Library/case", b"lower"),
    Spec("MediaDomain", "film.mov", bytes(range(256)) * 2_000),
]
COPIES = Path("/var/cache/davfs2")


@pytest.fixture
def minted(tmp_path: Path, require_tool: Callable[[str], str]) -> Iterator[tuple[Program, tuple[str, ...]]]:
    """A program, and the words that mount an encrypted backup by davfs2."""
    if sys.platform != "linux" or os.geteuid() != 0 or not os.path.exists("/dev/fuse"):
        pytest.skip("davfs2 needs root and FUSE")
    require_tool("mount.davfs")
    (tmp_path / "made").mkdir()
    folder = Mint(tmp_path / "made")(PASSWORD, specs=SPECS).folder
    secret = tmp_path / "secret"
    secret.write_text(PASSWORD)
    secret.chmod(0o600)
    with programs(tmp_path) as make:
        yield make(SMALL), (str(folder), "--password-file", str(secret))


@pytest.mark.peer
@pytest.mark.slow
def test_davfs2_shows_every_byte_and_neither_its_password_nor_a_copy_is_left(
    minted: tuple[Program, tuple[str, ...]], tmp_path: Path
) -> None:
    program, given = minted
    at = tmp_path / "mnt"
    process = program.start("mount", *given, "--kind", "webdav", "--at", str(at), "--json")
    assert process.stdout is not None
    event = next(each for each in map(json.loads, process.stdout) if each["event"] == "mounted")
    assert event == {"event": "mounted", "kind": "webdav", "at": str(at), "locked": []}
    record = json.loads(next((tmp_path / "state" / "mounts").iterdir()).read_text())
    copies = COPIES / f"ibackup-{record['address'].rstrip('/').rpartition(':')[2]}"
    user = record["address"].partition("//")[2].partition("@")[0]
    shown = files_below(at / "Files")
    program.run("extract", *given, "--all", "--portable", "--to", str(tmp_path / "out"))
    taken = files_below(tmp_path / "out")
    taken.pop("ibackup-renamed.txt")
    assert shown == taken
    assert (at / "Files" / "MediaDomain" / "film.mov").stat().st_mode & 0o777 == 0o400
    assert list(copies.rglob("film.mov*"))
    lines = [each.read_bytes() for each in Path("/proc").glob("[0-9]*/cmdline") if each.exists()]
    assert any(str(at).encode() in line and b"davfs" in line for line in lines)
    assert not any(user.encode() in line for line in lines)
    assert program.run("unmount", str(at)).out == f"Unmounted: {at}\n"
    program.finish(process, 0)
    assert not at.exists()  # made by it, and removed by it
    assert not copies.exists()


@pytest.mark.peer
@pytest.mark.slow
def test_ctrl_c_unmounts_davfs2_and_the_next_mount_clears_what_a_crash_left(
    minted: tuple[Program, tuple[str, ...]], tmp_path: Path
) -> None:
    program, given = minted
    at = tmp_path / "mnt"
    words = ("mount", *given, "--kind", "webdav", "--at", str(at))
    others = set(COPIES.iterdir())
    crashed = program.start(*words)
    assert crashed.stdout is not None
    assert crashed.stdout.readline() == f"{at}\n"
    crashed.send_signal(signal.SIGKILL)
    crashed.communicate()
    program.forget(crashed)
    assert os.path.ismount(at)
    again = program.start(*words)
    assert again.stdout is not None
    assert again.stdout.readline() == f"{at}\n"
    assert (at / "Files" / "HomeDomain" / "Library" / "CASE").read_bytes() == b"upper"
    with (at / "Files" / "MediaDomain" / "film.mov").open("rb"):
        again.send_signal(signal.SIGINT)
        again.wait(PATIENCE_S)
    assert "Traceback" not in program.finish(again, 0).err
    assert not os.path.ismount(at)
    assert set(COPIES.iterdir()) == others


def put_program(folder: Path, name: str, script: str) -> None:
    """A program of the system, which notes what it is given."""
    path = folder / name
    path.write_text(f"#!{sys.executable}\nimport os, sys\n{script}\n")
    path.chmod(0o755)


@pytest.fixture
def bin_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setenv("NOTED", str(tmp_path / "noted"))
    return folder


SITE = WebDavSite("http://127.0.0.1:5005/")
FAKE_GIO = """
from pathlib import Path
given = "" if "-u" in sys.argv else sys.stdin.readline()
with open(os.environ["NOTED"], "a") as noted:
    noted.write(repr((sys.argv[1:], given)) + "\\n")
user = sys.argv[-1].partition("//")[2].partition("@")[0]
place = Path(os.environ["XDG_RUNTIME_DIR"], "gvfs", f"dav:host=127.0.0.1,port=5005,ssl=false,user={user}")
if "-u" in sys.argv:
    if Path(os.environ["NOTED"] + ".busy").exists():
        sys.exit("gio: it is busy")
    place.rmdir()
else:
    place.mkdir(parents=True)
"""


def test_gio_gets_the_password_on_standard_input_and_the_place_becomes_a_link(
    bin_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_program(bin_folder, "gio", FAKE_GIO)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=/none")
    monkeypatch.setenv("XDG_DATA_DIRS", str(tmp_path / "share"))
    way, at = ByGvfs(), str(tmp_path / "phones")
    assert "apt install" in way.why_not()
    (tmp_path / "share" / "gvfs" / "mounts").mkdir(parents=True)
    (tmp_path / "share" / "gvfs" / "mounts" / "dav.mount").write_text("")
    assert way.why_not() == ""
    assert way.mount(SITE, at) == at
    address = f"dav://{SITE.user}@127.0.0.1:5005/"
    noted = (tmp_path / "noted").read_text()
    assert noted == f"{(['mount', address], SITE.password + chr(10))!r}\n"
    assert Path(at).is_dir()
    (tmp_path / "noted.busy").write_text("")
    with pytest.raises(IbackupError, match="it is busy"):
        way.unmount(at, SITE.with_user)
    assert Path(at).is_dir()
    (tmp_path / "noted.busy").unlink()
    way.unmount(at, SITE.with_user)
    assert not os.path.lexists(at)
    assert (tmp_path / "noted").read_text().endswith(f"{(['mount', '-u', address], '')!r}\n")
    # After a crash, the next start finds the place as it was before.
    way.mount(SITE, at)
    record = MountRecord.made(at, way.name, SITE.with_user)
    Path(record.path).write_text(Path(record.path).read_text().replace(record.boot, "another boot"))
    clear_dead(at)
    assert not os.path.lexists(at)
    assert full_place(at) == at
    monkeypatch.delenv("DBUS_SESSION_BUS_ADDRESS")
    assert way.why_not() == "GVfs needs a desktop session."


FAKE_MOUNT_WEBDAV = """
with open(os.environ["NOTED"], "wb") as noted:
    os.lseek(0, 0, os.SEEK_SET)  # as Apple's does
    noted.write(os.read(0, 4096) + b"|" + "|".join(sys.argv[1:]).encode())
sys.exit(int(os.environ.get("CODE", "0")))
"""


def test_mount_webdav_gets_the_password_in_a_file_without_a_name(
    bin_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_program(bin_folder, "mount_webdav", FAKE_MOUNT_WEBDAV)
    assert ByMountWebdav().mount(SITE, "/phones") == "/phones"
    given, *words = (tmp_path / "noted").read_bytes().split(b"|")
    stream = io.BytesIO(given)
    parts = [stream.read(struct.unpack(">I", stream.read(4))[0]) for _ in range(4)]
    assert parts == [SITE.user.encode(), SITE.password.encode(), b"", b""]
    assert words == b"-S|-a|0|-o|rdonly,nosuid,nodev|-v|ibackup|http://127.0.0.1:5005/|/phones".split(b"|")
    monkeypatch.setenv("CODE", "19")
    with pytest.raises(IbackupError, match="exit code 19"):
        ByMountWebdav().mount(SITE, "/phones")
    put_program(bin_folder, "mount", "print('http://127.0.0.1:5005/ on /phones (webdav, read-only)')")
    put_program(bin_folder, "umount", "open(os.environ['NOTED'], 'w').write(repr(sys.argv[1:]))")
    ByMountWebdav().unmount("/phones", SITE.with_user, forced=True)
    assert (tmp_path / "noted").read_text() == "['-f', '/phones']"
    (tmp_path / "noted").unlink()
    ByMountWebdav().unmount("/phones", "http://x@127.0.0.1:6006/")
    assert not (tmp_path / "noted").exists()


def test_windows_gets_the_password_in_memory_and_only_our_letter_is_taken_back(
    bin_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, str, str, str]] = []
    codes = [0, 67, 5]

    def add(resource: by_windows_redirector.NetResource, password: str, user: str) -> int:
        asked.append((resource.local_name, resource.remote_name, password, user))
        return codes.pop(0)

    monkeypatch.setattr(by_windows_redirector, "_add_connection", add)
    monkeypatch.setattr(by_windows_redirector, "is_drive", lambda at: len(at) == 2)
    way = ByWindowsRedirector()
    assert way.mount(SITE, "Z:") == "Z:"
    assert asked == [("Z:", SITE.url, SITE.password, SITE.user)]
    with pytest.raises(IbackupError, match="WebClient"):
        way.mount(SITE, "Z:")
    with pytest.raises(IbackupError, match="error 5"):
        way.mount(SITE, "Z:")
    with pytest.raises(UsageError, match="drive letter"):
        way.mount(SITE, "C:\\phones")
    noting = "open(os.environ['NOTED'], 'a').write(' '.join(sys.argv[1:]) + ';')"
    put_program(bin_folder, "net", f"{noting}; print(r'Remote name  \\\\127.0.0.1@5005\\DavWWWRoot')")
    way.unmount("Z:", SITE.with_user, forced=True)
    way.unmount("Z:", "http://x@127.0.0.1:500/")
    assert (tmp_path / "noted").read_text() == "use Z:;use Z: /delete /y;use Z:;"


def test_without_any_way_the_place_is_refused_and_the_address_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for way in system_mounts._ALL:
        monkeypatch.setattr(type(way), "why_not", lambda each: f"No {each.name}.")
    with pytest.raises(IbackupError, match=r"No FUSE\. No davfs2\. No gvfs\.") as refused:
        system_mounts.system_mount("No FUSE.")
    assert "without --at" in refused.value.hint
