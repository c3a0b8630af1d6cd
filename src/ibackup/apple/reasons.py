"""What can be wrong with a stored file.

A separate module, because code that only reads records needs no cryptography.
"""

from enum import StrEnum
from typing import Final


class Reason(StrEnum):
    """What is wrong with a file: the phone reported it, ``misfit`` found it, or ``grammar`` refused its row.

    ``older`` also comes from the phone; its manifest still has the earlier copy, which is here. ``outdated``: the
    manifest has the changed file, which never arrived. ``absent``: the manifest has a file that the phone never sent.
    ``record``: the row itself cannot be read. ``unlisted`` is about the manifest itself: many files arrived that are
    not in it.
    """

    UNREADABLE = "unreadable"
    OLDER = "older"
    OUTDATED = "outdated"
    ABSENT = "absent"
    EMPTY = "empty"
    SIZE = "size"
    DIGEST = "digest"
    PADDING = "padding"
    ROW = "row"
    RECORD = "record"
    UNLISTED = "unlisted"


WORDS: Final[dict[Reason, str]] = {
    Reason.UNREADABLE: "the phone could not read it",
    Reason.OLDER: "the phone could not read it; the earlier copy is kept",
    Reason.OUTDATED: "it changed on the phone, which did not send it again; the earlier copy is kept",
    Reason.ABSENT: "it is on the phone's list, but the phone never sent it",
    Reason.EMPTY: "it arrived empty",
    Reason.SIZE: "its size differs from the phone's list; it may have changed while the phone read it",
    Reason.DIGEST: "its content differs from the phone's list; a restore refuses it",
    Reason.PADDING: "it does not decrypt to a whole file",
    Reason.ROW: "a restore does not accept its entry in the phone's list",
    Reason.RECORD: "its entry in the phone's list cannot be read; a restore does not accept the list",
    Reason.UNLISTED: "it names only some of the files that arrived",
}
