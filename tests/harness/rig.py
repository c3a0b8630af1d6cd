"""A tiny phone, a store, and the promises that have to hold whatever happens in between."""

import gc
import os
import random
import shutil
import stat
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from unittest import mock

from ibackup.base.errors import IbackupError
from ibackup.config.stall_limits import Limits
from ibackup.simulator.operations.phone_memory import memory_of
from ibackup.simulator.server import Server, serve
from ibackup.simulator.spec import DomainSpec, PhoneSpec
from ibackup.simulator.virtual_phone import VirtualPhone
from ibackup.store.disk import this_computer
from support.runs import Lab, Picture, Told, assert_is_the_phone, copy_store, photograph

LONG = bool(os.environ.get("IBACKUP_LONG"))

TINY = PhoneSpec(
    domains=(
        DomainSpec(name="HomeDomain", count=7, min_size=1, max_size=3000),
        DomainSpec(name="CameraRollDomain", count=3, min_size=3_000, max_size=70_000),
    ),
    batch_size=3,
    keybag_rounds=10,
)


def chosen(last: int, count: int, *, seed: int = 1, step: int = 1) -> list[int]:
    """Which of the moments 1 … last to try: all of them with --long, else ``count``, spread but not evenly."""
    if LONG:
        return list(range(1, last + 1, step))
    rng = random.Random(seed)
    width = last / count
    return sorted({min(last, 1 + int((place + rng.random()) * width)) for place in range(count)})


def fds() -> set[str]:
    """The descriptors this process has open, as far as the system tells."""
    try:
        return {f"{name} {os.readlink(f'/proc/self/fd/{name}')}" for name in os.listdir("/proc/self/fd")}
    except OSError:
        return set()


@contextmanager
def leaves_nothing(*, below: Path) -> Iterator[None]:
    """No thread and no descriptor of a file below a folder is left when the block ends."""
    threads = set(threading.enumerate())
    yield
    left = [
        thread.name
        for thread in set(threading.enumerate()) - threads
        if not thread.name.startswith("virtual-")  # the phone's own, which end when it notices
    ]
    assert left == []
    held = [name for name in fds() if str(below) in name]
    if held:
        gc.collect()  # a descriptor that an exception's traceback still holds is no leak
        held = [name for name in fds() if str(below) in name]
    assert held == []


@dataclass
class Rig:
    """Phones that come and go on one server, each with a store of its own below a folder.

    Attributes:
        folder: where stores are made.
        server: the running usbmuxd.
        spec: of the phones.
    """

    folder: Path
    server: Server
    spec: PhoneSpec = TINY
    _count: int = 0
    _templates: dict[str, Path] = field(default_factory=dict)

    @contextmanager
    def bench(self, template: str = "empty") -> Iterator["Bench"]:
        """A phone that is plugged in, with a store: ``empty``, or with ``one`` snapshot of an earlier state."""
        self._count += 1
        store = self.folder / f"store {self._count}"
        phone = VirtualPhone(self.spec)
        if template == "one":
            copy_store(self._one(), store)
            self.use(phone)
        bench = Bench(store, self.server, phone)
        try:
            self.server.attach(phone)
            yield bench
        finally:
            self.server.detach(phone)
            shutil.rmtree(bench.path, ignore_errors=True)

    @staticmethod
    def use(phone: VirtualPhone) -> None:
        """Let the phone be used after its first backup."""
        phone.change(added=2, changed=3, removed=2, seed=7)

    def _one(self) -> Path:
        if "one" not in self._templates:
            phone = VirtualPhone(self.spec)
            store = self.folder / "template"
            self.server.attach(phone)
            Bench(store, self.server, phone).now()
            self.server.detach(phone)
            self._templates["one"] = store
        return self._templates["one"]


