"""``ibackup doctor``: why iCloud Backup fails, and what helps."""

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from ibackup.cli.common import DURATION, App, ibackup_command
from ibackup.cli.completing import files, folders
from ibackup.cli.output import rfc3339, whole, wrap
from ibackup.cli.passwords import PasswordSources, password_options
from ibackup.doctor.case import SENTENCES
from ibackup.doctor.sizes import PLANS
from ibackup.errors import ExitCode, IbackupError, StoreMissing, UsageError
from ibackup.events import Caution, Note

if TYPE_CHECKING:
    from ibackup.doctor.evidence import Evidence, Live
    from ibackup.doctor.finding import Finding, Step
    from ibackup.doctor.verdict import Verdict
    from ibackup.store import Store

_WATCH_SECONDS = 180.0
_SIZE = re.compile(r"([0-9]{1,6}(?:[.,][0-9]{1,3})?)\s*([MGT]B)", re.IGNORECASE)
_UNITS = {"MB": 10**6, "GB": 10**9, "TB": 10**12}


class _Size(click.ParamType[int]):
    """``3.2GB``, ``800MB``; in bytes."""

    name = "size"

    def is_size(self, text: str) -> bool:
        """Whether ``convert`` takes it."""
        return _SIZE.fullmatch(text.strip()) is not None

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Parse a size."""
        if isinstance(value, int):
            return value
        found = _SIZE.fullmatch(str(value).strip())
        if found is None:
            self.fail(f"{value!r} is not a size; write 800MB, 3.2GB or 1TB.", param, ctx)
        return round(float(found[1].replace(",", ".")) * _UNITS[found[2].upper()])


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
            self.fail(f"{value!r} is no plan; there are {', '.join(PLANS)}.", param, ctx)
        return text


SIZE, SECONDS = _Size(), _Seconds()


@ibackup_command("doctor")
@click.option(
    "--from-backup",
    metavar="FOLDER",
    help="Read the phone's notes from this backup (any program's) [the newest snapshot]",
    shell_complete=folders,
)
@click.option(
    "--from-sysdiagnose", metavar="FILE", help="Read them from a sysdiagnose archive", shell_complete=files
)
@click.option(
    "--watch",
    is_flag=False,
    flag_value=_WATCH_SECONDS,
    type=SECONDS,
    metavar="[SECONDS]",
    help="Watch the phone's log while you tap Back Up Now [180]",
)
@click.option("--watch-network", is_flag=True, help="Also count the bytes it sends, never their content")
@click.option("--offline", is_flag=True, help="Ask nothing of Apple's status pages")
@click.option("--plan", type=_Plan(), metavar="PLAN", help=f"Your iCloud storage: {', '.join(PLANS)}")
@click.option("--icloud-used", type=SIZE, metavar="SIZE", help="How much of it is used: 4.2GB")
@click.option(
    "--phone-says",
    type=click.Choice(tuple(SENTENCES)),
    metavar="KEY",
    help=f"What the phone shows: {', '.join(SENTENCES)}",
)
@click.option(
    "--packet", metavar="FILE", help="Write a page for Apple Support, without names", shell_complete=files
)
@click.option("--full", is_flag=True, help="With --packet: keep name, UDID and file paths")
@click.option("--exit-code", is_flag=True, help="Exit with 31 when iCloud Backup is blocked or suspect")
@click.option("--list-checks", is_flag=True, help="Explain every check, and do nothing else")
@click.option(
    "--wait", type=DURATION, default=0, metavar="TIME", help="Wait for a phone that is not there [0]"
)
@click.option(
    "--patience", type=DURATION, default=0, metavar="TIME", help="Wait for somebody to unlock it [0]"
)
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
    """Say why iCloud Backup fails, and what helps.

    The phone is asked over the cable, and its own notes are read from the newest local backup; nothing on it is
    changed. A fresh `ibackup now` before makes the answer better.
    """
    from ibackup.doctor.gathering import Request, gather

    if list_checks:
        return _list(app)
    if full and not packet:
        raise UsageError("--full belongs to --packet.", hint="Add --packet FILE.")
    sources = PasswordSources(app, password_file, password_command)
    if sources.named:
        replace(sources, ask=False).find(None)  # a wrong name is told now
    if watch_network and not _agrees_to_count(app):
        watch_network = False
    request = Request(
        udid=app.udid,
        store=_store(app),
        from_backup=from_backup,
        from_sysdiagnose=from_sysdiagnose,
        password=sources.find,
        offline=offline,
        watch_seconds=watch,
        watch_network=watch_network,
        wait=wait,
        patience=patience,
    )
    evidence = gather(request, app.reporter, _Watching(app))
    evidence = _answers(evidence, plan=plan, used=icloud_used, sentence=phone_says)
    verdict = _asked(app, evidence, for_packet=packet is not None)
    written = _packet(app, verdict, packet, full=full) if packet else ""
    _remember(verdict)
    return _tell(app, verdict, written, exit_code=exit_code)


# -- before ----------------------------------------------------------------------------------------------------


def _store(app: App) -> "Store | None":
    """The store; None where there is none yet, or none that can be read. One that was named has to be there."""
    try:
        return app.open_store()
    except UsageError:
        raise
    except IbackupError as error:
        if app.settings.store:
            raise
        if not isinstance(error, StoreMissing) or error.why:  # why: it was used before, and is not mounted
            app.reporter(Caution(f"No local backup is looked at. {error.message}", error.hint))
        return None


def _agrees_to_count(app: App) -> bool:
    if not app.asks:
        return True  # whoever wrote the option has agreed
    app.stop_progress()
    text = (
        "--watch-network counts for a while how many bytes which program of the phone sends. It takes their "
        "number alone; nothing of the content is looked at or kept."
    )
    click.echo(wrap(text), err=True)
    return click.confirm("Count them?", default=True, err=True)


class _Watching:
    """Shows the four conditions live, each time they change, and the errors."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._told = ""
        self._begun = False

    def __call__(self, live: "Live") -> None:
        from ibackup.cli.doctor_text import live_text

        if not self._begun:
            self._begun = True
            self._app.reporter(
                Note(
                    "Now tap Back Up Now on the phone, or lock it. Leave the cable in: power is always there then."
                )
            )
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
    """What was said on the command line, else earlier of this phone."""
    from ibackup.doctor.memory import Memories
    from ibackup.doctor.questions import answered

    identity = evidence.phone.identity
    if identity is not None:
        evidence = replace(evidence, answers=Memories().of(identity.udid).answers)
    if plan:
        evidence = answered(evidence, "plan", PLANS[plan])
    if used is not None:
        evidence = answered(evidence, "used", used)
    if sentence:
        evidence = answered(evidence, "sentence", sentence)
    return evidence


