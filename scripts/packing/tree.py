"""What is in a package: everything below one folder, as it will be on the computer that installs it."""

import gzip
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from importlib.metadata import distributions
from pathlib import Path

from documenting import licences
from documenting.man_pages import man_pages
from packaging.utils import canonicalize_name

from ibackup.cli.commands.completion_command import completion_script
from ibackup.cli.main import cli
from ibackup.config.value_kinds import EVENING, MORNING, HoursWindow
from ibackup.jobs.schedule.schedule_types import ScheduledCommand
from ibackup.jobs.schedule.systemd import PACKAGED, Systemd
from packing.left_out import left_out

HOME = "/opt/ibackup"
"""The private environment."""
PROGRAM = "/usr/bin/ibackup"
GLIBC = "2.28"
"""The oldest C library that the compiled libraries in it run on."""

_LAUNCHER = """\
#!{home}/bin/python3
import sys

from ibackup.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
"""
_COMPLETIONS = {
    "bash": "/usr/share/bash-completion/completions/ibackup",
    "fish": "/usr/share/fish/vendor_completions.d/ibackup.fish",
}
_ZSH = {"deb": "/usr/share/zsh/vendor-completions/_ibackup", "rpm": "/usr/share/zsh/site-functions/_ibackup"}


@dataclass(frozen=True, slots=True)
class Target:
    """The computers that a package is for.

    Attributes:
        kind: of package, ``deb`` or ``rpm``.
        python: their Python, as ``3.13``. The compiled libraries in the environment fit that one alone.
        machine: their processor, as ``uname -m`` has it.
    """

    kind: str
    python: str
    machine: str

    @property
    def revision(self) -> str:
        """Ours of a version; it names the Python, so that a package for a newer one replaces that for an older one."""
        return f"1.python{self.python}"


@dataclass(frozen=True, slots=True)
class Project:
    """What pyproject.toml says of ibackup.

    Attributes:
        requirements: what ibackup and all its extras ask for.
    """

    name: str
    description: str
    licence: str
    homepage: str
    extras: tuple[str, ...]
    requirements: tuple[str, ...]

    @classmethod
    def read(cls, root: Path) -> "Project":
        """That of a checkout."""
        table = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]
        extras = table["optional-dependencies"]
        return cls(
            table["name"],
            table["description"],
            table["license"],
            table["urls"]["Homepage"],
            tuple(extras),
            (*table["dependencies"], *(each for asked in extras.values() for each in asked)),
        )


@dataclass(frozen=True, slots=True)
class Release:
    """What is packaged.

    Attributes:
        root: the checkout.
        project: what it says of itself.
        wheel: built from it.
        version: that the package has.
        epoch: the time of every file, in seconds since 1970.
    """

    root: Path
    project: Project
    wheel: Path
    version: str
    epoch: int


def synopsis() -> str:
    """What ibackup is, in fewer words than the description of the project: the beginning of its help."""
    return (cli.help or "").split("\n\n", 1)[0].rstrip(".")


def maintainer(name: str) -> str:
    """Whom a package names. A .deb needs an address, and the project has none yet."""
    return f"The authors of {name} <{name}@localhost>"


def lay_out(release: Release, target: Target, staged: Path) -> None:
    """Write every file of a package below ``staged``.

    Raises:
        subprocess.CalledProcessError: the environment could not be filled; what uv said is on standard error.
    """
    _environment(release, target, staged)
    _link(staged, PROGRAM, f"{HOME}/bin/ibackup")
    for name, text in _units().items():
        _write(staged, f"{PACKAGED}/{name}", text)
    for shell, place in (*_COMPLETIONS.items(), ("zsh", _ZSH[target.kind])):
        _write(staged, place, completion_script(shell))
    day = datetime.fromtimestamp(release.epoch, UTC).date()
    for name, text in man_pages(release.version, day).items():
        _write(staged, f"/usr/share/man/man1/{name}.gz", text)
    _documents(release, target, staged)
    for folder, _, names in os.walk(staged, topdown=False):
        for name in (*names, "."):
            os.utime(os.path.join(folder, name), (release.epoch,) * 2, follow_symlinks=False)


