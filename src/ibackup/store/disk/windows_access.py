"""Who can access a folder on Windows: sets and reads its access list (owner, system, administrators).

Newer Pythons (3.11.10, 3.12.4, 3.13) set such a list for a folder made with mode 0700, older ones do not.
Windows' own programs do both here. Accounts are named by number, because their names depend on the language.
"""

import os
import re
import tempfile

from ibackup.base.errors import IbackupError
from ibackup.base.programs import must

_SYSTEM, _ADMINISTRATORS = "S-1-5-18", "S-1-5-32-544"
# As they appear in the text form of a list; also the owners, for whom the files in a folder will be made.
_NO_OTHERS = frozenset([_SYSTEM, "SY", _ADMINISTRATORS, "BA", "CO", "OW", "S-1-3-0", "S-1-3-4"])
_LET_IN = re.compile(r"\((?:A|XA|OA|ZA);[^()]*?;([^;()]*)(?:;\((?:[^()]|\([^()]*\))*\))?\)")
_SID = re.compile(r"S-1-[0-9-]+")
_LOCAL_ADMINISTRATOR = "LA"  # the account number 500 of the computer itself


def restrict(folder: str) -> None:
    """Keep everyone else out of a new folder and of everything that will be in it.

    Raises:
        IbackupError: its file system (for example FAT) has no access lists.
    """
    rights = [f"*{who}:(OI)(CI)F" for who in (_own_sid(), _SYSTEM, _ADMINISTRATORS)]
    must("icacls", folder, "/inheritance:r", "/grant:r", *rights, "/Q")


def others(folder: str) -> tuple[str, ...]:
    """Who else can access a folder, as the list names them; empty also if that is unknown.

    For messages only: it proves nothing.
    """
    try:
        with tempfile.TemporaryDirectory(prefix="ibackup-") as scratch:
            saved = os.path.join(scratch, "list")
            must("icacls", folder, "/save", saved, "/Q")
            with open(saved, "rb") as source:
                text = source.read(1 << 20).decode("utf-16-le", "replace")
        return others_in(text, _own_sid())
    except (IbackupError, OSError):
        return ()


def others_in(text: str, own: str) -> tuple[str, ...]:
    """The same, from a list in its text form ([MS-DTYP] 2.5.1); ``own`` is the user's SID."""
    mine = {own} | ({_LOCAL_ADMINISTRATOR} if own.endswith("-500") else set())
    return tuple(dict.fromkeys(who for who in _LET_IN.findall(text) if who not in _NO_OTHERS | mine))


def _own_sid() -> str:
    found = _SID.search(must("whoami", "/user", "/fo", "csv", "/nh"))
    if found is None:
        raise IbackupError("Windows does not say who you are.", hint="Try `whoami /user` in a terminal.")
    return found[0]
