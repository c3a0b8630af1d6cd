"""An imported backup that another program decrypted: the next backup is a full one, which a phone can restore."""

import plistlib
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from cli.conftest import BOB, Cli, snapshots
from ibackup.simulator.virtual_phone import VirtualPhone

Plug = Callable[..., list[VirtualPhone]]


def say_plain(folder: Path) -> None:
    """Have its plist say that nothing is encrypted, as some programs do after they decrypted some of it."""
    path = folder / "Manifest.plist"
    values = plistlib.loads(path.read_bytes()) | {"IsEncrypted": False}
    path.write_bytes(plistlib.dumps(values, fmt=plistlib.FMT_BINARY))


@pytest.mark.parametrize("changed", [True, False], ids=["changed", "as the phone made it"])
def test_the_phone_sends_everything_after_an_altered_import(
    ibackup: Cli, plugged: Plug, bobs: Path, tmp_path: Path, password_file: Path, changed: bool
) -> None:
    folder = tmp_path / "other" / BOB.udid
    shutil.copytree(snapshots(bobs, BOB)[0] / BOB.udid, folder)
    if changed:
        say_plain(folder)
    given = ("--store", tmp_path / "fresh", "--password-file", password_file, "--json")
    imported = ibackup("import", folder, "--settled", *given)
    assert imported.code == 0
    assert bool(imported.result["not_restorable"]) is changed

    plugged(BOB)
    made = ibackup("now", *given)
    assert made.code == 0
    assert made.result["full"] is changed
    assert ("cannot build on it" in made.out) is changed

    assert ibackup("rehearse", *given).code == 0
    again = ibackup("now", *given)
    assert again.result["full"] is False, "only the import itself is left out"
