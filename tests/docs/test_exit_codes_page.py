"""The table of exit codes is the one in the code."""

import re
from pathlib import Path

import click

from ibackup.base.exit_codes import ExitCode
from ibackup.cli.main import cli
from ibackup.cli.shell.common_options import CONTEXT
from ibackup.cli.shell.exits import _OWN, EXIT_CODES, codes_of


def test_table_equals_the_enum(root: Path) -> None:
    text = (root / "docs" / "reference-exit-codes.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d+) \| ([A-Z_]+) \| (.+?) \| (.+?) \|$", text, re.MULTILINE)
    assert [(int(code), name) for code, name, *_ in rows] == [(code.value, code.name) for code in ExitCode]


def test_codes_shown_by_help_exist() -> None:
    shown = {int(code) for code in re.findall(r"^  (\d{1,3}) ", EXIT_CODES, re.MULTILINE)}
    assert shown == {code.value for code in ExitCode}


def _names(group: click.Group, context: click.Context, before: str = "") -> list[str]:
    names = []
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        path = f"{before} {name}".strip()
        names += _names(command, context, path) if isinstance(command, click.Group) else [path]
    return names


def test_each_command_has_its_own_codes() -> None:
    assert sorted(_names(cli, click.Context(cli))) == sorted(_OWN)
    assert ExitCode.ICLOUD_BLOCKED in codes_of("doctor")
    assert ExitCode.NO_PHONE not in codes_of("verify")


def test_help_shows_the_codes_of_that_command_only() -> None:
    context = click.Context(cli, info_name="ibackup", **CONTEXT)  # a command remembers its own --help
    command = cli.get_command(context, "status")
    assert command is not None
    text = command.get_help(click.Context(command, parent=context, info_name="status"))
    shown = {
        int(code) for code in re.findall(r"^  (\d{1,3}) ", text[text.index("Exit codes") :], re.MULTILINE)
    }
    assert shown == {0, 1, 2, 4, 16, 30, 130}
