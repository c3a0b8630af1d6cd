"""What a NAS, a file manager or a sync program leaves in a backup is named once, and is no damage."""

from pathlib import Path

import pytest

from apple.verify.test_verify import PASSWORD, kinds, run
from ibackup.apple.verify.findings import Level
from support.minted import Mint

LITTER = (
    "@eaDir/IMG@SynoEAStream",
    "00/@eaDir/SYNOINDEX_MEDIA_INFO/x.jpg",
    ".@__thumb/default",
    ".stfolder/marker",
    ".dropbox",
    ".AppleDouble/Manifest.db",
    "#recycle/old",
    ".nfs00000000012345",
    "Icon\r",
    "System Volume Information/WPSettings.dat",
    "a0/Thumbs.db",
)


def leave(folder: Path, names: tuple[str, ...] = LITTER) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_bytes(b"not a backup's")


@pytest.mark.parametrize("level", list(Level))
@pytest.mark.parametrize("sealed", [True, False])
def test_one_note_for_all_of_it(mint: Mint, level: Level, sealed: bool) -> None:
    made = mint(PASSWORD)
    made.seal()
    leave(made.folder)
    findings = run(made, level, sealed=sealed)[0]
    assert [(finding.kind, finding.is_damage) for finding in findings] == [("not-in-manifest", False)]
    assert f"{len(LITTER)} files from a NAS" in findings[0].found


@pytest.mark.parametrize("name", ["@eaDir/x", ".DS_Store"])
def test_what_was_sealed_with_the_rest(mint: Mint, name: str) -> None:
    """By `sha256sum`, for example: it may go, and while it is there it is what it was."""
    made = mint(PASSWORD)
    leave(made.folder, (name,))
    made.seal()
    assert kinds(run(made, Level.FULL, sealed=True)[0]) == []
    (made.folder / name).write_bytes(b"changed since then")
    assert kinds(run(made, Level.FULL, sealed=True)[0]) == [("content-changed", True, name)]
    (made.folder / name).unlink()
    assert kinds(run(made, Level.FULL, sealed=True)[0]) == []
