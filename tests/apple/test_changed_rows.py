"""The rows of two lists that differ, found in blocks, against what two dictionaries say."""

import sqlite3
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibackup.apple import manifest_db
from ibackup.apple.manifest_db import ManifestDb

LISTS = st.dictionaries(st.integers(0, 30).map(lambda number: f"{number:040x}"), st.integers(0, 2))


def a_list(path: Path, rows: dict[str, int]) -> ManifestDb:
    path.unlink(missing_ok=True)
    db = sqlite3.connect(path)
    db.execute(
        "CREATE TABLE Files (fileID TEXT PRIMARY KEY, domain TEXT, relativePath TEXT, flags INTEGER, file BLOB)"
    )
    db.executemany(
        "INSERT INTO Files VALUES (?, 'D', 'p', 1, ?)", [(name, bytes([n])) for name, n in rows.items()]
    )
    db.execute(
        "INSERT INTO Files VALUES (X'00', 'D', 'p', 1, X'07')"
    )  # an id that is no text has no place in an order
    db.commit()
    db.close()
    return ManifestDb.open_path(str(path))


@given(before=LISTS, after=LISTS, kept=st.integers(0, 40))
def test_what_differs_is_found_in_blocks(
    tmp_path_factory: pytest.TempPathFactory, before: dict[str, int], after: dict[str, int], kept: int
) -> None:
    folder = tmp_path_factory.getbasetemp()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(manifest_db, "_BLOCK_ROWS", 3)
        patch.setattr(manifest_db, "_MOST_WITHOUT_EQUAL", kept)
        old, new = a_list(folder / "old.db", before), a_list(folder / "new.db", after)
        found = list(new.changed_since(old))
        old.close()
        new.close()
    both = sorted(before.keys() & after.keys())
    assert sorted(found) == [
        (n, bytes([before[n]]), bytes([after[n]])) for n in both if before[n] != after[n]
    ]