def _asked(app: App, evidence: "Evidence", *, for_packet: bool) -> "Verdict":
    """Judge, and on a terminal ask what would change the verdict; Enter skips."""
    from ibackup.cli.doctor_asking import ask, ask_for_packet
    from ibackup.doctor.questions import MOST, answered, next_question
    from ibackup.doctor.verdict import judge

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


def _remember(verdict: "Verdict") -> None:
    """Keep what was said, and what was found."""
    from ibackup.doctor.memory import Memories, Run

    evidence = verdict.case.evidence
    if evidence.phone.identity is None:
        return
    udid, memories = evidence.phone.identity.udid, Memories()
    found = tuple(each.id for each in (*verdict.blockers, *verdict.likely))
    runs = (*memories.of(udid).runs, Run(evidence.now, verdict.status, found))
    memories.keep(udid, evidence.answers, runs)


def _packet(app: App, verdict: "Verdict", path: str, *, full: bool) -> str:
    import os

    from ibackup.doctor.memory import Memories
    from ibackup.doctor.packet import packet
    from ibackup.store import durable

    identity = verdict.case.evidence.phone.identity
    runs = Memories().of(identity.udid).runs if identity else ()
    full_path = os.path.abspath(os.path.expanduser(path))
    if full:
        app.reporter(
            Caution(
                "The page names the phone, its UDID and files in apps.", "Look it over before you send it."
            )
        )
    try:
        durable.write_file(full_path, packet(verdict, runs, full=full).encode())
    except OSError as error:
        raise IbackupError(
            f"The page {path} cannot be written: {error.strerror or error}.",
            hint="Name another with --packet.",
        ) from None
    return full_path


# -- the answer ------------------------------------------------------------------------------------------------


def _tell(app: App, verdict: "Verdict", written: str, *, exit_code: bool) -> int:
    from ibackup.cli.doctor_text import headline, verdict_text

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


def _members(verdict: "Verdict", finding: "Finding") -> dict[str, object]:
    from ibackup.doctor.catalog import CHECKS

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


def _step(verdict: "Verdict", step: "Step") -> dict[str, object]:
    told = verdict.told(step)
    return {"text": told.text, "settings_path": told.settings_path or None, "disruption": told.disruption}


def _sizes(verdict: "Verdict") -> dict[str, object] | None:
    """What the backup wants, and who takes how much of it."""
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
    from ibackup.cli.doctor_text import catalog_text
    from ibackup.doctor.catalog import CHECKS

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
