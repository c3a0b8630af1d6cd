"""Keeps the computer awake during a run: if it falls asleep, it loses the phone."""

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator

_REASON = "a phone is being backed up"


@contextlib.contextmanager
def awake() -> Iterator[bool]:
    """Prevent sleep inside the block; yields whether the system allows that. Never fails."""
    if sys.platform == "win32":
        with _windows() as held:
            yield held
        return
    process = _start(_command())
    try:
        yield process is not None
    finally:
        if process is not None:
            process.communicate()  # closes its standard input, and so ends it


def _command() -> list[str] | None:
    """A program that prevents sleep until its standard input or our process ends; None if there is none."""
    if sys.platform == "darwin":
        return ["/usr/bin/caffeinate", "-i", "-m", "-s", "/bin/cat"]
    # Without a running systemd, the program exists but cannot work.
    if shutil.which("systemd-inhibit") and os.path.isdir("/run/systemd/system"):
        lock = ["--what=sleep:idle", "--who=ibackup", f"--why={_REASON}", "--mode=block"]
        return ["systemd-inhibit", *lock, "cat"]
    return None


def _start(command: list[str] | None) -> subprocess.Popen[bytes] | None:
    if command is None:
        return None
    # In its own session: Ctrl-C is meant for us, and we still need it while we end the run.
    with contextlib.suppress(OSError):
        return subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    return None


@contextlib.contextmanager
def _windows() -> Iterator[bool]:
    import ctypes

    continuous, system_required = 0x80000000, 0x00000001
    set_state = ctypes.windll.kernel32.SetThreadExecutionState  # type: ignore[attr-defined, unused-ignore]
    before = set_state(continuous | system_required)
    try:
        yield bool(before)
    finally:
        # An outer block of the same kind still prevents sleep.
        set_state(continuous | (before & system_required))
