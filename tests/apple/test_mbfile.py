"""File records: plistlib is the reference, on real records and on made and damaged ones."""

import contextlib
import math
import plistlib
import sqlite3
import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibackup.apple import mbfile, mbfile_any_layout, mbfile_shapes
from ibackup.apple.mbfile import MBFile, decode
from ibackup.base.errors import NotABackup

FIXTURE = Path(__file__).parents[3] / "shared" / "fixtures" / "real-ios-14.3" / "Manifest.db"


@pytest.fixture(scope="module")
def real() -> list[bytes]:
    if not FIXTURE.exists():
        pytest.skip("no fixtures here")
    db = sqlite3.connect(f"file:{FIXTURE}?immutable=1", uri=True)
    try:
        return [row[0] for row in db.execute("SELECT file FROM Files ORDER BY fileID")]
    finally:
        db.close()


def by_plistlib(blob: bytes) -> MBFile:
    """An independent reading, without a line of ours."""
    objects = plistlib.loads(blob)["$objects"]
    fields = objects[1]

    def resolved(key: str) -> Any:
        value = fields.get(key)
        if isinstance(value, plistlib.UID):
            value = objects[value.data] if value.data else None
        return value["NS.data"] if isinstance(value, dict) else value

    def number(key: str) -> Any:
        return math.floor(resolved(key))

    return MBFile(
        size=number("Size"),
        mode=number("Mode"),
        inode=number("InodeNumber"),
        user_id=number("UserID"),
        group_id=number("GroupID"),
        modified=number("LastModified"),
        status_changed=number("LastStatusChange"),
        born=number("Birth"),
        protection_class=number("ProtectionClass"),
        flags=number("Flags"),
        relative_path=resolved("RelativePath") or "",
        target=resolved("Target"),
        digest=resolved("Digest"),
        encryption_key=resolved("EncryptionKey"),
        xattrs=resolved("ExtendedAttributes"),
    )


def archive(fields: dict[str, object], *others: object, sort_keys: bool = False) -> bytes:
    """What NSKeyedArchiver writes: fields, then the objects from number 2 on, the classes last."""
    last = 2 + len(others)
    objects = ["$null", {**fields, "$class": plistlib.UID(last)}, *others]
    objects.append({"$classname": "MBFile", "$classes": ["MBFile", "NSObject"]})
    whole = {
        "$version": 100000,
        "$archiver": "NSKeyedArchiver",
        "$top": {"root": plistlib.UID(1)},
        "$objects": objects,
    }
    return plistlib.dumps(whole, fmt=plistlib.FMT_BINARY, sort_keys=sort_keys)


def test_every_real_record_reads_as_plistlib_reads_it(real: list[bytes]) -> None:
    for blob in real:
        wanted = by_plistlib(blob)
        assert decode(blob) == wanted
        assert mbfile.decode_reference(blob) == wanted
        assert mbfile.glance(blob) == (wanted.size, wanted.encryption_key is not None)


def test_real_extended_attributes(real: list[bytes]) -> None:
    records = [record for record in map(decode, real) if record.xattrs]
    assert len(records) == 77
    for record in records:
        assert record.xattrs
        assert record.extended_attributes() == plistlib.loads(record.xattrs)


