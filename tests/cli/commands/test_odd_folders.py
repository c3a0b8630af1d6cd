"""Backups as other programs, copies and disks leave them: what is there is named, read and taken out."""

import gzip
import os
import re
import sqlite3
import tarfile
import unicodedata
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import pytest

from cli.commands.test_files_extract_diff import Run, alone, mint, password, said
from support.minted import Mint, Minted, Spec, decrypted, encrypt, tree_of, with_parents

__all__ = ["alone", "mint", "password", "said"]

PASSWORD = "correct horse"
Form = Literal["NFC", "NFD"]
SECRET = pytest.mark.parametrize("secret", [None, PASSWORD], ids=["plain", "encrypted"])


def flat(text: str) -> str:
    return " ".join(text.split())


def taken_out(made: Minted, to: Path) -> int:
    """How many of the files came out as they were."""
    there = [spec for spec in made.specs if spec.flags == 1 and (to / spec.domain / spec.path).is_file()]
    assert all((to / each.domain / each.path).read_bytes() == each.content for each in there)
    return len(there)


def files(made: Minted) -> int:
    return sum(spec.flags == 1 for spec in made.specs)


def move(made: Minted, to: Callable[[str], str]) -> None:
    """Put each stored file where a function of its name says."""
    for path in [path for path in made.folder.rglob("*") if re.fullmatch("[0-9a-f]{40}", path.name)]:
        target = made.folder / to(path.name)
        target.parent.mkdir(exist_ok=True)
        path.rename(target)
    for folder in [path for path in made.folder.iterdir() if path.is_dir() and not any(path.iterdir())]:
        folder.rmdir()


ARRANGED: dict[str, tuple[Callable[[str], str], str]] = {
    "flat": (lambda name: name, "not in the folders"),
    "an ending": (lambda name: f"{name[:2]}/{name}.bin", "'.bin'"),
    "endings": (lambda name: f"{name[:2]}/{name}.{'jpg' if name < '8' else 'plist'}", "have endings"),
    "flat with an ending": (lambda name: f"{name}.bin", "'.bin'"),
    "capitals": (lambda name: f"{name[:2].upper()}/{name.upper()}", "in capitals"),
    "one folder": (lambda name: f"00/{name}", "not in the folders"),
}


@SECRET
@pytest.mark.parametrize("how", ARRANGED)
def test_files_that_another_program_moved_or_renamed(
    said: Run, mint: Mint, password: Path, tmp_path: Path, how: str, secret: str | None
) -> None:
    made = mint(secret)
    to, told = ARRANGED[how]
    move(made, to)
    before = tree_of(made.folder)
    given = ("--password-file", password)
    code, _, err = said("extract", made.folder, "--all", "--to", tmp_path / "out", *given)
    assert code == 0, err
    assert told in flat(err)
    assert taken_out(made, tmp_path / "out") == files(made)
    for level in ("quick", "full", "deep"):
        code, out, _ = said("verify", made.folder, "--level", level, *given)
        assert code == 4
        assert "NO FILE LOST" in out
        assert "The phone's files: another program moved or renamed them" in flat(out)
        assert told in flat(out)
        assert "missing" not in out
        assert "new backup now" not in flat(out)
    code, out, err = said("import", made.folder, "--settled", *given)
    assert code == 4
    assert "No file is lost" in flat(out + err)
    code, out, err = said("rehearse", made.folder, *given)
    assert code == 21
    assert "no file is lost" in flat(out + err)
    assert tree_of(made.folder) == before


def test_damage_is_found_in_moved_files_too(said: Run, mint: Mint, tmp_path: Path) -> None:
    made = mint()
    move(made, lambda name: f"{name}.bin")
    sms = made.folder / f"{made.file_id('HomeDomain', 'Library/SMS/sms.db')}.bin"
    sms.write_bytes(b"x" * sms.stat().st_size)
    made.blob("CameraRollDomain", "Media/DCIM/100APPLE/IMG_0001.HEIC").with_suffix(".bin").unlink(
        missing_ok=True
    )
    code, out, _ = said("verify", made.folder)
    assert code == 4
    assert "DAMAGED" in out
    assert "sms.db" in out


def test_files_of_ios_9_in_folders_of_their_own(said: Run, mint: Mint, tmp_path: Path) -> None:
    made = mint(era="mbdb")
    move(made, lambda name: f"{name[:2]}/{name}")
    code, _, err = said("extract", made.folder, "--all", "--to", tmp_path / "out")
    assert code == 0, err
    assert taken_out(made, tmp_path / "out") == files(made)


