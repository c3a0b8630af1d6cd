"""Whole backups against a virtual iPhone: a store, what a run told, and what must not change afterwards."""

import os
import plistlib
import shutil
import stat
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeVar

import pytest

from ibackup.base.errors import IbackupError
from ibackup.base.events import Caution, Event, Note, PhaseStarted, Prompt
from ibackup.config.stall_limits import Limits
from ibackup.jobs.backup.back_up import back_up
from ibackup.jobs.backup.backup_request import BackupRequest, BackupResult
from ibackup.simulator.server import Server, serve
from ibackup.simulator.spec import AppSpec, DomainSpec, PhoneSpec
from ibackup.simulator.virtual_phone import VirtualPhone
from ibackup.store.phone_folder import LeftOver, PhoneFolder
from ibackup.store.records.snapshot import Snapshot
from ibackup.store.store import Store
from ibackup.vault.unlocker import PasswordSource, Unlocker
from support.readers import by_pyiosbackup

E = TypeVar("E", bound=IbackupError)

PASSWORD = "Kurzhaar-Wisent 7"
SMALL = PhoneSpec(
    domains=(
        DomainSpec(name="CameraRollDomain", count=6, min_size=3_000, max_size=60_000),
        DomainSpec(name="HomeDomain", count=12, min_size=1, max_size=4096),
    ),
    apps=(AppSpec(bundle_id="org.example.notes", name="Notes", groups=("group.org.example.notes",)),),
    batch_size=4,
    keybag_rounds=10,
)


@dataclass
class Told:
    """An observer that keeps what it is told and may be told to stop somewhere."""

    events: list[Event] = field(default_factory=list)
    stop: Callable[[Event], bool] = lambda _: False

    def __call__(self, event: Event) -> None:
        self.events.append(event)
        if self.stop(event):
            raise KeyboardInterrupt

    @property
    def phases(self) -> list[str]:
        return [event.phase for event in self.events if isinstance(event, PhaseStarted)]

    @property
    def cautions(self) -> list[str]:
        return [event.text for event in self.events if isinstance(event, Caution)]

    @property
    def notes(self) -> list[str]:
        return [event.text for event in self.events if isinstance(event, Note)]

    @property
    def prompts(self) -> list[Prompt]:
        return [event for event in self.events if isinstance(event, Prompt)]


def never(_udid: str) -> str | None:
    """The password source of those who have none."""
    return None


class Lab:
    """A phone, the store it is backed up into, and the runs; ``limits`` are those of its silence."""

    limits: Limits | None = None

    def __init__(self, folder: Path, stack: ExitStack, phone: VirtualPhone) -> None:
        self.path = folder
        self.phone = phone
        self.server: Server = stack.enter_context(serve(phone))
        self.told = Told()

    @property
    def store(self) -> Store:
        return Store.open(self.path)

    @property
    def folder(self) -> PhoneFolder:
        return self.store.phone(self.phone.udid)

    @property
    def snapshots(self) -> list[Snapshot]:
        return self.folder.snapshots()

    @property
    def left(self) -> list[LeftOver]:
        return self.folder.left_overs()

    def now(
        self, password: str | PasswordSource | None = None, told: Told | None = None, **how: object
    ) -> BackupResult:
        """One run; ``told`` of it is kept. A lost connection ends it unless ``retry`` is given."""
        self.told = told or Told()
        source = password if callable(password) else (lambda _udid: password)
        usual: dict[str, object] = {"patience": 0, "retry": False, "limits": self.limits}
        request = BackupRequest(store=self.store, unlocker=Unlocker(source), **(usual | how))  # type: ignore[arg-type]
        return back_up(request, self.told)

    def fails(self, kind: type[E], **how: object) -> E:
        """One run that ends with an error of exactly this kind."""
        try:
            result = self.now(**how)  # type: ignore[arg-type]
        except IbackupError as error:
            if type(error) is not kind:
                raise
            return error
        raise AssertionError(f"it succeeded: {result}")


L = TypeVar("L", bound=Lab)


class PlugIn(Protocol):
    """Plugs in the phone of a lab that a function makes."""

    def __call__(self, make: Callable[[ExitStack], L], /) -> L: ...


