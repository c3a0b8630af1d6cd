"""Where the password comes from, in its order, and where it never goes."""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import keyring
import pytest

from cli.conftest import ANN, BOB, PASSWORD, Cli, Ran
from ibackup.base.errors import PasswordNeeded
from ibackup.base.exit_codes import ExitCode
from ibackup.cli.shell.application import App, Settings
from ibackup.cli.shell.password_sources import PasswordSources
from ibackup.simulator.virtual_phone import VirtualPhone
from ibackup.vault.given_passwords import words
from support.keyrings import FileKeyring, LockedKeyring

UDID = BOB.udid
Plug = Callable[..., list[VirtualPhone]]


def secret(folder: Path, name: str, content: bytes) -> Path:
    path = folder / name
    path.write_bytes(content)
    path.chmod(0o600)
    return path


def test_the_sources_in_their_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ring: FileKeyring
) -> None:
    config = tmp_path / "config.toml"
    app = App(Settings(config=str(config)))

    def found(file: str | None = None, command: str | None = None, udid: str | None = UDID) -> str | None:
        app.__dict__.pop("config", None)
        return PasswordSources(app, file, command, ask=False).find(udid)

    config.write_text("")
    assert found() is None
    # From the last to the first: each new source goes before those that are there already.
    (tmp_path / "credentials").mkdir()
    secret(tmp_path / "credentials", "ibackup-password", b"from systemd\n")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path / "credentials"))
    assert found() == "from systemd"

    ring.set_password("ibackup", UDID, "from the keychain")
    assert found() == "from the keychain"
    assert found(udid="0" * 40) == "from systemd"

    monkeypatch.setenv("IBACKUP_PASSWORD", "from the environment")
    assert found() == "from the environment"
    monkeypatch.setenv("IBACKUP_PASSWORD_FILE", str(secret(tmp_path, "env", b"from the environment's file")))
    assert found() == "from the environment's file"

    phone = f'[[phones]]\nname = "bob"\nudid = "{UDID}"\n'
    config.write_text(f"{phone}password_command = \"{sys.executable} -c 'print(1234)'\"")
    assert found() == "1234"
    secret(tmp_path, "own", b"from the config's file\nsecond line\n")
    config.write_text(f'{phone}password_file = "own"')
    assert found() == "from the config's file"
    assert found(udid="0" * 40) == "from the environment's file"

    command = f"{sys.executable} -c \"print('from a command')\""
    assert found(command=command) == "from a command"
    assert found(str(secret(tmp_path, "option", b"from a file\r\n")), command) == "from a file"


def test_a_keychain_that_fails_is_a_warning(ibackup: Cli, bobs: Path, ring: FileKeyring) -> None:
    keyring.set_keyring(LockedKeyring())
    done = ibackup("verify")
    assert done.code == 0
    assert "Warning: The system's keychain could not be read. (RuntimeError)" in done.flat_err
    assert "hunter2" not in done.err


def test_without_the_extra_there_is_no_keychain(
    ibackup: Cli, bobs: Path, ring: FileKeyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    ring.set_password("ibackup", UDID, PASSWORD)
    assert ibackup("verify", "--level", "deep").code == 0
    monkeypatch.setitem(sys.modules, "keyring", None)
    done = ibackup("verify", "--level", "deep")
    assert done.code == ExitCode.PASSWORD
    assert "keychain" not in done.err


@pytest.mark.parametrize(
    ("content", "password"),
    [
        (b"plain", "plain"),
        (b"  kept as it is \n", "  kept as it is "),
        (b"dos\r\nx", "dos"),
        (b"\xef\xbb\xbfnotepad\r\n", "notepad"),
        ("pässwörd 日本".encode(), "pässwörd 日本"),
    ],
)
def test_the_first_line_is_the_password(tmp_path: Path, content: bytes, password: str) -> None:
    path = secret(tmp_path, "p", content)
    assert PasswordSources(App(), str(path)).find(UDID) == password


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"", "empty"), (b"\nx", "empty"), (b"\xff\xfe\n", "empty"), (b"\xfft\n", "not UTF-8")],
)
def test_a_file_without_a_password(tmp_path: Path, content: bytes, said: str) -> None:
    path = secret(tmp_path, "p", content)
    with pytest.raises(PasswordNeeded, match=said):
        PasswordSources(App(), str(path)).find(UDID)


def test_a_file_that_others_can_read_is_warned_about(ibackup: Cli, bobs: Path, password_file: Path) -> None:
    password_file.chmod(0o644)
    done = ibackup("verify", "--password-file", password_file)
    assert done.code == 0
    assert (
        f"Others can read the password file {password_file}. Run: chmod 600 {password_file}" in done.flat_err
    )


def test_a_pipe_will_do(bobs: Path) -> None:
    reading, writing = os.pipe()
    os.write(writing, PASSWORD.encode() + b"\n")
    os.close(writing)
    command = [sys.executable, "-m", "ibackup", "verify", "--json", "--password-file", f"/dev/fd/{reading}"]
    done = subprocess.run(command, pass_fds=[reading], capture_output=True, text=True, check=False)
    os.close(reading)
    assert '"manifest_checked": true' in done.stdout
    assert done.stderr == ""


@pytest.mark.parametrize(
    "command",
    [
        "/nonexistent/hunter2",
        "false hunter2",
        "'unclosed hunter2",
        "printf ''",
        f"{sys.executable} -c 'exit(\"hunter2\")'",
    ],
)
def test_a_command_that_fails_is_not_repeated_to_anybody(ibackup: Cli, bobs: Path, command: str) -> None:
    for more in ((), ("-v",), ("--json",)):
        done = ibackup("verify", "--password-command", command, *more)
        assert done.code == ExitCode.PASSWORD
        assert "nonexistent" not in done.out + done.err
        assert "password command" in done.out + done.flat_err
        if "exit(" not in command:  # its own standard error is its own affair
            assert "hunter2" not in done.out + done.err


