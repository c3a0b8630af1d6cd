"""Manifest.db of the virtual iPhone beside that of a real one."""

import sqlite3
from pathlib import Path

import pytest

from ibackup.simulator.written_manifest_db import (
    ManifestReader,
    ManifestWriter,
    SuspendedManifest,
    WrittenRow,
    missing,
)

REAL = Path(__file__).parents[3] / "shared" / "fixtures" / "real-ios-14.3" / "Manifest.db"
PRAGMAS = ("page_size", "user_version", "auto_vacuum", "encoding", "application_id")


def rows(count: int) -> list[WrittenRow]:
    return [WrittenRow(f"{n:040x}", "HomeDomain", f"Library/{n}", 1, b"x" * 600) for n in range(count)]


def write(path: Path, count: int = 2500) -> Path:
    writer = ManifestWriter(str(path))
    for row in rows(count):
        writer.add(row)
    writer.finish({"salt": b"s" * 20})
    return path


def described(path: Path) -> tuple[object, ...]:
    database = sqlite3.connect(f"{path.as_uri()}?immutable=1", uri=True)
    schema = database.execute("SELECT type, name, tbl_name, sql FROM sqlite_master").fetchall()
    values = [database.execute(f"PRAGMA {name}").fetchone() for name in PRAGMAS]
    database.close()
    return sorted(map(str, schema)), values, path.read_bytes()[:24], path.read_bytes()[56:64]


def test_it_looks_like_a_real_one(tmp_path: Path) -> None:
    if not REAL.exists():
        pytest.skip("no fixtures here")
    assert described(write(tmp_path / "ours.db")) == described(REAL)


def test_header_and_integrity(tmp_path: Path) -> None:
    path = write(tmp_path / "m.db")
    data = path.read_bytes()
    assert data[18:20] == b"\x02\x02"
    assert len(data) % 4096 == 0
    assert int.from_bytes(data[28:32], "big") * 4096 == len(data)
    assert [each.name for each in tmp_path.iterdir()] == ["m.db"]
    with sqlite3.connect(path) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert database.execute("SELECT * FROM Properties").fetchall() == [("salt", b"s" * 20)]
    database.close()


def test_reading_back(tmp_path: Path) -> None:
    path = write(tmp_path / "m.db")
    with path.open("ab") as file:
        file.write(b"\x10" * 16)  # what stays on after decryption
    with ManifestReader(str(path)) as manifest:
        assert list(manifest.rows()) == rows(2500)
        assert manifest.record(f"{7:040x}") == b"x" * 600
        assert manifest.record("nothing") is None
        assert manifest.find("HomeDomain", "Library/9") == rows(10)[9]
        present = [row.file_id for row in rows(2500)]
        assert missing(manifest, present) == []
        assert missing(manifest, present[1:]) == present[:1]


def test_rows_survive_a_suspension(tmp_path: Path) -> None:
    writer = ManifestWriter(str(tmp_path / "m.db"))
    for row in rows(1500):
        writer.add(row)
    writer.suspend()
    kept = SuspendedManifest(str(tmp_path / "m.db"))
    assert kept.record(f"{1499:040x}") == b"x" * 600
    kept.close()


@pytest.mark.parametrize("data", [b"", b"x" * 100, b"x" * 8192, b"SQLite format 3\0" + bytes(8192)])
def test_junk_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "m.db").write_bytes(data)
    with pytest.raises(ValueError, match="Manifest"):
        ManifestReader(str(tmp_path / "m.db"))
