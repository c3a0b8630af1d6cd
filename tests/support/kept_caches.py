"""What was fetched for one run of the tests serves the next, although each test has a home of its own."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

# Found when this is imported, before a test gets its home.
_KEPT = {
    "UV_CACHE_DIR": subprocess.run(
        [sys.executable, "-m", "uv", "cache", "dir"], capture_output=True, text=True, check=True
    ).stdout.strip(),
    "IBACKUP_PEERS_CACHE": os.environ.get("IBACKUP_PEERS_CACHE")
    or str(Path("~/.cache/ibackup-peers").expanduser()),
}


@contextmanager
def kept_caches() -> Iterator[None]:
    """Let uv, and what fetches peers, keep it where the user who runs the tests has it."""
    with pytest.MonkeyPatch.context() as patch:
        for name, place in _KEPT.items():
            patch.setenv(name, place)
        yield
