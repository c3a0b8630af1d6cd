"""A run asks once for a password and derives each key once, however many of its parts need them."""

import shlex
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from cli.conftest import BOB, PASSWORD, Cli
from ibackup.apple.crypto import aes_and_keys
from ibackup.simulator.virtual_phone import VirtualPhone
from support.keyrings import FileKeyring

Plug = Callable[..., list[VirtualPhone]]


@pytest.fixture
def derived(monkeypatch: pytest.MonkeyPatch) -> Counter[bytes]:
    """How often each key was derived from here on, by its salt; the virtual iPhone's own work is part of it."""
    counted: Counter[bytes] = Counter()
    choose = aes_and_keys.sha256_kdf

    def counting(rounds: int) -> aes_and_keys.Kdf:
        kdf = choose(rounds)

        def count(secret: bytes, salt: bytes, how_often: int) -> bytes:
            counted[salt] += 1
            return kdf(secret, salt, how_often)

        return count

    monkeypatch.setattr(aes_and_keys, "sha256_kdf", counting)
    monkeypatch.setattr(aes_and_keys, "_derived", {})  # what an earlier test has left
    return counted


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """A password command that writes down each of its runs, one line each."""
    (tmp_path / "asked.py").write_text(
        f"with open({str(tmp_path / 'runs')!r}, 'a') as runs:\n    runs.write('run\\n')\nprint({PASSWORD!r})\n"
    )
    (tmp_path / "runs").touch()
    return tmp_path / "runs"


def command(runs: Path) -> str:
    return f"{shlex.quote(sys.executable)} {shlex.quote(str(runs.parent / 'asked.py'))}"


@pytest.mark.parametrize(
    "words",
    [
        ["now"],
        ["now", "--full"],
        ["verify", "--level", "deep"],
        ["restore", "latest", "--from", BOB.udid, "--yes"],
        ["restore", "latest", "--from", BOB.udid, "--yes", "--skip-verify"],
        ["rehearse"],
        ["files", "latest"],
        ["search", "hello"],
        ["encryption", "status"],
        ["encryption", "recovery-sheet"],
        ["nightly", "--once", "--every", "0"],
    ],
    ids=" ".join,
)
def test_the_password_and_the_key(
    words: list[str], ibackup: Cli, bobs: Path, plugged: Plug, runs: Path, derived: Counter[bytes]
) -> None:
    plugged(BOB)
    derived.clear()
    aes_and_keys._derived.clear()
    done = ibackup(*words, "--password-command", command(runs), "--json")
    assert done.code == 0, done.result
    assert runs.read_text() == "run\n"
    # A restored phone's own keybag, and those of snapshots, are each a key of their own.
    assert derived
    assert set(derived.values()) == {1}


def test_a_change_of_the_password(
    ibackup: Cli, bobs: Path, plugged: Plug, runs: Path, tmp_path: Path, derived: Counter[bytes]
) -> None:
    plugged(BOB)
    derived.clear()
    aes_and_keys._derived.clear()
    new = tmp_path / "new"
    new.write_text("Wisent-Kurzhaar 8\n")
    new.chmod(0o600)
    given = ("--password-command", command(runs), "--new-password-file", new)
    assert ibackup("encryption", "change", *given, "--json").code == 0
    assert runs.read_text() == "run\n"
    assert set(derived.values()) == {1}


def test_several_snapshots_of_several_phones(ibackup: Cli, bobs: Path, plugged: Plug, runs: Path) -> None:
    """One command for all of them, in the config or as an option: it is run once a night."""
    from dataclasses import replace

    other = replace(BOB, seed=9, udid="00008130-000C0B0C0D0E0F09", name="Cleo")
    plugged(BOB, other)
    assert ibackup("now", "--phone", other.udid, "--json").code == 0
    assert ibackup("now", "--phone", BOB.udid, "--json").code == 0
    told = ("--password-command", command(runs), "--json")
    assert ibackup("nightly", "--once", "--every", "0", "--full-every", "1s", *told).code == 0
    assert runs.read_text() == "run\n"
    assert ibackup("verify", "--all", *told).code == 0
    assert runs.read_text() == "run\nrun\n"


def test_a_command_that_fails_is_not_run_again(
    ibackup: Cli, bobs: Path, plugged: Plug, tmp_path: Path
) -> None:
    plugged(BOB)
    for _ in range(2):
        assert ibackup("now", "--json").code == 0
    runs = tmp_path / "runs"
    (tmp_path / "asked.py").write_text(f"open({str(runs)!r}, 'a').write('run\\n')\nraise SystemExit(1)\n")
    done = ibackup("nightly", "--once", "--every", "0", "--password-command", command(runs), "--json")
    assert done.code == 20
    assert runs.read_text() == "run\n"
    runs.unlink()
    assert ibackup("verify", "--password-command", command(runs), "--json").code == 20
    assert runs.read_text() == "run\n"


def test_the_keychain_is_asked_once(
    ibackup: Cli, bobs: Path, ring: FileKeyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    ring.set_password("ibackup", BOB.udid, PASSWORD)
    asked: Counter[str] = Counter()
    read = FileKeyring.get_password

    def counting(self: FileKeyring, service: str, username: str) -> str | None:
        asked[username] += 1
        return read(self, service, username)

    monkeypatch.setattr(FileKeyring, "get_password", counting)
    assert ibackup("verify", "--level", "deep").code == 0
    assert asked[BOB.udid] == 1
