"""Apple's side, and what is stored there: C02, C28; and an attempt that was watched: C23."""

from collections.abc import Iterator
from datetime import timedelta

from ibackup.doctor import steps, wording
from ibackup.doctor.case import Case
from ibackup.doctor.checks.making import fine, found, said, surer, unseen, why
from ibackup.doctor.evidence import Seen, ServiceEvent
from ibackup.doctor.finding import Finding, Level, Said

_MAIN = ("icloud backup", "icloud account", "apple account", "apple id")
_ASIDE = ("icloud storage", "icloud drive")


def apple_status(case: Case) -> Finding:
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
            if level is not Level.POSSIBLE
            else "Apple's servers perhaps have trouble"
        )
        chosen = [steps.WAIT_FOR_APPLE]
        return found("apple-status", level, title, texts, steps=chosen, stands=bool(errors))
    if listed:
        return fine("apple-status")
    return unseen(
        "apple-status", why(status) or "Apple's page does not list iCloud Backup in a way that is known here"
    )


def _events(case: Case, events: tuple[ServiceEvent, ...]) -> Iterator[tuple[Level, str]]:
    """Every event that matters, with how sure it makes it."""
    for event in events:
        name = event.service.casefold()
        main, aside = any(word in name for word in _MAIN), any(word in name for word in _ASIDE)
        if not (main or aside):
            continue
        since = f" since {wording.day(event.started)}" if event.started else ""
        if event.status == "ongoing" and event.kind != "Available":
            serious = {"Outage": Level.BLOCKER, "Issue": Level.LIKELY, "Performance": Level.LIKELY}
            level = serious.get(event.kind, Level.POSSIBLE) if main else Level.POSSIBLE
            yield level, f"Apple reports for {event.service}: {event.kind}{since}."
        elif event.status == "upcoming" and main:
            yield Level.POSSIBLE, f"Apple announces for {event.service}: {event.kind}."
        elif event.ended and timedelta(0) <= case.now - event.ended <= case.limits.resolved_recent:
            yield (
                Level.POSSIBLE,
                f"Apple had trouble with {event.service} until {wording.when(event.ended, case.now)}.",
            )


def cloud_data(case: Case) -> Finding:
    """C28: is the backup in iCloud damaged? The last thing to believe: every clear cause comes before it."""
    level, errors = case.by_codes("cloud-data")
    if level:
        sure = level is Level.LIKELY
        title = "the copy in iCloud is probably damaged" if sure else "the copy in iCloud is perhaps damaged"
        last = [steps.DELETE_CLOUD_BACKUP] if sure else []
        chosen = [steps.BACK_UP_NOW, steps.RESTART_PHONE, *last]
        return found("cloud-data", level, title, errors, steps=chosen, guess=True, stands=True)
    if case.attempts_known:
        return fine("cloud-data")
    return unseen("cloud-data", why(case.evidence.noted.notes))


def watch(case: Case) -> Finding:
    """C23: what happened while an attempt was watched?"""
    log, traffic = case.evidence.live.log, case.evidence.live.traffic
    texts: list[Said] = []
    if isinstance(traffic, Seen):
        sent = wording.size(traffic.value.backup_bytes)
        texts.append(said(traffic, f"iCloud Backup sent {sent} in {wording.lasting(traffic.value.seconds)}."))
    if not isinstance(log, Seen):
        return fine("watch", *texts) if texts else unseen("watch", why(log))
    live = log.value
    begun = "An attempt began" if live.started else "No attempt began"
    texts.insert(0, said(log, f"{begun} in the {wording.lasting(live.seconds)} that were watched."))
    held = live.conditions
    missing = [
        name
        for name, state in (("power", held.on_power), ("Wi-Fi", held.on_wifi), ("lock", held.locked))
        if state is False
    ] if held else []  # fmt: skip
    if missing:
        texts.append(said(log, f"It waits for: {wording.listed(missing)}."))
        title = f"it waits for {wording.listed(missing)}"
        return found("watch", Level.POSSIBLE, title, texts)
    if not live.lines:
        return unseen("watch", "the phone's log said nothing of iCloud Backup")
    return fine("watch", *texts)
