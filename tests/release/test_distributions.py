"""The wheel and the sdist: the same bytes from the same files, and a page in the registry without dead links."""

import importlib.metadata
import os
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Callable
from email import message_from_bytes
from email.message import Message
from pathlib import Path

import pytest
from releasing import distributions

pytestmark = pytest.mark.peer


@pytest.fixture(scope="module")
def metadata(built: dict[str, Path]) -> Message:
    """What the wheel says about the package."""
    with zipfile.ZipFile(built["wheel"]) as wheel:
        (name,) = [each for each in wheel.namelist() if each.endswith(".dist-info/METADATA")]
        return message_from_bytes(wheel.read(name))


@pytest.mark.skipif(sys.platform == "win32", reason="umask")
def test_two_builds_are_the_same_byte_for_byte(
    built: dict[str, Path], copy_checkout: Callable[[Path], Path], tmp_path: Path
) -> None:
    """Of files with other times and modes, in another folder, language and time zone, by someone with another umask."""
    other = copy_checkout(tmp_path / "an other checkout")
    for at, path in enumerate(sorted(other.rglob("*"))):
        os.utime(path, (1_000_000_000 + at, 1_000_000_000 + 7 * at))
        path.chmod(path.stat().st_mode & 0o700)
    (other / "src" / "ibackup" / "__pycache__").mkdir()
    (other / "src" / "ibackup" / "__pycache__" / "left.pyc").write_bytes(b"left by a run")
    before = os.umask(0o077)
    try:
        again = distributions.build(
            other, tmp_path / "again", {"LC_ALL": "C", "TZ": "Pacific/Apia", "PYTHONHASHSEED": "7"}
        )
    finally:
        os.umask(before)
    assert {path.name: path.read_bytes() for path in again} == {
        built[each].name: built[each].read_bytes() for each in ("wheel", "sdist")
    }


def test_twine_finds_nothing_to_complain_about(built: dict[str, Path]) -> None:
    said = subprocess.run(
        [sys.executable, "-m", "twine", "--no-color", "check", "--strict", built["wheel"], built["sdist"]],
        capture_output=True,
        text=True,
        check=False,
    )
    # It breaks lines where it likes.
    passed = "".join(said.stdout.split()).count(":PASSED")
    assert (said.returncode, passed) == (0, 2), said.stdout + said.stderr


def test_the_page_in_the_registry_has_no_dead_link(root: Path, metadata: Message) -> None:
    """Rendered as the registry renders it; every address into the project names a file of this version, anchors too."""
    urls = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]["urls"]
    render = "import sys; from readme_renderer import markdown; print(markdown.render(sys.stdin.read()))"
    renderer = f"readme-renderer[md]=={importlib.metadata.version('readme-renderer')}"
    command = ("-m", "uv", "run", "--quiet", "--isolated", "--no-project", "--python", sys.executable)
    page = subprocess.run(
        [sys.executable, *command, "--with", renderer, "python", "-c", render],
        input=str(metadata.get_payload()),
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=True,
    ).stdout
    assert "<table>" in page
    ids = set(re.findall(r' id="([^"]+)"', page))
    links = re.findall(r'<(?:a|img) [^>]*?(?:href|src)="([^"]+)"', page)
    version = distributions.version_of(root)
    ours = [each for each in links if each.startswith(urls["Homepage"])]
    readme = (root / "README.md").read_text(encoding="utf-8")
    assert len(ours) == len(re.findall(r"\]\((?!https:|#)", readme)) > 20
    broken = []
    for link in links:
        inside = re.fullmatch(
            rf"{re.escape(urls['Homepage'])}/(blob|raw)/v{re.escape(version)}/([^#]+)(?:#.+)?", link
        )
        if link.startswith("#"):
            found = link[1:] in ids
        elif inside:
            found = (root / inside[2]).is_file() and (inside[1] == "raw") == inside[2].endswith(".png")
        else:
            found = link.startswith("https://") and link not in ours
        if not found:
            broken.append(link)
    assert broken == []


def test_every_address_of_the_project_is_below_its_home(root: Path) -> None:
    urls = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]["urls"]
    assert {"Homepage", "Documentation", "Changelog", "Issues", "Source"} <= urls.keys()
    for url in urls.values():
        assert url.startswith(urls["Homepage"])
        _, is_file, name = url.partition("/blob/main/")
        assert not is_file or (root / name).is_file()


def test_the_pythons_named_are_those_that_the_workflow_tests(root: Path, metadata: Message) -> None:
    workflow = (root / ".github" / "workflows" / "tests.yml").read_text(encoding="utf-8")
    (tested,) = re.findall(r"^ +python: \[(.+)\]$", workflow, re.MULTILINE)
    named = [
        each.rpartition(" ")[2]
        for each in metadata.get_all("Classifier", [])
        if re.fullmatch(r"Programming Language :: Python :: 3\.\d+", each)
    ]
    assert named == re.findall(r"3\.\d+", tested)
    assert metadata["Requires-Python"] == f">={named[0]}"


def test_the_sdist_has_what_its_own_tests_and_a_rebuild_need(root: Path, built: dict[str, Path]) -> None:
    with tarfile.open(built["sdist"]) as sdist:
        inside = {name.partition("/")[2] for name in sdist.getnames()}
    assert {
        "README.md",
        "CHANGELOG.md",
        "LICENSE",
        "constraints.txt",
        "pyproject.toml",
    } <= inside
    assert {
        "install.sh",
        "install.ps1",
        "scripts/releasing/registry_readme.py",
        "scripts/lock/run.txt",
        "tests/conftest.py",
    } <= inside
    assert not [name for name in inside if "__pycache__" in name or name.endswith(".pyc")]
    with zipfile.ZipFile(built["wheel"]) as wheel:
        assert {name.partition("/")[0] for name in wheel.namelist()} == {
            "ibackup",
            f"ibackup-{distributions.version_of(root)}.dist-info",
        }
