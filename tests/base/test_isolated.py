"""A function that is called in another process."""

import threading

import pytest

from ibackup.base import isolated


def test_ctrl_c_before_all_of_it_has_begun_leaves_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[isolated.Process] = []
    real, begin = isolated.start, threading.Thread.start

    def start(program: str, *arguments: str) -> isolated.Process:
        started.append(real(program, *arguments))
        return started[-1]

    def interrupted(thread: threading.Thread) -> None:
        if thread._target is isolated._collect:  # type: ignore[attr-defined]
            raise KeyboardInterrupt
        begin(thread)

    monkeypatch.setattr(isolated, "start", start)
    monkeypatch.setattr(threading.Thread, "start", interrupted)
    with pytest.raises(KeyboardInterrupt):
        isolated.run("ibackup.base.udids:dashed", "x", seconds=60)
    assert len(started) == 1
    assert started[0].returncode is not None, "it was killed and waited for"
