"""What a package leaves out is nothing that ibackup loads; tests of installed packages load all of it."""

import re
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

from packaging.utils import canonicalize_name
from packing.left_out import left_out
from packing.tree import Project

IMPORT = re.compile(r"^\s*(?:from|import) (\w+)", re.MULTILINE)
# Where ibackup imports pymobiledevice3, these are the modules.
LOADED = """\
import sys
from pymobiledevice3 import ca, irecv_devices
print(*{name.partition('.')[0] for name in sys.modules})
"""


def test_nothing_of_it_is_imported(root: Path) -> None:
    out = set(left_out(Project.read(root).requirements))
    assert {"av", "ipython", "qh3"} <= out
    sources = [path.read_text(encoding="utf-8") for path in (root / "src").rglob("*.py")]
    named = {name for text in sources for name in IMPORT.findall(text)}
    assert {name for text in sources for name in re.findall(r"from (pymobiledevice3\S*) import", text)} == {
        "pymobiledevice3.ca",
        "pymobiledevice3.irecv_devices",
    }
    loaded = subprocess.run(
        [sys.executable, "-c", LOADED], capture_output=True, text=True, check=True
    ).stdout.split()
    givers = packages_distributions()
    needed = {str(canonicalize_name(each)) for name in {*named, *loaded} for each in givers.get(name, ())}
    assert {"cryptography", "pymobiledevice3", "starlette"} <= needed
    assert needed & out == set()
