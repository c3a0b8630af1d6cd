"""What iCloud Backup waits for every night: C09 to C12, C14, C15."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from statistics import median

from ibackup.base.counts import listed
from ibackup.base.durations import rough_duration
from ibackup.base.sizes import rough_size
from ibackup.doctor.checks import wording
from ibackup.doctor.checks.case import Case
from ibackup.doctor.checks.how_checks_speak import fine, found, said, surer, unless_known, unseen, why
from ibackup.doctor.evidence.noted_evidence import ConditionsWindow
from ibackup.doctor.evidence.sighting import Seen
from ibackup.doctor.tables import steps
from ibackup.doctor.tables.finding import CheckFinding, FindingLevel, FindingText

_NO_HISTORY = "no notes of past nights were read"


def _noted(case: Case, text: str) -> FindingText:
    source = case.notes_source
    return FindingText(text, source.label if source else "", source.date if source else None)


def _no_history(case: Case) -> str:
    notes = case.evidence.noted.notes
    return _NO_HISTORY if isinstance(notes, Seen) else why(notes)


def wifi(case: Case) -> CheckFinding:
    """C09: is the phone on Wi-Fi?"""
    now, log = case.evidence.phone.wifi, case.evidence.live.log
    level, errors = case.by_codes("wifi")
    texts = list(errors)
    if isinstance(log, Seen) and log.value.conditions and log.value.conditions.on_wifi is False:
        level = surer(level, FindingLevel.LIKELY)
        texts.append(said(log, f"The {case.noun}'s log says: not on Wi-Fi."))
    if isinstance(now, Seen):
        if not now.value.connected:
            lost = bool(case.windows) and not case.windows[0].on_wifi
            level = surer(level, FindingLevel.LIKELY if lost else FindingLevel.POSSIBLE)
            texts.append(said(now, "Wi-Fi is not connected at this moment."))
            if lost:
                texts.append(_noted(case, "The last charging period also ended because Wi-Fi was lost."))
        else:
            channel = f", channel {now.value.channel}" if now.value.channel else ""
            texts.append(said(now, f"At this moment it is connected to Wi-Fi{channel}."))
            if level is None:
                return fine("wifi", *texts)
    if level:
        title = (
            "the phone has no Wi-Fi"
            if level is not FindingLevel.POSSIBLE
            else "the phone may not be on Wi-Fi"
        )
        if isinstance(now, Seen) and now.value.connected:
            title = "the phone had no network when it tried"
        return found("wifi", level, title, texts, stands=bool(errors))
    return unseen("wifi", why(now))


def power(case: Case) -> CheckFinding:
    """C10: is it charging at night?"""
    supply, battery, windows, limits = (
        case.evidence.phone.power_source,
        case.evidence.phone.battery,
        case.windows,
        case.limits,
    )
    log = case.evidence.live.log
    looked_at = windows[: limits.windows_looked_at]
    by_power = sum(not window.on_power for window in looked_at)
    if by_power >= limits.windows_by_power:
        text = (
            f"Of the last {len(looked_at)} periods of charging on Wi-Fi, locked, {by_power} ended because "
            "power was lost."
        )
        return found("power", FindingLevel.LIKELY, "it loses power at night", [_noted(case, text)])
    if isinstance(log, Seen) and log.value.conditions and log.value.conditions.on_power is False:
        text = f"The {case.noun}'s log says: no power, although the cable is connected."
        return found(
            "power", FindingLevel.POSSIBLE, "the charger or hub gives too little power", [said(log, text)]
        )
    drains = isinstance(supply, Seen) and (supply.value.milliamperes or 0) < limits.battery_draining
    plugged = battery.get()
    if (
        isinstance(supply, Seen)
        and drains
        and (supply.value.external_power or (plugged and plugged.external_power))
    ):
        text = f"The battery loses {-(supply.value.milliamperes or 0)} mA although a cable is connected."
        return found(
            "power", FindingLevel.POSSIBLE, "the charger or hub gives too little power", [said(supply, text)]
        )
    if len(windows) >= limits.windows_few:
        return fine(
            "power",
            _noted(case, f"Loss of power ended {by_power} of the last {len(looked_at)} such periods."),
        )
    return unseen("power", _no_history(case))


def lock(case: Case) -> CheckFinding:
    """C11: was it locked, and unlocked once since its restart?"""
    level, errors = case.by_codes("lock")
    texts = list(errors)
    log, windows, limits = case.evidence.live.log, case.windows, case.limits
    if isinstance(log, Seen) and log.value.missing_keys:
        level = surer(level, FindingLevel.LIKELY)
        text = (
            f"{wording.several(log.value.missing_keys, 'file')} could not be read: the phone was not unlocked "
            "since the restart."
        )
        texts.append(said(log, text))
    if case.notes and not case.notes_stale and case.notes.missing_key_failures and not texts:
        level = surer(level, FindingLevel.POSSIBLE)
        texts.append(
            _noted(
                case,
                "The last attempts could not read some files: the phone was not unlocked since the restart.",
            )
        )
    if level:
        title = "files could not be read because the phone had not been unlocked"
        return found("lock", level, title, texts, steps=[steps.UNLOCK_ONCE], stands=bool(errors))
    looked_at = windows[: limits.windows_looked_at]
    short = limits.window_interrupted.total_seconds()
    soon = sum(window.ended_by == ("lock",) and window.seconds < short for window in looked_at)
    if soon >= limits.windows_few and soon * 2 >= len(looked_at):
        text = (
            f"Of the last {len(looked_at)} periods of charging on Wi-Fi, locked, {soon} ended within "
            "minutes because it was unlocked."
        )
        title = "it is unlocked again too soon"
        return found("lock", FindingLevel.POSSIBLE, title, [_noted(case, text)], steps=[steps.LEAVE_ALONE])
    if len(windows) >= limits.windows_few:
        return fine("lock")
    return unseen("lock", _no_history(case))


def conditions(case: Case) -> CheckFinding:
    """C12: did charging, Wi-Fi and lock last long enough together?"""
    level, errors = case.by_codes("conditions")
    texts, log, windows, limits = list(errors), case.evidence.live.log, case.windows, case.limits
    if isinstance(log, Seen) and log.value.postponed:
        level = surer(level, FindingLevel.POSSIBLE)
        texts.append(said(log, f"The {case.noun}'s log says that it postponed the backup."))
    by_windows, text = _by_windows(case, windows)
    if text:
        texts.append(_noted(case, text))
    level = surer(level, by_windows)
    if level:
        title = "charging, Wi-Fi and lock did not last long enough together"
        watched = isinstance(log, Seen)
        chosen = [steps.LEAVE_ALONE] if watched else [steps.LEAVE_ALONE, steps.WATCH]
        return found("conditions", level, title, texts, steps=chosen, stands=bool(errors))
    good = limits.window_good.total_seconds()
    if any(window.seconds >= good for window in windows):
        return fine("conditions", *texts)
    return unseen("conditions", _no_history(case))


def _by_windows(case: Case, windows: Sequence[ConditionsWindow]) -> tuple[FindingLevel | None, str]:
    """How sure the periods make the check, and what they were."""
    source, limits = case.notes_source, case.limits
    if not windows or source is None:
        return None, ""
    recent = [each for each in windows if source.date - _end(each) <= limits.windows_days]
    if not recent:
        last = wording.when(_end(windows[0]), case.now)
        switched_on = case.evidence.phone.toggle.get() is not False
        text = (
            "In the week before these notes it was never charging, on Wi-Fi and locked at the same time; the "
            f"last time was {last}."
        )
        return (FindingLevel.LIKELY if switched_on else FindingLevel.POSSIBLE), text
    lengths = [window.seconds for window in recent]
    text = (
        f"In the week before these notes it was charging, on Wi-Fi and locked {wording.times(len(recent))}; "
        f"the longest lasted {rough_duration(max(lengths))}{_ended_by(recent)}."
    )
    if len(recent) < limits.windows_few:
        return None, text
    if median(lengths) < limits.window_short.total_seconds():
        return FindingLevel.LIKELY, text
    return (FindingLevel.POSSIBLE if max(lengths) < limits.window_good.total_seconds() else None), text


def _end(window: ConditionsWindow) -> datetime:
    return window.start + timedelta(seconds=window.seconds)


def _ended_by(windows: Sequence[ConditionsWindow]) -> str:
    """``; 3 ended by power, 2 by unlocking``."""
    words = {"power": "loss of power", "lock": "unlocking", "Wi-Fi": "loss of Wi-Fi", "enabled": "the switch"}
    counts = {word: sum(name in window.ended_by for window in windows) for name, word in words.items()}
    parts = [f"{count} ended by {word}" for word, count in counts.items() if count]
    return f"; {listed(parts)}" if parts else ""


def cellular(case: Case) -> CheckFinding:
    """C14: does it rely on mobile data?"""
    now, traffic = case.evidence.phone.wifi, case.evidence.live.traffic
    title = "it relies on mobile data, which iCloud Backup uses only if that is switched on"
    if case.windows and case.windows[0].on_cellular and not case.windows[0].on_wifi:
        allowed = " It may be used for the backup." if case.windows[0].cellular_allowed else ""
        text = f"The last time it was charging, it had mobile data and no Wi-Fi.{allowed}"
        return found("cellular", FindingLevel.POSSIBLE, title, [_noted(case, text)])
    if isinstance(traffic, Seen) and isinstance(now, Seen) and not now.value.connected:
        mobile = sum(sent for name, sent in traffic.value.interfaces.items() if name.startswith("pdp_ip"))
        if mobile:
            text = (
                f"{rough_size(mobile)} went over mobile data while ibackup watched the network, and there "
                "is no Wi-Fi."
            )
            return found("cellular", FindingLevel.POSSIBLE, title, [said(traffic, text)])
    if isinstance(now, Seen) and now.value.connected:
        return fine("cellular")
    return unseen("cellular", why(now))


def low_power(case: Case) -> CheckFinding:
    """C15: low battery, low power mode, or too warm?"""
    battery, supply, limits = case.evidence.phone.battery, case.evidence.phone.power_source, case.limits
    texts, chosen = [], []
    if (
        isinstance(battery, Seen)
        and battery.value.percent is not None
        and battery.value.percent < limits.battery_low
    ):
        texts.append(said(battery, f"The battery is at {battery.value.percent} %."))
        chosen += [steps.CHARGE, steps.LOW_POWER_OFF]
    celsius = supply.value.celsius if isinstance(supply, Seen) else None
    if isinstance(supply, Seen) and celsius is not None and celsius >= limits.battery_hot:
        texts.append(said(supply, f"The battery is at {celsius:.0f} °C."))
        chosen.append(steps.COOL_DOWN)
    if texts:
        title = "a low or warm battery delays it"
        return found("low-power", FindingLevel.POSSIBLE, title, texts, steps=chosen, guess=True)
    return unless_known("low-power", battery, supply)
