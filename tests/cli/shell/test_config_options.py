"""Options and the config file take the same values, and say the same about them."""

from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from cli.conftest import Cli
from ibackup.cli.main import cli
from ibackup.cli.shell.config_options import KeyOption
from ibackup.cli.shell.typed_values import SIZE
from ibackup.config import config_file, value_kinds
from ibackup.config.config_keys import keys
from ibackup.config.config_schema import TABLES


def commands(group: click.Group, context: click.Context) -> Iterator[click.Command]:
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield command
        if isinstance(command, click.Group):
            yield from commands(command, context)


def key_options() -> Iterator[KeyOption]:
    for command in commands(cli, click.Context(cli)):
        yield from (param for param in command.params if isinstance(param, KeyOption))


def test_each_key_with_an_option_is_one_of_some_command() -> None:
    offered = {id(option.key) for option in key_options()}
    lost = [
        key.name
        for kind in TABLES.values()
        for _, key in keys(kind)
        if key.has_option and id(key) not in offered
    ]
    assert lost == []


def test_no_command_declares_the_option_of_a_key_by_itself() -> None:
    """One sentence, one default: an option of the same name and meaning comes from the key."""
    names = {
        key.flag
        for table in ("nightly", "proof", "prune")
        for _, key in keys(TABLES[table])
        if key.has_option
    }
    own = [
        (command.name, param.opts)
        for command in commands(cli, click.Context(cli))
        for param in command.params
        if set(param.opts) & names and not isinstance(param, KeyOption)
    ]
    assert own == []


def test_help_and_default_are_those_of_the_key(ibackup: Cli) -> None:
    shown = " ".join(ibackup("nightly", "--help").out.split())
    for table in ("nightly", "proof"):
        for _, key in keys(TABLES[table]):
            assert f"{key.text} [{key.default_said}]" in shown


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("0", 0),
        ("500MB", 500_000_000),
        ("20 GB", 20_000_000_000),
        ("4.2GB", 4_200_000_000),
        ("1,5tb", 1_500_000_000_000),
        ("7kb", 7_000),
        ("0.001 kB", 1),
    ],
)
def test_a_size_is_the_same_everywhere(text: str, count: int, tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(f'[nightly]\nmin_free = "{text}"\n')
    assert config_file.load(str(path)).nightly.min_free_bytes == count
    assert SIZE.convert(text, None, None) == count
    assert value_kinds.size_bytes(value_kinds.written_size(count)) == count


@pytest.mark.parametrize(
    "count", [1, 999, 1_500, 10**9, 4_200_000_000, 999_999_999_000_000, 999_999_999_000_000_000]
)
def test_a_size_is_written_as_it_is_read(count: int) -> None:
    assert value_kinds.size_bytes(value_kinds.written_size(count)) == count


@pytest.mark.parametrize("text", ["", "5", "GB", "4.GB", "1.2345GB", "-1GB", "1e3GB", "٣GB", "9999999GB"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(click.BadParameter, match="is not a size; write 500MB"):
        SIZE.convert(text, None, None)
