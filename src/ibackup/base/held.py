"""File system changes that Windows refuses for a moment, repeated until they succeed.

On Windows, a file that a virus scanner or indexer has open can be neither moved nor removed, and neither can its
folder; a removed name stays taken until they close it. On other systems these are the plain calls.
"""

import contextlib
import errno
import os
import shutil
import sys
import time
from collections.abc import Callable
from typing import Final

_PAUSES_S: Final = (0.01, 0.05, 0.2, 1.0)


def patiently(change: Callable[[], object]) -> None:
    """Change something on the disk; on Windows, retry for a second while it is in use."""
    for pause in _PAUSES_S:
        try:
            change()
        except OSError as error:
            if not _is_held(error):
                raise
            time.sleep(pause)
        else:
            return
    change()


def replace(source: str, target: str) -> None:
    """``os.replace``, patiently."""
    patiently(lambda: os.replace(source, target))


def unlink(path: str | bytes, *, dir_fd: int | None = None) -> None:
    """``os.unlink``, patiently."""
    patiently(lambda: os.unlink(path, dir_fd=dir_fd))


def mkdir(path: str, *, dir_fd: int | None = None) -> None:
    """``os.mkdir`` with mode 0700, patiently."""
    patiently(lambda: os.mkdir(path, 0o700, dir_fd=dir_fd))


def remove_tree(path: str, *, dir_fd: int | None = None, ignore_errors: bool = False) -> None:
    """``shutil.rmtree``, patient with each file and folder."""
    if sys.platform != "win32":
        if dir_fd is not None:
            shutil.rmtree(path, ignore_errors, dir_fd=dir_fd)
        elif ignore_errors:
            shutil.rmtree(path, ignore_errors=True)
        else:
            shutil.rmtree(path)
        return

    def again(call: Callable[..., object], name: str, error: BaseException) -> None:
        try:
            if call not in (os.unlink, os.rmdir) or not isinstance(error, OSError) or not _is_held(error):
                raise error
            with contextlib.suppress(FileNotFoundError):  # it was already being removed
                patiently(lambda: call(name))
        except OSError:
            if not ignore_errors:
                raise

    if sys.version_info >= (3, 12):
        shutil.rmtree(path, onexc=again)
    else:
        shutil.rmtree(path, onerror=lambda call, name, failed: again(call, name, failed[1]))


def _is_held(error: OSError) -> bool:
    """Whether this is Windows' error for files in use: access denied, a sharing violation, a folder not empty yet."""
    return sys.platform == "win32" and (isinstance(error, PermissionError) or error.errno == errno.ENOTEMPTY)
