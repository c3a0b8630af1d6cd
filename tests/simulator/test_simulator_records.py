"""MBFile records, held against plistlib and against the rows of a real phone."""

import plistlib
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibackup.apple import mbfile
from ibackup.simulator.mbfile_records import MBFileRecord, archived, data, encode, modified, number

REAL = Path(__file__).parents[3] / "shared" / "fixtures" / "real-ios-14.3" / "Manifest.db"
UID = plistlib.UID

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=300)
seconds = st.integers(0, 2**32 - 1)
blob = st.binary(min_size=1, max_size=300)
records = st.builds(
    MBFileRecord,
    path=text,
    size=st.integers(0, 2**40),
    mode=st.sampled_from([33188, 16877, 41453]),
    inode=st.integers(0, 2**62),
    uid=st.integers(-2, 501),
    gid=st.integers(-2, 501),
    modified=seconds,
    changed=seconds,
    birth=seconds,
    protection_class=st.integers(0, 4),
    flags=st.integers(0, 128),
    target=st.none() | text,
    digest=st.none() | st.binary(min_size=20, max_size=20),
    encryption_key=st.none() | st.binary(min_size=44, max_size=44),
    xattrs=st.none() | blob,
)


def tree(record: MBFileRecord) -> dict[str, object]:
    """The archive as plistlib would be given it."""
    objects: list[object] = ["$null", {}]

    def add(value: object) -> plistlib.UID:
        objects.append(value)
        return UID(len(objects) - 1)

    fields: dict[str, object] = {
        "LastModified": record.modified,
        "Flags": record.flags,
        "GroupID": record.gid,
        "LastStatusChange": record.changed,
        "Birth": record.birth,
        "Size": record.size,
        "Mode": record.mode,
        "UserID": record.uid,
        "InodeNumber": record.inode,
        "ProtectionClass": record.protection_class,
        "RelativePath": add(record.path),
    }
    if record.target is not None:
        fields["Target"] = add(record.target)
    if record.digest is not None:
        fields["Digest"] = add(record.digest)
    if record.encryption_key is not None:
        key = {"NS.data": record.encryption_key}
        fields["EncryptionKey"] = add(key)
        names = ["NSMutableData", "NSData", "NSObject"]
        key["$class"] = add({"$classname": names[0], "$classes": names})  # type: ignore[assignment]
    if record.xattrs is not None:
        fields["ExtendedAttributes"] = add(record.xattrs)
    fields["$class"] = add({"$classname": "MBFile", "$classes": ["MBFile", "NSObject"]})
    objects[1] = fields
    return {
        "$version": 100000,
        "$archiver": "NSKeyedArchiver",
        "$top": {"root": UID(1)},
        "$objects": objects,
    }


@given(records)
def test_record_is_what_plistlib_reads(record: MBFileRecord) -> None:
    encoded = encode(record)
    assert plistlib.loads(encoded) == tree(record)
    assert modified(encoded) == record.modified


@given(records)
def test_record_is_read_by_the_product(record: MBFileRecord) -> None:
    read = mbfile.decode(encode(replace(record, target=None)))
    assert (read.size, read.modified, read.digest) == (record.size, record.modified, record.digest)
    assert (read.encryption_key, read.protection_class) == (record.encryption_key, record.protection_class)


def real_rows() -> Iterator[bytes]:
    if not REAL.exists():
        pytest.skip("no fixtures here")
    database = sqlite3.connect(f"{REAL.as_uri()}?immutable=1", uri=True)
    yield from (row[0] for row in database.execute("SELECT file FROM Files"))
    database.close()


def test_real_rows_come_out_the_same() -> None:
    for row in real_rows():
        fields = archived(row)
        target = fields.get("Target")
        record = MBFileRecord(
            path=str(fields["RelativePath"]),
            size=number(fields, "Size"),
            mode=number(fields, "Mode"),
            inode=number(fields, "InodeNumber"),
            uid=number(fields, "UserID"),
            gid=number(fields, "GroupID"),
            modified=number(fields, "LastModified"),
            changed=number(fields, "LastStatusChange"),
            birth=number(fields, "Birth"),
            protection_class=number(fields, "ProtectionClass"),
            flags=number(fields, "Flags"),
            target=target if isinstance(target, str) else None,
            digest=data(fields, "Digest"),
            encryption_key=data(fields, "EncryptionKey"),
            xattrs=data(fields, "ExtendedAttributes"),
        )
        theirs, ours = plistlib.loads(row), plistlib.loads(encode(record))
        assert ours == theirs
        assert list(ours["$objects"][1]) == list(theirs["$objects"][1])
        assert modified(row) == record.modified


def test_other_bytes_are_refused() -> None:
    for junk in (b"", b"bplist00", plistlib.dumps({"a": 1}), plistlib.dumps([1], fmt=plistlib.FMT_BINARY)):
        with pytest.raises(ValueError, match="MBFile"):
            modified(junk)
