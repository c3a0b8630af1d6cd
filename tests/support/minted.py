"""Backups made here without a line of the product: plistlib, sqlite3, hashlib and cryptography alone."""

import base64
import hashlib
import os
import plistlib
import sqlite3
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.keywrap import aes_key_wrap

UDID = "00008101-000A0B0C0D0E0F01"
DIGESTED = ("HomeDomain", "WirelessDomain", "RootDomain", "HealthDomain")
UID = plistlib.UID
CLASS = 3


@dataclass
class Spec:
    """One row to make; ``size`` is what the record claims, None for the truth."""

    domain: str
    path: str
    content: bytes = b""
    flags: int = 1
    target: str = ""
    size: int | None = None
    mtime: int = 1_700_000_000


@dataclass
class Minted:
    """A made backup in a made snapshot folder."""

    root: Path
    password: str | None
    era: str
    specs: list[Spec]
    keys: dict[int, bytes] = field(default_factory=dict)
    manifest_key: bytes = b""
    steady: bool = False

    @property
    def folder(self) -> Path:
        return self.root / UDID

    @staticmethod
    def file_id(domain: str, path: str) -> str:
        return hashlib.sha1(f"{domain}-{path}".encode()).hexdigest()

    def blob(self, domain: str, path: str) -> Path:
        name = self.file_id(domain, path)
        return self.folder / name if self.era == "mbdb" else self.folder / name[:2] / name

    def seal(self) -> Path:
        """What sha256sum would write."""
        lines = [
            f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(self.root).as_posix()}\n"
            for path in sorted(self.folder.rglob("*"))
            if path.is_file() and not path.is_symlink()
        ]
        target = self.root / "SHA256SUMS"
        target.write_text("".join(lines))
        return target

    def edit_database(self, change: Callable[[sqlite3.Connection], object]) -> None:
        """Change Manifest.db, decrypting and encrypting as needed."""
        path = self.folder / "Manifest.db"
        data = path.read_bytes()
        if self.manifest_key:
            data = decrypted(self.manifest_key, data)
        scratch = self.root / "scratch.db"
        scratch.write_bytes(data)
        db = sqlite3.connect(scratch)
        with db:
            change(db)
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        db.close()
        data = scratch.read_bytes()
        for left in self.root.glob("scratch.db*"):
            left.unlink()
        path.write_bytes(encrypt(self.manifest_key, data) if self.manifest_key else data)


def encrypt(key: bytes, plain: bytes, iv: bytes = bytes(16)) -> bytes:
    padder = padding.PKCS7(128).padder()
    encryptor = Cipher(algorithms.AES(key), modes.CBC(iv)).encryptor()
    return encryptor.update(padder.update(plain) + padder.finalize()) + encryptor.finalize()


def decrypted(key: bytes, stored: bytes) -> bytes:
    """Undo ``encrypt`` for a list of files, whose last block is padding alone."""
    return Cipher(algorithms.AES(key), modes.CBC(bytes(16))).decryptor().update(stored)[:-16]


def tlv(tag: str, value: bytes | int) -> bytes:
    data = struct.pack(">I", value) if isinstance(value, int) else value
    return tag.encode() + struct.pack(">I", len(data)) + data


def make_keybag(password: str, keys: dict[int, bytes], *, double: bool) -> bytes:
    salt, double_salt = b"\x11" * 20, b"\x22" * 20
    secret = password.encode()
    data = tlv("VERS", 5) + tlv("TYPE", 1) + tlv("UUID", b"U" * 16) + tlv("HMCK", bytes(40)) + tlv("WRAP", 1)
    data += tlv("SALT", salt) + tlv("ITER", 100)
    if double:
        data += tlv("DPWT", 1) + tlv("DPIC", 50) + tlv("DPSL", double_salt)
        secret = hashlib.pbkdf2_hmac("sha256", secret, double_salt, 50, 32)
    kek = hashlib.pbkdf2_hmac("sha1", secret, salt, 100, 32)
    for number, key in keys.items():
        data += tlv("UUID", bytes([number]) * 16) + tlv("CLAS", number) + tlv("WRAP", 2 if number < 5 else 3)
        data += tlv("KTYP", 0) + tlv("WPKY", aes_key_wrap(kek, key))
    return data


