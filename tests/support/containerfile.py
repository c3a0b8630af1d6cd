"""Reads a Containerfile and does in a clean root what a builder would do: so the file itself is what is tested."""

import fnmatch
import json
import os
import re
import shlex
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from support.clean_root import CleanRoot


@dataclass(frozen=True)
class Instruction:
    """One instruction: its word, as ``RUN``, and the rest of it in one line."""

    word: str
    rest: str


@dataclass
class Image:
    """What was built: where it is, and how a container of it starts.

    Attributes:
        environment: of each program in it.
        entrypoint: the program that a container runs.
        health: the program that tells whether it is well.
    """

    debian: CleanRoot
    environment: dict[str, str] = field(default_factory=dict)
    entrypoint: list[str] = field(default_factory=list)
    health: list[str] = field(default_factory=list)


def instructions(text: str) -> list[Instruction]:
    """Those of a file, in their order."""
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    return [Instruction(*line.split(maxsplit=1)) for line in joined.splitlines()]


def copied(instruction: Instruction) -> tuple[list[str], str]:
    """The sources of a COPY, below the context, and its target."""
    *sources, target = shlex.split(instruction.rest)
    return sources, target


def reaches_the_builder(ignore: str, path: str) -> bool:
    """Whether a path of the context is left in by a .dockerignore; the last line that fits it decides."""
    kept = True
    parts = path.split("/")
    beginnings = {"/".join(parts[: count + 1]) for count in range(len(parts))}
    for line in ignore.splitlines():
        rule = line.strip()
        if not rule or rule.startswith("#"):
            continue
        pattern = rule.removeprefix("!").removeprefix("**/")
        fits = parts if rule.startswith("**/") else beginnings
        if any(fnmatch.fnmatchcase(each, pattern) for each in fits):
            kept = rule.startswith("!")
    return kept


def build(context: Path, containerfile: Path, debian: CleanRoot, variables: Mapping[str, str]) -> Image:
    """Do what a Containerfile says in a Debian that stands for its base image.

    Args:
        context: the folder that COPY copies from.
        containerfile: the file.
        debian: the base.
        variables: for its RUN lines beside its own, such as where packages come from.
    """
    image = Image(debian)
    ignore = (context / ".dockerignore").read_text(encoding="utf-8")
    for each in instructions(containerfile.read_text(encoding="utf-8")):
        if each.word == "RUN":
            debian.run("sh", "-c", each.rest, variables={**image.environment, **variables})
        elif each.word == "COPY":
            sources, target = copied(each)
            for source in sources:
                _copy(
                    context,
                    source,
                    debian.path / target[1:],
                    ignore,
                    into=len(sources) > 1 or target[-1] == "/",
                )
        elif each.word == "ENV":
            image.environment |= dict(word.split("=", 1) for word in shlex.split(each.rest))
        elif each.word == "HEALTHCHECK":
            image.health = json.loads(each.rest.partition("CMD")[2])
        elif each.word == "ENTRYPOINT":
            image.entrypoint = json.loads(each.rest)
        else:
            assert each.word in {"ARG", "FROM", "VOLUME", "EXPOSE"}, each
    return image


def _copy(context: Path, source: str, target: Path, ignore: str, *, into: bool) -> None:
    path = context / source
    if path.is_file():
        assert reaches_the_builder(ignore, source), source
        goal = target / path.name if into else target
        goal.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, goal)
        return
    for folder, _, names in os.walk(path):
        for name in names:
            each = Path(folder, name)
            if reaches_the_builder(ignore, each.relative_to(context).as_posix()):
                goal = target / each.relative_to(path)
                goal.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(each, goal)
