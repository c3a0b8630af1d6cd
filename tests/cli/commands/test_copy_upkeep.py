"""``ibackup copy prune`` and ``copy repair`` as they are typed, against the real restic."""

from pathlib import Path
from typing import Any

import pytest

from cli.commands.test_heal import copied  # noqa: F401 - a fixture
from cli.conftest import ANN, Cli, snapshots
from ibackup.base.exit_codes import ExitCode
from ibackup.config import config_file
from support.runs import flip

pytestmark = pytest.mark.peer


def test_old_snapshots_are_removed_there_when_the_rules_say_so(
    ibackup: Cli,
    anns: Path,
    copied: Path,  # noqa: F811
) -> None:
    first, newest = (path.name for path in snapshots(anns, ANN))
    assert ibackup("copy", "prune", "usb").code == ExitCode.USAGE  # no rule
    config = config_file.default_path()
    config.write_text(config.read_text() + "\n[prune]\nkeep_last = 1\n")
    assert ibackup("prune", "--yes").code == 0
    planned = ibackup("copy", "prune", "usb", "--dry-run", "--json")
    assert planned.code == 0, planned
    removed: Any = planned.result["removed"]
    assert [each["snapshot"] for each in removed] == [first]
    assert ibackup("copy", "prune", "usb").code == ExitCode.USAGE  # nobody can be asked
    done = ibackup("copy", "prune", "usb", "--yes")
    assert (done.code, first in done.out, "also in the store" in done.flat) == (0, True, True)
    shown: Any = ibackup("copy", "show", "usb", "--json").result["of_phones"]
    assert [each["snapshot"] for each in shown[0]["snapshots"]] == [newest]
    assert "Nothing to remove" in ibackup("copy", "prune", "usb").flat
    # What is damaged there comes from the store again.
    pack = max((copied / "data").rglob("*"), key=lambda path: path.stat().st_size)
    flip(pack)
    proven = ibackup("copy", "prove", "usb", "--all", "--json")
    assert (proven.code, "ibackup copy repair usb" in str(proven.result["hint"])) == (ExitCode.DAMAGE, True)
    assert ibackup("copy", "repair", "usb").code == ExitCode.USAGE  # nobody can be asked
    repaired = ibackup("copy", "repair", "usb", "--yes", "--json")
    assert repaired.code == 0, repaired
    assert (repaired.result["damaged"], repaired.result["only_there"]) == ([pack.name], [])
    assert "Nothing in usb is damaged" in ibackup("copy", "repair", "usb").flat
