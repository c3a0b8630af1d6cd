"""What the doctor says in many cases: status, causes in their order, and the first thing to do."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

from ibackup.cli.commands.doctor_text import verdict_text
from ibackup.doctor.checks.phone_checks import is_beta, newer_version
from ibackup.doctor.evidence.noted_evidence import (
    BackupSizes,
    LargeFile,
    RestoreInfo,
    Sizing,
    UserSettings,
)
from ibackup.doctor.evidence.phone_evidence import (
    AppSize,
    Battery,
    CloudConfiguration,
    CloudDate,
    Conditions,
    CrashReport,
    Disk,
    Evidence,
    Identity,
    Live,
    LiveError,
    LiveEvidence,
    NewestIos,
    PhoneEvidence,
    PowerSource,
    Profile,
    ServiceEvent,
    SystemStatus,
    Traffic,
    Wifi,
)
from ibackup.doctor.evidence.sighting import Seen, Unseen
from ibackup.doctor.tables import steps
from ibackup.doctor.tables.catalog import CHECKS, SCREEN_ORDER
from ibackup.doctor.tables.finding import CAUSES, FindingLevel, Step
from ibackup.doctor.verdict.verdict import FIRST_BACKUP, DoctorVerdict, is_cause, judge
from support.doctoring import (
    AILING,
    APPLE,
    BACKUP,
    GB,
    LIVE,
    NIGHTS,
    NOW,
    SERVICES,
    SOUND,
    SOUND_NOTES,
    UNKNOWN,
    ago,
    error,
    errors,
    failed,
    ids,
    noted,
    phone,
    said,
    usb,
    window,
    without_notes,
)


def status(
    *events: ServiceEvent, evidence: Evidence = AILING, services: tuple[str, ...] = SERVICES
) -> Evidence:
    """Apple's page says this."""
    return replace(
        evidence, apple=replace(evidence.apple, status=Seen(SystemStatus(services, events), APPLE))
    )


def clocked(ahead: float, evidence: Evidence) -> Evidence:
    """This computer's clock is so many seconds ahead of that of Apple's server."""
    told = SystemStatus(SERVICES, (), computer_ahead=ahead)
    return replace(evidence, apple=replace(evidence.apple, status=Seen(told, APPLE)))


def event(kind: str, *, service: str = "iCloud Backup", **more: object) -> ServiceEvent:
    return ServiceEvent(service=service, kind=kind, **{"status": "ongoing", "started": ago(hours=5), **more})  # type: ignore[arg-type]


def live(evidence: Evidence = AILING, traffic: Traffic | None = None, **log: object) -> Evidence:
    """The log was watched."""
    told = Live(seconds=180, lines=20, **log)  # type: ignore[arg-type]
    measured = Unseen("ibackup did not ask for it") if traffic is None else Seen(traffic, LIVE)
    return replace(evidence, live=LiveEvidence(log=Seen(told, LIVE), traffic=measured))


def traffic(mbit: float = 0.0, **interfaces: int) -> Traffic:
    sent = int(mbit * 1e6 / 8 * 30)
    return Traffic(seconds=30, interfaces=interfaces or {"en0": sent}, backup_bytes=sent, busy_seconds=30.0)


def watched(measured: Traffic, evidence: Evidence = AILING) -> Evidence:
    """The network was watched."""
    return replace(evidence, live=LiveEvidence(traffic=Seen(measured, LIVE)))


def ios(version: str, build: str = "22G86", newest: str | None = "26.6.1") -> Evidence:
    changed = phone(identity=Identity(udid="x", ios_version=version, build=build, product_type="iPhone16,1"))
    feed = Seen(NewestIos(newest, ago(days=20)) if newest else None, APPLE)
    return replace(changed, apple=replace(changed.apple, newest=feed))


SHORT = {"hours": 0.2}
WANTED = Sizing(
    total=int(7.9 * GB),
    domains={
        "CameraRollDomain": int(3.4 * GB),
        "AppDomain-net.whatsapp.WhatsApp": int(2.1 * GB),
        "AppDomain-com.spotify.client": int(1.2 * GB),
        "AppDomain-org.whispersystems.signal": int(0.9 * GB),
    },
)
MANIFEST = BackupSizes(
    domains={"CameraRollDomain": 20 * GB, "HomeDomain": GB, "AppDomain-com.example.notes": 6 * GB},
    videos=(LargeFile("Media/DCIM/100APPLE/IMG_0007.MOV", 2 * GB),),
)


def sized(sizes: BackupSizes, evidence: Evidence = AILING) -> Evidence:
    return replace(evidence, noted=replace(evidence.noted, sizes=Seen(sizes, BACKUP)))


def restricted(evidence: Evidence = AILING, **settings: bool) -> Evidence:
    return replace(evidence, noted=replace(evidence.noted, settings=Seen(UserSettings(**settings), BACKUP)))


NO_SYNC = {"Bookmarks": (), "Calendars": (), "Contacts": ("Gmail",), "Notes": ()}
WEEKS_AGO = replace(BACKUP, date=ago(days=20))
MANAGED = CloudConfiguration(supervised=True, organization="Example School")
WITHOUT_SETTINGS = restricted()
OLD_NOTES = replace(
    phone(last_cloud_backup=usb(CloudDate(date=ago(days=60)))),
    noted=replace(AILING.noted, notes=Seen(replace(SOUND_NOTES, windows=()), WEEKS_AGO)),
)
APPS = (
    AppSize("com.google.photos", "Google Photos", 9 * GB),
    AppSize("com.example.game", "Game", 4 * GB),
)


@dataclass(frozen=True)
class Scenario:
    """A case, and what is to be said of it; ``fix`` is the first thing to do."""

    evidence: Evidence
    status: str
    blockers: tuple[str, ...] = ()
    likely: tuple[str, ...] = ()
    possible: tuple[str, ...] = ()
    fix: Step | None = None


OLD = "last-success"  # the last success is 13 days old: in every ailing case

