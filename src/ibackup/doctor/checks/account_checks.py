"""The switch, the account, who can forbid it, and the sign-in: C04, C05, C06, C27."""

from collections.abc import Iterator

from ibackup.doctor.checks.case import Case
from ibackup.doctor.checks.how_checks_speak import fine, found, said, surer, unless_known, unseen, why
from ibackup.doctor.evidence.phone_evidence import SYNC_CLASSES
from ibackup.doctor.evidence.sighting import Seen
from ibackup.doctor.tables import steps
from ibackup.doctor.tables.finding import CheckFinding, FindingLevel, FindingText, Step


def toggle(case: Case) -> CheckFinding:
    """C04: is iCloud Backup switched on?"""
    phone, log = case.evidence.phone, case.evidence.live.log
    if isinstance(log, Seen) and (
        log.value.not_enabled or (log.value.conditions and log.value.conditions.enabled is False)
    ):
        text = f"The {case.noun}'s log says that automatic backup is not enabled."
        return found("toggle", FindingLevel.BLOCKER, "it is switched off", [said(log, text)], stands=True)
    switch = phone.toggle
    if isinstance(switch, Seen):
        if switch.value:
            return fine("toggle", said(switch, "iCloud Backup is on for the main account."))
        if case.last_success and case.last_success.value > switch.source.date:
            return fine("toggle", said(switch, "iCloud Backup was off then, but has succeeded since."))
        text = "iCloud Backup is off for the main account. Apple deletes the old backup after 180 days."
        level = FindingLevel.LIKELY if case.is_stale(switch.source) else FindingLevel.BLOCKER
        now = switch.source.kind == "usb"
        return found("toggle", level, "it is switched off", [said(switch, text)], stands=now)
    cloud, local = phone.last_cloud_backup, phone.last_local_backup
    told_nothing = not isinstance(cloud, Seen) and isinstance(local, Seen)
    if (isinstance(cloud, Seen) and case.never and not case.first_pending) or told_nothing:
        known: Seen[object] = cloud if isinstance(cloud, Seen) else local  # type: ignore[assignment]
        text = f"The {case.noun} reports neither that iCloud Backup is on nor that one ever finished."
        return found(
            "toggle", FindingLevel.POSSIBLE, "it may never have been switched on", [said(known, text)]
        )
    return unseen("toggle", why(switch))


def account(case: Case) -> CheckFinding:
    """C05: is an Apple Account signed in?"""
    level, errors = case.by_codes("account")
    if level:
        return found("account", level, "no Apple Account is signed in", errors, stands=True)
    find_my, sync, accounts = (
        case.evidence.phone.find_my,
        case.evidence.phone.sync_sources,
        case.evidence.noted.accounts,
    )
    if isinstance(find_my, Seen) and find_my.value:
        return fine("account", said(find_my, "Find My is on, so an Apple Account is signed in."))
    with_icloud = isinstance(sync, Seen) and any(
        "icloud" in name.casefold() for names in sync.value.values() for name in names
    )
    if isinstance(sync, Seen) and with_icloud:
        return fine("account", said(sync, "Contacts or calendars sync with iCloud."))
    if isinstance(accounts, Seen) and not case.is_stale(accounts.source):
        if accounts.value:
            return fine("account", said(accounts, f"iCloud accounts on this {case.noun}: {accounts.value}."))
        text = f"The {case.noun}'s list of accounts has no iCloud account."
        return found(
            "account", FindingLevel.LIKELY, "no Apple Account seems to be signed in", [said(accounts, text)]
        )
    # A class that the phone does not report may be the one that syncs.
    if isinstance(find_my, Seen) and isinstance(sync, Seen) and len(sync.value) == len(SYNC_CLASSES):
        texts = [said(find_my, "Find My is off."), said(sync, "Nothing syncs with iCloud.")]
        return found("account", FindingLevel.LIKELY, "no Apple Account seems to be signed in", texts)
    return unseen("account", why(find_my) or "Find My is off, which proves nothing")


