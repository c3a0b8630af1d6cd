"""The package itself: every public name is there, and importing it is cheap and knows no phone."""

import subprocess
import sys

import pytest

import ibackup.manifest


@pytest.mark.parametrize("name", ibackup.manifest.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(ibackup.manifest, name)


def test_names_that_are_not_there() -> None:
    with pytest.raises(AttributeError, match="nonsense"):
        _ = ibackup.manifest.nonsense  # type: ignore[attr-defined]


def test_importing_it_loads_next_to_nothing() -> None:
    code = (
        "import sys, ibackup.manifest; loaded = set(sys.modules)\n"
        "heavy = {'cryptography', 'sqlite3', 'plistlib', 'hashlib', 'pymobiledevice3', 'Crypto'}\n"
        "print(sorted(heavy & loaded))\n"
        "import ibackup.manifest.verify\n"
        "print('pymobiledevice3' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split("\n")[:2] == ["[]", "False"]
