"""``ibackup notify``: test the notifications of unattended runs."""

from ibackup.base.exit_codes import ExitCode
from ibackup.cli.shell.application import App
from ibackup.cli.shell.command_kinds import ibackup_command, ibackup_group
from ibackup.cli.shell.output import wrap
from ibackup.config.config_schema import ALARMS


@ibackup_group("notify")
def command() -> None:
    """Test the notifications that unattended runs send."""


@ibackup_command("test")
def test(app: App) -> int:
    """Send a test message to every address in the config file, and say which ones accepted it.

    Addresses contain secrets, so they are not shown: each appears by its place in the config file and its kind.
    """
    from ibackup.jobs.nights.telling import desktop, heartbeat, message_texts, push

    config, rows = app.config.notify, list[dict[str, object]]()
    message = message_texts.trial()

    def took(where: str, kind: str, problem: str) -> None:
        rows.append({"where": where, "kind": kind, "taken": not problem, "message": problem})
        app.reporter.emit({"event": "address", **rows[-1]})

    for where, number, url in _addresses(app):
        took(f"{where}, no. {number}", url.partition("://")[0], push.send(message, [url]))
    if config.heartbeat_url:
        took("heartbeat_url", "heartbeat", heartbeat.ping(config.heartbeat_url, "log", message.text))
    unshown = desktop.show(message) if config.desktop else ""
    failed = [str(row["where"]) for row in rows if not row["taken"]]
    lines = [
        wrap(f"{row['where']} ({row['kind']}): {row['message'] or 'accepted'}", "  ", "    ") for row in rows
    ]
    if not rows:
        lines.append(wrap("The config file has no address: set `urls` or `heartbeat_url` in [notify]."))
    if unshown:
        lines.append(wrap(f"Nothing can be shown on this computer's own screen: {unshown}."))
    elif config.desktop:
        lines.append("A notification was sent to this computer's screen. Did it appear?")
    problem = hint = ""
    if failed:
        problem, hint = f"Not accepted: {', '.join(failed)}.", "Check these addresses, and the network."
    elif unshown and not rows:
        problem = "So no message arrives anywhere."
        hint = "Write an address into the config file (docs/howto-nightly.md)."
        lines.append(wrap(f"{problem} {hint}"))
    return app.result(
        {"addresses": rows, "desktop": config.desktop and not unshown},
        "\n".join(lines),
        ExitCode.FAILED if problem else ExitCode.OK,
        message=problem,
        hint=hint,
    )


command.add_command(test)


def _addresses(app: App) -> list[tuple[str, int, str]]:
    """Every address once: its key, its number there, and the address itself."""
    config = app.config.notify
    found: dict[str, tuple[str, int, str]] = {}
    for name in ("urls", *ALARMS):
        for number, url in enumerate(getattr(config, name) or (), 1):
            found.setdefault(url, (name, number, url))
    return list(found.values())
