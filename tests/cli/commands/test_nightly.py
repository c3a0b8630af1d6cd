"""What ``nightly`` and ``watch`` print, to whom, and what they write down."""

import os
import re
import shlex
import signal
import stat
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from cli.conftest import ANN, BOB, PASSWORD, Cli, snapshots
from ibackup.base.exit_codes import ExitCode
from ibackup.cli.shell import log_file
from ibackup.jobs.nights.night_journal import JournalFile
from ibackup.simulator.virtual_phone import VirtualPhone

Plug = Callable[..., list[VirtualPhone]]


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("IBACKUP_STATE_DIR", str(tmp_path / "state"))
    return tmp_path / "state"


def rows(result: dict[str, object]) -> dict[str, dict[str, object]]:
    phones = result["phones"]
    assert isinstance(phones, list)
    return {str(each["name"]): each for each in phones}


def test_nothing_is_printed_when_all_is_well(
    ibackup: Cli, store: Path, plugged: Plug, state: Path, password_file: Path
) -> None:
    plugged(ANN, BOB)
    done = ibackup("nightly", "--once", "--every", "0", "--password-file", password_file)
    assert (done.code, done.out, done.err) == (0, "", "")
    assert [len(snapshots(store, spec)) for spec in (ANN, BOB)] == [3, 2]
    log = state / "nightly.log"
    assert stat.S_IMODE(log.stat().st_mode) == 0o600
    text = log.read_text(encoding="utf-8")
    assert text.count("backed up") == 2
    assert ANN.name not in text
    for spec in (ANN, BOB):  # each line says which of them it is about
        assert f"The phone ending in {spec.udid[-4:]}: backed up." in text
    assert ": \n" not in text
    assert PASSWORD not in text
    again = ibackup("nightly", "--once")
    assert (again.code, again.out, again.err) == (0, "", "")


def test_a_phone_that_is_away_is_no_error_until_it_is_stale(ibackup: Cli, anns: Path) -> None:
    young = ibackup("nightly", "--once", "--every", "0")
    assert (young.code, young.out, young.err) == (0, "", "")
    old = ibackup("nightly", "--once", "--every", "0", "--max-age", "0")
    assert old.code == ExitCode.STALE
    assert f"{ANN.name}: not connected." in old.flat
    assert "STALE: the newest good backup is from" in old.flat
    row = rows(ibackup("nightly", "--once", "--every", "0", "--json").result)[ANN.name]
    assert (row["state"], row["stale"], row["exit_codes"]) == ("absent", False, [])


def test_the_advice_for_a_store_that_is_gone_is_a_command_that_works(
    ibackup: Cli, anns: Path, tmp_path: Path
) -> None:
    assert ibackup("list").code == 0
    anns.rename(tmp_path / "away")
    missing = ibackup("nightly", "--once")
    assert missing.code == ExitCode.STORE_MISSING
    [advice] = re.findall(r"`ibackup ([^`]+)`", missing.flat_err)
    assert ibackup(*shlex.split(advice)).code == ExitCode.NO_PHONE  # no phone, but the store is there again
    assert ibackup("nightly", "--once").code == ExitCode.NO_PHONE  # the store is empty now


def test_what_is_worrying_is_printed_when_the_run_ends_badly(
    ibackup: Cli, bobs: Path, tmp_path: Path, plugged: Plug
) -> None:
    plugged(BOB)
    wrong = tmp_path / "wrong"
    wrong.write_text("not it\n")
    wrong.chmod(0o600)
    done = ibackup("nightly", "--once", "--every", "0", "--password-file", wrong)
    assert done.code == ExitCode.PASSWORD
    assert "The password that you gave or stored does not open this backup." in done.flat_err
    assert f"{BOB.name}: backed up." in done.flat


def test_json_reports_each_phone(ibackup: Cli, store: Path, plugged: Plug) -> None:
    plugged(ANN)
    done = ibackup("nightly", "--once", "--every", "0", "--json")
    assert {name: row["state"] for name, row in rows(done.result).items()} == {
        ANN.name: "done",
        BOB.name: "absent",
    }
    events = [event for event in done.events if event["event"] == "phone"]
    assert [event["state"] for event in events] == ["absent", "done"] or [
        event["state"] for event in events
    ] == ["done", "absent"]


