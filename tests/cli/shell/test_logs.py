"""``--log-file`` and ``-v``: what is in it, and what identifies a phone or its owner is not."""

import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from cli.conftest import ANN, BOB, Cli
from ibackup.base import identities
from ibackup.base.exit_codes import ExitCode
from ibackup.cli.shell.log_file import redacted
from ibackup.simulator.spec import PhoneSpec
from ibackup.simulator.virtual_phone import VirtualPhone

Plug = Callable[..., list[VirtualPhone]]
SECRETIVE = replace(ANN, name="Zoë's own phone", seed=9)


@pytest.fixture(autouse=True)
def nobody_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identities, "_noted", {})


def owner(spec: PhoneSpec) -> list[str]:
    """What tells whose phone it is."""
    told = [
        spec.udid,
        spec.udid.replace("-", ""),
        spec.name,
        spec.serial,
        spec.imei,
        spec.iccid,
        spec.phone_number,
    ]
    assert all(told)
    return told


def test_a_run_is_reported_without_whose_it_is(ibackup: Cli, plugged: Plug, tmp_path: Path) -> None:
    plugged(SECRETIVE)
    log = tmp_path / "log"
    store = tmp_path / "new"
    assert ibackup("now", "--store", store, "--log-file", log, "-v").code == 0
    text = log.read_text()
    for said in (
        "INFO ibackup now",
        "find: Looking for the phone.",
        "receive: Receiving files.",
        "exit 0",
        "Python 3.",
    ):
        assert said in text
    assert all(line[:4].isdecimal() and line[10] == "T" for line in text.splitlines())
    assert [each for each in owner(SECRETIVE) if each in text] == []
    for line in (("devices",), ("list",), ("show",), ("verify",)):
        assert ibackup(*line, "--store", store, "--log-file", log, "-v", "--json").code == 0
    assert [each for each in owner(SECRETIVE) if each in log.read_text()] == []


def test_names_in_errors_do_not_get_there_either(ibackup: Cli, plugged: Plug, tmp_path: Path) -> None:
    plugged(SECRETIVE, BOB)
    log = tmp_path / "log"
    done = ibackup("now", "--store", tmp_path / "new", "--log-file", log)
    assert done.code == ExitCode.USAGE
    assert SECRETIVE.name in done.flat_err  # on the screen they are needed
    text = log.read_text()
    assert "exit 2: Several phones are connected." in text
    assert [each for each in owner(SECRETIVE) + owner(BOB) if each in text] == []
    assert "<redacted>" in text
    assert "<udid>" in text


def test_unless_they_are_wanted(ibackup: Cli, plugged: Plug, tmp_path: Path) -> None:
    plugged(SECRETIVE, BOB)
    log = tmp_path / "log"
    ibackup("now", "--store", tmp_path / "new", "--log-file", log, "--no-redact")
    assert SECRETIVE.udid in log.read_text()
    assert SECRETIVE.name in log.read_text()


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("in /s/00008101-000A0B0C0D0E0F01/snapshots", "in /s/<udid>/snapshots"),
        ("00008101000a0b0c0d0e0f01.", "<udid>."),
        ("working-00008101-000A0B0C0D0E0F01_x", "working-<udid>_x"),
        (f"{'ab' * 20}/x", "<id>/x"),
        ("call +1 (555) 010-1234 now", "call <number> now"),
        ("IMEI 356789012345678", "IMEI <number>"),
        ("snapshot 20261122T020004Z of 61,234,567 bytes", "snapshot 20261122T020004Z of 61,234,567 bytes"),
        ("123456789 bytes in 12 s", "123456789 bytes in 12 s"),
    ],
)
def test_patterns(text: str, left: str) -> None:
    assert redacted(text) == left


def test_a_name_is_taken_out_as_a_word_and_generic_ones_stay() -> None:
    identities.note("Ed", "iPhone", None, "", "x", "F2LX(1)")
    assert redacted("Ed's iPhone was Edited; F2LX(1)") == "<redacted>'s iPhone was Edited; <redacted>"


def test_the_file_is_its_owners_and_grows(ibackup: Cli, anns: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"
    ibackup("list", "--log-file", log)
    assert stat.S_IMODE(log.stat().st_mode) == 0o600
    before = log.read_text()
    ibackup("--log-file", log, "show")
    assert log.read_text().startswith(before)
    assert "INFO ibackup show" in log.read_text()


def test_without_v_only_what_happens(ibackup: Cli, anns: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"
    ibackup("list", "--log-file", log)
    assert "DEBUG" not in log.read_text()
    ibackup("list", "--log-file", log, "-v")
    assert "DEBUG config none, store " in log.read_text()


def test_v_says_more_on_the_screen_and_nothing_twice(ibackup: Cli, anns: Path) -> None:
    done = ibackup("verify", "-v")
    assert done.code == 0
    assert "Python 3." in done.err
    assert done.err.count("Verifying ") == 1
    as_json = ibackup("verify", "-v", "--json")
    assert as_json.result["status"] == "good"
    assert "Python 3." in as_json.err


def test_nothing_breaks_a_line_of_it(ibackup: Cli, tmp_path: Path) -> None:
    log = tmp_path / "log"
    ibackup("verify", "/nonexistent\n2026-01-01T00:00:00Z INFO exit 0\x1b[31m", "--log-file", log)
    assert not any(line.endswith("INFO exit 0\x1b[31m") for line in log.read_text().splitlines())
    assert "\x1b" not in log.read_text()


def test_a_log_that_cannot_be_written(ibackup: Cli, anns: Path, tmp_path: Path) -> None:
    done = ibackup("list", "--log-file", tmp_path)
    assert (done.code, done.out) == (ExitCode.USAGE, "")
    assert "cannot be written" in done.flat_err
