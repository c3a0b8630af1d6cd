"""Runs the system's own programs."""

import os
import subprocess
from dataclasses import dataclass

from ibackup.errors import IbackupError

_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Done:
    """How a program ended."""

    code: int
    out: str
    err: str


def run(*command: str, given: str | None = None) -> Done:
    """Run a program to its end, in English.

    Args:
        command: the program and its arguments.
        given: its standard input.

    Raises:
        IbackupError: it is not there, or does not end.
    """
    environment = {**os.environ, "LC_ALL": "C"}
    try:
        done = subprocess.run(
            command,
            input=given.encode("utf-8", "surrogateescape") if given is not None else b"",
            capture_output=True,
            env=environment,
            timeout=_SECONDS,
            check=False,
        )
    except FileNotFoundError:
        raise IbackupError(
            f"The program {command[0]} is not on this computer.", hint="Choose another --kind."
        ) from None
    except (OSError, subprocess.TimeoutExpired) as error:
        raise IbackupError(f"{' '.join(command)} did not work: {_reason(error)}.") from None
    # Bytes that are no UTF-8 go back as they came: a crontab is the user's own.
    return Done(
        done.returncode,
        done.stdout.decode("utf-8", "surrogateescape"),
        done.stderr.decode("utf-8", "replace"),
    )


def _reason(error: OSError | subprocess.TimeoutExpired) -> str:
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    return f"it did not end within {_SECONDS} s"


def must(*command: str, given: str | None = None, hint: str = "") -> str:
    """The same for a program that has to succeed; what it printed.

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