def test_options_win_over_the_config(ibackup: Cli, anns: Path, tmp_path: Path, plugged: Plug) -> None:
    plugged(replace(ANN, charging=False))
    path = tmp_path / "config.toml"
    path.write_text(f'[nightly]\nevery = "0"\n[[phones]]\nname = "ann"\nudid = "{ANN.udid}"\nevery = "9w"\n')
    config = ("--config", path, "--json", "--once")

    def state_of(*more: str) -> object:
        return rows(ibackup("nightly", *config, *more).result)["ann"]["state"]

    assert state_of() == "not_due"
    assert state_of("--every", "0") == "no_power"
    assert state_of("--every", "0", "--no-power") == "done"


def test_one_phone_may_be_meant(ibackup: Cli, store: Path, plugged: Plug) -> None:
    plugged(ANN, BOB)
    done = ibackup("nightly", "--once", "--every", "0", "--json", "--phone", ANN.udid)
    assert list(rows(done.result)) == [ANN.name]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--window", "21-7"), 'is not a range of hours; write "21:00-07:00", or "always"'),
        (("--min-free", "10"), "is not a size; write 500MB, 4.2GB or 1TB"),
        (("--max-prompts", "-1"), "is not a whole number"),
        (("--every", "daily"), "is not a duration"),
    ],
)
def test_wrong_values(ibackup: Cli, words: tuple[str, str], said: str) -> None:
    done = ibackup("nightly", "--once", *words)
    assert done.code == ExitCode.USAGE
    assert said in done.flat_err


def test_nothing_to_look_after_is_an_error(ibackup: Cli, tmp_path: Path, plugged: Plug) -> None:
    """A cron job with the wrong HOME finds no config and an empty store: it must not stay green for ever."""
    plugged()
    done = ibackup("nightly", "--once", "--store", tmp_path / "new")
    assert done.code == ExitCode.NO_PHONE
    assert "There is no phone to back up." in done.flat_err
    assert "--config and --store" in done.flat_err
    run = JournalFile().read().last_run
    assert run is not None
    assert run.code == ExitCode.NO_PHONE


def test_with_neither_a_config_nor_a_backup_whoever_is_connected(
    ibackup: Cli, tmp_path: Path, plugged: Plug
) -> None:
    plugged(ANN)
    done = ibackup("nightly", "--once", "--store", tmp_path / "new", "--json")
    assert rows(done.result)[ANN.name]["state"] == "done"


def test_a_store_that_is_not_mounted(ibackup: Cli, anns: Path) -> None:
    assert ibackup("list").code == 0  # it is known from now on
    anns.rename(anns.with_name("away"))
    anns.mkdir()
    done = ibackup("nightly", "--once")
    assert done.code == ExitCode.STORE_MISSING
    assert "is not mounted" in done.flat_err
    assert list(anns.iterdir()) == []


def test_the_log_does_not_grow_for_ever(
    ibackup: Cli, anns: Path, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_file, "_ROTATE_BYTES", 100)
    for _ in range(9):
        assert ibackup("nightly", "--once").code == 0
    files = sorted(path.name for path in state.glob("nightly.log*"))
    assert files == ["nightly.log", *(f"nightly.log.{number}" for number in range(1, 6))]
    assert {stat.S_IMODE((state / name).stat().st_mode) for name in files} == {0o600}


def test_watch_ends_with_ctrl_c(ibackup: Cli, anns: Path, plugged: Plug) -> None:
    plugged(ANN)

    def is_idle() -> bool:
        """Backed up, and through with tonight's proofs."""
        proven = JournalFile().read().phone(ANN.udid).proven
        return len(list(anns.glob("*/snapshots/*"))) == 3 and bool(proven)

    def stop() -> None:
        while not is_idle():
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGINT)

    stopping = threading.Thread(target=stop)
    stopping.start()
    done = ibackup("watch", "--every", "0", "--json")
    stopping.join()
    assert done.code == ExitCode.INTERRUPTED
    assert len(snapshots(anns, ANN)) == 3
    assert "everything received so far is kept" in str(done.result["hint"])


@pytest.mark.parametrize("connected", [False, True], ids=["nothing connected", "a phone connected"])
def test_a_run_with_nothing_to_look_after_leaves_no_store_behind(
    ibackup: Cli, tmp_path: Path, plugged: Plug, connected: bool
) -> None:
    """As with cron in a wrong HOME: an empty store would stay there."""
    plugged(*([ANN] if connected else []))
    store = tmp_path / "wrong home" / "ibackup"
    done = ibackup("nightly", "--once", "--store", store)
    assert done.code == (ExitCode.OK if connected else ExitCode.NO_PHONE)
    assert store.exists() is connected
    if not connected:
        assert f"'{store}' has no backup" in done.flat_err
        assert not store.parent.exists()
