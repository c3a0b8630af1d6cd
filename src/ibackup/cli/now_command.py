"""``ibackup now``: the main job."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from ibackup.cli import common
from ibackup.cli.common import DURATION, App, ibackup_command
from ibackup.cli.output import count_text, duration_text, printable, rfc3339, size_text, whole, wrap
from ibackup.cli.passwords import PasswordSources, password_options
from ibackup.cli.sparing import with_what_prune_gives
from ibackup.errors import ExitCode, IbackupError, NoRoom
from ibackup.events import Caution, Note

if TYPE_CHECKING:
    from ibackup.backup import Request, Result
    from ibackup.store import Store, Unreadable

_NEVER = "photos and files that are only in iCloud, the apps themselves (they are downloaded again), Apple Pay cards"
_UNENCRYPTED = "saved passwords, Health data and call history (the backup is not encrypted), "
_SHOWN = 20  # unreadable files named on screen; all of them are in snapshot.json and the JSON result


@ibackup_command("now")
@click.option("--full", is_flag=True, help="Have the phone send everything again")
@click.option(
    "--copies/--no-copies",
    default=None,
    help="On a disk without links (exFAT): copy the previous snapshot, at its full size",
)
@click.option(
    "--wait", type=DURATION, default=0, metavar="TIME", help="Wait for a phone that is not there [0]"
)
@click.option(
    "--patience",
    type=DURATION,
    metavar="TIME",
    help="Wait for somebody to unlock the phone or tap Trust [60s; 5m on a terminal]",
)
@click.option("--new-store", is_flag=True, help="Make the store anew where one was before")
@password_options
def command(
    app: App,
    full: bool,
    copies: bool | None,
    wait: float,
    patience: float | None,
    new_store: bool,
    password_file: str | None,
    password_command: str | None,
) -> int:
    """Back up the connected phone, check the backup and seal it.

    The phone must be unlocked; it asks for its passcode at every backup. Earlier backups are never changed,
    whatever happens to this one. Only what is new is transferred.
    """
    from ibackup.backup import Request

    sources = PasswordSources(app, password_file, password_command, ask=False)
    if password_file:
        sources.find(None)  # a wrong name is told now, not after hours
    request = Request(
        store=app.open_store(create=True, new_store=new_store),
        udid=app.udid,
        full=full,
        copies=copies,
        wait=wait,
        patience=patience if patience is not None else common.patience(),
        password=sources.find,
    )
    ended = run(app, request)
    return app.result(
        ended.payload, ended.text, ended.code, message=ended.message, hint=ended.hint, skippable=True
    )


@dataclass(frozen=True, slots=True)
class Ended:
    """How a backup ended that came to a snapshot: what goes into the result."""

    payload: dict[str, object]
    text: str
    code: ExitCode = ExitCode.OK
    message: str = ""
    hint: str = ""


def run(app: App, request: "Request") -> Ended:
    """Make the backup, ask about copies where somebody can be asked, and apply the config's rule."""
    from ibackup.backup import back_up
    from ibackup.store.clone import NoLinks

    _tell_left_overs(app, request.store)
    try:
        result = back_up(request, app.reporter)
    except NoLinks as error:
        if request.copies is not None or not app.asks or not _agrees(app, error):
            raise
        result = back_up(request.with_copies(), app.reporter)
    except NoRoom as error:
        raise with_what_prune_gives(app, request.store, error) from error
    unexpected = [file for file in result.unreadable if not file.expected]
    pruned, text = _prune(app, request.store, result.udid)
    is_set_up = app.config.phone(result.udid) is not None
    hint = _icloud_hint(result, request)
    payload = _payload(result) | {"pruned": pruned, "icloud_hint": hint}
    said = _text(result, unexpected, is_set_up=is_set_up)
    text = "\n".join(part for part in (said, text, wrap(hint or "")) if part)
    if not unexpected:
        return Ended(payload, text)
    return Ended(
        payload,
        text,
        ExitCode.UNREADABLE_FILES,
        f"The phone could not read {count_text(len(unexpected), 'file')}; the rest is backed up.",
        "Restart the phone and back up again.",
    )


def _tell_left_overs(app: App, store: "Store") -> None:
    """Say what broken runs left that this one will not go on with anyway, and what was never proven."""
    from ibackup.config import same_udid

    for folder in store.phones():
        if (app.udid and not same_udid(folder.udid, app.udid)) or folder.holder() is not None:
            continue
        for left in folder.left_overs():
            if left.kind in ("set_aside", "discarded", "unprepared"):
                app.reporter(Note(f"Left over from a run that broke: {left.path}. {left.plan}"))
        newest = folder.newest()
        if newest is not None and folder.proofs(newest.id).latest is None:
            app.reporter(
                Note(f"Snapshot {newest.id} has not been verified yet; `ibackup verify {newest.id}` does.")
            )


