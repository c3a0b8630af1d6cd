"""The errors of this layer: what is wrong with bytes that should be in Apple's format."""

from ibackup.base.errors import DamageFound, NotABackup

NOT_OURS = (
    "If another tool made this folder, make a new backup. If the backup is damaged, use an older snapshot."
)
NOT_DAMAGED = (
    "There may be no damage. Keep the folder unchanged and look for the missing part: another copy of "
    "this backup, or the program that put the folder together."
)


ONLY_THIS = {
    "Manifest.plist": "Look for another copy of this backup: you need only its Manifest.plist. `ibackup verify` on the "
    "folder says whether files are lost without it."
}
"""Parts that another copy of the backup can replace, while everything else is here."""


class FormatError(NotABackup):
    """Bytes that break the format; ``part`` names them, for example "Manifest.plist"."""

    def __init__(self, part: str, flaw: str, *, hint: str = "") -> None:
        super().__init__(
            f"{part} cannot be read.",
            why=f"{flaw[:1].upper()}{flaw[1:]}.",
            hint=hint or ONLY_THIS.get(part, NOT_OURS),
        )
        self.part = part
        self.flaw = flaw


class OfAnother(FormatError):
    """Undamaged bytes that belong to another backup than the rest."""

    def __init__(self, part: str, flaw: str) -> None:
        super().__init__(part, flaw, hint=NOT_DAMAGED)


class KeyRefused(DamageFound):
    """A wrapped key does not open with the right key: one of the two is damaged."""

    def __init__(self, what: str, *, why: str = "") -> None:
        super().__init__(what, why=why, hint=NOT_OURS)


class SealDamaged(DamageFound):
    """A line of a seal is not what ``sha256sum`` writes; ``line`` counts from 1, 0 means the whole seal."""

    def __init__(self, line: int, flaw: str) -> None:
        super().__init__(
            "The seal is damaged.",
            why=f"Line {line} {flaw}." if line else f"It {flaw}.",
            hint="The files may still be good: check the backup with its password instead of its seal.",
        )
        self.line = line
        self.flaw = flaw
