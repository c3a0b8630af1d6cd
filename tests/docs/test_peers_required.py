"""CI cannot pass while a real client is missing (tests/conftest.py)."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SKIPS = """
import pytest

@pytest.mark.peer
def test_peer():
    pytest.skip("no client")

@pytest.mark.peer
@pytest.mark.skipif(True, reason="no client")
def test_peer_marked():
    pass

@pytest.mark.peer
@pytest.mark.xfail(reason="known")
def test_peer_known():
    raise ValueError

def test_other():
    pytest.skip("not a peer")
"""


@pytest.mark.parametrize(
    ("required", "code", "said"),
    [("", 0, "3 skipped, 1 xfailed"), ("1", 1, "1 failed, 1 skipped, 1 xfailed, 1 error")],
)
def test_a_skipped_peer_fails_where_peers_are_required(
    root: Path, tmp_path: Path, required: str, code: int, said: str
) -> None:
    shutil.copy(root / "tests" / "conftest.py", tmp_path)
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers =\n    peer: x\n", encoding="utf-8")
    (tmp_path / "test_them.py").write_text(SKIPS, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "IBACKUP_PEERS_REQUIRED": required},
    )
    assert done.returncode == code, done.stdout
    assert said in done.stdout
