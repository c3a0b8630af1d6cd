"""A disk that loses power: what was written and not yet synced may be there, or not, or in part, or in another order.

The model is small. Files are inodes with data, a mode and a time; folders are inodes with entries. Each change is
pending until a sync makes it last:

- ``fsync`` of a file: its data, mode and time; not its name;
- ``fsync`` of a folder: the changes of its entries, with all earlier ones in folders that these touched;
- ``syncfs``: everything.

A power cut keeps what lasts and any part of what is pending. Entries of one folder keep their order; data does not.
SQLite writes behind our back: its files are looked at whenever something is synced.
"""

import glob
import os
import random
import threading
from dataclasses import dataclass, field
from typing import Any, Literal

from harness.calls import Call, Calls

Loss = Literal["nothing", "names", "zeros", "everything", "some"]
LOSSES: tuple[Loss, ...] = ("nothing", "names", "zeros", "everything", "some")
"""What remains of the pending changes: nothing; names of empty files; names and sizes; everything; any part."""

_SQLITE = "ledger.sqlite"


class PowerCut(BaseException):
    """The computer is off."""


@dataclass
class Inode:
    """A file or a folder."""

    mode: int
    entries: "dict[str, Inode] | None" = None
    data: bytes = b""
    mtime: int = 0

    @property
    def names(self) -> "dict[str, Inode]":
        """The entries of a folder."""
        assert self.entries is not None
        return self.entries

    def copy(self) -> "Inode":
        return Inode(self.mode, None if self.entries is None else dict(self.entries), self.data, self.mtime)


@dataclass
class Change:
    """A pending change; ``gone`` and ``made`` are entries (folder, name), the other members are about one inode."""

    inode: Inode
    gone: tuple[Inode, str] | None = None
    made: tuple[Inode, str] | None = None
    at: int = 0
    data: bytes | None = None
    size: int | None = None
    mode: int | None = None
    mtime: int | None = None

    @property
    def folders(self) -> list[Inode]:
        return [each[0] for each in (self.gone, self.made) if each is not None]

    def apply(self, lasting: "Lasting", loss: Loss = "everything", rng: random.Random | None = None) -> None:
        if self.made is not None:
            lasting.of(self.made[0])[self.made[1]] = self.inode
        if self.gone is not None and lasting.of(self.gone[0]).get(self.gone[1]) is self.inode:
            del lasting.of(self.gone[0])[self.gone[1]]
        if self.folders:
            return
        found = lasting.file(self.inode)
        if self.size is not None:
            found.data = found.data[: self.size]
        if self.data is not None:
            data = self.data if loss == "everything" else bytes(len(self.data))
            if loss == "some" and rng is not None:
                data = self.data[: rng.randrange(len(self.data) + 1)]
            found.data = (
                found.data[: self.at].ljust(self.at, b"\0") + data + found.data[self.at + len(data) :]
            )
        found.mode = self.mode or found.mode
        found.mtime = self.mtime or found.mtime


class Lasting:
    """The lasting state of every inode, apart from its present one."""

    def __init__(self) -> None:
        self._states: dict[int, tuple[Inode, Inode]] = {}

    def file(self, inode: Inode) -> Inode:
        if id(inode) not in self._states:
            fresh = Inode(inode.mode, None if inode.entries is None else {}, b"", inode.mtime)
            self._states[id(inode)] = (inode, fresh)
        return self._states[id(inode)][1]

    def of(self, folder: Inode) -> dict[str, Inode]:
        return self.file(folder).names

    def copy(self) -> "Lasting":
        other = Lasting()
        other._states = {key: (inode, state.copy()) for key, (inode, state) in self._states.items()}
        return other


