"""The process that stores what arrives, from the first file on: usually it only pays once there are many."""

import contextlib
import select
import sys
from collections.abc import Iterator
from unittest import mock

from ibackup.base import isolated
from ibackup.device.folder import batch_writer
from ibackup.device.folder.storing_process import StoringProcess

PROGRAM = (
    sys.executable,
    "-c",
    "from support.storing import at_once; from ibackup.cli.main import main\nwith at_once(): main()",
)
"""``ibackup``, with that process; for environments in which ``support`` can be imported."""

_is_ready = StoringProcess.is_ready


def _loaded(process: StoringProcess) -> bool:
    out = process._process.stdout
    assert out is not None
    select.select([out], [], [])
    return _is_ready(process)


@contextlib.contextmanager
def at_once() -> Iterator[None]:
    """Start the process with the first files, and wait for it."""
    with (
        mock.patch.object(batch_writer, "MANY_FILES", 0),
        mock.patch.object(isolated, "processors", return_value=2),
        mock.patch.object(StoringProcess, "is_ready", _loaded),
    ):
        yield