SCENARIOS = {
    # -- it works ----------------------------------------------------------------------------------------
    "all is well": Scenario(SOUND, "working"),
    "a recent success and old errors": Scenario(
        noted(SOUND, errors=(error(0, hours=10), error(303, hours=40), error(303, hours=64))), "working"
    ),
    "a recent success and an error newer than it": Scenario(
        noted(SOUND, errors=(error(303, hours=3),)),
        "blocked",
        ("icloud-storage",),
        fix=steps.DELETE_OLD_BACKUPS,
    ),
    "a recent success and a passing error newer than it": Scenario(
        noted(SOUND, errors=(error(202, hours=3),)), "working", possible=("conditions",)
    ),
    "a recent success, and no Wi-Fi since": Scenario(
        noted(SOUND, errors=(error(308, hours=3),)), "suspect", likely=("wifi",), fix=steps.JOIN_WIFI
    ),
    "a recent success, then switched off": Scenario(
        phone(SOUND, toggle=usb(False)), "blocked", ("toggle",), fix=steps.SWITCH_ON
    ),
    "a recent success and every sign of trouble is advice": Scenario(
        noted(
            phone(SOUND, disk=usb(Disk(free=10**8)), wifi=usb(Wifi(connected=False))),
            windows=tuple(window(days=day, on_power=False, **SHORT) for day in (1.2, 2.2, 3.2)),
        ),
        "working",
    ),
    "a success that only the notes know": Scenario(
        noted(phone(last_cloud_backup=Unseen("it does not tell")), errors=(error(0, hours=20),)), "working"
    ),
    "the first one is still to come": Scenario(
        noted(phone(last_cloud_backup=usb(CloudDate(date=None))), account_enabled=ago(hours=9)), "unknown"
    ),
    "three nights missed": Scenario(
        phone(last_cloud_backup=usb(CloudDate(date=ago(days=3)))), "unknown", possible=(OLD,)
    ),
    # -- single causes -----------------------------------------------------------------------------------------
    "only old": Scenario(AILING, "suspect", likely=(OLD,)),
    "never succeeded": Scenario(phone(last_cloud_backup=usb(CloudDate(date=None))), "suspect", likely=(OLD,)),
    "switched off": Scenario(phone(toggle=usb(False)), "blocked", ("toggle",), (OLD,), fix=steps.SWITCH_ON),
    "perhaps never on": Scenario(
        phone(toggle=Unseen("missing"), last_cloud_backup=Unseen("missing")), "unknown", possible=("toggle",)
    ),
    "no account by error 210": Scenario(failed(210), "blocked", ("account",), (OLD,), fix=steps.SIGN_IN),
    "no account to be seen": Scenario(
        replace(
            phone(find_my=usb(False), sync_sources=usb(NO_SYNC)),
            noted=replace(AILING.noted, accounts=Unseen("not in it")),
        ),
        "suspect",
        likely=(OLD, "account"),
        fix=steps.SIGN_IN,
    ),
    "no account to be seen, but only some of what syncs is told": Scenario(
        replace(
            phone(find_my=usb(False), sync_sources=usb({"Contacts": ()})),
            noted=replace(AILING.noted, accounts=Unseen("not in it")),
        ),
        "suspect",
        likely=(OLD,),
    ),
    "no account to be seen, and one weeks ago": Scenario(
        replace(
            phone(find_my=usb(False), sync_sources=usb(NO_SYNC)),
            noted=replace(AILING.noted, accounts=Seen(1, WEEKS_AGO)),
        ),
        "suspect",
        likely=(OLD, "account"),
        fix=steps.SIGN_IN,
    ),
    "no account in a list of weeks ago": Scenario(
        replace(
            phone(find_my=Unseen("missing"), sync_sources=Unseen("missing")),
            noted=replace(AILING.noted, accounts=Seen(0, WEEKS_AGO)),
        ),
        "suspect",
        likely=(OLD,),
    ),
    "Find My off but contacts in iCloud": Scenario(phone(find_my=usb(False)), "suspect", likely=(OLD,)),
    "no iCloud account in the list": Scenario(
        replace(
            phone(find_my=usb(False), sync_sources=usb({})),
            noted=replace(AILING.noted, accounts=Seen(0, BACKUP)),
        ),
        "suspect",
        likely=(OLD, "account"),
        fix=steps.SIGN_IN,
    ),
    "forbidden by restrictions": Scenario(
        restricted(allow_cloud_backup=False), "blocked", ("policy",), (OLD,), fix=steps.ASK_ADMINISTRATOR
    ),
    "forbidden by error 22": Scenario(
        failed(22, evidence=WITHOUT_SETTINGS), "blocked", ("policy",), (OLD,), fix=steps.ASK_ADMINISTRATOR
    ),
    "managed and switched off": Scenario(
        phone(WITHOUT_SETTINGS, toggle=usb(False), cloud_configuration=usb(MANAGED)),
        "blocked",
        ("toggle",),
        (OLD, "policy"),
        fix=steps.SWITCH_ON,
    ),
    "a profile whose content is not told": Scenario(
        phone(WITHOUT_SETTINGS, profiles=usb((Profile("Wi-Fi at work", True),))),
        "suspect",
        likely=(OLD,),
        possible=("policy",),
    ),
    "a profile, and restrictions that allowed it weeks ago": Scenario(
        replace(
            phone(profiles=usb((Profile("Wi-Fi at work", True),))),
            noted=replace(AILING.noted, settings=Seen(UserSettings(allow_cloud_backup=True), WEEKS_AGO)),
        ),
        "suspect",
        likely=(OLD,),
        possible=("policy",),
    ),
    "a profile, and restrictions that allow it": Scenario(
        phone(profiles=usb((Profile("Wi-Fi at work", True),))), "suspect", likely=(OLD,)
    ),
    "Apple has an outage": Scenario(
        status(event("Outage")), "blocked", ("apple-status",), (OLD,), fix=steps.WAIT_FOR_APPLE
    ),
    "Apple has an issue with sign-in": Scenario(
        status(event("Issue", service="Apple Account")),
        "suspect",
        likely=(OLD, "apple-status"),
        fix=steps.WAIT_FOR_APPLE,
    ),
    "Apple had one that is fixed": Scenario(
        status(event("Outage", status="resolved", ended=ago(hours=4))),
        "suspect",
        likely=(OLD,),
        possible=("apple-status",),
    ),
    "Apple had one last week": Scenario(
        status(event("Outage", status="resolved", ended=ago(days=7))), "suspect", likely=(OLD,)
    ),
    "Apple announces work on something beside it": Scenario(
        status(
            event("Maintenance", service="iCloud Drive", status="upcoming", ended=NOW + timedelta(hours=9))
        ),
        "suspect",
        likely=(OLD,),
    ),
    "Apple has trouble with music": Scenario(
        status(event("Outage", service="Apple Music")), "suspect", likely=(OLD,)
    ),
    "error 304 and a green page": Scenario(
        failed(304), "suspect", likely=(OLD, "apple-status"), fix=steps.WAIT_FOR_APPLE
    ),
    "storage full": Scenario(
        failed(303, 303, 303, 303), "blocked", ("icloud-storage",), (OLD,), fix=steps.DELETE_OLD_BACKUPS
    ),
    "storage full, and apps that could go": Scenario(
        noted(errors=errors(303), sizing=WANTED),
        "blocked",
        ("icloud-storage",),
        (OLD,),
        ("apps",),
        fix=steps.APPS_OFF,
    ),
    "storage full, in CloudKit's words": Scenario(
        noted(errors=(error(25, domain="CKErrorDomain"),)),
        "blocked",
        ("icloud-storage",),
        (OLD,),
        fix=steps.DELETE_OLD_BACKUPS,
    ),
    "larger than the free plan": Scenario(
        noted(sizing=WANTED),
        "suspect",
        likely=(OLD, "icloud-storage"),
        possible=("apps",),
        fix=steps.APPS_OFF,
    ),
    "larger than the plan that was stated": Scenario(
        said(sized(MANIFEST), plan=5 * GB),
        "suspect",
        likely=(OLD, "icloud-storage"),
        possible=("apps",),
        fix=steps.BIGGER_PLAN,  # an empty iCloud would not hold it
    ),
    "larger than what is free": Scenario(
        said(noted(sizing=WANTED), plan=50 * GB, used=45 * GB),
        "suspect",
        likely=(OLD, "icloud-storage"),
        possible=("apps",),
        fix=steps.APPS_OFF,
    ),
    "fits what is free": Scenario(
        said(noted(sizing=WANTED), plan=50 * GB, used=GB), "suspect", likely=(OLD,)
    ),
    "nothing free, by what was said": Scenario(
        said(plan=50 * GB, used=int(49.9 * GB)),
        "suspect",
        likely=(OLD, "icloud-storage"),
        fix=steps.DELETE_OLD_BACKUPS,
    ),
    "more used than is free of charge": Scenario(said(used=20 * GB), "suspect", likely=(OLD,)),
    "fits the plan that was stated": Scenario(
        said(noted(sizing=WANTED), plan=50 * GB), "suspect", likely=(OLD,)
    ),
    "apps hold far more than the free plan": Scenario(
        phone(without_notes(), apps=usb(APPS)),
        "suspect",
        likely=(OLD, "icloud-storage"),
        possible=("apps",),
        fix=steps.APPS_OFF,
    ),
    "full weeks ago, and nothing free by what was said": Scenario(
        said(noted(OLD_NOTES, errors=(error(303, hours=24 * 40),)), plan=50 * GB, used=int(49.9 * GB)),
        "suspect",
        likely=(OLD, "icloud-storage"),
        possible=("history",),
        fix=steps.DELETE_OLD_BACKUPS,
    ),
    "no network again and again, on Wi-Fi": Scenario(
        failed(308, 300, 308), "suspect", likely=(OLD, "wifi", "network"), fix=steps.JOIN_WIFI
    ),
    "no network again and again, and no Wi-Fi": Scenario(
        phone(failed(308, 308), wifi=usb(Wifi(connected=False))),
        "suspect",
        likely=(OLD, "wifi"),
        fix=steps.JOIN_WIFI,
    ),
    "no Wi-Fi by error 308": Scenario(failed(308), "suspect", likely=(OLD, "wifi"), fix=steps.JOIN_WIFI),
    "no Wi-Fi now and then": Scenario(
        noted(
            phone(wifi=usb(Wifi(connected=False))), windows=(window(on_wifi=False, locked=True), *NIGHTS[1:])
        ),
        "suspect",
        likely=(OLD, "wifi"),
        fix=steps.JOIN_WIFI,
    ),
    "no Wi-Fi at this moment": Scenario(
        phone(wifi=usb(Wifi(connected=False))), "suspect", likely=(OLD,), possible=("wifi",)
    ),
    "loses power at night": Scenario(
        noted(
            windows=tuple(window(days=day, hours=3, on_power=False, locked=True) for day in (1.2, 2.2, 3.2))
        ),
        "suspect",
        likely=(OLD, "power"),
        fix=steps.CHARGE,
    ),
    "a hub with too little power": Scenario(
        phone(power_source=usb(PowerSource(milliamperes=-400, external_power=True))),
        "suspect",
        likely=(OLD,),
        possible=("power",),
    ),
    "not unlocked since its restart": Scenario(
        failed(209), "suspect", likely=(OLD, "lock"), fix=steps.UNLOCK_ONCE
    ),
    "unlocked again too soon": Scenario(
        noted(
            windows=(
                *(window(days=day, hours=0.1) for day in (1.2, 2.2, 3.2)),
                window(days=4),
                window(days=5),
            )
        ),
        "suspect",
        likely=(OLD, "conditions"),
        possible=("lock",),
        fix=steps.LEAVE_ALONE,
    ),
    "conditions never hold": Scenario(
        noted(windows=tuple(window(days=day) for day in (12, 13))),
        "suspect",
        likely=(OLD, "conditions"),
        fix=steps.LEAVE_ALONE,
    ),
    "cancelled once": Scenario(failed(202), "suspect", likely=(OLD,), possible=("conditions",)),
    "conditions end it again and again": Scenario(
        failed(217, 217), "suspect", likely=(OLD, "conditions"), fix=steps.LEAVE_ALONE
    ),
    "put off by the system": Scenario(failed(223, 223), "suspect", likely=(OLD,), possible=("conditions",)),
    "network errors": Scenario(failed(300, 300), "suspect", likely=(OLD, "network"), fix=steps.LOW_DATA_OFF),
    "one network error": Scenario(failed(300), "suspect", likely=(OLD,), possible=("network",)),
    "a filter in the way": Scenario(
        noted(errors=tuple(error(-1003, hours=hours, domain="NSURLErrorDomain") for hours in (30, 54))),
        "suspect",
        likely=(OLD, "network"),
        fix=steps.LOW_DATA_OFF,
    ),
    "a metered network": Scenario(
        noted(windows=(window(expensive_network=True), *NIGHTS[1:])),
        "suspect",
        likely=(OLD,),
        possible=("network",),
    ),
    "a slow upload": Scenario(watched(traffic(0.4)), "suspect", likely=(OLD,), possible=("network",)),
    "a VPN": Scenario(
        watched(traffic(en0=10**6, utun3=9 * 10**5)), "suspect", likely=(OLD,), possible=("network",)
    ),
    "mobile data alone": Scenario(
        noted(windows=(window(on_wifi=False, on_cellular=True), *NIGHTS[1:])),
        "suspect",
        likely=(OLD,),
        possible=("cellular",),
    ),
    "battery low and hot": Scenario(
        phone(battery=usb(Battery(percent=7)), power_source=usb(PowerSource(celsius=41.0))),
        "suspect",
        likely=(OLD,),
        possible=("low-power",),
    ),
    "a restore is running": Scenario(
        failed(25), "blocked", ("restore-running",), (OLD,), fix=steps.FINISH_RESTORE
    ),
    "apps still come after a restore": Scenario(
        noted(phone(placeholders=usb(40)), restore=RestoreInfo(date=ago(days=2))),
        "suspect",
        likely=("restore-running",),
        fix=steps.FINISH_RESTORE,
        possible=(OLD,),
    ),
    "used by another device": Scenario(failed(13), "suspect", likely=(OLD,), possible=("restore-running",)),
    "the phone is full by error 105": Scenario(
        failed(105), "suspect", likely=(OLD, "phone-storage"), fix=steps.FREE_PHONE
    ),
    "the phone is full by a Cocoa error": Scenario(
        noted(errors=(error(640, domain="NSCocoaErrorDomain"),)),
        "suspect",
        likely=(OLD, "phone-storage"),
        fix=steps.FREE_PHONE,
    ),
    "the phone is full by error 105, twice": Scenario(
        failed(105, 105), "blocked", ("phone-storage",), (OLD,), fix=steps.FREE_PHONE
    ),
    "error 105 of a local backup": Scenario(
        noted(errors=errors(105, 105), is_cloud=False), "suspect", likely=(OLD,)
    ),
    "error 303 beside a local backup's": Scenario(
        noted(errors=errors(105, 303), is_cloud=False),
        "blocked",
        ("icloud-storage",),
        (OLD,),
        fix=steps.DELETE_OLD_BACKUPS,
    ),
    "hardly any room on the phone": Scenario(
        phone(disk=usb(Disk(free=150_000_000))),
        "suspect",
        likely=(OLD, "phone-storage"),
        fix=steps.FREE_PHONE,
    ),
    "little room on the phone": Scenario(
        phone(disk=usb(Disk(free=800_000_000))), "suspect", likely=(OLD,), possible=("phone-storage",)
    ),
    "the clock is off by more than a day": Scenario(
        phone(clock_offset=usb(-90_000.0)), "suspect", likely=(OLD, "clock"), fix=steps.CLOCK_AUTOMATIC
    ),
    "the clock is off by a day, but it is this computer's": Scenario(
        clocked(-90_000.0, phone(clock_offset=usb(90_000.0))), "suspect", likely=(OLD,)
    ),
    "a backup of today, by a computer that is a day behind": Scenario(
        clocked(
            -90_000.0,
            phone(
                clock_offset=usb(90_000.0),
                last_cloud_backup=usb(CloudDate(date=NOW + timedelta(hours=20), in_future=True)),
            ),
        ),
        "unknown",
    ),
    "the clock is off by a day, and this computer's is right": Scenario(
        clocked(0.7, phone(clock_offset=usb(90_000.0))),
        "suspect",
        likely=(OLD, "clock"),
        fix=steps.CLOCK_AUTOMATIC,
    ),
    "the clock is off by a quarter": Scenario(
        phone(clock_offset=usb(900.0)), "suspect", likely=(OLD,), possible=("clock",)
    ),
    "a last backup in the future": Scenario(
        phone(last_cloud_backup=usb(CloudDate(date=NOW + timedelta(days=40), in_future=True))),
        "suspect",
        likely=("clock",),
        possible=(OLD,),
        fix=steps.CLOCK_AUTOMATIC,
    ),
    "a newer iOS is needed": Scenario(failed(203), "blocked", ("ios-version",), (OLD,), fix=steps.UPDATE_IOS),
    "iOS 8": Scenario(ios("8.4.1", "12H321"), "blocked", ("ios-version",), (OLD,), fix=steps.UPDATE_IOS),
    "an update is there": Scenario(ios("26.5"), "suspect", likely=(OLD,), possible=("ios-version",)),
    "the newest, spelled with a zero": Scenario(ios("26.6.1", newest="26.6.1.0"), "suspect", likely=(OLD,)),
    "a test version": Scenario(ios("27.0", "24A5390f"), "suspect", likely=(OLD,), possible=("ios-version",)),
    "a twin build is no test version": Scenario(ios("26.6.1", "23G6083"), "suspect", likely=(OLD,)),
    "more than many nights can carry": Scenario(
        watched(
            traffic(2.0),
            noted(said(plan=200 * GB), sizing=replace(WANTED, total=90 * GB), pending_bytes=60 * GB),
        ),
        "suspect",
        likely=(OLD, "size"),
        possible=("apps",),
        fix=steps.LONG_RUN,
    ),
    "one app breaks it": Scenario(
        noted(errors=tuple(error(9, hours=hours, app="com.example.flip") for hours in (30, 54))),
        "suspect",
        likely=(OLD, "app-data"),
        fix=steps.NAMED_APP_UPDATE,
    ),
    "one app breaks it, and the free plan would be too small": Scenario(
        noted(
            errors=tuple(error(9, hours=hours, app="com.example.flip") for hours in (30, 54)), sizing=WANTED
        ),
        "suspect",
        likely=(OLD, "app-data"),
        possible=("icloud-storage", "apps"),
        fix=steps.NAMED_APP_UPDATE,
    ),
    "the phone is full by its own word, and the free plan would be too small": Scenario(
        noted(errors=(error(640, domain="NSCocoaErrorDomain"),), sizing=WANTED),
        "suspect",
        likely=(OLD, "phone-storage"),
        possible=("icloud-storage", "apps"),
        fix=steps.FREE_PHONE,
    ),
    "a file fails, of no known app": Scenario(
        failed(100, 100), "suspect", likely=(OLD,), possible=("app-data",)
    ),
    "helpers crash": Scenario(
        phone(
            failed(19),
            crashes=usb((CrashReport("cloudd", ago(hours=30)), CrashReport("backupd", ago(hours=90)))),
        ),
        "suspect",
        likely=(OLD, "helpers"),
        fix=steps.RESTART_PHONE,
    ),
    "one crash": Scenario(
        phone(crashes=usb((CrashReport("backupd", ago(days=3)),))),
        "suspect",
        likely=(OLD,),
        possible=("helpers",),
    ),
    "a crash of last month": Scenario(
        phone(crashes=usb((CrashReport("backupd", ago(days=40)),))), "suspect", likely=(OLD,)
    ),
    "waiting for days": Scenario(
        noted(retry_after=NOW + timedelta(days=3), failure_count=6),
        "suspect",
        likely=(OLD, "backoff"),
        fix=steps.WAIT_OR_PRESS,
    ),
    "waiting for an hour": Scenario(
        noted(retry_after=NOW + timedelta(hours=1)), "suspect", likely=(OLD,), possible=("backoff",)
    ),
    "sign-in refused": Scenario(failed(305), "suspect", likely=(OLD, "session"), fix=steps.ANSWER_PROMPTS),
    "sign-in refused again": Scenario(
        failed(305, 305), "blocked", ("session",), (OLD,), fix=steps.ANSWER_PROMPTS
    ),
    "damaged in iCloud": Scenario(
        failed(205, 205, 205), "suspect", likely=(OLD, "cloud-data"), fix=steps.BACK_UP_NOW
    ),
    "perhaps damaged in iCloud": Scenario(failed(4, 4), "suspect", likely=(OLD,), possible=("cloud-data",)),
    "no reason given": Scenario(
        failed(1, 1),
        "suspect",
        likely=(OLD, "history"),
        possible=("app-data", "session"),
        fix=steps.RESTART_PHONE,
    ),
    "a number that nobody knows": Scenario(failed(999), "suspect", likely=(OLD,), possible=("history",)),
    "network settings, after all else was tried": Scenario(
        said(failed(300, 300), tried=("restart", "other-wifi")),
        "suspect",
        likely=(OLD, "network"),
        possible=("network-settings",),
        fix=steps.LOW_DATA_OFF,
    ),
    "set-up not finished": Scenario(
        phone(activation=usb("Unactivated")), "suspect", likely=("readable", OLD), fix=steps.FINISH_SETUP
    ),
    "files left out of one app": Scenario(
        noted(errors=errors(999), skipped_apps=("com.example.flip",)),
        "suspect",
        likely=(OLD,),
        possible=("history", "app-data"),
    ),
    "files that stayed locked": Scenario(
        noted(missing_key_failures=2), "suspect", likely=(OLD,), possible=("lock",)
    ),
    "a first one that is half done": Scenario(
        noted(phone(last_cloud_backup=usb(CloudDate(date=None))), state=2, progress=0.5),
        "suspect",
        likely=(OLD,),
    ),
    # -- several at once -----------------------------------------------------------------------------------------
    "full and switched off": Scenario(
        phone(failed(303, 303), toggle=usb(False)),
        "blocked",
        ("toggle", "icloud-storage"),
        (OLD,),
        fix=steps.SWITCH_ON,
    ),
    "full while Apple is down": Scenario(
        status(event("Outage"), evidence=failed(303)),
        "blocked",
        ("apple-status", "icloud-storage"),
        (OLD,),
        fix=steps.WAIT_FOR_APPLE,
    ),
    "full and short nights": Scenario(
        noted(errors=errors(303), windows=tuple(window(days=day, hours=0.3) for day in (1.2, 2.2, 3.2))),
        "blocked",
        ("icloud-storage",),
        (OLD, "conditions"),
        fix=steps.DELETE_OLD_BACKUPS,
    ),
    "sign-in refused, full before": Scenario(
        failed(305, 303), "suspect", likely=(OLD, "icloud-storage", "session"), fix=steps.ANSWER_PROMPTS
    ),
    "a clear code beats the size": Scenario(
        noted(errors=errors(305), sizing=WANTED),
        "suspect",
        likely=(OLD, "session"),
        possible=("icloud-storage", "apps"),
        fix=steps.ANSWER_PROMPTS,
    ),
    "a network code beats the size": Scenario(
        noted(errors=errors(300, 300), sizing=WANTED),
        "suspect",
        likely=(OLD, "network"),
        possible=("icloud-storage", "apps"),
        fix=steps.LOW_DATA_OFF,
    ),
    "damage is believed last": Scenario(
        noted(
            errors=errors(205, 205, 205),
            windows=tuple(window(days=day, hours=0.3) for day in (1.2, 2.2, 3.2)),
        ),
        "suspect",
        likely=(OLD, "conditions"),
        possible=("cloud-data",),
        fix=steps.LEAVE_ALONE,
    ),
    "full, no Wi-Fi, clock wrong": Scenario(
        phone(failed(303, 308), clock_offset=usb(100_000.0), wifi=usb(Wifi(connected=False))),
        "blocked",
        ("icloud-storage",),
        (OLD, "clock"),
        ("wifi",),
        fix=steps.DELETE_OLD_BACKUPS,
    ),
    "managed, forbidden, switched off": Scenario(
        phone(restricted(allow_cloud_backup=False), toggle=usb(False), cloud_configuration=usb(MANAGED)),
        "blocked",
        ("toggle", "policy"),
        (OLD,),
        fix=steps.ASK_ADMINISTRATOR,
    ),
    "network, power and an update": Scenario(
        noted(
            ios("26.5"),
            errors=errors(300, 300),
            windows=tuple(window(days=day, hours=3, on_power=False, locked=True) for day in (1.2, 2.2, 3.2)),
        ),
        "suspect",
        likely=(OLD, "power", "network"),
        possible=("ios-version",),
        fix=steps.CHARGE,
    ),
    # -- seen live -----------------------------------------------------------------------------------------------
    "live: a policy forbids it": Scenario(
        live(WITHOUT_SETTINGS, policy=True), "blocked", ("policy",), (OLD,), fix=steps.ASK_ADMINISTRATOR
    ),
    "live: switched off": Scenario(
        live(not_enabled=True), "blocked", ("toggle",), (OLD,), fix=steps.SWITCH_ON
    ),
    "live: storage full": Scenario(
        live(
            started=True, errors=(LiveError(domain="MBErrorDomain", code=303, date=NOW, process="backupd"),)
        ),
        "blocked",
        ("icloud-storage",),
        (OLD,),
        fix=steps.DELETE_OLD_BACKUPS,
    ),
    "live: an error of the local backup": Scenario(
        live(errors=(LiveError(domain="MBErrorDomain", code=105, date=NOW, process="BackupAgent2"),)),
        "suspect",
        likely=(OLD,),
    ),
    "live: one attempt, its error in many lines": Scenario(
        live(
            errors=tuple(
                LiveError(domain="MBErrorDomain", code=305, date=ago(minutes=minutes), process="backupd")
                for minutes in range(5)
            )
        ),
        "suspect",
        likely=(OLD, "session"),
        fix=steps.ANSWER_PROMPTS,
    ),
    "live: one app stops it": Scenario(
        live(apps={"com.example.flip": 3}), "suspect", likely=(OLD, "app-data"), fix=steps.NAMED_APP_UPDATE
    ),
    "live: full, whatever app it was at": Scenario(
        live(
            errors=(
                LiveError(
                    domain="MBErrorDomain", code=303, date=NOW, process="backupd", app="com.example.flip"
                ),
            ),
            apps={"com.example.flip": 1},
        ),
        "blocked",
        ("icloud-storage",),
        (OLD,),
        fix=steps.DELETE_OLD_BACKUPS,
    ),
    "live: not on Wi-Fi": Scenario(
        live(conditions=Conditions(enabled=True, on_power=True, on_wifi=False, locked=True)),
        "suspect",
        likely=(OLD, "wifi"),
        possible=("watch",),
        fix=steps.JOIN_WIFI,
    ),
    # -- little to see -----------------------------------------------------------------------------------------
    "everything unknown": Scenario(UNKNOWN, "unknown"),
    "nothing at all": Scenario(Evidence(now=NOW), "unknown"),
    "an encrypted backup without its password": Scenario(
        without_notes(why="the local backup is encrypted, and its password was not given"),
        "suspect",
        likely=(OLD,),
    ),
    "only what the phone shows: storage": Scenario(
        said(UNKNOWN, sentence="icloud-full"), "blocked", ("icloud-storage",), fix=steps.DELETE_OLD_BACKUPS
    ),
    "only what the phone shows: files unavailable": Scenario(
        said(UNKNOWN, sentence="files-unavailable"), "suspect", likely=("lock",), fix=steps.UNLOCK_ONCE
    ),
    "only what the phone shows: could not be completed": Scenario(
        said(UNKNOWN, sentence="not-completed"), "unknown"
    ),
    "notes that are too old": Scenario(
        replace(
            AILING,
            noted=replace(
                AILING.noted,
                notes=Seen(
                    replace(SOUND_NOTES, errors=(error(303, hours=24 * 12.9),)),
                    replace(BACKUP, date=ago(days=20)),
                ),
            ),
        ),
        "suspect",
        likely=(OLD,),
        possible=("icloud-storage",),
    ),
    "a success newer than old notes": Scenario(
        noted(
            phone(SOUND, last_cloud_backup=usb(CloudDate(date=ago(hours=4)))), errors=(error(303, hours=40),)
        ),
        "working",
    ),
    "the success belongs to before the restore": Scenario(
        noted(SOUND, restore=RestoreInfo(date=ago(hours=5), state=0)), "unknown", possible=(OLD,)
    ),
    "an older backup alone": Scenario(
        replace(
            AILING,
            now=NOW + timedelta(days=10),
            reachable=Unseen("no phone is connected"),
            phone=PhoneEvidence(
                last_cloud_backup=Seen(CloudDate(date=ago(days=2)), BACKUP), toggle=Seen(True, BACKUP)
            ),
        ),
        "unknown",
    ),
    "switched off in a backup of last month": Scenario(
        replace(phone(toggle=Seen(False, BACKUP)), now=NOW + timedelta(days=30)),
        "suspect",
        likely=(OLD, "toggle"),
        fix=steps.SWITCH_ON,
    ),
    "Apple cannot be reached": Scenario(
        replace(
            failed(303), apple=replace(AILING.apple, status=Unseen("no network"), newest=Unseen("no network"))
        ),
        "blocked",
        ("icloud-storage",),
        (OLD,),
        fix=steps.DELETE_OLD_BACKUPS,
    ),
    "Apple's page in another shape": Scenario(status(services=()), "suspect", likely=(OLD,)),
    "only a backup, no phone": Scenario(
        replace(failed(303), reachable=Unseen("no phone is connected"), phone=PhoneEvidence()),
        "blocked",
        ("icloud-storage",),
        fix=steps.DELETE_OLD_BACKUPS,
    ),
}

