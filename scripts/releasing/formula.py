"""Homebrew's formula for a release: ibackup and everything that it brings on a Mac, each with its checksum.

It holds the addresses of the registry's files, so it is made for each release and never committed.
"""

import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from packaging.markers import Marker

_PYTHON = "3.13"
# A Mac, of either processor, with Homebrew's Python.
_MAC = {
    "implementation_name": "cpython",
    "os_name": "posix",
    "platform_python_implementation": "CPython",
    "platform_system": "Darwin",
    "python_full_version": f"{_PYTHON}.0",
    "python_version": _PYTHON,
    "sys_platform": "darwin",
}


class UnlockedFile(Exception):
    """The registry offers a file whose checksum is not in scripts/lock."""


@dataclass(frozen=True, slots=True)
class Resource:
    """The source of one package."""

    name: str
    url: str
    sha256: str


def resources(root: Path) -> list[Resource]:
    """Everything that ibackup brings on a Mac, at the pinned versions.

    Raises:
        subprocess.CalledProcessError: the registry cannot be asked.
        UnlockedFile: it offers another file than the one whose checksum is in the lock.
    """
    command = (
        "-m",
        "uv",
        "pip",
        "compile",
        "--quiet",
        "--universal",
        "--python-version",
        "3.11",
        "--no-header",
    )
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "pylock.toml"
        options = ("--format", "pylock.toml", "--constraint", "constraints.txt", "--output-file", str(target))
        subprocess.run(
            [sys.executable, *command, *options, "pyproject.toml"], cwd=root, check=True, capture_output=True
        )
        listed = tomllib.loads(target.read_text(encoding="utf-8"))["packages"]
    locked = set(
        re.findall(r"--hash=sha256:([0-9a-f]{64})", (root / "scripts/lock/run.txt").read_text("utf-8"))
    )
    found = []
    for each in listed:
        if "marker" in each and not Marker(each["marker"]).evaluate(_MAC):
            continue
        source = each.get("sdist")
        if source is None or source["hashes"]["sha256"] not in locked:
            raise UnlockedFile(
                f"The source of {each['name']} {each['version']} is not in scripts/lock/run.txt."
            )
        found.append(Resource(each["name"], source["url"], source["hashes"]["sha256"]))
    return found


def formula(project: dict[str, object], sdist_url: str, sdist_sha256: str, needs: list[Resource]) -> str:
    """The text of the formula.

    Args:
        project: the table of pyproject.toml.
        sdist_url: where the release's source will be.
        sdist_sha256: its checksum.
        needs: from ``resources``.
    """
    urls = project["urls"]
    assert isinstance(urls, dict)
    lines = [
        "# Made by scripts/release.",
        "class Ibackup < Formula",
        "  include Language::Python::Virtualenv",
        "",
        f"  desc {_ruby(str(project['description']).partition(', and ')[0])}",  # Homebrew takes 80 characters
        f"  homepage {_ruby(urls['Homepage'])}",
        f"  url {_ruby(sdist_url)}",
        f"  sha256 {_ruby(sdist_sha256)}",
        f"  license {_ruby(str(project['license']))}",
        "",
        # Some of the sources have to be compiled.
        *(f'  depends_on "{name}" => :build' for name in ("cmake", "pkgconf", "rust")),
        *(f'  depends_on "{name}"' for name in ("jpeg-turbo", "openssl@3", f"python@{_PYTHON}")),
        "",
        *_resources(needs),
        "  def install",
        "    virtualenv_install_with_resources",
        "  end",
        "",
        "  test do",
        '    assert_match version.to_s, shell_output("#{bin}/ibackup --version")',
        '    system bin/"ibackup", "demo"',
        "  end",
        "end",
        "",
    ]
    return "\n".join(lines)


def _resources(needs: list[Resource]) -> Iterator[str]:
    for each in needs:
        yield from (
            f"  resource {_ruby(each.name)} do",
            f"    url {_ruby(each.url)}",
            f"    sha256 {_ruby(each.sha256)}",
            "  end",
            "",
        )


def _ruby(text: str) -> str:
    """A string of Ruby, in which nothing is replaced."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("#", "\\#")
    return f'"{escaped}"'
