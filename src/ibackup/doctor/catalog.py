"""The 30 checks: number, question, what each explains, where to look oneself, and the steps that may help.

``ibackup doctor --list-checks`` and docs/icloud.md are made from this table.
"""

from dataclasses import dataclass

from ibackup.doctor import steps
from ibackup.doctor.finding import Step
from ibackup.doctor.settings import Place


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckInfo:
    """One check, for people.

    Attributes:
        id: for scripts.
        number: C01 to C30.
        question: what it answers.
        explains: why that keeps iCloud Backup from working, or what it tells.
        signals: what it looks at.
        fine: a phrase for the line of what is fine.
        look: what to look at when it cannot be seen from here; empty when there is nothing.
        place: where in Settings that is.
        steps: all that it may advise, in the order in which they are printed.
        report: it says how things are; it is no cause by itself.
    """

    id: str
    number: str
    question: str
    explains: str
    signals: str
    fine: str
    look: str = ""
    place: Place | None = None
    steps: tuple[Step, ...] = ()
    report: bool = False


_CHECKS = (
    CheckInfo(
        id="readable",
        number="C01",
        question="Can the phone be read?",
        explains="A phone that is locked, does not trust this computer or is not set up tells nothing over "
        "the cable. Its own notes, in a local backup, can still be read.",
        signals="the connection, whether it is locked, its activation, error 212",
        fine="it answers",
        look="unlock the phone, tap Trust, and use a cable that carries data",
        steps=(steps.FINISH_SETUP,),
    ),
    CheckInfo(
        id="apple-status",
        number="C02",
        question="Is Apple having trouble?",
        explains="When iCloud Backup or the sign-in is down at Apple, nothing on the phone can mend it.",
        signals="Apple's System Status page; errors 301, 302, 304, 306",
        fine="Apple's servers",
        look="Apple's System Status, https://www.apple.com/support/systemstatus/",
        steps=(steps.WAIT_FOR_APPLE,),
    ),
    CheckInfo(
        id="last-success",
        number="C03",
        question="When did it last succeed?",
        explains="One night missed is normal. After a week something is wrong, after two weeks the phone "
        "warns by itself, and after 180 days without a new one Apple deletes the old backup.",
        signals="the date of the last finished iCloud backup, the last restore, since when it is switched on",
        fine="the last success is recent",
        look="the date under Back Up Now",
        place=Place.BACKUP,
        steps=(steps.LOOK_AGAIN,),
        report=True,
    ),
    CheckInfo(
        id="toggle",
        number="C04",
        question="Is iCloud Backup switched on?",
        explains="Switched off, it never runs, and says nothing. The switches for iCloud Drive and Photos do "
        "not stop it; they decide what is kept outside the backup.",
        signals="the phone's CloudBackupEnabled, and its log with --watch",
        fine="switched on",
        look="the switch Back Up This {noun}",
        place=Place.BACKUP,
        steps=(steps.SWITCH_ON, steps.ACCOUNT_CHANGES),
    ),
    CheckInfo(
        id="account",
        number="C05",
        question="Is an Apple Account signed in?",
        explains="Without one there is no iCloud to back up to.",
        signals="Find My, with whom contacts and calendars sync, the accounts in a local backup (their "
        "number alone); error 210",
        fine="signed in",
        look="your name at the top of Settings",
        place=Place.ACCOUNT,
        steps=(steps.SIGN_IN,),
    ),
    CheckInfo(
        id="policy",
        number="C06",
        question="Does a profile or an administrator forbid it?",
        explains="A company, a school or a profile can switch iCloud Backup off; the switch is then grey or "
        "missing. Screen Time can lock changes of the account.",
        signals="profiles, supervision, the restrictions in a local backup, error 22, the log with --watch",
        fine="not forbidden",
        look="the list of profiles",
        place=Place.PROFILES,
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
        question="What did the phone note about its last attempts?",
        explains="About twenty causes share the sentence “The last backup could not be completed”. The phone "
        "keeps the real number, its own words and the date of the last ten attempts in a file that every "
        "local backup holds.",
        signals="com.apple.MobileBackup.plist in the newest local backup or a sysdiagnose, at most 14 days old",
        fine="no failure noted since",
        look="make a local backup with `ibackup now`: the phone's own notes about iCloud are in it",
        steps=(steps.SEE_ERROR, steps.WATCH, steps.RESTART_PHONE),
        report=True,
    ),
    CheckInfo(
        id="icloud-storage",
        number="C08",
        question="Is iCloud storage full?",
        explains="The commonest cause. 5 GB are free, for all devices of the account and everything else in "
        "iCloud together. How much is used cannot be read over a cable. Deleting photos from a phone with "
        "iCloud Photos does not make its backup smaller.",
        signals="error 303; what the next backup wants against the plan (--plan, --icloud-used)",
        fine="it fits into iCloud",
        look="how full iCloud is",
        place=Place.STORAGE,
        steps=(
            steps.LOOK_AT_STORAGE,
            steps.APPS_OFF,
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
        explains="iCloud Backup runs by itself on Wi-Fi alone, unless mobile data was allowed for it.",
        signals="the Wi-Fi interface now, Wi-Fi in the phone's own notes, error 308",
        fine="on Wi-Fi now",
        look="the name of a network with a tick",
        place=Place.WIFI,
        steps=(steps.JOIN_WIFI, steps.BACK_UP_NOW),
    ),
    CheckInfo(
        id="power",
        number="C10",
        question="Does it get power at night?",
        explains="By itself iCloud Backup runs only on a charger. The cable to this computer makes that look "
        "fine right now and says nothing about the night.",
        signals="what ended the last periods on power, Wi-Fi and lock; the battery now",
        fine="power at night",
        look="whether it charged through the last nights (the graph of the battery)",
        place=Place.BATTERY,
        steps=(steps.CHARGE,),
    ),
    CheckInfo(
        id="lock",
        number="C11",
        question="Was it locked, and unlocked once since its restart?",
        explains="It must be locked to start by itself; and some files can only be read after it was "
        "unlocked once since it was switched on.",
        signals="errors 208 and 209; what ended the last periods on power, Wi-Fi and lock",
        fine="locked at night",
        look="whether you unlock it once after a restart",
        steps=(steps.UNLOCK_ONCE, steps.LEAVE_ALONE),
    ),
    CheckInfo(
        id="conditions",
        number="C12",
        question="Did power, Wi-Fi and lock hold long enough together?",
        explains="All three have to hold for as long as the upload takes. A phone that is used or unplugged "
        "at night never finishes.",
        signals="the last ten such periods by the phone's own notes, errors 202 and 217 to 224",
        fine="undisturbed long enough",
        look="the date under Back Up Now after a night on charger and Wi-Fi, locked",
        place=Place.BACKUP,
        steps=(steps.LEAVE_ALONE, steps.WATCH),
    ),
    CheckInfo(
        id="network",
        number="C13",
        question="Is the Wi-Fi restricted, slow or unstable?",
        explains="Low Data Mode, a hotspot, a VPN, a filter, a log-in page or a slow upload let the phone "
        "look connected while the backup fails.",
        signals="errors 300 and those of connections, a VPN, the measured upload (--watch-network), metered "
        "networks",
        fine="no network errors",
        look="Low Data Mode, a log-in page, the router",
        place=Place.LOW_DATA,
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
        explains="Low Power Mode does not stop iCloud Backup itself, but photo sync and downloads; a hot or "
        "empty phone puts off what can wait.",
        signals="the battery's charge and temperature now",
        fine="battery",
        look="Low Power Mode",
        place=Place.POWER_MODE,
        steps=(steps.CHARGE, steps.LOW_POWER_OFF, steps.COOL_DOWN),
    ),
    CheckInfo(
        id="restore-running",
        number="C16",
        question="Is a restore still running?",
        explains="While a phone still fetches apps and photos of a restore, it makes no new backup.",
        signals="the state of the last restore, apps that are still to come, errors 25 and 13",
        fine="no restore under way",
        look="“Restoring” at the top of the page",
        place=Place.BACKUP,
        steps=(steps.FINISH_RESTORE, steps.OTHER_DEVICE),
    ),
    CheckInfo(
        id="phone-storage",
        number="C17",
        question="Is the phone itself full?",
        explains="The phone writes lists and databases while it backs up; without room the backup fails. "
        "This is the phone's own storage, not iCloud's.",
        signals="free bytes by the phone's report (Settings may show more), errors 105 and 106",
        fine="room on the phone",
        look="the bar at the top",
        place=Place.PHONE_STORAGE,
        steps=(steps.FREE_PHONE, steps.RESTART_PHONE),
    ),
    CheckInfo(
        id="clock",
        number="C18",
        question="Is the clock right?",
        explains="A clock that is off by a day makes secure connections fail and lets the phone think that a "
        "backup lies in the future.",
        signals="the phone's clock against this computer's, and that against Apple's server; a last backup in the "
        "future",
        fine="clock",
        look="the date and time",
        place=Place.CLOCK,
        steps=(steps.CLOCK_AUTOMATIC,),
    ),
    CheckInfo(
        id="ios-version",
        number="C19",
        question="Is iOS out of date, a test version or too old?",
        explains="Apple mends faults of iCloud Backup in updates; very old versions and some test versions "
        "cannot back up.",
        signals="the phone's version against the newest for its model (Apple's feed), error 203",
        fine="iOS up to date",
        look="whether an update is offered",
        place=Place.UPDATE,
        steps=(steps.UPDATE_IOS, steps.LEAVE_BETA),
    ),
    CheckInfo(
        id="size",
        number="C20",
        question="Is it more than a night can carry?",
        explains="A first backup of many gigabytes over a slow line takes several nights; it goes on where "
        "it stopped.",
        signals="what is still to be sent, the longest period on power, Wi-Fi and lock, the measured upload",
        fine="it fits a night",
        look="the time left while Back Up Now runs",
        place=Place.BACKUP,
        steps=(steps.LONG_RUN, steps.APPS_OFF, steps.LARGE_VIDEOS),
    ),
    CheckInfo(
        id="apps",
        number="C21",
        question="Which apps make it big?",
        explains="Many apps keep everything in a cloud of their own, so their part of the backup can be left "
        "out. Others have no other copy.",
        signals="what the phone wanted to send of each app, else what each app holds",
        fine="no app in the way",
        look="the list of apps with their sizes",
        place=Place.APPS,
        steps=(steps.APPS_OFF,),
        report=True,
    ),
    CheckInfo(
        id="app-data",
        number="C22",
        question="Does the data of one app break it?",
        explains="One file that vanishes or cannot be read while it is sent can end the whole attempt.",
        signals="apps and files named with an error, files that were skipped, error 100",
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
        explains="With --watch the phone's log is read while you tap Back Up Now or lock the phone: it shows "
        "what the phone waits for, and the error the moment it comes.",
        signals="the phone's log (--watch), bytes sent (--watch-network)",
        fine="watched without trouble",
        look="run `ibackup doctor --watch` and tap Back Up Now",
        place=Place.BACKUP,
        steps=(steps.BACK_UP_NOW,),
        report=True,
    ),
    CheckInfo(
        id="helpers",
        number="C24",
        question="Do the programs behind it crash?",
        explains="The phone's own programs backupd and cloudd do the work; when they stop, so does the backup.",
        signals="the list of crash reports, errors 18 to 20",
        fine="no crashes",
        steps=(steps.RESTART_PHONE, steps.UPDATE_IOS),
    ),
    CheckInfo(
        id="backoff",
        number="C25",
        question="Is the phone waiting on purpose?",
        explains="After failures the phone waits longer and longer, up to a week, before it tries again by "
        "itself.",
        signals="the date before which it tries nothing, errors 14, 17 and 310",
        fine="not waiting after failures",
        steps=(steps.WAIT_OR_PRESS,),
    ),
    CheckInfo(
        id="restart",
        number="C26",
        question="Was it restarted since the trouble began?",
        explains="A restart mends much that has no visible cause. When the phone last started cannot be read.",
        signals="what you say you tried",
        fine="restarted",
        look="turn it off and on once, and unlock it",
        place=Place.SHUT_DOWN,
        steps=(steps.RESTART_PHONE, steps.RESTART_ROUTER),
        report=True,
    ),
    CheckInfo(
        id="session",
        number="C27",
        question="Does Apple still accept the phone's sign-in?",
        explains="After a changed password or new terms the phone may be signed in and yet be refused, "
        "without a word.",
        signals="error 305, refused sign-ins in the log",
        fine="sign-in not refused",
        look="a request at the top of Settings to verify or update the account",
        place=Place.ACCOUNT,
        steps=(steps.ANSWER_PROMPTS, steps.CHECK_TWO_FACTOR, steps.SIGN_OUT),
    ),
    CheckInfo(
        id="cloud-data",
        number="C28",
        question="Is the backup in iCloud damaged?",
        explains="Rare. When everything else is fine and the same error comes back, what is stored at Apple "
        "may not fit together any more.",
        signals="errors 205, 3 and 4 again and again",
        fine="nothing wrong with the copy in iCloud",
        steps=(steps.BACK_UP_NOW, steps.RESTART_PHONE, steps.DELETE_CLOUD_BACKUP),
    ),
    CheckInfo(
        id="network-settings",
        number="C29",
        question="Are the network settings broken?",
        explains="When network errors go on with another Wi-Fi and after a restart, the settings themselves "
        "may be the cause.",
        signals="network errors, and that another Wi-Fi and a restart were tried (you are asked)",
        fine="network settings",
        steps=(steps.RESET_NETWORK,),
    ),
    CheckInfo(
        id="local-backup",
        number="C30",
        question="Is there another backup right now?",
        explains="Whatever iCloud does, a local backup protects what is on the phone tonight, and comes "
        "before every step that can lose something.",
        signals="the newest snapshot in the store, what the phone says of its last local backup",
        fine="a local backup",
        steps=(steps.LOCAL_BACKUP,),
        report=True,
    ),
)

CHECKS = {check.id: check for check in _CHECKS}

# On screen (section 8.3): cheap, then decisive.
_SCREEN = (
    "C01 C03 C04 C05 C06 C16 C02 C07 C08 C09 C10 C11 C12 C13 C14 C18 C17 C19 C20 C21 C22 C25 C24 C15 C27 C28 "
    "C26 C29 C30 C23"
)
_BY_NUMBER = {check.number: check.id for check in _CHECKS}
SCREEN_ORDER = tuple(_BY_NUMBER[number] for number in _SCREEN.split())
