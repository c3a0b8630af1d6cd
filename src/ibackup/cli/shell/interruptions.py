"""What Ctrl-C leaves behind, for each command."""

from ibackup.base.errors import Interrupted

_MAYBE = (
    "The phone may already have made the change: check with `ibackup encryption status`, and keep the "
    "password you chose."
)
_MAYBE_SWITCHED = "The phone may already have made the change: check with `ibackup icloud status`."
_MAYBE_WIFI = "The phone may already have made the change: run the command again."
_NEXT_RUN = (
    "Finished snapshots are untouched, and everything received so far is kept: the next run continues "
    "from there."
)
_AFTER = {
    "now": "Finished snapshots are untouched. Everything received so far is kept: run `ibackup now` again, "
    "and it continues from there.",
    "nightly": _NEXT_RUN,
    "watch": _NEXT_RUN,
    "prune": "Some of the chosen snapshots may be gone already; the next prune or backup removes the rest.",
    "import": "The original is unchanged; `ibackup list` shows whether the import finished.",
    "to-finder": "Nothing was copied there, and the snapshot is unchanged.",
    "setup": (
        "Everything written so far stays, and finished snapshots are untouched: run `ibackup setup` again "
        "to continue."
    ),
    "icloud on": _MAYBE_SWITCHED,
    "icloud off": _MAYBE_SWITCHED,
    "wifi on": _MAYBE_WIFI,
    "wifi off": _MAYBE_WIFI,
    "encryption on": _MAYBE,
    "encryption off": _MAYBE,
    "encryption change": _MAYBE,
    "restore": "Nothing on the phone was changed.",
    "export": "What was exported so far stays there; run it again to continue.",
    "search": "Nothing was changed; the next search reads what this one did not finish.",
    "extract": "Files taken out so far stay there.",
}

_ASKS_FIRST = {"prune", "icloud on", "icloud off", "encryption on", "encryption off", "encryption change"}
"""Commands that ask all their questions before they do anything."""


def interrupted(command: str, *, asked: bool = False) -> Interrupted:
    """The error for Ctrl-C, saying what is left behind; ``asked``: Ctrl-C came at one of our questions."""
    if asked and command in _ASKS_FIRST:
        return Interrupted("Interrupted.", hint="Nothing was changed.")
    return Interrupted("Interrupted.", hint=_AFTER.get(command, "Nothing was changed."))
