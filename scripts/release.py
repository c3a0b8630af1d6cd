"""Makes a release: checks the checkout, builds twice and writes checksums; with --really, signs and tags it.

It publishes nothing: at the end it prints the commands that do. docs/releasing.md explains each step.
"""

import argparse
import hashlib
import shlex
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable
from pathlib import Path

from releasing import distributions
from releasing.checks import Check, check_all, git
from releasing.formula import UnlockedFile, formula, resources

ROOT = Path(__file__).resolve().parent.parent
SUMS = "SHA256SUMS"
# What people run before they have anything else of the release.
SCRIPTS = ("install.sh", "install.ps1")


class NotReleased(Exception):
    """A step failed; the message says which, and what to do."""


def arguments() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--really", action="store_true", help="sign the files and the tag [only try everything else]"
    )
    parser.add_argument(
        "--tested", default="", metavar="COMMIT", help="the commit for which all tests passed"
    )
    parser.add_argument("--key", metavar="ID", help="the GnuPG key to sign with [git's, or GnuPG's default]")
    parser.add_argument("--skip-packages", action="store_true", help="build no .deb and no .rpm")
    parser.add_argument(
        "--out", type=Path, metavar="FOLDER", help="a new folder for the files [build/release-VERSION]"
    )
    return parser.parse_args()


def step(text: str) -> None:
    """Say what happens now."""
    print(f"== {text}", flush=True)


def tell(checks: Iterable[Check]) -> list[str]:
    """Print each check; the names of those that failed."""
    failed = []
    for each in checks:
        print(
            f"{'PROBLEM' if each.problem else 'ok':<8} {each.name}{f': {each.problem}' if each.problem else ''}"
        )
        if each.problem:
            failed.append(each.name)
    return failed


def run(*command: str | Path) -> None:
    """Run a program that must succeed. Raises NotReleased."""
    if subprocess.run(command, cwd=ROOT, check=False).returncode:
        raise NotReleased(f"`{' '.join(map(str, command))}` failed.")


def sha256(path: Path) -> str:
    """The checksum of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def build(out: Path) -> Path:
    """Build the wheel and the sdist twice, in two folders, and keep them if they are equal; returns the sdist."""
    with tempfile.TemporaryDirectory() as work:
        again = distributions.build(ROOT, Path(work))
        made = distributions.build(ROOT, out)
        if [path.read_bytes() for path in made] != [path.read_bytes() for path in again]:
            raise NotReleased(
                "Two builds differ, so nobody could build the same. Look for what depends on the moment."
            )
    run(sys.executable, "-m", "twine", "check", "--strict", *made)
    return next(path for path in made if path.name.endswith(".tar.gz"))


def write_formula(project: dict[str, object], home: str, sdist: Path, target: Path) -> None:
    """Write Homebrew's formula, and have Ruby read it where there is one."""
    url = f"{home}/releases/download/v{distributions.version_of(ROOT)}/{sdist.name}"
    try:
        needs = resources(ROOT)
    except (subprocess.CalledProcessError, UnlockedFile) as error:
        raise NotReleased(f"There is no formula for Homebrew: {error}") from None
    target.write_text(formula(project, url, sha256(sdist), needs), encoding="utf-8")
    if ruby := shutil.which("ruby"):
        run(ruby, "-c", target)


def prepare(given: argparse.Namespace, failed: list[str], version: str) -> Path:
    """The empty folder for the files. Raises NotReleased, also if checks failed that have to pass."""
    if failed and given.really:
        raise NotReleased(f"Nothing was built, signed or tagged. Fix first: {', '.join(failed)}.")
    out: Path = (given.out or ROOT / "build" / f"release-{version}").absolute()
    if given.out is None:
        shutil.rmtree(out, ignore_errors=True)  # what an earlier try left
    if out.exists() and any(out.iterdir()):
        raise NotReleased(f"{out} is not empty. Name a new folder.")
    out.mkdir(parents=True, exist_ok=True)
    return out


def write_sums(out: Path) -> None:
    """Write the checksums of all files, as sha256sum reads them."""
    names = sorted(path.name for path in out.iterdir())
    text = "".join(f"{sha256(out / name)}  {name}\n" for name in names)
    (out / SUMS).write_text(text, encoding="utf-8")
    print(text, end="")


def finish(out: Path, version: str, key: str | None, *, really: bool) -> None:
    """Sign the checksums and the tag, or say how; then say how to publish."""
    by = ("--local-user", key) if key else ()
    sign = ("gpg", "--armor", *by, "--detach-sign", str(out / SUMS))
    tag = ("git", "tag", *(by or ("--sign",)), "--message", f"ibackup {version}", f"v{version}")
    if really:
        step("sign")
        run(*sign)
        run("gpg", "--verify", out / f"{SUMS}.asc", out / SUMS)
        run(*tag)
        print("\nSigned and tagged. To publish, in this order:\n")
    else:
        step("This was a dry run. With --really it would also run:")
        print(f"\n    {shlex.join(sign)}\n    {shlex.join(tag)}\n\nand you would publish with:\n")
    folder = shlex.quote(str(out))
    print(f"    git push origin v{version}\n    twine upload {folder}/*.whl {folder}/*.tar.gz\n")
    print(f"Then attach all files in {out} to the release of that tag.")


def main() -> int:
    """Make the release; 1 if a check or a step failed."""
    given = arguments()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    version, home = distributions.version_of(ROOT), project["urls"]["Homepage"]
    step(f"ibackup {version}, commit {git(ROOT, 'rev-parse', '--short=12', 'HEAD')}")
    failed = tell(check_all(ROOT, home, given.tested))
    try:
        out = prepare(given, failed, version)
        step("build, twice")
        sdist = build(out)
        if not given.skip_packages:
            step(".deb and .rpm")
            run(ROOT / "scripts" / "packages", out)
        step("Homebrew's formula")
        write_formula(project, home, sdist, out / f"{project['name']}.rb")
        for name in SCRIPTS:
            shutil.copy(ROOT / name, out)
        step(SUMS)
        write_sums(out)
        finish(out, version, given.key, really=given.really)
    except (NotReleased, subprocess.CalledProcessError) as error:
        print(f"\nNot released: {error}", file=sys.stderr)
        return 1
    if failed:
        print(f"\nNot ready yet: {', '.join(failed)}.", file=sys.stderr)
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