def make_record(spec: Spec, digest: bytes | None, wrapped: bytes | None) -> bytes:
    """What NSKeyedArchiver writes for an MBFile."""
    mode = {1: 0o100644, 2: 0o40755, 4: 0o120755}[spec.flags]
    fields: dict[str, object] = {
        "LastModified": spec.mtime,
        "Flags": 0,
        "GroupID": 501,
        "LastStatusChange": spec.mtime + 1,
        "RelativePath": UID(2),
        "Birth": spec.mtime - 5,
        "Size": len(spec.content) if spec.size is None else spec.size,
        "InodeNumber": 1234,
        "Mode": mode,
        "UserID": -2,
        "ProtectionClass": CLASS if spec.flags == 1 else 0,
    }
    objects: list[object] = ["$null", fields, spec.path]
    if spec.flags == 4:
        fields["Target"] = UID(len(objects))
        objects.append(spec.target)
    if digest is not None:
        fields["Digest"] = UID(len(objects))
        objects.append(digest)
    if wrapped is not None:
        fields["EncryptionKey"] = UID(len(objects))
        objects.append({"NS.data": wrapped, "$class": UID(len(objects) + 1)})
        objects.append({"$classname": "NSMutableData", "$classes": ["NSMutableData", "NSData", "NSObject"]})
    fields["$class"] = UID(len(objects))
    objects.append({"$classname": "MBFile", "$classes": ["MBFile", "NSObject"]})
    archive = {
        "$version": 100000,
        "$archiver": "NSKeyedArchiver",
        "$top": {"root": UID(1)},
        "$objects": objects,
    }
    return plistlib.dumps(archive, fmt=plistlib.FMT_BINARY, sort_keys=False)


def mbdb_record(spec: Spec, digest: bytes | None, wrapped: bytes | None) -> bytes:
    def text(value: bytes | None) -> bytes:
        return b"\xff\xff" if value is None else struct.pack(">H", len(value)) + value

    mode = {1: 0o100644, 2: 0o40755, 4: 0o120755}[spec.flags]
    size = len(spec.content) if spec.size is None else spec.size
    return (
        text(spec.domain.encode())
        + text(spec.path.encode())
        + text(spec.target.encode() if spec.flags == 4 else None)
        + text(digest)
        + text(wrapped)
        + struct.pack(">HQIIIIIQBB", mode, 77, 501, 501, spec.mtime, spec.mtime, spec.mtime, size, CLASS, 1)
        + text(b"com.example.name")
        + text(b"value")
    )


def sqlite_bytes(rows: int, tmp: Path) -> bytes:
    """A small SQLite database as an app leaves it."""
    path = tmp / "app.db"
    db = sqlite3.connect(path)
    with db:
        db.execute("CREATE TABLE message (id INTEGER PRIMARY KEY, text TEXT)")
        db.execute("CREATE INDEX by_text ON message(text)")
        db.executemany("INSERT INTO message (text) VALUES (?)", [(f"Hello {n}",) for n in range(rows)])
    db.close()
    data = path.read_bytes()
    path.unlink()
    return data