# Not causes, and looked at elsewhere.
ASIDE = {"history", "local-backup"}


EVERY = pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=SCENARIOS)


@EVERY
def test_scenario(scenario: Scenario) -> None:
    verdict = judge(scenario.evidence)
    possible = [each for each in verdict.findings if each.level is FindingLevel.POSSIBLE and not each.advice]
    got = (
        verdict.status,
        tuple(ids(verdict.blockers)),
        tuple(ids(verdict.likely)),
        tuple(each for each in ids(possible) if each not in ASIDE or each in scenario.possible),
        verdict.first_fix,
    )
    assert got == (scenario.status, scenario.blockers, scenario.likely, scenario.possible, scenario.fix)
    assert ids(verdict.findings) == list(SCREEN_ORDER)


# What must be known before a step is told that can cost something.
NEEDS: dict[Step, Callable[[DoctorVerdict], bool]] = {
    steps.APPS_OFF: lambda verdict: verdict.shares is not None and bool(verdict.shares.can_go),
    steps.DELETE_CLOUD_BACKUP: lambda verdict: verdict.finding("cloud-data").level is FindingLevel.LIKELY,
    steps.SIGN_OUT: lambda verdict: (
        verdict.case.by_codes("session")[0] in (FindingLevel.BLOCKER, FindingLevel.LIKELY)
    ),
    steps.RESET_NETWORK: lambda verdict: "other-wifi" in (verdict.case.evidence.answers.tried.get() or ()),
    steps.UPDATE_IOS: lambda verdict: bool(
        newer_version(verdict.case) or verdict.finding("ios-version").level is FindingLevel.BLOCKER
    ),
    steps.LEAVE_BETA: lambda verdict: is_beta(verdict.case.evidence.phone.identity.build),  # type: ignore[union-attr]
    steps.REINSTALL_APP: lambda verdict: "com.example.flip" in verdict.finding("app-data").title,
    steps.REMOVE_OWN_PROFILE: lambda verdict: bool(verdict.case.evidence.phone.profiles.get()),
    steps.LARGE_VIDEOS: lambda verdict: verdict.case.evidence.noted.sizes.get() is not None,
    steps.BIGGER_PLAN: lambda verdict: verdict.finding("icloud-storage").level in CAUSES,
    steps.DELETE_OLD_BACKUPS: lambda verdict: verdict.finding("icloud-storage").level in CAUSES,
    steps.FREE_PHONE: lambda verdict: verdict.finding("phone-storage").level in CAUSES,
}


