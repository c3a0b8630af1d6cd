"""The environment of the programs that keep copies: the user's own, without what would mislead them."""

import os
import re

from ibackup.base.errors import IbackupError

# Our own secrets, and what would give restic another repository, another password or other options than ours.
# rclone 1.60 ends with an error because of the bundle.
_NOT_PASSED_ON = re.compile(r"(RESTIC|IBACKUP)_.*|CREDENTIALS_DIRECTORY|AWS_CA_BUNDLE")
_LINE = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=(.*)")
_MOST_BYTES = 64 * 1024


def surroundings() -> dict[str, str]:
    """The variables that a program gets."""
    return {name: value for name, value in os.environ.items() if not _NOT_PASSED_ON.fullmatch(name)}


def read_variables(path: str) -> dict[str, str]:
    """The credentials in a file of ``NAME=value`` lines; empty lines and comments are left out.

    Raises:
        IbackupError: it cannot be read, or a line is something else; the message shows no value.
    """
    found: dict[str, str] = {}
    try:
        with open(os.path.expanduser(path), encoding="utf-8") as file:
            lines = file.read(_MOST_BYTES).splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise IbackupError(f"The file {path!r} with the credentials cannot be read: {reason}.") from None
    for number, line in enumerate(lines, 1):
        match = _LINE.fullmatch(line.strip().removeprefix("export "))
        if match:
            found[match[1]] = match[2].strip("\"'")
        elif line.strip() and not line.lstrip().startswith("#"):
            raise IbackupError(
                f"Line {number} of {path!r} is not NAME=value.", hint="As in AWS_ACCESS_KEY_ID=…"
            )
    return found
