"""The notes out of a sysdiagnose archive, whole, damaged and hostile."""

import gzip
import io
import os
import plistlib
import tarfile
import tracemalloc
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibackup.base.errors import NotABackup
from ibackup.doctor.evidence.sighting import Seen, Unseen
from ibackup.doctor.gather import sysdiagnose, tar_stream
from ibackup.simulator import cloudfiles
from ibackup.simulator.cloudspec import AttemptSpec, ICloudSpec
from ibackup.simulator.spec import PhoneSpec

MADE = 1_790_000_000
CLOUD = ICloudSpec(now=MADE, attempts=(AttemptSpec(code=305, days=1),), allowed=False)
ROOT = "sysdiagnose_2026.09.21_16-13-20+0200_iPhone-OS_iPhone_22G100"
NOTES = "logs/MobileBackup/com.apple.MobileBackup.plist"
SETTINGS = "logs/MCState/User/EffectiveUserSettings.plist"
FILES = {
    "system_logs.logarchive/0.tracev3": os.urandom(200_000),
    NOTES: plistlib.dumps(cloudfiles.notes(CLOUD)),
    SETTINGS: plistlib.dumps(cloudfiles.user_settings(PhoneSpec(), CLOUD)),
    "WiFi/com.apple.wifi.known-networks.plist": plistlib.dumps({}),
}


def archive(
    path: Path,
    files: dict[str, bytes],
    *,
    form: int = tarfile.PAX_FORMAT,
    root: str = ROOT,
    packed: bool = True,
) -> Path:
    with tarfile.open(path, "w:gz" if packed else "w", format=form) as target:
        for name, data in files.items():
            member = tarfile.TarInfo(f"{root}/{name}")
            member.size, member.mtime = len(data), MADE
            target.addfile(member, io.BytesIO(data))
    return path


@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT])
@pytest.mark.parametrize("packed", [True, False])
def test_the_same_files_as_in_a_backup(tmp_path: Path, form: int, packed: bool) -> None:
    noted, source = sysdiagnose.read(str(archive(tmp_path / "a.tar.gz", FILES, form=form, packed=packed)))
    assert source.kind == "sysdiagnose"
    assert source.date == datetime.fromtimestamp(MADE, UTC)
    assert isinstance(noted.notes, Seen)
    assert [error.code for error in noted.notes.value.errors] == [305]
    assert isinstance(noted.settings, Seen)
    assert noted.settings.value.allow_cloud_backup is False
    assert isinstance(noted.accounts, Unseen)


@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_long_names(tmp_path: Path, form: int) -> None:
    deep = "/".join(["a long name of a folder"] * 12)
    noted, _ = sysdiagnose.read(str(archive(tmp_path / "a.tar.gz", FILES, form=form, root=deep)))
    assert isinstance(noted.notes, Seen)


def test_what_comes_after_damage_is_done_without(tmp_path: Path) -> None:
    whole = archive(
        tmp_path / "a.tar", {NOTES: FILES[NOTES], "x": bytes(9000), SETTINGS: FILES[SETTINGS]}, packed=False
    )
    (tmp_path / "b.tar").write_bytes(whole.read_bytes()[:8000])
    noted, _ = sysdiagnose.read(str(tmp_path / "b.tar"))
    assert isinstance(noted.notes, Seen)
    assert isinstance(noted.settings, Unseen)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x1f\x8b",
        b"\x1f\x8b" + bytes(50),
        b"no archive at all" * 100,
        bytes(10_240),
        gzip.compress(b"x" * 3000),
    ],
    ids=["empty", "gzip_head", "gzip_of_nothing", "text", "zeros", "packed_text"],
)
def test_what_is_no_archive(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.tar.gz"
    path.write_bytes(content)
    with pytest.raises(NotABackup) as caught:
        sysdiagnose.read(str(path))
    assert "sysdiagnose_" in caught.value.hint


def test_one_that_is_not_there(tmp_path: Path) -> None:
    for path in (tmp_path / "none.tar.gz", tmp_path):
        with pytest.raises(NotABackup, match="cannot be read"):
            sysdiagnose.read(str(path))


def test_one_that_has_nothing_of_it(tmp_path: Path) -> None:
    with pytest.raises(NotABackup, match="nothing about iCloud"):
        sysdiagnose.read(str(archive(tmp_path / "a.tar.gz", {"other": b"x"})))


def test_links_and_folders_of_those_names_count_for_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w") as target:
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE):
            member = tarfile.TarInfo(f"{ROOT}/{NOTES}")
            member.type, member.linkname = kind, "/etc/passwd"
            target.addfile(member)
    with pytest.raises(NotABackup):
        sysdiagnose.read(str(path))


