"""The errors of this layer: what is wrong with bytes that should be Apple's format."""

from ibackup.errors import DamageFound, NotABackup

NOT_OURS = "If another tool made this folder, make a new backup; of a damaged one, use an older snapshot."


class FormatError(NotABackup):
    """Bytes that are not what the format says; ``part`` names what they are, as in "Manifest.plist"."""

    def __init__(self, part: str, flaw: str, *, hint: str = NOT_OURS) -> None:
        super().__init__(f"{part} cannot be read.", why=f"{flaw[:1].upper()}{flaw[1:]}.", hint=hint)
        self.part = part
        self.flaw = flaw


class KeyRefused(DamageFound):
    """A wrapped key does not open with the key that should open it: the key or its wrapping is damaged."""

    def __init__(self, what: str, *, why: str = "") -> None:
        super().__init__(what, why=why, hint=NOT_OURS)


class SealDamaged(DamageFound):
    """A line of a seal is not what ``sha256sum`` writes; ``line`` counts from 1, 0 is the whole."""

    def __init__(self, line: int, flaw: str) -> None:
        super().__init__(
            "The seal is damaged.",
            why=f"Line {line} {flaw}." if line else f"It {flaw}.",
            hint="The files may still be good: check the backup with its password instead of its seal.",
        )
        self.line = line
        self.flaw = flaw
