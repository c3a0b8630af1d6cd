"""The .deb in clean Debians, as their root and their users have it: installed, run, upgraded, removed."""

import gzip
import shutil
from pathlib import Path

import pytest

from support.clean_root import CleanRoot, MakeRoot, build_packages

pytestmark = [pytest.mark.long, pytest.mark.peer, pytest.mark.slow]

# All that ibackup may load at any time; what a package leaves out of pymobiledevice3's company is not among it.
LOAD_ALL = """\
import importlib, pkgutil, sys
import ibackup
for each in pkgutil.walk_packages(ibackup.__path__, "ibackup."):
    if each.name != "ibackup.__main__":
        importlib.import_module(each.name)
from pymobiledevice3 import ca, irecv_devices
import apprise, keyring, paho.mqtt, pi_heif
"""

# A phone, and a backup of it, by an ordinary user.
BACK_UP = """\
set -e
ibackup simulator run --socket /tmp/phone >/tmp/simulator 2>&1 &
simulator=$!
while ! [ -S /tmp/phone ]; do kill -0 $simulator; sleep 0.1; done
export USBMUXD_SOCKET_ADDRESS=/tmp/phone
ibackup now && ibackup verify && ibackup now && ibackup status
kill $simulator
"""


def as_user(debian: CleanRoot, script: str) -> str:
    return debian.run(
        "setpriv",
        "--reuid=1000",
        "--regid=1000",
        "--clear-groups",
        "env",
        "HOME=/home/you",
        "sh",
        "-c",
        script,
    )


def install(debian: CleanRoot, package: Path) -> str:
    shutil.copy(package, debian.path / "srv/ibackup.deb")
    said = debian.run(
        "apt-get", "install", "--yes", "--quiet", "--no-install-recommends", "/srv/ibackup.deb",
        variables={"DEBIAN_FRONTEND": "noninteractive"},
    )  # fmt: skip
    (debian.path / "srv/ibackup.deb").unlink()
    return said


@pytest.mark.parametrize(("suite", "python"), [("bookworm", "3.11"), ("trixie", "3.13")])
def test_installed_run_upgraded_and_removed(
    root: Path, tmp_path: Path, make_root: MakeRoot, suite: str, python: str
) -> None:
    words = ("--kind", "deb", "--python", python)
    (older,) = build_packages(root, tmp_path / "older", *words, "--version", "0.0.1")
    (newer,) = build_packages(root, tmp_path / "newer", *words)
    assert f"python{python}_" in newer.name
    # What everyone has who is not as small as this Debian, and what usbmuxd's package leaves behind.
    debian = make_root(suite, "man-db", "bash-completion", "adduser")
    debian.run("apt-get", "update", "--quiet")
    debian.run("useradd", "--create-home", "--uid", "1000", "you")
    before = debian.files()

    install(debian, older)
    assert "0.0.1" in debian.run("dpkg-query", "--show", "ibackup")
    assert list((debian.path / "lib/udev/rules.d").glob("*usbmuxd.rules")), (
        "usbmuxd's package brings the rule"
    )
    as_user(debian, "ibackup demo")
    as_user(debian, BACK_UP)
    (
        debian.path / "opt/ibackup/lib/left-by-the-older"
    ).touch()  # as what only the older version had and nobody owns

    assert "Unpacking ibackup" in install(debian, newer)
    assert "0.0.1" not in debian.run("dpkg-query", "--show", "ibackup")
    assert debian.run("dpkg", "--verify", "ibackup") == ""
    told = as_user(debian, "ibackup list && ibackup verify --all && ibackup --version")
    assert "Python" not in told
    debian.run("/opt/ibackup/bin/python3", "-c", LOAD_ALL)
    look_around(debian)

    home = {name for name in debian.files() if name.startswith("home/")}
    assert any(name.endswith("/SHA256SUMS") for name in home)
    (debian.path / "opt/ibackup/lib/left-by-the-older").unlink()
    debian.run("apt-get", "purge", "--yes", "--quiet", "ibackup", "usbmuxd")
    debian.run("apt-get", "autoremove", "--purge", "--yes", "--quiet")
    left = {
        name for name in debian.files() - before if not name.startswith(("var/", "etc/", "run/", "home/"))
    }
    assert left == set()
    assert not [
        name
        for name in debian.files()
        if "ibackup" in name and not name.startswith(("home/", "var/cache/man/"))
    ]
    assert {name for name in debian.files() if name.startswith("home/")} == home


def look_around(debian: CleanRoot) -> None:
    """Manual pages, completion and units are where the system looks for them."""
    for words in (["ibackup"], ["ibackup", "now"], ["ibackup-copy-add"], ["ibackup-backup"]):
        page = debian.run("man", *words, variables={"MANWIDTH": "80", "PAGER": "cat"})
        assert "SYNOPSIS" in page
    pressed = (
        "source /usr/share/bash-completion/bash_completion; _completion_loader ibackup; "
        "COMP_WORDS=(ibackup ver); COMP_CWORD=1; _ibackup_completion ibackup; echo ${COMPREPLY[@]}"
    )
    assert debian.run("bash", "-c", pressed).split() == ["verify"]
    units = {path.name for path in (debian.path / "usr/lib/systemd/user").glob("ibackup-*")}
    assert units == {"ibackup-nightly.service", "ibackup-nightly.timer", "ibackup-watch.service"}
    documents = debian.path / "usr/share/doc/ibackup"
    assert "pymobiledevice3" in (documents / "copyright").read_text(encoding="utf-8")
    assert gzip.decompress((documents / "changelog.gz").read_bytes()).startswith(b"# Changelog")
