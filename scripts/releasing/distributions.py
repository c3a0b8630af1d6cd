"""Builds the wheel and the sdist: the same bytes wherever, whenever and by whomever the same files are built."""

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

_VERSION = re.compile(r'^__version__ = "([^"]+)"$', re.MULTILINE)
_HEADING = re.compile(r"^## (?P<version>\S+?)(?: - (?P<date>\d{4}-\d\d-\d\d))?$", re.MULTILINE)


def version_of(root: Path) -> str:
    """The version that a checkout would be released as."""
    found = _VERSION.search((root / "src" / "ibackup" / "__init__.py").read_text(encoding="utf-8"))
    if found is None:
        raise ValueError("src/ibackup/__init__.py names no __version__")
    return found[1]


@dataclass(frozen=True, slots=True)
class ChangelogSection:
    """What the changelog says about one version.

    Attributes:
        date: of the release; None for what is not released.
    """

    version: str
    date: date | None
    text: str


def sections(changelog: str) -> list[ChangelogSection]:
    """The versions in a changelog, the newest first; ``Unreleased`` is one of them."""
    heads = [*_HEADING.finditer(changelog)]
    ends = [*(each.start() for each in heads[1:]), len(changelog)]
    return [
        ChangelogSection(
            head["version"],
            date.fromisoformat(head["date"]) if head["date"] else None,
            changelog[head.end() : end].strip(),
        )
        for head, end in zip(heads, ends, strict=True)
    ]


def epoch(root: Path) -> int:
    """The time that every file in the distributions gets, in seconds since 1970.

    It is the midnight, UTC, at which the day of the release began, so that anyone can build the same from the sdist.
    What is not released gets the day of the first version's beginnings, as hatchling has it.
    """
    for section in sections((root / "CHANGELOG.md").read_text(encoding="utf-8")):
        if section.version == version_of(root) and section.date:
            return int(datetime(*section.date.timetuple()[:3], tzinfo=UTC).timestamp())
    return int(datetime(2020, 2, 2, tzinfo=UTC).timestamp())


def build(root: Path, target: Path, variables: Mapping[str, str] | None = None) -> list[Path]:
    """Build both, the wheel from the unpacked sdist, with the pinned builder.

    Args:
        root: the checkout.
        target: the folder for the files; nothing else may be in it.
        variables: added to the environment of the build.

    Raises:
        subprocess.CalledProcessError: the build failed; what it said is on standard error.
    """
    command = (sys.executable, "-m", "uv", "build", "--quiet", "--no-config", "--no-create-gitignore")
    options = ("--build-constraint", str(root / "constraints.txt"), "--out-dir", str(target))
    environment = {**os.environ, "SOURCE_DATE_EPOCH": str(epoch(root)), **(variables or {})}
    subprocess.run([*command, *options, str(root)], env=environment, check=True)
    return sorted(target.iterdir())
