"""The hand-made listing, read by plistlib."""

import plistlib
import struct
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibackup.base.confined import FolderItem
from ibackup.device.folder.directory_listings import encode_listing

KINDS = {"file": "DLFileTypeRegular", "directory": "DLFileTypeDirectory", "other": "DLFileTypeUnknown"}
ITEMS = st.lists(
    st.builds(
        FolderItem,
        name=st.text(st.characters(codec="utf-8"), min_size=1, max_size=80),
        kind=st.sampled_from(["file", "directory", "other"]),
        size=st.integers(0, (1 << 63) - 1),
        mtime=st.integers(0, 4_000_000_000).map(float),
    ),
    max_size=40,
    unique_by=lambda item: item.name,
)


def read(items: list[FolderItem]) -> dict[str, dict[str, object]]:
    message = encode_listing(items)
    assert struct.unpack(">I", message[:4])[0] == len(message) - 4
    name, code, text, value = plistlib.loads(message[4:], fmt=plistlib.FMT_BINARY)
    assert (name, code, text) == ("DLMessageStatusResponse", 0, "___EmptyParameterString___")
    assert isinstance(value, dict)
    return value


@given(items=ITEMS)
def test_what_is_listed_is_read(items: list[FolderItem]) -> None:
    found = read(items)
    assert list(found) == [item.name for item in items]
    for item in items:
        when = datetime.fromtimestamp(item.mtime, UTC).replace(tzinfo=None)
        assert found[item.name] == {
            "DLFileType": KINDS[item.kind],
            "DLFileSize": item.size,
            "DLFileModificationDate": when,
        }


def test_an_empty_folder() -> None:
    assert read([]) == {}


@pytest.mark.parametrize("count", [1, 14, 15, 16, 255, 256, 1500])
def test_folders_of_every_size(count: int) -> None:
    items = [FolderItem(f"{number:040x}", "file", number, 1.7e9 + number) for number in range(count)]
    found = read(items)
    assert [entry["DLFileSize"] for entry in found.values()] == list(range(count))


def test_the_same_values_as_plistlib_writes() -> None:
    items = [FolderItem("ab" * 20, "file", 16, 1.7e9), FolderItem("Größe😀", "directory", 0, 1.6e9)]
    other = plistlib.loads(
        plistlib.dumps(
            {
                item.name: {
                    "DLFileType": KINDS[item.kind],
                    "DLFileSize": item.size,
                    "DLFileModificationDate": datetime.fromtimestamp(item.mtime, UTC).replace(tzinfo=None),
                }
                for item in items
            },
            fmt=plistlib.FMT_BINARY,
        )
    )
    assert read(items) == other
