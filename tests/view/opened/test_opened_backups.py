import os
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from ibackup.apple.backup import Backup
from ibackup.apple.format_errors import FormatError
from ibackup.base.errors import PasswordNeeded, PasswordWrong
from ibackup.view.guard.browser_sessions import BrowserSession
from ibackup.view.opened.opened_backups import MOST_HEAVY, OpenedBackup, OpenedBackups
from support.minted import Mint, Spec
from support.opening import HUGE_S, chosen

_FILES = [Spec("HomeDomain", "Library/a.txt", content=b"ours")]


class Noticed:
    """Something that was read from a backup; notes that it was closed."""

    def __init__(self, _opened: OpenedBackup) -> None:
        self.closed = False

    def close(self) -> None:
        """Close it."""
        self.closed = True


@pytest.fixture
def house() -> Iterator[OpenedBackups]:
    made = OpenedBackups(most=2)
    yield made
    made.close()


def _text(opened: OpenedBackup) -> bytes:
    entry = opened.backup.entry("HomeDomain", "Library/a.txt")
    assert entry is not None
    with entry.open() as source:
        return source.read()


def test_what_was_read_once_is_kept_for_everybody_who_opens_a_plain_backup(
    house: OpenedBackups, mint: Mint
) -> None:
    shown = chosen(mint(None, specs=_FILES))
    assert house.peek(shown, BrowserSession()) is None
    with house.use(shown, BrowserSession()) as opened:
        assert _text(opened) == b"ours"
        first = opened.once("x", Noticed)
    with house.use(shown, BrowserSession()) as opened:
        assert opened.once("x", Noticed) is first
    peeked = house.peek(shown, BrowserSession())
    assert peeked is not None
    assert peeked.peek("x") is first
    assert peeked.peek("y") is None
    house.close()
    assert first.closed
    house.close()


def test_a_backup_of_which_nothing_is_kept_is_closed_before_one_that_was_read(mint: Mint) -> None:
    """The plot of growth opens many, one after the other; what the user looks at must not be read again for that."""
    house, session = OpenedBackups(most=2), BrowserSession()
    shown = [chosen(mint(None, specs=_FILES)) for _ in range(4)]
    with house.use(shown[0], session) as opened:
        kept = opened.once("x", Noticed)
    for each in shown[1:]:
        with house.use(each, session):
            pass
    assert not kept.closed
    assert house.peek(shown[0], session) is not None
    assert house.peek(shown[1], session) is None
    house.close()


def test_only_a_few_backups_keep_what_is_large(mint: Mint) -> None:
    house, session = OpenedBackups(), BrowserSession()
    shown = [chosen(mint(None, specs=_FILES)) for _ in range(MOST_HEAVY + 2)]
    for each in shown:
        house.read_apart(each, session, "x", lambda _: "large", lambda _made, _backup: None)
    assert [house.peek(each, session) is not None for each in shown] == [False] * 2 + [True] * MOST_HEAVY
    house.close()


def test_an_encrypted_backup_belongs_to_the_session_that_unlocked_it(
    house: OpenedBackups, mint: Mint
) -> None:
    shown, ann, bob = chosen(mint("secret", specs=_FILES)), BrowserSession(), BrowserSession()
    with pytest.raises(PasswordNeeded), house.use(shown, ann):
        pass
    with pytest.raises(PasswordWrong):
        house.unlock(shown, ann, "wrong")
    house.unlock(shown, ann, "secret")
    with house.use(shown, ann) as opened:
        assert _text(opened) == b"ours"
    with pytest.raises(PasswordNeeded), house.use(shown, bob):
        pass
    assert house.peek(shown, bob) is None
    assert house.peek(shown, ann) is opened


def test_locking_a_session_closes_what_it_opened(house: OpenedBackups, mint: Mint) -> None:
    shown, session = chosen(mint("secret", specs=_FILES)), BrowserSession()
    house.unlock(shown, session, "secret")
    with house.use(shown, session) as opened:
        kept = opened.once("x", Noticed)
    session.lock()
    assert kept.closed
    assert not opened.backup.unlocked
    assert house.peek(shown, session) is None
    with pytest.raises(PasswordNeeded), house.use(shown, session):
        pass
    house.unlock(shown, session, "secret")
    with house.use(shown, session) as again:
        assert again is not opened


def test_locking_waits_for_nobody_and_what_is_in_use_is_closed_after_that(
    house: OpenedBackups, mint: Mint
) -> None:
    shown, session = chosen(mint("secret", specs=_FILES)), BrowserSession()
    house.unlock(shown, session, "secret")
    with house.use(shown, session) as opened:
        kept = opened.once("x", Noticed)
        session.lock()
        assert not kept.closed
        assert _text(opened) == b"ours"
    assert kept.closed


