"""Linux: notify-send, which speaks to the desktop over the session's bus (Desktop Notifications Specification)."""

import os
import shutil
from html import escape


def program(title: str, text: str, *, urgent: bool) -> tuple[list[str], dict[str, str]] | None:
    """The command that shows it, and the extra environment it needs; None without a desktop."""
    tool = shutil.which("notify-send")
    bus = _bus()
    if tool is None or bus is None:
        return None
    urgency = "critical" if urgent else "normal"
    # The specification allows markup in the body, so a phone's name must be escaped.
    command = [
        tool,
        "--app-name=ibackup",
        f"--urgency={urgency}",
        "--icon=phone",
        "--",
        title,
        escape(text, quote=False),
    ]
    # Without a locale, as under cron, notify-send takes only ASCII, and names are more than that.
    return command, {"DBUS_SESSION_BUS_ADDRESS": bus, "LC_ALL": "C.UTF-8"}


def _bus() -> str | None:
    """The bus of the user's session, also under cron, which does not set it."""
    given = os.environ.get("DBUS_SESSION_BUS_ADDRESS")
    if given:
        return given
    path = f"/run/user/{os.getuid()}/bus"
    return f"unix:path={path}" if os.path.exists(path) else None
