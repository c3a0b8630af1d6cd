"""``ibackup doctor``: why iCloud Backup fails, and what helps."""

from dataclasses import replace
from typing import TYPE_CHECKING

import click

from ibackup.base.errors import IbackupError, StoreMissing, UsageError
from ibackup.base.events import Caution, Note
from ibackup.base.exit_codes import ExitCode
from ibackup.cli.shell.application import App
from ibackup.cli.shell.command_kinds import ibackup_command
from ibackup.cli.shell.completion import files, folders
from ibackup.cli.shell.output import rfc3339, whole, wrap
from ibackup.cli.shell.password_sources import PasswordSources, password_options
from ibackup.cli.shell.questions import confirm
from ibackup.cli.shell.shared_options import patience_option, wait_option
from ibackup.cli.shell.typed_values import DURATION, SIZE
from ibackup.cli.shell.vouching import vouching
from ibackup.doctor.checks.case import SENTENCES
from ibackup.doctor.checks.icloud_size import PLANS
from ibackup.doctor.tables.thresholds import LIMITS

if TYPE_CHECKING:
    from ibackup.doctor.evidence.phone_evidence import Evidence, Live
    from ibackup.doctor.tables.finding import CheckFinding, Step
    from ibackup.doctor.verdict.verdict import DoctorVerdict
    from ibackup.store.store import Store


