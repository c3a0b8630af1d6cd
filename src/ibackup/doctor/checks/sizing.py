"""Too much for the plan, for a night, or for one app: C08, C20, C21, C22."""

from collections import Counter

from ibackup.doctor import steps, wording
from ibackup.doctor.case import Case
from ibackup.doctor.checks.making import fine, found, said, surer, unseen, why
from ibackup.doctor.cloud_apps import app_name
from ibackup.doctor.evidence import Seen, Source
from ibackup.doctor.finding import CAUSES, Finding, Level, Said, Step
from ibackup.doctor.sizes import PLANS, UPLOADS, shares, upload_seconds

_TOP = 5


def icloud_storage(case: Case) -> Finding:
    """C08: is iCloud storage full? How full it is cannot be read; error 303 and the sizes tell."""
    level, errors = case.by_codes("icloud-storage")
    by_size, texts = _against_plan(case)
    chosen = _storage_steps(case)
    # An error of weeks ago makes what is seen today no less sure.
    if level and not (level is Level.POSSIBLE and by_size is Level.LIKELY):
        title = "iCloud storage is full" if level is Level.BLOCKER else "iCloud storage is probably full"
        return found("icloud-storage", level, title, [*errors, *texts], steps=chosen, stands=True)
    stated = isinstance(case.evidence.answers.plan, Seen)
    if case.works and (by_size is None or not stated):
        return fine("icloud-storage", *texts)
    if by_size in CAUSES:
        sure = by_size is not Level.POSSIBLE
        title = "the backup does not fit into iCloud" if sure else "the backup may not fit into iCloud"
        if not stated:
            title += ", unless a bigger plan than the free 5 GB is in use"
        return found("icloud-storage", by_size, title, [*errors, *texts], steps=chosen, guess=True)
    if by_size is Level.FINE:
        return fine("icloud-storage", *texts)
    told = texts[0].text.rstrip(".") if stated and texts else "how full iCloud is cannot be read over a cable"
    return unseen("icloud-storage", told)


def _storage_steps(case: Case) -> list[Step]:
    known = shares(case.evidence, case.limits)
    gone = known is not None and bool(known.can_go)
    info = [
        steps.LOOK_AT_STORAGE,
        steps.APPS_OFF,
        steps.DELETE_OLD_BACKUPS,
        steps.DELETE_LARGE,
        steps.BIGGER_PLAN,
        steps.TEMPORARY_STORAGE,
    ]
    return [step for step in info if gone or step is not steps.APPS_OFF]


def _against_plan(case: Case) -> tuple[Level | None, list[Said]]:
    """What the backup wants against what the plan, as far as known, holds."""
    wanted, limits, answers = case.estimate, case.limits, case.evidence.answers
    size, free, said_used = _room(case)
    stated = isinstance(answers.plan, Seen)
    if said_used and free <= limits.plan_full * size:
        text = f"You say that {wording.size(size - free)} of {wording.size(size)} are used."
        return Level.LIKELY, [Said(text, said_used.label, said_used.date)]
    if wanted is None:
        return None, []
    if said_used:
        held = f"{wording.size(free)} of {wording.size(size)} are free"
    else:
        held = f"{'your' if stated else 'the free'} plan holds {wording.size(size)}"
    text = f"The next iCloud backup wants {wanted.text}; {held}."
    texts = [Said(text, wanted.source.label, wanted.source.date)]
    # Of a phone that is backed up already only what is new has to find room.
    pending = case.notes.pending_bytes if case.notes and not case.notes_stale else None
    low = pending if pending is not None and said_used else wanted.low
    if low > free:
        return Level.LIKELY, texts
    if wanted.high > limits.plan_tight * free:
        return Level.POSSIBLE, texts
    if stated and not said_used:
        spare = wording.size(max(size - wanted.high, 0))
        text = f"The next iCloud backup wants {wanted.text}, which fits if less than {spare} of your plan are used."
        return None, [Said(text, wanted.source.label, wanted.source.date)]
    return (Level.FINE if said_used else None), texts


def _room(case: Case) -> tuple[int, int, Source | None]:
    """The plan's size, what of it is free, and who says how much is used; the free plan when none was stated."""
    plan, used = case.evidence.answers.plan, case.evidence.answers.used
    size = plan.value if isinstance(plan, Seen) else case.limits.free_plan
    if not isinstance(used, Seen) or case.now - used.source.date > case.limits.answers_stale:
        return size, size, None
    if not isinstance(plan, Seen):
        size = next((each for each in PLANS.values() if each >= used.value), size)
    return size, max(size - used.value, 0), used.source


