"""The doctor's verdict for people, in a terminal of 80 columns."""

import math
import os
from collections.abc import Iterable, Iterator

from ibackup.base.durations import rough_duration
from ibackup.base.sizes import rough_size
from ibackup.cli.shell.output import printable, styled, wrap
from ibackup.doctor.checks.icloud_size import UPLOADS, upload_seconds
from ibackup.doctor.evidence.noted_evidence import LargeFile
from ibackup.doctor.evidence.phone_evidence import Live
from ibackup.doctor.evidence.sighting import Seen
from ibackup.doctor.tables.catalog import CHECKS
from ibackup.doctor.tables.finding import CheckFinding, FindingLevel, Step
from ibackup.doctor.verdict.verdict import DoctorVerdict
from ibackup.doctor.verdict.verdict_words import (
    evidence_words,
    how_large,
    how_sure,
    live_words,
    meanwhile,
    told_advice,
    told_causes,
    what_is_fine,
    what_is_known,
    where_to_look,
    whole_headline,
)

_MOST_APPS = 8
_COLOUR = {FindingLevel.BLOCKER: "red", FindingLevel.LIKELY: "yellow", FindingLevel.POSSIBLE: None}
_HEADLINE_COLOUR = {"working": "green", "blocked": "red", "suspect": "yellow", "unknown": "yellow"}


def verdict_text(verdict: DoctorVerdict) -> str:
    """Headline, causes with steps, sizes, what is fine, what cannot be seen, and a backup in the meantime."""
    blocks = [
        "\n".join(_head(verdict)),
        *_causes(verdict),
        *_fallback(verdict),
        *_sizes(verdict),
        "\n".join(_rest(verdict)),
        "\n".join(_end(verdict)),
    ]
    return "\n\n".join(block for block in blocks if block)


# -- the headline ---------------------------------------------------------------------------------------------


def _head(verdict: DoctorVerdict) -> Iterator[str]:
    yield styled(wrap(printable(whole_headline(verdict))), bold=True, fg=_HEADLINE_COLOUR[verdict.status])
    known = what_is_known(verdict)
    if known:
        yield wrap(printable(" ".join(known)))
    if verdict.first_fix is not None:
        yield ""
        yield from _first(verdict, verdict.first_fix)


def _first(verdict: DoctorVerdict, step: Step) -> Iterator[str]:
    """The one thing to do first; a local backup before it reads as part of it."""
    told = verdict.told(step)
    yield wrap(printable(f"Do this first: {told.text.removeprefix('First: ')}"), "  ")
    if told.settings_path:
        yield wrap(told.settings_path, "  ", "    ")


# -- the causes --------------------------------------------------------------------------------------------------


def _causes(verdict: DoctorVerdict) -> Iterator[str]:
    """All blockers and likely causes, then a few possible ones; after a success, what is good to know."""
    told: set[str] = set()
    shown, rest = told_causes(verdict)
    for finding in shown:
        yield "\n".join(_cause(verdict, finding, told))
    if rest:
        titles = "; ".join(each.title for each in rest)
        yield wrap(printable(f"Less likely, but possible: {titles}."))
    for finding in told_advice(verdict):
        yield "\n".join(_cause(verdict, finding, told))


def _cause(verdict: DoctorVerdict, finding: CheckFinding, told: set[str]) -> Iterator[str]:
    """One cause; evidence is shown once, even if it supports several causes."""
    title = wrap(printable(f"{how_sure(finding)}: {finding.title}."), "", "  ")
    yield styled(title, bold=True, fg=None if finding.advice else _COLOUR[finding.level])
    for said in finding.evidence:
        if said.text not in told:
            yield wrap(printable(evidence_words(said)), "  ", "  ")
    told.update(said.text for said in finding.evidence)
    for number, step in enumerate(finding.steps, 1):
        yield from _step(f"{number}. ", verdict, step, "  ")


def _step(head: str, verdict: DoctorVerdict, step: Step, indent: str) -> Iterator[str]:
    told = verdict.told(step)
    behind = indent + " " * (3 if head[0].isdigit() else 0)
    yield wrap(printable(head + told.text), indent, behind)
    if told.settings_path:
        yield wrap(told.settings_path, behind, behind + "  ")


def _fallback(verdict: DoctorVerdict) -> Iterator[str]:
    """What usually helps if nothing explains it."""
    if not verdict.fallback:
        return
    lines = [styled("What usually helps, in this order:", bold=True)]
    for number, step in enumerate(verdict.fallback, 1):
        lines += _step(f"{number}. ", verdict, step, "  ")
    yield "\n".join(lines)


# -- sizes ---------------------------------------------------------------------------------------------------------


