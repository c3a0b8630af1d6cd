"""What a verification finds and counts."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from ibackup.apple.reasons import Reason

MOST_NAMED: Final = 5
"""How many findings an error names; ``verify`` lists them all."""


class Level(StrEnum):
    """How far a verification goes; each level includes the previous one.

    quick: names, sizes, the manifest's own soundness. full: every byte is read and compared with the seal and
    with the phone's own checksums. deep: everything is decrypted, and the databases that people care about
    are opened.
    """

    QUICK = "quick"
    FULL = "full"
    DEEP = "deep"


class Severity(StrEnum):
    """How bad a finding is.

    damage: something is lost or was changed. flaw: it is as the phone sent it, but differs from the phone's
    own list. note: worth knowing, but no cause for concern.
    """

    DAMAGE = "damage"
    FLAW = "flaw"
    NOTE = "note"


class FindingKind(StrEnum):
    """The kinds of findings. The values are stable, because scripts read them."""

    PLIST_UNREADABLE = "plist-unreadable"
    PLISTS_DISAGREE = "plists-disagree"
    NOT_FINISHED = "not-finished"
    MANIFEST_DAMAGED = "manifest-damaged"
    ROW_UNUSABLE = "row-unusable"
    ROW_IMPOSSIBLE = "row-impossible"
    WRONG_FILE_ID = "wrong-file-id"
    RECORD_UNREADABLE = "record-unreadable"
    MISSING = "missing"
    SIZE_DIFFERS = "size-differs"
    CONTENT_CHANGED = "content-changed"
    UNREADABLE = "unreadable"
    NOT_UPDATED = "not-updated"
    NOT_A_FILE = "not-a-file"
    NOT_SEALED = "not-sealed"
    REARRANGED = "rearranged"
    NOT_IN_MANIFEST = "not-in-manifest"
    UNLISTED_CONTENT = "unlisted-content"
    SEAL_DAMAGED = "seal-damaged"
    KEYBAG_DAMAGED = "keybag-damaged"
    CLASS_KEY_DAMAGED = "class-key-damaged"
    FILE_KEY_DAMAGED = "file-key-damaged"
    KEY_ELSEWHERE = "key-elsewhere"
    MIXED_UP = "mixed-up"
    PADDING_WRONG = "padding-wrong"
    DATABASE_DAMAGED = "database-damaged"
    DATABASE_UNCHECKED = "database-unchecked"


MIXTURES: Final = frozenset([FindingKind.KEY_ELSEWHERE, FindingKind.MIXED_UP])
"""Kinds for something that is sound in itself but belongs to another backup."""

_OF_THE_STATE: Final = frozenset(
    [FindingKind.NOT_FINISHED, FindingKind.PLISTS_DISAGREE, FindingKind.REARRANGED]
)
_STATE_FILES: Final = frozenset(["Info.plist", "Status.plist"])

KIND_WORDS: Final[dict[FindingKind, str]] = {
    FindingKind.PLIST_UNREADABLE: "cannot be read",
    FindingKind.PLISTS_DISAGREE: "of another phone than the rest",
    FindingKind.NOT_FINISHED: "says that a backup was not finished",
    FindingKind.MANIFEST_DAMAGED: "the backup's list of files is damaged",
    FindingKind.ROW_UNUSABLE: "an entry of the list of files is unusable",
    FindingKind.ROW_IMPOSSIBLE: "an entry that no phone can have written, and that none would restore",
    FindingKind.WRONG_FILE_ID: "stored under a wrong name",
    FindingKind.RECORD_UNREADABLE: "its entry in the list of files cannot be read",
    FindingKind.MISSING: "missing",
    FindingKind.SIZE_DIFFERS: "of the wrong size",
    FindingKind.CONTENT_CHANGED: "changed since it was backed up",
    FindingKind.UNREADABLE: "cannot be read from this disk",
    FindingKind.NOT_UPDATED: "an earlier copy",
    FindingKind.NOT_A_FILE: "not a plain file",
    FindingKind.NOT_SEALED: "added after the backup was sealed",
    FindingKind.REARRANGED: "another program moved or renamed them; a phone does not find them like this",
    FindingKind.NOT_IN_MANIFEST: "not on the list of files",
    FindingKind.UNLISTED_CONTENT: "names only some of the files that are here",
    FindingKind.SEAL_DAMAGED: "damaged",
    FindingKind.KEYBAG_DAMAGED: "the keys are damaged",
    FindingKind.CLASS_KEY_DAMAGED: "a key is damaged",
    FindingKind.FILE_KEY_DAMAGED: "its key is damaged",
    FindingKind.KEY_ELSEWHERE: "encrypted, and its key is not here",
    FindingKind.MIXED_UP: "not of the same backup as the rest",
    FindingKind.PADDING_WRONG: "does not decrypt",
    FindingKind.DATABASE_DAMAGED: "a damaged database",
    FindingKind.DATABASE_UNCHECKED: "a database that was not checked",
}
"""What is wrong, in words that follow the name of the affected file."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong.

    Attributes:
        kind: what is wrong.
        severity: how bad it is.
        file: the stored file below the backup's folder, empty if it is not about a file.
        file_id: 40 hex digits, empty if it is not about a blob.
        domain: domain of the file on the phone, empty if the manifest does not name it.
        path: path of the file on the phone, below the domain.
        expected: what should be there, in words or figures.
        found: what is there.
        reason: for a file that is there but cannot be what its record says: the reason.
    """

    kind: FindingKind
    severity: Severity = Severity.DAMAGE
    file: str = ""
    file_id: str = ""
    domain: str = ""
    path: str = ""
    expected: str = ""
    found: str = ""
    reason: Reason | None = None

    @property
    def is_damage(self) -> bool:
        """Whether something is lost or was changed."""
        return self.severity is Severity.DAMAGE

    @property
    def loses_data(self) -> bool:
        """Whether it is damage of the phone's own files or their list, not only of what is known about the run."""
        return self.is_damage and costs_data(self.kind, self.file)

    @property
    def is_flaw(self) -> bool:
        """Whether it is as the phone sent it, but differs from the phone's own list."""
        return self.severity is Severity.FLAW


