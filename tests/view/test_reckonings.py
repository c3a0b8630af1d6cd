"""What is read in the background: kept for one session, read again after an error, and gone when it is locked."""

import threading
from pathlib import Path

import pytest

from ibackup.base.errors import IbackupError
from ibackup.jobs.nights.night_log import History
from ibackup.vault.unlocker import Unlocker
from ibackup.view import reckonings
from ibackup.view.guard.browser_sessions import BrowserSession
from ibackup.view.reckonings import Reckoning, Reckonings

HUGE_S = 500.0


def test_a_result_is_read_once_for_each_session() -> None:
    kept, calls = Reckonings(), []

    def make(reckoning: Reckoning) -> str:
        calls.append(1)
        reckoning.done = reckoning.total = 1
        return "read"

    one, other = BrowserSession(), BrowserSession()
    for session in (one, one, other):
        found = kept.get(session, "key", make)
        assert found.over.wait(HUGE_S)
        assert found.value == "read"
    assert len(calls) == 2
    assert kept.peek(BrowserSession(), "key") is None


def test_a_page_does_not_wait_for_what_takes_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reckonings, "_AT_ONCE_S", 0.01)
    go_on = threading.Event()

    def make(reckoning: Reckoning) -> str:
        reckoning.total = 8
        assert go_on.wait(HUGE_S)
        return "read"

    kept, session = Reckonings(), BrowserSession()
    assert not kept.get(session, "key", make).is_over
    go_on.set()
    found = kept.peek(session, "key")
    assert found is not None
    assert found.over.wait(HUGE_S)
    assert kept.get(session, "key", make) is found


def test_an_error_is_told_and_then_tried_again() -> None:
    kept, session = Reckonings(), BrowserSession()
    answers = iter([IbackupError("The disk is gone."), None])

    def make(_reckoning: Reckoning) -> str:
        error = next(answers)
        if error:
            raise error
        return "read"

    first = kept.get(session, "key", make)
    assert first.over.wait(HUGE_S)
    assert first.error is not None
    second = kept.get(session, "key", make)
    assert second.over.wait(HUGE_S)
    assert second.value == "read"


def test_an_error_that_comes_late_is_told() -> None:
    """A page that asks again and again must not have it tried again for ever."""
    kept, session, begun = Reckonings(0.0), BrowserSession(), []

    def make(_reckoning: Reckoning) -> str:
        begun.append(1)
        raise IbackupError("The disk is gone.")

    asked = kept.get(session, "key", make)
    assert asked.over.wait(HUGE_S)
    asked.told = False  # as if the first page had been quicker than the error
    found = kept.get(session, "key", make)
    assert found.error is not None
    assert found is asked
    assert len(begun) == 1
    assert kept.get(session, "key", make).over.wait(HUGE_S)
    assert len(begun) == 2


def test_locking_forgets_what_was_read() -> None:
    kept, session = Reckonings(), BrowserSession()
    assert kept.get(session, "key", lambda _: "decrypted").over.wait(HUGE_S)
    session._unlockers["00"] = Unlocker()  # as if a password had been typed
    session.lock()
    assert kept.peek(session, "key") is None


def test_only_so_many_results_stay() -> None:
    kept, session = Reckonings(), BrowserSession()
    for n in range(reckonings._MOST_KEPT + 3):
        assert kept.get(session, n, lambda _: "read").over.wait(HUGE_S)
    assert kept.peek(session, 0) is None
    assert kept.peek(session, reckonings._MOST_KEPT + 2) is not None


def test_the_history_tells_when_it_grew(tmp_path: Path) -> None:
    history = History(str(tmp_path))
    before = history.mark
    assert before == ()
    history.add({"udid": "00", "state": "done"})
    first = history.mark
    history.add({"udid": "00", "state": "failed"})
    assert len({before, first, history.mark}) == 3
    assert history.mark == history.mark
