"""A backup that takes long to read: the page says how far it is and ends by itself, and other pages need not wait."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from ibackup.apple.backup import Backup
from ibackup.base.errors import PasswordNeeded
from ibackup.base.how_far import HowFar
from ibackup.explore.file_index import FileIndex
from ibackup.simulator.life.usual_life import usual_life
from ibackup.simulator.spec import PhoneSpec
from ibackup.view import first_readings
from ibackup.view.guard.browser_sessions import BrowserSession
from ibackup.view.opened.opened_backups import OpenedBackups
from ibackup.view.reckonings import Reckonings
from support.minted import Mint, Spec
from support.opening import HUGE_S, chosen
from support.page_calls import PHONE, PageCalls, store_of


class SlowReading:
    """Reads the list of files only to a half until it may go on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.begun, self.may_go_on = threading.Event(), threading.Event()
        whole = FileIndex.of

        def of(backup: Backup, _expected: int = 0, how_far: HowFar = lambda _: None) -> FileIndex:
            how_far(0.5)
            self.begun.set()
            assert self.may_go_on.wait(HUGE_S)
            return whole(backup)

        monkeypatch.setattr(FileIndex, "of", of)
        monkeypatch.setattr(first_readings, "_READINGS", Reckonings(0.0))


@pytest.fixture
def mint(tmp_path: Path) -> Mint:
    return Mint(tmp_path)


@pytest.fixture
def calls(tmp_path: Path) -> Iterator[PageCalls]:
    life = usual_life(PhoneSpec(life=True), 0)
    made = PageCalls(store_of(tmp_path, life.files(26)).path)
    yield made
    made.close()


def test_a_page_says_how_far_reading_is_and_other_pages_need_not_wait(
    calls: PageCalls, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = SlowReading(monkeypatch)
    waiting = calls.at_once(f"{PHONE}/files")
    assert slow.begun.wait(HUGE_S)
    assert "Reading the list of files" in waiting.text
    assert "50 percent are read" in calls.at_once(f"{PHONE}/files").text
    photos = calls.at_once(f"{PHONE}/photos")
    assert photos.status == 200
    assert "Reading" not in photos.text
    slow.may_go_on.set()
    assert "What takes the space" in calls.get(f"{PHONE}/files").text


def test_a_download_waits_until_the_backup_is_read(calls: PageCalls, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = SlowReading(monkeypatch)

    def let_go_on() -> None:
        assert slow.begun.wait(HUGE_S)
        slow.may_go_on.set()

    thread = threading.Thread(target=let_go_on)
    thread.start()
    answer = calls.at_once(f"{PHONE}/files/zip")
    thread.join(HUGE_S)
    assert answer.headers["content-type"] == "application/zip"


def test_what_is_read_apart_moves_to_the_open_backup_and_is_closed_when_locked_meanwhile(mint: Mint) -> None:
    class Made:
        closed = False
        backup: Backup | None = None

        def __init__(self, _backup: Backup) -> None:
            made.append(self)

        def move(self, backup: Backup) -> None:
            self.backup = backup

        def close(self) -> None:
            self.closed = True

    made: list[Made] = []
    shown = chosen(mint("secret", specs=[Spec("HomeDomain", "Library/a.txt", content=b"ours")]))
    house, session = OpenedBackups(), BrowserSession()
    house.unlock(shown, session, "secret")
    for _ in range(2):  # the second time it is there
        house.read_apart(shown, session, "x", Made, Made.move)
    with house.use(shown, session) as opened:
        assert opened.peek("x") is made[0]
        assert made[0].backup is opened.backup

    def lock_meanwhile(backup: Backup) -> Made:
        session.lock()
        return Made(backup)

    with pytest.raises(PasswordNeeded):
        house.read_apart(shown, session, "y", lock_meanwhile, Made.move)
    house.close()
    assert [each.closed for each in made] == [True, True]
