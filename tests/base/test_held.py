"""Files and folders that a virus scanner holds on Windows: moved, removed and made anyway, a little later."""

import errno
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ibackup.base import confined, held
from ibackup.base.confined import Confined, parse
from ibackup.store.disk import durable


def sharing_violation(path: object) -> OSError:
    """As Windows has it: ERROR_SHARING_VIOLATION (32) is a PermissionError there."""
    error = PermissionError(errno.EACCES, "used by another process", path)
    error.winerror = 32  # type: ignore[attr-defined,unused-ignore]
    return error


def access_denied(path: object) -> OSError:
    error = PermissionError(errno.EACCES, "Access is denied", path)
    error.winerror = 5  # type: ignore[attr-defined,unused-ignore]
    return error


def not_empty(path: object) -> OSError:
    return OSError(errno.ENOTEMPTY, "The directory is not empty", path)


class Scanner:
    """Holds what is touched: the n-th calls of a function of os fail."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch
        self.pauses: list[float] = []
        monkeypatch.setattr(time, "sleep", self.pauses.append)
        monkeypatch.setattr(sys, "platform", "win32")
        monkeypatch.setattr(confined, "_POSIX_AT", False)

    def holds(self, call: str, error: Callable[[object], OSError], *, times: int = 2, first: int = 1) -> None:
        real: Callable[..., Any] = getattr(os, call)
        calls = 0

        def held_for_a_moment(path: object, *rest: Any, **more: Any) -> Any:
            nonlocal calls
            calls += 1
            if first <= calls < first + times:
                raise error(path)
            return real(path, *rest, **more)

        self._monkeypatch.setattr(os, call, held_for_a_moment)


@pytest.fixture
def scanner(monkeypatch: pytest.MonkeyPatch) -> Scanner:
    return Scanner(monkeypatch)


ERRORS = pytest.mark.parametrize("error", [sharing_violation, access_denied])


@ERRORS
def test_a_file_of_a_working_copy_is_removed(
    tmp_path: Path, scanner: Scanner, error: Callable[[object], OSError]
) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "new").mkdir()
    with Confined(tmp_path / "in", tmp_path / "new") as box:
        (tmp_path / "in" / "old").write_bytes(b"")
        scanner.holds("unlink", error)
        assert box.remove(parse("old"))
        assert list((tmp_path / "in").iterdir()) == []
        staged = box.create()
        os.close(staged.fd)
        scanner.holds("unlink", error)
        box.discard(staged)
        assert list((tmp_path / "new").iterdir()) == []


@ERRORS
def test_a_folder_of_a_working_copy_is_made(
    tmp_path: Path, scanner: Scanner, error: Callable[[object], OSError]
) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "new").mkdir()
    scanner.holds("mkdir", error)
    with Confined(tmp_path / "in", tmp_path / "new") as box:
        box.make_dir(parse("Snapshot/ab"))
    assert (tmp_path / "in" / "Snapshot" / "ab").is_dir()
    scanner.holds("mkdir", error)
    durable.make_dir(str(tmp_path / "own"))
    assert (tmp_path / "own").is_dir()


@pytest.mark.parametrize(
    ("call", "error"), [("unlink", sharing_violation), ("unlink", access_denied), ("rmdir", not_empty)]
)
def test_a_whole_tree_is_removed(
    tmp_path: Path,
    scanner: Scanner,
    call: str,
    error: Callable[[object], OSError],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The first of its files, and the second at another time: each has its own moment."""
    import shutil

    # Windows has no folders by descriptor: shutil goes by paths there.
    monkeypatch.setattr(shutil, "_use_fd_functions", False)
    for name in ("a", "b", "c"):
        (tmp_path / "tree" / name).mkdir(parents=True)
        (tmp_path / "tree" / name / "file").write_bytes(b"")
    scanner.holds(call, error, first=1)
    scanner.holds(call, error, first=4)
    held.remove_tree(str(tmp_path / "tree"))
    assert not (tmp_path / "tree").exists()
    assert scanner.pauses


def test_what_stays_held_is_an_error_in_the_end(tmp_path: Path, scanner: Scanner) -> None:
    (tmp_path / "old").write_bytes(b"")
    scanner.holds("unlink", access_denied, times=99)
    with pytest.raises(PermissionError):
        held.unlink(str(tmp_path / "old"))
    assert sum(scanner.pauses) < 2


def test_nothing_is_tried_again_for_another_error(tmp_path: Path, scanner: Scanner) -> None:
    with pytest.raises(FileNotFoundError):
        held.unlink(str(tmp_path / "none"))
    with pytest.raises(FileExistsError):
        held.mkdir(str(tmp_path))
    assert scanner.pauses == []


def test_elsewhere_nothing_is_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scanner = Scanner(monkeypatch)
    monkeypatch.setattr(sys, "platform", "linux")
    (tmp_path / "old").write_bytes(b"")
    scanner.holds("unlink", access_denied)
    with pytest.raises(PermissionError):
        held.unlink(str(tmp_path / "old"))
    assert scanner.pauses == []
