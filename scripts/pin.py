"""Write constraints.txt anew from the environment that runs this, and the checksums of its versions to scripts/lock.

After `scripts/test --newest` has passed: `.venv-newest/bin/python scripts/pin.py`. Pins of packages that this
system does not install (they belong to other systems or Pythons, or build the package) stay as they are.
The checksums need uv (`pipx install uv`), which asks the registry for those of every system and Python.
"""

import re
import subprocess
import sys
import tempfile
from importlib.metadata import distributions
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "constraints.txt"
LOCK = ROOT / "scripts" / "lock"
COMPILE = (
    *("uv", "pip", "compile", "--quiet", "--universal", "--generate-hashes", "--no-header", "--no-annotate"),
    *("--python-version", "3.11", "--constraint", "constraints.txt", "pyproject.toml"),
)
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


def compiled(*more: str) -> list[str]:
    """Return every package that is needed, with its checksums, and for which systems, as a requirements file has it."""
    text = subprocess.run([*COMPILE, *more], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return re.findall(r"^\S(?:.*\\\n)*.*\n", text, re.MULTILINE)


def lock() -> dict[str, str]:
    """Write what running ibackup takes, pip among it, and what its checks take beside; return all of it by name."""
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", suffix=".in") as pip:
        pip.write("pip\n")
        pip.flush()
        run = compiled(pip.name)
        both = compiled(pip.name, "--group", "dev")
    by_name = {found["name"]: each for each in both if (found := PIN.match(each))}
    to_run = {found["name"] for each in run if (found := PIN.match(each))}
    # With the checks, a package may be for more systems than without them. The wider line stands in run.txt.
    (LOCK / "run.txt").write_text(
        "".join(by_name[name] for name in by_name if name in to_run), encoding="utf-8"
    )
    (LOCK / "dev.txt").write_text(
        "".join(by_name[name] for name in by_name if name not in to_run), encoding="utf-8"
    )
    return {found["name"]: found["version"] for each in both if (found := PIN.match(each))}


def write(comment: list[str], pins: dict[str, str]) -> None:
    """Write constraints.txt."""
    lines = [*comment, *(f"{name}=={pins[name]}" for name in sorted(pins))]
    TARGET.write_text("\n".join(lines) + "\n", encoding="utf-8")


def main() -> int:
    """Rewrite the files and say what changed."""
    comment, old = read(TARGET.read_text(encoding="utf-8"))
    new = old | installed()
    for name in sorted(new):
        if old.get(name) != new[name]:
            print(f"{name}: {old.get(name, 'new')} -> {new[name]}")
    write(comment, new)
    write(comment, lock() | new)  # and those that only other systems need
    return 0


if __name__ == "__main__":
    sys.exit(main())
