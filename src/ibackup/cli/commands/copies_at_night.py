"""Second copies in ``ibackup nightly``: after the phones' turns, without a question."""

from functools import partial
from typing import TYPE_CHECKING

from ibackup.base.errors import IbackupError
from ibackup.base.exit_codes import ExitCode
from ibackup.cli.commands.copy_opening import opened, phones_of
from ibackup.cli.commands.copy_text import config_members, proof_members, run_members
from ibackup.cli.shell.application import App
from ibackup.cli.shell.output import rfc3339, wrap

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ibackup.base.events import Observer
    from ibackup.config.copy_config import CopyConfig
    from ibackup.copies.opened_copy import OpenedCopy
    from ibackup.jobs.copying.copy_night import CopyTurn
    from ibackup.jobs.nights.night_context import NightContext
    from ibackup.store.phone_folder import PhoneFolder

_STATES = {
    "copied": "copied and proven",
    "not_due": "not due",
    "away": "away, which is no failure yet",
    "failed": "failed",
}


def copies_of_the_night(app: App, job: "NightContext") -> "list[CopyTurn]":
    """Run each copy that is due and has phones; with ``--phone``, only for that phone."""
    if not app.config.copies:
        return []
    from ibackup.jobs.backup.keep_awake import awake
    from ibackup.jobs.copy_rehearsal import rehearsed_at_night
    from ibackup.jobs.copying.copy_night import copy_at_night
    from ibackup.jobs.copying.copy_pruning import pruned_at_night
    from ibackup.jobs.keeping.retention import RetentionRules
    from ibackup.jobs.nights.telling import message_texts

    store = app.store_if_there()
    if store is None:
        return []  # the night has said so

    def rules_of(udid: str) -> RetentionRules:
        return RetentionRules.configured(app.config.rules(udid).prune)

    turns: list[CopyTurn] = []
    for config in app.config.copies:
        try:
            folders = phones_of(app, config, store)
        except IbackupError:
            continue  # the phone in --phone does not go there
        if not folders:
            continue
        reach = partial(opened, app, config, ask=False)
        with awake():
            turn = copy_at_night(
                config,
                folders,
                partial(_reach_when_due, app, config, folders, job.observe),
                job.clock.now(),
                job.observe,
            )
            turn = pruned_at_night(turn, folders, reach, rules_of, job.observe)
            turn = rehearsed_at_night(turn, folders, reach, job.unlocker, job.clock.now(), job.observe)
        if turn.error is not None and turn.code:
            job.alarm_all(message_texts.copy_failed(config.name, turn.error), f"copy {config.name}")
        turns.append(turn)
    job.teller.flush()
    return turns


def _reach_when_due(
    app: App, config: "CopyConfig", folders: "Sequence[PhoneFolder]", observe: "Observer"
) -> "OpenedCopy":
    """Open a copy that is due; one that is not costs no look at the fleet."""
    from ibackup.jobs.fleet.fleet_reporting import note_removed

    note_removed(app.config.fleet, config, folders, observe)
    return opened(app, config, ask=False)


def report_to_fleet(
    app: App, code: ExitCode, observe: "Observer", only: "Sequence[CopyTurn] | None" = None
) -> None:
    """Report this computer's phones to its fleet, if it belongs to one: all, or those whose copies had their turn."""
    if app.config.fleet.host is None:
        return
    from ibackup.jobs.fleet.fleet_reporting import report

    store = app.store_if_there()
    if store is None:
        return
    folders = store.phones()
    if only is not None:
        worked = [turn.config for turn in only if turn.state != "not_due"]
        folders = [each for config in worked for each in phones_of(app, config, store)]
    report(app.config, folders, int(code), observe)


def copy_row(turn: "CopyTurn") -> dict[str, object]:
    """A copy's turn for programs."""
    error = turn.error
    return (
        config_members(turn.config)
        | {
            "state": turn.state,
            "exit_code": int(turn.code),
            "reason": (error.reason or None) if error else None,
            "message": error.message if error else "",
            "hint": error.hint if error else "",
            "proven": rfc3339(turn.proven) if turn.proven else None,
            "stale": turn.stale,
            "rehearsed": proof_members(turn.rehearsed),
            "pruned": list(turn.pruned),
        }
        | (run_members(turn.run) if turn.run else {})
    )


def copy_lines(turns: "Sequence[CopyTurn]") -> list[str]:
    """The same for people."""
    return [
        wrap(
            f"Copy {turn.config.name}: {_STATES[turn.state]}. "
            f"{turn.error.message if turn.error else ''}".strip(),
            hanging="  ",
        )
        for turn in turns
    ]


def copy_message(turns: "Sequence[CopyTurn]", code: ExitCode) -> str:
    """Why the night ended with this code, if that is because of a copy."""
    return next((turn.error.message for turn in turns if turn.error and turn.code == code), "")
