"""Which paths a phone may name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibackup.base.confined import PathRefused
from ibackup.base.exit_codes import ExitCode
from ibackup.device.folder.allowed_paths import BackupPaths
from support.scripted import UDID, blob

PATHS = BackupPaths(UDID)
ID = "ab" + "0" * 38

KNOWN = [
    "Info.plist",
    "Status.plist",
    "Manifest.plist",
    "Manifest.db",
    "Manifest.mbdb",
    "Manifest.mbdx",
    "ab",
    f"ab/{ID}",
    ID,
    "Snapshot",
    "Snapshot/ab",
    f"Snapshot/ab/{ID}",
    "Snapshot/Manifest.db",
    "Snapshot/Manifest.plist",
    "Snapshot/Status.plist",
]
UNKNOWN = ["New.plist", "ab/notes", f"cd/{ID}", "Extra/ab/cd/ef", "Snapshot/New/x", "Größe"]
REFUSED = [
    "",
    "/",
    "/etc/passwd",
    UDID[:-1],
    f"{UDID}x/Info.plist",
    f"{UDID.lower()}/Info.plist",
    f"{UDID}-20261122-020004/Info.plist",
    f"/{UDID}/Info.plist",
    f"./{UDID}/Info.plist",
    "..",
    f"{UDID}/..",
    f"{UDID}/../x",
    f"{UDID}/ab/../../../x",
    f"{UDID}/./Info.plist",
    f"x/../{UDID}/Info.plist",
    f"{UDID}/a/b/c/d/e",
    f"{UDID}\\Info.plist",
    f"{UDID}/C:x",
    f"{UDID}/CON",
    f"{UDID}/nul.txt",
    f"{UDID}/trailing.",
    f"{UDID}/trailing ",
    f"{UDID}/a\0b",
    f"{UDID}/a\nb",
    f"{UDID}/{'n' * 256}",
    f"{UDID}/" + "x/" * 3000,
    f"{UDID}/\ud800",
    f"{UDID}/manifest.DB",
    f"{UDID}/SNAPSHOT/ab",
    f"{UDID}/AB",
    f"{UDID}/ab/{ID.upper()}",
    "_unback_/x",
]


@pytest.mark.parametrize("path", KNOWN)
def test_what_the_format_knows(path: str) -> None:
    parts = PATHS.parse(f"{UDID}/{path}")
    assert parts == tuple(path.split("/"))
    assert PATHS.is_known(parts)
    assert PATHS.parse(f"{UDID}//{path}/") == parts


@pytest.mark.parametrize("path", UNKNOWN)
def test_plain_names_that_it_does_not_know(path: str) -> None:
    parts = PATHS.parse(f"{UDID}/{path}")
    assert parts == tuple(path.split("/"))
    assert not PATHS.is_known(parts)


@pytest.mark.parametrize("path", REFUSED)
def test_everything_else(path: str) -> None:
    with pytest.raises(PathRefused) as caught:
        PATHS.parse(path)
    assert caught.value.exit_code == ExitCode.PHONE_REFUSED
    assert caught.value.hint
    assert caught.value.message.isprintable()


def test_the_folder_itself() -> None:
    assert PATHS.parse(UDID) == PATHS.parse(f"{UDID}/") == ()
    assert PATHS.is_known(())
    with pytest.raises(PathRefused):
        PATHS.parse_inside(UDID)


def test_most_paths_take_the_short_way() -> None:
    assert PATHS.blob(blob(1)) == PATHS.parse_inside(blob(1))
    assert PATHS.blob(blob(1, "")) == PATHS.parse_inside(blob(1, ""))
    for path in (blob(1) + "\n", blob(1) + "/", blob(1).upper(), "x" + blob(1), f"{UDID}/ab/cd{ID[2:]}"):
        assert PATHS.blob(path) is None


BITS = ["/", ".", "..", "ab", UDID, f"{UDID}/", "\\", ":", "é", " ", "\0", "Snapshot"]


@pytest.mark.promise("The phone is not trusted with the computer")
@given(path=st.lists(st.sampled_from(BITS), max_size=9).map("".join))
def test_nothing_leads_outside(path: str) -> None:
    try:
        parts = PATHS.parse(path)
    except PathRefused:
        return
    assert path.startswith(UDID)
    assert not {"", ".", ".."} & set(parts)
    assert not any("/" in part or "\\" in part or "\0" in part for part in parts)