class Bench(Lab):
    """One phone and its store; see support.runs.Lab for what can be done with them."""

    def __init__(self, path: Path, server: Server, phone: VirtualPhone) -> None:
        self.path = path
        self.phone = phone
        self.server = server
        self.told = Told()

    def pictures(self) -> dict[str, Picture]:
        """Everything in every folder that has a snapshot's name."""
        if not self.path.exists():
            return {}
        return {path.name: _of_files(photograph(path)) for path in sorted(self.path.glob("*/snapshots/*"))}

    def attempt(self, **how: object) -> IbackupError | KeyboardInterrupt | None:
        """One run that may fail; only in ways that a user is told of."""
        try:
            self.now(**how)  # type: ignore[arg-type]
        except (IbackupError, KeyboardInterrupt) as error:
            return error.with_traceback(None)
        return None

    def check(self, before: dict[str, Picture], *, modes: bool = True) -> None:
        """What must hold at any moment: earlier snapshots are as they were, and no half one has such a name."""
        after = self.pictures()
        for name, picture in before.items():
            assert name in after, f"snapshot {name} is gone"
            changed = {
                at for at in picture.keys() | after[name].keys() if picture.get(at) != after[name].get(at)
            }
            assert not changed, f"snapshot {name} was changed"
        assert len(after) <= len(before) + 1
        if self.path.exists() and self.path.joinpath("store.json").exists():
            assert self.folder.broken() == []
            for snapshot in self.snapshots:
                check_snapshot(snapshot.path, modes=modes)
            for name in after.keys() - before.keys():
                self.is_the_phone(name)

    def is_the_phone(self, snapshot_id: str) -> None:
        """A snapshot holds what the phone holds now."""
        assert_is_the_phone(self.path / self.phone.udid / "snapshots" / snapshot_id, self.phone)

    def recover(self, before: dict[str, Picture], told: Told | None = None, *, modes: bool = True) -> str:
        """The next run, without any help: it ends well, holds what the phone has, and leaves nothing behind."""
        made = self.now(told=told)
        self.check_recovered(before, made.snapshot, modes=modes)
        return made.snapshot

    def check_recovered(self, before: dict[str, Picture], snapshot_id: str, *, modes: bool = True) -> None:
        after = self.pictures()
        for name, picture in before.items():
            assert after[name] == picture
        assert snapshot_id not in before
        assert snapshot_id == max(after)
        self.is_the_phone(snapshot_id)
        check_snapshot(str(self.path / self.phone.udid / "snapshots" / snapshot_id), modes=modes)
        assert self.left == []


def _of_files(picture: Picture) -> Picture:
    """A picture without the times of folders, which mean nothing."""
    return {
        name: (mode, 0 if stat.S_ISDIR(mode) else moment, content)
        for name, (mode, moment, content) in picture.items()
    }


def check_snapshot(path: str, *, modes: bool = True) -> None:
    """A snapshot's folder by its own seal, read by nothing of the product."""
    import hashlib

    picture = photograph(path)
    sums: dict[str, str] = {}
    for line in picture["SHA256SUMS"][2].decode().splitlines():
        digest, _, name = line.partition("  ")
        sums[name] = digest
    files = {
        name: hashlib.sha256(content).hexdigest()
        for name, (mode, _, content) in picture.items()
        if stat.S_ISREG(mode) and name not in {"SHA256SUMS", "snapshot.json"}
    }
    wrong = {name for name in files.keys() | sums.keys() if files.get(name) != sums.get(name)}
    assert not wrong, f"not as sealed: {wrong}"
    for name, (mode, _, _) in picture.items():
        wanted = 0o40700 if stat.S_ISDIR(mode) else 0o100400
        assert os.name == "nt" or not modes or mode == wanted, f"{name} has mode {mode:o}"


@contextmanager
def impatient(seconds: float = 2.0) -> Iterator[None]:
    """A phone that falls silent is given up soon."""
    short = Limits(
        answer_s=seconds,
        scan_s=seconds,
        message_s=seconds,
        between_files_s=seconds,
        within_file_s=seconds,
        sending_s=seconds,
        sending_restore_s=seconds,
    )
    with mock.patch.object(Lab, "limits", short):
        yield


@contextmanager
def another_start(name: str = "another start") -> Iterator[None]:
    """The computer has been started again."""
    with mock.patch.object(this_computer, "boot_id", return_value=name):
        yield


def remembering(phone: VirtualPhone) -> VirtualPhone:
    """A second phone that holds and remembers what the first does, a broken upload included."""
    twin = VirtualPhone(phone.spec)
    twin._content = phone.files
    snapshot = memory_of(phone).snapshot
    if snapshot is not None:
        memory = memory_of(twin)
        path = memory.fresh_path()
        shutil.copyfile(snapshot.path, path)
        memory.snapshot = replace(snapshot, path=path)
    return twin


@contextmanager
def rig(folder: Path, spec: PhoneSpec = TINY) -> Iterator[Rig]:
    """A rig on a server of its own; this process finds its phones."""
    with ExitStack() as stack:
        server = stack.enter_context(serve())
        patch = {
            "USBMUXD_SOCKET_ADDRESS": server.address,
            "HOME": str(folder / "home"),
            "IBACKUP_STATE_DIR": str(folder / "state"),
        }
        stack.enter_context(mock.patch.dict(os.environ, patch))
        yield Rig(folder, server, spec)
