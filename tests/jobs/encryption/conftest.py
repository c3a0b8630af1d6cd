"""Phones, stores and a keychain for the password's tests."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import keyring
import pytest

from ibackup.device.lockdown.phone_facts import PhoneFacts
from ibackup.jobs.encryption.encryption_request import (
    Action,
    EncryptionOutcome,
    EncryptionRequest,
    NewPassword,
)
from ibackup.jobs.encryption.password_change import change
from ibackup.jobs.encryption.switch_encryption import switch
from ibackup.simulator.spec import PhoneSpec
from ibackup.simulator.virtual_phone import VirtualPhone
from ibackup.vault.keychain import Keychain
from support.keyrings import FileKeyring
from support.runs import SMALL, Lab, PlugIn, Told

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
    """A phone, its store, and someone who changes the password."""

    def request(self, said: Said, keychain: Keychain | None = None) -> EncryptionRequest:
        store = self.store if self.path.exists() else None
        return EncryptionRequest(said, store=store, keychain=keychain, patience=0)

    def change(
        self, old: str = ONE, new: str = TWO, *, keychain: Keychain | None = None, told: Told | None = None
    ) -> EncryptionOutcome:
        self.told = told or Told()
        said = Said(old, new, keep=keychain is not None)
        return change(self.request(said, keychain), self.told)

    def on(
        self, new: str = TWO, *, keychain: Keychain | None = None, told: Told | None = None
    ) -> EncryptionOutcome:
        self.told = told or Told()
        said = Said(new_text=new, keep=keychain is not None)
        return switch(self.request(said, keychain), "on", self.told)

    def off(
        self, old: str = ONE, *, keychain: Keychain | None = None, told: Told | None = None
    ) -> EncryptionOutcome:
        self.told = told or Told()
        return switch(self.request(Said(old), keychain), "off", self.told)


MakeDesk = Callable[..., Desk]


@pytest.fixture
def make_desk(tmp_path: Path, plugged: PlugIn) -> MakeDesk:
    """Gives a function that plugs in the phone of a spec."""

    def make(spec: PhoneSpec = ENCRYPTED, *, store: str = "store") -> Desk:
        return plugged(lambda stack: Desk(tmp_path / store, stack, VirtualPhone(spec)))

    return make


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
