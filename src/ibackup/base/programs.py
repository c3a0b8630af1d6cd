"""Runs the system's own programs."""

import contextlib
import os
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ibackup.base import slices
from ibackup.base.errors import IbackupError

_SECONDS = 30
_UV_RECEIPT = "uv-receipt.toml"  # uv leaves one in each environment of a tool
# For every program that is started without someone at a terminal. Without it a child of pythonw, which has no
# console, gets one
# of its own: a black window for a moment.
NO_WINDOW: int = getattr(subprocess, "CREATE_NO_WINDOW", 0)


def installed_by() -> str:
    """What installed this very program, in a few words that name no folder of the user's."""
    prefix = Path(sys.prefix)
    if (prefix / _UV_RECEIPT).is_file():
        return "uv tool"
    if "pipx" in prefix.parts:
        return "pipx"
    if prefix.is_relative_to("/opt"):
        return "a package of the system, in /opt"
    return "the system's Python" if sys.prefix == sys.base_prefix else "pip, in a virtual environment"


def installing(*packages: str) -> str:
    """The command that adds packages to this very program."""
    prefix = Path(sys.prefix)
    if (prefix / _UV_RECEIPT).is_file():
        source, had = _uv_receipt(prefix / _UV_RECEIPT)
        return f"uv tool install {' '.join(f'--with {_quoted(each)}' for each in (*had, *packages))} {source}"
    names = " ".join(map(_quoted, packages))
    if "pipx" in prefix.parts:
        return f"pipx inject ibackup {names}"
    return f"{shlex.quote(sys.executable)} -m pip install {names}"


def _quoted(requirement: str) -> str:
    """Quoted as every shell takes it: ``>`` in a name would write a file."""
    return f'"{requirement}"'


def _uv_receipt(path: Path) -> tuple[str, list[str]]:
    """Where uv took ibackup from, and what it added to it: it forgets both unless it is told again."""
    try:
        listed = tomllib.loads(path.read_text(encoding="utf-8"))["tool"]["requirements"]
        ours = next(each for each in listed if each["name"] == "ibackup")
        others = [f"{each['name']}{each.get('specifier', '')}" for each in listed if each is not ours]
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, KeyError, TypeError, StopIteration):
        return "ibackup", []
    place = ours.get("path") or ours.get("directory") or ours.get("editable")
    extras = f"[{','.join(ours['extras'])}]" if ours.get("extras") else ""
    return (_quoted(f"{place}{extras}") if place or extras else "ibackup"), others


def this_program() -> tuple[str, ...]:
    """How the system starts this ibackup; on Windows by the Python that opens no window."""
    python = sys.executable
    if sys.platform == "win32":
        windowless = os.path.join(os.path.dirname(python), "pythonw.exe")
        python = windowless if os.path.isfile(windowless) else python
    return python, "-m", "ibackup"


def powershell(script: str) -> tuple[str, ...]:
    """The command by which Windows runs a script of ours. What it works with comes through the environment."""
    shell = os.path.join(
        os.environ.get("SYSTEMROOT", r"C:\Windows"), "System32", "WindowsPowerShell", "v1.0", "powershell.exe"
    )
    return shell, "-NoProfile", "-NonInteractive", "-ExecutionPolicy", "Bypass", "-Command", script


@dataclass(frozen=True, slots=True)
class Done:
    """How a program ended."""

    code: int
    out: str
    err: str


def run(*command: str, given: str | None = None, variables: Mapping[str, str] | None = None) -> Done:
    """Run a program to its end, in English.

    Args:
        command: the program and its arguments.
        given: its standard input.
        variables: added to its environment.

    Raises:
        IbackupError: it is not there, or does not end.
    """
    environment = {**os.environ, "LC_ALL": "C", **(variables or {})}
    try:
        with subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            creationflags=NO_WINDOW,
        ) as process:
            text = given.encode("utf-8", "surrogateescape") if given is not None else b""
            out, err = outcome(process, _SECONDS, text)
    except FileNotFoundError:
        raise IbackupError(
            f"The program {command[0]} is not on this computer.", hint="Choose another --kind."
        ) from None
    except (OSError, subprocess.TimeoutExpired) as error:
        raise IbackupError(f"{' '.join(command)} did not work: {_reason(error)}.") from None
    # Bytes that are not UTF-8 are preserved: a crontab belongs to the user.
    return Done(process.returncode, out.decode("utf-8", "surrogateescape"), err.decode("utf-8", "replace"))


def outcome(
    process: subprocess.Popen[bytes], seconds: float, given: bytes | None = None
) -> tuple[bytes, bytes]:
    """What a program printed on both of its outputs, once it has ended. If that takes too long, it is killed.

    Args:
        process: with pipes.
        seconds: that it may take.
        given: for its standard input.

    Raises:
        subprocess.TimeoutExpired: it did not end.
    """
    try:
        for each in slices.of(seconds):
            with contextlib.suppress(subprocess.TimeoutExpired):
                out, err = process.communicate(given, timeout=each)
                return out or b"", err or b""
            given = None  # it has it by now
    except BaseException:
        process.kill()
        raise
    process.kill()
    raise subprocess.TimeoutExpired(process.args, seconds)


def _reason(error: OSError | subprocess.TimeoutExpired) -> str:
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    return f"it did not finish within {_SECONDS} s"


def must(*command: str, given: str | None = None, hint: str = "") -> str:
    """The same, for a program that must succeed; returns what it printed.

    Raises:
        IbackupError: it did not.
    """
    done = run(*command, given=given)
    if done.code:
        said = " ".join((done.err.strip() or done.out.strip()).split())[:500]
        raise IbackupError(
            f"`{' '.join(command)}` failed{f': {said}' if said else f' with {done.code}'}.", hint=hint
        )
    return done.out
