"""How a phone makes a backup, where phones differ. The defaults are what real phones were seen to do."""

from dataclasses import dataclass
from typing import Literal

_SEEN_SHARE = (116, 127)  # a list of 12.7 MB was announced as 11.6 MB


@dataclass(frozen=True, kw_only=True)
class Habits:
    """What this phone does in its own way.

    Attributes:
        announces: seen: single files as 0 bytes and without options, lists of files as fewer bytes than
            they have; exact: the true size; nothing: always 0.
        progress: ahead: each request gives the progress that its end will reach; behind: the progress so
            far; falls: like ahead, and sometimes 20 less than before.
        keeps_unread: a file that could not be read stays in the manifest and is moved like any other.
        keeps_old_row: a file that could not be read, but is in the previous backup, keeps its old row in
            the manifest; the bytes that arrived this time are not moved.
        keeps_upload: what the phone knows about an interrupted upload survives its restart.
    """

    announces: Literal["seen", "exact", "nothing"] = "seen"
    progress: Literal["ahead", "behind", "falls"] = "ahead"
    keeps_unread: bool = True
    keeps_old_row: bool = False
    keeps_upload: bool = True

    def announced(self, total: int, *, single: bool) -> int:
        """The number of bytes that a message announces for files of ``total`` bytes."""
        if self.announces == "exact":
            return total
        if single or self.announces == "nothing":
            return 0
        return total * _SEEN_SHARE[0] // _SEEN_SHARE[1]
