"""Phones, stores and a keychain for the password's tests."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import keyring
import pytest

from ibackup.device import PhoneFacts
from ibackup.encryption import NewPassword, Outcome, Request, change, switch
from ibackup.encryption.types import Action
from ibackup.keychain import Keychain
from ibackup.simulator import PhoneSpec, VirtualPhone
from support.keyrings import FileKeyring
from support.runs import SMALL, Lab, Told, plugging_in

ONE, TWO, THREE = "erstens Amsel 1", "zweitens Bussard 2", "drittens Celsius 3"
ENCRYPTED = replace(SMALL, backup_password=ONE)


@dataclass
class Said:
    """Answers to what is asked, given at once; ``asked`` has what was."""

    old_text: str = ONE
    new_text: str = TWO
    keep: bool = False
    asked: list[str] = field(default_factory=list)

    def old(self, _phone: PhoneFacts) -> str:
        self.asked.append("old")
        return self.old_text

    def new(self, _phone: PhoneFacts, action: Action) -> NewPassword:
        self.asked.append(f"new for {action}")
        return NewPassword(self.new_text, self.keep)

    def agree(self, _phone: PhoneFacts) -> None:
        self.asked.append("agree")


class Desk(Lab):
    """A phone, its store, and somebody who changes the password."""

    def request(self, said: Said, keychain: Keychain | None = None) -> Request:
        store = self.store if self.path.exists() else None
        return Request(said, store=store, keychain=keychain, patience=0)

    def change(
        self, old: str = ONE, new: str = TWO, *, keychain: Keychain | None = None, told: Told | None = None
    ) -> Outcome:
        self.told = told or Told()
        said = Said(old, new, keep=keychain is not None)
        return change(self.request(said, keychain), self.told)

    def on(self, new: str = TWO, *, keychain: Keychain | None = None, told: Told | None = None) -> Outcome:
        self.told = told or Told()
        said = Said(new_text=new, keep=keychain is not None)
        return switch(self.request(said, keychain), "on", self.told)

    def off(self, old: str = ONE, *, keychain: Keychain | None = None, told: Told | None = None) -> Outcome:
        self.told = told or Told()
        return switch(self.request(Said(old), keychain), "off", self.told)


MakeDesk = Callable[..., Desk]


@pytest.fixture
def make_desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MakeDesk]:
    """Gives a function that plugs in the phone of a spec; no thread is left when the test is over."""
    with plugging_in(tmp_path, monkeypatch) as plug_in:

        def make(spec: PhoneSpec = ENCRYPTED, *, store: str = "store") -> Desk:
            return plug_in(lambda stack: Desk(tmp_path / store, stack, VirtualPhone(spec)))

        yield make


@pytest.fixture
def desk(make_desk: MakeDesk) -> Desk:
    """A phone whose backups are encrypted, and no store yet."""
    return make_desk()


@pytest.fixture
def ring(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[FileKeyring]:
    """A keychain that keyring finds, and so does the product."""
    monkeypatch.setenv("TEST_KEYRING", str(tmp_path_factory.mktemp("ring") / "ring.json"))
    before, mine = keyring.get_keyring(), FileKeyring()
    keyring.set_keyring(mine)
    yield mine
    keyring.set_keyring(before)


@pytest.fixture
def keychain(ring: FileKeyring) -> Keychain:
    """That keychain, as the product has it."""
    found = Keychain.open()
    assert found is not None
    return found
