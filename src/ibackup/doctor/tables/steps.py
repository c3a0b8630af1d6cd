"""Every step the doctor may advise, with its place in Settings, its price and its disruption.

A check picks from the steps in its own row of ``catalog``, which numbers them in this order.
"""

from ibackup.base.settings_paths import SettingsPlace
from ibackup.doctor.tables.finding import Step

# -- 0: look, wait -----------------------------------------------------------------------------------------------
WAIT_FOR_APPLE = Step(
    text="Wait, and try again when Apple has fixed it: https://www.apple.com/support/systemstatus/. "
    "There is nothing to change on the {noun}."
)
WAIT_OR_PRESS = Step(
    text=(
        "Wait until then, or tap Back Up Now. Do not keep turning the switch off and on: each failure "
        "makes the {noun} wait longer."
    ),
    place=SettingsPlace.BACKUP,
)
LOOK_AT_STORAGE = Step(
    text="Look at the bar at the top: it shows how full iCloud is. The list below shows what takes the space.",
    place=SettingsPlace.STORAGE,
    removes=False,
)
LOOK_AT_PROFILES = Step(
    text="See which profiles are installed and who they come from.",
    place=SettingsPlace.PROFILES,
    removes=False,
)
ASK_ADMINISTRATOR = Step(
    text="Ask the organization that manages the {noun} to allow iCloud Backup, or whether it backs it up "
    "itself.",
)
LOOK_AGAIN = Step(
    text="Make it a habit: charger, Wi-Fi, locked, every night. Look at the date under Back Up Now again in "
    "a week.",
    place=SettingsPlace.BACKUP,
    removes=False,
)
FINISH_RESTORE = Step(
    text=(
        "Leave the {noun} charging on Wi-Fi until all apps and photos are back. This can take days; then "
        "iCloud Backup continues automatically."
    ),
)
OTHER_DEVICE = Step(
    text="If another device is being restored from this {noun}'s backup, wait until that is done.",
    removes=False,
)
SEE_ERROR = Step(
    text=(
        "To learn more, run `ibackup now`, then `ibackup doctor` again. It reads the {noun}'s own notes "
        "about iCloud from the fresh backup."
    ),
    removes=False,
)
WATCH = Step(
    text="Run `ibackup doctor --watch` and tap Back Up Now: it shows live what stops it.",
    place=SettingsPlace.BACKUP,
    disruption=3,
    removes=False,
)
TEMPORARY_STORAGE = Step(
    text="Are you changing to a new {noun} anyway? Apple lends you space for one backup for 21 days, at no "
    "cost.",
    place=SettingsPlace.TEMPORARY,
    removes=False,
)

