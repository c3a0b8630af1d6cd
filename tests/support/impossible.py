"""Lists that no phone can have written: one flaw each."""

import hashlib
import plistlib
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass

from ibackup.apple.verify.findings import FindingKind as K

from .minted import Mint, Minted, Spec

Fields = dict[str, object]
FILE = ("CameraRollDomain", "Media/photo")
FOLDER = ("CameraRollDomain", "Media")
LINK = ("HomeDomain", "link")


@dataclass(frozen=True)
class Flaw:
    """One way to break a list.

    Attributes:
        specs: rows besides the ordinary ones; the folders that lead there are made too.
        change: of a record: whose, and how.
        edit: of the database.
        kinds: what of is found.
        code: what a phone ends a restore with, None where nobody knows.
    """

    specs: tuple[Spec, ...] = ()
    without: tuple[tuple[str, str], ...] = ()
    change: tuple[tuple[str, str], Callable[[Fields, list[object]], object]] | None = None
    edit: Callable[[sqlite3.Connection], object] | None = None
    kinds: tuple[K, ...] = (K.ROW_IMPOSSIBLE,)
    code: int | None = 205
    encrypted_only: bool = False

    def mint(self, mint: Mint, password: str | None) -> Minted:
        """A backup that has it."""
        ordinary = [
            Spec("CameraRollDomain", "", flags=2),
            Spec(*FOLDER, flags=2),
            Spec(*FILE, b"content"),
            Spec("HomeDomain", "", flags=2),
            Spec("HomeDomain", "Library", flags=2),
            Spec("HomeDomain", "Library/a.plist", b"digested"),
            Spec(*LINK, flags=4, target="/private/var"),
        ]
        rows = [spec for spec in ordinary if (spec.domain, spec.path) not in self.without]
        made = mint(password, specs=[*rows, *self.specs], parents=False)
        if self.change is not None:
            names, change = self.change
            made.edit_database(lambda db: change_record(db, names, change))
        if self.edit is not None:
            made.edit_database(self.edit)
        return made


def change_record(
    db: sqlite3.Connection, names: tuple[str, str], change: Callable[[Fields, list[object]], object]
) -> None:
    """Change the archived record of one row."""
    file_id = Minted.file_id(*names)
    (blob,) = db.execute("SELECT file FROM Files WHERE fileID = ?", (file_id,)).fetchone()
    archive = plistlib.loads(blob)
    change(archive["$objects"][1], archive["$objects"])
    blob = plistlib.dumps(archive, fmt=plistlib.FMT_BINARY, sort_keys=False)
    db.execute("UPDATE Files SET file = ? WHERE fileID = ?", (blob, file_id))


def put(**values: object) -> Callable[[Fields, list[object]], object]:
    """Set fields of a record."""
    return lambda fields, _objects: fields.update(values)


def refer(key: str, value: object) -> Callable[[Fields, list[object]], object]:
    """Set what a field of a record refers to."""

    def change(fields: Fields, objects: list[object]) -> None:
        place = fields.get(key)
        if isinstance(place, plistlib.UID):
            objects[place.data] = value
        else:
            fields[key] = plistlib.UID(len(objects))
            objects.append(value)

    return change


def drop(key: str) -> Callable[[Fields, list[object]], object]:
    """Take a field out of a record."""
    return lambda fields, _objects: fields.pop(key)


def set_flags(names: tuple[str, str], flags: object) -> Callable[[sqlite3.Connection], object]:
    """Set the flags of one row."""
    file_id = Minted.file_id(*names)
    return lambda db: db.execute("UPDATE Files SET flags = ? WHERE fileID = ?", (flags, file_id))


