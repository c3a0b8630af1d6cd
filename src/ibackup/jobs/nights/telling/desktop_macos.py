"""macOS: the Notification Center, through AppleScript's ``display notification``."""

_SCRIPT = (
    "on run argv",
    "display notification (item 3 of argv) with title (item 2 of argv)",
    "end run",
)

# A title that begins with "-e" would be another line of the script: options end with the first word that is none.
_END_OF_OPTIONS = "ibackup"


def program(title: str, text: str, *, urgent: bool) -> tuple[list[str], dict[str, str]]:  # noqa: ARG001 - it knows no urgency
    """The command that shows it; texts are arguments of the script and never part of it."""
    lines = [word for line in _SCRIPT for word in ("-e", line)]
    return ["/usr/bin/osascript", *lines, _END_OF_OPTIONS, title, text], {}