@contextmanager
def plugging_in(folder: Path, patch: pytest.MonkeyPatch) -> Iterator[PlugIn]:
    """A home below a folder, and what plugs in a phone there; no thread is left at the end."""
    before = set(threading.enumerate())
    patch.setenv("HOME", str(folder / "home"))
    patch.setenv("XDG_CONFIG_HOME", str(folder / "home"))
    patch.setenv("IBACKUP_STATE_DIR", str(folder / "state"))
    with ExitStack() as stack:

        def plug_in(make: Callable[[ExitStack], L]) -> L:
            lab = make(stack)
            patch.setenv("USBMUXD_SOCKET_ADDRESS", lab.server.address)
            return lab

        yield plug_in
    assert set(threading.enumerate()) <= before


def first_backup(folder: Path, spec: PhoneSpec = SMALL, more: Callable[[Lab], None] = lambda _: None) -> Path:
    """A store below a folder with one snapshot of a phone, and whatever more is done to it."""
    with pytest.MonkeyPatch.context() as patch, plugging_in(folder, patch) as plug_in:
        lab = plug_in(lambda stack: Lab(folder / "store", stack, VirtualPhone(spec)))
        lab.now(spec.backup_password)
        more(lab)
    return folder / "store"


def assert_is_the_phone(snapshot: Path | str, phone: VirtualPhone, password: str | None = None) -> None:
    """A snapshot's backup has every file of the phone and no other, by a reader that we did not write."""
    folder = Path(snapshot) / phone.udid
    content = phone.files
    wanted = {
        (entry.domain, entry.path): content.read(entry) for entry in content.files(encrypted=bool(password))
    }
    with by_pyiosbackup(folder, password) as backup:
        assert {
            (each.domain, each.relative_path): each.read_bytes() for each in backup.iter_files()
        } == wanted
    stored = [path for path in folder.rglob("*") if path.is_file() and path.parent != folder]
    assert len(stored) == len(wanted)
    status = plistlib.loads((folder / "Status.plist").read_bytes())
    assert (status["SnapshotState"], status["BackupState"]) == ("finished", "new")


def assert_sealed(snapshot: Path | str) -> None:
    """``sha256sum -c`` passes, names every file, and a snapshot's folder holds nothing else."""
    done = subprocess.run(
        ["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"],
        cwd=snapshot,
        check=False,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    folder = Path(snapshot)
    held = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    lines = (folder / "SHA256SUMS").read_text().splitlines()
    assert held == {line.partition("  ")[2] for line in lines} | {"SHA256SUMS", "snapshot.json"}


Picture = dict[str, tuple[int, int, bytes]]


def photograph(folder: Path | str, *, but: Sequence[str] = ()) -> Picture:
    """Everything below a folder: mode, time and content, by name. Folders' times do not count where links are made."""
    found: Picture = {}
    for top, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if os.path.relpath(os.path.join(top, name), folder) not in but]
        for name in [*folders, *names]:
            path = os.path.join(top, name)
            is_file = not os.path.islink(path) and os.path.isfile(path)
            facts = os.lstat(path)
            content = Path(path).read_bytes() if is_file else b""
            found[os.path.relpath(path, folder)] = (facts.st_mode, facts.st_mtime_ns, content)
    return found


def copy_store(source: Path, target: Path) -> None:
    """A store with its times and modes, as a test may spoil it."""
    shutil.copytree(source, target, symlinks=True)


def flip(path: Path, at: int | None = None, *, later: bool = True) -> None:
    """Turn one bit of a file in place, as a bad disk or a stray program does.

    Args:
        path: the file.
        at: the byte, by default the middle one.
        later: whether the file's time tells, an hour after it was written; else it is put back.
    """
    facts = path.stat()
    os.chmod(path, 0o600)
    data = bytearray(path.read_bytes())
    data[len(data) // 2 if at is None else at] ^= 0x01
    with path.open("r+b") as file:
        file.write(data)
    moment = facts.st_mtime_ns + (3600 * 10**9 if later else 0)
    os.utime(path, ns=(moment, moment))
    os.chmod(path, stat.S_IMODE(facts.st_mode))


def blob(snapshot: Path | str, phone: VirtualPhone, domain: str, number: int = 0) -> tuple[Path, str]:
    """A stored file of a domain with something in it, and its path on the phone."""
    entries = [entry for entry in phone.files.files() if entry.domain == domain and entry.size > 16]
    entry = entries[number]
    return Path(snapshot) / phone.udid / entry.file_id[:2] / entry.file_id, entry.path
