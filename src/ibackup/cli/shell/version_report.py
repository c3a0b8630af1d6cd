"""``ibackup --version --verbose``: what a bug report needs to say about this computer."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING

from ibackup import __version__
from ibackup.cli.shell.output import printable, whole, wrap

if TYPE_CHECKING:
    from ibackup.cli.shell.application import Settings

_LABEL = 15
_NOTE = "This names no phone, no person and no folder of yours. You can paste it into a bug report."


def version_report(settings: "Settings") -> tuple[dict[str, object], str]:
    """The members of the result, and the text for people.

    Args:
        settings: the options before the command: they may name a config file and a store.
    """
    from ibackup.jobs.readiness.bug_report import bug_report

    found = bug_report(settings.config, settings.store)
    rows = {
        "Installed by": found.installed_by,
        "Python": found.python,
        "System": found.system,
        "Text": found.text,
        "Packages": _versions(found.packages),
        "usbmuxd": printable(found.usbmuxd),
        "Config file": printable(found.config),
        "Store": printable(found.store),
        "Other programs": _versions(found.tools),
    }
    lines = [wrap(whole(f"{label:<{_LABEL}}") + text, "", " " * _LABEL) for label, text in rows.items()]
    members = {name: value for name, value in asdict(found).items() if name != "ibackup"}
    return members, "\n".join([f"ibackup, version {__version__}", "", *lines, "", wrap(_NOTE)])


def _versions(found: Mapping[str, str | None]) -> str:
    here = [whole(printable(f"{name} {version}")) for name, version in found.items() if version]
    missing = [name for name, version in found.items() if not version]
    return ", ".join(here) + (f"{'; ' if here else ''}not installed: {', '.join(missing)}" if missing else "")
