"""What an extraction can have before there is work for it: the processes of its helpers, and the room it needs.

Deriving the key of an encrypted backup keeps one processor busy for a second; the others have nothing to do.
"""

import contextlib
import io
import subprocess
import sys
from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from ibackup.explore.room import Room

# A group of its own: Ctrl-C is for the main process, which then ends its helpers.
if sys.platform == "win32":
    _GROUP, _FLAGS = None, subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW
else:
    _GROUP, _FLAGS = 0, 0

Process = subprocess.Popen[bytes]


def can_start() -> bool:
    """Whether processes can be had: a program made of one file has no interpreter to start."""
    return bool(sys.executable) and not getattr(sys, "frozen", False)


def _start() -> Process:
    # Not by -m: it must be this very package, wherever it was imported from.
    program = f"import sys; sys.path[:] = {sys.path!r}; from ibackup.explore.helper import serve; serve()"
    return subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        process_group=_GROUP,
        creationflags=_FLAGS,
    )


class Ready:
    """What is made ready while the key of a backup is derived; processes that nobody took are ended.

    Attributes:
        room: what all of the backup needs; None where nobody looked.
    """

    def __init__(self) -> None:
        self.room: Room | None = None
        self._processes: list[Process] = []

    def look(self, backup: str) -> None:
        """See what a backup's folder holds."""
        from ibackup.explore.room import Room

        self.room = Room.of_folder(backup)

    def start(self) -> None:
        """Start as many processes as help; they load what a helper needs."""
        from ibackup.manifest.examine import worker_count

        count = worker_count()
        if count > 1 and can_start():
            with contextlib.suppress(OSError):  # whoever needs one tries again
                for _ in range(count):
                    process = _start()
                    self._processes.append(process)
                    # One after the other: together they would slow down the derivation that all wait for.
                    if isinstance(process.stdout, io.BufferedReader):
                        process.stdout.peek(1)

    def take(self) -> Process:
        """One of them, or a new one. Raises OSError when the system does not let us."""
        try:
            return self._processes.pop()
        except IndexError:
            return _start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self._processes:
            process.kill()
            process.__exit__(kind, error, trace)
