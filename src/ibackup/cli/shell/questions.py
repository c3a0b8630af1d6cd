"""Yes-or-no questions on a terminal."""

import click


def confirm(question: str, *, default: bool = False) -> bool:
    """Ask until the answer is yes or no; Return means the default. Ends with click.Abort on Ctrl-C and Ctrl-D."""
    choices = "[Y/n]" if default else "[y/N]"
    while True:
        typed = str(click.prompt(f"{question} {choices}", default="", show_default=False, err=True))
        answer = typed.strip().casefold()
        if not answer:
            return default
        if answer in ("y", "yes", "n", "no"):
            return answer.startswith("y")
        click.echo("Type y for yes or n for no.", err=True)