@dataclass(slots=True)
class Summary:
    """What a verification checked; complete after its last finding.

    Attributes:
        level: how far it went.
        files: stored files checked, without the plists and the manifest.
        bytes: size of these files, as stored.
        rows: rows of the manifest.
        by_seal: files whose content was compared with the seal.
        by_digest: files whose content was compared with the phone's own checksum, sealed or not.
        by_size: files for which only presence and size were compared.
        decrypted: files that were decrypted.
        databases: databases that SQLite checked.
        damage: findings that are damage.
        flaws: findings that are flaws.
        notes: findings that are neither.
        manifest_checked: whether the manifest could be read and compared.
        finished: whether the verification ran to its end.
    """

    level: Level
    files: int = 0
    bytes: int = 0
    rows: int = 0
    by_seal: int = 0
    by_digest: int = 0
    by_size: int = 0
    decrypted: int = 0
    databases: int = 0
    damage: int = 0
    flaws: int = 0
    notes: int = 0
    manifest_checked: bool = False
    finished: bool = False

    @property
    def good(self) -> bool:
        """Whether everything was checked and neither damage nor a flaw was found."""
        return self.finished and not self.damage and not self.flaws


def costs_data(kind: FindingKind, file: str) -> bool:
    """Whether damage of a kind, in a file of the backup, can cost more than the state of the run."""
    return kind not in _OF_THE_STATE and file not in _STATE_FILES


def named(findings: Sequence[Finding]) -> str:
    """The first of them, for an error: which file, and what is wrong with it."""
    names = "; ".join(map(_in_words, findings[:MOST_NAMED]))
    return f"{names}{' and more' if len(findings) > MOST_NAMED else ''}."


def _in_words(finding: Finding) -> str:
    where = " ".join(part for part in (finding.domain, finding.path) if part) or finding.file
    # Checksums mean nothing to people, and "missing" already says that nothing is there.
    silent = finding.kind in (FindingKind.CONTENT_CHANGED, FindingKind.MISSING)
    told = f" ({finding.found})" if finding.found and not silent else ""
    return f"{where}: {KIND_WORDS[finding.kind]}{told}"
