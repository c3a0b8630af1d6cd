"""The phone's iCloud Backup switch; it uses the same service as the backup password.

A store with a folder for the phone records its answer, for `ibackup status`.
"""

from ibackup.base.errors import PhoneRefused
from ibackup.base.events import Observer, PhaseStarted
from ibackup.base.settings_paths import SettingsPlace
from ibackup.device.backup2.settings_session import SettingsSession
from ibackup.device.folder.served_files import nothing_to_show
from ibackup.device.lockdown.phone_facts import PhoneFacts
from ibackup.jobs.phone_to_open import PhoneToOpen
from ibackup.store.store import Store


def switch(wanted: PhoneToOpen, observe: Observer, *, on: bool | None = None) -> PhoneFacts:
    """Switch it on or off, or leave it as it is; returns what the phone reports afterwards.

    Raises:
        PhoneRefused: it refused, for example without an Apple Account or because of a profile, or did not make the
        change. IbackupError: as for every phone.
    """
    observe(PhaseStarted("find", "Looking for the phone."))
    with wanted.open_phone(observe) as phone:
        if on is not None and phone.facts.cloud_backup_enabled is not on:
            observe(PhaseStarted("prepare", f"Asking the {phone.facts.noun}."))
            with nothing_to_show(phone.udid) as nothing:
                SettingsSession(phone, nothing, observe).enable_cloud_backup(on=on)
            facts = phone.refresh()
            if facts.cloud_backup_enabled is not None and facts.cloud_backup_enabled is not on:
                raise PhoneRefused(
                    f"The {facts.noun} reported success, but its setting did not change.",
                    hint=f"Look at {_path(facts)} on it; a profile may prevent the change.",
                )
        return _kept(phone.facts, wanted.store)


def _path(facts: PhoneFacts) -> str:
    return SettingsPlace.BACKUP.path(facts.ios_version, facts.noun)


def _kept(facts: PhoneFacts, store: Store | None) -> PhoneFacts:
    if store is not None:
        store.remember(facts.udid, facts.name, facts.cloud_backup_enabled, facts.last_cloud_backup)
    return facts
