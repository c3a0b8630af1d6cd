"""The doctor's verdict in sentences, for the terminal and for the web view alike."""

from collections.abc import Iterator

from ibackup.base.counts import listed
from ibackup.base.sizes import rough_size
from ibackup.doctor.evidence.phone_evidence import Live
from ibackup.doctor.evidence.sighting import Seen
from ibackup.doctor.tables import icloud_error_codes
from ibackup.doctor.tables.catalog import CHECKS
from ibackup.doctor.tables.cloud_apps import app_name
from ibackup.doctor.tables.finding import CheckFinding, FindingLevel, FindingText
from ibackup.doctor.verdict.person_questions import YOU_SAID
from ibackup.doctor.verdict.verdict import DoctorVerdict

_MOST_POSSIBLE = 3
# Covered by the suggestions at the end, by the steps, or by the reason why nothing answers.
_TOLD_OTHERWISE = frozenset({"watch", "restart", "apps", "readable", "size"})
_NOT_WORTH_A_WORD = frozenset(
    {
        "readable",
        "cellular",
        "cloud-data",
        "network-settings",
        "apps",
        "app-data",
        "low-power",
        "backoff",
        "helpers",
    }
)
_HOW_SURE = {
    FindingLevel.BLOCKER: "Cause",
    FindingLevel.LIKELY: "Likely",
    FindingLevel.POSSIBLE: "Possible",
}


def headline(verdict: DoctorVerdict) -> str:
    """One or two sentences that a worried person understands."""
    blockers = [each.title for each in verdict.blockers]
    likely = [each.title for each in verdict.causes if each.level is FindingLevel.LIKELY]
    if blockers:
        also = f" Also likely: {'; '.join(likely)}." if likely else ""
        return f"iCloud Backup cannot run: {listed(blockers)}.{also}"
    if likely and verdict.case.works:
        return f"iCloud Backup worked recently, but later attempts failed: {'; '.join(likely)}."
    if likely:
        also = f" Also likely: {'; '.join(likely[1:])}." if len(likely) > 1 else ""
        return f"The most likely reason why iCloud Backup fails: {likely[0]}.{also}"
    if verdict.status == "working":
        return f"iCloud Backup works. {_last_success(verdict)}"
    if verdict.case.first_pending:
        return "iCloud Backup was switched on only recently; the first backup has not run yet."
    return "Nothing this computer can see explains it."


def whole_headline(verdict: DoctorVerdict) -> str:
    """The same; if nothing explains it, with the place to look at first."""
    text = headline(verdict)
    if verdict.fallback and verdict.finding("icloud-storage").level is not FindingLevel.FINE:
        path = verdict.told(verdict.fallback[0]).settings_path
        text += f" Most often iCloud is full: look at {path}."
    return text


def what_is_known(verdict: DoctorVerdict) -> list[str]:
    """Sentences below the headline: the last success, and how often it failed since."""
    known = [] if verdict.status == "working" or verdict.case.first_pending else [_last_success(verdict)]
    count = sum(counted.in_a_row for counted in verdict.case.counted if counted.source.kind != "person")
    if count:
        known.append(f"Failed attempts recorded since: {count}.")
    return known


def _last_success(verdict: DoctorVerdict) -> str:
    found = verdict.finding("last-success")
    if found.level is FindingLevel.UNSEEN and verdict.case.last_success is not None:
        return f"{found.evidence[0].text}."
    if found.level is FindingLevel.UNSEEN:
        return "It is unknown when the last iCloud backup finished."
    return " ".join(said.text for said in found.evidence)


# -- causes -----------------------------------------------------------------------------------------------------


def told_causes(verdict: DoctorVerdict) -> tuple[list[CheckFinding], list[CheckFinding]]:
    """The causes to show with evidence and steps, and the possible ones of which only the title is shown."""
    sure = [each for each in verdict.causes if each.level is not FindingLevel.POSSIBLE]
    rest = [each for each in verdict.causes if each.level is FindingLevel.POSSIBLE]
    return [*sure, *rest[:_MOST_POSSIBLE]], rest[_MOST_POSSIBLE:]


def told_advice(verdict: DoctorVerdict) -> tuple[CheckFinding, ...]:
    """What is good to know although iCloud Backup works, no more than people read."""
    return verdict.advice[:_MOST_POSSIBLE]


TAP_NOW = "Now tap Back Up Now on the phone, or lock it. Leave the cable in, so that the phone has power."
"""What to do while an attempt is watched."""


