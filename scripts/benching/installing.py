"""What an installation of ibackup takes, and what of it ibackup never loads."""

import ast
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import Distribution, distributions
from pathlib import Path

from benching.measure import ContenderFailed
from benching.phones import Domain, serving, spec
from benching.racing import Scale
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from releasing import distributions as released

_ROOT = Path(__file__).resolve().parents[2]
_MB = 1_000_000
_NOTICE = """
import atexit, json, os, sys
def note():
    files = [getattr(each, "__file__", None) for each in list(sys.modules.values())]
    with open(os.path.join(os.environ["LOADED"], f"{os.getpid()}.json"), "w") as out:
        json.dump([each for each in files if isinstance(each, str)], out)
atexit.register(note)
"""
"""Runs at the start of each Python, and writes down at its end what it has loaded."""
_PASSWORD = "Kurzhaar-Wisent 7"
_COMMANDS = (
    ("now",),
    ("now",),
    ("devices",),
    ("status",),
    ("verify",),
    ("list",),
    ("show",),
    ("files", "latest"),
    ("du",),
    ("diff", "latest", "latest"),
    ("rehearse",),
    ("doctor", "--offline"),
    ("wifi", "on"),
    ("wifi", "status"),
    ("encryption",),
    ("icloud",),
    ("search", "photo"),
    ("export", "--output", "exported"),
    ("extract", "--output", "extracted"),
    ("prune", "--dry-run", "--keep-last", "1"),
    ("config", "show"),
    ("setup", "--check"),
    ("demo",),
    ("completion", "bash"),
)


@dataclass(frozen=True, slots=True)
class _Way:
    """One way to install.

    Attributes:
        site: where the packages are afterwards, below the folder.
    """

    name: str
    commands: tuple[tuple[str, ...], ...]
    variables: Mapping[str, str]


def report(folder: str, scale: Scale) -> Iterator[str]:  # noqa: ARG001 - an installation has one size
    """What an installation takes, and what it brings that ibackup never loads."""
    place = Path(folder)
    wheel = next(each for each in released.build(_ROOT, place / "dist") if each.suffix == ".whl")
    yield from ("| way | s | packages | MB on the disk |", "|---|--:|--:|--:|")
    for way in _ways(wheel, place):
        began = time.monotonic()
        for command in way.commands:
            _run(*command, environment={**os.environ, **way.variables})
        seconds = time.monotonic() - began
        found = _packages(place / way.variables["ENV"])
        yield f"| {way.name} | {seconds:.0f} | {len(found)} | {sum(map(_size, found.values())) / _MB:.0f} |"
    yield ""
    loaded = _loaded(place / way.variables["ENV"], place)
    yield from _never_loaded(found, loaded)


def _ways(wheel: Path, place: Path) -> Iterator[_Way]:
    uv = (sys.executable, "-m", "uv")
    for name, kept in (
        ("`uv tool install`, nothing in its cache", "cold"),
        ("the same, everything in its cache", "cold"),
    ):
        tools = place / f"tools of {len(os.listdir(place))}"
        tools.mkdir()
        yield _Way(
            name,
            ((*uv, "tool", "install", "--quiet", "--python", sys.executable, str(wheel)),),
            {
                "UV_CACHE_DIR": str(place / kept),
                "UV_TOOL_DIR": str(tools),
                "UV_TOOL_BIN_DIR": str(tools / "bin"),
                "ENV": str(tools / "ibackup"),
            },
        )
    env = place / "pip"
    yield _Way(
        "`pip install`, nothing in its cache",
        (
            (sys.executable, "-m", "venv", str(env)),
            (str(env / "bin" / "pip"), "install", "--quiet", "--no-cache-dir", str(wheel)),
        ),
        {"ENV": str(env)},
    )


def _run(
    *command: str, environment: Mapping[str, str], cwd: Path | None = None, codes: Iterable[int] = (0,)
) -> None:
    done = subprocess.run(
        command, env=environment, cwd=cwd, capture_output=True, text=True, check=False, input=""
    )
    if done.returncode not in codes:
        raise ContenderFailed(f"{' '.join(command)}: {done.returncode}\n{done.stdout}{done.stderr}")


def _packages(environment: Path) -> dict[str, Distribution]:
    """What is installed there, without what every new environment has."""
    (site,) = environment.glob("lib/python3*/site-packages")
    found = {str(canonicalize_name(each.name)): each for each in distributions(path=[str(site)])}
    return {name: each for name, each in found.items() if name not in ("pip", "setuptools", "wheel")}


