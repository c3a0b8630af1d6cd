"""The table of kinds: the command line reads it at each start, so it must cost next to nothing."""

import subprocess
import sys

from ibackup.export.kinds import KINDS


def test_the_table_loads_nothing_else() -> None:
    program = "import ibackup.export.kinds, sys; print(*(name for name in sys.modules if name.startswith('ibackup.')))"
    loaded = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, check=True, text=True
    ).stdout
    assert set(loaded.split()) == {"ibackup.export", "ibackup.export.kinds"}


def test_each_kind_can_be_loaded() -> None:
    for each in KINDS:
        module = each.load()
        assert callable(module.export), each.name
        assert callable(module.ids), each.name
