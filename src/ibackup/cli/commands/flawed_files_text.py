"""Files that are not what the phone's list says, on the screen: the same for every command that names them."""

from typing import TYPE_CHECKING, Final

from ibackup.cli.shell.output import printable, whole, wrap

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ibackup.store.records.snapshot import Flawed

_SHOWN: Final = 20  # all of them are in snapshot.json and in the JSON result


def lines(snapshot: str, flawed: "Sequence[Flawed]", *, indent: str = "") -> list[str]:
    """The first of them, each with its reason, and how many more there are."""
    from ibackup.apple.reasons import WORDS
    from ibackup.store import flawed_summary

    if not flawed:
        return []
    what = "differ from the phone's own list, and are kept as sent"
    if flawed_summary.are_older(flawed):
        what = "are older than the rest"
    found = [wrap(f"These files {what}:", indent)]
    for file in flawed[:_SHOWN]:
        # Checksums mean nothing to people.
        said = f" ({printable(file.text)})" if file.text and file.reason.value != "digest" else ""
        name = whole(printable(file.device_path or file.path))
        found.append(wrap(f"{name}: {WORDS[file.reason]}{said}", f"{indent}  ", f"{indent}    "))
    if len(flawed) > _SHOWN:
        more = f"… and {len(flawed) - _SHOWN:,} more: `ibackup show {snapshot} --json`"
        found.append(wrap(more, f"{indent}  "))
    return found