IMPOSSIBLE: dict[str, Flaw] = {
    "dots in a path": Flaw((Spec("CameraRollDomain", "Media/..", b"x"),)),
    "a dot in a path": Flaw(
        (Spec("CameraRollDomain", "Media/./x", b"x"), Spec("CameraRollDomain", "Media/.", flags=2))
    ),
    "a leading slash": Flaw((Spec("CameraRollDomain", "/x", b"x"),)),
    "a trailing slash": Flaw(
        (Spec("CameraRollDomain", "Media/x/", flags=2), Spec("CameraRollDomain", "Media/x", flags=2))
    ),
    "an empty part": Flaw(
        (Spec("CameraRollDomain", "Media//x", b"x"), Spec("CameraRollDomain", "Media/", flags=2))
    ),
    "a NUL in a path": Flaw((Spec("CameraRollDomain", "Media/a\0b", b"x"),)),
    "a domain with a slash": Flaw((Spec("App/Domain", "", flags=2), Spec("App/Domain", "x", b"x"))),
    "a domain of dots": Flaw((Spec("..", "", flags=2), Spec("..", "x", b"x"))),
    "no domain": Flaw((Spec("", "", flags=2), Spec("", "x", b"x"))),
    "a file below a file": Flaw((Spec("CameraRollDomain", "Media/photo/x", b"x"),), code=102),
    "a file below a link": Flaw((Spec("HomeDomain", "link/x", b"x"),), code=102),
    "a file whose folder has no row": Flaw(without=(FOLDER,), code=102),
    "a root that is a file": Flaw((Spec("SomeDomain", "", b"x"),)),
    "a link without a target": Flaw(change=(LINK, drop("Target"))),
    "a link with a size": Flaw(change=(LINK, put(Size=5))),
    "a folder with a size": Flaw(change=(FOLDER, put(Size=5))),
    "a folder with a Digest": Flaw(change=(FOLDER, refer("Digest", b"d" * 20))),
    "a folder with a key": Flaw(change=(FOLDER, refer("EncryptionKey", b"k" * 44))),
    "a link with a Digest": Flaw(change=(LINK, refer("Digest", b"d" * 20))),
    "a file that is a folder by its mode": Flaw(change=(FILE, put(Mode=0o40755))),
    "a folder that is a file by its mode": Flaw(change=(FOLDER, put(Mode=0o100644))),
    "a link that is a file by its mode": Flaw(change=(LINK, put(Mode=0o100644))),
    "no type in a mode": Flaw(change=(FILE, put(Mode=0o644))),
    "a mode that is no plain number": Flaw(change=(FILE, refer("Mode", 0o100644))),
    "a Digest of another length": Flaw(
        change=(("HomeDomain", "Library/a.plist"), refer("Digest", b"d" * 16))
    ),
    "a key of another length": Flaw(change=(FILE, refer("EncryptionKey", b"k" * 40))),
    "no key in an encrypted backup": Flaw(
        change=(FILE, lambda fields, _objects: fields.pop("EncryptionKey", None)), encrypted_only=True
    ),
    "flags of a folder for a file": Flaw(edit=set_flags(FILE, 2)),
    "flags of nothing": Flaw(edit=set_flags(FILE, 3), kinds=(K.ROW_UNUSABLE,)),
    "a fileID of another text": Flaw(
        edit=lambda db: db.execute(
            "UPDATE Files SET relativePath = 'Media/other' WHERE relativePath = 'Media/photo'"
        ),
        kinds=(K.WRONG_FILE_ID,),
    ),
    "a fileID that is none": Flaw(
        edit=lambda db: db.execute("UPDATE Files SET fileID = 'x' WHERE relativePath = 'Media/photo'"),
        kinds=(K.ROW_UNUSABLE,),
    ),
    "a name that is no text": Flaw(
        edit=lambda db: db.execute(
            "UPDATE Files SET relativePath = CAST(X'4D656469612FFF' AS TEXT), fileID = ?"
            " WHERE relativePath = 'Media/photo'",
            (hashlib.sha1(b"CameraRollDomain-Media/\xff").hexdigest(),),
        )
    ),
    "a path that is bytes": Flaw(
        edit=lambda db: db.execute(
            "UPDATE Files SET relativePath = CAST(relativePath AS BLOB) WHERE relativePath = 'Media/photo'"
        )
    ),
    "a domain that is bytes": Flaw(
        edit=lambda db: db.execute(
            "UPDATE Files SET domain = CAST(domain AS BLOB) WHERE relativePath = 'Media/photo'"
        )
    ),
    "a fileID that is bytes": Flaw(
        edit=lambda db: db.execute(
            "UPDATE Files SET fileID = CAST(fileID AS BLOB) WHERE relativePath = 'Media/photo'"
        )
    ),
    "a record that is none": Flaw(
        edit=lambda db: db.execute("UPDATE Files SET file = X'00' WHERE relativePath = 'Media/photo'"),
        kinds=(K.RECORD_UNREADABLE,),
    ),
    "no record": Flaw(
        edit=lambda db: db.execute("UPDATE Files SET file = NULL WHERE relativePath = 'Media/photo'"),
        kinds=(K.ROW_UNUSABLE,),
    ),
}
