"""What an extraction can prepare before there is work: the processes of its helpers, and the space that it needs.

Deriving the key of an encrypted backup keeps one processor busy for a second, while the others have nothing
to do.
"""

import contextlib
import io
from types import TracebackType
from typing import TYPE_CHECKING, Self

from ibackup.base import isolated
from ibackup.base.isolated import Process

if TYPE_CHECKING:
    from ibackup.explore.target_room import TargetRoom


def _start() -> Process:
    return isolated.start("from ibackup.explore.writer_process import serve; serve()")


class Ready:
    """What is prepared while the key of a backup is derived; unused processes are ended.

    Attributes:
        room: the space that the whole backup needs; None if it was not measured.
    """

    def __init__(self) -> None:
        self.room: TargetRoom | None = None
        self._processes: list[Process] = []

    def look(self, backup: str) -> None:
        """Measure a backup's folder."""
        from ibackup.explore.target_room import TargetRoom

        self.room = TargetRoom.of_folder(backup)

    def start(self) -> None:
        """Start as many processes as are useful; they load what a helper needs."""
        from ibackup.apple.verify.stored_file_readers import worker_count

        count = worker_count()
        if count > 1 and isolated.can_start():
            with contextlib.suppress(OSError):  # the code that needs one tries again
                for _ in range(count):
                    process = _start()
                    self._processes.append(process)
                    # One after the other: together they would slow down the key derivation, for which
                    # everything waits.
                    if isinstance(process.stdout, io.BufferedReader):
                        process.stdout.peek(1)

    def take(self) -> Process:
        """One of these processes, or a new one. Raises OSError if the system refuses."""
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
