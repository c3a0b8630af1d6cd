"""A backup password that was typed in the page is where the nights find it, and nowhere if it is not the right one."""

import stat
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import keyring
import pytest
from keyring.backends.null import Keyring as NullKeyring

from ibackup.base.events import ignore
from ibackup.config import config_file
from ibackup.config.config_schema import Config
from ibackup.jobs.setting_up import keep_for_nights
from ibackup.vault.given_passwords import GivenPasswords
from ibackup.view.home.job_endings import ending
from ibackup.view.running.job_order import BackUpWork, EncryptionWork, JobOrder, Work
from ibackup.view.running.job_outcome import JobOutcome
from ibackup.view.running.job_running import run_order
from support.keyrings import FileKeyring
from support.runs import PASSWORD, SMALL
from view.running.conftest import Desk, MakeDesk

if TYPE_CHECKING:
    from keyring.backend import KeyringBackend

ANN = replace(SMALL, name="../Ann\u2019s iPhone")
"""A phone that would have its password's file elsewhere."""
ENCRYPTED = replace(ANN, backup_password=PASSWORD)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return tmp_path / "own" / "config.toml"


@pytest.fixture(params=["keychain", "file"])
def place(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Where passwords go: a computer with a keychain, and one without."""
    monkeypatch.setenv("TEST_KEYRING", str(tmp_path / "ring.json"))
    before = keyring.get_keyring()
    mine: KeyringBackend = FileKeyring() if request.param == "keychain" else NullKeyring()
    keyring.set_keyring(mine)
    yield request.param
    keyring.set_keyring(before)


def run(desk: Desk, config: Path, work: Work, password: str | None = None) -> JobOutcome:
    order = JobOrder(desk.lab.phone.udid, work, str(desk.lab.path), config=str(config), password=password)
    return run_order(order, ignore)


def for_the_nights(desk: Desk, config: Path) -> str | None:
    """The password that a night finds."""
    return GivenPasswords(config_file.load(str(config)).phone).find(desk.lab.phone.udid)


@pytest.mark.parametrize("way", ["on", "first backup"])
def test_the_nights_find_what_was_typed(make_desk: MakeDesk, config: Path, place: str, way: str) -> None:
    config.parent.mkdir()
    config.touch()
    if way == "on":
        desk = make_desk(ANN)
        outcome = run(desk, config, EncryptionWork("on", new=PASSWORD, keep=True))
        said = ending("encryption", outcome)
    else:
        desk = make_desk(ENCRYPTED)
        outcome = run(desk, config, BackUpWork(keep=True), PASSWORD)
        said = ending("backup", outcome)
    assert outcome.is_good
    assert for_the_nights(desk, config) == PASSWORD
    assert PASSWORD not in config.read_text()
    if place == "keychain":
        assert "in this computer's keychain" in said.why
        assert "phones" not in tomllib.loads(config.read_text())
    else:
        file = Path(config_file.load(str(config)).phones[0].password_file or "")
        assert file.parent == config.parent
        assert f"in the file '{file}', which only you can read" in said.why
        if sys.platform != "win32":
            assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_change_reaches_the_file_that_the_nights_read(
    make_desk: MakeDesk, config: Path, place: str
) -> None:
    """Also with a keychain, since the nights ask the config file first, and whether it is to be kept or not."""
    config.parent.mkdir()
    config.touch()
    desk = make_desk(ENCRYPTED)
    keep_for_nights(config, Config(), desk.lab.phone.udid, "ann", PASSWORD)
    work = EncryptionWork("change", old=PASSWORD, new="Elsterweg 19 im Regen")
    assert run(desk, config, work).is_good
    assert for_the_nights(desk, config) == "Elsterweg 19 im Regen"


def test_a_source_of_ones_own_is_left_alone_and_that_is_said(
    make_desk: MakeDesk, config: Path, place: str
) -> None:
    config.parent.mkdir()
    desk = make_desk(ANN)
    named = f'[[phones]]\nname = "ann"\nudid = "{desk.lab.phone.udid}"\npassword_command = "echo old"\n'
    config.write_text(named)
    outcome = run(desk, config, EncryptionWork("on", new=PASSWORD, keep=True))
    assert "Change it there, too." in ending("encryption", outcome).why
    assert config.read_text() == named


@pytest.mark.parametrize("place", ["file"], indirect=True)
def test_a_wrong_one_is_not_kept_and_that_is_said(make_desk: MakeDesk, config: Path, place: str) -> None:
    config.parent.mkdir()
    config.touch()
    outcome = run(make_desk(ENCRYPTED), config, BackUpWork(keep=True), "not it")
    assert outcome.is_good
    assert "was not kept" in ending("backup", outcome).why
    assert [each.name for each in config.parent.iterdir()] == ["config.toml"]


@pytest.mark.parametrize("place", ["file"], indirect=True)
def test_what_is_in_the_way_stays_and_is_named(make_desk: MakeDesk, config: Path, place: str) -> None:
    config.parent.mkdir()
    config.touch()
    (config.parent / "Ann-s-iPhone.password").write_text("another\n")
    outcome = run(make_desk(ANN), config, EncryptionWork("on", new=PASSWORD, keep=True))
    assert outcome.is_good
    assert "its file exists already" in ending("encryption", outcome).why
    assert (config.parent / "Ann-s-iPhone.password").read_text() == "another\n"
    assert config.read_text() == ""
