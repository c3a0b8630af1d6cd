"""``--phone`` takes the names that people use; where several phones could be meant, they are told by name."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from cli.conftest import ANN, BOB, Cli
from ibackup.base.exit_codes import ExitCode
from ibackup.cli.shell.phone_choice import quoted
from ibackup.config.config_file import default_path
from ibackup.simulator.spec import Trust
from ibackup.simulator.virtual_phone import VirtualPhone

Plug = Callable[..., list[VirtualPhone]]
EMIL = replace(ANN, seed=7, udid="00008130-000E0B0C0D0E0F0A", name="Emil")
AWAY = replace(ANN, seed=8, udid="00008130-000D0B0C0D0E0F08", name="Dora's phone")


@pytest.fixture
def config() -> Path:
    """A config that calls Ann's phone mum."""
    path = default_path()
    path.parent.mkdir(parents=True)
    path.write_text(f'[[phones]]\nname = "mum"\nudid = "{ANN.udid}"\n')
    return path


@pytest.mark.parametrize(
    "asked",
    [
        "mum",
        "MUM",
        "Ann’s phone",  # noqa: RUF001 - as the phone spells it
        "ann's phone",
        "ANN`S  PHONE",
        ANN.udid,
        ANN.udid.replace("-", "").lower(),
        ANN.udid[:14],
        ANN.udid[:13].replace("-", "").lower(),
    ],
)
def test_the_names_of_a_phone_in_the_store(ibackup: Cli, store: Path, config: Path, asked: str) -> None:
    done = ibackup("show", "--phone", asked, "--json")
    assert (done.code, done.result.get("udid")) == (0, ANN.udid), done.result


@pytest.mark.parametrize("asked", ["Dora’s Phone", AWAY.udid[:13], AWAY.udid.lower()])  # noqa: RUF001
def test_the_names_of_a_phone_that_is_connected_alone(
    ibackup: Cli, store: Path, plugged: Plug, asked: str
) -> None:
    plugged(ANN, AWAY)
    done = ibackup("devices", "--phone", asked, "--json")
    assert [each["udid"] for each in done.result["devices"]] == [AWAY.udid]  # type: ignore[attr-defined]
    assert ibackup("now", "--phone", asked, "--json").result["udid"] == AWAY.udid


def test_the_config_goes_before_a_phones_own_name(
    ibackup: Cli, store: Path, config: Path, plugged: Plug
) -> None:
    config.write_text(f'[[phones]]\nname = "bob"\nudid = "{ANN.udid}"\n')
    assert ibackup("show", "--phone", "Bob", "--json").result["udid"] == ANN.udid


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        ("José’s iPhone", "jose's iphone"),  # noqa: RUF001 - as phones spell it
        ("Zoë 📱", "ZOË"),
        ("Zoë 📱", "zoe"),
        ("iPhone (Łukasz)", "iphone łukasz"),
    ],
)
def test_a_name_that_the_keyboard_cannot_type(ibackup: Cli, plugged: Plug, name: str, asked: str) -> None:
    plugged(replace(AWAY, name=name))
    assert ibackup("now", "--phone", asked, "--json").result["udid"] == AWAY.udid
    assert ibackup("show", "--phone", asked, "--json").result["udid"] == AWAY.udid


def test_accents_tell_phones_apart_that_differ_in_nothing_else(ibackup: Cli, plugged: Plug) -> None:
    zoe, accented = replace(AWAY, name="Zoe"), replace(EMIL, name="Zoë 📱")
    plugged(zoe, accented)
    assert ibackup("devices", "--phone", "zoe", "--json").result["devices"][0]["udid"] == zoe.udid  # type: ignore[index]
    done = ibackup("now", "--phone", "zoë")
    assert done.code == ExitCode.USAGE
    assert "--phone Zoe or --phone 'Zoë 📱'" in done.flat_err


@pytest.mark.parametrize("asked", ["Anne's phone", "0000", "ffff", "zz", ""])
def test_what_names_no_phone_or_several(ibackup: Cli, store: Path, asked: str) -> None:
    done = ibackup("show", "--phone", asked)
    assert done.code == ExitCode.USAGE
    assert (f"Did you mean '{ANN.name}'?" in done.flat_err) is (asked == "Anne's phone")
    assert "Bob" in done.flat_err
    if asked == "0000":
        assert f"--phone '{ANN.name}' or --phone Bob" in done.flat_err