@EVERY
def test_no_fix_without_evidence(scenario: Scenario) -> None:
    verdict = judge(scenario.evidence)
    for finding in verdict.findings:
        if finding.level in CAUSES:
            assert finding.evidence, finding.id
            assert all(said.text for said in finding.evidence)
            assert set(finding.steps) <= set(CHECKS[finding.id].steps) | {steps.UPDATE_IOS}
        elif finding.level is FindingLevel.FINE:
            assert finding.steps == ()
        for step in finding.steps:
            assert step not in NEEDS or NEEDS[step](verdict), (finding.id, step.text)
    if not verdict.explained:
        assert all(step.disruption <= 1 for step in verdict.fallback)


@EVERY
def test_the_text_fits_the_terminal_and_names_every_step(scenario: Scenario) -> None:
    verdict = judge(scenario.evidence)
    text = re.sub(r"\x1b\[[0-9;]*m", "", verdict_text(verdict))
    assert max(len(line) for line in text.splitlines()) <= 80
    assert text.isprintable() or set(text) - set("\n") == {each for each in text if each.isprintable()}
    flat = re.sub(r"\s+", " ", text)
    for finding in (*verdict.blockers, *verdict.likely):
        if is_cause(finding):
            assert finding.title in flat
            for step in finding.steps:
                told = verdict.told(step)
                assert re.sub(r"\s+", " ", told.text) in flat
                assert told.settings_path in flat
    risky = [step for finding in verdict.causes for step in finding.steps if step.risky]
    assert all(verdict.told(step).text.startswith(FIRST_BACKUP) for step in risky) or verdict.protected


