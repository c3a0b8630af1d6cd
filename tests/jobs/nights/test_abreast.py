"""Turns side by side, and the end of all of them."""

import threading

import pytest

from ibackup.jobs.nights.abreast import Abreast


class Gate(threading.Condition):
    """Holds a turn at the moment when it tells that it is over, until it is stopped there."""

    def __init__(self) -> None:
        super().__init__()
        self.reached = threading.Event()

    def __enter__(self) -> bool:
        if threading.current_thread() is not threading.main_thread() and not self.reached.is_set():
            self.reached.set()
            while True:
                pass
        return super().__enter__()


@pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_turn_that_is_stopped_while_it_ends_leaves_no_traceback() -> None:
    turns = Abreast[int](lambda _event: None)
    turns._changed = gate = Gate()
    turns.start("Ann", lambda _observe: 7)
    assert gate.reached.wait(100)
    turns.stop()
    assert not turns.busy