def live_words(live: Live) -> list[str]:
    """What was seen so far of an attempt that is watched, in parts of a sentence; none at first."""
    parts: list[str] = []
    held = live.conditions
    if held is not None:
        states = {
            "switched on": held.enabled,
            "power": held.on_power,
            "Wi-Fi": held.on_wifi,
            "locked": held.locked,
        }
        known = {name: state for name, state in states.items() if state is not None}
        line = ", ".join(f"{name}: {'yes' if state else 'NO'}" for name, state in known.items())
        missing = [name for name, state in known.items() if not state]
        parts.append(f"{line}{'' if not missing or live.started else ' (a nightly backup waits for this)'}")
    if live.started:
        parts.append("an attempt is under way")
    for each in live.errors[-1:]:
        words = icloud_error_codes.meaning(each.domain, each.code).words
        app = f", at {app_name(each.app)}" if each.app else ""
        parts.append(f"error {icloud_error_codes.name(each.domain, each.code)}: {words}{app}")
    return parts


def how_sure(finding: CheckFinding) -> str:
    """One or a few words before the title of a cause."""
    return "Good to know" if finding.advice else _HOW_SURE[finding.level]


def evidence_words(said: FindingText) -> str:
    """One piece of evidence, with where it was seen."""
    return f"{said.text} ({said.source})" if said.source and said.source != YOU_SAID else said.text


def how_large(verdict: DoctorVerdict) -> str:
    """How much the iCloud backup needs, and how much there is; empty if it is unknown."""
    wanted, plan = verdict.case.estimate, verdict.case.evidence.answers.plan
    if wanted is None:
        return ""
    limit = verdict.case.limits.free_plan
    holds = (
        f"your plan has {rough_size(plan.value)}"
        if isinstance(plan, Seen)
        else f"the free plan has {rough_size(limit)}"
    )
    text = f"Your {verdict.case.noun}'s iCloud backup needs {wanted.text}; {holds}, for everything in iCloud together."
    return f"{text} (From {wanted.basis}; {wanted.source.label}.)"


# -- the rest ---------------------------------------------------------------------------------------------------


def what_is_fine(verdict: DoctorVerdict) -> list[str]:
    """What was looked at and is fine, each in a few words."""
    left_out = _NOT_WORTH_A_WORD | ({"last-success"} if verdict.case.first_pending else frozenset())
    return [
        CHECKS[each.id].fine
        for each in verdict.findings
        if each.level is FindingLevel.FINE and each.id not in left_out
    ]


def where_to_look(verdict: DoctorVerdict) -> list[tuple[str, str]]:
    """What this computer cannot see: what to look for, and the place in Settings; one of the two may be empty."""
    if verdict.status == "working":
        return []
    by_path: dict[str, list[str]] = {}
    for look, path in _unseen(verdict):
        by_path.setdefault(path or look, []).append(look if path else "")
    return [("; ".join(look for look in looks if look), path) for path, looks in by_path.items()]


def _unseen(verdict: DoctorVerdict) -> Iterator[tuple[str, str]]:
    """What to check and where; the reason only if it can be fixed."""
    case = verdict.case
    for finding in verdict.findings:
        if finding.level is not FindingLevel.UNSEEN or not finding.steps or finding.id in _TOLD_OTHERWISE:
            continue
        look, place = finding.steps[0].text.format(noun=case.noun), finding.steps[0].place
        if finding.id == "history":
            why = finding.evidence[0].text if finding.evidence else ""
            look = f"what the {case.noun} itself noted about its attempts ({why}): {look}"
        if finding.id == "icloud-storage" and isinstance(case.evidence.answers.plan, Seen):
            look = f"{look} ({finding.evidence[0].text})"
        yield look, place.path(case.ios_version, case.noun) if place else ""


def meanwhile(verdict: DoctorVerdict) -> str:
    """Whether what is on the phone is safe until then; empty if the steps already say what to do."""
    if verdict.protected:
        return "There is a local backup from the last 24 hours, so what is on the phone is safe for now."
    if verdict.locked:
        return (
            "There is a local backup from the last 24 hours, but ibackup does not have its password. Check "
            "that you know it: `ibackup encryption status`."
        )
    if verdict.status == "working":
        return "A local backup never hurts: `ibackup now`."
    if not verdict.fallback:
        return (
            f"Whatever the cause: `ibackup now` makes a complete backup of this {verdict.case.noun} on this computer, "
            "without iCloud."
        )
    return ""