def test_the_least_recently_used_backup_makes_way(house: OpenedBackups, mint: Mint) -> None:
    session = BrowserSession()
    first, second, third = (chosen(mint(None, specs=_FILES)) for _ in range(3))
    kept = []
    for shown in (first, second, first, third):
        with house.use(shown, session) as opened:
            kept.append(opened.once("x", Noticed))
    assert [each.closed for each in kept] == [False, True, False, False]
    assert house.peek(second, session) is None
    assert house.peek(first, session) is not None


def test_one_thread_at_a_time_uses_a_backup(house: OpenedBackups, mint: Mint) -> None:
    shown, session = chosen(mint(None, specs=_FILES)), BrowserSession()
    inside, errors = [], []

    def look() -> None:
        with house.use(shown, session) as opened:
            inside.append(opened)
            if len(inside) != 1:
                errors.append("two at once")
            _text(opened)
            inside.pop()

    threads = [threading.Thread(target=look) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(HUGE_S)
    assert not errors


def test_two_backups_at_once_are_taken_together(house: OpenedBackups, mint: Mint) -> None:
    session = BrowserSession()
    one, other = (chosen(mint(None, specs=_FILES)) for _ in range(2))
    done = []

    def both(first: object, second: object) -> None:
        for _ in range(20):
            with house.use_two(first, second, session) as (a, b):  # type: ignore[arg-type]
                done.append((a.shown, b.shown) == (first, second))

    threads = [threading.Thread(target=both, args=pair) for pair in ((one, other), (other, one))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(HUGE_S)
    assert done == [True] * 40
    with house.use_two(one, one, session) as (a, b):
        assert a is b
    with house.use(one, session), pytest.raises(RuntimeError), house.use(other, session):
        pass


def test_what_cannot_be_read_is_damage_and_does_not_stay(house: OpenedBackups, mint: Mint) -> None:
    made = mint(None, specs=_FILES)
    shown, session = chosen(made), BrowserSession()
    database = made.folder / "Manifest.db"
    data = database.read_bytes()
    database.write_bytes(b"nothing of the kind")
    with pytest.raises(FormatError, match=r"Manifest\.db"), house.use(shown, session):
        pass
    database.write_bytes(data)
    with house.use(shown, session) as opened:
        assert _text(opened) == b"ours"


def test_a_page_learns_what_is_odd_about_a_backup(house: OpenedBackups, mint: Mint) -> None:
    made = mint(None, specs=_FILES)
    (made.folder / "Manifest.plist").write_bytes(b"no plist")
    with house.use(chosen(made), BrowserSession()) as opened:
        assert any("Manifest.plist cannot be read" in note.text for note in opened.notes)


def test_all_backups_of_a_phone_close_before_it_changes(house: OpenedBackups, mint: Mint) -> None:
    shown, session = chosen(mint(None, specs=_FILES)), BrowserSession()
    with house.use(shown, session) as opened:
        kept = opened.once("x", Noticed)
    house.close_phone("another")
    assert not kept.closed
    house.close_phone(shown.udid)
    assert kept.closed


def test_nothing_decrypted_lies_on_the_disk(
    house: OpenedBackups,
    mint: Mint,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = mint("secret", specs=_FILES)
    folder = tmp_path_factory.mktemp("temporary")
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.setattr("ibackup.apple.foreign_database.MEMORY_LIMIT", 0)  # as for a list of 300,000 files
    shown, session = chosen(made), BrowserSession()
    before = _tree(made.folder)
    house.unlock(shown, session, "secret")
    with house.use(shown, session) as opened:
        assert _text(opened) == b"ours"
        if os.name == "posix":
            assert not list(folder.rglob("*"))
    house.close()
    assert not list(folder.rglob("*"))
    assert _tree(made.folder) == before


def _tree(folder: Path) -> list[str]:
    return sorted(str(path) for path in folder.rglob("*"))


def test_a_backup_that_is_locked_while_it_is_opened_stays_shut(
    house: OpenedBackups, mint: Mint, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown, session = chosen(mint("secret", specs=_FILES)), BrowserSession()
    house.unlock(shown, session, "secret")
    opening = Backup.unlock_with_key
    backups = []

    def locked_meanwhile(self: Backup, key: bytes, password: str = "") -> None:
        opening(self, key, password)
        backups.append(self)
        session.lock()

    monkeypatch.setattr(Backup, "unlock_with_key", locked_meanwhile)
    with pytest.raises(PasswordNeeded), house.use(shown, session):
        pass
    assert house.peek(shown, session) is None
    assert not backups[-1].unlocked
