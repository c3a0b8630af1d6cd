"""``ibackup setup --check``: what is in place, and what exactly is to be typed where something is not."""

from typing import TYPE_CHECKING

from ibackup.cli.common import App
from ibackup.cli.output import printable_lines, styled, whole, wrap
from ibackup.config import store_path
from ibackup.errors import ExitCode

if TYPE_CHECKING:
    from ibackup.readiness import Check

_WORDS = {"good": "ok", "advice": "note", "missing": "MISSING"}
_CHOICE = (
    "`ibackup schedule install` has the system start the backups at a time of day: nothing runs in between, and who "
    "plugs the phone in that evening enters its passcode. `ibackup watch` runs all the time and asks the moment that "
    "the phone is plugged in, at any hour. Both may be used together: they take turns."
)


def run_checks(app: App) -> int:
    """Look at everything; 1 when something is missing without which there are no backups."""
    from ibackup.readiness import check_all, is_ready

    checks = list(check_all(store_path(app.settings.store, app.config)))
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
        hint="Type the commands that are named, then look again.",
    )


def _text(check: "Check") -> str:
    word = _WORDS[check.state]
    head = whole(f"{word:<9}{check.name}: ")
    lines = [wrap(head + printable_lines(check.text), "", " " * 9)]
    lines += [f"{' ' * 11}{command}" for command in check.commands]
    text = "\n".join(lines)
    return text.replace(word, styled(word, fg="red", bold=True), 1) if check.state == "missing" else text