@EVERY
def test_nothing_that_only_looks_or_buys_asks_for_a_backup_first(scenario: Scenario) -> None:
    verdict = judge(scenario.evidence)
    for step in (steps.LOOK_AT_STORAGE, steps.BIGGER_PLAN, steps.TEMPORARY_STORAGE, *verdict.fallback):
        assert not verdict.told(step).text.startswith(FIRST_BACKUP)


def test_what_is_reported_when_nothing_is_known() -> None:
    text = re.sub(r"\s+", " ", verdict_text(judge(UNKNOWN)))
    storage = "Settings > [your name] > iCloud > Storage"
    assert f"Nothing this computer can see explains it. Most often iCloud is full: look at {storage}." in text
    places = [
        text.index(word)
        for word in ("wall charger", "Connect the iPhone to Wi-Fi", "Leave it alone", "`ibackup now`")
    ]
    assert places == sorted(places)


@pytest.mark.parametrize("hours", [1, 23, 25, 100])
def test_a_fresh_local_backup_is_not_asked_for_again(hours: float) -> None:
    local = replace(AILING.local.get(), finished=ago(hours=hours))  # type: ignore[type-var]
    case = replace(failed(305, 305), local=Seen(local, BACKUP))
    assert judge(case).protected == (hours < 24)
    told = judge(case).told(steps.SIGN_OUT).text
    assert told.startswith(FIRST_BACKUP) == (hours >= 24)


