"""What a verification finds, and what it counts."""

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How far a verification goes; each level includes the one before it.

    quick: names, sizes, the manifest's own soundness. full: every byte is read. deep: everything is decrypted,
    and the databases that people care about are opened.
    """

    QUICK = "quick"
    FULL = "full"
    DEEP = "deep"


class Severity(StrEnum):
    """Damage means that something is lost or wrong; a note is worth saying and no cause for concern."""

    DAMAGE = "damage"
    NOTE = "note"


class FindingKind(StrEnum):
    """What is wrong; the values are stable, scripts read them."""

    PLIST_UNREADABLE = "plist-unreadable"
    PLISTS_DISAGREE = "plists-disagree"
    NOT_FINISHED = "not-finished"
    MANIFEST_DAMAGED = "manifest-damaged"
    ROW_UNUSABLE = "row-unusable"
    WRONG_FILE_ID = "wrong-file-id"
    RECORD_UNREADABLE = "record-unreadable"
    MISSING = "missing"
    SIZE_DIFFERS = "size-differs"
    CONTENT_CHANGED = "content-changed"
    UNREADABLE = "unreadable"
    NOT_A_FILE = "not-a-file"
    NOT_SEALED = "not-sealed"
    NOT_IN_MANIFEST = "not-in-manifest"
    SEAL_DAMAGED = "seal-damaged"
    KEYBAG_DAMAGED = "keybag-damaged"
    CLASS_KEY_DAMAGED = "class-key-damaged"
    FILE_KEY_DAMAGED = "file-key-damaged"
    PADDING_WRONG = "padding-wrong"
    DATABASE_DAMAGED = "database-damaged"
    DATABASE_UNCHECKED = "database-unchecked"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it should be.

    Attributes:
        kind: what is wrong.
        severity: damage or a note.
        file: the stored file below the backup's folder, empty when it is about none.
        file_id: 40 hex digits, empty when it is about no blob.
        domain: of the file on the phone, empty when the manifest does not tell.
        path: of the file on the phone, below the domain.
        expected: what should be there, in words or figures.
        found: what is there.
    """

    kind: FindingKind
    severity: Severity = Severity.DAMAGE
    file: str = ""
    file_id: str = ""
    domain: str = ""
    path: str = ""
    expected: str = ""
    found: str = ""

    @property
    def is_damage(self) -> bool:
        """Whether something is lost or wrong."""
        return self.severity is Severity.DAMAGE


@dataclass(slots=True)
class Summary:
    """What a verification has looked at; complete when its last finding was given.

    Attributes:
        level: how far it went.
        files: stored files looked at, the plists and the manifest not counted.
        bytes: of these files, as stored.
        rows: of the manifest.
        by_seal: files whose content was compared with the seal.
        by_digest: files whose content was compared with the checksum that the phone gave.
        by_size: files of which only presence and size were compared.
        by_presence: files of which nothing but presence was compared.
        decrypted: files that were decrypted.
        databases: databases that SQLite checked.
        damage: findings that are damage.
        notes: findings that are none.
        manifest_checked: whether the manifest could be read and compared.
        finished: whether the verification came to its end.
    """

    level: Level
    files: int = 0
    bytes: int = 0
    rows: int = 0
    by_seal: int = 0
    by_digest: int = 0
    by_size: int = 0
    by_presence: int = 0
    decrypted: int = 0
    databases: int = 0
    damage: int = 0
    notes: int = 0
    manifest_checked: bool = False
    finished: bool = False

    @property
    def good(self) -> bool:
        """Whether all was looked at and no damage found."""
        return self.finished and not self.damage
