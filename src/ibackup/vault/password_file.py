"""A password from a file: its first line, as people's editors write it."""

import os
import shlex
import stat

from ibackup.base.errors import PasswordNeeded
from ibackup.base.events import Caution, Observer

LONGEST_LINE = 4096  # bytes; no password is longer, and /dev/zero is no password file
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_SAVE_AS = "Save it as UTF-8: in Notepad with Save as, Encoding UTF-8; in PowerShell with `Set-Content -Encoding utf8`."


def read_password_file(name: str, observe: Observer) -> str:
    """The password in a file.

    Args:
        name: its path; ``~`` is the user's home.
        observe: gets a warning if others can read it.

    Raises:
        PasswordNeeded: it cannot be read, or its first line is no password.
    """
    try:
        with open(os.path.expanduser(name), "rb") as stream:
            mode = os.fstat(stream.fileno()).st_mode
            data = stream.readline(LONGEST_LINE)
            if data.startswith(_UTF_16):
                data += stream.read(LONGEST_LINE)  # a line ends with two bytes there
    except OSError as error:
        raise PasswordNeeded(
            f"The password file {name} cannot be read: {error.strerror}.",
            hint="Check its name and its permissions.",
        ) from None
    if os.name == "posix" and stat.S_ISREG(mode) and mode & 0o077:
        observe(Caution(f"Others can read the password file {name}.", f"Run: chmod 600 {shlex.quote(name)}"))
    return password_line(data, f"The password file {name}")


def password_line(data: bytes, source: str) -> str:
    """The first line of what a source gives.

    Args:
        data: the beginning of it.
        source: how an error names it.

    Raises:
        PasswordNeeded: it is empty, or not text.
    """
    # Windows' editors and PowerShell write UTF-16, and put a byte order mark before the text.
    if data.startswith(_UTF_16):
        text = data[: len(data) // 2 * 2].decode("utf-16", "replace")
        password = text.split("\n", 1)[0].rstrip("\r")
        if "\ufffd" in password:
            raise PasswordNeeded(f"{source} gives damaged UTF-16 text.", hint=_SAVE_AS)
    else:
        line = data.split(b"\n", 1)[0].rstrip(b"\r")
        try:
            password = line.decode("utf-8-sig")
        except UnicodeDecodeError:
            raise PasswordNeeded(f"{source} gives text that is not UTF-8.", hint=_SAVE_AS) from None
    if "\0" in password:
        raise PasswordNeeded(
            f"{source} gives zero bytes, as text in UTF-16 without its mark does.", hint=_SAVE_AS
        )
    if not password:
        raise PasswordNeeded(
            f"{source} gives an empty password.", hint="Its first line must be the password."
        )
    return password