@pytest.mark.parametrize(
    ("days", "level", "word"),
    [
        (1.9, "fine", "finished"),
        (3, "possible", "normal"),
        (8, "likely", "finished"),
        (15, "likely", "warning"),
        (151, "likely", "180 days"),
    ],
)
def test_the_age_of_the_last_success(days: float, level: str, word: str) -> None:
    finding = judge(phone(last_cloud_backup=usb(CloudDate(date=ago(days=days))))).finding("last-success")
    assert finding.level == level
    assert word in finding.evidence[0].text


def test_an_error_counts_only_when_newer_than_the_last_success() -> None:
    mixed = noted(
        errors=(error(300, hours=10), error(0, hours=20), error(303, hours=30), error(303, hours=50))
    )
    case = judge(mixed).case
    assert [each.error.code for each in case.counted] == [300]


def test_the_levels_of_two_and_three_in_a_row() -> None:
    def level(*codes: int) -> FindingLevel:
        return judge(failed(*codes)).finding("cloud-data").level

    assert [level(4), level(4, 4), level(4, 4, 4)] == [
        FindingLevel.FINE,
        FindingLevel.POSSIBLE,
        FindingLevel.LIKELY,
    ]
    assert level(4, 1, 4, 4) is FindingLevel.FINE


def test_an_error_that_others_followed_is_less_sure() -> None:
    verdict = judge(failed(308, 303, 303))
    assert (verdict.finding("icloud-storage").level, verdict.finding("wifi").level) == (
        FindingLevel.LIKELY,
        FindingLevel.LIKELY,
    )


