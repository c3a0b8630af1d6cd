"""No secret leaks: a marked password is searched for in everything that the program prints and leaves behind."""

import base64
import os
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from ibackup.simulator.faults import DropInPhase, ErrorCodeAt
from support.program import Done, MakeProgram, Program
from support.runs import SMALL

pytestmark = pytest.mark.promise("No secret leaks")
SECRET = "Zaunkönig-MARKED-4711"


def forms(secret: str) -> list[bytes]:
    """How a secret may be written."""
    plain = secret.encode()
    return [
        plain,
        secret.encode("utf-16-le"),
        base64.b64encode(plain),
        plain.hex().encode(),
        ascii(secret)[1:-1].encode(),
    ]


def assert_silent(done: Done) -> None:
    printed = (done.out + done.err).encode()
    for form in forms(SECRET):
        assert form not in printed


def assert_nowhere(folder: Path, *but: Path) -> None:
    """No file below a folder holds the secret."""
    for top, _, names in os.walk(folder):
        for name in names:
            path = Path(top, name)
            if path not in but:
                data = path.read_bytes()
                assert not [form for form in forms(SECRET) if form in data], path


def source(program: Program, kind: str) -> tuple[list[str], dict[str, str], Path]:
    file = program.folder / "password-source"
    file.write_text(SECRET + "\n", encoding="utf-8")
    file.chmod(0o600)
    return {
        "variable": ([], {"IBACKUP_PASSWORD": SECRET}, file),
        "variable-file": ([], {"IBACKUP_PASSWORD_FILE": str(file)}, file),
        "file": (["--password-file", str(file)], {}, file),
        "command": (["--password-command", f"cat {file}"], {}, file),
    }[kind]


@pytest.mark.parametrize("kind", ["variable", "variable-file", "file", "command"])
def test_a_marked_password(make_program: MakeProgram, kind: str) -> None:
    program = make_program(replace(SMALL, backup_password=SECRET))
    log = program.folder / "log"
    options, environment, file = source(program, kind)
    common = [*options, "-v", "--log-file", str(log)]
    done = program.now(*common, environment=environment)
    assert done.result["checked"] == "manifest"
    assert_silent(done)
    # The log says what happened to a phone, not which phone it was.
    logged = log.read_text()
    assert logged
    assert stat.S_IMODE(log.stat().st_mode) == 0o600
    spec = program.phone.spec
    for identity in (spec.udid, spec.serial, spec.phone_number, spec.imei, spec.name):
        assert identity not in logged, identity

    if kind != "command":
        assert_nowhere(program.folder, file)
        return
    # As when things go wrong: the phone refuses, or another password was meant.
    program.phone.set_faults(ErrorCodeAt(where="end", code=207, text=f"Invalid password {'x' * 9}"))
    assert_silent(program.now(*common, environment=environment, code=20))
    program.phone.set_faults(DropInPhase(phase="moving"))
    assert_silent(program.now(*common, environment=environment, code=13))
    program.phone.set_faults()
    program.phone.set_backup_password("yet another one")
    assert_silent(program.now(*common, environment=environment))
    assert_silent(program.run("verify", "-v", *options, environment=environment, code=20))
    assert_nowhere(program.folder, file)


def test_words_on_a_terminal_and_a_wrong_source(make_program: MakeProgram) -> None:
    program = make_program(replace(SMALL, backup_password=SECRET))
    done = program.run("now", "-v", "--password-command", f"sh -c 'echo {SECRET}; exit 3'")
    assert_silent(done)
    assert "The password command failed" in done.err
    assert_silent(program.run("now", f"--password={SECRET}", code=2))
    assert_nowhere(program.folder)


def test_what_others_can_read(make_program: MakeProgram) -> None:
    """Folders are 0700 and files 0600 or less, whatever the umask says."""
    program = make_program(SMALL)
    program.run("now", before=["sh", "-c", 'umask 000; exec "$@"', "sh"])
    program.phone.set_faults(DropInPhase(phase="uploading", after=2))
    program.phone.change(added=4)
    program.run("now", before=["sh", "-c", 'umask 000; exec "$@"', "sh"], code=13)
    for top, folders, names in os.walk(program.store):
        for name in [*folders, *names]:
            path = os.path.join(top, name)
            assert stat.S_IMODE(os.lstat(path).st_mode) & 0o077 == 0, path
    assert stat.S_IMODE(program.store.stat().st_mode) == 0o700
