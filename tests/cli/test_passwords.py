"""Where the password comes from, in its order, and where it never goes."""

import os
import subprocess
import sys
from pathlib import Path

import keyring
import pytest

from cli.conftest import BOB, PASSWORD, Cli, Ran
from ibackup.cli.common import App, Settings
from ibackup.cli.passwords import PasswordSources
from ibackup.errors import ExitCode, PasswordNeeded
from support.keyrings import FileKeyring, LockedKeyring

UDID = BOB.udid


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
    ("content", "said"), [(b"", "empty"), (b"\nx", "empty"), (b"\xff\xfe\n", "not UTF-8")]
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


def test_there_is_no_option_for_the_password_itself(ibackup: Cli, bobs: Path) -> None:
    assert ibackup("verify", "--password", PASSWORD).code == ExitCode.USAGE