def test_the_window_line_says_when_the_list_of_errors_is_empty() -> None:
    nights = (
        window(days=1.3, seconds_since_error=3600.0, error_domain="MBErrorDomain", error_code=209),
        *NIGHTS[1:],
    )
    assert ids(judge(noted(windows=nights)).likely) == [OLD, "lock"]


def test_an_ipad_is_called_so() -> None:
    case = phone(toggle=usb(False), identity=Identity(udid="x", noun="iPad", ios_version="18.6"))
    assert "Turn on Back Up This iPad." in verdict_text(judge(case))


def test_a_plan_alone_does_not_say_that_there_is_room() -> None:
    known = judge(said(noted(sizing=WANTED), plan=50 * GB))
    assert known.finding("icloud-storage").level is FindingLevel.UNSEEN
    assert "fits if less than 42 GB of your plan is used" in re.sub(r"\s+", " ", verdict_text(known))
    assert (
        judge(said(noted(sizing=WANTED), plan=50 * GB, used=GB)).finding("icloud-storage").level
        is FindingLevel.FINE
    )


def test_what_the_phone_waits_for_is_said_in_whole_sentences() -> None:
    texts = [
        judge(noted(retry_after=NOW + wait, failure_count=3)).finding("backoff").evidence[0].text
        for wait in (timedelta(hours=1), timedelta(days=1), timedelta(days=5))
    ]
    assert [text.partition(" before ")[2].partition(" at ")[0] for text in texts] == [
        "today",
        "tomorrow",
        "30 November",
    ]
    assert "3 attempts failed" in texts[0]


