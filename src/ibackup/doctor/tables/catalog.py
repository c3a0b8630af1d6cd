"""The 30 checks: number, question, what it explains, where to check by hand, and the steps that may help.

``ibackup doctor --list-checks`` and docs/icloud.md are made from this table.
"""

from dataclasses import dataclass

from ibackup.base.settings_paths import SettingsPlace
from ibackup.doctor.tables import steps
from ibackup.doctor.tables.finding import Step


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckInfo:
    """One check, for people.

    Attributes:
        id: for scripts.
        number: C01 to C30.
        question: what it answers.
        explains: why this keeps iCloud Backup from working, or what it shows.
        signals: what it looks at.
        fine: a phrase for the line that lists what is fine.
        look: what to check by hand if ibackup cannot see it; empty if there is nothing to check.
        place: where in Settings that is.
        steps: everything it may advise, in the order printed.
        report: it describes the situation; it is not a cause by itself.
    """

    id: str
    number: str
    question: str
    explains: str
    signals: str
    fine: str
    look: str = ""
    place: SettingsPlace | None = None
    steps: tuple[Step, ...] = ()
    report: bool = False


_CHECKS = (
    CheckInfo(
        id="readable",
        number="C01",
        question="Can the phone be read?",
        explains=(
            "A phone that is locked, does not trust this computer or is not set up cannot be read over the "
            "cable. Its own notes, in a local backup, can still be read."
        ),
        signals="the connection, whether it is locked, its activation, error 212",
        fine="it answers",
        look="unlock the phone, tap Trust, and use a cable that carries data",
        steps=(steps.FINISH_SETUP,),
    ),
    CheckInfo(
        id="apple-status",
        number="C02",
        question="Is Apple having trouble?",
        explains="When iCloud Backup or the sign-in is down at Apple, nothing you change on the phone helps.",
        signals="Apple's System Status page; errors 301, 302, 304, 306",
        fine="Apple's servers",
        look="Apple's System Status, https://www.apple.com/support/systemstatus/",
        steps=(steps.WAIT_FOR_APPLE,),
    ),
    CheckInfo(
        id="last-success",
        number="C03",
        question="When did it last succeed?",
        explains="One night missed is normal. After a week something is wrong, after two weeks the phone shows a "
        "warning, and after 180 days without a new one Apple deletes the old backup.",
        signals="the date of the last finished iCloud backup, the last restore, since when it is switched on",
        fine="the last success is recent",
        look="the date under Back Up Now",
        place=SettingsPlace.BACKUP,
        steps=(steps.LOOK_AGAIN,),
        report=True,
    ),
    CheckInfo(
        id="toggle",
        number="C04",
        question="Is iCloud Backup switched on?",
        explains="When it is off, it never runs, and the phone does not warn you. The switches for iCloud "
        "Drive and Photos do not stop it; they decide what is kept outside the backup.",
        signals="the phone's CloudBackupEnabled, and its log with --watch",
        fine="switched on",
        look="the switch Back Up This {noun}",
        place=SettingsPlace.BACKUP,
        steps=(steps.SWITCH_ON, steps.ACCOUNT_CHANGES),
    ),
    CheckInfo(
        id="account",
        number="C05",
        question="Is an Apple Account signed in?",
        explains="Without an account there is no iCloud to back up to.",
        signals=(
            "Find My, which service contacts and calendars sync with, the accounts in a local backup (only "
            "how many); error 210"
        ),
        fine="signed in",
        look="your name at the top of Settings",
        place=SettingsPlace.ACCOUNT,
        steps=(steps.SIGN_IN,),
    ),
    CheckInfo(
        id="policy",
        number="C06",
        question="Does a profile or an administrator forbid it?",
        explains=(
            "A company, a school or a profile can switch iCloud Backup off; the switch is then grey or "
            "missing. Screen Time can block account changes."
        ),
        signals="profiles, supervision, the restrictions in a local backup, error 22, the log with --watch",
        fine="not forbidden",
        look="the list of profiles",
        place=SettingsPlace.PROFILES,
        steps=(
            steps.LOOK_AT_PROFILES,
            steps.ASK_ADMINISTRATOR,
            steps.ACCOUNT_CHANGES,
            steps.REMOVE_OWN_PROFILE,
        ),
    ),
    CheckInfo(
        id="history",
        number="C07",
        question="What did the phone record about its last attempts?",
        explains=(
            "About twenty different causes show the same message, “The last backup could not be "
            "completed”. The phone keeps the error number, its own description and the date of the last "
            "ten attempts in a file that every local backup contains."
        ),
        signals="com.apple.MobileBackup.plist in the newest local backup or a sysdiagnose, at most 14 days old",
        fine="no failure recorded since",
        look="make a local backup with `ibackup now`: it contains the phone's own notes about iCloud",
        steps=(steps.SEE_ERROR, steps.WATCH, steps.RESTART_PHONE),
        report=True,
    ),
    CheckInfo(
        id="icloud-storage",
        number="C08",
        question="Is iCloud storage full?",
        explains="The most common cause. 5 GB are free, for all devices of the account and everything else in "
        "iCloud together. ibackup cannot read over the cable how much is used. Deleting photos from a phone with "
        "iCloud Photos does not make its backup smaller.",
        signals="error 303; what the next backup needs, compared with the plan (--plan, --icloud-used)",
        fine="it fits into iCloud",
        look="how full iCloud is",
        place=SettingsPlace.STORAGE,
        steps=(
            steps.LOOK_AT_STORAGE,
            steps.APPS_OFF,
            steps.APPS_OFF_TOO_LITTLE,
            steps.DELETE_OLD_BACKUPS,
            steps.DELETE_LARGE,
            steps.BIGGER_PLAN,
            steps.TEMPORARY_STORAGE,
        ),
    ),
    CheckInfo(
        id="wifi",
        number="C09",
        question="Is the phone on Wi-Fi?",
        explains="By itself, iCloud Backup runs only on Wi-Fi, unless it is allowed to use mobile data.",
        signals="the Wi-Fi interface now, Wi-Fi in the phone's own notes, error 308",
        fine="on Wi-Fi now",
        look="a network name with a tick beside it",
        place=SettingsPlace.WIFI,
        steps=(steps.JOIN_WIFI, steps.BACK_UP_NOW),
    ),
    CheckInfo(
        id="power",
        number="C10",
        question="Is it charging at night?",
        explains=(
            "By itself, iCloud Backup runs only while charging. The cable to this computer makes that look "
            "fine now, but says nothing about the night."
        ),
        signals="what ended the last periods of charging, Wi-Fi and lock; the battery now",
        fine="power at night",
        look="whether it charged through the last nights (see the battery graph)",
        place=SettingsPlace.BATTERY,
        steps=(steps.CHARGE,),
    ),
    CheckInfo(
        id="lock",
        number="C11",
        question="Was it locked, and unlocked once since it restarted?",
        explains=(
            "It must be locked to start automatically. Some files can only be read once it has been unlocked "
            "after being switched on."
        ),
        signals="errors 208 and 209; what ended the last periods of charging, Wi-Fi and lock",
        fine="locked at night",
        look="whether you unlock it once after a restart",
        steps=(steps.UNLOCK_ONCE, steps.LEAVE_ALONE),
    ),
    CheckInfo(
        id="conditions",
        number="C12",
        question="Did charging, Wi-Fi and lock last long enough together?",
        explains=(
            "All three must last until the upload is done. A phone that is used or unplugged at night "
            "never finishes."
        ),
        signals="the last ten such periods in the phone's own notes, errors 202 and 217 to 224",
        fine="undisturbed long enough",
        look="the date under Back Up Now after a night of charging on Wi-Fi, locked",
        place=SettingsPlace.BACKUP,
        steps=(steps.LEAVE_ALONE, steps.WATCH),
    ),
    CheckInfo(
        id="network",
        number="C13",
        question="Is the Wi-Fi restricted, slow or unstable?",
        explains=(
            "Low Data Mode, a hotspot, a VPN, a filter, a log-in page or a slow upload can make the phone "
            "look connected while the backup fails."
        ),
        signals="errors 300 and connection errors, a VPN, the measured upload (--watch-network), metered "
        "networks",
        fine="no network errors",
        look="Low Data Mode, a log-in page, the router",
        place=SettingsPlace.LOW_DATA,
        steps=(
            steps.LOW_DATA_OFF,
            steps.VPN_OFF,
            steps.OPEN_A_PAGE,
            steps.RESTART_ROUTER,
            steps.OTHER_WIFI,
            steps.COMPANY_NETWORK,
            steps.FORGET_WIFI,
        ),
    ),
    CheckInfo(
        id="cellular",
        number="C14",
        question="Does it rely on mobile data?",
        explains="iCloud Backup does not use mobile data unless that is switched on, and not every carrier "
        "offers it.",
        signals="mobile data in the phone's own notes, bytes over mobile data (--watch-network)",
        fine="no need of mobile data",
        steps=(steps.JOIN_WIFI, steps.OVER_CELLULAR),
    ),
    CheckInfo(
        id="low-power",
        number="C15",
        question="Low battery, low power mode, or too warm?",
        explains=(
            "Low Power Mode does not stop iCloud Backup itself, but photo sync and downloads; a hot phone "
            "or an empty battery delays whatever can wait."
        ),
        signals="the battery's charge and temperature now",
        fine="battery",
        look="Low Power Mode",
        place=SettingsPlace.POWER_MODE,
        steps=(steps.CHARGE, steps.LOW_POWER_OFF, steps.COOL_DOWN),
    ),
    CheckInfo(
        id="restore-running",
        number="C16",
        question="Is a restore still running?",
        explains="While a phone is still downloading apps and photos after a restore, it makes no new backup.",
        signals="the state of the last restore, apps not downloaded yet, errors 25 and 13",
        fine="no restore under way",
        look="“Restoring” at the top of the page",
        place=SettingsPlace.BACKUP,
        steps=(steps.FINISH_RESTORE, steps.OTHER_DEVICE),
    ),
    CheckInfo(
        id="phone-storage",
        number="C17",
        question="Is the phone itself full?",
        explains="The phone needs free space while it backs up; without it, the backup fails. "
        "This is the phone's own storage, not iCloud's.",
        signals="free space as the phone reports it (Settings may show more), errors 105 and 106",
        fine="room on the phone",
        look="the bar at the top",
        place=SettingsPlace.PHONE_STORAGE,
        steps=(steps.FREE_PHONE, steps.RESTART_WHEN_FREED),
    ),
    CheckInfo(
        id="clock",
        number="C18",
        question="Is the clock right?",
        explains=(
            "If the clock is off by a day, secure connections fail and the phone may think its last backup "
            "is in the future."
        ),
        signals="the phone's clock compared with this computer's and Apple's server; a last backup in the "
        "future",
        fine="clock",
        look="the date and time",
        place=SettingsPlace.CLOCK,
        steps=(steps.CLOCK_AUTOMATIC,),
    ),
    CheckInfo(
        id="ios-version",
        number="C19",
        question="Is iOS out of date, a test version or too old?",
        explains=(
            "Apple fixes iCloud Backup problems in updates; very old versions and some test versions "
            "cannot back up."
        ),
        signals="the phone's version compared with the newest for its model (Apple's feed), error 203",
        fine="iOS up to date",
        look="whether an update is offered",
        place=SettingsPlace.UPDATE,
        steps=(steps.UPDATE_IOS, steps.LEAVE_BETA),
    ),
    CheckInfo(
        id="size",
        number="C20",
        question="Is there too much to send in one night?",
        explains=(
            "A first backup of many gigabytes over a slow line takes several nights; each continues where "
            "the last stopped."
        ),
        signals="what is still to be sent, the longest period of charging, Wi-Fi and lock, the measured upload",
        fine="it fits into one night",
        look="the time left while Back Up Now runs",
        place=SettingsPlace.BACKUP,
        steps=(steps.LONG_RUN, steps.APPS_OFF, steps.LARGE_VIDEOS),
    ),
    CheckInfo(
        id="apps",
        number="C21",
        question="Which apps make it big?",
        explains=(
            "Many apps keep their data in their own cloud, so you can leave them out of the backup. Others "
            "have no other copy."
        ),
        signals="what the phone wanted to send for each app, or else how much data each app has",
        fine="no app in the way",
        look="the list of apps with their sizes",
        place=SettingsPlace.APPS,
        steps=(steps.APPS_OFF,),
        report=True,
    ),
    CheckInfo(
        id="app-data",
        number="C22",
        question="Does the data of one app break it?",
        explains="One file that disappears or cannot be read during the upload can end the whole attempt.",
        signals="apps and files named in errors, files that were skipped, error 100",
        fine="no app named in an error",
        steps=(
            steps.NAMED_APP_UPDATE,
            steps.NAMED_APP_OFF,
            steps.HALVE_APPS,
            steps.REINSTALL_APP,
        ),
    ),
    CheckInfo(
        id="watch",
        number="C23",
        question="What happens while it tries?",
        explains=(
            "With --watch, ibackup reads the phone's log while you tap Back Up Now or lock the phone: it "
            "shows what the phone is waiting for, and any error as it happens."
        ),
        signals="the phone's log (--watch), bytes sent (--watch-network)",
        fine="watched without trouble",
        look="run `ibackup doctor --watch` and tap Back Up Now",
        place=SettingsPlace.BACKUP,
        steps=(steps.BACK_UP_NOW,),
        report=True,
    ),
    CheckInfo(
        id="helpers",
        number="C24",
        question="Are the phone's backup programs crashing?",
        explains="The phone's programs backupd and cloudd do the work; if they crash, the backup stops.",
        signals="the list of crash reports, errors 18 to 20",
        fine="no crashes",
        steps=(steps.RESTART_PHONE, steps.UPDATE_IOS),
    ),
    CheckInfo(
        id="backoff",
        number="C25",
        question="Is the phone waiting on purpose?",
        explains="After failures the phone waits longer each time, up to a week, before it tries again automatically.",
        signals="the date until which it will not try, errors 14, 17 and 310",
        fine="not waiting after failures",
        steps=(steps.WAIT_OR_PRESS,),
    ),
    CheckInfo(
        id="restart",
        number="C26",
        question="Was it restarted since the trouble began?",
        explains=(
            "A restart fixes many problems that have no visible cause. ibackup cannot read when the phone "
            "last started."
        ),
        signals="what you said you tried",
        fine="restarted",
        look="turn it off and on once, and unlock it",
        place=SettingsPlace.SHUT_DOWN,
        steps=(steps.RESTART_PHONE, steps.RESTART_ROUTER),
        report=True,
    ),
    CheckInfo(
        id="session",
        number="C27",
        question="Does Apple still accept the phone's sign-in?",
        explains="After a changed password or new terms Apple may refuse the phone's sign-in without any message.",
        signals="error 305, refused sign-ins in the log",
        fine="sign-in not refused",
        look="a request at the top of Settings to verify or update your account",
        place=SettingsPlace.ACCOUNT,
        steps=(steps.ANSWER_PROMPTS, steps.CHECK_TWO_FACTOR, steps.SIGN_OUT),
    ),
    CheckInfo(
        id="cloud-data",
        number="C28",
        question="Is the backup in iCloud damaged?",
        explains=(
            "Rare. If everything else is fine and the same error keeps coming back, the data stored at "
            "Apple may be damaged."
        ),
        signals="errors 205, 3 and 4, repeatedly",
        fine="nothing wrong with the copy in iCloud",
        steps=(steps.BACK_UP_NOW, steps.RESTART_PHONE, steps.DELETE_CLOUD_BACKUP),
    ),
    CheckInfo(
        id="network-settings",
        number="C29",
        question="Are the network settings broken?",
        explains=(
            "If network errors continue on another Wi-Fi and after a restart, the settings themselves may "
            "be the cause."
        ),
        signals="network errors, and whether another Wi-Fi and a restart were tried (ibackup asks you)",
        fine="network settings",
        steps=(steps.RESET_NETWORK,),
    ),
    CheckInfo(
        id="local-backup",
        number="C30",
        question="Is there another backup?",
        explains=(
            "Whatever iCloud does, a local backup protects what is on the phone tonight. Make one before "
            "any step that can lose data."
        ),
        signals="the newest snapshot in the store, the phone's record of its last local backup",
        fine="a local backup",
        steps=(steps.LOCAL_BACKUP,),
        report=True,
    ),
)

CHECKS = {check.id: check for check in _CHECKS}

# On screen: cheap, then decisive.
_SCREEN = (
    "C01 C03 C04 C05 C06 C16 C02 C07 C08 C09 C10 C11 C12 C13 C14 C18 C17 C19 C20 C21 C22 C25 C24 C15 C27 C28 "
    "C26 C29 C30 C23"
)
_BY_NUMBER = {check.number: check.id for check in _CHECKS}
SCREEN_ORDER = tuple(_BY_NUMBER[number] for number in _SCREEN.split())
