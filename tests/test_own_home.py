"""Tests have a home of their own; what the user who runs them has there is neither read nor changed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

LOOK = """
import os
from ibackup.config.config_file import default_path
from ibackup.base.user_cache import cache_dir
from ibackup.store.records.used_stores import state_dir
print(state_dir(), default_path(), cache_dir(), os.path.expanduser("~"), sep="\\n")
"""


def test_a_program_that_a_test_starts_stays_in_the_home_of_that_test(homes: Path) -> None:
    ran = subprocess.run([sys.executable, "-c", LOOK], capture_output=True, text=True, check=True)
    own = Path(os.environ["HOME"])
    assert own.parent == homes
    assert own != homes / "shared"
    for path in ran.stdout.splitlines():
        assert Path(path).is_relative_to(own)


@pytest.fixture(scope="module")
def made_once() -> str:
    """Where a fixture for several tests finds a home."""
    return os.environ["HOME"]


def test_what_is_made_for_several_tests_stays_out_of_the_real_home_too(made_once: str, homes: Path) -> None:
    assert Path(made_once) == homes / "shared"
