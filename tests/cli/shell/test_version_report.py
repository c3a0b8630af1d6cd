"""`ibackup --version --verbose`: enough for a bug report, nothing of whose computer it is, whatever is missing."""

import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

from cli.conftest import ANN, Cli
from ibackup import __version__
from ibackup.base import programs
from ibackup.simulator.virtual_phone import VirtualPhone

ORDERS = [("--version", "--verbose"), ("-v", "--version"), ("--verbose", "--version", "-q")]


@pytest.mark.parametrize("line", ORDERS)
def test_it_says_what_is_here(
    ibackup: Cli, plugged: Callable[..., list[VirtualPhone]], line: tuple[str, ...]
) -> None:
    plugged(ANN)
    done = ibackup(*line)
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith(f"ibackup, version {__version__}\n")
    for name in (
        sys.version.split()[0],
        "pymobiledevice3 1",
        "cryptography ",
        "answers",
        "1 phone by cable, 0 over the network",
    ):
        assert name in done.flat
    assert all(len(each) <= 80 for each in done.out.splitlines())


def test_it_names_no_phone_no_person_and_no_folder(
    ibackup: Cli, plugged: Callable[..., list[VirtualPhone]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even where someone named a folder after themselves, or calls the computer so."""
    plugged(ANN)
    home = tmp_path / "people" / "hannelore"
    (home / "Hannelores Bilder").mkdir(parents=True)
    (home / "mine.toml").write_text('store = "Hannelores Bilder"\n', encoding="utf-8")
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(home))
    monkeypatch.setenv("USER", "hannelore")
    inside = ibackup("--config", home / "mine.toml", "--version", "-v")
    assert "elsewhere in the home folder" in inside.flat
    monkeypatch.setenv("HOME", str(tmp_path / "other"))
    outside = ibackup("--config", home / "mine.toml", "--store", home, "--version", "-v", "--json")
    for said in (inside.out + inside.err, outside.out + outside.err):
        assert "annelore" not in said
        assert ANN.name not in said
        assert "Ann" not in said
        for udid in (ANN.udid, ANN.udid.replace("-", "")):
            assert udid not in said
        assert str(tmp_path) not in said
    assert outside.result["packages"]


@pytest.mark.parametrize("missing", ["everything", "packages"])
def test_nothing_that_is_missing_is_a_fault(
    ibackup: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    (tmp_path / "broken.toml").write_text("store = [", encoding="utf-8")
    bad = tmp_path / "bin"
    bad.mkdir()
    (bad / "restic").write_text("#!/bin/sh\necho what\n", encoding="utf-8")
    (bad / "restic").chmod(0o755)
    monkeypatch.setenv("PATH", str(bad))
    monkeypatch.setenv("USBMUXD_SOCKET_ADDRESS", "nonsense")
    if missing == "packages":

        def nothing(name: str) -> str:
            raise PackageNotFoundError(name)

        for name in ("requires", "version"):
            monkeypatch.setattr(f"ibackup.jobs.readiness.bug_report.{name}", nothing)
    done = ibackup("--config", tmp_path / "broken.toml", "--version", "-v")
    assert (done.code, done.err) == (0, "")
    assert "with an error: `ibackup config check` says which" in done.flat
    assert "fails at the address in USBMUXD_SOCKET_ADDRESS: UsageError" in done.flat
    assert "Store unknown, because of the config file" in done.flat
    if sys.platform != "win32":
        assert (
            "restic found, but not usable: `ibackup setup --check` says why; not installed: rclone"
            in done.flat
        )
    if missing == "packages":
        assert "Packages not installed: pymobiledevice3" in done.flat


def test_a_command_that_adds_a_package_fits_how_ibackup_was_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """uv forgets where a tool came from, and what was added to it, unless both are said again."""
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    assert "pip install" in programs.installing("keyring>=25")
    receipt = tmp_path / "uv-receipt.toml"
    receipt.write_text('[tool]\nrequirements = [{ name = "ibackup" }]\n', encoding="utf-8")
    assert programs.installed_by() == "uv tool"
    assert programs.installing("keyring>=25") == 'uv tool install --with "keyring>=25" ibackup'
    receipt.write_text(
        '[tool]\nrequirements = [{ name = "ibackup", path = "/a b/i.whl" },'
        ' { name = "apprise", specifier = ">=2.3" }]\n',
        encoding="utf-8",
    )
    assert programs.installing("keyring>=25") == (
        'uv tool install --with "apprise>=2.3" --with "keyring>=25" "/a b/i.whl"'
    )
    receipt.write_text("[", encoding="utf-8")
    assert programs.installing("a", "b").endswith('--with "a" --with "b" ibackup')
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "pipx" / "venvs" / "ibackup"))
    assert programs.installing("a", "b") == 'pipx inject ibackup "a" "b"'
