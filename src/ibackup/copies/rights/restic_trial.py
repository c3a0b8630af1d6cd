"""Tries with restic itself what this computer may do, on a snapshot of its own with one small file."""

import os
import tempfile

from ibackup.base.errors import IbackupError
from ibackup.base.json_output import Object
from ibackup.copies.restic_program import ResticProgram
from ibackup.copies.rights import own_object
from ibackup.copies.rights.copy_rights import RightsTrial, TriedAct

_NOT_OVER = TriedAct("overwrite", "untried", "restic never writes over anything")


def try_by_restic(program: ResticProgram) -> RightsTrial:
    """Remove a snapshot of its own, which is made first if an earlier trial left none.

    Raises:
        IbackupError: nothing can be added there, or it cannot be read.
    """
    found = _own(program)
    if not found:
        with tempfile.TemporaryDirectory(prefix="ibackup-") as folder:
            with open(os.path.join(folder, own_object.NAME), "wb") as file:
                file.write(own_object.CONTENT)
            program.run(
                "backup", f"--host={own_object.NAME}", f"--tag={own_object.NAME}", "--force", ".",
                doing="add an object of its own", folder=folder,
            )  # fmt: skip
        found = _own(program)
        if not found:
            raise IbackupError("restic added an object of its own, but the copy does not show it.")
    program.attempt("forget", *found, doing="remove its own object")
    left = _own(program)  # its exit code says nothing
    answer = TriedAct("remove", "refused" if left else "done")
    return RightsTrial((_NOT_OVER, answer), f"snapshots/{left[0]}" if left else "")


def _own(program: ResticProgram) -> list[str]:
    found: list[str] = []

    def hear(each: Object) -> None:
        tags = each.get("tags")
        if isinstance(tags, list) and own_object.NAME in tags:
            found.append(str(each.get("id")))

    program.array("snapshots", "--json", "--no-lock", doing="read what it holds", hear=hear)
    return found
