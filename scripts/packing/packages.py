"""Builds one .deb or .rpm with nfpm, from what pyproject.toml says."""

import json
import os
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

from packing.tree import GLIBC, Release, Target, lay_out, maintainer, synopsis

MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}
"""``uname -m``, and the name that Debian and nfpm have for it."""

_SCRIPTS = Path(__file__).parent
_NEEDS = {
    # A package python3.13 stays installed for ibackup when the distribution moves to a newer Python.
    "deb": ("python{python}", "libc6 (>= {glibc})", "usbmuxd"),
    "rpm": ("/usr/bin/python{python}", "usbmuxd"),
}
# What some commands start, if it is there.
_MAY_USE = ("restic", "rclone", "fuse3")


def build(release: Release, target: Target, folder: Path) -> Path:
    """Build one package in a folder, and return its path.

    Raises:
        subprocess.CalledProcessError: uv or nfpm failed; what it said is on standard error.
    """
    made = folder / _file_name(release, target)
    with tempfile.TemporaryDirectory() as work:
        staged = Path(work) / "root"
        lay_out(release, target, staged)
        config = Path(work) / "nfpm.yaml"
        config.write_text(json.dumps(_config(release, target, staged)), encoding="utf-8")  # JSON is YAML
        nfpm = Path(sys.executable).with_name("nfpm")
        command = (nfpm, "package", "--config", config, "--packager", target.kind, "--target", made)
        environment = {**os.environ, "SOURCE_DATE_EPOCH": str(release.epoch)}
        done = subprocess.run(
            command, env=environment, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        if done.returncode:
            sys.stderr.write(done.stdout.decode(errors="replace"))
            done.check_returncode()
    return made


def _file_name(release: Release, target: Target) -> str:
    name = f"{release.project.name}{{}}{release.version}-{target.revision}"
    if target.kind == "deb":
        return f"{name.format('_')}_{MACHINES[target.machine]}.deb"
    return f"{name.format('-')}.{target.machine}.rpm"


def _config(release: Release, target: Target, staged: Path) -> dict[str, object]:
    project = release.project
    needs = [each.format(python=target.python, glibc=GLIBC) for each in _NEEDS[target.kind]]
    return {
        "name": project.name,
        "arch": MACHINES[target.machine],
        "platform": "linux",
        "version": release.version,
        "version_schema": "none",
        "release": target.revision,
        "section": "utils",
        "priority": "optional",
        "maintainer": maintainer(project.name),
        # The short one comes first; both have limits for the length of a line.
        "description": f"{synopsis()}\n{textwrap.fill(project.description, 78)}.",
        "rpm": {"summary": synopsis(), "group": "Applications/Archiving", "compression": "zstd"},
        "deb": {"compression": "zstd"},
        "homepage": project.homepage,
        "license": project.licence,
        "depends": needs,
        "suggests": list(_MAY_USE),
        "umask": 0o022,
        "contents": [
            {"src": str(staged), "dst": "/", "type": "tree", "file_info": {"owner": "root", "group": "root"}},
        ],
        "scripts": {
            "postinstall": str(_SCRIPTS / "after-install.sh"),
            "preremove": str(_SCRIPTS / "before-remove.sh"),
        },
    }
