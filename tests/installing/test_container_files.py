"""The Containerfile, the compose file and their scripts name what exists: files, options, commands."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest

from ibackup.cli.commands.open_command import command as open_command
from ibackup.cli.commands.watch_command import command as watch_command
from support.containerfile import copied, instructions, reaches_the_builder

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX sh, and files that can be run")

INSIDE = "/usr/local/lib/ibackup/"


@pytest.fixture(scope="module")
def container(root: Path) -> Path:
    return root / "container"


def options(command: click.Command) -> set[str]:
    return {name for param in command.params if isinstance(param, click.Option) for name in param.opts}


def test_everything_that_is_copied_is_there_and_reaches_the_builder(root: Path, container: Path) -> None:
    ignore = (root / ".dockerignore").read_text(encoding="utf-8")
    for each in instructions((container / "Containerfile").read_text(encoding="utf-8")):
        if each.word == "COPY":
            for source in copied(each)[0]:
                assert (root / source).exists(), source
                assert reaches_the_builder(ignore, source), source
    assert not reaches_the_builder(ignore, ".git/config")
    assert not reaches_the_builder(ignore, ".venv/bin/python")
    assert not reaches_the_builder(ignore, "src/ibackup/__pycache__/x.pyc")


def test_the_scripts_use_options_that_exist(container: Path) -> None:
    start = (container / "start").read_text(encoding="utf-8")
    told = start[start.index("set -- ") : start.index("add open")]
    given = set(re.findall(r"(?<![\w-])--[a-z][\w-]+", told))
    assert len(given & options(open_command)) == 8
    assert given - options(open_command) == set()
    watch = (container / "services/watch/run").read_text(encoding="utf-8")
    words = shlex.split(watch.splitlines()[-1])
    assert words[-3:-1] == ["ibackup", "watch"]
    assert words[-1] in options(watch_command)


def test_the_scripts_are_where_they_are_called(root: Path, container: Path) -> None:
    scripts = [container / name for name in ("start", "alive", "backing-off", "ibackup")]
    scripts += sorted(container.glob("services/*/run"))
    for each in scripts:
        subprocess.run([shutil.which("dash") or "sh", "-n", each], check=True)
        assert each.stat().st_mode & 0o111 == 0o111, each
        for name in re.findall(re.escape(INSIDE) + r"([\w-]+)", each.read_text(encoding="utf-8")):
            assert (container / name).exists(), name
    added = set(
        re.findall(r"^\s*add (\w+)$", (container / "start").read_text(encoding="utf-8"), re.MULTILINE)
    )
    assert added == {path.parent.name for path in container.glob("services/*/run")}


def test_compose_sets_what_the_image_knows(root: Path, container: Path) -> None:
    """Without a reader of YAML: what matters has a line of its own."""
    compose = (container / "compose.yaml").read_text(encoding="utf-8")
    image = (container / "Containerfile").read_text(encoding="utf-8")
    known = {
        word.partition("=")[0]
        for each in instructions(image)
        if each.word == "ENV"
        for word in shlex.split(each.rest)
    }
    block = compose.partition("environment:")[2].partition("# One password")[0]
    assert set(re.findall(r"^\s+(\w+):", block, re.MULTILINE)) <= known | {"TZ"}
    context, dockerfile = (re.findall(rf"{word}: (\S+)", compose)[0] for word in ("context", "dockerfile"))
    assert (container / context / dockerfile).exists()
    volumes = re.search(r"^VOLUME (\[.*\])$", image, re.MULTILINE)
    assert volumes is not None
    for place in re.findall(r'"([^"]+)"', volumes[1]):
        assert f":{place}\n" in compose
    scripts = "".join((container / name).read_text(encoding="utf-8") for name in ("start", "ibackup"))
    for secret in re.findall(r"^ {4}# {3}- (\S+)$", compose, re.MULTILINE):
        assert f"/run/secrets/{secret}" in scripts
