"""The day when the phone is gone: a copied snapshot, a new computer, the recovery sheet."""

import shlex
import shutil
from dataclasses import replace

import pytest

from ibackup.simulator.spec import PhoneSpec
from support.program import MakeProgram, Program
from support.runs import PASSWORD, SMALL

NEW_PHONE = PhoneSpec(seed=12, name="New", ios_version="27.0")


def commands(page: str) -> list[list[str]]:
    """The lines of a recovery sheet that are to be typed, as a shell takes them apart."""
    return [shlex.split(line)[1:] for line in page.splitlines() if line.startswith("      ibackup ")]


def empty_computer(program: Program) -> dict[str, str | None]:
    """What a computer knows on which ibackup was never run."""
    home = program.folder / "new home"
    home.mkdir()
    return {"HOME": str(home), "IBACKUP_STATE_DIR": str(home / "state"), "IBACKUP_STORE": None}


@pytest.mark.parametrize("password", [None, PASSWORD], ids=["plain", "encrypted"])
def test_the_sheet_on_an_empty_computer(make_program: MakeProgram, password: str | None) -> None:
    program = make_program(replace(SMALL, backup_password=password))
    file = program.folder / "password"
    file.write_text(PASSWORD + "\n")
    file.chmod(0o600)
    secret = ["--password-file", str(file)] if password else []
    program.now(*secret)
    sheet = program.run("encryption", "recovery-sheet", *secret).out
    # The disk comes to another computer, and the phone is another one.
    store = program.folder / "a disk" / "ibackup"
    store.parent.mkdir()
    shutil.move(program.store, store)
    new = make_program(NEW_PHONE)
    page = sheet.replace(str(program.store), str(store)).replace(f"--store {store}", f"--store '{store}'")
    verify, restore = commands(page)
    assert page.index("ibackup verify") < page.index("ibackup restore")
    for said in ("install ibackup", "usbmuxd", "--may-erase"):
        assert said in page
    environment = empty_computer(new)
    assert "Good" in new.run(*verify, *secret, environment=environment).out
    refused = new.run(*restore, "--yes", *secret, environment=environment, code=12)
    assert "may ERASE" in " ".join(refused.err.split())
    new.run(*restore, "--yes", "--may-erase", *secret, environment=environment)
    restored = new.phone.restored
    assert restored is not None
    assert restored.count == sum(1 for _ in program.phone.files.files(encrypted=bool(password)))


def test_a_copied_snapshot_is_a_folder_like_any_other(program: Program) -> None:
    """Files go beside it, above it, anywhere but into it; nothing above it is taken for a store."""
    program.now()
    (snapshot,) = program.snapshots
    copy = program.folder / "b" / snapshot.name
    shutil.copytree(snapshot, copy)
    for target in (program.folder / "ph", program.folder / "b" / "ph"):
        program.run("extract", str(copy), "--all", "--to", str(target))
        assert any(target.iterdir())
    for inside in (copy, copy / "ph", copy / program.phone.udid / "ph"):
        program.run("extract", str(copy), "--all", "--to", str(inside), code=2)
    program.run("extract", str(snapshot), "--all", "--to", str(program.store / "ph"), code=2)
    program.run("verify", str(copy))
    program.run("show", str(copy))
    before = sorted(path.name for path in program.folder.iterdir())
    assert "is a copy of a snapshot outside any store" in " ".join(
        program.run("pin", str(copy), code=2).err.split()
    )
    assert sorted(path.name for path in program.folder.iterdir()) == before


def test_several_backups_are_told_apart(make_program: MakeProgram) -> None:
    program = make_program(SMALL)
    program.now()
    program.run("to-finder", "latest", "--to", str(program.folder / "finder"))
    other = program.folder / "finder" / "00008101-000000000000000E"
    shutil.copytree(program.folder / "finder" / program.phone.udid, other)
    said = " ".join(program.run("verify", str(program.folder / "finder"), code=21).err.split())
    assert "contains 2 backups" in said
    assert said.count(f"({program.phone.spec.name}, 20") == 2
