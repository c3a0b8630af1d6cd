"""Yes-or-no questions."""

import click
import pytest
from click.testing import CliRunner

from ibackup.cli.shell.questions import confirm


@pytest.mark.parametrize(
    ("typed", "default", "answer"),
    [("y\n", False, "True"), ("\n", True, "True"), ("\n", False, "False"), (" NO \n", True, "False")],
)
def test_an_answer_or_the_default(typed: str, default: bool, answer: str) -> None:
    command = click.command(lambda: click.echo(confirm("Remove it?", default=default)))
    assert CliRunner().invoke(command, input=typed).output.splitlines()[-1].endswith(answer)


def test_any_other_answer_is_asked_for_again_in_our_words() -> None:
    command = click.command(lambda: click.echo(confirm("Remove it?")))
    said = CliRunner().invoke(command, input="perhaps\nyes\n").output
    assert "Type y for yes or n for no." in said
    assert "invalid" not in said
    assert said.count("Remove it? [y/N]") == 2
    assert said.rstrip().endswith("True")


def test_the_end_of_input_is_no_answer() -> None:
    command = click.command(lambda: click.echo(confirm("Remove it?", default=True)))
    assert CliRunner().invoke(command, input="").exit_code == 1
