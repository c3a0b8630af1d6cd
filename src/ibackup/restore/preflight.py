"""What is looked at before anything is sent: the phone, the backup, and whether one fits the other."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Literal

from ibackup.device.facts import PhoneFacts
from ibackup.device.refusals import RefusalContext, refusal, size
from ibackup.device.restore_facts import RestoreFacts
from ibackup.errors import IbackupError, PersonNeeded, PhoneRefused
from ibackup.restore.contents import Contents
from ibackup.restore.types import Check, CheckName, Options

_LEAST_CHARGE = 20  # percent
_NEWS = timedelta(hours=1)


def phone_checks(facts: PhoneFacts, more: RestoreFacts) -> Iterator[Check]:
    """What the phone alone decides."""
    noun = facts.noun
    context = RefusalContext(noun=noun, job="restore")
    if more.setup_done is False:
        yield _failed("setup", refusal(212, "", context=context))
    else:
        yield _known(
            "setup", more.setup_done, f"The {noun} has been set up", "is through its setup assistant"
        )
    if more.find_my:
        yield _failed("find-my", refusal(211, "", context=context))
    else:
        yield _known("find-my", more.find_my, "Find My is off", "has Find My switched on")
    yield _battery(facts)


def fit_checks(
    facts: PhoneFacts, more: RestoreFacts, contents: Contents, *, by_cable: bool
) -> Iterator[Check]:
    """Whether this backup and this phone fit each other."""
    yield _whose(facts, contents, by_cable=by_cable)
    yield _supervised(more, contents)
    yield _ios(facts, contents)
    yield _room(facts, more, contents)


def replaced(facts: PhoneFacts, contents: Contents, options: Options, newest: datetime | None) -> Check:
    """What becomes of what is on the phone now.

    Args:
        facts: of the phone.
        contents: of the backup.
        options: of the restore.
        newest: of when the newest backup of this phone is, as far as the store knows.
    """
    noun = facts.noun
    if options.apps:
        parts = [f"The data of {', '.join(options.apps)} on the {noun} is replaced."]
    else:
        parts = [f"What the backup holds replaces what the {noun} has now: messages, photos, app data."]
        kept = [
            *([] if options.settings else ["its settings"]),
            *([] if options.system else ["its system files"]),
        ]
        if kept:
            parts.append(f"It keeps {' and '.join(kept)}.")
    if options.remove:
        parts.append("EVERYTHING that is not in the backup is removed.")
    if not contents.encrypted:
        parts.append("Passwords and Health data are not in it: it is not encrypted.")
    if not options.reboot:
        parts.append(f"iOS puts it in place when the {noun} restarts, which it does not do by itself now.")
    if facts.udid == contents.udid and contents.made is not None:
        parts.append(f"Whatever is newer than {contents.made.astimezone():%Y-%m-%d %H:%M} may be lost.")
        if newest is None or newest - contents.made < _NEWS:
            parts.append("To keep it, run `ibackup now` first.")
    return Check("replaced", "warning", " ".join(parts))


# -- one by one -----------------------------------------------------------------------------------------------


def _battery(facts: PhoneFacts) -> Check:
    percent, noun = facts.battery_percent, facts.noun
    powered = facts.charging or facts.external_power
    if percent is None:
        return Check("battery", "warning", f"The {noun} does not say how full its battery is.")
    if percent <= _LEAST_CHARGE and not powered:
        return _failed(
            "battery",
            PersonNeeded(
                f"The battery of the {noun} is at {percent} %, and it is not charging.",
                why=f"A {noun} that goes out in the middle is left half restored.",
                hint=f"Connect it so that it charges, or wait until it has more than {_LEAST_CHARGE} %.",
            ),
        )
    return Check("battery", "ok", f"The battery is at {percent} %{', charging' if powered else ''}.")


def _whose(facts: PhoneFacts, contents: Contents, *, by_cable: bool) -> Check:
    there = f"{facts.name or facts.noun} ({facts.product_name or facts.product_type or facts.noun})"
    made = f" of {contents.made.astimezone():%Y-%m-%d %H:%M}" if contents.made else ""
    slow = "" if by_cable else " It is connected over Wi-Fi, which takes hours: better use a cable."
    if facts.udid.casefold() == contents.udid.casefold():
        return Check("phone", "warning" if slow else "ok", f"{there} gets its own backup{made}.{slow}")
    of = f"{contents.device_name or 'another phone'} ({contents.product_type or contents.udid})"
    text = f"{there} gets the backup{made} of ANOTHER phone, {of}.{slow}"
    return Check("phone", "warning", text)


def _room(facts: PhoneFacts, more: RestoreFacts, contents: Contents) -> Check:
    noun, room, bytes_ = facts.noun, more.room_bytes, contents.bytes
    if bytes_ is None:
        return Check("room", "skipped", "How large the backup is cannot be told while it is locked.")
    needed = f"The backup takes {size(bytes_)}"
    if room is None:
        free = facts.free_bytes
        told_free = f"; {size(free)} are free on the {noun}" if free is not None else ""
        outcome: Literal["ok", "warning"] = "warning" if free is not None and bytes_ > free else "ok"
        return Check("room", outcome, f"{needed}{told_free}. The {noun} decides before it begins.")
    if bytes_ > room:
        error = refusal(106, "", context=RefusalContext(noun=noun, job="restore"))
        error.why = f"{needed}, the {noun} has room for {size(room)}."
        return _failed("room", error)
    return Check("room", "ok", f"{needed}, the {noun} has room for {size(room)}.")


def _supervised(more: RestoreFacts, contents: Contents) -> Check:
    if contents.supervised and more.supervised is False:
        return _failed(
            "supervised",
            PhoneRefused(
                "The backup is of a supervised phone, and this one is not supervised.",
                why="An organisation manages the phone that it was made from; iOS takes such a backup only there.",
                hint="Have the organisation supervise this phone first, or restore another backup.",
            ),
        )
    if contents.supervised:
        unsure = "" if more.supervised else "; this one does not say whether it is"
        return Check("supervised", "ok" if more.supervised else "warning", f"A supervised phone's{unsure}.")
    return Check("supervised", "ok", "Not a supervised phone's, as far as it tells.")


def _ios(facts: PhoneFacts, contents: Contents) -> Check:
    there, here = facts.ios_version or "", contents.ios_version
    if not there or not here:
        return Check("ios", "warning", "Nobody says which iOS the backup or the phone has.")
    if _numbers(here) > _numbers(there):
        told = refusal(203, "", context=RefusalContext(noun=facts.noun, job="restore"))
        told.why = f"The backup is of iOS {here}, the {facts.noun} has {there}."
        return _failed("ios", told)
    return Check("ios", "ok", f"iOS {there} takes a backup of iOS {here}.")


def _numbers(version: str) -> tuple[int, ...]:
    """18.6 and 18.6.0 are the same."""
    found = [int(part) if part.isascii() and part.isdigit() else 0 for part in version.split(".")]
    while found and not found[-1]:
        found.pop()
    return tuple(found)


def _failed(name: CheckName, error: IbackupError) -> Check:
    return Check(name, "failed", error.message, error)


def _known(name: CheckName, told: bool | None, good: str, unsaid: str) -> Check:
    if told is None:
        return Check(name, "warning", f"The phone does not say whether it {unsaid}.")
    return Check(name, "ok", f"{good}.")
