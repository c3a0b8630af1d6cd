"""Texts about files that are kept although they differ from the phone's list."""

from collections import Counter
from collections.abc import Iterable
from typing import Final

from ibackup.apple.reasons import WORDS, Reason
from ibackup.store.records.snapshot import Flawed

ADVICE: Final = (
    "A phone sends such a file again only if it changes there, or when it sends everything: restart the "
    "phone, then run `ibackup now --full`. Any file still named after that is damaged on the phone "
    "itself, or was in use."
)
AGAIN: Final = (
    "The phone tries again at the next backup. If it still cannot read such a file, restart the phone."
)


def advice(flawed: Iterable[Flawed]) -> str:
    """What to do about flawed files."""
    return AGAIN if are_older(flawed) else ADVICE


def are_older(flawed: Iterable[Flawed]) -> bool:
    """Whether all of them are earlier copies of files, as in the phone's list."""
    return {file.reason for file in flawed} == {Reason.OLDER}


def summary(flawed: Iterable[Flawed]) -> str:
    """How many there are and why, in one sentence."""
    counts = Counter(file.reason for file in flawed)
    number = counts.total()
    files = f"{number:,} files" if number != 1 else "1 file"
    if set(counts) == {Reason.UNREADABLE}:
        return f"The phone could not read {files}; the rest is backed up."
    if set(counts) == {Reason.OLDER}:
        copies = "their earlier copies are" if number != 1 else "its earlier copy is"
        return f"The phone could not read {files}; {copies} kept, and the rest is backed up."
    whys = "; ".join(f"{counts[reason]:,}: {text}" for reason, text in WORDS.items() if counts[reason])
    return f"{files} differ from the phone's list ({whys}). All other files are good."