def test_a_wrong_one(ibackup: Cli, bobs: Path, tmp_path: Path) -> None:
    done = ibackup("verify", "--password-file", secret(tmp_path, "p", b"hunter2"), "--json")
    assert done.code == ExitCode.PASSWORD
    assert "hunter2" not in done.out + done.err


def everywhere(done: Ran, *files: Path) -> str:
    return done.out + done.err + "".join(path.read_text() for path in files)


def test_it_is_shown_nowhere(
    ibackup: Cli, bobs: Path, password_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "log"
    options = ("-v", "--no-redact", "--log-file", log, "--level", "deep")
    for more in (("--password-file", password_file), ("--password-file", password_file, "--json")):
        done = ibackup("verify", *options, *more)
        assert done.code == 0
        assert PASSWORD not in everywhere(done, log)
    monkeypatch.setenv("IBACKUP_PASSWORD", PASSWORD)
    done = ibackup("verify", *options)
    assert done.code == 0
    assert PASSWORD not in everywhere(done, log)
    assert "the backup password comes from the environment" in log.read_text()
    assert all(PASSWORD.encode() not in path.read_bytes() for path in bobs.rglob("*") if path.is_file())


def test_nobody_is_asked_without_a_terminal(ibackup: Cli, bobs: Path) -> None:
    for more in ((), ("--json",)):
        done = ibackup("verify", "--level", "deep", *more)
        assert done.code == ExitCode.PASSWORD
        assert "--password-file" in done.out + done.flat_err


@pytest.mark.promise("No secret leaks")
def test_there_is_no_option_for_the_password_itself(ibackup: Cli, bobs: Path) -> None:
    assert ibackup("verify", "--password", PASSWORD).code == ExitCode.USAGE


def test_a_command_is_not_quoted_twice() -> None:
    """Windows' programs split their own command line: what has quotes goes there as it is."""
    command = '"C:\\Program Files\\pass.exe" show "the iPhone"'
    assert words(command, windows=True) == command
    assert words("'/opt/a b/pass' show \"the iPhone\"", windows=False) == [
        "/opt/a b/pass",
        "show",
        "the iPhone",
    ]
    if sys.platform == "win32":
        given = f'"{sys.executable}" -c "print(\'from a command\')"'
        assert PasswordSources(App(Settings()), command=given, ask=False).find(UDID) == "from a command"


@pytest.mark.parametrize(
    "content",
    [
        "\ufeffGl\u00fchwurm\r\nmore\r\n".encode("utf-16-le"),
        "\ufeffGl\u00fchwurm\n".encode("utf-16-be"),
        "Gl\u00fchwurm".encode("utf-16"),
        "Gl\u00fchwurm\r\n".encode("utf-8-sig"),
    ],
    ids=["little", "big", "no line break", "utf-8 with a mark"],
)
def test_a_password_file_from_windows(tmp_path: Path, content: bytes) -> None:
    file = secret(tmp_path, "password.txt", content)
    assert PasswordSources(App(Settings()), str(file), ask=False).find(UDID) == "Gl\u00fchwurm"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("secret\n".encode("utf-16-le"), "zero bytes"),
        (b"Gl\xfchwurm\n", "not UTF-8"),
        (b"\xff\xfe\x00\xd8", "damaged UTF-16"),
    ],
)
def test_one_that_cannot_be_read_says_how_to_save_it(tmp_path: Path, content: bytes, said: str) -> None:
    file = secret(tmp_path, "password.txt", content)
    with pytest.raises(PasswordNeeded, match=said) as told:
        PasswordSources(App(Settings()), str(file), ask=False).find(UDID)
    assert "UTF-8" in told.value.hint


@pytest.mark.parametrize("content", [PASSWORD + " \n", f"{PASSWORD}\u200b\n", f"\t{PASSWORD}\n"])
def test_a_password_that_is_nearly_it_opens_and_is_reported(
    ibackup: Cli, bobs: Path, tmp_path: Path, content: str
) -> None:
    file = secret(tmp_path, "password.txt", content.encode())
    done = ibackup("verify", "--level", "deep", "--password-file", file)
    assert done.code == 0
    assert "The password opens this backup only without" in done.flat_err


@pytest.mark.parametrize(
    ("kept", "right", "how"),
    [
        ('"Ann\'s dog"', "Ann's dog", "without the quotes around it"),
        ("'plain'", "plain", "without the quotes around it"),
        ("Ann\u2019s\u00a0dog", "Ann's dog", "with straight quotes and ordinary spaces"),
    ],
)
def test_a_password_as_other_programs_keep_it(
    ibackup: Cli, plugged: Plug, tmp_path: Path, kept: str, right: str, how: str
) -> None:
    plugged(replace(ANN, backup_password=right))
    done = ibackup("now", "--password-file", secret(tmp_path, "password.txt", f"{kept}\n".encode()))
    assert done.code == 0
    assert f"The password opens this backup only {how}." in done.flat_err
    assert done.out.startswith("Backed up and checked: ")


@pytest.mark.parametrize("content", ["a\rb", "secret\u200bwords here", "x\ty and more", "\ue000 private use"])
def test_a_new_password_that_nobody_can_type_is_refused(
    ibackup: Cli, plugged: Plug, tmp_path: Path, content: str
) -> None:
    (phone,) = plugged(ANN)
    file = secret(tmp_path, "new.txt", content.encode())
    done = ibackup("encryption", "on", "--new-password-file", file)
    assert done.code == ExitCode.USAGE
    assert "It contains invisible characters" in done.flat_err
    assert phone.backup_password is None