@dataclass
class Disk:
    """A hook for ``seen``: makes every call, and keeps account of it.

    Attributes:
        folder: what is on the disk; read once at the beginning, all of which lasts.
        at: the sync before which the power fails, from 1; 0 never.
        syncs: how many there were.
    """

    folder: str
    at: int = 0
    syncs: int = 0
    dead: bool = False
    calls: Calls | None = None
    pending: list[Change] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.lasting = Lasting()
        self._lock = threading.RLock()
        self._fds: dict[int, Inode] = {}
        inodes: dict[int, Inode] = {}
        self.root = self._read(self.folder, inodes)

    def _read(self, path: str, inodes: dict[int, Inode]) -> Inode:
        facts = os.lstat(path)
        if os.path.isdir(path):
            inode = Inode(
                facts.st_mode,
                {name: self._read(os.path.join(path, name), inodes) for name in os.listdir(path)},
            )
            self.lasting.of(inode).update(inode.names)
            return inode
        if facts.st_ino not in inodes:
            with open(path, "rb") as file:
                inode = inodes[facts.st_ino] = Inode(facts.st_mode, None, file.read(), facts.st_mtime_ns)
            self.lasting.file(inode).data = inode.data
        return inodes[facts.st_ino]

    # -- what happens on it ---------------------------------------------------------------------------------

    def __call__(self, call: Call) -> Any:
        with self._lock:
            if self.dead:
                raise PowerCut
            if call.name in {"fsync", "syncfs"}:
                self._look_at_sqlite()
                self.syncs += 1
                if self.syncs == self.at:
                    self.dead = True
                    raise PowerCut
            result = call.make()
            note = getattr(self, f"on_{call.name}", None)
            if note is not None and not (call.name == "renameat2" and result != 0):
                note(call, result)
            return result

    def find(self, path: str) -> Inode | None:
        """What is at a path relative to the folder now."""
        inode: Inode | None = self.root
        for name in path.split(os.sep):
            if name not in {"", "."}:
                inode = (inode.entries or {}).get(name) if inode is not None else None
        return inode

    def _place(self, path: str) -> tuple[Inode, str]:
        top, _, name = path.rpartition(os.sep)
        folder = self.find(top)
        assert folder is not None, path
        return folder, name

    def _target(self, call: Call) -> str:
        assert self.calls is not None
        path = self.calls.path_of(call.args[1], call.kwargs.get("dst_dir_fd"))
        assert path is not None
        return os.path.relpath(path, self.folder)

    def _entry(self, inode: Inode, *, gone: str | None = None, made: str | None = None) -> None:
        change = Change(inode)
        if gone is not None:
            change.gone = folder, name = self._place(gone)
            if folder.names.get(name) is inode:
                del folder.names[name]
        if made is not None:
            change.made = folder, name = self._place(made)
            folder.names[name] = inode
        self.pending.append(change)

    def on_open(self, call: Call, result: Any) -> None:
        inode = self.find(call.path)
        if isinstance(result, int) and inode is not None:
            self._fds[result] = inode

    def on_create(self, call: Call, result: int) -> None:
        if self.find(call.path) is None:
            self._entry(Inode(os.fstat(result).st_mode), made=call.path)
        self.on_open(call, result)

    def on_mkdir(self, call: Call, _: Any) -> None:
        self._entry(Inode(0o40700, {}), made=call.path)

    def on_link(self, call: Call, _: Any) -> None:
        source = self.find(call.path)
        assert source is not None
        self._entry(source, made=self._target(call))

    def on_rename(self, call: Call, _: Any) -> None:
        self._moved(call.path, self._target(call))

    on_replace = on_rename

    def on_renameat2(self, call: Call, _: Any) -> None:
        self._moved(call.path, os.path.relpath(os.fsdecode(call.args[3]), self.folder))

    def _moved(self, source: str, target: str) -> None:
        inode = self.find(source)
        assert inode is not None, source
        self._entry(inode, gone=source, made=target)

    def on_unlink(self, call: Call, _: Any) -> None:
        inode = self.find(call.path)
        assert inode is not None, call.path
        self._entry(inode, gone=call.path)

    on_rmdir = on_remove = on_unlink

    def on_write(self, call: Call, result: int) -> None:
        data = b"".join(map(bytes, call.args[1])) if call.name == "writev" else bytes(call.args[1])
        self._wrote(call.args[0], data[:result])

    on_writev = on_write

    def _wrote(self, fd: int, data: bytes) -> None:
        inode = self._fds[fd]
        at = os.lseek(fd, 0, os.SEEK_CUR) - len(data)
        inode.data = inode.data[:at].ljust(at, b"\0") + data + inode.data[at + len(data) :]
        self.pending.append(Change(inode, at=at, data=data, mtime=os.fstat(fd).st_mtime_ns))

    def on_ftruncate(self, call: Call, _: Any) -> None:
        inode = self._fds[call.args[0]]
        inode.data = inode.data[: call.args[1]]
        self.pending.append(Change(inode, size=call.args[1]))

    def on_chmod(self, call: Call, _: Any) -> None:
        inode = self.find(call.path)
        assert inode is not None
        inode.mode = (inode.mode & ~0o7777) | call.args[1]
        self.pending.append(Change(inode, mode=inode.mode))

    on_fchmod = on_chmod

    def on_utime(self, call: Call, _: Any) -> None:
        inode = self._fds[call.args[0]] if isinstance(call.args[0], int) else self.find(call.path)
        assert inode is not None
        self.pending.append(Change(inode, mtime=call.kwargs["ns"][1]))

    def _look_at_sqlite(self) -> None:
        """What SQLite wrote, made and removed since the last time."""
        for top in glob.glob(os.path.join(glob.escape(self.folder), "*", "working-*")):
            here = os.path.relpath(top, self.folder)
            folder = self.find(here)
            known = {name for name in folder.names if name.startswith(_SQLITE)} if folder else set()
            present = {name for name in os.listdir(top) if name.startswith(_SQLITE)}
            for name in sorted(known - present):
                self.on_unlink(Call("unlink", os.unlink, (), {}, os.path.join(here, name)), None)
            for name in sorted(present):
                path = os.path.join(here, name)
                if name not in known:
                    self._entry(Inode(0o100600), made=path)
                inode = self.find(path)
                with open(os.path.join(top, name), "rb") as file:
                    data = file.read()
                if inode is not None and data != inode.data:
                    inode.data = data
                    self.pending.append(Change(inode, size=0))
                    self.pending.append(Change(inode, data=data, mtime=os.stat(file.name).st_mtime_ns))

    # -- syncs ----------------------------------------------------------------------------------------------

    def on_fsync(self, call: Call, _: Any) -> None:
        inode = self._fds[call.args[0]]
        if inode.entries is None:
            self._last([change for change in self.pending if change.inode is inode and not change.folders])
        else:
            self._last(self._before([inode]))

    def on_syncfs(self, *_: Any) -> None:
        self._last(list(self.pending))

    def _before(self, folders: list[Inode]) -> list[Change]:
        """The pending changes of entries in these folders, with those that have to come before them."""
        found: list[Change] = []
        touched = list(folders)
        for change in reversed(self.pending):
            if any(folder is each for folder in change.folders for each in touched):
                found.append(change)
                touched += change.folders
        return found[::-1]

    def _last(self, changes: list[Change]) -> None:
        chosen = {id(change) for change in changes}
        for change in changes:
            change.apply(self.lasting)
        self.pending = [change for change in self.pending if id(change) not in chosen]

    # -- when the power is gone -----------------------------------------------------------------------------

    def rebuild(self, target: str, loss: Loss, seed: int = 0) -> None:
        """Make the folder as it may be found when the computer is started again."""
        rng = random.Random(seed)
        lasting = self.lasting.copy()
        entries = [change for change in self.pending if change.folders]
        if loss == "nothing":
            entries = []
        elif loss == "some":
            # Any number of changes, each with those it rests on.
            chosen = {
                id(each) for change in entries if rng.random() < 0.3 for each in self._before(change.folders)
            }
            last = {id(change): place for place, change in enumerate(self.pending)}
            cut = rng.randrange(len(self.pending) + 1) if rng.random() < 0.5 else len(self.pending)
            entries = [change for change in entries if id(change) in chosen and last[id(change)] < cut]
        for change in entries:
            change.apply(lasting)
        for change in self.pending:
            if change.folders or loss in {"nothing", "names"}:
                continue
            if loss == "some":
                how: Loss = rng.choice(["nothing", "zeros", "everything", "some"])
                if how != "nothing":
                    change.apply(lasting, how, rng)
            else:
                change.apply(lasting, loss)
        self._put(lasting, self.root, target, {})

    def _put(self, lasting: Lasting, inode: Inode, path: str, files: dict[int, str]) -> None:
        state = lasting.file(inode)
        if state.entries is not None:
            os.mkdir(path, 0o700)
            for name, each in state.entries.items():
                self._put(lasting, each, os.path.join(path, name), files)
            return
        if id(inode) in files:
            os.link(files[id(inode)], path)
            return
        files[id(inode)] = path
        with open(path, "wb") as file:
            file.write(state.data)
        os.chmod(path, state.mode & 0o7777)
        os.utime(path, ns=(state.mtime, state.mtime))
