"""iCloud Backup's switch on the phone: the same service as the backup password.

A store that has a folder of the phone keeps what it told, for `ibackup status`.
"""

from ibackup.device import PhoneFacts, SettingsSession, open_phone
from ibackup.device.serving import nothing_to_show
from ibackup.errors import PhoneRefused
from ibackup.events import Observer, PhaseStarted
from ibackup.store import Store


def look(
    udid: str | None, wait: float, patience: float, observe: Observer, *, store: Store | None
) -> PhoneFacts:
    """What the phone says of it."""
    observe(PhaseStarted("find", "Looking for the phone."))
    with open_phone(udid, wait=wait, patience=patience, observer=observe) as phone:
        return _kept(phone.facts, store)


def switch(
    udid: str | None, wait: float, patience: float, observe: Observer, *, store: Store | None, on: bool
) -> PhoneFacts:
    """Switch it on or off; what the phone says of it afterwards.

    Raises:
        PhoneRefused: it said no, for one without an Apple Account or managed by a profile; or it did not do it.
        IbackupError: as for every phone.
    """
    observe(PhaseStarted("find", "Looking for the phone."))
    with open_phone(udid, wait=wait, patience=patience, observer=observe) as phone:
        if phone.facts.cloud_backup_enabled is not on:
            observe(PhaseStarted("prepare", f"Asking the {phone.facts.noun}."))
            with nothing_to_show(phone.udid) as nothing:
                SettingsSession(phone, observe).enable_cloud_backup(nothing, on=on)
            facts = phone.refresh()
            if facts.cloud_backup_enabled is not None and facts.cloud_backup_enabled is not on:
                raise PhoneRefused(
                    f"The {facts.noun} said that it is done, and its setting did not change.",
                    hint="Look at Settings > your name > iCloud > iCloud Backup on it; a profile may keep it as it is.",
                )
        return _kept(phone.facts, store)


def _kept(facts: PhoneFacts, store: Store | None) -> PhoneFacts:
    if store is not None:
        store.remember(facts.udid, facts.name, facts.cloud_backup_enabled, facts.last_cloud_backup)
    return facts
