"""Apple's side, and what is stored there: C02, C28; and an attempt that was watched: C23."""

from collections.abc import Iterator
from datetime import timedelta

from ibackup.base.counts import listed
from ibackup.base.durations import rough_duration
from ibackup.base.sizes import rough_size
from ibackup.doctor.checks import wording
from ibackup.doctor.checks.case import Case
from ibackup.doctor.checks.how_checks_speak import fine, found, said, surer, unseen, why
from ibackup.doctor.evidence.phone_evidence import ServiceEvent
from ibackup.doctor.evidence.sighting import Seen
from ibackup.doctor.tables import steps
from ibackup.doctor.tables.finding import CheckFinding, FindingLevel, FindingText

_MAIN = ("icloud backup", "icloud account", "apple account", "apple id")
_ASIDE = ("icloud storage", "icloud drive")


def apple_status(case: Case) -> CheckFinding:
    """C02: is Apple having trouble?"""
    status = case.evidence.apple.status
    level, errors = case.by_codes("apple-status")
    texts = list(errors)
    listed = isinstance(status, Seen) and any(
        "icloud backup" in name.casefold() for name in status.value.services
    )
    if isinstance(status, Seen):
        for own, text in _events(case, status.value.events):
            level = surer(level, own)
            texts.append(said(status, text))
        if errors and len(texts) == len(errors) and listed:
            texts.append(
                said(
                    status, "Apple's System Status page shows no trouble, but it shows only widespread ones."
                )
            )
    if level:
        title = (
            "Apple's servers have trouble"
            if level is not FindingLevel.POSSIBLE
            else "Apple's servers may have trouble"
        )
        chosen = [steps.WAIT_FOR_APPLE]
        return found("apple-status", level, title, texts, steps=chosen, stands=bool(errors))
    if listed:
        return fine("apple-status")
    return unseen(
        "apple-status", why(status) or "ibackup does not recognise how Apple's page lists iCloud Backup"
    )


def _events(case: Case, events: tuple[ServiceEvent, ...]) -> Iterator[tuple[FindingLevel, str]]:
    """Every event that matters, with how sure it makes the check."""
    for event in events:
        name = event.service.casefold()
        main, aside = any(word in name for word in _MAIN), any(word in name for word in _ASIDE)
        if not (main or aside):
            continue
        since = f" since {wording.day(event.started)}" if event.started else ""
        if event.status == "ongoing" and event.kind != "Available":
            serious = {
                "Outage": FindingLevel.BLOCKER,
                "Issue": FindingLevel.LIKELY,
                "Performance": FindingLevel.LIKELY,
            }
            level = serious.get(event.kind, FindingLevel.POSSIBLE) if main else FindingLevel.POSSIBLE
            yield level, f"Apple reports for {event.service}: {event.kind}{since}."
        elif event.status == "upcoming" and main:
            yield FindingLevel.POSSIBLE, f"Apple announces for {event.service}: {event.kind}."
        elif event.ended and timedelta(0) <= case.now - event.ended <= case.limits.resolved_recent:
            yield (
                FindingLevel.POSSIBLE,
                f"Apple had trouble with {event.service} until {wording.when(event.ended, case.now)}.",
            )


def cloud_data(case: Case) -> CheckFinding:
    """C28: is the backup in iCloud damaged? The last explanation to accept: any clear cause beats it."""
    level, errors = case.by_codes("cloud-data")
    if level:
        sure = level is FindingLevel.LIKELY
        title = "the copy in iCloud is probably damaged" if sure else "the copy in iCloud may be damaged"
        last = [steps.DELETE_CLOUD_BACKUP] if sure else []
        chosen = [steps.BACK_UP_NOW, steps.RESTART_PHONE, *last]
        return found("cloud-data", level, title, errors, steps=chosen, guess=True, stands=True)
    if case.attempts_known:
        return fine("cloud-data")
    return unseen("cloud-data", why(case.evidence.noted.notes))


def watch(case: Case) -> CheckFinding:
    """C23: what happened while an attempt was watched?"""
    log, traffic = case.evidence.live.log, case.evidence.live.traffic
    texts: list[FindingText] = []
    if isinstance(traffic, Seen):
        sent = rough_size(traffic.value.backup_bytes)
        texts.append(said(traffic, f"iCloud Backup sent {sent} in {rough_duration(traffic.value.seconds)}."))
    if not isinstance(log, Seen):
        return fine("watch", *texts) if texts else unseen("watch", why(log))
    live = log.value
    begun = "An attempt began" if live.started else "No attempt began"
    texts.insert(0, said(log, f"{begun} in the {rough_duration(live.seconds)} that ibackup watched."))
    held = live.conditions
    missing = [
        name
        for name, state in (("power", held.on_power), ("Wi-Fi", held.on_wifi), ("lock", held.locked))
        if state is False
    ] if held else []  # fmt: skip
    if missing:
        texts.append(said(log, f"It is waiting for: {listed(missing)}."))
        title = f"it is waiting for {listed(missing)}"
        return found("watch", FindingLevel.POSSIBLE, title, texts)
    if not live.lines:
        return unseen("watch", "the phone's log did not mention iCloud Backup")
    return fine("watch", *texts)