def _size(package: Distribution) -> int:
    """Bytes of its files, without what Python compiles of them."""
    paths = (Path(str(each.locate())) for each in package.files or () if each.suffix != ".pyc")
    return sum(path.stat().st_size for path in paths if path.is_file())


def _loaded(environment: Path, place: Path) -> set[str]:
    """The files that Python has loaded in all the commands, with a phone that is plugged in."""
    notices, home, notes = place / "notices", place / "home", place / "notes"
    for each in (notices, home, notes):
        each.mkdir()
    (notices / "sitecustomize.py").write_text(_NOTICE, encoding="utf-8")
    password = home / "password"
    password.write_text(_PASSWORD, encoding="utf-8")
    password.chmod(0o600)
    program = str(environment / "bin" / "ibackup")
    domains = (Domain("HomeDomain", 20, 100, 4000), Domain("CameraRollDomain", 20, 100, 4000))
    with serving(spec(domains, password=_PASSWORD, rounds=10), str(place)) as phone:
        variables = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "PYTHONPATH": str(notices),
            "LOADED": str(notes),
            "IBACKUP_PASSWORD_FILE": str(password),
            **phone.environment,
        }
        for words in _COMMANDS:
            # Some say that there is nothing of theirs on this phone; what they loaded for that counts.
            _run(program, *words, environment=variables, cwd=home, codes=range(32))
        with subprocess.Popen(
            [program, "open", "--no-browser"],
            env=variables,
            cwd=home,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        ) as view:
            assert view.stdout is not None
            view.stdout.readline()  # it listens
            view.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                view.communicate(timeout=60)
    return {file for note in notes.iterdir() for file in json.loads(note.read_text(encoding="utf-8"))}


def _never_loaded(packages: Mapping[str, Distribution], loaded: set[str]) -> Iterator[str]:
    """What is there only because pymobiledevice3 asks for it, was not loaded, and that no line of ours imports."""
    ours = _brought(packages, {*_asked(packages["ibackup"])} - {"pymobiledevice3"})
    idle = [
        name
        for name, each in sorted(packages.items(), key=lambda item: -_size(item[1]))
        if name not in {*ours, "ibackup"}
        and not _modules(each) & _imported()
        and not any(str(file.locate()) in loaded for file in each.files or ())
    ]
    whole, part = (sum(_size(packages[each]) for each in names) for names in (packages, idle))
    yield f"Of {len(packages)} packages ({whole / _MB:.0f} MB), {len(idle)} ({part / _MB:.0f} MB) are never loaded:"
    yield from ("", "| package | MB | brought by |", "|---|--:|---|")
    small = [name for name in idle if _size(packages[name]) < _MB]
    for name in idle[: len(idle) - len(small)]:
        parents = sorted(each for each in packages if name in _asked(packages[each]))
        yield f"| {name} | {_size(packages[name]) / _MB:.1f} | {', '.join(parents)} |"
    rest = sum(_size(packages[name]) for name in small)
    yield f"| {len(small)} smaller ones | {rest / _MB:.1f} | |"
    yield from ("", f"The smaller ones: {', '.join(sorted(small))}.")
    own = packages["pymobiledevice3"]
    files = [file for file in own.files or () if file.suffix == ".py"]
    seen = [file for file in files if str(file.locate()) in loaded]
    yield from (
        "",
        f"Of pymobiledevice3's own {len(files)} modules ({_size(own) / _MB:.1f} MB), {len(seen)} were loaded.",
    )


def _brought(packages: Mapping[str, Distribution], names: set[str]) -> set[str]:
    """These packages and all that they ask for."""
    found: set[str] = set()
    while names - found:
        found |= names
        names = {each for name in found if name in packages for each in _asked(packages[name])}
    return found


def _modules(package: Distribution) -> set[str]:
    """The names under which its modules are imported."""
    return {
        each.parts[0].partition(".")[0]
        for each in package.files or ()
        if each.suffix in (".py", ".so", ".pyd")
    }


@cache
def _imported() -> set[str]:
    """The first word of everything that our code imports."""
    found: set[str] = set()
    for path in (_ROOT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {each.name.partition(".")[0] for each in node.names}
            elif isinstance(node, ast.ImportFrom):
                found.add(str(node.module).partition(".")[0])
    return found


def _asked(package: Distribution) -> set[str]:
    """What a package asks for here, without extras."""
    wanted = [Requirement(text) for text in package.requires or []]
    return {
        str(canonicalize_name(each.name))
        for each in wanted
        if each.marker is None or each.marker.evaluate({"extra": ""})
    }