# -- 1: charger, Wi-Fi, lock, switch, clock ----------------------------------------------------------------------
SWITCH_ON = Step(text="Turn on Back Up This {noun}.", place=SettingsPlace.BACKUP, disruption=1)
BACK_UP_NOW = Step(
    text="Tap Back Up Now and stay on that page until it ends.", place=SettingsPlace.BACKUP, disruption=1
)
SIGN_IN = Step(
    text="Sign in to your Apple Account, then turn on iCloud Backup.",
    place=SettingsPlace.SIGN_IN,
    disruption=1,
)
ANSWER_PROMPTS = Step(
    text=(
        "At the top of Settings, look for a request to enter your password, verify your account or accept "
        "new terms, and respond to it."
    ),
    place=SettingsPlace.ACCOUNT,
    disruption=1,
)
CHECK_TWO_FACTOR = Step(
    text=(
        "Check the account itself: sign in at https://account.apple.com, and make sure two-factor "
        "authentication is on."
    ),
    place=SettingsPlace.TWO_FACTOR,
    disruption=1,
    removes=False,
)
JOIN_WIFI = Step(
    text="Connect the {noun} to Wi-Fi, with airplane mode off; the Wi-Fi symbol must show at the top of the "
    "screen.",
    place=SettingsPlace.WIFI,
    disruption=1,
)
CHARGE = Step(
    text=(
        "Plug the {noun} into a wall charger every evening and leave it there until morning. A computer or "
        "a hub may give too little power, or switch off."
    ),
    disruption=1,
)
UNLOCK_ONCE = Step(
    text="After each restart, unlock the {noun} once with its passcode. Then leave it charging on Wi-Fi, locked.",
    disruption=1,
)
LEAVE_ALONE = Step(
    text=(
        "Leave it alone for a whole night: charging, on Wi-Fi, locked, with the screen off. An app that "
        "keeps the screen on (music, a clock) stops the backup."
    ),
    disruption=1,
)
LOW_DATA_OFF = Step(
    text="Turn off Low Data Mode for this Wi-Fi, and do not use another phone's hotspot: iCloud Backup does "
    "not run there.",
    place=SettingsPlace.LOW_DATA,
    disruption=1,
)
VPN_OFF = Step(
    text="Turn off VPN, Private Relay and ad or DNS filters for one attempt.",
    place=SettingsPlace.PROFILES,
    disruption=1,
)
OPEN_A_PAGE = Step(
    text="Open a web page in Safari: some networks (hotels, guest Wi-Fi) need a login first.", disruption=1
)
OVER_CELLULAR = Step(
    text="Or allow it to use mobile data, if the switch is there; this can cost money.",
    place=SettingsPlace.CELLULAR_BACKUP,
    disruption=1,
)
LOW_POWER_OFF = Step(text="Turn off Low Power Mode.", place=SettingsPlace.POWER_MODE, disruption=1)
COOL_DOWN = Step(text="Let the {noun} cool down: take it out of its case and out of the sun.", disruption=1)
CLOCK_AUTOMATIC = Step(
    text="Turn on Set Automatically, and check the time zone.", place=SettingsPlace.CLOCK, disruption=1
)
LOCAL_BACKUP = Step(
    text="Run `ibackup now`: a full backup on this computer, without iCloud's limits and without the "
    "internet.",
    disruption=1,
    removes=False,
)
FINISH_SETUP = Step(
    text="Finish setting up the {noun}: see the top of Settings, or the setup screens that are still open.",
    place=SettingsPlace.ACCOUNT,
    disruption=1,
)
ACCOUNT_CHANGES = Step(
    text="If the switch is grey, check whether Screen Time blocks account changes.",
    place=SettingsPlace.ACCOUNT_CHANGES,
    disruption=1,
)

# -- 2: restart, another Wi-Fi -----------------------------------------------------------------------------------
RESTART_PHONE = Step(
    text="Turn the {noun} off and on again, unlock it once, wait five minutes, then tap Back Up Now.",
    place=SettingsPlace.SHUT_DOWN,
    disruption=2,
)
RESTART_WHEN_FREED = Step(
    text="Then turn the {noun} off and on, so that it counts its free space again.",
    disruption=2,
    removes=False,
)
RESTART_ROUTER = Step(text="Unplug the router for half a minute.", disruption=2)
OTHER_WIFI = Step(
    text="Try another Wi-Fi, at a friend's or at work. If it works there, your own network is the cause.",
    place=SettingsPlace.WIFI,
    disruption=2,
)
COMPANY_NETWORK = Step(
    text=(
        "A company or school network must let Apple's servers through without inspecting the traffic. Its "
        "administrator can find the list at https://support.apple.com/101555."
    ),
    disruption=2,
    removes=False,
)
FORGET_WIFI = Step(
    text="Forget this Wi-Fi and join it again; you need its password.",
    place=SettingsPlace.FORGET_WIFI,
    disruption=2,
)

# -- 3: apps of the backup ---------------------------------------------------------------------------------------
APPS_OFF = Step(
    text=(
        "Switch off the apps that the table below marks as kept elsewhere. Their data is then left out of "
        "the iCloud backup; nothing changes on the {noun}."
    ),
    place=SettingsPlace.APPS,
    disruption=3,
)
APPS_OFF_TOO_LITTLE = Step(
    text=(
        "Switch off the apps that the table below marks as kept elsewhere. By the sizes there, that alone "
        "does not make the backup fit, so you also need one of the other steps."
    ),
    place=SettingsPlace.APPS,
    disruption=3,
    removes=False,
)
NAMED_APP_UPDATE = Step(
    text="Open the app once, then update it in the App Store, and tap Back Up Now again.", disruption=3
)
NAMED_APP_OFF = Step(
    text="Switch that app off in the list and tap Back Up Now. If it succeeds now, that app was the cause; "
    "its data is not in the iCloud backup until you switch it on again.",
    place=SettingsPlace.APPS,
    disruption=3,
    risky=True,
)
HALVE_APPS = Step(
    text=(
        "Find the app by halves: switch off one half of the list and tap Back Up Now. If it still fails, "
        "try the other half. At the end, switch all others on again."
    ),
    place=SettingsPlace.APPS,
    disruption=3,
    risky=True,
)
LONG_RUN = Step(
    text="Give it one long run: fast Wi-Fi, a charger, Back Up Now, and a night or two. It continues where it stopped.",
    place=SettingsPlace.BACKUP,
    disruption=3,
)