def _sizes(verdict: DoctorVerdict) -> Iterator[str]:
    """How much the backup needs and what is in it, if size is part of the problem."""
    if not any(verdict.finding(check) in verdict.causes for check in ("icloud-storage", "size")):
        return
    wanted = verdict.case.estimate
    if wanted is not None:
        lines = [styled("How large it is", bold=True), wrap(how_large(verdict), "  "), *_nights(verdict)]
        yield "\n".join(lines)
    known = verdict.shares
    if known is not None and known.shares:
        lines = [wrap(f"What is in it, from {known.basis} ({known.source.label}):")]
        for share in known.shares[:_MOST_APPS]:
            lines.append(f"  {rough_size(share.size):>8}  {wrap(printable(share.name), ' ' * 12).lstrip()}")
            if share.advice:
                lines.append(wrap(share.advice, " " * 12))
        yield "\n".join(lines)
    sizes = verdict.case.evidence.noted.sizes
    if isinstance(sizes, Seen):
        yield from _files("The largest videos", sizes.value.videos, sizes.source.label)
        yield from _files("The largest attachments", sizes.value.attachments, sizes.source.label)


def _nights(verdict: DoctorVerdict) -> Iterator[str]:
    """How long sending all of it takes, and how many nights that is."""
    case = verdict.case
    if case.estimate is None:
        return
    count = (case.notes.pending_bytes if case.notes else None) or case.estimate.high
    traffic = case.evidence.live.traffic
    speed = traffic.value.upload_bits_per_second if isinstance(traffic, Seen) else None
    speeds = (speed,) if speed else UPLOADS
    parts = [_at(verdict, count, each) for each in speeds]
    said = "at the measured upload speed" if speed else "at your line's upload speed"
    yield wrap(f"Sending {rough_size(count)} takes, {said}: {', '.join(parts)}.", "  ")


def _at(verdict: DoctorVerdict, count: int, speed: float) -> str:
    """``2.8 hours at 5 Mbit/s``, and how many nights that is where the phone noted how long they are."""
    seconds = upload_seconds(count, speed, verdict.case.limits)
    lengths = sorted(window.seconds for window in verdict.case.windows)
    night = lengths[len(lengths) // 2] if lengths else 0.0
    nights = math.ceil(seconds / night) if night else 0
    text = f"{rough_duration(seconds)} at {speed / 1e6:.2g} Mbit/s"
    return f"{text} ({nights} nights like the last ones)" if nights > 1 else text


def _files(title: str, files: Iterable[LargeFile], source: str) -> Iterator[str]:
    rows = [f"  {rough_size(each.size):>8}  {printable(os.path.basename(each.path))}" for each in files]
    if rows:
        yield "\n".join([f"{title} ({source}):", *rows])


# -- while it is watched -----------------------------------------------------------------------------------------


def live_text(live: Live) -> str:
    """``switched on: yes, power: yes, Wi-Fi: no, locked: no: it waits for Wi-Fi and the lock``; empty at first."""
    return wrap("; ".join(map(printable, live_words(live))))


# -- the catalogue --------------------------------------------------------------------------------------------


def catalog_text() -> str:
    """All checks, for ``--list-checks``."""
    blocks = []
    for check in CHECKS.values():
        lines = [
            styled(f"{check.number} {check.id}: {check.question}", bold=True),
            wrap(check.explains, "  "),
        ]
        lines.append(wrap(f"Looks at: {check.signals}.", "  "))
        if check.look:
            path = f" ({check.place.path(None)})" if check.place else ""
            lines.append(wrap(f"Check by hand: {check.look.format(noun='iPhone')}{path}", "  "))
        for number, step in enumerate(check.steps, 1):
            path = f" ({step.place.path(None)})" if step.place else ""
            lines.append(wrap(f"{number}. {step.text.format(noun='iPhone')}{path}", "  ", "     "))
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks)


# -- the rest ------------------------------------------------------------------------------------------------------


def _rest(verdict: DoctorVerdict) -> Iterator[str]:
    """What is fine in one line, and what cannot be seen with the place to look."""
    fine = what_is_fine(verdict)
    if fine:
        yield wrap(f"Fine: {', '.join(fine)}.", "", "  ")
    rows = where_to_look(verdict)
    if rows:
        yield styled("ibackup cannot see these; where to look:", bold=True)
        for what, path in rows:
            yield wrap(printable(f"- {what}: {path}" if what and path else f"- {what or path}"), "  ", "    ")


def _end(verdict: DoctorVerdict) -> Iterator[str]:
    read = "; ".join(source.label for source in verdict.sources)
    if read:
        yield wrap(f"What was read: {read}.", "", "  ")
    last = meanwhile(verdict)
    if last:
        yield wrap(last)
