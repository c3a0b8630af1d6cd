"""Builds a .deb and an .rpm, as scripts/packages calls it.

A package fits one version of Python. Without options it is the one that runs this, and this computer's processor.
"""

import argparse
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

from packing.packages import MACHINES, build
from packing.tree import Project, Release, Target
from releasing import distributions

ROOT = Path(__file__).resolve().parent.parent


def main() -> int:
    """Build what the command line asks for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("folder", type=Path, help="where the packages go")
    parser.add_argument(
        "--version", default=distributions.version_of(ROOT), help="that they have [the checkout's]"
    )
    here = ".".join(platform.python_version_tuple()[:2])
    parser.add_argument(
        "--python", action="append", help=f"of the target; may be given several times [{here}]"
    )
    parser.add_argument(
        "--machine", choices=MACHINES, default=platform.machine(), help="the target's processor"
    )
    parser.add_argument("--kind", choices=("deb", "rpm"), action="append", help="of package [both]")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as work:
        made = distributions.build(ROOT, Path(work))
        wheel = next(each for each in made if each.suffix == ".whl")
        release = Release(ROOT, Project.read(ROOT), wheel, given.version, distributions.epoch(ROOT))
        for python in given.python or [here]:
            for kind in given.kind or ("deb", "rpm"):
                try:
                    print(build(release, Target(kind, python, given.machine), given.folder), flush=True)
                except subprocess.CalledProcessError as error:
                    said = f"There is no .{kind} for Python {python} on {given.machine}; the reason is above."
                    print(said, file=sys.stderr)
                    return error.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main())