def endless(data: bytes, table: str) -> bytes:
    """A database whose table has 300 ** 7 times as many rows: its pages refer to the next one again and again."""
    scratch = sqlite3.connect(":memory:")
    scratch.deserialize(data[:18] + b"\x01\x01" + data[20:])
    page = int.from_bytes(data[16:18], "big")
    (root,) = scratch.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (table,)).fetchone()
    scratch.close()
    made = bytearray(data)
    made += data[(root - 1) * page : root * page]
    for level in range(7):
        child = (len(made) // page).to_bytes(4, "big")
        start = page - 300 * 5
        places = b"".join((start + 5 * number).to_bytes(2, "big") for number in range(300))
        head = b"\x05\0\0" + (300).to_bytes(2, "big") + start.to_bytes(2, "big") + b"\0" + child
        interior = (head + places).ljust(start, b"\0") + (child + b"\x7f") * 300
        if level < 6:
            made += interior
        else:
            made[(root - 1) * page : root * page] = interior
    made[28:32] = (len(made) // page).to_bytes(4, "big")
    return bytes(made)


def default_specs(tmp: Path) -> list[Spec]:
    return [
        Spec("HomeDomain", "", flags=2),
        Spec("HomeDomain", "Library", flags=2),
        Spec("HomeDomain", "Library/SMS/sms.db", sqlite_bytes(400, tmp)),
        Spec("HomeDomain", "Library/AddressBook/AddressBook.sqlitedb", sqlite_bytes(20, tmp)),
        Spec("HomeDomain", "Library/Preferences/a.plist", plistlib.dumps({"a": 1})),
        Spec("HomeDomain", "Library/empty"),
        Spec("HomeDomain", "Library/link", flags=4, target="/private/var/mobile"),
        Spec("CameraRollDomain", "Media/DCIM/100APPLE/IMG_0001.HEIC", os.urandom(300_000)),
        Spec("CameraRollDomain", "Media/DCIM/100APPLE/IMG_0002.HEIC", bytes(range(256)) * 16),
        Spec("AppDomain-com.example.app", "Documents/Ünïcode 名前.txt", b"text\n" * 3),
        Spec(
            "AppDomainGroup-group.net.whatsapp.WhatsApp.shared", "ChatStorage.sqlite", sqlite_bytes(50, tmp)
        ),
    ]


def with_parents(specs: list[Spec]) -> list[Spec]:
    """The same and rows for all folders that lead there."""
    known = {(spec.domain, spec.path) for spec in specs}
    made: list[Spec] = []
    for spec in specs:
        parts = spec.path.split("/")
        for depth in range(len(parts)) if spec.path else ():
            folder = "/".join(parts[:depth])
            if (spec.domain, folder) not in known:
                known.add((spec.domain, folder))
                made.append(Spec(spec.domain, folder, flags=2))
    return [*specs, *made]


@dataclass
class Mint:
    """Makes backups below a folder of its own."""

    tmp: Path
    made: int = 0

    def __call__(
        self,
        password: str | None = None,
        *,
        era: str = "10.2",
        specs: list[Spec] | None = None,
        parents: bool = True,
        keys: dict[int, bytes] | None = None,
    ) -> Minted:
        """Make one; with ``parents`` the folders that lead to what is asked for are added, as on a phone.

        With the ``keys`` of an earlier one, files of the same content are the same bytes again, as if carried over.
        """
        self.made += 1
        root = self.tmp / f"snapshot{self.made}"
        wanted = default_specs(self.tmp) if specs is None else specs
        minted = Minted(root, password, era, with_parents(wanted) if parents else wanted)
        minted.folder.mkdir(parents=True)
        minted.keys = keys or {number: os.urandom(32) for number in range(11, 0, -1)}
        minted.steady = keys is not None
        records = [(spec, self._store(minted, spec)) for spec in minted.specs]
        if era == "mbdb":
            (minted.folder / "Manifest.mbdb").write_bytes(b"mbdb\x05\x00" + b"".join(r for _, r in records))
        else:
            self._database(minted, records)
        self._plists(minted)
        return minted

    def _store(self, minted: Minted, spec: Spec) -> bytes:
        digest = wrapped = None
        if spec.flags == 1:
            stored = spec.content
            if minted.password is not None:
                key = hashlib.sha256(f"{spec.domain}-{spec.path}".encode() + spec.content).digest()
                key = key if minted.steady else os.urandom(32)
                wrapped = struct.pack("<I", CLASS) + aes_key_wrap(minted.keys[CLASS], key)
                stored = encrypt(key, spec.content)
            digest = hashlib.sha1(stored).digest() if spec.domain in DIGESTED else None
            path = minted.blob(spec.domain, spec.path)
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(stored)
        make = mbdb_record if minted.era == "mbdb" else make_record
        return make(spec, digest, wrapped)

    def _database(self, minted: Minted, records: list[tuple[Spec, bytes]]) -> None:
        scratch = minted.root / "scratch.db"
        db = sqlite3.connect(scratch)
        db.execute("PRAGMA page_size = 4096")
        db.execute("PRAGMA auto_vacuum = 2")
        db.execute("PRAGMA journal_mode = WAL")
        with db:
            db.executescript(
                "CREATE TABLE Files (fileID TEXT PRIMARY KEY, domain TEXT, relativePath TEXT,"
                " flags INTEGER, file BLOB);"
                "CREATE INDEX FilesDomainIdx ON Files(domain);"
                "CREATE INDEX FilesRelativePathIdx ON Files(relativePath);"
                "CREATE INDEX FilesFlagsIdx ON Files(flags);"
                "CREATE TABLE Properties (key TEXT PRIMARY KEY, value BLOB);"
            )
            salt = b"salt" * 5
            if minted.era == "10.0":
                key = hashlib.sha1((minted.password or "").encode() + salt).digest()[:16]
                db.execute("INSERT INTO Properties VALUES ('salt', ?)", (salt,))
                records = [(s, base64.b64encode(encrypt(key, r, bytes(range(16))))) for s, r in records]
            db.executemany(
                "INSERT INTO Files VALUES (?, ?, ?, ?, ?)",
                [(Minted.file_id(s.domain, s.path), s.domain, s.path, s.flags, r) for s, r in records],
            )
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        db.close()
        data = scratch.read_bytes()
        for left in minted.root.glob("scratch.db*"):
            left.unlink()
        assert data[18:20] == b"\x02\x02"
        if minted.password is not None and minted.era == "10.2":
            minted.manifest_key = os.urandom(32)
            data = encrypt(minted.manifest_key, data)
        (minted.folder / "Manifest.db").write_bytes(data)

    def _plists(self, minted: Minted) -> None:
        now = datetime(2026, 11, 22, 2, 0, 4)  # noqa: DTZ001
        manifest: dict[str, object] = {
            "Version": "9.1" if minted.era == "mbdb" else "10.0",
            "Date": now,
            "SystemDomainsVersion": "24.0",
            "IsEncrypted": minted.password is not None,
            "WasPasscodeSet": True,
            "BackupKeyBag": make_keybag(minted.password or "", minted.keys, double=bool(minted.manifest_key)),
            "Lockdown": {"ProductVersion": "17.1", "UniqueDeviceID": UDID, "DeviceName": "Ann's iPhone"},
            "Applications": {"com.example.app": {"CFBundleIdentifier": "com.example.app"}},
        }
        if minted.manifest_key:
            manifest["ManifestKey"] = struct.pack("<I", 4) + aes_key_wrap(minted.keys[4], minted.manifest_key)
        info = {
            "Device Name": "Ann's iPhone",
            "Target Identifier": UDID,
            "Unique Identifier": UDID,
            "Product Version": "17.1",
            "Last Backup Date": now,
            "Installed Applications": ["com.example.app"],
        }
        status = {
            "UUID": "0A",
            "Date": now,
            "Version": "3.3",
            "BackupState": "new",
            "SnapshotState": "finished",
            "IsFullBackup": True,
        }
        folder = minted.folder
        (folder / "Manifest.plist").write_bytes(plistlib.dumps(manifest, fmt=plistlib.FMT_BINARY))
        (folder / "Info.plist").write_bytes(plistlib.dumps(info))
        (folder / "Status.plist").write_bytes(plistlib.dumps(status, fmt=plistlib.FMT_BINARY))


Tree = dict[str, tuple[int, int, bytes]]


def tree_of(folder: Path) -> Tree:
    """Names, times, modes and bytes of everything below a folder."""
    found: Tree = {}
    for path in [folder, *sorted(folder.rglob("*"))]:
        stat = path.lstat()
        content = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
        found[str(path)] = (stat.st_mtime_ns, stat.st_mode, content)
    return found