class _Seconds(click.ParamType[float]):
    """Seconds, or a duration."""

    name = "seconds"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Parse it."""
        if isinstance(value, (int, float)):
            return float(value)
        text = str(value)
        seconds = (
            float(text)
            if text.isascii() and text.isdigit() and len(text) < 6
            else DURATION.convert(text, param, ctx)
        )
        if not seconds:
            self.fail("watch for at least a second.", param, ctx)
        return seconds


class _Plan(click.ParamType[str]):
    """One of Apple's plans."""

    name = "plan"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Parse it."""
        text = str(value).replace(" ", "").upper()
        if text not in PLANS:
            self.fail(f"{value!r} is not a plan; choose one of {', '.join(PLANS)}.", param, ctx)
        return text


SECONDS = _Seconds()


@ibackup_command("doctor")
@click.option(
    "--from-backup",
    metavar="FOLDER",
    help="Read the phone's notes from this backup, made by any program [the newest snapshot]",
    shell_complete=folders,
)
@click.option(
    "--from-sysdiagnose",
    metavar="FILE",
    help="Read the phone's notes from a sysdiagnose archive",
    shell_complete=files,
)
@click.option(
    "--watch",
    is_flag=False,
    flag_value=LIMITS.watch_seconds,
    type=SECONDS,
    metavar="[SECONDS]",
    help="Watch the phone's log while you tap Back Up Now [180]",
)
@click.option(
    "--watch-network", is_flag=True, help="With --watch: also count the bytes it sends, never their content"
)
@click.option("--offline", is_flag=True, help="Do not contact Apple's status pages")
@click.option("--plan", type=_Plan(), metavar="PLAN", help=f"Your iCloud storage: {', '.join(PLANS)}")
@click.option(
    "--icloud-used", type=SIZE, metavar="SIZE", help="How much of your iCloud storage is used, as in 4.2GB"
)
@click.option(
    "--phone-says",
    type=click.Choice(tuple(SENTENCES)),
    metavar="KEY",
    help=f"The message on the phone: {', '.join(SENTENCES)}",
)
@click.option(
    "--packet", metavar="FILE", help="Write a page for Apple Support, without names", shell_complete=files
)
@click.option("--full", is_flag=True, help="With --packet: keep name, UDID and file paths")
@click.option("--exit-code", is_flag=True, help="Exit with 31 if iCloud Backup is blocked or suspect")
@click.option("--list-checks", is_flag=True, help="Only explain every check")
@wait_option()
@patience_option(default=0)
@password_options
def command(
    app: App,
    from_backup: str | None,
    from_sysdiagnose: str | None,
    watch: float | None,
    watch_network: bool,
    offline: bool,
    plan: str | None,
    icloud_used: int | None,
    phone_says: str | None,
    packet: str | None,
    full: bool,
    exit_code: bool,
    list_checks: bool,
    wait: float,
    patience: float,
    password_file: str | None,
    password_command: str | None,
) -> int:
    """Explain why iCloud Backup fails, and what helps.

    The doctor asks the phone over the cable and reads the phone's own notes from the newest local backup. It changes
    nothing on the phone. For a better answer, run `ibackup now` first.
    """
    from ibackup.doctor.gather.gathering import DoctorRequest, gather
    from ibackup.doctor.verdict.person_questions import remember

    if list_checks:
        return _list(app)
    if full and not packet:
        raise UsageError("--full only works with --packet.", hint="Add --packet FILE.")
    sources = PasswordSources(app, password_file, password_command)
    if sources.named:
        replace(sources, ask=False).find(None)  # report a wrong name now
    if watch_network and not _agrees_to_count(app):
        watch_network = False
    request = DoctorRequest(
        udid=app.udid if from_backup or from_sysdiagnose else app.udid_to_open,
        store=_store(app),
        from_backup=from_backup,
        from_sysdiagnose=from_sysdiagnose,
        unlocker=sources.unlocker,
        offline=offline,
        watch_seconds=watch,
        watch_network=watch_network,
        wait=wait,
        patience=patience,
        limits=app.config.limits,
        vouches=vouching(app),
    )
    evidence = gather(request, app.reporter, _Watching(app))
    evidence = _answers(evidence, plan=plan, used=icloud_used, sentence=phone_says)
    verdict = _asked(app, evidence, for_packet=packet is not None)
    written = _packet(app, verdict, packet, full=full) if packet else ""
    remember(verdict)
    return _tell(app, verdict, written, exit_code=exit_code)


# -- before ----------------------------------------------------------------------------------------------------


def _store(app: App) -> "Store | None":
    """The store; None if there is none yet or it cannot be read. A store that the user named must exist."""
    try:
        return app.open_store()
    except UsageError:
        raise
    except IbackupError as error:
        if app.settings.store:
            raise
        if not isinstance(error, StoreMissing) or error.why:  # why: it was used before, and is not mounted
            app.reporter(Caution(f"The doctor does not look at a local backup. {error.message}", error.hint))
        return None


def _agrees_to_count(app: App) -> bool:
    if not app.asks:
        return True  # the option counts as agreement
    app.stop_progress()
    text = (
        "--watch-network counts how many bytes each program on the phone sends for a while. It only counts "
        "them; it does not look at or keep any content."
    )
    click.echo(wrap(text), err=True)
    return confirm("Count them?", default=True)


class _Watching:
    """Shows the four conditions live, each time they change, and the errors."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._told = ""
        self._begun = False

    def __call__(self, live: "Live") -> None:
        from ibackup.cli.commands.doctor_text import live_text
        from ibackup.doctor.verdict.verdict_words import TAP_NOW

        if not self._begun:
            self._begun = True
            self._app.reporter(Note(TAP_NOW))
        text = live_text(live)
        if text == self._told:
            return
        self._told = text
        held = live.conditions
        self._app.reporter.emit(
            {
                "event": "watch",
                "enabled": held.enabled if held else None,
                "power": held.on_power if held else None,
                "wifi": held.on_wifi if held else None,
                "locked": held.locked if held else None,
                "started": live.started,
                "errors": [
                    {"domain": each.domain, "code": each.code, "app": each.app or None}
                    for each in live.errors
                ],
            }
        )
        if text and not self._app.settings.json:
            self._app.reporter.say(text)


# -- the person ------------------------------------------------------------------------------------------------


def _answers(evidence: "Evidence", *, plan: str | None, used: int | None, sentence: str | None) -> "Evidence":
    """The answers on the command line, else earlier ones for this phone."""
    from ibackup.doctor.verdict.person_questions import answered, recalled

    evidence = recalled(evidence)
    if plan:
        evidence = answered(evidence, "plan", PLANS[plan])
    if used is not None:
        evidence = answered(evidence, "used", used)
    if sentence:
        evidence = answered(evidence, "sentence", sentence)
    return evidence


def _asked(app: App, evidence: "Evidence", *, for_packet: bool) -> "DoctorVerdict":
    """Judge, and on a terminal ask what would change the verdict; Enter skips."""
    from ibackup.cli.commands.doctor_questions import ask, ask_for_packet
    from ibackup.doctor.verdict.person_questions import MOST, answered, next_question
    from ibackup.doctor.verdict.verdict import judge

    verdict = judge(evidence)
    if not app.asks:
        return verdict
    app.stop_progress()
    skipped: set[str] = set()
    for _ in range(MOST):
        question = next_question(verdict, skipped)
        if question is None:
            break
        answer = ask(question)
        if answer is None:
            skipped.add(question.kind)
        else:
            verdict = judge(answered(verdict.case.evidence, question.kind, answer))
    return judge(ask_for_packet(verdict.case.evidence)) if for_packet else verdict


