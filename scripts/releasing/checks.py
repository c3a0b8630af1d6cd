"""What has to be true before a release: each check says what is wrong and what to do."""

import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from packaging.version import InvalidVersion, Version

from releasing import distributions

TESTS = "scripts/test --long"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was checked.

    Attributes:
        problem: what is wrong and what to do; empty if it is right.
    """

    name: str
    problem: str = ""


def git(root: Path, *words: str) -> str:
    """What git prints, without the end of the line. Raises subprocess.CalledProcessError."""
    done = subprocess.run(["git", *words], cwd=root, check=True, capture_output=True, text=True)
    return done.stdout.rstrip("\n")


def check_all(root: Path, home: str, tested: str) -> Iterator[Check]:
    """Check a checkout.

    Args:
        root: the checkout.
        home: the project's address.
        tested: the commit for which all tests passed, as the maintainer says.
    """
    version = distributions.version_of(root)
    yield _clean(root)
    yield _tested(root, tested)
    yield _version(root, version)
    yield _changelog(root, version)
    yield _pages(root)
    placeholder = re.search(r"\.(example|invalid|test)(/|$)", home)
    yield Check(
        "home",
        f"{home} is a place-holder. Put the project's address into pyproject.toml, [project.urls]."
        if placeholder
        else "",
    )


def _clean(root: Path) -> Check:
    changed = git(root, "status", "--porcelain")
    return Check("clean", f"These files are not committed:\n{changed}" if changed else "")


def _tested(root: Path, tested: str) -> Check:
    head = git(root, "rev-parse", "HEAD")
    right = len(tested) >= 7 and head.startswith(tested)
    hint = f"Run `{TESTS}` on this commit. If it passes, add --tested {head[:12]}."
    return Check("tested", "" if right else hint)


def _version(root: Path, text: str) -> Check:
    try:
        version = Version(text)
    except InvalidVersion:
        return Check("version", f"{text} in src/ibackup/__init__.py is no version.")
    tags = [each.removeprefix("v") for each in git(root, "tag", "--list", "v[0-9]*").split()]
    newest = max((Version(each) for each in tags), default=None)
    if newest is not None and version <= newest:
        return Check(
            "version", f"{newest} is released. Write a newer one than {text} into src/ibackup/__init__.py."
        )
    return Check("version")


def _changelog(root: Path, version: str) -> Check:
    found = distributions.sections((root / "CHANGELOG.md").read_text(encoding="utf-8"))
    hint = f"CHANGELOG.md needs a section `## {version} - {datetime.now(UTC):%Y-%m-%d}`"
    unreleased = [each for each in found if each.version == "Unreleased"]
    if unreleased and unreleased[0].text:
        return Check("changelog", f"{hint} with what is now under *Unreleased*.")
    released = [each for each in found if each.version != "Unreleased"]
    if not released or released[0].version != version or not released[0].text:
        return Check("changelog", f"{hint}, before those of older versions.")
    if released[0].date is None or released[0].date > _tomorrow():
        return Check("changelog", f"{hint}: its date is missing, or in the future.")
    return Check("changelog")


def _tomorrow() -> date:
    """Where it is already tomorrow, someone may release today."""
    return date.fromordinal(datetime.now(UTC).toordinal() + 1)


def _pages(root: Path) -> Check:
    done = subprocess.run(
        [sys.executable, "scripts/gen-docs", "--check"], cwd=root, capture_output=True, text=True, check=False
    )
    return Check("pages", done.stderr.strip())