def test_real_records_are_read_the_fast_way(real: list[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    for blob in real:
        decode(blob)
    slowly: list[bytes] = []
    monkeypatch.setattr(mbfile, "_decode_slowly", slowly.append)
    for blob in real:
        decode(blob)
    assert slowly == []


numbers = st.integers(0, 255) | st.integers(-(2**63), 2**63 - 1) | st.integers(0, 70_000)
texts = st.text(max_size=20) | st.text(min_size=200, max_size=300)
keys44 = st.binary(min_size=44, max_size=44)


@st.composite
def records(draw: st.DrawFn) -> bytes:
    fields: dict[str, object] = {
        key: draw(numbers)
        for key in (
            *("LastModified", "Flags", "GroupID", "LastStatusChange", "Birth", "Size", "Mode", "UserID"),
            *("InodeNumber", "ProtectionClass"),
        )
    }
    others: list[object] = []

    def refer(key: str, *values: object) -> None:
        fields[key] = plistlib.UID(2 + len(others))
        others.extend(values)

    refer("RelativePath", draw(texts))
    if draw(st.booleans()):
        refer("Target", draw(texts))
    if draw(st.booleans()):
        refer("Digest", draw(st.binary(min_size=20, max_size=20)))
    if draw(st.booleans()):
        here = len(others)
        data = {"NS.data": draw(keys44), "$class": plistlib.UID(3 + here)}
        refer(
            "EncryptionKey", data, {"$classname": "NSMutableData", "$classes": ["NSMutableData", "NSObject"]}
        )
    if draw(st.booleans()):
        refer("ExtendedAttributes", draw(st.binary(max_size=400)))
    names = draw(st.permutations(sorted(fields)))
    return archive({name: fields[name] for name in names}, *others, sort_keys=draw(st.booleans()))


@given(records())
def test_made_records_read_as_plistlib_reads_them(blob: bytes) -> None:
    assert MBFile._make(mbfile_any_layout.read(blob)) == by_plistlib(blob)
    assert decode(blob) == by_plistlib(blob)
    assert decode(blob) == by_plistlib(blob)  # the second time its beginning is known
    assert mbfile.glance(blob) == (decode(blob).size, decode(blob).encryption_key is not None)


@given(records())
def test_a_record_of_a_layout_never_seen_does_not_need_plistlib(blob: bytes) -> None:
    """It would take longer than the loop that people write themselves: a check first, and then all of it."""
    wanted = by_plistlib(blob)
    mbfile._known.__init__()  # type: ignore[misc]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plistlib, "loads", lambda *_, **__: pytest.fail("plistlib was asked"))
        assert decode(blob) == wanted
        patch.setattr(mbfile_any_layout, "read", lambda _: pytest.fail("its layout was not learned"))
        assert decode(blob) == wanted


@pytest.mark.parametrize(
    "odd",
    [
        {"Size": plistlib.UID(3)},
        {"Mode": 3.0},
        {"Size": True},
        {"RelativePath": plistlib.UID(0)},
        {"RelativePath": "a"},
        {"Digest": plistlib.UID(2)},
        {"Gr\u00f6\u00dfe": 7},
        {"A key of another kind": 7, "Size": 2**64 - 1},
    ],
    ids=str,
)
def test_what_is_written_in_an_unusual_way_is_left_to_others(odd: dict[str, object]) -> None:
    blob = archive({"Size": 1, "Mode": 2, "RelativePath": plistlib.UID(2)} | odd, "a", 4096)
    with pytest.raises(mbfile_any_layout.UnusualRecord):
        mbfile_any_layout.read(blob)


def test_a_record_among_many_objects_does_not_need_plistlib(monkeypatch: pytest.MonkeyPatch) -> None:
    """References of two bytes, offsets of two and four."""
    fields: dict[str, object] = {"Size": 7, "Mode": 33188, "RelativePath": plistlib.UID(2)}
    for many in (300, 3_000):
        blob = archive(fields, "a/path", *(f"{number} and some more text" for number in range(many)))
        with monkeypatch.context() as patch:
            patch.setattr(plistlib, "loads", lambda *_, **__: pytest.fail("plistlib was asked"))
            assert decode(blob) == MBFile(7, 33188, relative_path="a/path")


def test_layouts_that_never_come_again_are_not_learned_for_ever() -> None:
    mbfile._known.__init__()  # type: ignore[misc]
    learned = 0
    for number in range(1000):
        before = dict(mbfile._known.shapes)
        decode(archive({"Size": 1, "Mode": 2, f"Odd{number}": 3, "RelativePath": plistlib.UID(2)}, "x"))
        learned += mbfile._known.shapes != before
    assert learned <= 150
    assert len(mbfile._known.cuts) <= mbfile_shapes._MAX_CUTS


@given(records(), st.data())
def test_damaged_records_read_as_plistlib_reads_them_or_are_refused(blob: bytes, data: st.DataObject) -> None:
    decode(blob)
    damaged = bytearray(blob)
    for _ in range(data.draw(st.integers(1, 3))):
        damaged[data.draw(st.integers(0, len(blob) - 1))] = data.draw(st.integers(0, 255))
    damaged = damaged[: len(damaged) - data.draw(st.sampled_from([0, 0, 0, 1, 40]))]
    in_one_pass = None
    with contextlib.suppress(mbfile_any_layout.UnusualRecord, IndexError, UnicodeDecodeError, struct.error):
        in_one_pass = MBFile._make(mbfile_any_layout.read(bytes(damaged)))
    try:
        size, _ = mbfile.glance(bytes(damaged))
        got = decode(bytes(damaged))
    except NotABackup:
        return
    try:
        wanted = by_plistlib(bytes(damaged))
    except Exception:  # noqa: BLE001 - the reference chokes on what the fast way has no need to look at
        return
    assert got == wanted
    assert in_one_pass in (None, wanted)
    assert size == wanted.size


def test_many_beginnings_do_not_pile_up() -> None:
    for number in range(mbfile_shapes._MAX_SHAPES + 50):
        fields = {"Size": 1, "Mode": 2, f"Odd{number}": 3, "RelativePath": plistlib.UID(2)}
        assert decode(archive(fields, "x")).relative_path == "x"
    assert len(mbfile._known.shapes) <= mbfile_shapes._MAX_SHAPES


NUMBER = plistlib.UID(3)


@pytest.mark.parametrize(
    ("odd", "wanted"),
    [
        ({"LastModified": 1_700_000_000.75}, {"modified": 1_700_000_000}),
        ({"Birth": -0.5}, {"born": -1}),
        ({"Flags": True}, {"flags": 1}),
        ({"Size": NUMBER}, {"size": 4096}),
        ({"Size": 4096.0}, {"size": 4096}),
        ({"RelativePath": plistlib.UID(4)}, {"relative_path": "b"}),
    ],
    ids=["fraction", "negative fraction", "boolean", "number object", "whole fraction", "mutable text"],
)
def test_other_ways_to_archive_the_same_value(odd: dict[str, object], wanted: dict[str, object]) -> None:
    """A deep check that refuses what a quick one passes would call a good backup damaged."""
    plain = {"Size": 1, "Mode": 2, "RelativePath": plistlib.UID(2)}
    blob = archive(plain | odd, "a", 4096, {"NS.string": "b", "$class": plistlib.UID(5)})
    expected = MBFile(size=1, mode=2, relative_path="a")._replace(**wanted)  # type: ignore[arg-type]
    for _ in range(2):
        assert decode(blob) == expected
        assert mbfile.glance(blob) == (expected.size, False)


@pytest.mark.parametrize(
    ("blob", "says"),
    [
        (b"", "empty"),
        (b"bplist00", "incomplete"),
        (plistlib.dumps({"a": 1}, fmt=plistlib.FMT_BINARY), "archived object"),
        (plistlib.dumps([], fmt=plistlib.FMT_BINARY), "archived object"),
        (archive({"Size": 5}), "no Mode"),
        (archive({"Mode": 5}), "no Size"),
        (archive({"Size": "big", "Mode": 5}), "Size is not a number"),
        (archive({"Size": 1.5, "Mode": 5}), "Size is not a number"),
        (archive({"Size": 1, "Mode": 5, "Birth": float("nan")}), "Birth is not a number"),
        (archive({"Size": 1, "Mode": 5, "RelativePath": plistlib.UID(99)}), "refers to nothing"),
        (archive({"Size": 1, "Mode": 5, "Digest": plistlib.UID(2)}, "text"), "Digest is not data"),
        (archive({"Size": 1, "Mode": 5, "Target": plistlib.UID(2)}, 7), "Target is not text"),
        (b"x" * 300_000, "limit"),
    ],
)
def test_records_that_are_none(blob: bytes, says: str) -> None:
    with pytest.raises(NotABackup, match=says):
        decode(blob)
