"""``ibackup log``: what happened in the last nights."""

import click

from ibackup.cli.shell.application import App
from ibackup.cli.shell.command_kinds import ibackup_command
from ibackup.cli.shell.output import printable, time_text, whole, wrap
from ibackup.cli.shell.typed_values import COUNT

_LINES = 20


@ibackup_command("log")
@click.option(
    "--lines", type=COUNT, default=_LINES, metavar="N", help=f"The last N entries; 0: all [{_LINES}]"
)
def command(app: App, lines: int) -> int:
    """Show what happened in the last nights, one entry for each phone's turn, newest last.

    If a phone's turns fail in the same way several times in a row, they are one entry. The log covers `ibackup
    nightly` and `ibackup watch` on this computer.
    """
    from ibackup.jobs.nights.night_log import History

    entries = History().turns(app.udid)
    entries = entries[-lines:] if lines else entries
    for entry in entries:
        app.reporter.emit({"event": "turn", **entry})
    text = "\n".join(map(_line, entries)) or wrap(
        "No night has run on this computer yet. To start one every evening: `ibackup schedule install`."
    )
    return app.result({"turns": entries}, text)


def _line(entry: dict[str, object]) -> str:
    from datetime import datetime

    try:
        when = time_text(datetime.fromisoformat(str(entry["ended"])))
    except ValueError:
        when = printable(str(entry["ended"]))[:16]
    times = f" ({entry['times']} times)" if entry["times"] != 1 else ""
    return wrap(whole(f"{when}  ") + printable(str(entry.get("text", ""))) + times, "", "    ")