def _icloud_hint(result: "Result", request: "Request") -> str | None:
    """What the phone noted in this backup of failed iCloud backups, where it can be read."""
    from ibackup.doctor.hint import hint_of
    from ibackup.store import Snapshot

    if result.encrypted and result.checked != "manifest":
        return None  # no password, or another one's
    try:
        password = request.password(result.udid) if result.encrypted else None
        return hint_of(Snapshot.open(result.path), password)
    except IbackupError:
        return None  # the backup is made, whatever comes of this


def _prune(app: App, store: "Store", udid: str) -> tuple[list[dict[str, object]], str]:
    """Apply the config's rule; the backup is made, whatever comes of this."""
    from ibackup.cli.prune_command import removed_rows, removed_text
    from ibackup.keeping.pruning import after_success
    from ibackup.keeping.retention import Rules

    try:
        rules = Rules.configured(app.config.rules(udid).prune)
        done = after_success(store.phone(udid), rules, app.reporter)
    except IbackupError as error:
        app.reporter(Caution(f"Old snapshots could not be removed. {error.message}", error.hint))
        return [], ""
    if done is None or not done.going:
        return [], ""
    return removed_rows(done), wrap(removed_text(done))


def _agrees(app: App, error: "IbackupError") -> bool:
    app.stop_progress()
    click.echo(wrap(error.message), err=True)
    return click.confirm("Copy it (and remember that for this store)?", err=True)


def _payload(result: "Result") -> dict[str, object]:
    return {
        "snapshot": result.snapshot,
        "path": result.path,
        "udid": result.udid,
        "device_name": result.device_name,
        "files": result.files,
        "bytes": result.bytes,
        "received_bytes": result.received_bytes,
        "full": result.full,
        "encrypted": result.encrypted,
        "resumed_bytes": result.resumed_bytes,
        "carried_files": result.carried_files,
        "checked": result.checked,
        "unreadable": [file.to_members() for file in result.unreadable],
        "started": rfc3339(result.started),
        "duration_s": round(result.duration_s, 3),
    }


def _text(result: "Result", unexpected: "list[Unreadable]", *, is_set_up: bool) -> str:
    done = "Backed up and checked" if result.checked == "manifest" else "Backed up"
    but = f", all but {count_text(len(unexpected), 'file')}" if unexpected else ""
    size = f"{size_text(result.bytes)}, {count_text(result.files, 'file')}"
    lines = [wrap(f"{done}{but}: {size}, in {whole(result.path)}.")]
    came = f"{size_text(result.received_bytes)} were transferred"
    rest = "" if result.full and not result.resumed_bytes else "; the rest was here already"
    lines.append(wrap(f"It took {duration_text(result.duration_s)}; {came}{rest}."))
    if result.checked == "phone":
        lines.append(
            wrap(
                "The phone has checked it, and it is sealed. With the password of its backups (--password-file) "
                "ibackup compares it with the phone's list of files, too. If nobody knows that password, see "
                "`ibackup encryption status` now rather than on the day of need."
            )
        )
    lines += _unread(result.snapshot, unexpected)
    lines.append(wrap(f"Not in it: {'' if result.encrypted else _UNENCRYPTED}{_NEVER}."))
    if not result.encrypted:
        lines.append(
            wrap(
                "Anyone who has this disk can read the backup. Encryption can wait until tomorrow: "
                "`ibackup encryption on`, once for all backups to come."
            )
        )
    following = (
        "`ibackup verify` proves it again at any time"
        if is_set_up
        else "`ibackup setup` has it done every evening, and `ibackup verify` proves it again at any time"
    )
    lines.append(wrap(f"Next: {following}. One disk is one copy: keep a second."))
    return "\n".join(lines)


def _unread(snapshot: str, files: "list[Unreadable]") -> list[str]:
    if not files:
        return []
    lines = ["The phone could not read these files; they are not in the backup:"]
    lines += [
        wrap(f"{whole(printable(each.device_path or each.path))}: {printable(each.text)}", "  ", "    ")
        for each in files[:_SHOWN]
    ]
    if len(files) > _SHOWN:
        lines.append(wrap(f"… and {len(files) - _SHOWN:,} more: `ibackup show {snapshot} --json`", "  "))
    return lines
