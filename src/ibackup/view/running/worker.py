"""The process of one job: an order comes in by standard input, events and the outcome go out as lines of JSON.

The server stops it by closing its standard input, which also happens when the server itself dies; that ends the job
exactly as Ctrl-C does.
"""

import contextlib
import gc
import json
import logging
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from typing import NoReturn

from ibackup.base import descriptors
from ibackup.base.errors import IbackupError
from ibackup.base.event_lines import Sparing, members
from ibackup.base.events import Event
from ibackup.base.exit_codes import ExitCode
from ibackup.base.orderly_stop import OrderlyStop, stopping_signals
from ibackup.view.running.job_order import JobOrder
from ibackup.view.running.job_outcome import JobOutcome

PROGRAM = "from ibackup.view.running.worker import main; main()"
"""What ``base.isolated`` starts."""


def main() -> NoReturn:
    """Run the order on standard input, and end with its exit code."""
    logging.getLogger("ibackup").addHandler(logging.NullHandler())
    descriptors.raise_limit()
    gc.set_threshold(50_000, 20, 50)  # as the command line: many objects, few cycles
    said = _Lines()
    stopping = stopping_signals()
    outcome = JobOutcome(ExitCode.INTERRUPTED)
    try:
        order = JobOrder.from_line(sys.stdin.buffer.readline())
        stop = OrderlyStop()
        for number in stopping:
            signal.signal(number, stop)
        threading.Thread(target=_listen, name="ibackup stop", daemon=True).start()
        outcome = _outcome(order, said)
    except KeyboardInterrupt:
        pass
    except Exception as error:  # noqa: BLE001 - no traceback reaches anyone
        outcome = _unexpected(error)
    for number in stopping:
        signal.signal(number, signal.SIG_IGN)  # nothing is left to do but say how it ended
    said(json.loads(outcome.to_line()))
    os._exit(outcome.code)  # the thread that listens still reads from standard input


def _outcome(order: JobOrder, said: Callable[[Mapping[str, object]], None]) -> JobOutcome:
    from ibackup.view.running.job_running import run_order  # after the signals: it loads most of ibackup

    def tell(event: Event) -> None:
        said(members(event))

    return run_order(order, Sparing(tell))


def _unexpected(error: Exception) -> JobOutcome:
    if isinstance(error, OSError) and error.strerror:
        what = f"The computer reported: {error.strerror}."
    else:
        what = "It failed for a reason that ibackup did not foresee."
    hint = "Finished backups are untouched. Try again. If the problem persists, report it with what is below."
    frames = traceback.extract_tb(error.__traceback__)
    where = f" in {os.path.basename(frames[-1].filename)}, line {frames[-1].lineno}" if frames else ""
    return JobOutcome.of_error(
        IbackupError(what, hint=hint), result={"unforeseen": f"{type(error).__name__}{where}."}
    )


def _listen() -> None:
    """Wait until nobody holds the other end of standard input, then stop as Ctrl-C does."""
    with contextlib.suppress(OSError, ValueError):
        while sys.stdin.buffer.read(1):
            pass
    if sys.platform == "win32":
        import _thread

        _thread.interrupt_main()
    else:
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)


class _Lines:
    """Writes lines from several threads; if nobody reads them, the job goes on until it is stopped."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def __call__(self, line: Mapping[str, object]) -> None:
        data = json.dumps(line).encode() + b"\n"
        with self._lock, contextlib.suppress(OSError, ValueError):
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()
