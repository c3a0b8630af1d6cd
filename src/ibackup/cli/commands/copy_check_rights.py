"""``ibackup copy check-rights``: whether this computer could destroy a second copy."""

from typing import TYPE_CHECKING

import click

from ibackup.base.exit_codes import ExitCode
from ibackup.cli.commands.copy_opening import copy_named, opened
from ibackup.cli.commands.copy_text import config_members
from ibackup.cli.shell.application import App
from ibackup.cli.shell.command_kinds import ibackup_command
from ibackup.cli.shell.common_options import COMPLETING
from ibackup.cli.shell.output import printable, rfc3339, time_text, wrap

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ibackup.copies.copy_address import AddressKind
    from ibackup.copies.rights.copy_rights import CopyRights

_ACTS = {"overwrite": "write over", "remove": "remove", "remove_versions": "remove earlier versions"}
_ANSWERS = {
    "done": "possible",
    "kept": "possible, but the bucket keeps what was there before",
    "refused": "refused",
    "untried": "not tried",
}
_ADVICE: "dict[AddressKind, str]" = {
    "folder": "Disconnect the disk when nothing is copied, or keep another copy on a server that only takes.",
    "rest": "Start the server with --append-only.",
    "s3": "Have the bucket keep versions, and give this computer keys that may remove nothing but locks.",
}
_ELSE = "Keep another copy on a server that only takes."
_PAGE = "The page howto-second-copy.md has the settings, under “Against ransomware”."


@ibackup_command("check-rights")
@click.argument("name", shell_complete=COMPLETING.copies)
def check_rights(app: App, name: str) -> int:
    """Find out whether this computer could destroy the copy NAME, as ransomware or a thief would.

    On an object of its own, never on a backup, this tries to write over it, to remove it and, in a bucket, to remove
    the versions that the bucket keeps. If it cannot be removed, the small object stays there and does no harm. The exit
    code is 3 if this computer could destroy the copy. `ibackup copy show NAME` has the result with its date.
    """
    from ibackup.jobs.copying.copy_rights_check import check_rights

    config = copy_named(app, name)
    copy = opened(app, config)
    found = check_rights(copy, app.reporter)
    payload = config_members(config) | rights_members(found)
    text = "\n".join([wrap(rights_verdict(name, found)), *_lines(found)])
    if not found.destroys:
        return app.result(payload, text)
    hint = f"{_ADVICE.get(copy.engine.address.kind, _ELSE)} {_PAGE}"
    return app.result(
        payload, f"{text}\n{wrap(hint)}", ExitCode.FLAWED, message=rights_verdict(name, found), hint=hint
    )


def rights_verdict(name: str, found: "CopyRights") -> str:
    """Whether the copy is safe from this computer, in a sentence."""
    if found.destroys:
        return f"This computer could destroy the copy {name}, and so could ransomware on it."
    if any(each.answer == "kept" for each in found.trial.acts):
        return f"This computer could hide what is in the copy {name}, but not destroy it: the bucket keeps versions."
    return f"This computer can add to the copy {name}, but could not destroy it."


def _lines(found: "CopyRights") -> "Iterator[str]":
    for each in found.trial.acts:
        why = f": {each.why}" if each.why else ""
        yield wrap(f"  {_ACTS[each.act] + ':':<26}{_ANSWERS[each.answer]}{why}", hanging="    ")
    if found.trial.left:
        yield wrap(
            f"The object that was tried stays there, since it cannot be removed: {printable(found.trial.left)}"
        )


def rights_members(found: "CopyRights | None") -> dict[str, object]:
    """The result of a trial, for programs."""
    if found is None:
        return {"rights": None}
    return {
        "rights": {
            "when": rfc3339(found.when),
            "destroys": found.destroys,
            "acts": [{"act": each.act, "answer": each.answer, "why": each.why} for each in found.trial.acts],
            "left": found.trial.left or None,
        }
    }


def rights_line(name: str, found: "CopyRights | None") -> str:
    """The last trial, for ``copy show``."""
    if found is None:
        return wrap(f"Whether this computer could destroy it is unknown: `ibackup copy check-rights {name}`")
    return wrap(f"{rights_verdict(name, found)} Tried {time_text(found.when)}.")
