"""Processes for helpers, which may be started before there is work for them.

Deriving the key of an encrypted backup keeps one processor busy for a second; the others load meanwhile what
comes next.
"""

import contextlib
import subprocess
import sys
from types import TracebackType
from typing import Self

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
    """Processes that load what a helper needs while the key of a backup is derived; those nobody took are ended."""

    def __init__(self) -> None:
        self._processes: list[Process] = []

    def start(self) -> None:
        """Start as many as help."""
        from ibackup.manifest.examine import worker_count

        count = worker_count()
        if count > 1 and can_start():
            with contextlib.suppress(OSError):  # whoever needs one tries again
                for _ in range(count):
                    self._processes.append(_start())

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
