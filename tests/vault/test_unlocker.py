"""What opens an encrypted backup, in which order, and how often a key is derived for it."""

from pathlib import Path

import pytest

from ibackup.apple.backup import Backup
from ibackup.apple.crypto.keybag import Keybag
from ibackup.base.errors import PasswordWrong
from ibackup.vault.unlocker import Unlocker
from support.minted import Mint


def test_a_key_is_derived_once_and_another_spelling_reported_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Mint(tmp_path)("secret")
    tried: list[str] = []
    derive = Keybag.derive

    def counted(self: Keybag, password: str) -> bytes:
        tried.append(password)
        return derive(self, password)

    monkeypatch.setattr(Keybag, "derive", counted)
    told: list[object] = []
    unlocker = Unlocker(lambda _: "secret ", observe=told.append)
    for _ in range(2):
        with Backup.open(made.folder) as backup:
            unlocker.open(backup)
            assert backup.unlocked
    assert tried == ["secret ", "secret"]
    assert len(told) == 1


def test_a_wrong_password_is_asked_again_only_while_one_can_be_typed(tmp_path: Path) -> None:
    made = Mint(tmp_path)("secret")
    typed = ["wrong", "secret"]
    unlocker = Unlocker(lambda _: typed[0], again=lambda _: bool(typed.pop(0)))
    with Backup.open(made.folder) as backup:
        assert unlocker.find_password(backup) == "secret"
    with Backup.open(made.folder) as backup, pytest.raises(PasswordWrong):
        Unlocker(lambda _: "wrong").open(backup)