def test_two_with_one_name_are_told_apart_wherever_they_stand_together(
    ibackup: Cli, store: Path, plugged: Plug
) -> None:
    twin = replace(AWAY, name=ANN.name.upper())
    plugged(ANN, twin)
    *phones, _ = [event for event in ibackup("now", "--all", "--json").events if event["event"] == "result"]
    assert [event["name"] for event in phones] == [ANN.name, twin.name]
    for line in (("now", "--all"), ("du",), ("status",)):
        said = ibackup(*line)
        for each in (ANN, twin):
            assert f"{each.name} (…{each.udid[-4:]})" in said.flat + said.flat_err, line
        assert "Bob (…" not in said.flat


def test_two_with_one_name_are_told_by_their_udids(ibackup: Cli, store: Path, plugged: Plug) -> None:
    twin = replace(AWAY, name=ANN.name)
    plugged(ANN, twin)
    done = ibackup("now")
    assert f"{twin.name} ({twin.udid})" in done.flat_err
    assert done.code == ExitCode.USAGE
    first, second = sorted([ANN.udid, twin.udid])
    assert {f"--phone {each}" in done.flat_err for each in (first, second)} == {True}


def test_a_phone_that_is_away_is_told_by_its_name(
    ibackup: Cli, store: Path, config: Path, plugged: Plug
) -> None:
    plugged(BOB)
    done = ibackup("now", "--phone", "mum")
    assert done.code == ExitCode.NO_PHONE
    assert "mum is not connected. Connected: Bob." in done.flat_err
    assert ANN.udid not in done.err
    assert "mum is not connected." in ibackup("devices", "--phone", "mum").flat_err
    shutil.rmtree(store / BOB.udid)
    assert f"Connected: {BOB.udid}." in ibackup("now", "--phone", "mum").flat_err


@pytest.mark.parametrize("name", ["👩\u200d👩\u200d👧 Mia", "گوشی سارا می\u200cرود"])
def test_names_that_joiners_hold_together(ibackup: Cli, plugged: Plug, name: str) -> None:
    plugged(replace(AWAY, name=name))
    assert ibackup("now", "--phone", name, "--json").code == 0
    assert ibackup("show", "--phone", name, "--json").result["device_name"] == name
    assert name in ibackup("list").out


@pytest.mark.parametrize(
    ("name", "typed"),
    [("mum", "mum"), ("Ann's phone", '"Ann\'s phone"'), ("a $(b)'s", "'a $(b)'\"'\"'s'"), ("a b", "'a b'")],
)
def test_names_as_a_shell_takes_them(name: str, typed: str) -> None:
    assert quoted(name) == typed


def test_every_connected_phone_one_after_the_other(ibackup: Cli, store: Path, plugged: Plug) -> None:
    plugged(BOB, AWAY, ANN, replace(EMIL, trust=Trust(kind="pending")))
    done = ibackup("now", "--all", "--json")
    assert done.code == 0
    *each, last = [event for event in done.events if event["event"] == "result"]
    assert [(event["name"], event["udid"]) for event in each] == [
        (ANN.name, ANN.udid),
        ("Bob", BOB.udid),
        (AWAY.name, AWAY.udid),
    ]
    assert all(event["exit_code"] == 0 and event["snapshot"] for event in each)
    assert [row["snapshot"] for row in last["phones"]] == [event["snapshot"] for event in each]  # type: ignore[attr-defined]
    assert "Left out, as said above: Emil." in ibackup("now", "--all").flat
    left_out = [event["message"] for event in done.events if "left out" in str(event.get("message"))]
    assert len(left_out) == 1
    assert "Emil is left out: it does not trust this computer yet" in str(left_out[0])


def test_one_that_fails_keeps_no_other_from_its_turn(ibackup: Cli, store: Path, plugged: Plug) -> None:
    plugged(replace(ANN, setup_done=False), BOB)
    done = ibackup("now", "--all", "--patience", "0")
    assert done.code == ExitCode.PERSON_NEEDED
    assert f"{ANN.name} was not backed up." in done.flat_err
    assert "Bob: Backed up" in done.flat
    assert "1 of 2 phones backed up." in done.flat
    assert ibackup("now", "--all", "--phone", "Bob").code == ExitCode.USAGE


def test_no_phone_that_trusts(ibackup: Cli, store: Path, plugged: Plug) -> None:
    plugged(replace(EMIL, trust=Trust(kind="pending")))
    assert ibackup("now", "--all").code == ExitCode.NO_PHONE
