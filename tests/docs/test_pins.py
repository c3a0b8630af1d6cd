"""constraints.txt pins all there is, and nothing but versions stands in it."""

import re
import tomllib
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PIN = re.compile(r"([a-z0-9]+(?:-[a-z0-9]+)*)==(\d[A-Za-z0-9.]*)")


@pytest.fixture(scope="module")
def lines(root: Path) -> list[str]:
    """The pins, one a line, without the comment."""
    text = (root / "constraints.txt").read_text(encoding="utf-8")
    return [line for line in text.splitlines() if not line.startswith("#")]


@pytest.fixture(scope="module")
def pins(lines: list[str]) -> dict[str, str]:
    """Version by canonical name."""
    found = [PIN.fullmatch(line) for line in lines]
    return {match[1]: match[2] for match in found if match}


def test_every_file_that_is_installed_has_its_checksum(root: Path, pins: dict[str, str]) -> None:
    """Of the versions that are pinned, for all systems; what only builds the package is not among them."""
    locked: dict[str, str] = {}
    for name in ("run.txt", "dev.txt"):
        text = (root / "scripts" / "lock" / name).read_text(encoding="utf-8")
        for block in re.findall(r"^\S(?:.*\\\n)*.*\n", text, re.MULTILINE):
            first, *sums = block.replace("\\\n", "\n").splitlines()
            pin = PIN.match(first)
            assert pin, first
            assert pin[1] not in locked, f"{pin[1]} stands there twice"
            locked[pin[1]] = pin[2]
            assert sums
            for each in sums:
                assert re.fullmatch(r" {4}--hash=sha256:[0-9a-f]{64} ?", each), first
        assert "://" not in text
    assert locked.items() <= pins.items()
    assert pins.keys() - locked.keys() <= {"editables", "hatchling", "trove-classifiers"}


@pytest.fixture(scope="module")
def project(root: Path) -> dict[str, list[str]]:
    """The requirements in pyproject.toml, by what they are for."""
    content = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    return {
        "run": content["project"]["dependencies"],
        "check": content["dependency-groups"]["dev"],
        "build": content["build-system"]["requires"],
    }


def test_only_plain_pins_sorted(lines: list[str], pins: dict[str, str]) -> None:
    assert lines == [f"{name}=={pins[name]}" for name in sorted(pins)]


@pytest.mark.parametrize("purpose", ["run", "check", "build"])
def test_every_requirement_is_pinned_within_its_range(
    purpose: str, project: dict[str, list[str]], pins: dict[str, str]
) -> None:
    for text in project[purpose]:
        wanted = Requirement(text)
        assert wanted.specifier.contains(pins.get(canonicalize_name(wanted.name), "0")), text


def test_the_whole_tree_is_pinned(project: dict[str, list[str]], pins: dict[str, str]) -> None:
    waiting = [(Requirement(text), {""}) for purpose in ("run", "check") for text in project[purpose]]
    seen: set[tuple[str, str]] = set()
    while waiting:
        wanted, parents_extras = waiting.pop()
        name = canonicalize_name(wanted.name)
        if wanted.marker and not any(wanted.marker.evaluate({"extra": each}) for each in parents_extras):
            continue
        extras = {"", *wanted.extras}
        if {(name, extra) for extra in extras} <= seen:
            continue
        seen |= {(name, extra) for extra in extras}
        try:
            waiting += [(Requirement(text), extras) for text in requires(name) or []]
        except PackageNotFoundError:
            pytest.fail(f"{name} is required and not installed")
    names = {name for name, _ in seen}
    assert names - set(pins) == set()
    assert len(names) > 50


def test_the_dependencies_page_tells_each(
    root: Path, project: dict[str, list[str]], pins: dict[str, str]
) -> None:
    text = (root / "docs" / "dependencies.md").read_text(encoding="utf-8")
    told = dict(
        re.findall(
            r"^\| \[([a-z0-9]+)\]\(\S+\) \|[^|]+\| (\S+) \| \d{4}-\d\d(?:-\d\d)? \|", text, re.MULTILINE
        )
    )
    names = {canonicalize_name(Requirement(each).name) for each in project["run"]}
    assert told == {name: pins[name] for name in names}
    for each in project["check"]:
        assert Requirement(each).name in text