def size(case: Case) -> Finding:
    """C20: is it more than a night can carry?"""
    wanted, limits, traffic = case.estimate, case.limits, case.evidence.live.traffic
    pending = case.notes.pending_bytes if case.notes and not case.notes_stale else None
    to_send = pending or (wanted.high if wanted and case.last_success is None else None)
    longest = max((window.seconds for window in case.windows), default=0.0)
    if not to_send or not longest:
        return unseen("size", "what is still to be sent, or how long the nights are, is not known")
    speed = traffic.value.upload_bits_per_second if isinstance(traffic, Seen) else None
    source = case.notes_source
    label, date = (source.label, source.date) if source else ("", None)
    nights = f"the longest time on charger, Wi-Fi and locked was {wording.lasting(longest)}"
    if speed is None:
        quick = upload_seconds(to_send, UPLOADS[-1], limits)
        text = (
            f"About {wording.size(to_send)} are still to be sent. Even at 40 Mbit/s that takes "
            f"{wording.lasting(quick)}; {nights}."
        )
        if quick > longest:
            title = "it is more than one night can carry"
            return found(
                "size", Level.POSSIBLE, title, [Said(text, label, date)], steps=_size_steps(case), guess=True
            )
        return unseen("size", "how fast the phone sends is not known (`--watch-network` measures it)")
    needed = upload_seconds(to_send, speed, limits)
    text = (
        f"About {wording.size(to_send)} are still to be sent; at the measured {speed / 1e6:.2g} Mbit/s that "
        f"takes {wording.lasting(needed)}; {nights}."
    )
    texts = [Said(text, label, date)]
    if needed > limits.nights_possible * longest:
        level = Level.LIKELY if needed > limits.nights_likely * longest else Level.POSSIBLE
        title = "it is more than one night can carry"
        return found("size", level, title, texts, steps=_size_steps(case), guess=True)
    return fine("size", *texts)


def _size_steps(case: Case) -> list[Step]:
    known = shares(case.evidence, case.limits)
    chosen = [steps.LONG_RUN]
    if known and known.can_go:
        chosen.append(steps.APPS_OFF)
    sizes = case.evidence.noted.sizes.get()
    if sizes and sizes.videos:
        chosen.append(steps.LARGE_VIDEOS)
    return chosen


def apps(case: Case) -> Finding:
    """C21: which apps make it big? Worth a word only when size is the trouble."""
    known = shares(case.evidence, case.limits)
    if known is None:
        return unseen("apps", "no sizes of apps were read")
    texts = [
        Said(f"{share.name}: {wording.size(share.size)}" + (f" ({share.advice})" if share.advice else ""),
             known.source.label, known.source.date)
        for share in known.shares[:_TOP]
    ]  # fmt: skip
    matters = any(each.level in (Level.BLOCKER, Level.LIKELY) for each in (icloud_storage(case), size(case)))
    if not matters or not known.shares:
        return fine("apps", *texts)
    chosen = [steps.APPS_OFF] if known.can_go else []
    return found("apps", Level.POSSIBLE, "some apps make it big", texts, steps=chosen)


def app_data(case: Case) -> Finding:
    """C22: does the data of one app break it?"""
    named, texts = _named(case)
    if named:
        (app, count), *_ = named.most_common(1)
        sure = Level.LIKELY if count >= case.limits.app_named else Level.POSSIBLE
        own = [steps.NAMED_APP_UPDATE, steps.NAMED_APP_OFF, steps.REINSTALL_APP]
        title = f"the data of one app stops it: {app_name(app, _told(case, app))}"
        return found("app-data", sure, title, texts, steps=own, stands=True)
    level, errors = case.by_codes("app-data")
    newest = case.newest
    if newest and newest.error.code in (1, 2) and newest.in_a_row >= case.limits.app_named:
        level, errors = surer(level, Level.POSSIBLE), (*errors, case.error_said(newest))
    if level:
        title = "the data of one app perhaps stops it"
        return found("app-data", level, title, errors, steps=[steps.HALVE_APPS], stands=True)
    if case.attempts_known:
        return fine("app-data")
    return unseen("app-data", why(case.evidence.noted.notes))


def _named(case: Case) -> tuple[Counter[str], list[Said]]:
    """Apps whose data an attempt stopped at, by how often; not where the error has another clear cause."""
    named: Counter[str] = Counter()
    texts: list[Said] = []
    others = {each.error.app for each in case.counted if each.meaning.clear or each.meaning.passing}
    for counted in case.counted:
        app = counted.error.app
        if app and app not in others and not counted.stale:
            named[app] += counted.in_a_row
            texts.append(case.error_said(counted))
    log, notes, source = case.evidence.live.log, case.notes, case.notes_source
    if notes and source and notes.skipped_apps and case.counted and not case.notes_stale:
        named |= Counter(dict.fromkeys(notes.skipped_apps, 1))
        names = wording.listed([app_name(each, _told(case, each)) for each in notes.skipped_apps[:_TOP]])
        texts.append(
            Said(f"Files were left out of the last attempt, of: {names}.", source.label, source.date)
        )
    if isinstance(log, Seen):
        for app, count in log.value.apps.items():
            if app not in others:
                named |= Counter({app: count})
                text = f"The log names {app_name(app)} {wording.times(count)} where an upload stopped."
                texts.append(said(log, text))
    return named, texts


def _told(case: Case, bundle: str) -> str:
    return next((app.name for app in case.evidence.phone.apps.get() or () if app.bundle_id == bundle), "")
