"""The licence of every package that installing ibackup brings, as the packages themselves say it."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from importlib.metadata import Distribution, PackageMetadata, distributions
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PAGE = "licences.md"
_PIN = re.compile(r"^(?P<name>[a-z0-9-]+)==(?P<version>\S+)(?: ; (?P<marker>.+?))? \\$", re.MULTILINE)
_ROW = re.compile(r"^\| (?P<name>[a-z0-9-]+) \| (?P<version>\S+) \| (?P<licence>[^|]+?) \|", re.MULTILINE)
_SHORT = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+ -]{1,39}")

# Only their files say it, their metadata contradicts itself and the file decides, or they are for another system than
# the one that makes the page.
_READ = {
    "apple-compress": "MIT",
    "asgimiddlewarestaticfile": "MIT",
    "asgiwebdav": "MIT",
    "asn1": "MIT",
    "colorama": "BSD-3-Clause",
    "ioregistry": "GPL-3.0-or-later",
    "loguru": "MIT",
    "pi-heif": "BSD-3-Clause AND LGPL-3.0-only",
    "python-dateutil": "Apache-2.0 OR BSD-3-Clause",
    "pywin32": "PSF-2.0",
    "pywin32-ctypes": "BSD-3-Clause",
    "remotezip2": "MIT",
    "sslpsk-pmd3": "Apache-2.0",
}
_SPDX = {
    "Apache 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "BSD 3-Clause License": "BSD-3-Clause",
    "BSD License": "BSD",
    "GNU General Public License v3 or later (GPLv3+)": "GPL-3.0-or-later",
    "GNU Lesser General Public License v3 (LGPLv3)": "LGPL-3.0-only",
    "ISC License (ISCL)": "ISC",
    "GNU LGPL v3": "LGPL-3.0-only",
    "ISC License": "ISC",
    "ISC license": "ISC",
    "MIT Licence": "MIT",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "PSFL": "PSF-2.0",
    "PSF": "PSF-2.0",
    "Python Software Foundation License": "PSF-2.0",
}
_COMPATIBLE = {
    *(
        "0BSD",
        "Apache-2.0",
        "BSD",
        "BSD-2-Clause",
        "BSD-3-Clause",
        "GPL-3.0-or-later",
        "ISC",
        "LGPL-2.1-or-later",
    ),
    *("LGPL-3.0-only", "LGPL-3.0-or-later", "MIT", "MIT-0", "MIT-CMU", "MPL-2.0", "PSF-2.0", "Unlicense"),
}
"""What a work under GPL-3.0-or-later may be combined with, among the licences that occur."""
_SYSTEMS = {
    "sys_platform == 'darwin'": "macOS",
    "sys_platform != 'darwin'": "not macOS",
    "sys_platform == 'win32'": "Windows",
    "os_name == 'nt' or sys_platform == 'win32'": "Windows",
    "sys_platform == 'linux'": "Linux",
    "sys_platform != 'emscripten' and sys_platform != 'win32'": "not Windows",
    "python_full_version < '3.14'": "Python before 3.14",
    "python_full_version < '3.13'": "Python before 3.13",
    "python_full_version < '3.12'": "Python before 3.12",
}


class UnknownLicence(ValueError):
    """A package's licence cannot be told here, or is one that ibackup cannot be combined with."""


def stated(metadata: PackageMetadata) -> str:
    """The licence in a package's metadata, as an SPDX expression if it can be told; empty if it says none."""
    for found in metadata.get_all("License-Expression", []):
        return str(found)
    kinds = [
        each.rpartition(" :: ")[2] for each in metadata.get_all("Classifier", []) if each[:7] == "License"
    ]
    if len(kinds) == 1 and kinds[0] in _SPDX and kinds[0] != "BSD License":
        return _SPDX[kinds[0]]
    text = (
        "".join(metadata.get_all("License", [])).strip().partition("\n")[0].rstrip()
    )  # some have the whole text there
    if _SHORT.fullmatch(text) and text != "UNKNOWN":
        return _SPDX.get(text, text)
    return " OR ".join(_SPDX.get(each, each) for each in kinds)


def compatible(licence: str) -> bool:
    """Whether a part of this licence may be in one program with ibackup: one of a choice, all of a sum."""
    choices = [each.strip("() ") for each in licence.split(" OR ")]
    return any(all(part.strip() in _COMPATIBLE for part in each.split(" AND ")) for each in choices)


def _brought(names: list[str], here: Mapping[str, Distribution]) -> Iterator[str]:
    """These packages and what they bring, on any system."""
    waiting, seen = [*names], set[str]()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        yield name
        for text in (here[name].requires or []) if name in here else []:
            wanted = Requirement(text)
            if "extra" not in str(wanted.marker):
                waiting.append(canonicalize_name(wanted.name))


def listed(root: Path) -> dict[str, str]:
    """What the page says: the licence of each package by its name."""
    text = (root / "docs" / PAGE).read_text(encoding="utf-8")
    return {row["name"]: row["licence"] for row in _ROW.finditer(text)}


def page(root: Path) -> str:
    """The page. What this system does not install, and other versions than the pinned, keep the row that they had.

    Raises:
        UnknownLicence: a package is new here and cannot be read, or its licence does not fit.
    """
    before = root / "docs" / PAGE
    had = {
        (row["name"], row["version"]): row["licence"]
        for row in _ROW.finditer(before.read_text(encoding="utf-8") if before.exists() else "")
    }
    here = {str(canonicalize_name(each.name)): each for each in distributions()}
    extras = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    lock = root / "scripts" / "lock"
    always, others = ([*_PIN.finditer((lock / name).read_text("utf-8"))] for name in ("run.txt", "dev.txt"))
    parts = [
        "# Licences",
        "",
        (
            "Every package that an installation of ibackup brings, with the version that is tested and the licence "
            "that it states. Made by `scripts/gen-docs` from `scripts/lock` and the installed packages. Each keeps "
            "its own licence; the text is in its `.dist-info` folder. All can be combined with ibackup's own, "
            "[GPL-3.0-or-later](../LICENSE). [Dependencies](dependencies.md) says what the chosen ones are for."
        ),
        "",
    ]
    parts += _table(always, here, had)
    for extra, asked in sorted(extras.items()):
        brought = {*_brought([canonicalize_name(Requirement(each).name) for each in asked], here)} - {
            each["name"] for each in always
        }
        parts += [
            f"## With `ibackup[{extra}]`",
            "",
            *_table([each for each in others if each["name"] in brought], here, had),
        ]
    return "\n".join(parts)


def _table(
    pins: list[re.Match[str]], here: Mapping[str, Distribution], had: dict[tuple[str, str], str]
) -> Iterator[str]:
    yield from ("| Package | Version | Licence | Only on |", "|---|---|---|---|")
    for pin in pins:
        name, version = pin["name"], pin["version"]
        if name == "pip":
            continue  # installs what stands in the lock; ibackup does not bring it
        licence = _READ.get(name) or had.get((name, version), "")
        if name in here and here[name].version == version and name not in _READ:
            licence = stated(here[name].metadata)
        if not compatible(licence):
            raise UnknownLicence(
                f"docs/{PAGE}: the licence of {name} {version} is {licence or 'unknown here'}. Read it, and add it to "
                "scripts/documenting/licences.py or, for a package of another system, to the page."
            )
        yield f"| {name} | {version} | {licence} | {_SYSTEMS.get(pin['marker'] or '', '')} |"
    yield ""
