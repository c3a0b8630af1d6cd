"""A trace that cannot be written costs nobody a backup."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from cli.conftest import ANN, Cli
from ibackup.simulator.virtual_phone import VirtualPhone
from ibackup.trace.redaction import Redaction

Plug = Callable[..., list[VirtualPhone]]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no device that is always full")
def test_a_full_disk_ends_the_trace_and_not_the_backup(
    ibackup: Cli, plugged: Plug, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugged(ANN)
    opens = os.open

    def full(path: str, flags: int, *more: int, **how: int) -> int:
        return opens("/dev/full" if str(path).endswith(".trace") else path, flags & ~os.O_EXCL, *more, **how)

    monkeypatch.setattr(os, "open", full)
    done = ibackup("now", "--store", tmp_path / "store", "--record", tmp_path / "my.trace")
    assert done.code == 0, done
    assert done.flat_err.count("The trace ends here") == 1


def test_a_flaw_of_the_recorder_ends_the_trace_and_not_the_backup(
    ibackup: Cli, plugged: Plug, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugged(ANN)
    monkeypatch.setattr(Redaction, "path", lambda *_: 1 // 0)
    trace = tmp_path / "my.trace"
    done = ibackup("now", "--store", tmp_path / "store", "--record", trace)
    assert done.code == 0, done
    assert done.flat_err.count("The trace ends here") == 1
    assert trace.stat().st_size
