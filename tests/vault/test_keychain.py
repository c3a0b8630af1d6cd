"""The keychain: in whatever step it fails, no password is lost; a key is for its own keybag alone."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import keyring
import pytest
from keyring.backends import fail, null
from keyring.backends.chainer import ChainerBackend

from ibackup.apple.backup import Backup
from ibackup.vault import keychain
from ibackup.vault.keychain import Keychain, KeychainTrouble, StoredKey
from ibackup.vault.unlocker import Unlocker
from support.keyrings import FileKeyring, LockedKeyring
from support.minted import Mint

UDID = "00008101-000A0B0C0D0E0F01"


@pytest.fixture
def ring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FileKeyring]:
    monkeypatch.setenv("TEST_KEYRING", str(tmp_path / "ring.json"))
    before, mine = keyring.get_keyring(), FileKeyring()
    keyring.set_keyring(mine)
    yield mine
    keyring.set_keyring(before)


def opened() -> Keychain:
    found = Keychain.open()
    assert found is not None
    return found


class PlainKeyring(FileKeyring):
    """One that keyring finds and does not recommend, like those that only write a file."""

    priority = 0.5


def test_one_that_protects_nothing_is_refused_by_its_name(ring: FileKeyring) -> None:
    keyring.set_keyring(PlainKeyring())
    with pytest.raises(KeychainTrouble, match="PlainKeyring"):
        Keychain.open()
    chain = ChainerBackend()
    keyring.set_keyring(chain)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(ChainerBackend, "backends", [PlainKeyring(), ring])
        with pytest.raises(KeychainTrouble, match="PlainKeyring"):
            Keychain.open()


class Failing(FileKeyring):
    """Fails at its n-th change, and at all after it."""

    def __init__(self, left: int) -> None:
        super().__init__()
        self.left = left

    def _write(self, entries: dict[str, str]) -> None:
        self.left -= 1
        if self.left < 0:
            raise OSError("no more")
        super()._write(entries)


def held(ring: FileKeyring) -> set[str]:
    return set("\n".join(ring.entries().values()).split("\n"))


STEPS: dict[str, Callable[[Keychain], object]] = {
    "keep": lambda keychain: keychain.keep(UDID, "two", before="other"),
    "retire": lambda keychain: keychain.retire(UDID),
    "hold another": lambda keychain: keychain.hold(UDID, "three"),
}


@pytest.mark.parametrize("step", STEPS)
def test_nothing_is_lost_wherever_it_fails(ring: FileKeyring, step: str) -> None:
    for left in range(8):
        FileKeyring.path().unlink(missing_ok=True)
        keyring.set_keyring(ring)
        opened().keep(UDID, "one")
        opened().hold(UDID, "two")
        keyring.set_keyring(Failing(left))
        try:
            STEPS[step](opened())
        except KeychainTrouble:
            pass  # and the next one gets a step further
        else:
            break
        finally:
            assert {"one", "two"} <= held(ring)
    else:
        raise AssertionError("it never succeeds")
    assert left > 1


def test_what_stands_there_in_the_end(ring: FileKeyring) -> None:
    keychain = opened()
    for number in range(12):
        keychain.hold(UDID, f"p{number}")
        keychain.keep(UDID, f"p{number}")
    assert keychain.password(UDID) == "p11"
    assert keychain.pending(UDID) is None
    assert keychain.earlier(UDID) == tuple(f"p{number}" for number in range(10, 2, -1))
    keychain.keep(UDID, "p5")
    assert keychain.earlier(UDID)[:2] == ("p11", "p10")
    keychain.drop(UDID)
    assert keychain.forget(UDID)
    assert not keychain.forget(UDID)
    assert ring.entries() == {}


def test_a_key_is_for_its_keybag_alone(ring: FileKeyring) -> None:
    keychain = opened()
    keychain.keep(UDID, "one")
    keychain.keep_key(UDID, StoredKey.of(b"a keybag", bytes(range(32))))
    stored = keychain.key(UDID)
    assert stored is not None
    assert stored.key == bytes(range(32))
    assert stored.fits(b"a keybag")
    assert not stored.fits(b"a keybaG")
    assert repr(stored.key) not in repr(stored)
    keychain.keep(UDID, "one")
    assert keychain.key(UDID) == stored
    keychain.keep(UDID, "two")
    assert keychain.key(UDID) is None


@pytest.mark.parametrize("backend", [fail.Keyring, null.Keyring])
def test_no_keychain(ring: FileKeyring, backend: type) -> None:
    keyring.set_keyring(backend())
    assert Keychain.open() is None


def test_one_that_forgets_is_not_relied_on(ring: FileKeyring) -> None:
    class Forgetful(FileKeyring):
        def _write(self, entries: dict[str, str]) -> None:
            pass

    keyring.set_keyring(Forgetful())
    with pytest.raises(KeychainTrouble, match="did not give back"):
        opened().hold(UDID, "one")


def test_a_locked_one_says_nothing_of_what_it_was_asked(ring: FileKeyring) -> None:
    keyring.set_keyring(LockedKeyring())
    with pytest.raises(KeychainTrouble) as caught:
        opened().password(UDID)
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(("era", "opens"), [("10.2", True), ("mbdb", True), ("10.0", False)])
def test_a_key_opens_a_backup_where_it_is_enough(
    ring: FileKeyring, tmp_path: Path, era: str, opens: bool
) -> None:
    """With the key alone every record of iOS 10.0 would look damaged."""
    made = Mint(tmp_path)("secret", era=era)
    keychain = opened()
    with Backup.open(made.folder) as backup:
        keybag = backup.manifest.keybag or b""
        keychain.keep_key(UDID, StoredKey.of(keybag, backup.keybag.derive("secret")))
        unlocker = Unlocker(lambda _: "secret", find_keychain=lambda: keychain)
        assert unlocker.open_by_key(backup, UDID) is opens
        unlocker.open(backup, UDID)
        assert [entry.size for entry in backup.entries()] == [len(spec.content) for spec in made.specs]


def test_a_dialog_that_nobody_answers_does_not_hold_a_night(monkeypatch: pytest.MonkeyPatch) -> None:
    answered = threading.Event()
    asked: list[str] = []

    class Dialog(FileKeyring):
        def get_password(self, service: str, username: str) -> str | None:
            asked.append(username)
            answered.wait()
            return None

    monkeypatch.setattr(keychain, "_ANSWER_S", 0.01)
    found = Keychain(Dialog(), "a dialog")
    try:
        for _ in range(3):
            with pytest.raises(KeychainTrouble, match="does not answer"):
                found.password(UDID)
        assert asked == [UDID], "it is not asked again and again"
    finally:
        answered.set()
