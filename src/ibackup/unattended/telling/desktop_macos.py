"""macOS: the Notification Center, through AppleScript's ``display notification``."""

_SCRIPT = (
    "on run argv",
    "display notification (item 2 of argv) with title (item 1 of argv)",
    "end run",
)


def program(title: str, text: str, *, urgent: bool) -> tuple[list[str], dict[str, str]]:  # noqa: ARG001 - it knows no urgency
    """The command that shows it; texts are arguments of the script and never a part of it."""
    lines = [word for line in _SCRIPT for word in ("-e", line)]
    return ["/usr/bin/osascript", *lines, title, text], {}
