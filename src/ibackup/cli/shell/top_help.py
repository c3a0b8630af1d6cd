"""``ibackup --help`` on one screen: the commands in groups, and other words for them."""

import click

from ibackup.cli.shell.output import wrap

GROUPS: dict[str, dict[str, str]] = {
    "Back up": {
        "now": "back up the phone",
        "setup": "set everything up",
        "encryption": "the backup password",
        "copy": "second copies",
        "wifi": "without a cable",
        "import": "adopt other backups",
    },
    "Look": {
        "open": "see it in a browser",
        "status": "fresh and good?",
        "list": "all snapshots",
        "show": "one snapshot",
        "verify": "prove a backup good",
        "devices": "connected phones",
        "files": "look into a backup",
        "search": "find words in them",
        "diff": "compare two",
        "du": "space they take",
    },
    "Restore": {
        "restore": "put a backup back",
        "rehearse": "would it restore?",
        "export": "messages, photos, …",
        "extract": "take files out",
        "to-finder": "hand one to Finder",
        "heal": "repair from a copy",
        "mount": "see them as folders",
        "unmount": "end that",
    },
    "Automate": {
        "nightly": "back up if due",
        "watch": "…when plugged in",
        "schedule": "start the nights",
        "log": "the last nights",
        "notify": "test notifications",
        "config": "settings in effect",
        "prune": "remove old snapshots",
        "pin": "never remove this one",
        "fleet": "many computers",
    },
    "iCloud": {"doctor": "why iCloud fails", "icloud": "iCloud Backup's switch"},
    "Tools": {
        "demo": "try it, no phone",
        "simulator": "a virtual iPhone",
        "completion": "Tab in your shell",
        "help": "help on a command",
    },
}
ALIASES = {"backup": "now", "snapshots": "list", "check": "verify"}
"""Words that people try first, and the matching command."""

_GROUP, _NAME, _COLUMN = 10, 12, 34
_WIDTH = 80
_USAGE = "Usage: ibackup COMMAND [ARGUMENTS] [OPTIONS]"
_WHAT_IT_IS = "Complete, proven iPhone and iPad backups. Plug in, unlock, run `ibackup now`."
_MORE = "More: `ibackup help COMMAND`, `ibackup help options`, `ibackup help exit-codes`."


def commands() -> dict[str, str]:
    """All commands in their order, and a few words on each."""
    return {name: text for group in GROUPS.values() for name, text in group.items()}


def page(options: str, width: int = _WIDTH) -> str:
    """The help of the program itself: 80 columns, at most 23 lines; one command a line where that does not fit.

    Args:
        options: those of every command.
        width: the terminal's.
    """
    if width < _WIDTH:
        return _narrow(options)
    lines = [
        f"{_USAGE}. To begin, plug in: `ibackup now`",
    ]
    for title, group in GROUPS.items():
        cells = [f"{name:<{_NAME}}{text}" for name, text in group.items()]
        for number in range(0, len(cells), 2):
            pair = "".join(f"{cell:<{_COLUMN}}" for cell in cells[number : number + 2])
            lines.append(f"  {'' if number else title:<{_GROUP}}{pair}".rstrip())
    lines += [
        _MORE,
        f"Options: {options}",
    ]
    return "\n".join(lines)


def _narrow(options: str) -> str:
    lines = [wrap(_USAGE), "", wrap(_WHAT_IT_IS)]
    for title, group in GROUPS.items():
        lines += ["", title, *(f"  {name:<{_NAME}}{text}" for name, text in group.items())]
    return "\n".join([*lines, "", wrap(_MORE), wrap(f"Options: {options}")])


def of_command(group: click.Group, context: click.Context, words: tuple[str, ...]) -> str | None:
    """The help of one command, or of one in a group of commands; None if there is no such command."""
    command: click.Command = group
    for depth, word in enumerate(words):
        if not isinstance(command, click.Group):
            return None
        name = word if depth else ALIASES.get(word, word)
        found = command.get_command(context, name)
        if found is None:
            return None
        command = found
        context = click.Context(command, parent=context, info_name=name, **command.context_settings)
    return command.get_help(context)