def test_notes_that_report_nothing_of_attempts_prove_nothing() -> None:
    verdict = judge(noted(failure_count=None, state=None))
    for check in ("history", "network", "session", "app-data", "cloud-data"):
        assert verdict.finding(check).level is FindingLevel.UNSEEN, check


def test_failures_that_may_be_of_local_backups_are_no_proof_that_all_is_well() -> None:
    verdict = judge(noted(errors=errors(209, 209), is_cloud=False))
    told = verdict.finding("history")
    assert told.level is FindingLevel.UNSEEN
    assert "2 failed attempts that may be local backups" in told.evidence[0].text
    assert "`ibackup doctor --watch`" in told.steps[0].text
    for check in ("network", "session", "app-data", "cloud-data", "backoff"):
        assert verdict.finding(check).level is FindingLevel.UNSEEN, check
    assert (
        judge(noted(errors=errors(303), is_cloud=False)).finding("icloud-storage").level
        is FindingLevel.BLOCKER
    )


def test_a_phone_that_is_on_wifi_is_not_said_to_have_none() -> None:
    title = judge(failed(308)).finding("wifi").title
    assert title == "the phone had no network when it tried"
    gone = phone(failed(308), wifi=usb(Wifi(connected=False)))
    assert judge(gone).finding("wifi").title == "the phone has no Wi-Fi"


def test_whose_clock_is_wrong_is_said_where_apples_server_tells() -> None:
    off = phone(clock_offset=usb(90_000.0))
    assert "see which is right" in judge(off).finding("clock").evidence[0].text
    assert (
        "Apple's server agrees with the computer"
        in judge(clocked(0.7, off)).finding("clock").evidence[0].text
    )
    text = re.sub(r"\s+", " ", verdict_text(judge(clocked(-90_000.0, off))))
    assert (
        "set this computer's clock (this computer's own clock is 25 hours behind, by Apple's server)" in text
    )
    assert "Date & Time" not in text


@pytest.mark.parametrize(
    ("kept_elsewhere", "others", "first", "told"),
    [
        (4 * GB, 2 * GB, steps.APPS_OFF, None),  # 6 GB into 5, of which 4 can go
        (1 * GB, 7.4 * GB, steps.BIGGER_PLAN, steps.APPS_OFF_TOO_LITTLE),  # no deleting makes 7.4 fit into 5
    ],
)
def test_the_first_thing_to_do_is_enough_by_its_own_arithmetic(
    kept_elsewhere: float, others: float, first: Step, told: Step | None
) -> None:
    domains = {
        "AppDomain-com.getdropbox.Dropbox": int(kept_elsewhere),
        "AppDomain-org.example.own": int(others),
    }
    verdict = judge(sized(BackupSizes(domains=domains), failed(303)))
    assert verdict.shares is not None
    assert sum(share.size for share in verdict.shares.can_go) == kept_elsewhere
    assert verdict.first_fix == first
    chosen = verdict.finding("icloud-storage").steps
    assert (steps.APPS_OFF_TOO_LITTLE in chosen) is (told is not None)
    assert not (told and steps.DELETE_LARGE in chosen)
