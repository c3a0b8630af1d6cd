"""Write constraints.txt anew from the environment that runs this.

After `scripts/test --newest` has passed: `.venv-newest/bin/python scripts/pin.py`. Pins of packages that this
system does not install (they belong to other systems or Pythons, or build the package) stay as they are.
"""

import re
import sys
from importlib.metadata import distributions
from pathlib import Path

TARGET = Path(__file__).resolve().parent.parent / "constraints.txt"
# Older Pythons put setuptools and wheel into every new environment.
NOT_OURS_TO_PIN = ("ibackup", "setuptools", "wheel")
PIN = re.compile(r"(?P<name>[A-Za-z0-9._-]+)==(?P<version>\S+)")


def canonical(name: str) -> str:
    """Return a package name as registries compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def read(text: str) -> tuple[list[str], dict[str, str]]:
    """Split a constraints file into its opening comment and its pins by canonical name."""
    lines = text.splitlines()
    comment = [line for line in lines if line.startswith("#")]
    pins = {canonical(found["name"]): found["version"] for line in lines if (found := PIN.fullmatch(line))}
    return comment, pins


def installed() -> dict[str, str]:
    """Return what ibackup and its checks have installed here, by canonical name."""
    found = {canonical(each.name): each.version for each in distributions()}
    return {name: version for name, version in found.items() if name not in NOT_OURS_TO_PIN}


def main() -> int:
    """Rewrite the file and say what changed."""
    comment, old = read(TARGET.read_text(encoding="utf-8"))
    new = old | installed()
    for name in sorted(new):
        if old.get(name) != new[name]:
            print(f"{name}: {old.get(name, 'new')} -> {new[name]}")
    lines = [*comment, *(f"{name}=={new[name]}" for name in sorted(new))]
    TARGET.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
