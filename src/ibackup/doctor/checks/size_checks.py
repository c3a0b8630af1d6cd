"""Too much for the plan, for a night, or for one app: C08, C20, C21, C22."""

from collections import Counter

from ibackup.base.counts import listed
from ibackup.base.durations import rough_duration
from ibackup.base.sizes import rough_size
from ibackup.doctor.checks import wording
from ibackup.doctor.checks.case import Case
from ibackup.doctor.checks.how_checks_speak import fine, found, said, surer, unseen, why
from ibackup.doctor.checks.icloud_size import PLANS, UPLOADS, shares, upload_seconds
from ibackup.doctor.evidence.sighting import EvidenceSource, Seen
from ibackup.doctor.tables import steps
from ibackup.doctor.tables.cloud_apps import app_name
from ibackup.doctor.tables.finding import CAUSES, CheckFinding, FindingLevel, FindingText, Step

_TOP = 5


def icloud_storage(case: Case) -> CheckFinding:
    """C08: is iCloud storage full? How full it is cannot be read; error 303 and the sizes show it."""
    level, errors = case.by_codes("icloud-storage")
    by_size, texts = _against_plan(case)
    chosen = _storage_steps(case)
    # An error from weeks ago must not weaken what is seen today.
    if level and not (level is FindingLevel.POSSIBLE and by_size is FindingLevel.LIKELY):
        title = (
            "iCloud storage is full" if level is FindingLevel.BLOCKER else "iCloud storage is probably full"
        )
        return found("icloud-storage", level, title, [*errors, *texts], steps=chosen, stands=True)
    stated = isinstance(case.evidence.answers.plan, Seen)
    if case.works and (by_size is None or not stated):
        return fine("icloud-storage", *texts)
    if by_size in CAUSES:
        sure = by_size is not FindingLevel.POSSIBLE
        title = "the backup does not fit into iCloud" if sure else "the backup may not fit into iCloud"
        if not stated:
            title += ", unless a bigger plan than the free 5 GB is in use"
        return found("icloud-storage", by_size, title, [*errors, *texts], steps=chosen, guess=True)
    if by_size is FindingLevel.FINE:
        return fine("icloud-storage", *texts)
    told = (
        texts[0].text.rstrip(".")
        if stated and texts
        else "ibackup cannot read over the cable how full iCloud is"
    )
    return unseen("icloud-storage", told)


def _storage_steps(case: Case) -> list[Step]:
    """The steps that can help, judging by the sizes."""
    known = shares(case.evidence, case.limits)
    saved = sum(share.size for share in known.can_go) if known is not None else 0
    size, free, _ = _room(case)
    wanted = case.estimate.low - saved if case.estimate is not None else 0
    chosen = [steps.LOOK_AT_STORAGE]
    if saved:
        chosen.append(steps.APPS_OFF if wanted <= free else steps.APPS_OFF_TOO_LITTLE)
    if wanted <= size:  # otherwise it would not even fit into an empty iCloud
        chosen += [steps.DELETE_OLD_BACKUPS, steps.DELETE_LARGE]
    return [*chosen, steps.BIGGER_PLAN, steps.TEMPORARY_STORAGE]


def _against_plan(case: Case) -> tuple[FindingLevel | None, list[FindingText]]:
    """What the backup needs, compared with the plan, as far as that is known."""
    wanted, limits, answers = case.estimate, case.limits, case.evidence.answers
    size, free, said_used = _room(case)
    stated = isinstance(answers.plan, Seen)
    if said_used and free <= limits.plan_full * size:
        text = f"You said that {rough_size(size - free)} of {rough_size(size)} are used."
        return FindingLevel.LIKELY, [FindingText(text, said_used.label, said_used.date)]
    if wanted is None:
        return None, []
    if said_used:
        held = f"{rough_size(free)} of {rough_size(size)} are free"
    else:
        held = f"{'your' if stated else 'the free'} plan has {rough_size(size)}"
    text = f"The next iCloud backup needs {wanted.text}; {held}."
    texts = [FindingText(text, wanted.source.label, wanted.source.date)]
    # If the phone has a backup already, only new data needs space.
    pending = case.notes.pending_bytes if case.notes and not case.notes_stale else None
    low = pending if pending is not None and said_used else wanted.low
    if low > free:
        return FindingLevel.LIKELY, texts
    if wanted.high > limits.plan_tight * free:
        return FindingLevel.POSSIBLE, texts
    if stated and not said_used:
        spare = rough_size(max(size - wanted.high, 0))
        text = f"The next iCloud backup needs {wanted.text}, which fits if less than {spare} of your plan is used."
        return None, [FindingText(text, wanted.source.label, wanted.source.date)]
    return (FindingLevel.FINE if said_used else None), texts


def _room(case: Case) -> tuple[int, int, EvidenceSource | None]:
    """The plan's size, how much of it is free, and the source of the latter; the free plan if none was stated."""
    plan, used = case.evidence.answers.plan, case.evidence.answers.used
    size = plan.value if isinstance(plan, Seen) else case.limits.free_plan
    if not isinstance(used, Seen) or case.now - used.source.date > case.limits.answers_stale:
        return size, size, None
    if not isinstance(plan, Seen):
        size = next((each for each in PLANS.values() if each >= used.value), size)
    return size, max(size - used.value, 0), used.source


