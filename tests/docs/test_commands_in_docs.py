"""The pages promise no command and no option that is not there."""

import re
from pathlib import Path

import click
import pytest

from ibackup.cli.main import cli

MENTION = re.compile(r"(?<![\w/.-])ibackup ((?:-\S+ )*)([a-z][a-z-]+)([^`\n|]*)")
IN_CODE = re.compile(r"^```(?:sh|powershell)\n(.*?)^```|`([^`\n]+)`", re.MULTILINE | re.DOTALL)
PLANNED = re.compile(r"\bplanned\b", re.IGNORECASE)
# The design is where plans belong; the reference of the command line comes from the commands themselves.
NOT_PROMISES = {"design.md", "reference-cli.md"}


def paragraphs(text: str) -> list[str]:
    """Blocks of a page: a fenced block is one, a list item or a table row is one."""
    parts = re.split(r"(^```.*?^```)", text, flags=re.MULTILINE | re.DOTALL)
    found: list[str] = []
    for part in parts:
        if part.startswith("```"):
            found.append(part)
        else:
            found += re.split(r"\n\s*\n|\n(?=[-*|] |\|)", part)
    return found


def mentions(block: str) -> list[tuple[str, str]]:
    """(command, the rest of its line) for each `ibackup COMMAND …` in code."""
    found = []
    for fenced, inline in IN_CODE.findall(block):
        found += [(match[2], match[3]) for match in MENTION.finditer(fenced or inline)]
    return found


@pytest.fixture(scope="module")
def commands() -> dict[str, click.Command]:
    """The commands that are there."""
    context = click.Context(cli)
    there = {}
    for name in cli.list_commands(context):
        try:
            command = cli.get_command(context, name)
        except ModuleNotFoundError as missing:
            # Listed, but not written yet; any other missing module is a fault.
            if missing.name != f"ibackup.cli.commands.{name}_command":
                raise
            continue
        if command is not None:
            there[name] = command
    return there


def test_every_command_named_exists_or_is_called_planned(
    pages: dict[Path, str], commands: dict[str, click.Command]
) -> None:
    promised = [
        f"{page.name}: ibackup {name}"
        for page, text in pages.items()
        if page.name not in NOT_PROMISES
        for block in paragraphs(text)
        for name, _ in mentions(block)
        if name not in commands and not PLANNED.search(block)
    ]
    assert promised == []


def test_nothing_that_exists_is_called_planned(
    pages: dict[Path, str], commands: dict[str, click.Command]
) -> None:
    late = [
        f"{page.name}: ibackup {name}"
        for page, text in pages.items()
        for block in paragraphs(text)
        for sentence in re.findall(r"[^.]*\bplanned\b[^.]*", block)
        for name, _ in mentions(sentence)
        if page.name not in NOT_PROMISES and name in commands
    ]
    assert late == []


def meant(command: click.Command, rest: str) -> click.Command:
    """The command itself, or the one of a group that the next word names."""
    if isinstance(command, click.Group) and rest.split():
        return command.commands.get(rest.split(maxsplit=1)[0], command)
    return command


def test_every_option_used_exists(pages: dict[Path, str], commands: dict[str, click.Command]) -> None:
    unknown = []
    for page, text in pages.items():
        if page.name in NOT_PROMISES:
            continue
        for block in paragraphs(text):
            for name, rest in mentions(block):
                if name not in commands:
                    continue
                command = meant(commands[name], rest)
                options = {option for param in command.params for option in param.opts + param.secondary_opts}
                used = re.findall(r"(?<!\S)--?[a-z][a-z-]*", rest.partition(" | ")[0].partition("#")[0])
                unknown += [
                    f"{page.name}: ibackup {name} {each}" for each in used if each not in {*options, "--help"}
                ]
    assert unknown == []


def test_the_readme_names_every_command_that_exists(
    pages: dict[Path, str], root: Path, commands: dict[str, click.Command]
) -> None:
    named = {name for name, _ in mentions(pages[root / "README.md"])}
    assert {"now", "verify", "devices", "list", "show", "demo"} & set(commands) <= named