def test_files_that_are_packed_one_by_one_are_not_taken_for_the_files(
    said: Run, mint: Mint, tmp_path: Path
) -> None:
    made = mint()
    for path in list(made.folder.glob("??/*")):
        path.with_name(path.name + ".gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    code, _, err = said("extract", made.folder, "--all", "--to", tmp_path / "out")
    assert code == 4
    assert "packed one by one ('.gz')" in flat(err)
    assert taken_out(made, tmp_path / "out") == 0


# -- a list that is damaged ---------------------------------------------------------------------------------


def many(mint: Mint, secret: str | None) -> Minted:
    """A backup whose list has enough pages to lose some."""
    specs = [
        Spec("CameraRollDomain", f"Media/DCIM/{number % 7}/IMG_{number:04}.JPG", b"%d" % number)
        for number in range(600)
    ]
    return mint(secret, specs=with_parents(specs))


def change_list(made: Minted, change: Callable[[bytearray], object]) -> None:
    path = made.folder / "Manifest.db"
    stored = path.read_bytes()
    data = bytearray(decrypted(made.manifest_key, stored) if made.manifest_key else stored)
    change(data)
    path.write_bytes(encrypt(made.manifest_key, bytes(data)) if made.manifest_key else bytes(data))


@SECRET
@pytest.mark.parametrize("kept", [0.2, 0.5, 0.9])
def test_a_list_whose_copy_did_not_finish(
    said: Run, mint: Mint, password: Path, tmp_path: Path, kept: float, secret: str | None
) -> None:
    made = many(mint, secret)
    path = made.folder / "Manifest.db"
    os.truncate(path, int(path.stat().st_size * kept) - 5)
    before = tree_of(made.folder)
    given = ("--password-file", password)
    code, out, err = said("extract", made.folder, "--all", "--to", tmp_path / "out", *given)
    assert code == 4, out
    assert "it is cut off" in flat(err).lower()
    came = taken_out(made, tmp_path / "out")
    assert came > files(made) * kept / 4
    assert f"name {came:,} of the {files(made):,} files here" in flat(err)
    assert "nobody can tell which files" in flat(out)
    code, out, _ = said("verify", made.folder, *given)
    assert code == 4
    assert "pages are here" in flat(out)
    assert tree_of(made.folder) == before


@pytest.mark.parametrize("flags", [-1, -(1 << 62), (1 << 63) - 1, 0])
def test_a_row_of_no_kind_in_a_cut_list_costs_no_other(
    said: Run, mint: Mint, tmp_path: Path, flags: int
) -> None:
    made = many(mint, None)
    made.edit_database(
        lambda db: db.execute("UPDATE Files SET flags = ? WHERE relativePath LIKE '%IMG_0001.JPG'", (flags,))
    )
    os.truncate(made.folder / "Manifest.db", (made.folder / "Manifest.db").stat().st_size * 3 // 4)
    code, _, err = said("extract", made.folder, "--all", "--to", tmp_path / "out")
    assert code == 4, err
    assert taken_out(made, tmp_path / "out") > files(made) / 4


def test_a_cut_list_beside_no_plists(said: Run, mint: Mint, tmp_path: Path) -> None:
    """What is wrong with the list is named, not only what is wrong with the plists."""
    made = many(mint, None)
    os.truncate(made.folder / "Manifest.db", (made.folder / "Manifest.db").stat().st_size // 2)
    for name in ("Manifest.plist", "Status.plist"):
        (made.folder / name).unlink()
    _, _, err = said("extract", made.folder, "--all", "--to", tmp_path / "out")
    assert "Manifest.db cannot be read. It is cut off" in flat(err)
    assert taken_out(made, tmp_path / "out") > 0
    code, out, _ = said("verify", made.folder)
    assert code == 4
    assert "pages are here" in flat(out)


@SECRET
def test_a_list_whose_beginning_is_lost(
    said: Run, mint: Mint, password: Path, tmp_path: Path, secret: str | None
) -> None:
    """The schema and the tree are gone with the first page; the pages with rows are all there."""
    made = many(mint, secret)
    change_list(made, lambda data: data.__setitem__(slice(100, 4096), bytes(3996)))
    code, _, err = said(
        "extract", made.folder, "--all", "--to", tmp_path / "out", "--password-file", password
    )
    assert code == 4
    assert taken_out(made, tmp_path / "out") == files(made), err


def inner_page(made: Minted) -> int:
    """Where the page is that leads to all rows of Files."""
    scratch = made.root / "look.db"
    data = (made.folder / "Manifest.db").read_bytes()
    scratch.write_bytes(data[:18] + b"\x01\x01" + data[20:])
    db = sqlite3.connect(scratch)
    (page,) = db.execute("SELECT rootpage FROM sqlite_master WHERE name = 'Files'").fetchone()
    db.close()
    assert data[(page - 1) * 4096] == 5
    return (int(page) - 1) * 4096


def test_a_page_that_leads_to_others_is_lost(said: Run, mint: Mint, tmp_path: Path) -> None:
    made = many(mint, None)
    start = inner_page(made)
    change_list(made, lambda data: data.__setitem__(slice(start, start + 4096), bytes(4096)))
    code, _, err = said("extract", made.folder, "--all", "--to", tmp_path / "out")
    assert code == 4
    assert taken_out(made, tmp_path / "out") == files(made), err


def test_nothing_that_was_not_in_the_list_is_made_up(said: Run, mint: Mint, tmp_path: Path) -> None:
    """Each row proves itself by its name, so that random pages give none."""
    made = many(mint, None)
    path = made.folder / "Manifest.db"
    path.write_bytes(path.read_bytes()[:100] + b"\x0d\0\0\0\xff\x01\x02" * 3000)
    code, _, err = said("extract", made.folder, "--photos", "--to", tmp_path / "out")
    assert code in (4, 21), err
    assert taken_out(made, tmp_path / "out") == 0


# -- archives -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["Manifest.db.gz", "Manifest.db"])
def test_a_list_that_is_packed(said: Run, mint: Mint, tmp_path: Path, name: str) -> None:
    made = mint()
    path = made.folder / "Manifest.db"
    data = gzip.compress(path.read_bytes())
    path.unlink()
    (made.folder / name).write_bytes(data)
    _, out, err = said("extract", made.folder, "--all", "--to", tmp_path / "out")
    assert "is a gzip archive" in flat(out + err)
    assert "in a copy of the folder" in flat(out + err)
    code, out, _ = said("verify", made.folder)
    assert code == 4
    assert "gzip archive" in flat(out)
    if name != "Manifest.db":
        (made.folder / "Manifest.plist").unlink()
        (made.folder / "Info.plist").unlink()
        code, out, err = said("verify", made.folder)
        assert code == 21
        assert f"'{name}' is a gzip archive" in flat(out + err)


@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz"])
@pytest.mark.parametrize("command", ["verify", "extract", "import"])
def test_a_backup_in_an_archive(said: Run, mint: Mint, tmp_path: Path, kind: str, command: str) -> None:
    made = mint()
    folder = tmp_path / "from the old computer"
    folder.mkdir()
    archive = folder / f"backup.{kind}"
    if kind == "zip":
        with zipfile.ZipFile(archive, "w") as target:
            target.write(made.folder / "Manifest.db", "x/Manifest.db")
    else:
        with tarfile.open(archive, "w:gz" if kind.endswith("gz") else "w") as target:
            target.add(made.folder, "x")
    word = {"zip": "a zip archive", "tar": "a tar archive", "tar.gz": "a gzip archive"}[kind]
    more = ("--all", "--to", tmp_path / "out") if command == "extract" else ()
    for named in (archive, folder):
        code, out, err = said(command, named, *more)
        assert code == 21
        assert word in flat(out + err)
        assert "npack it first" in flat(out + err)


# -- without a list -----------------------------------------------------------------------------------------


def test_the_keys_of_an_encrypted_backup_are_data(said: Run, mint: Mint, password: Path) -> None:
    made = mint(PASSWORD)
    (made.folder / "Manifest.plist").unlink()
    code, out, _ = said("verify", made.folder, "--password-file", password)
    assert code == 4
    assert "DAMAGED" in out


@pytest.mark.parametrize("choice", ["--photos", "--messages", "--all"])
def test_a_part_is_not_called_all(said: Run, mint: Mint, tmp_path: Path, choice: str) -> None:
    """Without a list nobody knows what else was there."""
    made = mint()
    (made.folder / "Manifest.db").unlink()
    code, out, _ = said("extract", made.folder, choice, "--to", tmp_path / "out")
    assert code == 4
    assert "nobody can tell which files" in flat(out)
    assert taken_out(made, tmp_path / "out") > 0


def test_an_export_of_a_part_is_not_called_all_either(said: Run, mint: Mint, tmp_path: Path) -> None:
    made = mint()
    (made.folder / "Manifest.db").unlink()
    code, out, err = said("export", made.folder, "--contacts", "--to", tmp_path / "out")
    assert code == 4, err
    assert "nobody can tell what is missing" in flat(out)


# -- the level of trouble -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "change", "advice"),
    [
        ("Status.plist", lambda path: path.unlink(), "ibackup import FOLDER --settled"),
        ("Status.plist", lambda path: path.write_bytes(bytes(80)), "ibackup import FOLDER --settled"),
        ("Manifest.plist", lambda path: path.unlink(), "you need only its Manifest.plist"),
        (
            "Info.plist",
            lambda path: path.write_bytes(path.read_bytes().replace(b"00008101", b"00008199")),
            "delete it",
        ),
    ],
    ids=["no Status.plist", "zeros", "no Manifest.plist", "another phone's Info.plist"],
)
def test_no_new_backup_is_asked_for_where_only_a_plist_is_odd(
    said: Run, mint: Mint, name: str, change: Callable[[Path], object], advice: str
) -> None:
    made = mint()
    change(made.folder / name)
    code, out, _ = said("verify", made.folder)
    assert code == 4
    assert "NO FILE LOST" in out
    assert advice in flat(out)
    assert "new backup now" not in flat(out)
    if name == "Info.plist":  # no judge is content with what another refuses
        code, out, err = said("rehearse", made.folder)
        assert code == 4
        assert "No file is lost" in flat(out + err)
        code, out, err = said("import", made.folder, "--settled")
        assert code == 4
        assert "No file is lost" in flat(out + err)
    if name == "Manifest.plist":
        for command in (("rehearse",), ("import", "--settled")):
            code, out, err = said(*command, made.folder)
            assert code == (21 if command == ("rehearse",) else 4)
            assert "you need only its Manifest.plist" in flat(out + err)
            assert "new backup" not in flat(out + err)
    if name == "Status.plist":
        code, out, err = said("rehearse", made.folder)
        assert code == 21
        assert "`ibackup import --settled` creates it" in flat(out + err)
    made.blob("HomeDomain", "Library/SMS/sms.db").unlink()
    code, out, _ = said("verify", made.folder)
    assert "DAMAGED" in out
    assert "make a new backup now" in flat(out)


def test_a_folder_that_only_lacks_its_keys_wants_them_back(
    said: Run, mint: Mint, password: Path, tmp_path: Path
) -> None:
    made = mint(PASSWORD)
    (made.folder / "Manifest.plist").unlink()
    code, out, _ = said("verify", made.folder, "--password-file", password)
    assert code == 4
    assert "no encrypted file can be read without it" in flat(out)
    assert "you need only its Manifest.plist" in flat(out)
    assert "new backup" not in flat(out)


@SECRET
def test_a_list_under_another_name_is_given_back_its_name(
    said: Run, mint: Mint, password: Path, secret: str | None
) -> None:
    made = mint(secret)
    (made.folder / "Manifest.db").rename(made.folder / "Manifest (1).db")
    code, out, _ = said("verify", made.folder, "--password-file", password)
    assert code == 4
    assert "What to do: 'Manifest (1).db' may be it: in a copy of the folder, rename that" in flat(out)
    assert "new backup" not in flat(out)
    (made.folder / "Manifest (1).db").rename(made.folder / "Manifest.db")
    assert said("verify", made.folder, "--password-file", password)[0] == 0


def test_files_that_icloud_drive_took_away(said: Run, mint: Mint) -> None:
    made = mint()
    for path in sorted(made.folder.glob("??/*"))[:3]:
        path.with_name(f".{path.name}.icloud").write_bytes(b"bplist00")
        path.unlink()
    code, out, _ = said("verify", made.folder)
    assert code == 4
    assert "these files are in iCloud Drive" in flat(out)
    assert "new backup" not in flat(out)
    made.blob("HomeDomain", "Library/SMS/sms.db").unlink(missing_ok=True)
    next(path for path in made.folder.glob("??/*") if path.name[0] != ".").unlink()
    assert "make a new backup now" in flat(said("verify", made.folder)[1])


# -- names --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("stored", "typed"), [("NFD", "NFC"), ("NFC", "NFD"), ("NFD", "NFD")])
def test_accents_are_found_however_they_are_written(
    said: Run, mint: Mint, tmp_path: Path, stored: Form, typed: Form
) -> None:
    """Apps write an accented letter as one character or as two; keyboards and shells give one or the other."""
    name = "Documents/Grüße an Zoë/Café.txt"
    made = mint(
        None, specs=with_parents([Spec("AppDomain-x", unicodedata.normalize(stored, name), b"content")])
    )
    wanted = unicodedata.normalize(typed, "*café*")
    code, out, _ = said("files", made.folder, wanted)
    assert (code, len(out.splitlines())) == (0, 1)
    code, _, err = said("files", made.folder, unicodedata.normalize(typed, "Café.txt"))
    assert code == 0, err
    code, _, err = said("extract", made.folder, "--like", wanted, "--to", tmp_path / "out")
    assert code == 0, err
    assert taken_out(made, tmp_path / "out") == 1
    assert said("verify", made.folder)[0] == 0
