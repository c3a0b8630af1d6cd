"""``ibackup config``: the settings in effect, and whether the config file is valid."""

from typing import TYPE_CHECKING

from ibackup.base.counts import count_text
from ibackup.base.errors import UsageError
from ibackup.base.events import Caution
from ibackup.cli.shell.application import App
from ibackup.cli.shell.command_kinds import ibackup_command, ibackup_group
from ibackup.cli.shell.output import printable, wrap

if TYPE_CHECKING:
    from ibackup.config.effective_settings import Setting

_FROM = {
    "option": "an option",
    "environment": "the environment",
    "file": "the config file",
    "default": "the default",
}


@ibackup_group("config")
def command() -> None:
    """Show the settings in effect, and check the config file."""


@ibackup_command("show")
def show(app: App) -> int:
    """Show the settings in effect, and where each value comes from.

    Addresses and password commands are not shown: they may hold secrets.
    """
    from ibackup.config.config_file import store_path
    from ibackup.config.effective_settings import settings

    config = app.config
    found = settings(
        config, store_path(app.settings.store, config), from_option=app.settings.store is not None
    )
    rows = [
        {"table": each.table, "key": each.name, "value": each.value, "origin": each.origin} for each in found
    ]
    path = str(config.path) if config.path else None
    return app.result({"path": path, "settings": rows}, _text(path, found))


@ibackup_command("check")
def check(app: App) -> int:
    """Check the config file: each key and value, and the password files it names."""
    from ibackup.config.config_file import default_path
    from ibackup.config.effective_settings import flaws

    config = app.config
    if config.path is None:
        text = f"There is no config file at '{default_path()}', and you do not need one. `ibackup setup` creates one."
        return app.result({"path": None, "phones": 0, "warnings": []}, wrap(text), skippable=True)
    found = list(flaws(config))
    for flaw in found:
        if flaw.fatal:
            raise UsageError(
                f"{config.path}: {flaw.text}", hint=flaw.hint or "Fix that, or change the line that names it."
            )
        app.reporter(Caution(flaw.text, flaw.hint))
    payload = {
        "path": str(config.path),
        "phones": len(config.phones),
        "warnings": [flaw.text for flaw in found],
    }
    text = f"The config file '{config.path}' is valid ({count_text(len(config.phones), 'phone')})."
    return app.result(payload, wrap(text), skippable=True)


for _each in (show, check):
    command.add_command(_each)


def _text(path: str | None, found: "list[Setting]") -> str:
    """As a complete config file, with a comment on the source of each value."""
    lines = [f"# {printable(path)}" if path else "# There is no config file."]
    table, names = "", set[str]()
    for each in found:
        # A second phone begins with the first key again.
        if each.table != table or each.name in names:
            lines += ["", each.table]
            table, names = each.table, set()
        names.add(each.name)
        said = f"{each.name} = {printable(each.value)}"
        lines.append(said if each.origin == "file" else f"{said:<40} # {_FROM[each.origin]}")
    return "\n".join(lines)
