"""``ibackup now --all``: every connected phone that trusts this computer, one after the other."""

from typing import TYPE_CHECKING

from ibackup.base.errors import IbackupError, UsageError
from ibackup.base.events import Caution, Note
from ibackup.cli.commands import now_text
from ibackup.cli.shell.application import App
from ibackup.cli.shell.output import SCHEMA, printable, wrap
from ibackup.cli.shell.phone_choice import listed, quoted

if TYPE_CHECKING:
    from ibackup.jobs.backup.backup_request import BackupRequest
    from ibackup.jobs.runs.every_phone import NamedPhone, PhoneRun
    from ibackup.jobs.runs.whole_backup import MayCopy


def run_all(app: App, request: "BackupRequest", may_copy: "MayCopy") -> int:
    """Back up all of them, and say of each how it ended as soon as it is known. Ctrl-C ends everything."""
    from ibackup.jobs.runs.every_phone import back_up_each, code_of, connected_phones

    if app.udid is not None:
        raise UsageError("--all means every phone, but --phone names one.", hint="Leave one of them out.")
    phones = connected_phones(request.store, app.config, app.reporter)
    left_out = [each for each in phones if not each.trusts]
    for each in left_out:
        _explain(app, each)
    runs: list[PhoneRun] = []
    rows: list[dict[str, object]] = []
    for run in back_up_each(phones, request, app.config, app.reporter, may_copy=may_copy):
        runs.append(run)
        rows.append({"udid": run.phone.udid, "name": run.phone.name, **_told(app, run)})
        app.reporter.emit({"event": "result", "schema": SCHEMA, "command": app.command, **rows[-1]})
    failed = [run.phone.shown for run in runs if run.code]
    texts = [f"{len(runs) - len(failed)} of {len(runs)} phones backed up."] if failed or len(runs) > 1 else []
    if left_out:
        texts.append(f"Left out, as said above: {listed([each.name for each in left_out])}.")
    return app.result(
        {"phones": rows},
        wrap(" ".join(texts)),
        code_of(runs),
        message=f"Not everything succeeded: {listed(failed)}." if failed else "",
        hint="The problem of each is shown above." if failed else "",
        skippable=True,
    )


def _explain(app: App, phone: "NamedPhone") -> None:
    """Say why a phone is left out."""
    if phone.problem is not None:
        app.reporter(Caution(f"{phone.name} is left out. {phone.problem.message}", phone.problem.hint))
    else:
        how = f"`ibackup now --phone {quoted(phone.name)}` asks it"
        app.reporter(Note(f"{phone.name} is left out: it does not trust this computer yet; {how}."))


def _told(app: App, run: "PhoneRun") -> dict[str, object]:
    """One phone's outcome, printed: the members of its result."""
    name, ended = printable(run.phone.shown), run.ended
    if isinstance(ended, IbackupError):
        app.failed(ended)
        app.reporter.say(wrap(f"{name} was not backed up. {printable(ended.message)}"))
        app.reporter.say(wrap(printable(ended.hint), "  "))
        return {
            "exit_code": int(ended.exit_code),
            "error_code": ended.error_code,
            "message": ended.message,
            "hint": ended.hint,
        }
    app.stop_progress()
    if not (app.settings.quiet and not ended.made.code):
        app.reporter.answer(f"{name}:\n{now_text.text(app, ended)}\n")
    head: dict[str, object] = {"exit_code": int(ended.made.code)}
    if ended.made.code:
        head |= {"error_code": None, "message": ended.made.flaws, "hint": ended.made.advice}
    return head | now_text.payload(ended)