def _environment(release: Release, target: Target, staged: Path) -> None:
    """A virtual environment (PEP 405) on the target's own Python, which need not be here."""
    home = staged / HOME[1:]
    packages = home / "lib" / f"python{target.python}" / "site-packages"
    project = release.project
    locks = [f"--constraint={release.root / 'scripts' / 'lock' / name}.txt" for name in ("run", "dev")]
    fitting = (
        *("--python-version", target.python),
        *("--python-platform", f"{target.machine}-manylinux_{GLIBC.replace('.', '_')}"),
        *("--only-binary", ":all:"),
    )
    install = (sys.executable, "-m", "uv", "pip", "install", "--quiet", "--no-config", "--link-mode", "copy")
    asked = f"{project.name}[{','.join(project.extras)}] @ {release.wheel.as_uri()}"
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", suffix=".txt") as excludes:
        excludes.write("\n".join(left_out(project.requirements)))
        excludes.flush()
        given = ("--excludes", excludes.name, "--target", str(packages), *fitting, *locks)
        subprocess.run([*install, *given, asked], check=True)
    shutil.rmtree(packages / "bin", ignore_errors=True)
    (packages / ".lock").unlink(missing_ok=True)
    _forget_where_it_was_built(packages)
    _write(staged, f"{HOME}/pyvenv.cfg", "home = /usr/bin\ninclude-system-site-packages = false\n")
    _link(staged, f"{HOME}/bin/python3", f"/usr/bin/python{target.python}")
    _write(staged, f"{HOME}/bin/ibackup", _LAUNCHER.format(home=HOME)).chmod(0o755)
    for folder, names, files in os.walk(home):
        for name in names:
            os.chmod(os.path.join(folder, name), 0o755)
        for name in files:
            path = os.path.join(folder, name)
            if not os.path.islink(path):
                os.chmod(path, 0o755 if os.stat(path).st_mode & 0o100 else 0o644)


def _forget_where_it_was_built(packages: Path) -> None:
    for each in packages.glob("*.dist-info"):
        notes = [each / name for name in ("direct_url.json", "REQUESTED", "uv_cache.json")]
        record = each / "RECORD"
        lines = record.read_text("utf-8").splitlines(keepends=True)
        gone = tuple(f"{path.relative_to(packages).as_posix()}," for path in notes)
        record.write_text(
            "".join(line for line in lines if not line.startswith(gone) and not line.startswith("bin/"))
        )
        for path in notes:
            path.unlink(missing_ok=True)


def _units() -> dict[str, str]:
    nights = ("nightly", "--window", str(HoursWindow(EVENING, MORNING)))
    return {
        **Systemd("nightly").units(ScheduledCommand(EVENING, (PROGRAM, *nights))),
        **Systemd("watch").units(ScheduledCommand(None, (PROGRAM, "watch"))),
    }


def _documents(release: Release, target: Target, staged: Path) -> None:
    name = release.project.name
    documents = f"/usr/share/doc/{name}"
    _write(staged, f"{documents}/changelog.gz", (release.root / "CHANGELOG.md").read_text("utf-8"))
    if target.kind == "deb":
        entry = (
            f"{name} ({release.version}-{target.revision}) unstable; urgency=medium\n\n"
            f"  * Version {release.version}. What is new in it is in changelog.gz.\n\n"
            f" -- {maintainer(name)}  {format_datetime(datetime.fromtimestamp(release.epoch, UTC))}\n"
        )
        _write(staged, f"{documents}/changelog.Debian.gz", entry)
    _write(staged, f"{documents}/copyright", _copyright(release, target, staged))


def _copyright(release: Release, target: Target, staged: Path) -> str:
    """Our licence, and what each package in the environment says of its own."""
    project = release.project
    where = f"lib/python{target.python}/site-packages"
    found = distributions(path=[str(staged / HOME[1:] / where)])
    known = licences.listed(release.root)
    names = {str(canonicalize_name(each.name)): each.version for each in found if each.name != project.name}
    lines = [
        f"{project.name}: {project.description}",
        "",
        f"Licence: {project.licence}. It is free software, without any warranty. The whole text is in",
        "/usr/share/common-licenses/GPL-3 on Debian systems, and on all systems in",
        f"{HOME}/{where}/{project.name}-*.dist-info/licenses/LICENSE.",
        "",
        f"{HOME}/{where} also contains the packages below. The authors and the licence of each are in its",
        "folder NAME-VERSION.dist-info.",
        "",
        *(f"    {name} {version}: {known[name]}" for name, version in sorted(names.items())),
    ]
    return "\n".join(lines) + "\n"


def _write(staged: Path, place: str, text: str) -> Path:
    """Write a file, compressed if its name says so."""
    path = staged / place[1:]
    path.parent.mkdir(parents=True, exist_ok=True)
    data = text.encode()
    path.write_bytes(gzip.compress(data, mtime=0) if path.suffix == ".gz" else data)
    return path


def _link(staged: Path, place: str, to: str) -> None:
    path = staged / place[1:]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(to)
