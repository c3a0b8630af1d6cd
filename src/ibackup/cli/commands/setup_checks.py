"""``ibackup setup --check``: what is in place, and which commands fix what is missing."""

from typing import TYPE_CHECKING

from ibackup.base.exit_codes import ExitCode
from ibackup.cli.shell.application import App
from ibackup.cli.shell.output import printable_lines, styled, whole, wrap
from ibackup.config.config_file import store_path

if TYPE_CHECKING:
    from ibackup.jobs.readiness.check_result import ComputerCheck

_WORDS = {"good": "ok", "advice": "note", "missing": "MISSING"}
_CHOICE = (
    "`ibackup schedule install` has the system start the backups at a time of day, and nothing runs in between: plug "
    "in that evening and enter the passcode. `ibackup watch` runs all the time and asks the moment that the phone is "
    "plugged in, at any hour. You can use both: they take turns."
)


def run_checks(app: App) -> int:
    """Check everything; 1 if something is missing that backups need."""
    from ibackup.jobs.readiness.check_result import is_ready
    from ibackup.jobs.readiness.computer_checks import check_all, check_copies
    from ibackup.jobs.readiness.ready_copies import copy_programs
    from ibackup.jobs.readiness.ready_home_assistant import home_assistant
    from ibackup.jobs.readiness.ready_wifi import check_wifi

    copies = app.config.copies
    checks = [
        *check_all(store_path(app.settings.store, app.config)),
        check_copies(copies),
        *copy_programs(copies),
        *home_assistant(app.config.mqtt),
        *check_wifi(app.config.limits),
    ]
    rows = [
        {"name": each.name, "state": each.state, "message": each.text, "commands": list(each.commands)}
        for each in checks
    ]
    for row in rows:
        app.reporter.emit({"event": "requirement", **row})
    text = "\n".join([*map(_text, checks), "", wrap(_CHOICE)])
    if is_ready(checks):
        return app.result({"ready": True, "checks": rows}, text)
    missing = ", ".join(each.name for each in checks if each.state == "missing")
    return app.result(
        {"ready": False, "checks": rows},
        text,
        ExitCode.FAILED,
        message=f"Missing: {missing}.",
        hint="Run the commands shown, then check again.",
    )


def _text(check: "ComputerCheck") -> str:
    word = _WORDS[check.state]
    head = whole(f"{word:<9}{check.name}: ")
    lines = [wrap(head + printable_lines(check.text), "", " " * 9)]
    lines += [f"{' ' * 11}{command}" for command in check.commands]
    text = "\n".join(lines)
    return text.replace(word, styled(word, fg="red", bold=True), 1) if check.state == "missing" else text
