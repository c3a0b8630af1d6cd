"""What people ask about iCloud Backup, for docs/icloud.md."""

from dataclasses import dataclass

from ibackup.base.settings_paths import SettingsPlace


@dataclass(frozen=True, slots=True)
class CommonQuestion:
    """A question, its answer in a few sentences, and where in Settings it can be seen."""

    question: str
    answer: str
    place: SettingsPlace | None = None


ASKED = (
    CommonQuestion(
        "Where do I see whether it works?",
        "The date below Back Up Now is that of the last backup that finished. At most a day old is fine; a "
        "night missed is normal; more than a week is a reason to look into it. "
        "After two weeks the phone shows a warning.",
        SettingsPlace.BACKUP,
    ),
    CommonQuestion(
        "How often does it run?",
        "Once a day, automatically, when the phone is on a charger, on Wi-Fi and locked, all three long enough. "
        "A hotspot and a network in Low Data Mode do not count as Wi-Fi. After failures it waits longer each "
        "time, up to a week; Back Up Now does not wait.",
        SettingsPlace.BACKUP,
    ),
    CommonQuestion(
        "What does it contain?",
        "Settings, the Home Screen, the data of apps, ringtones, the backup of an Apple Watch, the list of "
        "what was bought. Photos and Messages only when they do not sync with iCloud anyway.",
    ),
    CommonQuestion(
        "What does it not contain?",
        "What syncs with iCloud already (contacts, calendars, notes, reminders, iCloud Photos, Messages in "
        "iCloud, iCloud Drive, Health, Voice Memos, Safari, passwords), the apps themselves, Apple Pay, Face "
        "ID and Touch ID.",
    ),
    CommonQuestion(
        "Will it be smaller when I delete photos?",
        "With iCloud Photos on: no. The photos are outside the backup. They take iCloud storage of their "
        "own, deleting one deletes it on all devices, and the space is free again when Recently Deleted is "
        "emptied or after 30 days. With iCloud Photos off the camera roll is usually the largest part of the "
        "backup.",
        SettingsPlace.PHOTOS,
    ),
    CommonQuestion(
        "Can the phone keep smaller copies of photos?",
        "With iCloud Photos, yes. That frees space on the phone, not in iCloud.",
        SettingsPlace.OPTIMIZE,
    ),
    CommonQuestion(
        "Does iCloud Drive matter?",
        "Not for whether the backup runs. What is in iCloud Drive is outside the backup and shares its "
        "storage.",
        SettingsPlace.DRIVE,
    ),
    CommonQuestion(
        "How much space is there?",
        "5 GB are free, for everything of one Apple Account together: all devices' backups, photos, mail, "
        "files. iCloud+ has 50 GB, 200 GB, 2 TB, 6 TB and 12 TB. With Family Sharing the family shares it.",
        SettingsPlace.STORAGE,
    ),
    CommonQuestion(
        "I have several devices. What then?",
        "Each makes its own backup, and all of them share the storage of the account. Backups of devices "
        "that you no longer own stay until they are deleted, or until 180 days have passed.",
        SettingsPlace.BACKUPS,
    ),
    CommonQuestion(
        "How long does Apple keep it?",
        "180 days after the last update, or after iCloud Backup was switched off. Then it is deleted.",
    ),
    CommonQuestion(
        "Which apps are in it?",
        "The list shows each with its size. Switching one off takes its part out of the iCloud backup; on "
        "the phone nothing changes.",
        SettingsPlace.APPS,
    ),
    CommonQuestion(
        "Does it use mobile data?",
        "Only where the carrier offers it and the switch is on.",
        SettingsPlace.CELLULAR_BACKUP,
    ),
    CommonQuestion(
        "Does Private Relay or a VPN matter?",
        "It may slow the upload down or break it. Turn it off for one attempt to find out.",
        SettingsPlace.PRIVATE_RELAY,
    ),
    CommonQuestion(
        "I am changing phones and iCloud is full.",
        "Apple lends space for one full backup for 21 days, at no cost; the phone needs the latest iOS.",
        SettingsPlace.TEMPORARY,
    ),
    CommonQuestion(
        "What is it not?",
        "Not a copy at home: it is in one place, with one company, behind one account. Not protection from "
        "deletion: what syncs with iCloud is deleted everywhere, and a backup is replaced by the next one. "
        "Not an archive: there is one state, no older versions. `ibackup now` makes a backup of the other "
        "kind.",
    ),
)