def _packet(app: App, verdict: "DoctorVerdict", path: str, *, full: bool) -> str:
    import os

    from ibackup.doctor.verdict.doctor_memory import Memories
    from ibackup.doctor.verdict.support_packet import packet
    from ibackup.store.disk import durable

    identity = verdict.case.evidence.phone.identity
    runs = Memories().of(identity.udid).runs if identity else ()
    full_path = os.path.abspath(os.path.expanduser(path))
    if full:
        app.reporter(
            Caution(
                "The page contains the phone's name, its UDID and paths of files in apps.",
                "Read it before you send it.",
            )
        )
    try:
        durable.write_file(full_path, packet(verdict, runs, full=full).encode())
    except OSError as error:
        raise IbackupError(
            f"The page {path} cannot be written: {error.strerror or error}.",
            hint="Choose another path with --packet.",
        ) from None
    return full_path


# -- the answer ------------------------------------------------------------------------------------------------


def _tell(app: App, verdict: "DoctorVerdict", written: str, *, exit_code: bool) -> int:
    from ibackup.cli.commands.doctor_text import verdict_text
    from ibackup.doctor.verdict.verdict_words import headline

    for finding in verdict.findings:
        app.reporter.emit({"event": "check", **_members(verdict, finding)})
    fix = verdict.first_fix
    payload: dict[str, object] = {
        "status": verdict.status,
        "blockers": [finding.id for finding in verdict.blockers],
        "likely": [finding.id for finding in verdict.likely],
        "sources": [
            {"kind": each.kind, "label": each.label, "date": rfc3339(each.date)} for each in verdict.sources
        ],
        "first_fix": _step(verdict, fix) if fix else None,
        "sizes": _sizes(verdict),
        "packet": written or None,
    }
    text = verdict_text(verdict)
    if written:
        text += "\n" + wrap(f"The page for Apple Support is in {whole(written)}.")
    bad = exit_code and verdict.status in ("blocked", "suspect")
    return app.result(
        payload,
        text,
        ExitCode.ICLOUD_BLOCKED if bad else ExitCode.OK,
        message=headline(verdict) if bad else "",
        hint=verdict.told(fix).text if bad and fix else "",
        skippable=verdict.status == "working",
    )


def _members(verdict: "DoctorVerdict", finding: "CheckFinding") -> dict[str, object]:
    from ibackup.doctor.tables.catalog import CHECKS

    return {
        "id": finding.id,
        "number": CHECKS[finding.id].number,
        "level": str(finding.level),
        "advice": finding.advice,
        "title": finding.title.format(noun=verdict.case.noun),
        "evidence": [
            {
                "text": said.text,
                "source": said.source or None,
                "date": rfc3339(said.date) if said.date else None,
            }
            for said in finding.evidence
        ],
        "steps": [_step(verdict, step) for step in finding.steps],
    }


def _step(verdict: "DoctorVerdict", step: "Step") -> dict[str, object]:
    told = verdict.told(step)
    return {"text": told.text, "settings_path": told.settings_path or None, "disruption": told.disruption}


def _sizes(verdict: "DoctorVerdict") -> dict[str, object] | None:
    """How much the backup needs, and how much of it each app takes."""
    wanted, known, local = verdict.case.estimate, verdict.shares, verdict.case.evidence.noted.sizes.get()
    if wanted is None:
        return None
    return {
        "low": wanted.low,
        "high": wanted.high,
        "basis": wanted.basis,
        "source": wanted.source.label,
        "apps": [
            {
                "id": share.key,
                "name": share.name,
                "bytes": share.size,
                "can_be_switched_off": share.can_go,
                "why": share.advice,
            }
            for share in (known.shares if known else ())
        ],
        "videos": [{"path": each.path, "bytes": each.size} for each in (local.videos if local else ())],
        "attachments": [
            {"path": each.path, "bytes": each.size} for each in (local.attachments if local else ())
        ],
    }


def _list(app: App) -> int:
    from ibackup.cli.commands.doctor_text import catalog_text
    from ibackup.doctor.tables.catalog import CHECKS

    rows = [
        {
            "id": check.id,
            "number": check.number,
            "question": check.question,
            "explains": check.explains,
            "signals": check.signals,
            "steps": [step.text.format(noun="iPhone") for step in check.steps],
        }
        for check in CHECKS.values()
    ]
    return app.result({"checks": rows}, catalog_text())
