"""Processes untrusted data in a separate process, which can be killed at any point.

Hostile data can make one library call take hours, and nothing in the same process can end it: no handler, no Ctrl-C.
The process answers with JSON of limited length, which the caller checks.
"""

import contextlib
import importlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from typing import IO, Any

from ibackup.base import slices
from ibackup.base.programs import NO_WINDOW

MOST_BYTES = 64 * 1024  # bytes of an answer, unless its caller expects more
_MEMORY = 1536 * 1024 * 1024  # bytes of address space, libraries and all
_CHUNK = 64 * 1024
_LEAST_SECONDS = 30.0
_BYTES_A_SECOND = 2 * 1024 * 1024  # bytes per second of the slowest disk in use

# A separate group: Ctrl-C reaches the main process, which then ends its helpers.
if sys.platform == "win32":
    _GROUP, _FLAGS = None, subprocess.CREATE_NEW_PROCESS_GROUP | NO_WINDOW
else:
    _GROUP, _FLAGS = 0, NO_WINDOW

Process = subprocess.Popen[bytes]


class Unfinished(Exception):
    """The process did not answer; the text says why, for people."""


def can_start() -> bool:
    """Whether processes can be started: a single-file program has no interpreter to start."""
    return bool(sys.executable) and not getattr(sys, "frozen", False)


def processors() -> int:
    """How many processors this process may use, at least one."""
    return (len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()) or 1


def can_help() -> bool:
    """Whether a second process can be had, and would not only take turns with this one."""
    return processors() > 1 and can_start()


def start(program: str, *arguments: str, keeps: Sequence[int] = ()) -> Process:
    """Start a process of this very package. Raises OSError if the system refuses.

    Args:
        program: Python's text.
        arguments: its ``sys.argv[1:]``.
        keeps: descriptors that it has, too, under the same numbers; not on Windows.
    """
    # Not with -m: it must be this same package, wherever it was imported from.
    return subprocess.Popen(
        [sys.executable, "-c", f"import sys; sys.path[:] = {sys.path!r}; {program}", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        pass_fds=keeps,
        process_group=_GROUP,
        creationflags=_FLAGS,
    )


def seconds_for(size: int) -> float:
    """How long reading a file of this size a few times may take."""
    return _LEAST_SECONDS + size / _BYTES_A_SECOND


def run(
    task: str, *arguments: str, seconds: float, given: bytes | None = None, most_bytes: int = MOST_BYTES
) -> Any:
    """Call a function of this package in another process.

    Args:
        task: its module and name, as "ibackup.apple.verify.app_databases:integrity"; its result must be JSON.
        arguments: for it.
        seconds: it is killed after.
        given: one more argument, as bytes.
        most_bytes: of its answer.

    Returns:
        Its answer as JSON values; the caller must check it.

    Raises:
        Unfinished: it did not answer.
    """
    if not can_start():
        raise Unfinished("no process can be started here to check it")
    try:
        process = start("from ibackup.base.isolated import serve; serve()", task, *arguments)
    except OSError as error:
        raise Unfinished(f"no process could be started to check it ({error.strerror or error})") from None
    said = bytearray()
    # Both as threads, because neither wait may be endless.
    writer = threading.Thread(target=_feed, args=(process.stdin, given), daemon=True)
    reader = threading.Thread(target=_collect, args=(process.stdout, said, most_bytes), daemon=True)
    try:
        writer.start()
        reader.start()
        ended = slices.join(reader, seconds)
    finally:
        process.kill()
        slices.join(reader)
        slices.join(writer)
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):  # nobody reads the rest of the input
                    pipe.close()
    if not ended:
        raise Unfinished(f"it took longer than {seconds:.0f} seconds")
    try:
        return json.loads(bytes(said).removesuffix(b"\n") if said.endswith(b"\n") else b"")
    except (ValueError, RecursionError):
        raise Unfinished("the process that checked it ended too early") from None


def _feed(pipe: IO[bytes] | None, given: bytes | None) -> None:
    if pipe is not None:
        with contextlib.suppress(OSError, ValueError):  # it is gone
            if given is not None:
                pipe.write(given)
            pipe.close()


def _collect(pipe: IO[bytes] | None, said: bytearray, most: int) -> None:
    while pipe is not None and len(said) <= most and (chunk := pipe.read1(_CHUNK)):  # type: ignore[attr-defined]
        said += chunk
    if len(said) > most:
        said.clear()


# -- in the other process -----------------------------------------------------------------------------------


def serve() -> None:
    """What the process does: one call, and its answer on one line."""
    with contextlib.suppress(ImportError, OSError, ValueError):  # not on every system
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    module, _, name = sys.argv[1].partition(":")
    arguments: list[str | bytes] = list(sys.argv[2:])
    if given := sys.stdin.buffer.read():
        arguments.append(given)
    answer = getattr(importlib.import_module(module), name)(*arguments)
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()
