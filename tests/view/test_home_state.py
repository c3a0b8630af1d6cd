"""What Home says of a store: one sentence for all phones, the gravest thing first."""

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ibackup.copies.copy_records import CopiedSnapshot, CopyRecord
from ibackup.simulator.spec import PhoneSpec
from ibackup.simulator.virtual_phone import VirtualPhone
from ibackup.view.home.home_state import HomeState, home_state
from ibackup.view.house import House
from ibackup.view.view_request import ViewRequest
from support.runs import SMALL, Lab, flip, plugging_in

ANN = replace(SMALL, seed=1, name="Ann\u2019s iPhone")
ID = "c76a0e34" * 8
BOB = PhoneSpec(seed=2, name="Bob\u2019s iPhone", domains=SMALL.domains)


@pytest.fixture
def labs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Lab]]:
    """Two phones with a backup each, in one store; neither is plugged in afterwards."""
    with plugging_in(tmp_path, monkeypatch) as plug_in, ExitStack() as stack:
        made = []
        for spec in (ANN, BOB):
            lab = plug_in(lambda _stack, spec=spec: Lab(tmp_path / "store", stack, VirtualPhone(spec)))  # type: ignore[misc]
            lab.now()
            made.append(lab)
        monkeypatch.setenv("USBMUXD_SOCKET_ADDRESS", str(tmp_path / "no-usbmuxd"))
        yield made


def until_late(lab: Lab) -> None:
    """Wait until the newest backup of a phone is older than a second, however quick the machine is."""
    while datetime.now(UTC) - lab.snapshots[-1].meta.finished <= timedelta(seconds=1):
        time.sleep(0.05)


def state(tmp_path: Path) -> HomeState:
    """What Home shows once it has looked for phones."""
    house = House(ViewRequest(store=str(tmp_path / "store"), config=str(tmp_path / "config.toml")))
    (tmp_path / "config.toml").touch()
    try:
        home_state(house)
        assert house.connected.has_looked.wait(500)
        return home_state(house)
    finally:
        house.close()


def test_all_is_well(labs: list[Lab], tmp_path: Path) -> None:
    home = state(tmp_path)
    assert (home.sentence.tone, home.sentence.title) == ("good", "Both phones are safe.")
    assert [(card.name, card.word) for card in home.cards] == [(ANN.name, "Safe"), (BOB.name, "Safe")]
    assert home.no_phones is not None
    assert not home.is_first


def test_a_late_phone_is_named_and_the_others_are_safe(labs: list[Lab], tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text(f'[[phones]]\nname = "bob"\nudid = "{labs[1].phone.udid}"\nmax_age = "1s"\n')
    until_late(labs[1])
    home = state(tmp_path)
    assert home.sentence.tone == "wait"
    assert home.sentence.title.startswith("bob was last backed up")
    assert "Every other phone is safe." in home.sentence.text


def test_damage_comes_before_everything_else(labs: list[Lab], tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text('[nightly]\nmax_age = "1s"\n')
    until_late(labs[1])
    flip(Path(labs[0].snapshots[-1].seal_path))
    home = state(tmp_path)
    assert home.sentence.tone == "bad"
    assert home.sentence.title == f"The newest backup of {ANN.name} is damaged."
    assert [card.word for card in home.cards] == ["Damaged", "Late"]


def test_a_disk_that_is_not_there_is_no_first_run(labs: list[Lab], tmp_path: Path) -> None:
    assert not state(tmp_path).is_first
    (tmp_path / "store").rename(tmp_path / "unplugged")
    (tmp_path / "store").mkdir()
    home = state(tmp_path)
    assert home.trouble is not None
    assert home.sentence.tone == "wait"
    assert not home.is_first


def test_a_second_copy_is_shown_with_its_newest_backup(labs: list[Lab], tmp_path: Path) -> None:
    folder = labs[0].folder
    config = tmp_path / "config.toml"
    config.write_text(f'[[copies]]\nname = "grey"\nto = "/mnt/grey"\nrepository_id = "{ID}"\n')
    snapshot = folder.snapshots()[-1]
    record = CopyRecord(ID).with_copied(
        CopiedSnapshot(snapshot.id, "1", "0" * 64, datetime.now(UTC) + timedelta(hours=1), 1)
    )
    record.write(folder.proofs_path, "grey")
    ann, bob = state(tmp_path).cards
    assert ann.second_copy is not None
    assert (ann.second_copy.name, ann.second_copy.is_proven) == ("grey", False)
    assert bob.second_copy is None
    assert os.path.isdir(folder.proofs_path)


def test_a_backup_folder_is_called_what_it_is(labs: list[Lab]) -> None:
    house = House(ViewRequest(folder=labs[0].snapshots[-1].backup_path))
    home = home_state(house)
    house.close()
    assert home.sentence.title == f"A backup of {ANN.name}."
    (card,) = home.cards
    assert (card.word, card.has_backup, card.second_copy) == ("Opened", True, None)
    assert not home.is_first


def test_a_store_without_phones_is_not_called_safe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("USBMUXD_SOCKET_ADDRESS", str(tmp_path / "no-usbmuxd"))
    (tmp_path / "store").mkdir()
    home = state(tmp_path)
    assert (home.sentence.tone, home.sentence.title) == ("wait", "No phone has a backup here yet.")
