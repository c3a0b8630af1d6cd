"""Every command of the program, once, on a phone that is plugged in: for surroundings that some may not stand."""

import contextlib
import http.client
import signal
import socket
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from support.program import Program

_POLL_S = 0.1


def run_every_command(
    program: Program, *, environment: Mapping[str, str | None] | None = None, before: Sequence[str] = ()
) -> set[str]:
    """Run them; each ends as it should, without a traceback.

    Args:
        program: with a phone that needs neither passcode nor password.
        environment: on top of the program's own.
        before: a program that starts it.

    Returns:
        The commands that were run.
    """
    ran: set[str] = set()

    def run(command: str, *words: str | Path, code: int = 0, or_code: int | None = None) -> None:
        ran.add(command)
        log = folder / f"{len(ran)}-{command}.log"
        done = program.run(
            command, *map(str, words), "-v", "--log-file", str(log),
            code=None, environment=environment, before=before,
        )  # fmt: skip
        said = log.read_text(encoding="utf-8")
        assert done.code in (code, or_code), (command, done, said)
        assert "Traceback" not in said

    folder, phone = program.folder, program.phone
    run("setup", "--yes", "--no-schedule", "--no-backup", "--patience", "0")
    run("now", "--patience", "0")
    phone.change(changed=2)
    run("nightly", "--once", "--every", "0")
    one, two = (path.name for path in program.snapshots)
    run("devices")
    run("list")
    run("status")
    run("du")
    run("search", "hello")
    run("log")
    run("show", "latest")
    run("verify", "--level", "deep")
    run("files", "latest")
    run("extract", "latest", "--all", "--to", folder / "out")
    assert any(path.is_file() for path in (folder / "out").rglob("*"))
    run("export", "latest", "--everything", "--to", folder / "export")
    run("diff", one, two)
    run("pin", one)
    run("to-finder", "latest", "--to", folder / "finder")
    run("import", next((folder / "finder").iterdir()), "--settled", "--store", folder / "other")
    run("restore", "--yes", "--patience", "0")
    run("rehearse")
    run("doctor", "--offline")
    run("encryption", "status")
    run("icloud", "status")
    run("wifi", "on")
    run("wifi", "status")
    run("wifi", "off")
    run("config", "show")
    (folder / "no-folder").touch()
    run("mount", "latest", "--at", folder / "no-folder", code=2, or_code=1)  # where there is no FUSE
    run("unmount")
    run("copy", "list")
    run("heal", one, code=2)  # there is no copy
    run("fleet", "status", code=2)  # this computer belongs to none
    run("notify", "test", or_code=1)  # where there is no screen
    run("schedule", "show")
    run("completion", "bash")
    run("help")
    run("simulator", "run", "--spec", folder / "none.toml", code=2)
    _watch(program, environment, before)
    _open(program, environment, before)
    run("prune", "--keep-last", "1", "--yes")
    run("demo")
    return ran | {"watch", "open"}


def _watch(program: Program, environment: Mapping[str, str | None] | None, before: Sequence[str]) -> None:
    """Have it make a backup, and stop it."""
    had = len(program.snapshots)
    # It is stopped wherever it is by then, perhaps between opening something and holding it.
    calm = {**(environment or {}), "PYTHONWARNINGS": None}
    process = program.start("watch", "--every", "0", environment=calm, before=before)
    while len(program.snapshots) == had and process.poll() is None:
        time.sleep(_POLL_S)
    process.send_signal(signal.SIGTERM)
    program.finish(process, 130)


def _open(program: Program, environment: Mapping[str, str | None] | None, before: Sequence[str]) -> None:
    """Have it answer, and stop it. It may have no output to say where it is."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = program.start(
        "open", "--no-browser", "--port", str(port), environment=environment, before=before
    )
    status = 0
    while not status and process.poll() is None:
        with (
            contextlib.suppress(OSError),
            contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=500)) as asking,
        ):
            asking.request("GET", "/")
            status = asking.getresponse().status
        time.sleep(_POLL_S)
    assert status == 403  # nobody is let in without the address
    process.send_signal(signal.SIGTERM)
    program.finish(process, 0)
