"""Encryption switched on and off, cut at every message: the error says where the phone stands, and it is right."""

import pytest

from harness.wire import Wire, tapped
from ibackup.base.errors import ConnectionLost, IbackupError, PhoneRefused
from ibackup.vault.keychain import Keychain, KeychainTrouble
from jobs.encryption.conftest import ENCRYPTED, ONE, TWO, Desk, MakeDesk
from support.keyrings import FileKeyring
from support.runs import SMALL


def switch(desk: Desk, keychain: Keychain | None = None, *, on: bool) -> None:
    if on:
        desk.on(keychain=keychain)
    else:
        desk.off(keychain=keychain)


@pytest.mark.parametrize("on", [True, False], ids=["on", "off"])
def test_cut_at_every_message(make_desk: MakeDesk, keychain: Keychain, on: bool) -> None:
    desk = make_desk(SMALL if on else ENCRYPTED)
    udid, before = desk.phone.udid, None if on else ONE
    with tapped(Wire()) as wire:
        switch(desk, on=on)
    states = set()
    for number in range(1, wire.written + 1):
        keychain.forget(udid)
        if before:
            keychain.keep(udid, before)
        desk.phone.set_backup_password(before)
        error: IbackupError | None = None
        with tapped(Wire(number, "before")):
            try:
                switch(desk, keychain, on=on)
            except ConnectionLost as caught:
                error = caught
        done = desk.phone.will_encrypt is on
        states.add(done)
        assert error is not None
        assert ("The phone did change its setting" in error.message) is done
        assert ("It has not changed its setting" in error.message) is not done
        assert keychain.pending(udid) is None
        if on:
            assert keychain.password(udid) == (TWO if done else None)
        else:
            assert (keychain.password(udid), keychain.earlier(udid)) == (
                (None, (ONE,)) if done else (ONE, ())
            )
    assert states == {True, False}


def test_a_phone_that_is_gone_afterwards(
    make_desk: MakeDesk, keychain: Keychain, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ibackup.jobs.encryption.password_request._BACK_AGAIN_S", 0.3)
    desk = make_desk(SMALL)
    with tapped(Wire(4, "before")) as wire:
        wire.wanted = lambda number: desk.server.detach(desk.phone) if number == 4 else None
        with pytest.raises(ConnectionLost) as caught:
            desk.on(keychain=keychain)
    assert "It is unknown whether" in caught.value.message
    assert "Keep the password" in caught.value.hint
    # Nobody knows, so it stays where the next backup looks for it.
    assert keychain.pending(desk.phone.udid) == TWO


def test_the_phone_is_not_asked_when_the_keychain_fails(
    make_desk: MakeDesk, keychain: Keychain, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = make_desk(SMALL)

    def refuse(*_: object) -> None:
        raise OSError("no more")

    monkeypatch.setattr(FileKeyring, "set_password", refuse)
    with pytest.raises(KeychainTrouble):
        desk.on(keychain=keychain)
    assert "ChangePassword" not in desk.phone.journal.details("request")
    desk.phone.set_backup_password(ONE)
    desk.now(ONE)
    with pytest.raises(KeychainTrouble):
        desk.change(keychain=keychain)
    assert desk.phone.backup_password == ONE
    assert desk.left == []


@pytest.mark.parametrize("on", [True, False], ids=["on", "off"])
def test_a_phone_that_only_says_so(
    make_desk: MakeDesk, keychain: Keychain, on: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = make_desk(SMALL if on else ENCRYPTED)
    monkeypatch.setattr(desk.phone, "set_backup_password", lambda _: None)
    with pytest.raises(PhoneRefused, match="did not change"):
        switch(desk, keychain, on=on)
    assert keychain.password(desk.phone.udid) is None


def test_a_phone_that_never_encrypted_says_nothing_of_it(make_desk: MakeDesk) -> None:
    """Nothing is asked for, and nothing of the phone: it is off."""
    from dataclasses import replace

    desk = make_desk(replace(SMALL, encrypted_before=False))
    outcome = desk.off()
    assert not outcome.changed
    assert desk.phone.journal.details("request") == []
    assert desk.on().changed
    assert desk.phone.backup_password == TWO