def size(case: Case) -> CheckFinding:
    """C20: is there too much to send in one night?"""
    wanted, limits, traffic = case.estimate, case.limits, case.evidence.live.traffic
    pending = case.notes.pending_bytes if case.notes and not case.notes_stale else None
    to_send = pending or (wanted.high if wanted and case.last_success is None else None)
    longest = max((window.seconds for window in case.windows), default=0.0)
    if not to_send or not longest:
        return unseen("size", "ibackup does not know what is left to send, or how long the nights are")
    speed = traffic.value.upload_bits_per_second if isinstance(traffic, Seen) else None
    source = case.notes_source
    label, date = (source.label, source.date) if source else ("", None)
    nights = f"the longest period of charging on Wi-Fi, locked, was {rough_duration(longest)}"
    if speed is None:
        quick = upload_seconds(to_send, UPLOADS[-1], limits)
        text = (
            f"About {rough_size(to_send)} are left to send. Even at 40 Mbit/s that takes "
            f"{rough_duration(quick)}; {nights}."
        )
        if quick > longest:
            title = "there is too much to send in one night"
            return found(
                "size",
                FindingLevel.POSSIBLE,
                title,
                [FindingText(text, label, date)],
                steps=_size_steps(case),
                guess=True,
            )
        return unseen("size", "the upload speed is not known (`--watch-network` measures it)")
    needed = upload_seconds(to_send, speed, limits)
    text = (
        f"About {rough_size(to_send)} are left to send; at the measured {speed / 1e6:.2g} Mbit/s that "
        f"takes {rough_duration(needed)}; {nights}."
    )
    texts = [FindingText(text, label, date)]
    if needed > limits.nights_possible * longest:
        level = FindingLevel.LIKELY if needed > limits.nights_likely * longest else FindingLevel.POSSIBLE
        title = "there is too much to send in one night"
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


def apps(case: Case) -> CheckFinding:
    """C21: which apps make it big? Only worth mentioning when size is the problem."""
    known = shares(case.evidence, case.limits)
    if known is None:
        return unseen("apps", "no app sizes were read")
    texts = [
        FindingText(f"{share.name}: {rough_size(share.size)}" + (f" ({share.advice})" if share.advice else ""),
             known.source.label, known.source.date)
        for share in known.shares[:_TOP]
    ]  # fmt: skip
    matters = any(
        each.level in (FindingLevel.BLOCKER, FindingLevel.LIKELY)
        for each in (icloud_storage(case), size(case))
    )
    if not matters or not known.shares:
        return fine("apps", *texts)
    chosen = [steps.APPS_OFF] if known.can_go else []
    return found("apps", FindingLevel.POSSIBLE, "some apps make it big", texts, steps=chosen)


def app_data(case: Case) -> CheckFinding:
    """C22: does the data of one app break it?"""
    named, texts = _named(case)
    if named:
        (app, count), *_ = named.most_common(1)
        sure = FindingLevel.LIKELY if count >= case.limits.app_named else FindingLevel.POSSIBLE
        own = [steps.NAMED_APP_UPDATE, steps.NAMED_APP_OFF, steps.REINSTALL_APP]
        title = f"the data of one app stops it: {app_name(app, _told(case, app))}"
        return found("app-data", sure, title, texts, steps=own, stands=True)
    level, errors = case.by_codes("app-data")
    newest = case.newest
    if newest and newest.error.code in (1, 2) and newest.in_a_row >= case.limits.app_named:
        level, errors = surer(level, FindingLevel.POSSIBLE), (*errors, case.error_said(newest))
    if level:
        title = "the data of one app may stop it"
        return found("app-data", level, title, errors, steps=[steps.HALVE_APPS], stands=True)
    if case.attempts_known:
        return fine("app-data")
    return unseen("app-data", why(case.evidence.noted.notes))


def _named(case: Case) -> tuple[Counter[str], list[FindingText]]:
    """Apps at whose data an attempt stopped, with how often; not if the error clearly has another cause."""
    named: Counter[str] = Counter()
    texts: list[FindingText] = []
    others = {each.error.app for each in case.counted if each.meaning.clear or each.meaning.passing}
    for counted in case.counted:
        app = counted.error.app
        if app and app not in others and not counted.stale:
            named[app] += counted.in_a_row
            texts.append(case.error_said(counted))
    log, notes, source = case.evidence.live.log, case.notes, case.notes_source
    if notes and source and notes.skipped_apps and case.counted and not case.notes_stale:
        named |= Counter(dict.fromkeys(notes.skipped_apps, 1))
        names = listed([app_name(each, _told(case, each)) for each in notes.skipped_apps[:_TOP]])
        texts.append(FindingText(f"The last attempt left out files of: {names}.", source.label, source.date))
    if isinstance(log, Seen):
        for app, count in log.value.apps.items():
            if app not in others:
                named |= Counter({app: count})
                text = f"An upload stopped at {app_name(app)} {wording.times(count)}, according to the log."
                texts.append(said(log, text))
    return named, texts


def _told(case: Case, bundle: str) -> str:
    return next((app.name for app in case.evidence.phone.apps.get() or () if app.bundle_id == bundle), "")
