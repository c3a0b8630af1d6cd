"""scripts/release in a clone: what it checks, builds and signs, and that trying it changes nothing."""

import hashlib
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from releasing import distributions

pytestmark = [
    pytest.mark.peer,
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="POSIX paths"),
]


class Clone:
    """A repository of its own with the files of this checkout."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.version = distributions.version_of(root)
        self.git("init", "--quiet", "--initial-branch", "main")
        self.commit()

    def git(self, *words: str) -> str:
        who = ("-c", "user.name=Maintainer", "-c", "user.email=maintainer@example.org")
        done = subprocess.run(
            ["git", *who, *words], cwd=self.root, check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    def commit(self) -> None:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", "One more")

    def write(self, name: str, old: str, new: str) -> None:
        path = self.root / name
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new, 1), encoding="utf-8")

    def be_ready(self) -> str:
        """Date the changelog and name a home; returns the commit."""
        today = datetime.now(UTC).date().isoformat()
        self.write("CHANGELOG.md", "## Unreleased\n", f"## {self.version} - {today}\n")
        path = self.root / "pyproject.toml"
        path.write_text(path.read_text("utf-8").replace("ibackup.example", "ibackup.org"), "utf-8")
        self.commit()
        return self.git("rev-parse", "HEAD")

    def release(self, *words: str | Path, code: int) -> str:
        """What the script says."""
        done = subprocess.run(
            [sys.executable, self.root / "scripts" / "release.py", "--skip-packages", *words],
            capture_output=True,
            text=True,
            encoding="utf-8",
            check=False,
        )
        assert done.returncode == code, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done.stdout + done.stderr


@pytest.fixture(scope="module")
def clone(
    registry: None, copy_checkout: Callable[[Path], Path], tmp_path_factory: pytest.TempPathFactory
) -> Clone:
    return Clone(copy_checkout(tmp_path_factory.mktemp("clone")))


def test_what_is_not_ready_is_named_and_nothing_is_released(clone: Clone) -> None:
    (clone.root / "left.txt").write_text("not committed\n", encoding="utf-8")
    clone.git("tag", "v99.0")
    said = clone.release("--really", code=1)
    for problem in (
        "clean: These files are not committed:\n?? left.txt",
        "tested: Run `scripts/test --long` on this commit. If it passes, add --tested ",
        f"version: 99.0 is released. Write a newer one than {clone.version}",
        f"changelog: CHANGELOG.md needs a section `## {clone.version} - ",
        "home: https://ibackup.example is a place-holder.",
    ):
        assert f"PROBLEM  {problem}" in said
    assert (
        "Not released: Nothing was built, signed or tagged. Fix first: clean, tested, version, changelog, home."
        in said
    )
    assert not (clone.root / "build").exists()
    (clone.root / "left.txt").unlink()
    clone.git("tag", "--delete", "v99.0")


@pytest.fixture(scope="module")
def tried(clone: Clone) -> tuple[Clone, str, str]:
    """A dry run of what is ready, with its commit."""
    commit = clone.be_ready()
    return clone, commit, clone.release("--tested", commit[:12], code=0)


def test_a_dry_run_makes_every_file_and_changes_nothing(tried: tuple[Clone, str, str]) -> None:
    clone, commit, said = tried
    out = clone.root / "build" / f"release-{clone.version}"
    assert "PROBLEM" not in said
    assert "This was a dry run." in said
    assert f"git tag --sign --message 'ibackup {clone.version}' v{clone.version}" in said
    sums = dict(line.split("  ")[::-1] for line in (out / "SHA256SUMS").read_text("utf-8").splitlines())
    assert {path.name for path in out.iterdir()} == {*sums, "SHA256SUMS"}
    assert {"ibackup.rb", "install.sh", "install.ps1"} < sums.keys()
    for name, checksum in sums.items():
        assert hashlib.sha256((out / name).read_bytes()).hexdigest() == checksum
    assert clone.git("tag") == ""
    assert clone.git("status", "--porcelain") == ""
    assert clone.git("rev-parse", "HEAD") == commit


def test_the_formula_has_every_package_of_a_mac_with_its_pinned_checksum(
    tried: tuple[Clone, str, str], require_tool: Callable[[str], str]
) -> None:
    clone, _, _ = tried
    path = clone.root / "build" / f"release-{clone.version}" / "ibackup.rb"
    text = path.read_text("utf-8")
    entry = r'^  resource "(\S+)" do\n    url "https://\S+"\n    sha256 "([0-9a-f]{64})"$'
    found = dict(re.findall(entry, text, re.MULTILINE))
    assert {"pymobiledevice3", "cryptography", "ioregistry", "apple-compress"} <= found.keys()
    assert found.keys().isdisjoint(
        {"av", "pywin32", "sslpsk-pmd3", "ibackup", "pip"}
    )  # of other systems or Pythons
    locked = (clone.root / "scripts" / "lock" / "run.txt").read_text("utf-8")
    assert all(f"--hash=sha256:{each}" in locked for each in found.values())
    sdist = next(path.parent.glob("*.tar.gz"))
    assert (
        f'/v{clone.version}/{sdist.name}"\n  sha256 "{hashlib.sha256(sdist.read_bytes()).hexdigest()}"'
        in text
    )
    subprocess.run([require_tool("ruby"), "-c", path], check=True, capture_output=True)


@pytest.fixture
def key(
    short_folder: Path, monkeypatch: pytest.MonkeyPatch, require_tool: Callable[[str], str]
) -> Iterator[str]:
    """A GnuPG key that only this test knows."""
    gpg = require_tool("gpg")
    monkeypatch.setenv("GNUPGHOME", str(short_folder))
    short_folder.chmod(0o700)
    name = "Maintainer <maintainer@example.org>"
    options = ("--batch", "--quiet", "--passphrase", "", "--pinentry-mode", "loopback")
    subprocess.run(
        [gpg, *options, "--quick-generate-key", name, "ed25519", "sign"], check=True, capture_output=True
    )
    yield "maintainer@example.org"
    subprocess.run(
        ["gpgconf", "--kill", "gpg-agent"], check=False, env={**os.environ, "GNUPGHOME": str(short_folder)}
    )


@pytest.mark.long
def test_really_signs_the_checksums_and_the_tag(
    tried: tuple[Clone, str, str], key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    clone, commit, _ = tried
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "Maintainer")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "maintainer@example.org")
    said = clone.release("--really", "--tested", commit, "--key", key, code=0)
    assert "Signed and tagged." in said
    assert "Good signature from" in clone.git("tag", "--verify", f"v{clone.version}") + said
    assert clone.git("rev-list", "-1", f"v{clone.version}") == commit
    assert (clone.root / "build" / f"release-{clone.version}" / "SHA256SUMS.asc").is_file()
    assert f"version: {clone.version} is released." in clone.release("--really", "--tested", commit, code=1)
