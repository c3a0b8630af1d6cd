"""An imported backup: what was compared with its list is said, and no backup builds on what was not."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from cli.conftest import BOB, Cli, snapshots
from ibackup.simulator.virtual_phone import VirtualPhone
from support.minted import Mint, Spec, with_parents

Plug = Callable[..., list[VirtualPhone]]


def copied(bobs: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "other" / BOB.udid
    shutil.copytree(snapshots(bobs, BOB)[0] / BOB.udid, folder)
    for path in folder.rglob("*"):
        path.chmod(0o700)
    return folder


@pytest.mark.promise("Any later change is found")
def test_two_encrypted_files_of_one_size_that_were_exchanged(tmp_path: Path, ibackup: Cli) -> None:
    """Each has its own key, so that the end of each file tells, and nothing else needs to be read."""
    photos = [Spec("CameraRollDomain", f"Media/DCIM/{name}.JPG", name.encode() * 3000) for name in "abcdef"]
    made = Mint(tmp_path)("secret", specs=with_parents(photos))
    blobs = [made.blob(spec.domain, spec.path) for spec in photos]
    content = [path.read_bytes() for path in blobs]
    for path, data in zip(blobs, [*content[1:], content[0]], strict=True):
        path.write_bytes(data)
    word = tmp_path / "word"
    word.write_text("secret")
    given = ("--store", tmp_path / "store", "--password-file", word)
    done = ibackup("import", made.folder, "--settled", *given)
    assert done.code == 4
    assert re.search(r"Media/DCIM/[a-f].JPG: does not decrypt", done.flat + " ".join(done.err.split()))


def test_a_quick_import_says_what_it_did_not_check(tmp_path: Path, ibackup: Cli) -> None:
    mint, word = Mint(tmp_path), tmp_path / "word"
    word.write_text("secret")
    for number, secret in enumerate([None, "secret"]):
        made = mint(secret)
        given = ("--settled", "--store", tmp_path / f"store{number}", "--password-file", word)
        done = ibackup("import", made.folder, *given)
        assert done.code == 0
        assert "Not checked: the content of all other files" in done.flat
        assert ("each file decrypts at its end" in done.flat) is (secret is not None)
    given = ("--settled", "--store", tmp_path / "another", "--password-file", word)
    assert "Not checked" not in ibackup("import", made.folder, "--level", "deep", *given).flat


@pytest.mark.promise("Any later change is found")
def test_no_backup_builds_on_an_import_that_nobody_could_compare(
    ibackup: Cli, plugged: Plug, bobs: Path, tmp_path: Path, password_file: Path
) -> None:
    folder = copied(bobs, tmp_path)
    where = ("--store", tmp_path / "fresh", "--json")
    imported = ibackup("import", folder, "--settled", *where)
    assert (imported.code, imported.result["checked"]) == (0, "phone")
    plugged(BOB)
    made = ibackup("now", *where)
    assert (made.code, made.result["full"]) == (0, True)
    assert "nobody has compared its files with their list" in made.out
    again = ibackup("now", *where)
    assert again.result["full"] is False, "only the import itself is left out"


def test_with_the_password_it_is_compared_first(
    ibackup: Cli, plugged: Plug, bobs: Path, tmp_path: Path, password_file: Path
) -> None:
    folder = copied(bobs, tmp_path)
    where = ("--store", tmp_path / "fresh", "--json")
    assert ibackup("import", folder, "--settled", *where).code == 0
    plugged(BOB)
    made = ibackup("now", "--password-file", password_file, *where)
    assert (made.code, made.result["full"]) == (0, False)


def test_a_deep_verification_is_enough_for_later(
    ibackup: Cli, plugged: Plug, bobs: Path, tmp_path: Path, password_file: Path
) -> None:
    folder = copied(bobs, tmp_path)
    where = ("--store", tmp_path / "fresh", "--json")
    assert ibackup("import", folder, "--settled", *where).code == 0
    assert ibackup("verify", "--level", "deep", "--password-file", password_file, *where).code == 0
    plugged(BOB)
    assert ibackup("now", *where).result["full"] is False


def test_one_that_is_not_what_its_list_says_is_not_built_on(
    ibackup: Cli, plugged: Plug, bobs: Path, tmp_path: Path, password_file: Path
) -> None:
    folder = copied(bobs, tmp_path)
    victim = max(folder.glob("??/*"), key=lambda path: path.stat().st_size)
    data = victim.read_bytes()
    victim.write_bytes(data[:-16] + bytes(16))  # the size is right, and its end does not decrypt
    where = ("--store", tmp_path / "fresh", "--json")
    assert ibackup("import", folder, "--settled", *where).code == 0
    plugged(BOB)
    made = ibackup("now", "--password-file", password_file, *where)
    assert (made.code, made.result["full"]) == (0, True)
    assert "Its files are not what its list says" in made.out
