"""A system that lets a program open few files, as macOS does: no file of a backup is blamed for it."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from ibackup.cli.main import COMMANDS
from ibackup.simulator.spec import DomainSpec
from support.every_command import run_every_command
from support.minted import Mint, Spec
from support.program import MakeProgram
from support.runs import PASSWORD, SMALL, assert_is_the_phone

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limit")


def limited(files: int) -> tuple[str, ...]:
    """What starts a program that may have so many files open, and may not raise that."""
    return ("sh", "-c", f'ulimit -n {files}; exec "$@"', "sh")


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backup of 3,000 files in 600 folders."""
    specs = [Spec("HomeDomain", f"Library/{number % 600}/{number}", b"%d" % number) for number in range(3000)]
    made = Mint(tmp_path_factory.mktemp("many"))(PASSWORD, specs=specs)
    made.root.joinpath("password").write_text(PASSWORD)
    return made.folder


def test_a_backup_of_many_folders(make_program: MakeProgram, many: Path) -> None:
    program = make_program(SMALL)
    few = limited(256)
    password = ("--password-file", str(many.parent / "password"))
    program.now(before=few)
    program.run("verify", before=few)
    program.run("verify", str(many), *password, before=few)
    taken = program.run("extract", str(many), "--all", "--to", "out", "--json", *password, before=few)
    assert taken.result["files"] == 3000
    assert len([path for path in (program.folder / "out").rglob("*") if path.is_file()]) == 3000


def test_a_phone_with_many_files(make_program: MakeProgram) -> None:
    """Backed up, once more, rehearsed and restored; its files go to all 256 folders."""
    domains = (DomainSpec(name="HomeDomain", count=3000, min_size=1, max_size=60),)
    program = make_program(replace(SMALL, domains=domains, batch_size=200))
    few = limited(256)
    program.now(before=few)
    program.phone.change(changed=300)
    program.now(before=few)
    assert_is_the_phone(program.snapshots[-1], program.phone)
    for words in (("verify",), ("rehearse",), ("restore", "--yes", "--patience", "0")):
        program.run(*words, before=few)


def test_an_import_of_many_folders(make_program: MakeProgram, many: Path) -> None:
    program = make_program(SMALL)
    few = limited(256)
    password = ("--password-file", str(many.parent / "password"))
    program.run("import", str(many), "--settled", *password, before=few)
    program.run("verify", "--level", "deep", *password, before=few)
    taken = program.run("extract", "latest", "--all", "--to", "out", "--json", *password, before=few)
    assert taken.result["files"] == 3000
    program.run("to-finder", "latest", "--to", str(program.folder / "finder"), before=few)


@pytest.mark.long
@pytest.mark.slow
def test_every_command(make_program: MakeProgram) -> None:
    assert run_every_command(make_program(SMALL), before=limited(256)) == set(COMMANDS)


def test_the_limit_is_raised(make_program: MakeProgram, many: Path) -> None:
    """So that all folders can be kept open where only the limit that a program starts with is low."""
    program = make_program(SMALL)
    low = ("sh", "-c", 'ulimit -Sn 30; exec "$@"', "sh")
    program.run("verify", str(many), "--password-file", str(many.parent / "password"), before=low)


@pytest.mark.parametrize("files", [14, 18, 24])
@pytest.mark.parametrize("command", ["verify", "extract"])
def test_too_few_to_do_anything_is_not_damage(
    make_program: MakeProgram, many: Path, command: str, files: int
) -> None:
    program = make_program(SMALL)
    words = [command, str(many)] if command == "verify" else ["extract", str(many), "--all", "--to", "out"]
    done = program.run(
        *words, "--password-file", str(many.parent / "password"), before=limited(files), code=None
    )
    assert done.code in (0, 1), done
    assert "damage" not in done.out + done.err
