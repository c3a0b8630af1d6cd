"""A working copy that a scripted phone asks things of."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from ibackup.base.events import Caution, Event
from ibackup.config.stall_limits import Limits
from ibackup.device.devicelink import requests
from ibackup.device.devicelink.link import DeviceLink
from ibackup.device.folder.working_files import WorkingFiles
from support.scripted import UDID, Device, DictLedger, playing

Tree = dict[str, bytes | None]


def tree(root: Path) -> Tree:
    """Every path below a folder, with the bytes of files."""
    return {
        path.relative_to(root).as_posix(): path.read_bytes() if path.is_file() else None
        for path in sorted(root.rglob("*"))
    }


@dataclass
class Lab:
    """A working copy on the disk, and what was told about it."""

    root: Path
    staging: Path
    ledger: DictLedger = field(default_factory=DictLedger)
    told: list[Event] = field(default_factory=list)
    barriers: list[str] = field(default_factory=list)
    free: int = 123_456_789_012
    barrier: Callable[[str], None] | None = None
    keeps: tuple[int, ...] = ()

    def working(self) -> WorkingFiles:
        return WorkingFiles(
            self.root,
            self.staging,
            UDID,
            self.ledger,
            free_space=lambda: self.free,
            barrier=self.barrier or self.barriers.append,
            observer=self.told.append,
            keeps=self.keeps,
        )

    def put(self, path: str, data: bytes) -> None:
        """A file from an earlier run."""
        with self.working() as files:
            for depth in range(1, path.count("/") + 1):
                folder = "/".join(path.split("/")[:depth])
                (self.root / folder).mkdir(exist_ok=True)
                self.ledger.made_dir(folder)
            files.write_own(path, data)

    @contextmanager
    def serving(
        self, script: Callable[[Device], object], limits: Limits | None = None, *, checked: bool = True
    ) -> Iterator[Callable[[], None]]:
        """Yields what answers the script's requests until it says goodbye; the disk is as told afterwards."""
        with playing(script) as sock, DeviceLink(sock, limits=limits) as link, self.working() as files:
            self.files = files
            self.link = link

            def answer() -> None:
                while (message := link.receive())[0] != "DLMessageDisconnect":
                    files.handle(link, requests.parse(message))

            yield answer
        if checked:
            self.check()

    def ask(self, script: Callable[[Device], object]) -> None:
        """Answer a script that only asks."""

        def whole(device: Device) -> None:
            script(device)
            device.send("DLMessageDisconnect", "done")

        with self.serving(whole) as answer:
            answer()

    def check(self) -> None:
        """Disk and ledger agree, and nothing half done is left."""
        self.ledger.check(self.root)
        assert list(self.staging.iterdir()) == []

    @property
    def cautions(self) -> list[str]:
        return [event.text for event in self.told if isinstance(event, Caution)]