# -- 4: free or buy storage, update ------------------------------------------------------------------------------
DELETE_OLD_BACKUPS = Step(
    text="If the list has a backup of a device that you no longer own, delete that one. Never this {noun}'s "
    "own: it may be the only copy in iCloud.",
    place=SettingsPlace.BACKUPS,
    disruption=4,
    risky=True,
)
DELETE_LARGE = Step(
    text="Delete what you no longer need from iCloud Drive, Mail and large attachments, and empty Recently "
    "Deleted in Photos. With iCloud Photos on, deleting a photo deletes it on all devices, and makes this "
    "backup no smaller.",
    place=SettingsPlace.STORAGE,
    disruption=4,
    risky=True,
)
BIGGER_PLAN = Step(
    text=(
        "Get a bigger plan: 50 GB, 200 GB or 2 TB (6 and 12 TB exist). It costs money each month, but "
        "helps at once and deletes nothing. With Family Sharing, the family shares the storage and may be "
        "what fills it."
    ),
    place=SettingsPlace.PLAN,
    disruption=4,
)
FREE_PHONE = Step(
    text="Free one or two GB on the {noun}: offload apps that you do not use (their data stays), delete large "
    "attachments and downloads.",
    place=SettingsPlace.PHONE_STORAGE,
    disruption=4,
    risky=True,
)
LARGE_VIDEOS = Step(
    text="Move long videos to a computer, or let iCloud Photos keep them (then they are outside the backup, "
    "but in the same iCloud storage).",
    place=SettingsPlace.PHONE_STORAGE,
    disruption=4,
    risky=True,
)
UPDATE_IOS = Step(
    text="Install the update. It does not need an iCloud backup, but takes about half an hour and some free space.",
    place=SettingsPlace.UPDATE,
    disruption=4,
    risky=True,
)
LEAVE_BETA = Step(
    text="This is a test version (beta): report it with the Feedback app, or install the next version when "
    "it comes.",
    place=SettingsPlace.UPDATE,
    disruption=4,
    risky=True,
)
REMOVE_OWN_PROFILE = Step(
    text="Remove a profile only if you installed it yourself and know what it is for.",
    place=SettingsPlace.PROFILES,
    disruption=4,
    risky=True,
)
REINSTALL_APP = Step(
    text=(
        "If only that app fails: export its data, delete the app and install it again. Otherwise, whatever "
        "is only in the app is lost."
    ),
    disruption=4,
    risky=True,
)

# -- 5 to 7 --------------------------------------------------------------------------------------------------------
SIGN_OUT = Step(
    text=(
        "Sign out and in again, at a familiar place (elsewhere, Stolen Device Protection makes you wait an "
        "hour). You need the Apple Account's password. When asked, keep copies of your data. Wallet cards "
        "and anything not synced yet are lost, and photos come back slowly."
    ),
    place=SettingsPlace.SIGN_OUT,
    disruption=5,
    risky=True,
)
RESET_NETWORK = Step(
    text="Reset the network settings. This deletes all Wi-Fi passwords and VPN settings: write them down first. "
    "Then join Wi-Fi and tap Back Up Now.",
    place=SettingsPlace.RESET_NETWORK,
    disruption=6,
    risky=True,
)
DELETE_CLOUD_BACKUP = Step(
    text="Last resort: delete this {noun}'s backup in iCloud, turn iCloud Backup on again and tap Back Up "
    "Now on a fast Wi-Fi. The old backup in iCloud is gone for good, so check first with `ibackup verify` "
    "that the local one is good. Do not do this while another device is being restored from it.",
    place=SettingsPlace.BACKUPS,
    disruption=7,
    risky=True,
)
