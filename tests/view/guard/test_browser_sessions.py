"""What a browser has unlocked, and when it is forgotten."""

import threading
from pathlib import Path

import pytest

from ibackup.apple.backup import Backup
from ibackup.base.errors import PasswordWrong
from ibackup.view.guard.browser_sessions import (
    IDLE_SECONDS,
    LOGIN_SECONDS,
    BrowserSession,
    BrowserSessions,
)
from support.minted import UDID, Mint
from support.raw_web import WAIT


class Clock:
    """A clock that a test sets."""

    now = 5000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Mint(tmp_path)("secret").folder


def opens(session: BrowserSession, folder: Path) -> bool:
    with Backup.open(folder) as backup:
        session.unlocker_for(UDID).open(backup)
        return backup.unlocked


def unlock(session: BrowserSession, folder: Path, password: str = "secret") -> None:
    with Backup.open(folder) as backup:
        session.unlock(UDID, password, backup)


def test_an_unlock_belongs_to_one_browser(folder: Path) -> None:
    mine, other = BrowserSession(), BrowserSession()
    unlock(mine, folder)
    assert opens(mine, folder)
    assert not opens(other, folder)
    assert (mine.unlocked, other.unlocked) == (frozenset([UDID]), frozenset())


def test_a_wrong_password_is_not_remembered(folder: Path) -> None:
    session = BrowserSession()
    with pytest.raises(PasswordWrong):
        unlock(session, folder, "wrong")
    assert not session.unlocked
    assert not opens(session, folder)


def test_locking_forgets_every_password_and_tells_the_listeners(folder: Path) -> None:
    session, told = BrowserSession(), []
    session.when_locked(lambda: told.append("kept"))
    no_longer = session.when_locked(lambda: told.append("ended"))
    no_longer()
    session.lock()
    assert told == []  # nothing was open
    unlock(session, folder)
    session.lock()
    assert told == ["kept"]
    assert not opens(session, folder)


def test_a_session_locks_itself_after_fifteen_idle_minutes(folder: Path) -> None:
    clock = Clock()
    session = BrowserSession(clock)
    unlock(session, folder)
    clock.now += IDLE_SECONDS - 1
    assert session.seconds_left == 1
    session.used()
    clock.now += IDLE_SECONDS - 1
    assert opens(session, folder)
    clock.now += 1
    assert not opens(session, folder)


def test_a_request_that_comes_too_late_does_not_keep_it_open(folder: Path) -> None:
    clock = Clock()
    session = BrowserSession(clock)
    unlock(session, folder)
    clock.now += IDLE_SECONDS
    session.used()
    assert not opens(session, folder)


def test_idle_sessions_are_locked_without_any_request(folder: Path) -> None:
    clock, locked = Clock(), threading.Event()
    sessions = BrowserSessions(clock, look_every=0.01)
    session, _ = sessions.create()
    session.when_locked(locked.set)
    unlock(session, folder)
    clock.now += IDLE_SECONDS
    assert locked.wait(WAIT)
    sessions.close()


def test_a_session_is_found_by_its_cookie_alone() -> None:
    sessions = BrowserSessions()
    session, cookie = sessions.create()
    other, _ = sessions.create()
    assert sessions.find(cookie) is session
    assert sessions.find(cookie + "x") is None
    assert sessions.find("") is None
    assert session.csrf != other.csrf
    assert cookie not in repr(vars(sessions))
    sessions.end(session)
    assert sessions.find(cookie) is None
    sessions.close()


def test_only_so_many_sessions_are_kept(folder: Path) -> None:
    clock = Clock()
    sessions = BrowserSessions(clock)
    first, cookie = sessions.create()
    unlock(first, folder)
    others = []
    for _ in range(40):
        clock.now += 1
        others.append(sessions.create()[1])
    assert sessions.find(cookie) is None
    assert not first.unlocked
    assert len([each for each in others if sessions.find(each)]) == 32
    sessions.close()


def test_only_a_login_ends_by_itself() -> None:
    clock = Clock()
    sessions = BrowserSessions(clock)
    _, entered = sessions.create()
    _, logged_in = sessions.create(logged_in=True)
    clock.now += LOGIN_SECONDS - 1
    assert sessions.find(logged_in) is not None
    clock.now += 1
    assert sessions.find(logged_in) is None
    assert sessions.find(entered) is not None
    sessions.close()


def test_closing_locks_all(folder: Path) -> None:
    sessions = BrowserSessions()
    session, cookie = sessions.create()
    unlock(session, folder)
    sessions.close()
    assert not session.unlocked
    assert sessions.find(cookie) is None