def policy(case: Case) -> CheckFinding:
    """C06: does a profile or an administrator forbid it?"""
    forbidden = "a profile or an administrator forbids it"
    settings, log = case.evidence.noted.settings, case.evidence.live.log
    proof: list[FindingText] = []
    proven = FindingLevel.BLOCKER
    if isinstance(settings, Seen) and settings.value.allow_cloud_backup is False:
        proof.append(said(settings, f"The {case.noun}'s restrictions say: iCloud Backup is not allowed."))
        proven = FindingLevel.LIKELY if case.is_stale(settings.source) else FindingLevel.BLOCKER
    if isinstance(log, Seen) and log.value.policy:
        proof.append(said(log, f"The {case.noun}'s log says that a policy forbids iCloud Backup."))
    level, errors = case.by_codes("policy")
    managed = list(_managed(case))
    if proof or level:
        live = isinstance(log, Seen) and log.value.policy
        proven = FindingLevel.BLOCKER if live else proven
        return found(
            "policy",
            surer(proven if proof else None, level) or proven,
            forbidden,
            [*proof, *errors, *managed],
            steps=_policy_steps(case),
            stands=bool(errors) or live,
        )
    allowed = isinstance(settings, Seen) and settings.value.allow_cloud_backup is True
    if isinstance(settings, Seen) and allowed and not case.is_stale(settings.source):
        return fine("policy", said(settings, f"The {case.noun}'s restrictions allow iCloud Backup."))
    if managed:
        switch = case.evidence.phone.toggle.get()
        if switch is False:
            title = "a profile or an administrator seems to forbid it"
            return found("policy", FindingLevel.LIKELY, title, managed, steps=_policy_steps(case))
        title = "a profile or an administrator may forbid it"
        return found("policy", FindingLevel.POSSIBLE, title, managed, steps=_policy_steps(case))
    return unless_known("policy", case.evidence.phone.profiles, case.evidence.phone.cloud_configuration)


def _managed(case: Case) -> Iterator[FindingText]:
    """Signs that someone else manages this phone."""
    phone, settings = case.evidence.phone, case.evidence.noted.settings
    profiles, config, encryption = phone.profiles, phone.cloud_configuration, phone.requires_encryption
    if isinstance(config, Seen) and config.value.supervised:
        by = f" by {config.value.organization}" if config.value.organization else ""
        yield said(config, f"The {case.noun} is supervised{by}.")
    if isinstance(profiles, Seen) and profiles.value:
        names = ", ".join(profile.name for profile in profiles.value[:5])
        yield said(profiles, f"Profiles on the {case.noun}: {names}. What they restrict cannot be read.")
    if isinstance(encryption, Seen) and encryption.value:
        yield said(encryption, "A profile requires encrypted local backups, so someone manages this phone.")
    if isinstance(settings, Seen) and settings.value.allow_account_modification is False:
        yield said(settings, "Account changes are blocked (Screen Time or a profile).")


def _policy_steps(case: Case) -> list[Step]:
    """The steps that fit the evidence: an organization, a private profile, a locked account."""
    phone, settings = case.evidence.phone, case.evidence.noted.settings.get()
    config, profiles = phone.cloud_configuration.get(), phone.profiles.get() or ()
    supervised = bool(config and (config.supervised or config.mdm_unremovable))
    chosen = [steps.LOOK_AT_PROFILES]
    if supervised or not profiles or any(profile.removable is not True for profile in profiles):
        chosen.append(steps.ASK_ADMINISTRATOR)
    if settings and settings.allow_account_modification is False:
        chosen.append(steps.ACCOUNT_CHANGES)
    if not supervised and any(profile.removable is not False for profile in profiles):
        chosen.append(steps.REMOVE_OWN_PROFILE)
    return chosen


def session(case: Case) -> CheckFinding:
    """C27: does Apple still accept the phone's sign-in?"""
    level, errors = case.by_codes("session")
    if level in (FindingLevel.BLOCKER, FindingLevel.LIKELY):
        return found("session", level, "Apple no longer accepts the phone's sign-in", errors, stands=True)
    gentle = [steps.ANSWER_PROMPTS, steps.CHECK_TWO_FACTOR]
    if level:
        title = "Apple may no longer accept the phone's sign-in"
        return found("session", level, title, errors, steps=gentle, stands=True)
    newest, age = case.newest, case.age
    if (
        newest
        and len(case.counted) == 1
        and newest.error.code == 1
        and age is not None
        and age > case.limits.success_overdue
    ):
        title = "Apple may no longer accept the phone's sign-in"
        return found(
            "session", FindingLevel.POSSIBLE, title, [case.error_said(newest)], steps=gentle, guess=True
        )
    if case.attempts_known:
        return fine("session")
    return unseen("session", "ibackup cannot see over the cable whether Apple accepts the sign-in")
