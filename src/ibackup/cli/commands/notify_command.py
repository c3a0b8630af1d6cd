"""``ibackup notify``: test the notifications of unattended runs."""

from ibackup.base.exit_codes import ExitCode
from ibackup.cli.shell.application import App
from ibackup.cli.shell.command_kinds import ibackup_command, ibackup_group
from ibackup.cli.shell.output import wrap


@ibackup_group("notify")
def command() -> None:
    """Test the notifications that unattended runs send."""


@ibackup_command("test")
def test(app: App) -> int:
    """Send a test message to every address in the config file, and say which ones accepted it.

    Addresses contain secrets, so they are not shown: each appears by its place in the config file and its kind.
    """
    from ibackup.jobs.nights.telling.trial import TriedAddress, try_all

    rows = list[dict[str, object]]()

    def took(tried: TriedAddress) -> None:
        rows.append(
            {
                "where": tried.where,
                "kind": tried.kind,
                "taken": not tried.problem,
                "message": tried.problem,
            }
        )
        app.reporter.emit({"event": "address", **rows[-1]})

    trial = try_all(app.config.notify, took)
    unshown = trial.unshown
    failed = [each.where for each in trial.failed]
    lines = [
        wrap(f"{row['where']} ({row['kind']}): {row['message'] or 'accepted'}", "  ", "    ") for row in rows
    ]
    if not rows:
        lines.append(wrap("The config file has no address: set `urls` or `heartbeat_url` in [notify]."))
    if unshown:
        lines.append(wrap(f"Nothing can be shown on this computer's own screen: {unshown}."))
    elif trial.wants_screen:
        lines.append("A notification was sent to this computer's screen. Did it appear?")
    problem = hint = ""
    if failed:
        problem, hint = f"Not accepted: {', '.join(failed)}.", "Check these addresses, and the network."
    elif unshown and not rows:
        problem = "So no message arrives anywhere."
        hint = "Write an address into the config file (docs/howto-nightly.md)."
        lines.append(wrap(f"{problem} {hint}"))
    return app.result(
        {"addresses": rows, "desktop": trial.wants_screen and not unshown},
        "\n".join(lines),
        ExitCode.FAILED if problem else ExitCode.OK,
        message=problem,
        hint=hint,
    )


command.add_command(test)