def header(kind: bytes, size: int, name: bytes = b"x") -> bytes:
    head = bytearray(512)
    head[: len(name)] = name
    head[124:136] = b"%011o\0" % size if size < 8**11 else b"\x80" + size.to_bytes(11, "big")
    head[156:157] = kind
    head[148:156] = b" " * 8
    head[148:156] = b"%06o\0 " % sum(head)
    return bytes(head)


@pytest.mark.parametrize("kind", [b"L", b"x", b"g", b"K", b"0"])
def test_a_member_that_claims_to_be_endless_costs_no_memory(tmp_path: Path, kind: bytes) -> None:
    """A name of a terabyte; a gigabyte of zeros for every megabyte on the disk."""
    path = tmp_path / "bomb.tar.gz"
    with gzip.open(path, "wb", compresslevel=1) as target:
        target.write(header(kind, 1 << 28, f"{ROOT}/{NOTES}".encode()))
        for _ in range(64):
            target.write(bytes(1 << 20))
    tracemalloc.start()
    try:
        with pytest.raises(NotABackup):
            sysdiagnose.read(str(path))
        assert tracemalloc.get_traced_memory()[1] < 30 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("size", [1 << 40, (1 << 80) - 1])
def test_a_size_beyond_all_bounds_is_not_begun_with(tmp_path: Path, size: int) -> None:
    path = tmp_path / "bomb.tar"
    path.write_bytes(header(b"0", size) + bytes(1 << 20))
    with pytest.raises(NotABackup, match="more than any phone makes"):
        sysdiagnose.read(str(path))


def test_a_file_with_holes(tmp_path: Path) -> None:
    path = tmp_path / "holes.tar"
    path.write_bytes(header(b"S", 512) + bytes(10_240))
    with pytest.raises(NotABackup, match="sparse"):
        sysdiagnose.read(str(path))


@given(st.binary(max_size=2048), st.lists(st.tuples(st.integers(0, 4000), st.integers(0, 255)), max_size=8))
def test_no_bytes_are_an_error_of_ours(noise: bytes, changes: list[tuple[int, int]]) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as target:
        member = tarfile.TarInfo("ü" * 90)
        member.size = len(noise)
        target.addfile(member, io.BytesIO(noise))
    data = bytearray(buffer.getvalue())
    for place, value in changes:
        data[place % len(data)] = value
    try:
        for found in tar_stream.files(io.BytesIO(bytes(data)), lambda _: 4096):
            assert len(found.data) <= 4096
    except tar_stream.BadArchive:
        pass


def test_a_size_in_a_pax_record_counts(tmp_path: Path) -> None:
    """Files too large for a header's octal digits have theirs in a record before them."""
    body = b"content of the file" * 20
    record = b"%d size=%d\n" % (len(b"00 size=%d\n" % len(body)), len(body))
    data = (
        header(b"x", len(record))
        + record.ljust(512, b"\0")
        + header(b"0", 0, b"named")
        + body.ljust(512, b"\0")
    )
    data += header(b"0", 3, b"next") + b"abc".ljust(512, b"\0") + bytes(1024)
    found = list(tar_stream.files(io.BytesIO(data), lambda _: 4096))
    assert [(each.name, each.data) for each in found] == [("named", body), ("next", b"abc")]
