"""``ibackup`` as its user has it: a process with a home, an environment, and what it prints."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from ibackup.simulator.server import Server, serve
from ibackup.simulator.spec import PhoneSpec
from ibackup.simulator.virtual_phone import VirtualPhone

PATIENCE_S = 500.0  # only what hangs reaches it, however busy the machine is
NEVER = ("Traceback", "Error:", "Exception", "ResourceWarning", "DeprecationWarning", "Task was destroyed")


@dataclass(frozen=True)
class Done:
    """A process that has ended."""

    code: int
    out: str
    err: str

    @property
    def events(self) -> list[dict[str, object]]:
        """What ``--json`` printed, and nothing else may have been."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def result(self) -> dict[str, object]:
        """The last line of ``--json``: the result."""
        last = self.events[-1]
        assert last["event"] == "result"
        assert last["schema"] == 1
        assert last["exit_code"] == self.code
        return last

    def kinds(self, event: str) -> list[dict[str, object]]:
        """The events of one kind."""
        return [each for each in self.events if each["event"] == event]


class Program:
    """Runs ``ibackup`` with a home folder, a store and the phones of a test.

    Args:
        folder: where all that is.
        server: the usbmuxd with the phones.
        phones: plugged in from the start.
    """

    def __init__(self, folder: Path, server: Server, phones: Sequence[VirtualPhone]) -> None:
        self.folder = folder
        self.server = server
        self.phones = phones
        self.store = folder / "store"
        home = folder / "home"
        home.mkdir(exist_ok=True)
        kept = {name: os.environ[name] for name in ("PATH", "SYSTEMROOT", "PYTHONPATH") if name in os.environ}
        self.environment = {
            **kept,
            "HOME": str(home),
            "IBACKUP_STATE_DIR": str(folder / "state"),
            "IBACKUP_STORE": str(self.store),
            "USBMUXD_SOCKET_ADDRESS": server.address,
            "LC_ALL": "C.UTF-8",
            "COLUMNS": "80",
            "PYTHONWARNINGS": "error",
            **({"PYTHONIOENCODING": "utf-8"} if sys.platform == "win32" else {}),  # no locale says so there
            "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring",
        }
        self._running: list[subprocess.Popen[str]] = []

    @property
    def phone(self) -> VirtualPhone:
        """The first phone."""
        return self.phones[0]

    @property
    def snapshots(self) -> list[Path]:
        """The snapshots of the first phone, by name."""
        return sorted((self.store / self.phone.udid / "snapshots").glob("2*"))

    @property
    def left(self) -> list[str]:
        """What broken runs left."""
        return sorted(path.name for path in (self.store / self.phone.udid).glob("*working-*"))

    def start(
        self,
        *arguments: str,
        environment: Mapping[str, str | None] | None = None,
        before: Sequence[str] = (),
        stdin: int | IO[str] = subprocess.DEVNULL,
        stderr: int = subprocess.PIPE,
    ) -> "subprocess.Popen[str]":
        """Start it.

        Args:
            arguments: of the command line.
            environment: on top of the usual one; None takes a variable away.
            before: a program that starts it, ``setpriv`` for one.
            stdin: its standard input.
            stderr: where its messages go.
        """
        merged = {**self.environment, **(environment or {})}
        process = subprocess.Popen(
            [*before, sys.executable, "-m", "ibackup", *arguments],
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            encoding="utf-8",
            env={name: value for name, value in merged.items() if value is not None},
            start_new_session=True,
            cwd=self.folder,
        )
        self._running.append(process)
        return process

    def forget(self, process: "subprocess.Popen[str]") -> None:
        """Someone else has seen to its end."""
        self._running.remove(process)

    def finish(self, process: "subprocess.Popen[str]", code: int | None = None) -> Done:
        """Wait for its end; no traceback is ever shown."""
        out, err = process.communicate(timeout=PATIENCE_S)
        self._running.remove(process)
        done = Done(process.returncode, out, err)
        for word in NEVER:
            assert word not in done.out + done.err, done
        assert code is None or done.code == code, done
        return done

    def run(
        self,
        *arguments: str,
        code: int | None = 0,
        environment: Mapping[str, str | None] | None = None,
        before: Sequence[str] = (),
    ) -> Done:
        """Run it to its end, with this exit code."""
        return self.finish(self.start(*arguments, environment=environment, before=before), code)

    def now(self, *arguments: str, code: int | None = 0, **how: object) -> Done:
        """``ibackup now --json``."""
        return self.run("now", "--json", "--patience", "0", *arguments, code=code, **how)  # type: ignore[arg-type]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self._running:
            process.send_signal(signal.SIGKILL)
            process.communicate()


MakeProgram = Callable[..., Program]


@contextmanager
def programs(folder: Path) -> Iterator[MakeProgram]:
    """Gives a function that plugs in the phones of some specs; nothing is left running at the end."""
    before = set(threading.enumerate())
    with ExitStack() as stack:

        def make(*specs: PhoneSpec) -> Program:
            phones = [VirtualPhone(spec) for spec in specs]
            server = stack.enter_context(serve(*phones))
            return stack.enter_context(Program(folder, server, phones))

        yield make
    for each in set(threading.enumerate()) - before:
        if each.name.startswith(("ThreadPoolExecutor", "asyncio_")):
            continue  # of the browser's driver, which keeps them
        each.join(PATIENCE_S)  # what served a connection that has just been closed may need a moment
        assert not each.is_alive(), each
