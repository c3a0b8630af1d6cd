"""The checks before anything is sent: the phone, the backup, and whether they fit each other."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Literal

from ibackup.base.errors import FlawsFound, IbackupError, PersonNeeded, PhoneRefused
from ibackup.base.sizes import size_text
from ibackup.device.lockdown.phone_facts import PhoneFacts
from ibackup.device.lockdown.restore_facts import RestoreFacts
from ibackup.device.refusals.backup_refusals import RefusalContext, refusal
from ibackup.jobs.restore.backup_contents import Contents
from ibackup.jobs.restore.restore_request import CheckName, PreflightCheck, RestoreOptions
from ibackup.store.freshness import is_stale

_LEAST_CHARGE = 20  # percent
_NEWS = timedelta(hours=1)
_DAY_S = 86_400.0
_ERASING = 27
"""The first iOS that closed partial restores; what is known of it: docs/howto-restore.md."""
_UNPROVEN_APPS = "Whether phones restore single apps is unproven: no other known program asks for it."
_NAMED = 5


def phone_checks(facts: PhoneFacts, more: RestoreFacts) -> Iterator[PreflightCheck]:
    """What depends only on the phone."""
    noun = facts.noun
    context = _context(facts)
    if more.setup_done is False:
        yield _failed("setup", refusal(212, "", context=context))
    else:
        yield _known(
            "setup", more.setup_done, f"The {noun} has been set up", "has finished its setup assistant"
        )
    if more.find_my:
        yield _failed("find-my", refusal(211, "", context=context))
    else:
        yield _known("find-my", more.find_my, "Find My is off", "has Find My switched on")
    yield _battery(facts)


def fit_checks(
    facts: PhoneFacts, more: RestoreFacts, contents: Contents, *, by_cable: bool
) -> Iterator[PreflightCheck]:
    """Whether this backup and this phone fit each other."""
    yield _whose(facts, contents, by_cable=by_cable)
    yield _supervised(more, contents)
    yield _ios(facts, contents)
    yield _room(facts, more, contents)


def replaced(
    facts: PhoneFacts, contents: Contents, options: RestoreOptions, newest: datetime | None
) -> PreflightCheck:
    """What will happen to the data on the phone.

    Args:
        facts: of the phone.
        contents: of the backup.
        options: of the restore.
        newest: the date of this phone's newest backup, as far as the store knows.
    """
    noun = facts.noun
    if options.apps:
        parts = [f"The data of {', '.join(options.apps)} on the {noun} will be replaced."]
    else:
        parts = [f"The backup replaces what is on the {noun} now: messages, photos, app data."]
        kept = [
            *([] if options.settings else ["its settings"]),
            *([] if options.system else ["its system files"]),
        ]
        if kept:
            parts.append(f"It keeps {' and '.join(kept)}.")
    if options.remove:
        parts.append("EVERYTHING that is not in the backup will be removed.")
    if not contents.encrypted:
        parts.append("It has no passwords or Health data, because it is not encrypted.")
    if options.install_apps and not contents.installs:
        parts.append(
            f"You must install the apps yourself afterwards: the backup does not list them for the {noun}."
        )
    if not options.reboot:
        parts.append(
            f"iOS puts it in place when the {noun} restarts, and with these options you must restart it yourself."
        )
    if facts.udid == contents.udid and contents.made is not None:
        parts.append(f"Anything newer than {contents.made.astimezone():%Y-%m-%d %H:%M} may be lost.")
        if newest is None or newest - contents.made < _NEWS:
            parts.append("To keep it, run `ibackup now` first.")
    return PreflightCheck("replaced", "warning", " ".join(parts))


def may_erase(facts: PhoneFacts) -> bool:
    """Whether restores are reported to erase phones with this iOS; an unknown version counts."""
    numbers = _numbers(facts.ios_version or "")
    return not numbers or numbers[0] >= _ERASING


def erasing(
    facts: PhoneFacts, options: RestoreOptions, made: datetime | None, *, allowed: bool
) -> PreflightCheck | None:
    """Whether the restore may destroy what is on the phone; None if there is no reason to think so.

    Args:
        facts: of the phone.
        options: of the restore.
        made: the date of its newest good backup.
        allowed: the user allowed erasing it.
    """
    noun = facts.noun
    if not may_erase(facts):
        return PreflightCheck("erasing", "warning", _UNPROVEN_APPS) if options.apps else None
    has = f"iOS {facts.ios_version}" if facts.ios_version else f"an unknown iOS version, maybe iOS {_ERASING}"
    what = f"This {noun} has {has}, and a restore may ERASE what is on it."
    known = f"Phones with iOS {_ERASING} have reportedly been erased or reset when only part of a backup was restored."
    if options.apps and not allowed:
        error = PhoneRefused(
            what,
            why=known,
            hint=(
                "Restore the whole backup (without --app), or take single files out of it with `ibackup "
                "extract`. To try anyway: --may-erase."
            ),
        )
        return _failed("erasing", error)
    now = datetime.now(UTC)
    if is_stale(made, _DAY_S, now) and not allowed:
        newest = (
            f"Its newest good backup is from {made.astimezone():%Y-%m-%d %H:%M}"
            if made
            else "There is no backup of it here"
        )
        error = PhoneRefused(
            what,
            why=f"{known} {newest}.",
            hint=f"Run `ibackup now` first, so that nothing is lost if the {noun} is erased; then restore. If there is "
            "nothing on it that you need, give --may-erase.",
        )
        return _failed("erasing", error)
    kept = (
        f" Its newest backup is from {made.astimezone():%Y-%m-%d %H:%M}."
        if made
        else " There is no backup of it here."
    )
    unproven = f" {_UNPROVEN_APPS}" if options.apps else ""
    return PreflightCheck("erasing", "warning", f"{what} {known}{kept}{unproven}")


def older(names: Sequence[str], noun: str) -> PreflightCheck:
    """What a restore does with files of which the backup has an earlier copy."""
    more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    files = "1 file is" if len(names) == 1 else f"{len(names):,} files are"
    named = "; ".join(names[:_NAMED])
    what = f"{files} older than the rest, because the phone could not read the newer ones: {named}{more}."
    return PreflightCheck("flaws", "warning", f"{what} The {noun} gets the earlier copies.")


def flaws(names: Sequence[str], count: int, noun: str, *, despite: bool) -> PreflightCheck:
    """What a restore does with files that differ from the phone's own list.

    Args:
        names: some of them, each with its problem.
        count: the number of all of them.
        noun: what the phone is called.
        despite: whether the user wants to try anyway.
    """
    more = f" and {count - _NAMED:,} more" if count > _NAMED else ""
    files = "1 file is" if count == 1 else f"{count:,} files are"
    what = f"{files} different from the phone's own list: {'; '.join(names[:_NAMED])}{more}."
    which = "this file" if count == 1 else "one of them"
    then = f"The {noun} will probably end the restore with error 205 when it reaches {which}."
    if despite:
        return PreflightCheck("flaws", "warning", f"{what} {then} ibackup tries anyway, as you asked.")
    error = FlawsFound(
        what,
        why=then,
        hint="Restore a snapshot without flaws (`ibackup list`), or try this one anyway with "
        "--despite-flaws.",
    )
    return _failed("flaws", error)


# -- one by one -----------------------------------------------------------------------------------------------


def _battery(facts: PhoneFacts) -> PreflightCheck:
    percent, noun = facts.battery_percent, facts.noun
    powered = facts.charging or facts.external_power
    if percent is None:
        return PreflightCheck("battery", "warning", f"The {noun} does not say how full its battery is.")
    if percent <= _LEAST_CHARGE and not powered:
        return _failed(
            "battery",
            PersonNeeded(
                f"The battery of the {noun} is at {percent} %, and it is not charging.",
                why=f"If the {noun} runs out of power, it is left half restored.",
                hint=f"Charge it, or wait until it has more than {_LEAST_CHARGE} %.",
            ),
        )
    return PreflightCheck("battery", "ok", f"The battery is at {percent} %{', charging' if powered else ''}.")


def _whose(facts: PhoneFacts, contents: Contents, *, by_cable: bool) -> PreflightCheck:
    there = f"{facts.name or facts.noun} ({facts.product_name or facts.product_type or facts.noun})"
    made = f" of {contents.made.astimezone():%Y-%m-%d %H:%M}" if contents.made else ""
    slow = "" if by_cable else " It is connected over Wi-Fi, which takes hours: a cable is better."
    if facts.udid.casefold() == contents.udid.casefold():
        return PreflightCheck(
            "phone", "warning" if slow else "ok", f"{there} gets its own backup{made}.{slow}"
        )
    of = f"{contents.device_name or 'another phone'} ({contents.product_type or contents.udid})"
    text = f"{there} gets the backup{made} of ANOTHER phone, {of}.{slow}"
    return PreflightCheck("phone", "warning", text)


def _context(facts: PhoneFacts) -> RefusalContext:
    return RefusalContext(noun=facts.noun, ios_version=facts.ios_version, job="restore")


def _room(facts: PhoneFacts, more: RestoreFacts, contents: Contents) -> PreflightCheck:
    noun, room, bytes_ = facts.noun, more.room_bytes, contents.bytes
    if bytes_ is None:
        return PreflightCheck("room", "skipped", "The size of the backup is unknown while it is locked.")
    needed = f"The backup needs {size_text(bytes_)}"
    if room is None:
        free = facts.free_bytes
        told_free = f"; {size_text(free)} are free on the {noun}" if free is not None else ""
        outcome: Literal["ok", "warning"] = "warning" if free is not None and bytes_ > free else "ok"
        return PreflightCheck("room", outcome, f"{needed}{told_free}. The {noun} decides before it begins.")
    if bytes_ > room:
        error = refusal(106, "", context=_context(facts))
        error.why = f"{needed}, but the {noun} has space for only {size_text(room)}."
        return _failed("room", error)
    return PreflightCheck("room", "ok", f"{needed}, and the {noun} has space for {size_text(room)}.")


def _supervised(more: RestoreFacts, contents: Contents) -> PreflightCheck:
    if contents.supervised and more.supervised is False:
        return _failed(
            "supervised",
            PhoneRefused(
                "The backup is from a supervised phone, but this one is not supervised.",
                why="An organization manages that phone; iOS restores such a backup only to a supervised phone.",
                hint="Have the organization supervise this phone first, or restore another backup.",
            ),
        )
    if contents.supervised:
        unsure = "" if more.supervised else "; this phone does not say whether it is supervised"
        return PreflightCheck(
            "supervised", "ok" if more.supervised else "warning", f"From a supervised phone{unsure}."
        )
    return PreflightCheck("supervised", "ok", "Not from a company-managed phone.")


def _ios(facts: PhoneFacts, contents: Contents) -> PreflightCheck:
    there, here = facts.ios_version or "", contents.ios_version
    if not there or not here:
        return PreflightCheck("ios", "warning", "The iOS version of the backup or the phone is unknown.")
    if _numbers(here) > _numbers(there):
        told = refusal(203, "", context=_context(facts))
        told.why = f"The backup is from iOS {here}, but the {facts.noun} has iOS {there}."
        return _failed("ios", told)
    return PreflightCheck("ios", "ok", f"iOS {there} accepts a backup from iOS {here}.")


def _numbers(version: str) -> tuple[int, ...]:
    """18.6 and 18.6.0 count as equal."""
    found = [int(part) if part.isascii() and part.isdigit() else 0 for part in version.split(".")]
    while found and not found[-1]:
        found.pop()
    return tuple(found)


def _failed(name: CheckName, error: IbackupError) -> PreflightCheck:
    return PreflightCheck(name, "failed", error.message, error)


def _known(name: CheckName, told: bool | None, good: str, unsaid: str) -> PreflightCheck:
    if told is None:
        return PreflightCheck(name, "warning", f"The phone does not say whether it {unsaid}.")
    return PreflightCheck(name, "ok", f"{good}.")
